/* Which preconditioner least squares take and say they took, the caller's own among them; all keep the
 * problem. */
#include "attempt.h"

/* N = V Sigma^-1 (or Sigma^-1 U' from the left): a handful of iterations in both directions. */
START_TEST(a_preconditioner_of_the_callers_own)
{
    for (int wide = 0; wide < 2; wide++)
        for (int transposed = 0; transposed < 2; transposed++)
            for (int damped = 0; damped < 2; damped++) {
                struct kr_ctx context, *ctx = &context;
                struct known a;
                struct kr_op N, M;
                const double lambda = damped ? 1e-4 : 0;
                kr_ctx_init(ctx, 0);
                known_matrix(ctx, wide ? 40 : 90, wide ? 90 : 40, 40, 1e6, 3, &a);
                /* damped, N is square: what A does not see is scaled by lambda */
                const bool rows = wide && !damped;
                const size_t d = rows ? a.m : a.n, r = damped ? a.n : 40;
                double *F = kr_alloc(ctx, d * r, sizeof *F);
                for (size_t j = 0; j < 40 && !(damped && wide); j++)
                    cblas_daxpy((int)d, 1 / hypot(a.sigma[j], lambda), (rows ? a.U : a.V) + j * d, 1,
                                F + j * d, 1);
                for (size_t j = 0; j < d && damped && wide; j++) {
                    F[j + j * d] = 1 / lambda;
                    for (size_t i = 0; i < d; i++)
                        for (size_t l = 0; l < 40; l++)
                            F[i + j * d] += a.V[i + l * d] * a.V[j + l * d] *
                                            (1 / hypot(a.sigma[l], lambda) - 1 / lambda);
                }
                OK(kr_op_dense(ctx, d, r, F, &N));
                OK(kr_op_transpose(ctx, &N, &M));
                struct kr_lstsq_options options = tight_options(ctx, 1e-11, KR_LSTSQ_GIVEN);
                struct outcome out = attempt(ctx, &a, &options, lambda, transposed, rows ? &M : &N);
                ck_assert(kr_lstsq_converged(&out.report));
                ck_assert_int_eq(out.report.preconditioner, KR_LSTSQ_GIVEN);
                ck_assert_msg(out.report.iterations <= K * 8, "wide %d, A' %d, damped %d: %zu", wide,
                              transposed, damped, out.report.iterations);
                ck_assert_msg(out.error <= 1e-4, "off by %g", out.error);
                kr_ctx_fini(ctx);
            }
}
END_TEST

/* Misses a direction of the rows of A: the measured residuals say so, and plain rounds find the rest. */
START_TEST(a_poor_preconditioner_is_made_good)
{
    for (int wide = 0; wide < 2; wide++)
        for (int damped = 0; damped < 2; damped++) {
            struct kr_ctx context, *ctx = &context;
            struct known a;
            struct kr_op N, M;
            kr_ctx_init(ctx, 0);
            known_matrix(ctx, wide ? 30 : 70, wide ? 70 : 30, 30, 10, 3, &a);
            const bool rows = wide && !damped;
            OK(kr_op_dense(ctx, rows ? a.m : a.n, 25, rows ? a.U : a.V, &N));
            OK(kr_op_transpose(ctx, &N, &M));
            struct kr_lstsq_options options = tight_options(ctx, 1e-12, KR_LSTSQ_AUTO);
            struct outcome out = attempt(ctx, &a, &options, damped ? 0.1 : 0, false, rows ? &M : &N);
            ck_assert_msg(kr_lstsq_converged(&out.report), "%s", kr_lstsq_stop_names[out.report.stop]);
            ck_assert_msg(out.error <= 1e-9, "wide %d, damped %d: off by %g", wide, damped, out.error);
            kr_ctx_fini(ctx);
        }
}
END_TEST

