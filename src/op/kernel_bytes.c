/* What products and pulls of a kernel operator take beside their arguments: points and vectors packed for
 * fused tiles, blocks of results in every thread, tiles of the rest. */
#include "op/fused.h"

/* Leaves with fused tiles anywhere in the tree: coordinates of a point, with its norm. */
static size_t coordinates(const struct kr_kernel *kernel)
{
    size_t count = kernel->type->fused ? kernel->nfeatures + 2 : 0;
    for (size_t c = 0; c < kernel->nkernels; c++)
        count += coordinates(kernel->kernels[c]);
    return count;
}

static bool has_product(const struct kr_kernel *kernel)
{
    bool has = kernel->type->multiplies;
    for (size_t c = 0; c < kernel->nkernels; c++)
        has = has || has_product(kernel->kernels[c]);
    return has;
}

size_t kr_op_kernel_bytes(const struct kr_kernel *kernel, size_t n, size_t m, size_t k, size_t threads)
{
    enum { TOGETHER = 256, BLOCK = 8 * KR_PANEL, NARROW = 2 * KR_PANEL };
    const size_t points = n + m + 2 * KR_PANEL, few = k < KR_FUSED_COLUMNS ? k : KR_FUSED_COLUMNS,
                 many = k < TOGETHER ? k : TOGETHER, d = coordinates(kernel);
    const size_t lanes = (n / KR_TILE + 2) * (d + 64) + 8192; /* and small things */
    /* of evaluated values or weights, in a thread */
    const size_t tiles = KR_TILE * KR_TILE + kr_kernel_scratch(kernel),
                 strips = (has_product(kernel) ? 32 : 8) * KR_PANEL * KR_PANEL;
    if (d == 0)
        return 8 * (threads * tiles + lanes);
    const size_t symmetric = 2 * BLOCK * few, columns = 2 * NARROW * many,
                 results = symmetric > columns ? symmetric : columns, sums = BLOCK * d,
                 work = results > sums ? results : sums,
                 runs = (points / (32 * KR_PANEL) + 1) * KR_PANEL * few;
    return 8 * (points * (d + many) + threads * (work + (tiles > strips ? tiles : strips)) + runs + lanes);
}
