/* The sketch of least squares: a few dozen iterations whatever the condition, and the rank it finds. */
#include "attempt.h"

/* Condition 1e8: LSMR alone does not get there in thousands of steps, with a sketch in a few dozen. */
static void check_sketch(size_t m, size_t n, double lambda, bool transposed)
{
    struct kr_ctx context, *ctx = &context;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, m, n, m < n ? m : n, 1e8, 3, &a);
    struct kr_lstsq_options options = tight_options(ctx, 1e-10, KR_LSTSQ_SKETCH);
    struct outcome with = attempt(ctx, &a, &options, lambda, transposed, NULL);
    ck_assert(kr_lstsq_converged(&with.report));
    ck_assert_int_eq(with.report.preconditioner, KR_LSTSQ_SKETCH);
    ck_assert_msg(with.report.iterations <= K * 60, "%zu iterations of %d columns", with.report.iterations,
                  K);
    ck_assert_msg(with.report.condition <= 4, "condition %g", with.report.condition);
    /* cond(A)^2 |r|/|A||x| times rounding bounds what anybody can know of x */
    ck_assert_msg(with.error <= 3e-6, "%zu x %zu, damping %g, %s: off by %g", m, n, lambda,
                  transposed ? "A'" : "A", with.error);
    ck_assert_uint_eq(with.report.rank, m < n ? m : n);
    ck_assert(!with.report.near_rank_change);
    options.preconditioner = KR_LSTSQ_NONE;
    struct outcome without = attempt(ctx, &a, &options, lambda, transposed, NULL);
    ck_assert_uint_gt(without.report.products, 5 * with.report.products);
    ck_assert(without.error > 10 * with.error);
    kr_ctx_fini(ctx);
}

START_TEST(a_sketch_needs_a_few_dozen_iterations)
{
    for (int transposed = 0; transposed < 2; transposed++) {
        check_sketch(1200, 60, 0, transposed);
        check_sketch(60, 1200, 0, transposed);
        check_sketch(1200, 60, 1e-6, transposed);
        check_sketch(60, 1200, 1e-6, transposed);
    }
}
END_TEST

/* A tall of less than full rank: the shortest minimiser, in a few dozen steps, in both directions. */
START_TEST(a_sketch_keeps_the_rank)
{
    for (int wide = 0; wide < 2; wide++)
        for (int transposed = 0; transposed < 2; transposed++)
            for (int damped = 0; damped < 2; damped++) {
                struct kr_ctx context, *ctx = &context;
                struct known a;
                kr_ctx_init(ctx, 0);
                known_matrix(ctx, wide ? 60 : 900, wide ? 900 : 60, 37, 1e5, 3, &a);
                struct kr_lstsq_options options = tight_options(ctx, 1e-12, KR_LSTSQ_SKETCH);
                struct outcome out = attempt(ctx, &a, &options, damped ? 1e-3 : 0, transposed, NULL);
                ck_assert(kr_lstsq_converged(&out.report));
                ck_assert_uint_eq(out.report.rank, 37);
                ck_assert(!out.report.near_rank_change);
                ck_assert_msg(out.report.iterations <= K * 70, "%zu", out.report.iterations);
                ck_assert_msg(out.error <= 1e-7, "off by %g", out.error);
                kr_ctx_fini(ctx);
            }
}
END_TEST

/* More rows of the sketch, fewer iterations; with as many as A has, the factor is exact. */
START_TEST(the_size_of_a_sketch)
{
    struct kr_ctx context, *ctx = &context;
    struct known a;
    size_t before = SIZE_MAX;
    static const double factors[] = {1.5, 3, 9, 100};
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 600, 30, 30, 1e6, 3, &a);
    for (int f = 0; f < 4; f++) {
        struct kr_lstsq_options options = tight_options(ctx, 1e-11, KR_LSTSQ_SKETCH);
        options.sketch_factor = factors[f];
        struct outcome out = attempt(ctx, &a, &options, 0, false, NULL);
        ck_assert(out.report.iterations < before);
        ck_assert_uint_eq(out.problem.products, f < 3 ? (size_t)(30 * factors[f]) : 600);
        ck_assert(out.error <= 1e-4);
        before = out.report.iterations;
    }
    ck_assert_uint_le(before, K * 2);
    kr_ctx_fini(ctx);
}
END_TEST

