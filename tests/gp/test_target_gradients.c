/* Several targets: gradients are derivatives, by theta and by the data, and a check says so. */
#include "kriged/differentiate.h"
#include "targets.h"

struct at {
    const struct kr_gp *gp;
    double *theta;
    size_t p;
};

static double loss_at(void *self, double value)
{
    const struct at *at = self;
    struct kr_evaluation evaluation;
    const double keep = at->theta[at->p];
    at->theta[at->p] = value;
    OK(kr_objective_eval(ctx, at->gp, at->theta, false, &evaluation, NULL));
    at->theta[at->p] = keep;
    return evaluation.loss;
}

START_TEST(gradients_are_derivatives)
{
    static const char *const losses[] = {"nlpd", "evidence", "student_t"};
    for (int l = 0; l < 3; l++)
        for (int f = 0; f < 2; f++) {
            struct kr_gp gp;
            struct kr_evaluation evaluation;
            double size = 0;
            OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
            validate(f ? "kfold" : "fraction");
            set_mean("linear", TARGETS);
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
            struct at at = {&gp, gp.start, 0};
            OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
            for (size_t p = 0; p < gp.parameters.count; p++)
                size = fmax(size, fabs(grad[p]));
            for (at.p = 0; at.p < gp.parameters.count; at.p++)
                CLOSE(grad[at.p], derivative(loss_at, &at, gp.start[at.p]), size, 1e-6, "%s: %s", losses[l],
                      gp.parameters.items[at.p].name);
        }
}
END_TEST

/* By the data: a target's own is that of its run over the number of targets, the others are means. */
START_TEST(derivatives_by_the_data_are_shared)
{
    make_data(true);
    spec.model.standardize.x = spec.model.standardize.y = false;
    for (int f = 0; f < 5; f++)
        for (int l = 0; l < 2; l++) {
            struct kr_gp gp, one;
            struct kr_evaluation evaluation;
            double x[N * FEATURES], y[N * TARGETS], v[N], held[N * FEATURES],
                xs[N * FEATURES] = {0}, vs[N] = {0}, ys[N * TARGETS], hs[N * FEATURES] = {0}, grad[64];
            OK(kr_variant_init(ctx, &kr_loss_registry, l ? "mse" : "nlpd", &spec.objective.loss));
            if (f > 0)
                validate(forms[f]);
            set_mean("linear", TARGETS);
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad,
                                          &(struct kr_data_gradient){x, y, v, held}));
            for (size_t t = 0; t < TARGETS; t++) {
                double x1[N * FEATURES], v1[N], h1[N * FEATURES];
                set_mean("linear", t);
                OK(kr_gp_init(ctx, &spec, &alone[t], &one));
                OK(kr_objective_differentiate(ctx, &one, one.start, false, &evaluation, grad,
                                              &(struct kr_data_gradient){x1, ys + t * N, v1, h1}));
                for (size_t e = 0; e < N * FEATURES; e++)
                    xs[e] += x1[e] / TARGETS;
                for (size_t e = 0; e < one.validation.n * FEATURES; e++)
                    hs[e] += h1[e] / TARGETS;
                for (size_t i = 0; i < N; i++)
                    vs[i] += v1[i] / TARGETS;
            }
            double size[4] = {0};
            for (size_t e = 0; e < N * FEATURES; e++) {
                size[0] = fmax(size[0], fabs(xs[e]));
                size[1] = fmax(size[1], fabs(ys[e]));
                size[2] = fmax(size[2], e < N ? fabs(vs[e]) : 0);
                size[3] = fmax(size[3], fabs(hs[e]));
            }
            for (size_t e = 0; e < N * FEATURES; e++)
                CLOSE(x[e], xs[e], size[0], 1e-8, "%s: x %zu", forms[f], e);
            for (size_t e = 0; e < N * TARGETS; e++)
                CLOSE(y[e], ys[e] / TARGETS, size[1], 1e-8, "%s: y %zu", forms[f], e);
            for (size_t i = 0; i < N; i++)
                CLOSE(v[i], vs[i], size[2], 1e-8, "%s: noise %zu", forms[f], i);
            for (size_t e = 0; e < gp.validation.n * FEATURES; e++)
                CLOSE(held[e], hs[e], size[3], 1e-8, "%s: held-out x %zu", forms[f], e);
        }
}
END_TEST

START_TEST(a_check_finds_them_right)
{
    const struct kr_check_spec check = {.directions = 3, .seed = 1};
    struct kr_check_report report;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double x[N * FEATURES], y[N * TARGETS], v[N], grad[64];
    const struct kr_data_gradient wanted = {x, y, v, NULL};
    make_data(true);
    spec.model.standardize.x = spec.model.standardize.y = false;
    set_mean("constant", TARGETS);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &wanted));
    OK(kr_gradient_check(ctx, &gp, gp.start, grad, &wanted, &check, &report));
    ck_assert_double_lt(report.largest_relative_error, 1e-6);
    y[1] += 0.5; /* of a training row */
    OK(kr_gradient_check(ctx, &gp, gp.start, grad, &wanted, &check, &report));
    ck_assert_double_gt(report.largest_relative_error, 1e-6);
}
END_TEST

FIXTURE_SUITE("target gradients", 60, gradients_are_derivatives, derivatives_by_the_data_are_shared,
              a_check_finds_them_right)
