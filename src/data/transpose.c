/*
 * out = in', rows x cols row-major to cols x rows row-major (feature-major), in square blocks that stay in
 * the first-level cache. Cost: one read and one write of 8 rows cols bytes.
 */
#include "kriged/data.h"

enum { BLOCK = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

kr_status kr_transpose(struct kr_ctx *ctx, size_t rows, size_t cols, const double *in, double **out)
{
    size_t count;
    double *to;
    if (__builtin_mul_overflow(rows, cols, &count))
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "%zu x %zu numbers cannot be addressed", rows, cols);
    KR_ALLOC(ctx, to, count);
    for (size_t i0 = 0; i0 < rows; i0 += BLOCK)
        for (size_t j0 = 0; j0 < cols; j0 += BLOCK)
            for (size_t j = j0; j < least(j0 + BLOCK, cols); j++)
                for (size_t i = i0; i < least(i0 + BLOCK, rows); i++)
                    to[j * rows + i] = in[i * cols + j];
    *out = to;
    return KR_OK;
}
