/* white: v for a point with itself (the same row of the same set), else 0: noise that the model predicts too.
 */
#include "kriged/kernel.h"

#define KR_WHITE_FIELDS(F, S)                                                                                \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "variance at every point (target's units squared)")
KR_DECLARE(kr_white_options, KR_WHITE_FIELDS);
KR_DEFINE(kr_white_options, KR_WHITE_FIELDS, "options of the white kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_white_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
};

static void eval(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, double *K,
                 double *scratch)
{
    (void)scratch;
    for (size_t i = 0; i < tile->m; i++)
        for (size_t j = 0; j < tile->n; j++)
            K[i * tile->n + j] = tile->x + i == tile->z + j ? theta[kernel->first] : 0;
}

static void pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                 const double *W, double *grad, double *scratch)
{
    (void)theta, (void)scratch;
    double sum = 0;
    for (size_t i = 0; i < tile->m; i++)
        for (size_t j = 0; j < tile->n; j++)
            sum += tile->x + i == tile->z + j ? W[i * tile->n + j] : 0;
    grad[kernel->first] += sum;
}

const struct kr_kernel_type kr_kernel_white = {
    .base = {"white", "v for a point with itself, else 0: noise as a part of the function",
             &kr_white_options_schema},
    .nparameters = 1,
    .parameters = parameters,
    .features = -1,
    .ard = -1,
    .kernels = -1,
    .eval = eval,
    .pull = pull,
    .feature_kind = KR_FEATURES_NOISE,
};
