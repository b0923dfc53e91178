/* What the tests of the views share: matrices with parameters, and dense references. */
#ifndef KRIGED_TESTS_OP_VIEWS_H
#define KRIGED_TESTS_OP_VIEWS_H

#include "checks.h"

/* All that an operator whose matrix is A owes, at blocks of 1 and more columns; theta (count) is what it
 * borrowed. A matrix of one row or column cannot tell a block's columns from its rows, so shapes must vary.
 */
static inline void check_operator(struct kr_ctx *ctx, const struct kr_op *op, const double *A, double *theta,
                                  size_t count)
{
    struct kr_mark mark = kr_mark(ctx);
    for (size_t k = 1; k <= 5; k += 2) {
        check_products(ctx, op, A, k);
        if (count <= 300)
            check_pull(ctx, op, theta, count, k);
    }
    check_fill(ctx, op, A);
    check_manners(ctx, op, count);
    kr_release(ctx, mark);
}

/* The columns and, of a square one, the diagonal, by their own questions. */
static inline void check_entries(struct kr_ctx *ctx, const struct kr_op *op, const double *A)
{
    const size_t index[] = {op->cols - 1, 0, op->cols / 2}, rows = op->rows;
    double *out = normals(ctx, 3 * rows, 11), *diagonal = normals(ctx, rows, 12);
    OK(kr_op_columns(ctx, op, 3, index, out));
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < rows; i++)
            CLOSE(out[i + c * rows], A[i + index[c] * rows], 1, 1e-13, "entry %zu, %zu", i, index[c]);
    if (op->cols != rows)
        return;
    OK(kr_op_diagonal(ctx, op, diagonal));
    for (size_t i = 0; i < rows; i++)
        CLOSE(diagonal[i], A[i + i * rows], 1, 1e-13, "diagonal entry %zu", i);
}

/* A' (cols x rows) of A (rows x cols). */
static inline double *transposed(struct kr_ctx *ctx, size_t rows, size_t cols, const double *A)
{
    double *out = kr_alloc(ctx, rows * cols, sizeof *out);
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            out[j + i * cols] = A[i + j * rows];
    return out;
}

/* [A; B], both n columns. */
static inline double *stacked(struct kr_ctx *ctx, size_t p, size_t q, size_t n, const double *A,
                              const double *B)
{
    double *out = kr_alloc(ctx, (p + q) * n, sizeof *out);
    for (size_t j = 0; j < n; j++) {
        memcpy(out + j * (p + q), A + j * p, p * sizeof *out);
        memcpy(out + j * (p + q) + p, B + j * q, q * sizeof *out);
    }
    return out;
}

/* A B, p x r times r x n. */
static inline double *multiplied(struct kr_ctx *ctx, size_t p, size_t r, size_t n, const double *A,
                                 const double *B)
{
    double *out = kr_alloc(ctx, p * n, sizeof *out);
    for (size_t j = 0; j < n; j++)
        for (size_t l = 0; l < r; l++)
            for (size_t i = 0; i < p; i++)
                out[i + j * p] += A[i + l * p] * B[l + j * r];
    return out;
}

/* A dense operator whose entries are entries of a longer theta, from `first` on. */
struct slice {
    struct kr_op dense;
    size_t first;
};

static inline kr_status slice_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                    double *Y)
{
    return kr_op_apply(ctx, op->self, k, X, Y);
}

static inline kr_status slice_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                      double *Y)
{
    return kr_op_apply_t(ctx, op->self, k, X, Y);
}

static inline kr_status slice_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                                   const double *V, double alpha, double *grad)
{
    const struct slice *slice = op->self;
    return kr_op_pull(ctx, &slice->dense, k, U, V, alpha, grad + slice->first);
}

static const struct kr_op_type slice_type = {
    .name = "slice", .apply = slice_apply, .apply_t = slice_apply_t, .pull = slice_pull};

static inline struct kr_op slice_of(struct kr_ctx *ctx, size_t rows, size_t cols, const double *theta,
                                    size_t first)
{
    struct slice *self = kr_alloc(ctx, 1, sizeof *self);
    self->first = first;
    OK(kr_op_dense(ctx, rows, cols, theta + first, &self->dense));
    return (struct kr_op){&slice_type, rows, cols, false, self};
}

#endif
