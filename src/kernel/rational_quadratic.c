/*
 * rational_quadratic: v (1 + r^2/(2 a))^-a: a scale mixture of rbf kernels. With u = 1 + r^2/(2 a):
 * dg/d(r^2) = -u^(-a-1)/2, dg/da = g ((u - 1)/u - log u). Source: Rasmussen and Williams 2006, eq. 4.19.
 */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  1
#define PAIRWISE_SHAPE    1
#include "kernel/pairwise.h"

/* s = r^2/(2 a): g = 2^(-a log2(1 + s)) */
#define KR_PROFILE_SIGN          1
#define KR_PROFILE_FACTOR(shape) (0.5 / (shape))
#define KR_PROFILE_SHAPED        1
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        const lanes logarithm = log2_above(s), inverse = 1 / (s + 1);                                        \
        *g = exp2_below(-shape * logarithm);                                                                 \
        *slope = -shape * *g * inverse;                                                                      \
        *by_shape = *g * (s * inverse - (real)M_LN2 * logarithm);                                            \
    }
#include "kernel/profile.h"

#define KR_RATIONAL_QUADRATIC_FIELDS(F, S)                                                                   \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "value at distance 0 (target's units squared)")            \
    F(S, PARAM, lengthscale, _, "1", 1e-30, 1e30, 0,                                                         \
      "distance over which values decorrelate; an array gives one a feature")                                \
    F(S, PARAM, alpha, _, "1", 1e-30, 1e30, 0,                                                               \
      "how alike the mixed length scales are; rbf is its limit at infinity")                                 \
    F(S, BOOL, ard, _, "false", 0, 0, 0, "one lengthscale a feature, all starting at the given value")       \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_rational_quadratic_options, KR_RATIONAL_QUADRATIC_FIELDS);
KR_DEFINE(kr_rational_quadratic_options, KR_RATIONAL_QUADRATIC_FIELDS,
          "options of the rational quadratic kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_rational_quadratic_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_rational_quadratic_options, lengthscale), KR_UNIT_LENGTH, true, 0, 0},
    {"alpha", offsetof(struct kr_rational_quadratic_options, alpha), KR_UNIT_NONE, false, 1e-2, 1e3},
};

#define term        distance_term
#define term_slopes distance_term_slopes

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    (void)kernel;
    *g = exp(-a * log1p(s / (2 * a)));
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    double excess = s / (2 * a), logarithm = log1p(excess);
    (void)kernel;
    *g = exp(-a * logarithm);
    *by_s = -0.5 * *g / (1 + excess);
    *by_a = *g * (excess / (1 + excess) - logarithm);
}

KR_PAIRWISE(rational_quadratic)

/* A gamma mixture of normals: k = E exp(-t r^2/2), t ~ Gamma(alpha)/alpha. alpha comes last in theta. */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    const double alpha = theta[kernel->first + kernel->nparams - 1];
    return sqrt(kr_rng_gamma(rng, alpha) / alpha);
}

const struct kr_kernel_type kr_kernel_rational_quadratic = {
    .base = {"rational_quadratic", "v (1 + r^2/(2 alpha))^-alpha: smooth, with many length scales at once",
             &kr_rational_quadratic_options_schema},
    .nparameters = 3,
    .parameters = parameters,
    .features = offsetof(struct kr_rational_quadratic_options, features),
    .ard = offsetof(struct kr_rational_quadratic_options, ard),
    .kernels = -1,
    .eval = rational_quadratic_eval,
    .pull = rational_quadratic_pull,
    .pull_x = rational_quadratic_pull_x,
    .fused = &fused,
    .feature_kind = KR_FEATURES_SPECTRAL,
    .spectrum = spectrum,
};
