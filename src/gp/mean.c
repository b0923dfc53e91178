/* What mean functions have in common, one target or several. O(n d) a target. */
#include "gp/mean.h"

kr_status kr_mean_add_value(struct kr_ctx *ctx, const struct kr_param *value, size_t t, size_t targets,
                            bool exact_unit, const char *pointer, const char *path,
                            struct kr_parameters *parameters)
{
    if (value->array && targets == 1)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/value", pointer),
                       "must be one number, not an array");
    if (value->array && value->count != targets)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/value", pointer),
                       "must have one entry for each of %zu targets, got %zu", targets, value->count);
    return kr_parameters_add(
        ctx, parameters,
        (struct kr_parameter){.name = targets > 1 ? kr_printf(ctx, "%s.value[%zu]", path, t)
                                                  : kr_printf(ctx, "%s.value", path),
                              .pointer = value->array ? kr_printf(ctx, "%s/value/%zu", pointer, t)
                                                      : kr_printf(ctx, "%s/value", pointer),
                              .unit = KR_UNIT_TARGET,
                              .exact_unit = exact_unit,
                              .spec = value->values[value->array ? t : 0]});
}

void kr_means_eval(struct means means, const double *theta, const struct kr_points *x, double *out)
{
    for (size_t t = 0; t < means.targets; t++)
        means.type->eval(theta + means.first + t * means.count, x, out + t * x->n);
}

void kr_means_pull(struct means means, const double *theta, const struct kr_points *x, const double *weights,
                   double *grad)
{
    for (size_t t = 0; t < means.targets; t++) {
        const size_t at = means.first + t * means.count;
        means.type->pull(theta + at, x, weights + t * x->n, grad + at);
    }
}

void kr_means_pull_x(struct means means, const double *theta, const struct kr_points *x,
                     const double *weights, double *grad_x, size_t ld)
{
    for (size_t t = 0; means.type->pull_x && t < means.targets; t++)
        means.type->pull_x(theta + means.first + t * means.count, x, weights + t * x->n, grad_x, ld);
}

void kr_centre(const struct kr_gp *gp, const double *theta, const struct kr_part *part, double *out)
{
    kr_means_eval(kr_means(gp), theta, &part->x, out);
    for (size_t i = 0; i < part->n * gp->targets; i++)
        out[i] = part->y[i] - out[i];
}
