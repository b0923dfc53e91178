/*
 * features: covariance through finitely many functions, k(x, z) ~ phi(x)'phi(z), phi(x) in R^p.
 *
 *     fourier    cosines and sines of random frequencies (Rahimi and Recht 2007); kernels of finite rank
 * exactly inducing   k(x, Z) L^-T, L L' = K(Z, Z): what inducing inputs Z know of the kernel
 *
 * A map is made once, from a kernel and a seed or from inputs, and opened at a theta. Phi(X), n x p, is then
 * an operator whose rows are made by blocks whenever they are needed: O(n p) work a product, O(p) memory a
 * thread. Rows may be scaled by the noise, A = diag(D) Phi(X), D_i = (noise_i)^-1/2, so that LstSq(A, D (y -
 * m), 1) is the posterior mean of the weights of phi.
 */
#ifndef KRIGED_FEATURES_H
#define KRIGED_FEATURES_H

#include "kriged/op.h"

struct kr_feature_map;

/* Rows of points are blocks of at most KR_TILE; F and W are p x n, a column a point. */
struct kr_feature_map_type {
    const char *name;
    /* State for map->theta, in memory that it takes from the arena when map->state is NULL. */
    kr_status (*prepare)(struct kr_ctx *, struct kr_feature_map *);
    size_t (*scratch)(const struct kr_feature_map *); /* doubles that rows and pull need */
    void (*rows)(const struct kr_feature_map *, const struct kr_points *x, double *F, double *scratch);
    /* lane[..] += sum W_ij dF_ij/dtheta; overwrites W. */
    void (*pull)(const struct kr_feature_map *, const struct kr_points *x, const double *F, double *W,
                 double *lane, double *scratch);
    /* grad_x[k * ld + i] += sum_j W_ji dF_ji/dx_ik; overwrites W. */
    void (*pull_x)(const struct kr_feature_map *, const struct kr_points *x, const double *F, double *W,
                   double *grad_x, size_t ld, double *scratch);
    /* grad += what a lane holds. */
    void (*gather)(const struct kr_feature_map *, const double *lane, double *grad);
    /* Optional: features are L^-1 F with this lower triangular L (p x p); grad += <L_bar, dL/dtheta>, the
     * lower triangle of L_bar counts and is overwritten. */
    const double *(*root)(const struct kr_feature_map *);
    kr_status (*pull_root)(struct kr_ctx *, const struct kr_feature_map *, double *L_bar, double *grad);
};

struct kr_feature_map {
    const struct kr_feature_map_type *type;
    size_t p, d;         /* features; columns of the points */
    size_t count, lane;  /* entries of theta that it may depend on; doubles of a lane of gradients */
    double condition;    /* of the root of what was last prepared, estimated; 1 without a root */
    double jitter;       /* of what was last prepared: the share of the diagonal of K(Z, Z) that was added */
    const void *plan;    /* what does not depend on theta */
    const double *theta; /* borrowed; NULL = not opened */
    double *prepared;    /* the theta that `state` belongs to */
    void *state;
};

#define KR_FOURIER_FIELDS(F, S)                                                                              \
    F(S, INT, count, _, "512", 2, 1e5, 0,                                                                    \
      "random features: cosine and sine of half as many frequencies, shared out to the kernels of a sum; "   \
      "even; "                                                                                               \
      "kernels of finite rank (constant, linear, cosine) add their own")                                     \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the frequencies")                              \
    F(S, BOOL, orthogonal, _, "true", 0, 0, 0,                                                               \
      "frequencies in orthogonal groups, as many as the kernel has features: less error, no dearer")
KR_DECLARE(kr_fourier_options, KR_FOURIER_FIELDS);

