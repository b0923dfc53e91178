/* Derivatives of predictive variances by the points, against differences, for every kernel. */
#include "../conform/objectives.h"
#include "kriged/differentiate.h"

enum { POINTS = 5 };

struct at {
    struct kr_ctx *ctx;
    const struct kr_posterior *posterior;
    double x[FEATURES * POINTS];
    size_t entry;
};

static double variance_at(void *self, double value)
{
    struct at *at = self, moved = *at;
    struct kr_ctx *ctx = at->ctx;
    struct kr_solve_report report = {0};
    const struct kr_points points = {POINTS, FEATURES, POINTS, moved.x};
    double variance[POINTS];
    moved.x[at->entry] = value;
    OK(kr_posterior_covariance(ctx, at->posterior, &points, NULL, true, variance, NULL, NULL, &report));
    return variance[at->entry % POINTS];
}

START_TEST(they_are_differences)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = kernel_cases(ctx, cases);
    const struct kr_dataset data = small_data(ctx, ROWS, false, 5);
    size_t moving = 0;
    for (size_t c = 0; c < count; c++) {
        struct kr_mark mark = kr_mark(ctx);
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_posterior posterior;
        struct kr_solve_report report = {0};
        struct at at = {.ctx = ctx, .posterior = &posterior};
        double gradient[FEATURES * POINTS], scale = 0;
        if (strcmp(cases[c].spec.type->name, "hamming") == 0)
            continue; /* steps */
        make_spec(ctx, &cases[c].spec, "nlpd", c % 2 ? "cholesky" : "cg", "constant", &spec);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
        struct kr_rng rng;
        kr_rng_init(&rng, 8, c);
        for (size_t e = 0; e < FEATURES * POINTS; e++)
            at.x[e] = 0.8 * kr_rng_normal(&rng);
        const struct kr_points points = {POINTS, FEATURES, POINTS, at.x};
        OK(kr_posterior_variance_gradient(ctx, &posterior, &points, gradient, &report));
        for (size_t e = 0; e < FEATURES * POINTS; e++)
            scale = fmax(scale, fabs(gradient[e]));
        moving += scale > 1e-3;
        for (at.entry = 0; at.entry < FEATURES * POINTS; at.entry++)
            CLOSE(gradient[at.entry], derivative(variance_at, &at, at.x[at.entry]), fmax(scale, 1e-3), 1e-6,
                  "%s, %zu", cases[c].name, at.entry);
        kr_release(ctx, mark);
    }
    ck_assert_uint_gt(moving, 20);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("gradients of variances", they_are_differences)
