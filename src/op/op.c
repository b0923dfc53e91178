/* The questions that every operator answers, asked in one place. */
#include "kriged/op.h"

kr_status kr_op_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    KR_TRY(kr_poll(ctx));
    return op->type->apply(ctx, op, k, X, Y);
}

kr_status kr_op_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    KR_TRY(kr_poll(ctx));
    return op->type->apply_t(ctx, op, k, X, Y);
}

kr_status kr_op_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                     double alpha, double *grad)
{
    KR_TRY(kr_poll(ctx));
    return op->type->pull ? op->type->pull(ctx, op, k, U, V, alpha, grad) : KR_OK;
}

kr_status kr_op_fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    KR_TRY(kr_poll(ctx));
    if (op->type->fill)
        return op->type->fill(ctx, op, A);
    double *unit;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, unit, op->cols);
    for (size_t j = 0; j < op->cols; j++) {
        unit[j] = 1;
        KR_TRY(kr_op_apply(ctx, op, 1, unit, A + j * op->rows));
        unit[j] = 0;
    }
    kr_release(ctx, mark);
    return KR_OK;
}
