/* Solves in mixed precision: as exact as in double, with the same bits for any number of threads, and in
 * double where single precision no longer helps. */
#include "noisy.h"

struct outcome {
    struct kr_solve_report report;
    double *X, *R;
};

static void solve_noisy(struct kr_ctx *ctx, const struct noisy *s, int precision, double rtol, size_t k,
                        const double *B, const double *X0, struct outcome *out)
{
    struct kr_solver_options options;
    struct kr_solver solver;
    *out = (struct outcome){.X = kr_alloc(ctx, s->n * k, sizeof *out->X),
                            .R = kr_alloc(ctx, s->n * k, sizeof *out->R)};
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    options.type = kr_registry_find(&kr_solver_registry, "cg");
    options.rtol = rtol;
    options.precision = precision;
    OK(kr_solver_open(ctx, &options, &s->op, &solver));
    OK(kr_solver_solve(ctx, &solver, k, B, X0, out->X, out->R, &out->report));
}

/* The largest |b - A x|/|b| by the stored matrix. */
static double residual_of(const struct noisy *s, size_t k, const double *B, const double *X)
{
    double worst = 0;
    for (size_t c = 0; c < k; c++) {
        long double square = 0;
        for (size_t i = 0; i < s->n; i++) {
            long double r = B[c * s->n + i];
            for (size_t j = 0; j < s->n; j++)
                r -= (long double)s->A[i + j * s->n] * X[c * s->n + j];
            square += r * r;
        }
        worst = fmax(worst, (double)sqrtl(square) / cblas_dnrm2((int)s->n, B + c * s->n, 1));
    }
    return worst;
}

/* Down to 1e-10, and from noise that single precision does not notice to noise below what it can tell. */
START_TEST(reaches_what_double_reaches)
{
    enum { N = 300, K = 5 };
    static const char *const kernels[] = {"rbf", "matern32"};
    struct kr_ctx context, *ctx = &context;
    size_t refined = 0, fallen = 0;
    kr_ctx_init(ctx, 0);
    for (int kernel = 0; kernel < 2; kernel++)
        for (double noise = 1; noise > 1e-9; noise *= 1e-2)
            for (double rtol = 1e-4; rtol > 1e-11; rtol *= 1e-2) {
                struct kr_mark mark = kr_mark(ctx);
                struct noisy s;
                struct outcome plain, mixed;
                make_noisy(ctx, kernels[kernel], N, noise, false, &s);
                double *B = normal(ctx, N * K, 8);
                solve_noisy(ctx, &s, KR_PRECISION_DOUBLE, rtol, K, B, NULL, &plain);
                solve_noisy(ctx, &s, KR_PRECISION_MIXED, rtol, K, B, NULL, &mixed);
                ck_assert_str_eq(plain.report.precision, "double");
                ck_assert_uint_eq(plain.report.single_products, 0);
                ck_assert(mixed.report.rtol == rtol && mixed.report.single_products > 0);
                if (plain.report.stop == KR_STOP_RTOL)
                    ck_assert_msg(mixed.report.stop == KR_STOP_RTOL && mixed.report.residual <= rtol,
                                  "%s, noise %g, rtol %g: %s at %g (%s)", kernels[kernel], noise, rtol,
                                  kr_stop_names[mixed.report.stop], mixed.report.residual,
                                  mixed.report.precision);
                const double true_residual = residual_of(&s, K, B, mixed.X);
                CLOSE(mixed.report.residual, true_residual, 1, 1e-3 * true_residual + 1e-14 * (1 + 1 / noise),
                      "%s, noise %g, rtol %g", kernels[kernel], noise, rtol);
                const bool fell = strstr(mixed.report.precision, "then double") != NULL;
                ck_assert(fell || strcmp(mixed.report.precision, "mixed") == 0);
                refined += !fell;
                fallen += fell;
                kr_release(ctx, mark);
            }
    ck_assert_msg(refined >= 20 && fallen >= 2, "%zu refined, %zu fell back", refined, fallen);
    kr_ctx_fini(ctx);
}
END_TEST

