/* The driver of all methods: its rounds, its choice, and what it calls converged. */
#include "systems.h"

/* A direct solve made wrong by a part in a thousand: every round of the driver gains three digits. */
static kr_status spoil(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                       const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_solver_type *exact = (const void *)kr_registry_find(&kr_solver_registry, "cholesky");
    KR_TRY(exact->correct(ctx, solver, k, R, rtol, D, report));
    for (size_t i = 0; i < k * solver->A.rows; i++)
        D[i] *= 1 + 1e-3 * sin(7 * (double)i);
    report->iterations = 1;
    return KR_OK;
}

START_TEST(rounds_refine)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_solver_type spoiled =
        *(const struct kr_solver_type *)kr_registry_find(&kr_solver_registry, "cholesky");
    struct problem p;
    spoiled.correct = spoil;
    prepare(ctx, &spoiled.base, 30, 3, spectrum(ctx, 30, 2), 1e-12, &p);
    solve(ctx, &p);
    check_residual(&p, "spoiled");
    ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
    ck_assert(p.report.residual <= 1e-12);
    ck_assert(p.report.iterations >= 4 && p.report.iterations <= 6);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_choice_of_a_method)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_solver_options options;
    const char *reason;
    kr_ctx_init(ctx, 0);
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    ck_assert_str_eq(kr_solver_choose(&options, NULL, 12000, 0, &reason)->base.name, "cholesky");
    ck_assert_str_eq(kr_solver_choose(&options, NULL, 12001, 0, &reason)->base.name, "cg");
    ck_assert_ptr_nonnull(strstr(reason, "12000 rows"));
    ck_assert_str_eq(kr_solver_choose(&options, NULL, 1000, 10 << 20, &reason)->base.name,
                     "cg"); /* the factor: 8 MB */
    ck_assert_ptr_nonnull(strstr(reason, "memory"));
    ck_assert_str_eq(kr_solver_choose(&options, NULL, 1000, 20 << 20, &reason)->base.name, "cholesky");
    struct kr_op_type products_only = {.name = "products only"};
    struct kr_op op = {&products_only, 1000, 1000, true, NULL};
    ck_assert_str_eq(kr_solver_choose(&options, &op, 1000, 0, &reason)->base.name, "cholesky");
    ck_assert_str_eq(kr_solver_choose(&options, &op, 1001, 0, &reason)->base.name, "cg");
    ck_assert_ptr_nonnull(strstr(reason, "not known"));
    op.symmetric = false;
    ck_assert_str_eq(kr_solver_choose(&options, &op, 10, 0, &reason)->base.name, "lsmr");
    ck_assert_ptr_nonnull(strstr(reason, "not symmetric"));
    for (const struct kr_type *const *row = kr_solver_registry.rows; *row; row++) {
        options.type = *row;
        ck_assert_ptr_eq(kr_solver_choose(&options, NULL, 1000000, 1000, &reason), *row);
        ck_assert_str_eq(reason, "asked for");
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(what_counts_as_converged)
{
    static const bool fine[] = {
        [KR_STOP_NONE] = true,      [KR_STOP_ZERO] = true,        [KR_STOP_RTOL] = true,
        [KR_STOP_PRECISION] = true, [KR_STOP_ITERATIONS] = false, [KR_STOP_BREAKDOWN] = false,
    };
    for (int stop = 0; kr_stop_names[stop]; stop++)
        ck_assert_int_eq(kr_solve_converged(&(struct kr_solve_report){.stop = stop, .residual = 1e-7}),
                         fine[stop]);
    ck_assert(!kr_solve_converged(&(struct kr_solve_report){.stop = KR_STOP_PRECISION, .residual = 1e-5}));
}
END_TEST

START_TEST(only_square_systems)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_solver_options options = {0};
    struct kr_solver solver;
    struct kr_op op;
    double A[6] = {1};
    kr_ctx_init(ctx, 0);
    OK(kr_op_dense(ctx, 3, 2, A, &op));
    ck_assert_int_eq(kr_solver_open(ctx, &options, &op, &solver), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "3 x 2"));
    kr_ctx_fini(ctx);
}
END_TEST

