/* Solves that start somewhere: from the solution, near it, nowhere near it, by every method; and pulls. */
#include "systems.h"

enum { N = 90, K = 3 };

#define EACH_SOLVER(ctx, solver)                                                                             \
    struct kr_ctx context_, *ctx = &context_;                                                                \
    kr_ctx_init(ctx, 0);                                                                                     \
    ctx->threads = 1;                                                                                        \
    for (const struct kr_type *const *row_ = kr_solver_registry.rows, *solver; (solver = *row_); row_++)

static void make(struct kr_ctx *ctx, const struct kr_type *solver, struct problem *p)
{
    prepare(ctx, solver, N, K, spectrum(ctx, N, 300), 1e-8, p);
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "none", &p->options.preconditioner));
}

/* Solves from X0 into p->X. */
static void solve_from(struct kr_ctx *ctx, struct problem *p, const double *X0)
{
    struct kr_solver opened;
    p->report = (struct kr_solve_report){0};
    OK(kr_solver_open(ctx, &p->options, &p->op, &opened));
    OK(kr_solver_solve(ctx, &opened, p->k, p->B, X0, p->X, p->residual, &p->report));
    check_residual(p, p->options.type->name);
    ck_assert_int_eq(p->report.stop, KR_STOP_RTOL);
}

