/*
 * [A; B], (p + q) x n, p and q the rows of A and B.
 *
 *     [A; B] X = [A X; B X]      [A; B]'[U; W] = A'U + B'W      pull: A's of U and B's of W
 *
 * The rows of A and of B alternate column by column in a block, while the parts want theirs without gaps. One
 * column needs no copy; a block of k > 1 is packed and spread. Memory: min(p, q) k doubles for the product,
 * max(p, q) k for the pull, n k more for the adjoint. Cost: the products of the parts, and 2 (p + q + n) k
 * moves.
 */
#include "op/block.h"

#include <string.h>

struct stack {
    struct kr_op top, bottom;
};

/* Columns of `rows` numbers that stand at the start of `block`, moved `apart`, the last one first: a column
 * lands behind those that have yet to move. */
static void spread_up(size_t k, size_t rows, double *block, size_t apart)
{
    for (size_t c = k; c-- > 1;)
        memmove(block + c * apart, block + c * rows, rows * sizeof *block);
}

/* The first one first: where `packed` is the end of the block itself, a column lands before those that have
 * yet to move. */
static void spread_down(size_t k, size_t rows, const double *packed, double *out, size_t apart)
{
    for (size_t c = 0; c < k; c++)
        memmove(out + c * apart, packed + c * rows, rows * sizeof *out);
}

/* The longer part is multiplied in place, in Y, where its columns are then moved apart; the shorter one goes
 * through memory of its own. */
static kr_status apply_block(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct stack *self = op->self;
    const size_t p = self->top.rows, q = self->bottom.rows;
    double *packed;
    KR_TRY(kr_block(ctx, p < q ? p : q, k, &packed));
    if (p >= q) {
        KR_TRY(kr_op_apply(ctx, &self->top, k, X, Y));
        KR_TRY(kr_op_apply(ctx, &self->bottom, k, X, packed));
        spread_up(k, p, Y, op->rows);
        spread_down(k, q, packed, Y + p, op->rows);
    } else {
        KR_TRY(kr_op_apply(ctx, &self->bottom, k, X, Y + p * k));
        KR_TRY(kr_op_apply(ctx, &self->top, k, X, packed));
        spread_down(k, q, Y + p * k, Y + p, op->rows);
        spread_down(k, p, packed, Y, op->rows);
    }
    return KR_OK;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct stack *self = op->self;
    if (k > 1) {
        struct kr_mark mark = kr_mark(ctx);
        KR_TRY(apply_block(ctx, op, k, X, Y));
        kr_release(ctx, mark);
        return KR_OK;
    }
    KR_TRY(kr_op_apply(ctx, &self->top, k, X, Y));
    return kr_op_apply(ctx, &self->bottom, k, X, k ? Y + self->top.rows : Y);
}

/* Rows first.. of a block, without gaps: the block itself where it is one column, else a copy in `packed`. */
static const double *part(const struct kr_op *op, size_t k, const double *block, size_t first, size_t rows,
                          double *packed)
{
    if (k <= 1)
        return k ? block + first : block;
    for (size_t c = 0; c < k; c++)
        memcpy(packed + c * rows, block + c * op->rows + first, rows * sizeof *packed);
    return packed;
}

static kr_status part_memory(struct kr_ctx *ctx, const struct stack *self, size_t k, double **packed)
{
    const size_t p = self->top.rows, q = self->bottom.rows;
    return kr_block(ctx, k > 1 ? (p > q ? p : q) : 0, k, packed);
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct stack *self = op->self;
    const size_t p = self->top.rows, q = self->bottom.rows;
    double *packed, *second;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(part_memory(ctx, self, k, &packed));
    KR_TRY(kr_block(ctx, op->cols, k, &second));
    KR_TRY(kr_op_apply_t(ctx, &self->top, k, part(op, k, X, 0, p, packed), Y));
    KR_TRY(kr_op_apply_t(ctx, &self->bottom, k, part(op, k, X, p, q, packed), second));
    for (size_t i = 0; i < op->cols * k; i++)
        Y[i] += second[i];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct stack *self = op->self;
    const size_t p = self->top.rows, q = self->bottom.rows;
    double *packed;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(part_memory(ctx, self, k, &packed));
    KR_TRY(kr_op_pull(ctx, &self->top, k, part(op, k, U, 0, p, packed), V, alpha, grad));
    KR_TRY(kr_op_pull(ctx, &self->bottom, k, part(op, k, U, p, q, packed), V, alpha, grad));
    kr_release(ctx, mark);
    return KR_OK;
}

/* The entries of one part, whose upper triangle a symmetric one leaves to us. */
static kr_status fill_part(struct kr_ctx *ctx, const struct kr_op *inner, double *out, size_t apart)
{
    double *packed;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, inner->rows, inner->cols, &packed));
    KR_TRY(kr_op_fill(ctx, inner, packed));
    for (size_t j = 0; j < inner->cols; j++)
        for (size_t i = 0; i < inner->rows; i++)
            out[i + j * apart] =
                packed[inner->symmetric && i < j ? j + i * inner->rows : i + j * inner->rows];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct stack *self = op->self;
    KR_TRY(fill_part(ctx, &self->top, A, op->rows));
    return fill_part(ctx, &self->bottom, A + self->top.rows, op->rows);
}

static const struct kr_op_type stack = {
    .name = "stack", .apply = apply, .apply_t = apply_t, .pull = pull, .fill = fill};

kr_status kr_op_stack(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_op *B, struct kr_op *out)
{
    struct stack *self;
    size_t rows;
    if (A->cols != B->cols)
        return kr_fail(
            ctx, KR_INVALID, "",
            "operators on top of each other must have as many columns, got %zu x %zu and %zu x %zu", A->rows,
            A->cols, B->rows, B->cols);
    if (__builtin_add_overflow(A->rows, B->rows, &rows))
        return kr_fail(ctx, KR_INVALID, "", "%zu rows and %zu more cannot be counted", A->rows, B->rows);
    KR_ALLOC(ctx, self, 1);
    *self = (struct stack){*A, *B};
    *out = (struct kr_op){&stack, rows, A->cols, false, self};
    return KR_OK;
}
