/* constant: m(x) = value. One parameter, tuned as it is. */
#include "kriged/gp.h"

#define KR_MEAN_CONSTANT_FIELDS(F, S)                                                                        \
    F(S, PARAM, value, _, "0", -1e30, 1e30, 0, "the mean everywhere (target's units)")
KR_DECLARE(kr_mean_constant_options, KR_MEAN_CONSTANT_FIELDS);
KR_DEFINE(kr_mean_constant_options, KR_MEAN_CONSTANT_FIELDS, "a constant mean");

static kr_status build(struct kr_ctx *ctx, const void *options, size_t d, const char *pointer,
                       const char *path, struct kr_parameters *parameters)
{
    const struct kr_mean_constant_options *o = options;
    (void)d;
    if (o->value.array)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/value", pointer),
                       "must be one number, not an array");
    return kr_parameters_add(ctx, parameters,
                             (struct kr_parameter){.name = kr_printf(ctx, "%s.value", path),
                                                   .pointer = kr_printf(ctx, "%s/value", pointer),
                                                   .unit = KR_UNIT_TARGET,
                                                   .exact_unit = true,
                                                   .spec = o->value.values[0]});
}

static void eval(const double *theta, const struct kr_points *x, double *out)
{
    for (size_t i = 0; i < x->n; i++)
        out[i] = theta[0];
}

static void pull(const double *theta, const struct kr_points *x, const double *weights, double *grad)
{
    (void)theta;
    for (size_t i = 0; i < x->n; i++)
        grad[0] += weights[i];
}

extern const struct kr_mean_type kr_mean_constant;
const struct kr_mean_type kr_mean_constant = {
    .base = {"constant", "m(x) = value", &kr_mean_constant_options_schema},
    .build = build,
    .eval = eval,
    .pull = pull,
};