START_TEST(from_the_solution)
{
    EACH_SOLVER(ctx, solver)
    {
        struct problem p;
        make(ctx, solver, &p);
        solve_from(ctx, &p, p.truth);
        ck_assert_uint_eq(p.report.products, K);
        ck_assert_uint_eq(p.report.iterations, 0);
        ck_assert_mem_eq(p.X, p.truth, N * K * sizeof *p.X);
        solve_from(ctx, &p, p.X); /* in place */
        ck_assert_uint_eq(p.report.products, K);
        ck_assert_mem_eq(p.X, p.truth, N * K * sizeof *p.X);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_nearer_the_fewer_iterations)
{
    EACH_SOLVER(ctx, solver)
    {
        struct problem p;
        make(ctx, solver, &p);
        solve_from(ctx, &p, NULL);
        size_t before = p.report.iterations;
        const bool iterates = before > 0;
        const double *noise = normal(ctx, N * K, 5);
        double *X0 = kr_alloc(ctx, N * K, sizeof *X0);
        for (double distance = 1e-3; distance > 1e-8; distance *= 1e-2) {
            for (size_t i = 0; i < N * K; i++)
                X0[i] = p.truth[i] + distance * noise[i];
            solve_from(ctx, &p, X0);
            ck_assert_msg(p.report.iterations < before || !iterates, "%s from %g: %zu, before %zu",
                          solver->name, distance, p.report.iterations, before);
            before = p.report.iterations;
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Column by column: a start that is worse than zero, infinite or not a number is not used, its neighbour is.
 */
START_TEST(a_bad_start_does_no_harm)
{
    EACH_SOLVER(ctx, solver)
    {
        struct problem p;
        make(ctx, solver, &p);
        solve_from(ctx, &p, NULL);
        double *cold = kr_alloc(ctx, N * K, sizeof *cold), *X0 = normal(ctx, N * K, 6);
        const struct kr_solve_report alone = p.report;
        memcpy(cold, p.X, N * K * sizeof *cold);
        for (size_t i = 0; i < N; i++)
            X0[2 * N + i] = -1e3 * p.truth[2 * N + i];
        for (int kind = 0; kind < 3; kind++) {
            X0[7] = kind == 0 ? 1e9 : kind == 1 ? NAN : -INFINITY;
            solve_from(ctx, &p, X0);
            ck_assert_mem_eq(p.X, cold, N * K * sizeof *cold);
            ck_assert_uint_eq(p.report.iterations, alone.iterations);
            ck_assert_uint_eq(p.report.products, alone.products + K);
        }
        memcpy(X0 + 2 * N, p.truth + 2 * N, N * sizeof *X0); /* the last one is right now */
        solve_from(ctx, &p, X0);
        ck_assert_mem_eq(p.X + 2 * N, p.truth + 2 * N, N * sizeof *X0);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A zero right-hand side has the solution zero wherever one starts. */
START_TEST(nothing_to_solve)
{
    EACH_SOLVER(ctx, solver)
    {
        struct problem p;
        struct kr_solver opened;
        make(ctx, solver, &p);
        memset(p.B, 0, N * K * sizeof *p.B);
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        OK(kr_solver_solve(ctx, &opened, K, p.B, p.truth, p.X, p.residual, &p.report));
        ck_assert_int_eq(p.report.stop, KR_STOP_ZERO);
        for (size_t i = 0; i < N * K; i++)
            ck_assert(p.X[i] == 0 && p.residual[i] == 0);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* The adjoint solve of a pull starts where it is told to, and the gradient is the same. */
START_TEST(pulls_start_warm)
{
    EACH_SOLVER(ctx, solver)
    {
        struct problem p;
        struct kr_solver opened;
        struct kr_solve_report cold = {0}, warm = {0};
        make(ctx, solver, &p);
        p.options.rtol = 1e-11;
        solve_from(ctx, &p, NULL);
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        double *X_bar = normal(ctx, N * K, 7), *B_bar = kr_alloc(ctx, N * K, sizeof *B_bar),
               *grad = kr_alloc(ctx, N * N, sizeof *grad), *again = kr_alloc(ctx, N * N, sizeof *again);
        OK(kr_solve_pull(ctx, &opened, K, p.X, X_bar, NULL, B_bar, grad, &cold));
        OK(kr_solve_pull(ctx, &opened, K, p.X, X_bar, B_bar, B_bar, again, &warm));
        ck_assert_uint_eq(warm.products, K);
        ck_assert_uint_eq(warm.iterations, 0);
        ck_assert(cold.iterations == 0 || cold.products > warm.products);
        ck_assert_mem_eq(grad, again, N * N * sizeof *grad);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A system that is not symmetric, by a method that takes one: its pull solves with A'. */
START_TEST(pulls_of_a_matrix_that_is_not_symmetric)
{
    enum { M = 12 };
    EACH_SOLVER(ctx, solver)
    {
        struct kr_solver opened;
        struct problem p;
        if (!((const struct kr_solver_type *)solver)->any_square)
            continue;
        prepare(ctx, solver, M, 1, spectrum(ctx, M, 4), 1e-13, &p);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < i; j++)
                p.A[i + j * M] += 0.1 * sin((double)(3 * i + 5 * j));
        OK(kr_op_apply(ctx, &p.op, 1, p.truth, p.B));
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        OK(kr_solver_solve(ctx, &opened, 1, p.B, NULL, p.X, NULL, &p.report));
        double *X_bar = normal(ctx, M, 7), *B_bar = kr_alloc(ctx, M, sizeof *B_bar),
               *back = kr_alloc(ctx, M, sizeof *back), *grad = kr_alloc(ctx, M * M, sizeof *grad);
        OK(kr_solve_pull(ctx, &opened, 1, p.X, X_bar, NULL, B_bar, grad, &p.report));
        OK(kr_op_apply_t(ctx, &p.op, 1, B_bar, back));
        for (size_t i = 0; i < M; i++)
            CLOSE(back[i], X_bar[i], 1, 1e-10, "A' b_bar = x_bar, %zu", i);
        for (size_t j = 0; j < M; j++)
            for (size_t i = 0; i < M; i++)
                CLOSE(grad[i + j * M], -B_bar[i] * p.X[j], 1, 1e-12, "entry %zu, %zu", i, j);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("warm starts", from_the_solution, the_nearer_the_fewer_iterations, a_bad_start_does_no_harm,
      nothing_to_solve, pulls_start_warm, pulls_of_a_matrix_that_is_not_symmetric)
