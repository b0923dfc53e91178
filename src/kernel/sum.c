/* sum: k_1 + k_2 + ...; a weight is handed on to every child unchanged. Scratch: one tile and the children's.
 */
#include "kernel/composite.h"

static size_t buffers(const struct kr_kernel *kernel)
{
    return 1 + kr_composite_child_buffers(kernel);
}

static void eval(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, double *K,
                 double *scratch)
{
    double *part = scratch;
    scratch += KR_TILE * KR_TILE;
    for (size_t c = 0; c < kernel->nkernels; c++) {
        const struct kr_kernel *child = kernel->kernels[c];
        child->type->eval(child, theta, tile, c == 0 ? K : part, scratch);
        for (size_t e = 0; c > 0 && e < tile->m * tile->n; e++)
            K[e] += part[e];
    }
}

static void pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                 const double *W, double *grad, double *scratch)
{
    for (size_t c = 0; c < kernel->nkernels; c++) {
        const struct kr_kernel *child = kernel->kernels[c];
        child->type->pull(child, theta, tile, W, grad, scratch);
    }
}

static void pull_x(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                   const double *W, double *grad_x, size_t ld, double *scratch)
{
    for (size_t c = 0; c < kernel->nkernels; c++) {
        const struct kr_kernel *child = kernel->kernels[c];
        if (child->type->pull_x)
            child->type->pull_x(child, theta, tile, W, grad_x, ld, scratch);
    }
}

const struct kr_kernel_type kr_kernel_sum = {
    .base = {"sum", "k_1 + k_2 + ...: independent effects that add", &kr_composite_options_schema},
    .features = -1,
    .ard = -1,
    .kernels = offsetof(struct kr_composite_options, kernels),
    .buffers = buffers,
    .eval = eval,
    .pull = pull,
    .pull_x = pull_x,
    .feature_kind = KR_FEATURES_SUM,
};
