/* A block of column vectors from the arena: rows x k doubles, refused in words where that many cannot be. */
#ifndef KRIGED_OP_BLOCK_H
#define KRIGED_OP_BLOCK_H

#include "kriged/op.h"

static inline kr_status kr_block(struct kr_ctx *ctx, size_t rows, size_t k, double **out)
{
    size_t count;
    if (__builtin_mul_overflow(rows, k, &count))
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "a block of %zu x %zu numbers cannot be addressed", rows, k);
    KR_ALLOC(ctx, *out, count);
    return KR_OK;
}

#endif
