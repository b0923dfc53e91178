/*
 * linear: m(x) = value + sum_k coefficients_k x_k over all d features, standardised where they are. 1 + d
 * parameters, tuned as they are like all others (not solved for in closed form: a prior on them, a bound or a
 * fixed one then means what it says). Several targets have these each, one after the other. O(n d).
 */
#include "gp/mean.h"

#define KR_MEAN_LINEAR_FIELDS(F, S)                                                                          \
    F(S, PARAM, coefficients, _, "0", -1e30, 1e30, 0,                                                        \
      "slopes; a number is where the slope of every feature starts, an array gives one a feature; of "       \
      "several targets for all of them, or target after target")                                             \
    F(S, PARAM, value, _, "0", -1e30, 1e30, 0,                                                               \
      "the mean where all features are 0 (target's units); of several targets a number for all, or one "     \
      "each")
KR_DECLARE(kr_mean_linear_options, KR_MEAN_LINEAR_FIELDS);
KR_DEFINE(kr_mean_linear_options, KR_MEAN_LINEAR_FIELDS, "a mean that is linear in the inputs");

/* Slope k of target t. */
static kr_status add_slope(struct kr_ctx *ctx, const struct kr_param *slopes, size_t k, size_t d, size_t t,
                           const char *pointer, const char *path, struct kr_parameters *parameters)
{
    const size_t at = slopes->count == d ? k : t * d + k; /* in the array, where it is one */
    return kr_parameters_add(
        ctx, parameters,
        (struct kr_parameter){.name = kr_printf(ctx, "%s.coefficients[%zu]", path, t * d + k),
                              .pointer = slopes->array
                                             ? kr_printf(ctx, "%s/coefficients/%zu", pointer, t * d + k)
                                             : kr_printf(ctx, "%s/coefficients", pointer),
                              .unit = KR_UNIT_TARGET,
                              .spec = slopes->values[slopes->array ? at : 0]});
}

static kr_status build(struct kr_ctx *ctx, const void *options, size_t d, size_t targets, const char *pointer,
                       const char *path, struct kr_parameters *parameters)
{
    const struct kr_mean_linear_options *o = options;
    const struct kr_param *slopes = &o->coefficients;
    if (slopes->array && slopes->count != d && slopes->count != d * targets)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/coefficients", pointer),
                       "must have one entry for each of %zu features%s, got %zu", d,
                       targets > 1 ? ", or that for each target" : "", slopes->count);
    for (size_t t = 0; t < targets; t++) {
        for (size_t k = 0; k < d; k++)
            KR_TRY(add_slope(ctx, slopes, k, d, t, pointer, path, parameters));
        KR_TRY(kr_mean_add_value(ctx, &o->value, t, targets, false, pointer, path, parameters));
    }
    return KR_OK;
}

static void eval(const double *theta, const struct kr_points *x, double *out)
{
    for (size_t i = 0; i < x->n; i++)
        out[i] = theta[x->d];
    for (size_t k = 0; k < x->d; k++)
        for (size_t i = 0; i < x->n; i++)
            out[i] += theta[k] * x->x[k * x->ld + i];
}

static void pull(const double *theta, const struct kr_points *x, const double *weights, double *grad)
{
    (void)theta;
    for (size_t k = 0; k < x->d; k++)
        for (size_t i = 0; i < x->n; i++)
            grad[k] += weights[i] * x->x[k * x->ld + i];
    for (size_t i = 0; i < x->n; i++)
        grad[x->d] += weights[i];
}

static void pull_x(const double *theta, const struct kr_points *x, const double *weights, double *grad_x,
                   size_t ld)
{
    for (size_t k = 0; k < x->d; k++)
        for (size_t i = 0; i < x->n; i++)
            grad_x[k * ld + i] += weights[i] * theta[k];
}

extern const struct kr_mean_type kr_mean_linear;
const struct kr_mean_type kr_mean_linear = {
    .base = {"linear", "m(x) = value + coefficients . x: a trend that is tuned",
             &kr_mean_linear_options_schema},
    .build = build,
    .eval = eval,
    .pull = pull,
    .pull_x = pull_x,
};
