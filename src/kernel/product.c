/*
 * product: k_1 k_2 ...; child c gets the weight W o prod_{b != c} K_b. Scratch for q children: q + 1 tiles
 * (each child's values, the weight handed on) and the children's. The products of the others are formed anew
 * for each child, O(q^2) multiplications an entry: q is small, and dividing by K_c would fail where it is 0.
 */
#include "kernel/composite.h"

#include <string.h>

static size_t buffers(const struct kr_kernel *kernel)
{
    return kernel->nkernels + 1 + kr_composite_child_buffers(kernel);
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
            K[e] *= part[e];
    }
}

/* Values of all children, each in a tile of its own; returns the scratch that is left. */
static double *eval_children(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                             double *values, double *scratch)
{
    for (size_t c = 0; c < kernel->nkernels; c++)
        kernel->kernels[c]->type->eval(kernel->kernels[c], theta, tile, values + c * KR_TILE * KR_TILE,
                                       scratch);
    return scratch;
}

/* weight = W o prod_{b != c} K_b */
static void weigh(const struct kr_kernel *kernel, const struct kr_tile *tile, size_t c, const double *W,
                  const double *values, double *weight)
{
    const size_t entries = tile->m * tile->n;
    memcpy(weight, W, entries * sizeof *weight);
    for (size_t b = 0; b < kernel->nkernels; b++)
        for (size_t e = 0; b != c && e < entries; e++)
            weight[e] *= values[b * KR_TILE * KR_TILE + e];
}

static void pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                 const double *W, double *grad, double *scratch)
{
    double *values = scratch, *weight = values + kernel->nkernels * KR_TILE * KR_TILE;
    scratch = eval_children(kernel, theta, tile, values, weight + KR_TILE * KR_TILE);
    for (size_t c = 0; c < kernel->nkernels; c++) {
        weigh(kernel, tile, c, W, values, weight);
        kernel->kernels[c]->type->pull(kernel->kernels[c], theta, tile, weight, grad, scratch);
    }
}

static void pull_x(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                   const double *W, double *grad_x, size_t ld, double *scratch)
{
    double *values = scratch, *weight = values + kernel->nkernels * KR_TILE * KR_TILE;
    scratch = eval_children(kernel, theta, tile, values, weight + KR_TILE * KR_TILE);
    for (size_t c = 0; c < kernel->nkernels; c++) {
        if (!kernel->kernels[c]->type->pull_x)
            continue;
        weigh(kernel, tile, c, W, values, weight);
        kernel->kernels[c]->type->pull_x(kernel->kernels[c], theta, tile, weight, grad_x, ld, scratch);
    }
}

const struct kr_kernel_type kr_kernel_product = {
    .base = {"product", "k_1 k_2 ...: effects that modulate each other", &kr_composite_options_schema},
    .features = -1,
    .ard = -1,
    .kernels = offsetof(struct kr_composite_options, kernels),
    .multiplies = true,
    .buffers = buffers,
    .eval = eval,
    .pull = pull,
    .pull_x = pull_x,
};