/* Most products are cheap ones, and there are not many more of them than in double. */
START_TEST(most_products_are_single)
{
    enum { N = 700 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (double noise = 1e-1; noise > 1e-3; noise *= 0.1) {
        struct noisy s;
        struct outcome plain, mixed;
        make_noisy(ctx, "matern52", N, noise, true, &s);
        double *b = normal(ctx, N, 8);
        solve_noisy(ctx, &s, KR_PRECISION_DOUBLE, 1e-8, 1, b, NULL, &plain);
        solve_noisy(ctx, &s, KR_PRECISION_MIXED, 1e-8, 1, b, NULL, &mixed);
        const size_t dear = mixed.report.products - mixed.report.single_products;
        ck_assert_msg(dear <= 4 && 3 * mixed.report.single_products <= 4 * plain.report.products + 6,
                      "noise %g: %zu in double, %zu in single; %zu without", noise, dear,
                      mixed.report.single_products, plain.report.products);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Mixed by default, but where noise is so small that single precision would drown it, where the
 * preconditioner knows all, and where the matrix has no such form. */
START_TEST(what_auto_takes)
{
    enum { N = 1000 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    struct outcome out;
    double *b = normal(ctx, N, 8);
    make_noisy(ctx, "matern32", N, 1e-2, true, &s);
    solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-8, 1, b, NULL, &out);
    ck_assert_str_eq(out.report.precision, "mixed");
    make_noisy(ctx, "matern32", N, 1e-5, false, &s);
    solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-8, 1, b, NULL, &out);
    ck_assert_str_eq(out.report.precision, "double");
    make_noisy(ctx, "rbf", N, 1, false, &s);
    solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-8, 1, b, NULL, &out);
    ck_assert_str_eq(out.report.preconditioner, "pivoted_cholesky");
    ck_assert_str_eq(out.report.precision, "double");
    OK(kr_op_dense(ctx, N, N, s.A, &s.op));
    solve_noisy(ctx, &s, KR_PRECISION_MIXED, 1e-8, 1, b, NULL, &out);
    ck_assert_str_eq(out.report.precision, "double");
    kr_ctx_fini(ctx);
}
END_TEST

/* Columns that are there leave the block: each round costs what the others need. */
START_TEST(converged_columns_leave)
{
    enum { N = 400, K = 24, HARD = 17 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    struct outcome one, all;
    make_noisy(ctx, "rbf", N, 1e-2, false, &s);
    double *truth = normal(ctx, N * K, 8), *B = kr_alloc(ctx, N * K, sizeof *B),
           *X0 = kr_alloc(ctx, N * K, sizeof *X0);
    OK(kr_op_apply(ctx, &s.op, K, truth, B));
    memcpy(X0, truth, N * K * sizeof *X0);
    memset(X0 + HARD * N, 0, N * sizeof *X0);
    solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-9, K, B, X0, &all);
    solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-9, 1, B + HARD * N, NULL, &one);
    ck_assert_int_eq(all.report.stop, KR_STOP_RTOL);
    ck_assert_uint_eq(all.report.products, one.report.products + K);
    ck_assert_mem_eq(all.X + HARD * N, one.X, N * sizeof *one.X);
    for (size_t i = 0; i < HARD * N; i++)
        ck_assert(all.X[i] == truth[i]);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 1100, K = 9 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    struct outcome seen[3];
    make_noisy(ctx, "rbf", N, 1e-3, false, &s);
    for (int t = 0; t < 3; t++) {
        ctx->threads = t + 1;
        solve_noisy(ctx, &s, KR_PRECISION_AUTO, 1e-9, K, normal(ctx, N * K, 8), NULL, &seen[t]);
        ck_assert_mem_eq(seen[t].X, seen[0].X, N * K * sizeof *seen[0].X);
        ck_assert_mem_eq(seen[t].R, seen[0].R, N * K * sizeof *seen[0].R);
        ck_assert_uint_eq(seen[t].report.products, seen[0].report.products);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("mixed precision", reaches_what_double_reaches, most_products_are_single, what_auto_takes,
      converged_columns_leave, same_bits_with_any_number_of_threads)
