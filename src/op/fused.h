/*
 * Fused products of kernel operators (kernel/fused.h): how a kernel is split into terms that have fused
 * tiles, points and vectors packed into panels, and the order of the tiles.
 */
#ifndef OP_FUSED_H
#define OP_FUSED_H

#include "kernel/fused.h"
#include "op/kernel_op.h"

static inline size_t kr_panels(size_t n)
{
    return (n + KR_PANEL - 1) / KR_PANEL;
}

/* kernel as fused terms and a rest; what is made lives in ctx. */
kr_status kr_fused_split(struct kr_ctx *ctx, const struct kr_kernel *kernel,
                         struct kr_fused_sum *out) KR_MUST_CHECK;

/* Points of one kernel, packed: panel p holds coordinate k of its KR_PANEL points at [p][k][64], centred and
 * scaled so that |x - z|^2/2 = |s|; the last panel is filled up with zeros. */
struct kr_packed {
    size_t n, d, panels;
    void *x, *h;    /* h: half squared norms, with the sign of s */
    double *norm;   /* the largest |h| of each panel */
    double largest; /* and of all */
};

/* The scale of a kernel's features (d) and what they are centred by. */
struct kr_packing {
    const struct kr_kernel *kernel;
    bool single;
    double shape, sign, variance, expand; /* distances up to `expand` may be products */
    double *scale, *centre;
};

kr_status kr_fused_packing(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                           bool single, const struct kr_points *centre, struct kr_packing *out) KR_MUST_CHECK;
kr_status kr_fused_pack(struct kr_ctx *ctx, const struct kr_packing *packing, const struct kr_points *points,
                        struct kr_packed *out) KR_MUST_CHECK;
/* May single (double) precision be used at all for points of these norms? */
bool kr_fused_near(double largest, bool single);

/* V (n x k) in floats or doubles, in panels: entry i of panel p of vector c at [p][c][i]; filled up with
 * zeros. */
kr_status kr_fused_vectors(struct kr_ctx *ctx, size_t n, size_t k, bool single, const double *V,
                           void **out) KR_MUST_CHECK;
/* Y[first + i + c n] += factor part, for panels of results. */
void kr_fused_add(const void *part, bool single, size_t panels, size_t k, double factor, size_t first,
                  size_t n, double *Y);

/*
 * Pairs of blocks 0..count-1 in rounds, so that each block is in one pair a round: tasks that may run side by
 * side never touch the same block, and each block sees its tasks in one order, whatever the threads.
 */
typedef void kr_pair_function(void *self, size_t i, size_t j);
kr_status kr_each_pair(struct kr_ctx *ctx, size_t count, int threads, kr_pair_function *function,
                       void *self) KR_MUST_CHECK;
/* n m entries of `each` multiply-adds that one thread is done with before others are awake. */
bool kr_fused_small(size_t n, size_t m, size_t each);

/* Y (x->n x k) += the terms of K(x, z) V; *done = false, and Y untouched, where points are too far out. z =
 * NULL stands for x. */
kr_status kr_fused_product(struct kr_ctx *ctx, const struct kr_fused_sum *sum, const double *theta,
                           const struct kr_points *x, const struct kr_points *z, bool single, size_t k,
                           const double *V, double *Y, bool *done) KR_MUST_CHECK;

/* Weights of entries: alpha U V' of k pairs, or W (row-major, ld columns; alpha is 1). `transposed`: rows and
 * columns change places. */
struct kr_fused_weights {
    size_t k, ld;
    const double *U, *V, *W;
    double alpha;
    bool transposed;
};

/* grad += the derivative of one term; *done = false, and grad untouched, where points are
 * too far out. z = NULL stands for x. */
kr_status kr_fused_pull(struct kr_ctx *ctx, const struct kr_fused_term *term, const double *theta,
                        const struct kr_points *x, const struct kr_points *z, bool single,
                        const struct kr_fused_weights *weights, double *grad, bool *done) KR_MUST_CHECK;

/* x_bar[f * x->n + j] += the derivative by feature f of point j of x, the columns of the weights (z: the
 * rows; both: W + W' as weights, where z is x); *done = false, and x_bar untouched, where distances of the
 * points may not be expanded. */
kr_status kr_fused_pull_inputs(struct kr_ctx *ctx, const struct kr_fused_term *term, const double *theta,
                               const struct kr_points *x, const struct kr_points *z, bool both,
                               const struct kr_fused_weights *weights, double *x_bar,
                               bool *done) KR_MUST_CHECK;

#endif