START_TEST(preconditioners_that_do_not_fit_are_refused)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq problem;
    struct known a;
    struct kr_op N;
    kr_ctx_init(ctx, 0);
    double *F = normal(ctx, 90 * 90, 1);
    struct kr_lstsq_options options = tight_options(ctx, 1e-10, KR_LSTSQ_GIVEN);
    known_matrix(ctx, 40, 90, 40, 10, 3, &a);
    OK(kr_op_dense(ctx, 90, 30, F, &N));
    ck_assert_int_eq(kr_lstsq_open(ctx, &options, &a.op, 0, &N, &problem), KR_INVALID);
    ck_assert_ptr_nonnull(
        strstr(ctx->error.detail, "40 x 90 undamped problem must have 40 columns, got 90 x 30"));
    kr_ctx_clear_error(ctx);
    OK(kr_op_dense(ctx, 40, 40, F, &N));
    ck_assert_int_eq(kr_lstsq_open(ctx, &options, &a.op, 1, &N, &problem), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "damped problem must have 90 rows, got 40 x 40"));
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_lstsq_open(ctx, &options, &a.op, 0, NULL, &problem), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "none was given"));
    kr_ctx_fini(ctx);
}
END_TEST

static void check_choice(size_t m, size_t n, double lambda, size_t budget,
                         enum kr_lstsq_preconditioner expected, const char *reason)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_report report = {0};
    struct kr_lstsq problem;
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    double *A = normal(ctx, m * n, 1), *b = normal(ctx, m, 2), *x = normal(ctx, n, 3);
    OK(kr_op_dense(ctx, m, n, A, &op));
    struct kr_lstsq_options options = tight_options(ctx, 1e-3, KR_LSTSQ_AUTO);
    ctx->budget = budget ? ctx->used + budget : 0;
    OK(kr_lstsq_open(ctx, &options, &op, lambda, NULL, &problem));
    ck_assert_msg(problem.preconditioner == expected, "%zu x %zu, damping %g: %s, %s", m, n, lambda,
                  kr_lstsq_preconditioner_names[problem.preconditioner], problem.reason);
    ctx->budget = 0;
    OK(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &report));
    ck_assert_int_eq(report.preconditioner, expected);
    ck_assert_msg(strstr(report.reason, reason), "%s", report.reason);
    ck_assert(report.products > problem.products);
    kr_ctx_fini(ctx);
}

START_TEST(the_choice_is_told)
{
    check_choice(500, 15, 0, 0, KR_LSTSQ_NONE, "fewer than 16");
    check_choice(15, 500, 0, 0, KR_LSTSQ_NONE, "fewer than 16");
    check_choice(500, 16, 0, 0, KR_LSTSQ_SKETCH, "16 to 1000");
    check_choice(50, 500, 0, 0, KR_LSTSQ_SKETCH, "16 to 1000");
    check_choice(1001, 1001, 0, 0, KR_LSTSQ_NONE, "more than 1000");
    check_choice(500, 50, 0, 4 << 20, KR_LSTSQ_SKETCH, "16 to 1000");
    check_choice(500, 50, 0, 1 << 20, KR_LSTSQ_NONE, "quarter of the memory");
    check_choice(500, 50, 100, 0, KR_LSTSQ_NONE, "well-conditioned by its damping");
    check_choice(500, 50, 0.1, 0, KR_LSTSQ_SKETCH, "16 to 1000");
}
END_TEST

