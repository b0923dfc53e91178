/* The questions that every operator answers, asked in one place. */
#include "kriged/op.h"

#include <string.h>

enum { UNITS = 32 /* unit vectors multiplied at a time */ };

kr_status kr_op_blocks(struct kr_ctx *ctx, const struct kr_op *op, size_t k)
{
    const size_t longest = op->rows > op->cols ? op->rows : op->cols;
    size_t bytes;
    if (k > INT32_MAX || __builtin_mul_overflow(longest, k * sizeof(double), &bytes))
        return kr_fail(ctx, KR_INVALID, "", "a block of %zu columns of a %zu x %zu operator is too large", k,
                       op->rows, op->cols);
    return KR_OK;
}

kr_status kr_op_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_op_blocks(ctx, op, k));
    return op->type->apply(ctx, op, k, X, Y);
}

kr_status kr_op_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_op_blocks(ctx, op, k));
    return op->type->apply_t(ctx, op, k, X, Y);
}

kr_status kr_op_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                     double alpha, double *grad)
{
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_op_blocks(ctx, op, k));
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

/* out = A e_j for the given columns, through apply. */
static kr_status multiply_units(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                                double *unit, double *out)
{
    for (size_t c = 0; c < count; c++)
        unit[c * op->cols + index[c]] = 1;
    const kr_status status = kr_op_apply(ctx, op, count, unit, out);
    for (size_t c = 0; c < count; c++)
        unit[c * op->cols + index[c]] = 0;
    return status;
}

kr_status kr_op_columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                        double *out)
{
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_op_blocks(ctx, op, count));
    for (size_t c = 0; c < count; c++)
        if (index[c] >= op->cols)
            return kr_fail(ctx, KR_INVALID, "", "column %zu of an operator of %zu columns was asked for",
                           index[c], op->cols);
    if (op->type->columns)
        return op->type->columns(ctx, op, count, index, out);
    double *unit;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, unit, op->cols * (count < UNITS ? count : UNITS));
    for (size_t first = 0; first < count; first += UNITS) {
        const size_t together = count - first < UNITS ? count - first : UNITS;
        KR_TRY(multiply_units(ctx, op, together, index + first, unit, out + first * op->rows));
    }
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_op_diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    KR_TRY(kr_poll(ctx));
    if (op->rows != op->cols)
        return kr_fail(ctx, KR_INVALID, "", "only a square operator has a diagonal, got %zu x %zu", op->rows,
                       op->cols);
    if (op->type->diagonal)
        return op->type->diagonal(ctx, op, out);
    double *unit, *columns;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, unit, op->cols * UNITS);
    KR_ALLOC(ctx, columns, op->rows * UNITS);
    for (size_t first = 0; first < op->cols; first += UNITS) {
        const size_t together = op->cols - first < UNITS ? op->cols - first : UNITS;
        size_t index[UNITS];
        for (size_t c = 0; c < together; c++)
            index[c] = first + c;
        KR_TRY(multiply_units(ctx, op, together, index, unit, columns));
        for (size_t c = 0; c < together; c++)
            out[first + c] = columns[c * op->rows + first + c];
    }
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_op *kr_op_shifted(const struct kr_op *op, double *D)
{
    if (op->type->shifted)
        return op->type->shifted(op, D);
    memset(D, 0, op->rows * sizeof *D);
    return NULL;
}

const struct kr_op *kr_op_single(const struct kr_op *op)
{
    return op->type->single ? op->type->single(op) : NULL;
}