/*
 * Random Fourier features of a kernel tree without white noise (kr_kernel_split); `pointer`: of its model in
 * the request, "/model". rbf and matern draw
 * frequencies from their spectral densities, rational_quadratic for the one value of its alpha; constant,
 * linear and cosine are exact; a sum has the features of its parts. INVALID, with a pointer below `pointer`,
 * for kernels without features (products, periodic, ..), an alpha that is not fixed, an odd count, or less
 * than one frequency a kernel. p is count where all parts are random. Memory O(count d).
 */
kr_status kr_features_fourier(struct kr_ctx *ctx, const struct kr_fourier_options *options,
                              const struct kr_kernel *kernel, size_t d,
                              const struct kr_parameters *parameters, const char *pointer,
                              struct kr_feature_map *out) KR_MUST_CHECK;

/*
 * Inducing inputs Z (borrowed; q x d). `tuned`: Z is a part of theta instead, row by row from theta[first]
 * on, and only q and d of Z count. K(Z, Z) is factorised without jitter, then with 1e-12, 1e-10, ..
 * 1e-6 of its diagonal added, until its condition is below 1e12: NOT_POSITIVE_DEFINITE when none is enough.
 * Opening costs q^3/3 flops, 8 q (2 q
 * + d) bytes.
 */
kr_status kr_features_inducing(struct kr_ctx *ctx, const struct kr_kernel *kernel, const struct kr_points *Z,
                               bool tuned, size_t first, struct kr_feature_map *out) KR_MUST_CHECK;

/* The map at theta, which is borrowed: where it changes later, products follow. */
kr_status kr_features_open(struct kr_ctx *ctx, const struct kr_feature_map *map, const double *theta,
                           struct kr_feature_map *out) KR_MUST_CHECK;

/* noise_i = sum of theta[index[..]] + known_i. */
struct kr_noise {
    size_t count;
    const size_t *index;
    const double *known; /* n, or NULL */
};

/*
 * Phi(X), or, with noise, diag(D) Phi(X): map, points and noise are borrowed. A product with k columns costs
 * one pass over the features and 2 n p k flops; memory threads p (KR_TILE + ..) + 32 p k doubles.
 */
kr_status kr_op_features(struct kr_ctx *ctx, struct kr_feature_map *map, const struct kr_points *X,
                         const struct kr_noise *noise, struct kr_op *out) KR_MUST_CHECK;

/* The following take an operator of kr_op_features, with rows a_i. N, P, G: p x p, symmetric, both triangles.
 */

/* Derivatives by the points: grad_x[f * rows + i] += alpha sum_c U_ic d(a_i'V_c)/dx_if, U rows x k, V p x k.
 * One pass over the features, and 2 n p (k + d) flops. */
kr_status kr_features_pull_x(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                             const double *V, double alpha, double *grad_x) KR_MUST_CHECK;

/* G = sum_i c_i a_i a_i'; c = NULL: 1. n p^2 flops, 2 n p^2 with c; memory threads p KR_TILE + 2^21 doubles.
 */
kr_status kr_features_gram(struct kr_ctx *ctx, const struct kr_op *op, const double *c,
                           double *G) KR_MUST_CHECK;

/* out_i = |L^-1 a_i|^2, L lower triangular p x p; L = NULL: |a_i|^2. n p^2 flops. */
kr_status kr_features_lengths(struct kr_ctx *ctx, const struct kr_op *op, const double *L,
                              double *out) KR_MUST_CHECK;

/* grad += alpha d/dtheta sum_i c_i a_i'N a_i for the matrix P = sum_i c_i a_i a_i' of the same c (NULL: 1).
 * 2 n p^2 flops and a pull. */
kr_status kr_features_pull_gram(struct kr_ctx *ctx, const struct kr_op *op, const double *c, const double *N,
                                const double *P, double alpha, double *grad) KR_MUST_CHECK;

/* L^-1 (or, transposed, L^-T) for a lower triangular L, n x n column-major, borrowed. n^2 k flops. */
kr_status kr_op_solve_triangular(struct kr_ctx *ctx, size_t n, const double *L, bool transposed,
                                 struct kr_op *out) KR_MUST_CHECK;

#endif
