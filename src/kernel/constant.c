/* constant: v for every pair. The prior of an unknown common offset. */
#include "kriged/kernel.h"

#define KR_CONSTANT_FIELDS(F, S)                                                                             \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "variance of the offset (target's units squared)")
KR_DECLARE(kr_constant_options, KR_CONSTANT_FIELDS);
KR_DEFINE(kr_constant_options, KR_CONSTANT_FIELDS, "options of the constant kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_constant_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
};

static void eval(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, double *K,
                 double *scratch)
{
    (void)scratch;
    for (size_t e = 0; e < tile->m * tile->n; e++)
        K[e] = theta[kernel->first];
}

static void pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                 const double *W, double *grad, double *scratch)
{
    (void)theta, (void)scratch;
    double sum = 0;
    for (size_t e = 0; e < tile->m * tile->n; e++)
        sum += W[e];
    grad[kernel->first] += sum;
}

const struct kr_kernel_type kr_kernel_constant = {
    .base = {"constant", "v for every pair: an unknown common offset", &kr_constant_options_schema},
    .nparameters = 1,
    .parameters = parameters,
    .features = -1,
    .ard = -1,
    .kernels = -1,
    .eval = eval,
    .pull = pull,
    .feature_kind = KR_FEATURES_CONSTANT,
};
