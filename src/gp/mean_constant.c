/* constant: m(x) = value. One parameter a target, tuned as it is. */
#include "gp/mean.h"

#define KR_MEAN_CONSTANT_FIELDS(F, S)                                                                        \
    F(S, PARAM, value, _, "0", -1e30, 1e30, 0,                                                               \
      "the mean everywhere (target's units); of several targets a number for all, or one each")
KR_DECLARE(kr_mean_constant_options, KR_MEAN_CONSTANT_FIELDS);
KR_DEFINE(kr_mean_constant_options, KR_MEAN_CONSTANT_FIELDS, "a constant mean");

static kr_status build(struct kr_ctx *ctx, const void *options, size_t d, size_t targets, const char *pointer,
                       const char *path, struct kr_parameters *parameters)
{
    const struct kr_mean_constant_options *o = options;
    (void)d;
    for (size_t t = 0; t < targets; t++)
        KR_TRY(kr_mean_add_value(ctx, &o->value, t, targets, true, pointer, path, parameters));
    return KR_OK;
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
