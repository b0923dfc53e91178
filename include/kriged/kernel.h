/*
 * kernel: covariance functions as expression trees.
 *
 * A kernel owes two things on tiles: its values, and one weighted derivative. The tree is immutable; its
 * parameters are a slice of the model's vector theta (natural values), passed in with every call.
 */
#ifndef KRIGED_KERNEL_H
#define KRIGED_KERNEL_H

#include "kriged/fields.h"

enum {
    KR_TILE = 128, /* rows and columns of a tile at most */
    KR_MAX_KERNEL_NODES = 256,
    KR_MAX_KERNEL_PARAMETERS = 4 /* of one kernel, an ARD parameter counted once */
};

/* Points, feature-major: feature k of point i is x[k * ld + i]. */
struct kr_points {
    size_t n, d, ld;
    const double *x;
};

/* m rows of x against n columns of z: two short runs of points. A point is known by its address: &x[i] ==
 * &z[j] says that both are the same row of the same set, which is what `white` asks. */
struct kr_tile {
    size_t m, n;
    const double *x, *z;
    size_t ldx, ldz;
};

/* What a parameter measures: decides its bounds, its coordinate and its value in the data's units. */
enum kr_unit {
    KR_UNIT_NONE,     /* a pure number */
    KR_UNIT_VARIANCE, /* target's units squared */
    KR_UNIT_LENGTH,   /* units of its feature(s) */
    KR_UNIT_TARGET    /* target's units */
};

/* One entry of theta. */
struct kr_parameter {
    char *name;    /* path in the model: kernel.kernels[1].lengthscale[3] */
    char *pointer; /* JSON pointer of its value in the request */
    enum kr_unit unit;
    bool positive;       /* tuned by its logarithm */
    bool exact_unit;     /* data units are exact: not inside a product */
    double lower, upper; /* default bounds of a pure number; 0, 0 = by the unit */
    size_t nfeatures;    /* LENGTH: the features that it scales (several when shared) */
    const size_t *features;
    struct kr_param_value spec; /* start value, fixed, bounds as given */
};

struct kr_parameters {
    size_t count, capacity;
    struct kr_parameter *items;
};

struct kr_kernel;
struct kr_fused;

/* A member of the options struct that is a hyperparameter. */
struct kr_kernel_parameter {
    const char *name;
    size_t offset; /* of the struct kr_param in the options */
    enum kr_unit unit;
    bool per_feature;    /* an array, or "ard": true, gives one entry a feature */
    double lower, upper; /* default bounds where the unit has none */
};

/* How a kernel is a sum of products of functions of one point, k(x, z) ~ phi(x)'phi(z) (features.h). */
enum kr_feature_kind {
    KR_FEATURES_NONE,
    KR_FEATURES_SPECTRAL, /* parameters variance, lengthscale, ..: waves whose frequencies are a normal times
                             `spectrum` over the lengthscale */
    KR_FEATURES_WAVE,     /* parameters variance, period: one wave */
    KR_FEATURES_CONSTANT, /* parameter variance */
    KR_FEATURES_LINEAR,   /* parameter variance, of every feature */
    KR_FEATURES_SUM,      /* those of its children */
    KR_FEATURES_NOISE     /* no function of a point: noise */
};

struct kr_kernel_type {
    struct kr_type base;
    size_t nparameters;
    const struct kr_kernel_parameter *parameters; /* in the order of theta */
    ptrdiff_t features, ard, kernels;             /* offsets in the options, -1 = has none */
    bool multiplies;                              /* its children's variances have no units of their own */
    bool compares; /* it only asks whether inputs are equal: no derivative by them, and a step where they
                      change */
    bool unitless; /* its parameters have no exact values in the data's units (not stationary) */
    size_t (*buffers)(const struct kr_kernel *); /* tiles of scratch that eval and pull need; NULL = none */
    /* K[i * n + j] = k(x_i, z_j) */
    void (*eval)(const struct kr_kernel *, const double *theta, const struct kr_tile *, double *K,
                 double *scratch);
    /* grad[p] += sum_ij W[i * n + j] dk(x_i, z_j)/dtheta_p */
    void (*pull)(const struct kr_kernel *, const double *theta, const struct kr_tile *, const double *W,
                 double *grad, double *scratch);
    /* grad_x[k * ld + i] += sum_j W[i * n + j] dk(x_i, z_j)/dx_ik, all d features; 0 where there is no
     * derivative. NULL = it does not depend on x. */
    void (*pull_x)(const struct kr_kernel *, const double *theta, const struct kr_tile *, const double *W,
                   double *grad_x, size_t ld, double *scratch);
    /* A function of a scaled distance: its fused tiles (kernel/fused.h); parameters are variance, lengthscale
     * and, at most, one more. NULL = has none. */
    const struct kr_fused *fused;
    enum kr_feature_kind feature_kind;
    /* SPECTRAL: a draw of the factor that makes a normal vector a frequency. It may depend on parameters
     * after the lengthscale, which must be fixed then. */
    double (*spectrum)(const struct kr_kernel *, const double *theta, struct kr_rng *);
};

struct kr_kernel {
    const struct kr_kernel_type *type;
    size_t first;                             /* its own parameters start at theta[first]; children follow */
    size_t nparams;                           /* own parameters */
    size_t entries[KR_MAX_KERNEL_PARAMETERS]; /* of each parameter: 1 or nfeatures */
    const void *options;                      /* struct of type->base.options, borrowed from the spec */
    size_t nfeatures;
    const size_t *features;
    size_t nkernels;
    struct kr_kernel **kernels;
    size_t buffers; /* tiles of scratch */
};

extern const struct kr_registry kr_kernel_registry; /* rows are struct kr_kernel_type */

/*
 * Builds the tree of a spec over d features and appends its parameters, in tree order. `pointer` is the
 * spec's place in the request ("/model/kernel"), `path` its name ("kernel"). INVALID for features that are
 * not there, arrays of a wrong length.
 */
kr_status kr_kernel_build(struct kr_ctx *ctx, const struct kr_variant *spec, size_t d,
                          const char *const *feature_names, const char *pointer, const char *path,
                          struct kr_parameters *parameters, struct kr_kernel **out) KR_MUST_CHECK;

/*
 * A kernel without the white ones in its sums: *out (NULL when nothing else is there; `kernel` itself when
 * there are none), and in `white` (arena) the places of their variances in theta. What they say of a function
 * is that there is noise. INVALID, with a pointer, for white inside a product.
 */
kr_status kr_kernel_split(struct kr_ctx *ctx, const struct kr_kernel *kernel, const char *pointer,
                          const struct kr_kernel **out, size_t *nwhite, size_t **white) KR_MUST_CHECK;

/* Appends one parameter; a NULL name or pointer has failed earlier. */
kr_status kr_parameters_add(struct kr_ctx *ctx, struct kr_parameters *parameters,
                            struct kr_parameter parameter) KR_MUST_CHECK;

/* Doubles of scratch that one thread needs for tiles of up to KR_TILE x KR_TILE. */
size_t kr_kernel_scratch(const struct kr_kernel *kernel);

/* out[i] = k(x_i, x_i); and its weighted derivative. O(n d). */
void kr_kernel_diagonal(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                        double *scratch, double *out);
void kr_kernel_diagonal_pull(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                             const double *weights, double *scratch, double *grad);
/* grad_x[k * x->n + i] += weights[i] dk(x_i, x_i)/dx_ik, both sides moving. */
void kr_kernel_diagonal_pull_x(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                               const double *weights, double *scratch, double *grad_x);

#endif
