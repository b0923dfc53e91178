/*
 * op: matrices seen only through products.
 *
 *     apply    Y = A X          apply_t  Y = A' X         pull  grad += alpha d<U, A(theta) V>/dtheta
 *
 * Blocks are k column vectors, one after the other: X is cols x k, Y is rows x k, column-major, no gaps.
 * An operator's parameters are a slice of theta, and grad has theta's length.
 *
 * An operator of your own is a struct kr_op whose type points to your three functions: everything above this
 * layer takes it. kr_op_check says whether it keeps its promises.
 */
#ifndef KRIGED_OP_H
#define KRIGED_OP_H

#include "kriged/kernel.h"

struct kr_op;

struct kr_op_type {
    const char *name;
    /* Y is set, not added to; its old contents may be anything. */
    kr_status (*apply)(struct kr_ctx *, const struct kr_op *, size_t k, const double *X, double *Y);
    kr_status (*apply_t)(struct kr_ctx *, const struct kr_op *, size_t k, const double *X, double *Y);
    /* NULL = no parameters. */
    kr_status (*pull)(struct kr_ctx *, const struct kr_op *, size_t k, const double *U, const double *V,
                      double alpha, double *grad);
    /* Optional: all entries, column-major rows x cols; a symmetric operator may fill the lower triangle only.
     */
    kr_status (*fill)(struct kr_ctx *, const struct kr_op *, double *A);
    /* Optional, for preconditioners: A_ii (square); some columns, rows x count. */
    kr_status (*diagonal)(struct kr_ctx *, const struct kr_op *, double *out);
    kr_status (*columns)(struct kr_ctx *, const struct kr_op *, size_t count, const size_t *index,
                         double *out);
    /* Optional, for A = B + diag(D): sets D (rows) and returns B. */
    const struct kr_op *(*shifted)(const struct kr_op *, double *D);
    /* Optional: the same matrix by cheaper (single precision) arithmetic, blocks still in double; products to
     * about 1e-6 |A| |x|. Lives as long as op. For inner iterations whose true residuals are computed with op
     * itself. */
    const struct kr_op *(*single)(const struct kr_op *);
};

struct kr_op {
    const struct kr_op_type *type;
    size_t rows, cols;
    bool symmetric;
    const void *self;
};

/* INVALID unless blocks of k columns have fewer than 2^31 columns and bytes that can be counted; the products
 * and pulls below ask for it, and so do solvers before they start. */
kr_status kr_op_blocks(struct kr_ctx *ctx, const struct kr_op *op, size_t k) KR_MUST_CHECK;
kr_status kr_op_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                      double *Y) KR_MUST_CHECK;
kr_status kr_op_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                        double *Y) KR_MUST_CHECK;
kr_status kr_op_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                     double alpha, double *grad) KR_MUST_CHECK;
/* By the type's fill, or column by column through apply. The upper triangle of a symmetric one is undefined.
 */
kr_status kr_op_fill(struct kr_ctx *ctx, const struct kr_op *op, double *A) KR_MUST_CHECK;
/* out[i] = A_ii of a square operator: by the type, or one product a column. */
kr_status kr_op_diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out) KR_MUST_CHECK;
/* out (rows x count): the columns `index` of A, by the type or through apply. */
kr_status kr_op_columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                        double *out) KR_MUST_CHECK;
/* B and, in D (rows), the diagonal of A = B + diag(D); NULL (D = 0) for an operator that is not such a sum.
 */
const struct kr_op *kr_op_shifted(const struct kr_op *op, double *D);
/* The same matrix in single precision; NULL: there is none. */
const struct kr_op *kr_op_single(const struct kr_op *op);

/*
 * Is this an operator? With `probes` seeded random vectors (one at a time and as a block): every entry of
 * both products is set and finite, a block is its columns, <U, A X> = <A'U, X> to 1e-10 |U||AX|, a symmetric
 * one has A = A'; fill, diagonal, columns, shifted and (to 1e-5) single, where the type has them, agree with
 * the products. With theta (count, what the operator borrowed; put back to the bit): the pull is the central
 * difference of <U, A(theta) V> to 1e-5, for `probes` random directions of theta, and adds. INVALID, in words
 * with the operator's name, the entry and the numbers, for the first promise that does not hold; a failure of
 * the operator itself is passed on. 4 products of a block (symmetric: 5; optional answers: 2 more), with
 * theta 2 more a probe and 2 pulls; O((rows + cols) probes + count) memory. Debug builds (KR_DEBUG) call it
 * when a solver is opened.
 */
kr_status kr_op_check(struct kr_ctx *ctx, const struct kr_op *op, size_t probes, uint64_t seed, size_t count,
                      double *theta) KR_MUST_CHECK;

