/*
 * A': the two products change places, and d<U, A'V> = d<V, A U>. The transpose of a symmetric operator is
 * itself, that of a transpose is what it was made of. Cost: A's.
 */
#include "op/block.h"

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    return kr_op_apply_t(ctx, op->self, k, X, Y);
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    return kr_op_apply(ctx, op->self, k, X, Y);
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    return kr_op_pull(ctx, op->self, k, V, U, alpha, grad);
}

/* Through a copy of A, which costs its memory and at most as many products of A as it has columns. */
static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    double *inner;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, op->rows, op->cols, &inner));
    KR_TRY(kr_op_fill(ctx, op->self, inner));
    for (size_t j = 0; j < op->cols; j++)
        for (size_t i = 0; i < op->rows; i++)
            A[i + j * op->rows] = inner[j + i * op->cols];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    return kr_op_diagonal(ctx, op->self, out);
}

static const struct kr_op_type transpose = {.name = "transpose",
                                            .apply = apply,
                                            .apply_t = apply_t,
                                            .pull = pull,
                                            .fill = fill,
                                            .diagonal = diagonal};

kr_status kr_op_transpose(struct kr_ctx *ctx, const struct kr_op *A, struct kr_op *out)
{
    struct kr_op *inner;
    if (A->symmetric || A->type == &transpose) {
        *out = A->symmetric ? *A : *(const struct kr_op *)A->self;
        return KR_OK;
    }
    KR_ALLOC(ctx, inner, 1);
    *inner = *A;
    *out = (struct kr_op){&transpose, A->cols, A->rows, false, inner};
    return KR_OK;
}
