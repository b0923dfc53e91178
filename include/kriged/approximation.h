/*
 * approximation: a covariance through finitely many functions, for data that the exact one is too dear for.
 *
 *     fourier_features   random waves: kernels that have a spectral density, and sums
 *     inducing           what a few inducing inputs know of any kernel
 *
 * The posterior is then that of the weights of the functions (features.h): least squares with n rows and p
 * columns, O(n p^2) flops once, O(n p) a product, O(p^2) memory beside the data.
 */
#ifndef KRIGED_APPROXIMATION_H
#define KRIGED_APPROXIMATION_H

#include "kriged/data.h"
#include "kriged/features.h"

extern const struct kr_registry kr_approximation_registry; /* rows are struct kr_approximation_type */

/* A covariance as phi(x)'phi(z), so that the posterior is that of the weights of phi: O(n p) work a product.
 */
struct kr_weight_space {
    const struct kr_approximation_type *type;
    const struct kr_kernel *kernel; /* without its white parts, which are noise here */
    size_t nnoise, *noise;          /* places in theta of noise.variance, then of white variances */
    struct kr_feature_map map;      /* opened at a theta by who needs it */
    bool residual;                  /* what phi misses of k(x, x) belongs to the variance of a prediction */
    size_t inputs;                  /* where tuned inducing inputs begin in theta; 0: there are none */
    struct kr_points Z;             /* inducing inputs as they were chosen; n = 0: there are none */
};

/* What an approximation is made for. */
struct kr_weight_site {
    size_t d;
    const struct kr_points
        *choice;         /* training rows to choose inducing inputs from; NULL: they must be given */
    const char *pointer; /* of the model in the request: "/model" */
    struct kr_parameters *parameters; /* of kernel, mean and noise; tuned inputs are appended */
};

struct kr_approximation_type {
    struct kr_type base;
    /* Sets map, residual, inputs and Z; NULL: the exact covariance. */
    kr_status (*build)(struct kr_ctx *, const void *options, const struct kr_weight_site *,
                       struct kr_weight_space *);
};

enum kr_inducing_select { KR_INDUCING_KMEANS, KR_INDUCING_RANDOM };
extern const char *const kr_inducing_select_names[];

#define KR_INDUCING_FIELDS(F, S)                                                                             \
    F(S, INT, count, _, "256", 1, 1e5, 0, "inducing inputs; as many as are given, where they are")           \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the choice")                                   \
    F(S, CHOICE, select, kr_inducing_select, "kmeans", 0, 0, 0,                                              \
      "kmeans: centres of clusters of training inputs; random: training inputs")                             \
    F(S, BOOL, tune_inputs, _, "false", 0, 0, 0, "tune the inputs together with the hyperparameters")        \
    F(S, MATRIX, inputs, _, NULL, -1e308, 1e308, KR_OMIT,                                                    \
      "the inputs themselves instead of a choice, a row each, in standardised units where these are on")
KR_DECLARE(kr_inducing_options, KR_INDUCING_FIELDS);

/*
 * The weight space of a model whose kernel and noise are built; *out = NULL for the exact covariance.
 * INVALID, with a pointer below site->pointer, for kernels without features, more inducing inputs than
 * different training inputs, white noise inside products, a kernel of white noise alone.
 */
kr_status kr_weight_space_build(struct kr_ctx *ctx, const struct kr_variant *approximation,
                                const struct kr_kernel *kernel, size_t noise_index,
                                const struct kr_weight_site *site,
                                struct kr_weight_space **out) KR_MUST_CHECK;

#endif
