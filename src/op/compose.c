/*
 * A B, p x n, through the r rows of B (r = the columns of A).
 *
 *     A B X = A (B X)      (A B)'U = B'(A'U)      d<U, A B V> = d<U, A (B V)> + d<A'U, B V>
 *
 * with B V and A'U held fixed: its pull is A's and B's, after one product of each. Cost: the parts'; memory
 * r k doubles.
 */
#include "op/block.h"

struct compose {
    struct kr_op left, right;
};

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct compose *self = op->self;
    double *middle;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, self->right.rows, k, &middle));
    KR_TRY(kr_op_apply(ctx, &self->right, k, X, middle));
    KR_TRY(kr_op_apply(ctx, &self->left, k, middle, Y));
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct compose *self = op->self;
    double *middle;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, self->right.rows, k, &middle));
    KR_TRY(kr_op_apply_t(ctx, &self->left, k, X, middle));
    KR_TRY(kr_op_apply_t(ctx, &self->right, k, middle, Y));
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct compose *self = op->self;
    double *middle;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, self->right.rows, k, &middle));
    if (self->left.type->pull) {
        KR_TRY(kr_op_apply(ctx, &self->right, k, V, middle));
        KR_TRY(kr_op_pull(ctx, &self->left, k, U, middle, alpha, grad));
    }
    if (self->right.type->pull) {
        KR_TRY(kr_op_apply_t(ctx, &self->left, k, U, middle));
        KR_TRY(kr_op_pull(ctx, &self->right, k, middle, V, alpha, grad));
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* A times all columns of B at once. */
static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct compose *self = op->self;
    const size_t r = self->right.rows;
    double *right;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, r, op->cols, &right));
    KR_TRY(kr_op_fill(ctx, &self->right, right));
    for (size_t j = 0; self->right.symmetric && j < r; j++)
        for (size_t i = 0; i < j; i++)
            right[i + j * r] = right[j + i * r];
    KR_TRY(kr_op_apply(ctx, &self->left, op->cols, right, A));
    kr_release(ctx, mark);
    return KR_OK;
}

/* A times those of B. */
static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    const struct compose *self = op->self;
    double *right;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_block(ctx, self->right.rows, count, &right));
    KR_TRY(kr_op_columns(ctx, &self->right, count, index, right));
    KR_TRY(kr_op_apply(ctx, &self->left, count, right, out));
    kr_release(ctx, mark);
    return KR_OK;
}

static const struct kr_op_type compose = {
    .name = "compose", .apply = apply, .apply_t = apply_t, .pull = pull, .fill = fill, .columns = columns};

kr_status kr_op_compose(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_op *B, struct kr_op *out)
{
    struct compose *self;
    if (A->cols != B->rows)
        return kr_fail(ctx, KR_INVALID, "",
                       "the columns of the first operator must be the rows of the second, got %zu x %zu and "
                       "%zu x %zu",
                       A->rows, A->cols, B->rows, B->cols);
    KR_ALLOC(ctx, self, 1);
    *self = (struct compose){*A, *B};
    *out = (struct kr_op){&compose, A->rows, B->cols, false, self};
    return KR_OK;
}
