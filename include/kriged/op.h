/*
 * op: matrices seen only through products.
 *
 *     apply    Y = A X          apply_t  Y = A' X         pull  grad += alpha d<U, A(theta) V>/dtheta
 *
 * Blocks are k column vectors, one after the other: X is cols x k, Y is rows x k, column-major, no gaps.
 * An operator's parameters are a slice of theta, and grad has theta's length.
 */
#ifndef KRIGED_OP_H
#define KRIGED_OP_H

#include "kriged/kernel.h"

struct kr_op;

struct kr_op_type {
    const char *name;
    kr_status (*apply)(struct kr_ctx *, const struct kr_op *, size_t k, const double *X, double *Y);
    kr_status (*apply_t)(struct kr_ctx *, const struct kr_op *, size_t k, const double *X, double *Y);
    kr_status (*pull)(struct kr_ctx *, const struct kr_op *, size_t k, const double *U, const double *V,
                      double alpha, double *grad);
    /* Optional: all entries, column-major rows x cols; a symmetric operator may fill the lower triangle only.
     */
    kr_status (*fill)(struct kr_ctx *, const struct kr_op *, double *A);
};

struct kr_op {
    const struct kr_op_type *type;
    size_t rows, cols;
    bool symmetric;
    const void *self;
};

kr_status kr_op_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                      double *Y) KR_MUST_CHECK;
kr_status kr_op_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                        double *Y) KR_MUST_CHECK;
kr_status kr_op_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                     double alpha, double *grad) KR_MUST_CHECK;
/* By the type's fill, or column by column through apply. The upper triangle of a symmetric one is undefined.
 */
kr_status kr_op_fill(struct kr_ctx *ctx, const struct kr_op *op, double *A) KR_MUST_CHECK;

/*
 * K(X, Z), never stored: tiles of KR_TILE x KR_TILE are evaluated when needed. Z = NULL stands for X: the
 * Gram matrix. A product with k columns costs n m (kernel + 2 k) flops; memory O(threads KR_TILE^2). kernel,
 * theta and the points are borrowed and must outlive the operator.
 */
kr_status kr_op_kernel(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                       const struct kr_points *X, const struct kr_points *Z, struct kr_op *out) KR_MUST_CHECK;
/* grad += d/dtheta sum_ij W_ij K_ij with all weights given, row-major rows x cols: for weights that are not
 * of low rank. */
kr_status kr_op_kernel_pull_weights(struct kr_ctx *ctx, const struct kr_op *op, const double *W,
                                    double *grad) KR_MUST_CHECK;

/* A + theta[index] I + diag(extra): `extra` (n) may be NULL. A is square and borrowed. */
kr_status kr_op_shift(struct kr_ctx *ctx, const struct kr_op *inner, const double *theta, size_t index,
                      const double *extra, struct kr_op *out) KR_MUST_CHECK;

/* A stored matrix, column-major, borrowed; its parameters are its entries (grad has rows * cols). */
kr_status kr_op_dense(struct kr_ctx *ctx, size_t rows, size_t cols, const double *A,
                      struct kr_op *out) KR_MUST_CHECK;

#endif
