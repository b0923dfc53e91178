/* What preconditioners do for conjugate gradients on Gram matrices with noise, large and small. */
#include "noisy.h"

static size_t iterations_with(struct kr_ctx *ctx, const struct noisy *s, const struct kr_variant *variant,
                              double rtol)
{
    struct kr_solver_options options;
    struct kr_solver solver;
    struct kr_solve_report report = {0};
    double *b = normal(ctx, s->n, 8), *x = kr_alloc(ctx, s->n, sizeof *x);
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    options.type = kr_registry_find(&kr_solver_registry, "cg");
    options.rtol = rtol;
    options.preconditioner = *variant;
    OK(kr_solver_open(ctx, &options, &s->op, &solver));
    OK(kr_solver_solve(ctx, &solver, 1, b, NULL, x, NULL, &report));
    ck_assert_msg(report.stop == KR_STOP_RTOL && report.residual <= rtol, "%s: %s, %g", variant->type->name,
                  kr_stop_names[report.stop], report.residual);
    ck_assert_str_eq(report.preconditioner, variant->type->name);
    ck_assert_uint_eq(report.rank, solver.P.rank);
    ck_assert_str_eq(report.preconditioner_reason, "asked for");
    return report.iterations;
}

/* The table of the design: 4 to 5 times fewer iterations with rank n/10, 10 times with n/4. */
START_TEST(fewer_iterations)
{
    enum { N = 500 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    make_noisy(ctx, "rbf", N, 1e-2, false, &s);
    struct kr_variant none = variant_of(ctx, &shapes[0], 0);
    const size_t without = iterations_with(ctx, &s, &none, 1e-8);
    for (size_t p = 0; p < SHAPES; p++) {
        if (!shapes[p].low_rank)
            continue;
        struct kr_variant small = variant_of(ctx, &shapes[p], N / 10),
                          large = variant_of(ctx, &shapes[p], N / 4);
        const size_t some = iterations_with(ctx, &s, &small, 1e-8),
                     few = iterations_with(ctx, &s, &large, 1e-8);
        ck_assert_msg(some * 3 <= without && few * 8 <= without && few < some, "%s: %zu, %zu, %zu",
                      shapes[p].name, without, some, few);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Blocks whose Krylov space is all there is after three iterations, on matrices whose P^-1 cancels most of
 * what it is applied to: what rounding leaves must not be taken for a direction, nor for an indefinite
 * matrix. */
START_TEST(blocks_that_exhaust_the_space)
{
    enum { N = 300, K = 130 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (size_t p = 0; p < SHAPES; p++)
        for (double noise = 1e-1; noise > 1e-6; noise *= 1e-2)
            for (int rough = 0; rough < 2; rough++) {
                struct kr_mark mark = kr_mark(ctx);
                struct noisy s;
                struct kr_solver_options options;
                struct kr_solver solver;
                struct kr_solve_report report = {0};
                double *B = normal(ctx, N * K, 8), *X = kr_alloc(ctx, N * K, sizeof *X);
                make_noisy(ctx, rough ? "matern32" : "rbf", N, noise, false, &s);
                OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
                options.type = kr_registry_find(&kr_solver_registry, "cg");
                options.precision = KR_PRECISION_DOUBLE;
                options.preconditioner = variant_of(ctx, &shapes[p], N / 4);
                OK(kr_solver_open(ctx, &options, &s.op, &solver));
                OK(kr_solver_solve(ctx, &solver, K, B, NULL, X, NULL, &report));
                ck_assert_msg(report.stop == KR_STOP_RTOL && report.iterations <= 12,
                              "%s %d, noise %g, %s: %s after %zu, %g", shapes[p].name, (int)shapes[p].select,
                              noise, rough ? "rough" : "smooth", kr_stop_names[report.stop],
                              report.iterations, report.residual);
                /* With products in single precision the space ends in their rounding: refined, at the cost of
                 * about two such solves (of the last columns alone the iterations are many, and cheap). */
                options.precision = KR_PRECISION_AUTO;
                report = (struct kr_solve_report){0};
                OK(kr_solver_open(ctx, &options, &s.op, &solver));
                OK(kr_solver_solve(ctx, &solver, K, B, NULL, X, NULL, &report));
                ck_assert_msg(report.stop == KR_STOP_RTOL && report.products <= 26 * K,
                              "%s %d, noise %g, %s: %s after %zu products, %g", shapes[p].name,
                              (int)shapes[p].select, noise, rough ? "rough" : "smooth",
                              kr_stop_names[report.stop], report.products, report.residual);
                kr_release(ctx, mark);
            }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("low-rank preconditioners", fewer_iterations, blocks_that_exhaust_the_space)