/* The smallest singular value against the threshold of 1e-13. */
START_TEST(a_rank_that_hangs_by_a_thread_is_told)
{
    static const struct {
        double smallest;
        size_t rank;
        bool near;
    } cases[] = {{1e-4, 30, false}, {1e-12, 30, true}, {2e-14, 29, true}, {1e-17, 29, false}};
    for (int c = 0; c < 4; c++)
        for (int damped = 0; damped < 2; damped++) {
            struct kr_ctx context, *ctx = &context;
            struct kr_lstsq problem;
            struct known a;
            kr_ctx_init(ctx, 0);
            known_matrix(ctx, 400, 30, 30, 10, 3, &a);
            const double change = cases[c].smallest - a.sigma[29];
            cblas_dger(CblasColMajor, 400, 30, change, a.U + 29 * 400, 1, a.V + 29 * 30, 1, a.A, 400);
            struct kr_lstsq_options options = tight_options(ctx, 1e-10, KR_LSTSQ_SKETCH);
            OK(kr_lstsq_open(ctx, &options, &a.op, damped ? 1e-2 : 0, NULL, &problem));
            ck_assert_msg(problem.rank == cases[c].rank, "%g: rank %zu", cases[c].smallest, problem.rank);
            ck_assert_msg(problem.near_rank_change == (cases[c].near && !damped), "%g", cases[c].smallest);
            kr_ctx_fini(ctx);
        }
}
END_TEST

/* Without a sketch the condition number that LSMR meets tells the same. */
START_TEST(a_rank_that_hangs_by_a_thread_without_a_sketch)
{
    for (int damped = 0; damped < 2; damped++)
        for (int near = 0; near < 2; near++) {
            struct kr_ctx context, *ctx = &context;
            struct known a;
            kr_ctx_init(ctx, 0);
            known_matrix(ctx, 3, 3, 3, near ? 1e12 : 1e6, 3, &a);
            struct kr_lstsq_options options = tight_options(ctx, 1e-15, KR_LSTSQ_NONE);
            options.reorthogonalize = 3;
            options.condition_limit = 1e15;
            double x[3], b[3];
            struct kr_lstsq problem;
            struct kr_lstsq_report report = {0};
            for (int i = 0; i < 3; i++)
                b[i] = a.U[i] + a.U[3 + i] * a.sigma[1] + a.U[6 + i] * a.sigma[2];
            OK(kr_lstsq_open(ctx, &options, &a.op, damped ? 1e-2 : 0, NULL, &problem));
            OK(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &report));
            ck_assert_msg(report.near_rank_change == (near && !damped),
                          "near %d, damped %d: condition %g (%s)", near, damped, report.condition,
                          kr_lstsq_stop_names[report.stop]);
            kr_ctx_fini(ctx);
        }
}
END_TEST

/* What a sketch cannot be made of is left to the iteration, which says what is wrong. */
START_TEST(sketches_that_fail)
{
    for (int zero = 0; zero < 2; zero++) {
        struct kr_ctx context, *ctx = &context;
        struct kr_lstsq_report report = {0};
        struct kr_lstsq problem;
        struct kr_op op;
        kr_ctx_init(ctx, 0);
        double *A = kr_alloc(ctx, 90 * 20, sizeof *A), *b = normal(ctx, 90, 2), *x = normal(ctx, 20, 3);
        if (!zero)
            A[17] = NAN;
        OK(kr_op_dense(ctx, 90, 20, A, &op));
        struct kr_lstsq_options options = tight_options(ctx, 1e-10, KR_LSTSQ_AUTO);
#ifdef KR_DEBUG
        if (!zero) {
            ck_assert_int_eq(kr_lstsq_open(ctx, &options, &op, 0, NULL, &problem), KR_INVALID);
            kr_ctx_fini(ctx);
            continue;
        }
#endif
        OK(kr_lstsq_open(ctx, &options, &op, 0, NULL, &problem));
        ck_assert_int_eq(problem.preconditioner, KR_LSTSQ_NONE);
        ck_assert_str_eq(problem.reason, zero ? "no preconditioner: the sketch of A is zero"
                                              : "no preconditioner: the sketch of A is not finite");
        OK(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &report));
        ck_assert_int_eq(report.stop, zero ? KR_LSTSQ_STOP_ZERO : KR_LSTSQ_STOP_NON_FINITE);
        ck_assert(!zero || length_of(x, 20) == 0);
        kr_ctx_fini(ctx);
    }
}
END_TEST

SUITE("lstsq_sketch", a_sketch_needs_a_few_dozen_iterations, a_sketch_keeps_the_rank, the_size_of_a_sketch,
      a_rank_that_hangs_by_a_thread_is_told, a_rank_that_hangs_by_a_thread_without_a_sketch,
      sketches_that_fail)