/*
 * K(X, Z), never stored. Z = NULL stands for X: the Gram matrix. Stationary kernels, their sums and products
 * go through fused tiles: values are used from registers, of a Gram matrix twice, packed points and vectors
 * take O((n + m) (d + k)) memory, and the operator has a single precision form with a pull of its own. The
 * rest is evaluated by tiles of KR_TILE x KR_TILE: n m (kernel + 2 k) flops for k columns, O(threads
 * KR_TILE^2) memory. kernel, theta and the points are borrowed and must outlive the operator.
 */
kr_status kr_op_kernel(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                       const struct kr_points *X, const struct kr_points *Z, struct kr_op *out) KR_MUST_CHECK;
/* Bytes that a product or pull of K(X, Z), n x m, with blocks of k columns takes beside its arguments, at
 * most.
 */
size_t kr_op_kernel_bytes(const struct kr_kernel *kernel, size_t n, size_t m, size_t k, size_t threads);
/* grad += d/dtheta sum_ij W_ij K_ij with all weights given, row-major rows x cols: for weights that are not
 * of low rank. */
kr_status kr_op_kernel_pull_weights(struct kr_ctx *ctx, const struct kr_op *op, const double *W,
                                    double *grad) KR_MUST_CHECK;
/*
 * The same for the points: X_bar[f * rows + i] += the derivative of alpha <U, K(X, Z) V> by feature f of
 * point i of X, Z_bar[f * cols + j] likewise by Z; NULL = not wanted. The points of a Gram matrix are all in
 * X_bar. Where a kernel has no derivative (matern12 at a distance of 0, hamming) it is 0.
 */
kr_status kr_op_kernel_pull_inputs(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                                   const double *V, double alpha, double *X_bar, double *Z_bar) KR_MUST_CHECK;
/* With all weights given, row-major rows x cols: of sum_ij W_ij K_ij. */
kr_status kr_op_kernel_pull_inputs_weights(struct kr_ctx *ctx, const struct kr_op *op, const double *W,
                                           double *X_bar, double *Z_bar) KR_MUST_CHECK;
/* By X as the first argument only: of a Gram matrix one half. */
kr_status kr_op_kernel_pull_x(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                              const double *V, double alpha, double *grad_x) KR_MUST_CHECK;

/* A + theta[index] I + diag(extra): `extra` (n) may be NULL. A is square and borrowed. */
kr_status kr_op_shift(struct kr_ctx *ctx, const struct kr_op *inner, const double *theta, size_t index,
                      const double *extra, struct kr_op *out) KR_MUST_CHECK;

/* A stored matrix, column-major, borrowed; its parameters are its entries (grad has rows * cols). */
kr_status kr_op_dense(struct kr_ctx *ctx, size_t rows, size_t cols, const double *A,
                      struct kr_op *out) KR_MUST_CHECK;

/* theta[index] I, n x n: the lambda I of [A; lambda I]. */
kr_status kr_op_identity(struct kr_ctx *ctx, size_t n, const double *theta, size_t index,
                         struct kr_op *out) KR_MUST_CHECK;

/*
 * Views: the inner operators are copied, their parts borrowed; parameters are those of the inner ones (which
 * share one theta). INVALID, with the shapes, where they do not fit.
 */
kr_status kr_op_transpose(struct kr_ctx *ctx, const struct kr_op *A,
                          struct kr_op *out) KR_MUST_CHECK; /* A' */
kr_status kr_op_stack(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_op *B,
                      struct kr_op *out) KR_MUST_CHECK; /* [A; B] */
/* A B, through one block of B's rows; its pull needs B V and A'U: two products more. */
kr_status kr_op_compose(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_op *B,
                        struct kr_op *out) KR_MUST_CHECK;

/*
 * Two-dimensional convolution of an image (height x width, row-major) with `taps` (taps_height x taps_width,
 * row-major, borrowed: its parameters), the image zero outside:
 *
 *     y[i, j] = sum_ab taps[a, b] x[i - a + oi, j - b + oj]
 *
 * FULL: (height + taps_height - 1) x (width + taps_width - 1) outputs, a tall operator (oi = oj = 0). SAME:
 * as many outputs as inputs, square (oi = (taps_height - 1)/2, ..). VALID: outputs that see no border, a wide
 * one. 2 height width taps_height taps_width flops a column. INVALID where taps do not fit (VALID) or a size
 * is 0.
 */
enum kr_convolution { KR_CONVOLUTION_FULL, KR_CONVOLUTION_SAME, KR_CONVOLUTION_VALID };
kr_status kr_op_convolution(struct kr_ctx *ctx, enum kr_convolution mode, size_t height, size_t width,
                            size_t taps_height, size_t taps_width, const double *taps,
                            struct kr_op *out) KR_MUST_CHECK;

#endif