/* diag(2, 3) X = B by every method. */
static void solve_small(const struct kr_type *method, const double B[2], double X[2],
                        struct kr_solve_report *report)
{
    static const double entries[4] = {2, 0, 0, 3};
    struct kr_ctx context, *ctx = &context;
    struct kr_solver_options options;
    struct kr_solver solver;
    struct kr_op A;
    kr_ctx_init(ctx, 0);
    *report = (struct kr_solve_report){0};
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    options.type = method;
    OK(kr_op_dense(ctx, 2, 2, entries, &A));
    OK(kr_solver_open(ctx, &options, &A, &solver));
    OK(kr_solver_solve(ctx, &solver, 1, B, NULL, X, NULL, report));
    kr_ctx_fini(ctx);
}

START_TEST(right_hand_sides_that_are_not_finite_break_down)
{
    for (const struct kr_type *const *method = kr_solver_registry.rows; *method; method++)
        for (int c = 0; c < 2; c++) {
            const double B[2] = {c ? NAN : 1, c ? 1 : INFINITY};
            double X[2];
            struct kr_solve_report report;
            solve_small(*method, B, X, &report);
            ck_assert_msg(report.stop == KR_STOP_BREAKDOWN, "%s: stop %s", (*method)->name,
                          kr_stop_names[report.stop]);
            ck_assert(!kr_solve_converged(&report));
        }
}
END_TEST

/* The other columns of the group are solved all the same, and the report says that not all is well. */
START_TEST(a_right_hand_side_that_is_not_finite_is_left_alone)
{
    enum { N = 40, K = 5, BAD = 2 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (const struct kr_type *const *method = kr_solver_registry.rows; *method; method++)
        for (int from = 0; from < 2; from++) {
            struct problem p;
            struct kr_solver solver;
            prepare(ctx, *method, N, K, spectrum(ctx, N, 20), 1e-9, &p);
            p.B[BAD * N + 7] = from ? NAN : INFINITY;
            OK(kr_solver_open(ctx, &p.options, &p.op, &solver));
            OK(kr_solver_solve(ctx, &solver, K, p.B, from ? p.X : NULL, p.X, p.residual, &p.report));
            ck_assert_int_eq(p.report.stop, KR_STOP_BREAKDOWN);
            ck_assert(isnan(p.report.residual) && !kr_solve_converged(&p.report));
            for (size_t c = 0; c < K; c++)
                for (size_t i = 0; i < N; i++)
                    CLOSE(p.X[c * N + i], c == BAD ? 0 : p.truth[c * N + i], 1, 1e-6, "%s, column %zu",
                          (*method)->name, c);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(tiny_and_huge_right_hand_sides_are_solved)
{
    for (const struct kr_type *const *method = kr_solver_registry.rows; *method; method++)
        for (int power = -300; power <= 300; power += 50) {
            const double B[2] = {2 * pow(10, power), 6 * pow(10, power)};
            double X[2];
            struct kr_solve_report report;
            solve_small(*method, B, X, &report);
            ck_assert_msg(report.stop == KR_STOP_RTOL, "%s at 1e%d: stop %s", (*method)->name, power,
                          kr_stop_names[report.stop]);
            CLOSE(X[0], pow(10, power), pow(10, power), 1e-8, "%s at 1e%d", (*method)->name, power);
            CLOSE(X[1], 2 * pow(10, power), pow(10, power), 1e-8, "%s at 1e%d", (*method)->name, power);
        }
}
END_TEST

SUITE("solve", rounds_refine, the_choice_of_a_method, what_counts_as_converged, only_square_systems,
      right_hand_sides_that_are_not_finite_break_down, a_right_hand_side_that_is_not_finite_is_left_alone,
      tiny_and_huge_right_hand_sides_are_solved)
