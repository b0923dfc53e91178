/* Which method serves means alone, and what an evaluation hands on to the next one. */
#include "kriged/carried.h"
#include "specs.h"

enum { N = 2100 };

static void open_gp(struct kr_ctx *ctx, const char *loss, const char *solver, double noise,
                    struct kr_gp_spec *spec, struct kr_gp *gp)
{
    struct kr_dataset *data = kr_alloc(ctx, 1, sizeof *data);
    *data = small_data(ctx, N, false, 3);
    plain_spec(ctx, spec);
    OK(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    hold_out(ctx, spec, ROWS(0, 3, 5, 8, 13, 21, 34, 55, 89, 144));
    spec->model.noise.variance.values[0].value = noise;
    spec->solver.rtol = 1e-10;
    spec->solver.type = solver ? kr_registry_find(&kr_solver_registry, solver) : NULL;
    OK(kr_gp_init(ctx, spec, data, gp));
}

START_TEST(means_alone_are_iterated)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_gp_spec spec, exact_spec;
    struct kr_gp gp, exact;
    struct kr_evaluation by_auto, by_cholesky;
    double g[8], h[8];
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    open_gp(ctx, "mse", NULL, 0.1, &spec, &gp);
    open_gp(ctx, "mse", "cholesky", 0.1, &exact_spec, &exact);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &by_auto, g));
    OK(kr_objective_eval(ctx, &exact, exact.start, false, &by_cholesky, h));
    ck_assert_str_eq(by_auto.solver.type, "cg");
    ck_assert_ptr_nonnull(strstr(by_auto.solver.reason, "means alone"));
    ck_assert_str_eq(by_cholesky.solver.type, "cholesky");
    CLOSE(by_auto.loss, by_cholesky.loss, by_cholesky.loss, 1e-7, "loss");
    for (size_t p = 0; p < gp.parameters.count; p++)
        CLOSE(g[p], h[p], fabs(h[0]) + fabs(h[1]) + fabs(h[2]), 1e-6, "derivative %zu", p);
    OK(kr_objective_eval(ctx, &gp, gp.start, true, &by_auto, NULL)); /* with variances */
    ck_assert_str_eq(by_auto.solver.type, "cholesky");
    gp.start[gp.noise_index] = 1e-5;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &by_auto, NULL));
    ck_assert_str_eq(by_auto.solver.type, "cholesky");
    kr_ctx_fini(ctx);
}
END_TEST

/* The second evaluation at one place costs a product a solve and changes nothing beyond its tolerance. */
START_TEST(the_second_evaluation_is_nearly_free)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation first, second, again;
    double g[8], h[8];
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    open_gp(ctx, "mse", "cg", 0.1, &spec, &gp);
    OK(kr_carried_open(ctx, &gp, 0, &gp.carried));
    ck_assert_ptr_nonnull(gp.carried);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &first, g));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &second, h));
    ck_assert_uint_eq(second.solver.products, 2);
    CLOSE(second.loss, first.loss, first.loss, 1e-12, "loss");
    for (size_t p = 0; p < gp.parameters.count; p++)
        CLOSE(h[p], g[p], fabs(g[p]), 1e-9, "derivative %zu", p);
    kr_carried_forget(gp.carried);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &again, h));
    ck_assert(again.loss == first.loss && again.solver.products == first.solver.products);
    ck_assert_mem_eq(g, h, gp.parameters.count * sizeof *g);
    kr_carried_close(gp.carried);
    open_gp(ctx, "nlpd", "cholesky", 0.1, &spec, &gp);
    OK(kr_carried_open(ctx, &gp, 0, &gp.carried));
    ck_assert_ptr_null(gp.carried);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("carried", means_alone_are_iterated, the_second_evaluation_is_nearly_free)