/* The same seed gives the same bits, another one does not. */
START_TEST(same_bits_with_any_number_of_threads)
{
    static const int threads[] = {1, 2, 5, 5};
    for (int p = KR_LSTSQ_JACOBI; p <= KR_LSTSQ_SKETCH; p++)
        for (int transposed = 0; transposed < 2; transposed++) {
            struct kr_ctx context, *ctx = &context;
            struct known a;
            double *X[4];
            struct kr_lstsq_report reports[4];
            kr_ctx_init(ctx, 0);
            known_matrix(ctx, 900, 40, 40, 100, 3, &a);
            const size_t m = transposed ? a.n : a.m, n = transposed ? a.m : a.n;
            double *B = normal(ctx, m * 50, 5);
            for (int t = 0; t < 4; t++) {
                struct kr_lstsq problem;
                struct kr_lstsq_options options = tight_options(ctx, 1e-6, (enum kr_lstsq_preconditioner)p);
                options.seed = t < 3 ? 5 : 6;
                ctx->threads = threads[t];
                X[t] = normal(ctx, n * 50, 6);
                reports[t] = (struct kr_lstsq_report){0};
                OK(kr_lstsq_open(ctx, &options, &a.op, 0, NULL, &problem));
                OK(transposed ? kr_lstsq_solve_t(ctx, &problem, 50, B, X[t], NULL, NULL, &reports[t])
                              : kr_lstsq_solve(ctx, &problem, 50, B, NULL, X[t], NULL, NULL, &reports[t]));
                const bool same = memcmp(X[t], X[0], n * 50 * sizeof(double)) == 0;
                ck_assert_int_eq(same, t < 3);
                ck_assert(t == 3 || reports[t].iterations == reports[0].iterations);
            }
            kr_ctx_fini(ctx);
        }
}
END_TEST

/* Convolutions: tall, square and wide, seen only through products; the answer by LAPACK from all entries. */
START_TEST(convolutions)
{
    static const double taps[9] = {0.2, -0.5, 0.1, 1, 2, -0.7, 0.3, 0.4, 0.6}, dampings[] = {0, 0.2};
    for (int mode = KR_CONVOLUTION_FULL; mode <= KR_CONVOLUTION_VALID; mode++)
        for (int d = 0; d < 2; d++)
            for (int p = KR_LSTSQ_AUTO; p <= KR_LSTSQ_SKETCH; p++) {
                struct kr_ctx context, *ctx = &context;
                struct kr_lstsq_report report = {0};
                struct kr_lstsq problem;
                struct kr_op op, transposed;
                kr_ctx_init(ctx, 0);
                OK(kr_op_convolution(ctx, (enum kr_convolution)mode, 7, 8, 3, 3, taps, &op));
                OK(kr_op_transpose(ctx, &op, &transposed));
                double *B = normal(ctx, op.rows * K, 1), *X = normal(ctx, op.cols * K, 2),
                       *Y = normal(ctx, op.rows * K, 3), *truth = normal(ctx, op.cols * K, 4),
                       *truth_t = normal(ctx, op.rows * K, 5);
                struct kr_lstsq_options options = tight_options(ctx, 1e-12, (enum kr_lstsq_preconditioner)p);
                OK(kr_lstsq_open(ctx, &options, &op, dampings[d], NULL, &problem));
                OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, NULL, NULL, &report));
                dense_solution(ctx, &op, dampings[d], K, B, truth);
                OK(kr_lstsq_solve_t(ctx, &problem, K, X, Y, NULL, NULL, &report));
                dense_solution(ctx, &transposed, dampings[d], K, X, truth_t);
                ck_assert_msg(kr_lstsq_converged(&report), "mode %d, damping %g, %s: %s", mode, dampings[d],
                              kr_lstsq_preconditioner_names[p], kr_lstsq_stop_names[report.stop]);
                ck_assert_msg(distance(X, truth, op.cols * K) <= 1e-8 * length_of(truth, op.cols * K),
                              "mode %d, damping %g, %s: off by %g", mode, dampings[d],
                              kr_lstsq_preconditioner_names[p],
                              distance(X, truth, op.cols * K) / length_of(truth, op.cols * K));
                ck_assert_msg(distance(Y, truth_t, op.rows * K) <= 1e-8 * length_of(truth_t, op.rows * K),
                              "mode %d, damping %g, %s, A': off by %g", mode, dampings[d],
                              kr_lstsq_preconditioner_names[p],
                              distance(Y, truth_t, op.rows * K) / length_of(truth_t, op.rows * K));
                kr_ctx_fini(ctx);
            }
}
END_TEST

SUITE("lstsq_auto", a_preconditioner_of_the_callers_own, a_poor_preconditioner_is_made_good,
      preconditioners_that_do_not_fit_are_refused, the_choice_is_told, same_bits_with_any_number_of_threads,
      convolutions)
