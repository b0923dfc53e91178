/* Diagonal scaling of least squares: it mends bad scales, and keeps away from dependent columns. */
#include "attempt.h"

/* A = well-conditioned times columns (rows) of very different length. */
static void badly_scaled(struct kr_ctx *ctx, size_t m, size_t n, struct known *a)
{
    known_matrix(ctx, m, n, m < n ? m : n, 5, 3, a);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            a->A[i + j * m] *= pow(10, -3.0 * (double)((m < n ? i : j) % 7) / 6);
}

START_TEST(jacobi_mends_bad_scales)
{
    for (int wide = 0; wide < 2; wide++)
        for (int transposed = 0; transposed < 2; transposed++)
            for (int damped = 0; damped < 2; damped++) {
                struct kr_ctx context, *ctx = &context;
                struct kr_lstsq problem;
                struct known a;
                kr_ctx_init(ctx, 0);
                if (wide && damped)
                    continue; /* scales columns, which are not the ones that are bad here */
                badly_scaled(ctx, wide ? 40 : 200, wide ? 200 : 40, &a);
                const size_t m = transposed ? a.n : a.m, n = transposed ? a.m : a.n;
                double *b = normal(ctx, m, 5), *X[2];
                size_t iterations[2];
                for (int p = 0; p < 2; p++) {
                    struct kr_lstsq_report report = {0};
                    struct kr_lstsq_options options =
                        tight_options(ctx, 1e-12, p ? KR_LSTSQ_JACOBI : KR_LSTSQ_NONE);
                    X[p] = normal(ctx, n, 6);
                    options.max_iterations = 20000;
                    OK(kr_lstsq_open(ctx, &options, &a.op, damped ? 1e-4 : 0, NULL, &problem));
                    OK(transposed ? kr_lstsq_solve_t(ctx, &problem, 1, b, X[p], NULL, NULL, &report)
                                  : kr_lstsq_solve(ctx, &problem, 1, b, NULL, X[p], NULL, NULL, &report));
                    ck_assert(kr_lstsq_converged(&report));
                    ck_assert_msg(report.preconditioner == (p ? KR_LSTSQ_JACOBI : KR_LSTSQ_NONE), "%s",
                                  report.reason);
                    iterations[p] = report.iterations;
                }
                ck_assert_msg(iterations[1] * 4 < iterations[0], "%zu against %zu", iterations[1],
                              iterations[0]);
                ck_assert_msg(distance(X[0], X[1], n) <= 1e-5 * length_of(X[1], n), "off by %g",
                              distance(X[0], X[1], n) / length_of(X[1], n));
                kr_ctx_fini(ctx);
            }
}
END_TEST

START_TEST(jacobi_leaves_dependent_columns_alone)
{
    for (int wide = 0; wide < 2; wide++) {
        struct kr_ctx context, *ctx = &context;
        struct known a;
        kr_ctx_init(ctx, 0);
        known_matrix(ctx, wide ? 30 : 80, wide ? 80 : 30, 29, 10, 3, &a);
        struct kr_lstsq_options options = tight_options(ctx, 1e-12, KR_LSTSQ_JACOBI);
        struct outcome out = attempt(ctx, &a, &options, 0, false, NULL);
        ck_assert_int_eq(out.report.preconditioner, KR_LSTSQ_NONE);
        ck_assert_ptr_nonnull(
            strstr(out.report.reason, wide ? "rows seem dependent" : "columns seem dependent"));
        ck_assert_msg(out.error <= 1e-9, "off by %g", out.error);
        /* what the trial cost is told */
        ck_assert_uint_gt(out.problem.products, 32);
        kr_ctx_fini(ctx);
    }
}
END_TEST

SUITE("lstsq_jacobi", jacobi_mends_bad_scales, jacobi_leaves_dependent_columns_alone)
