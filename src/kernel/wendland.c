/*
 * wendland: v max(0, 1 - r)^(j+1) ((j+1) r + 1), j = floor(q/2) + 2 with q features: zero beyond one
 * lengthscale, twice differentiable, positive definite in up to q dimensions. Slope by r^2: with u = max(0,
 * 1 - r), dg/dr = -(j+1)(j+2) r u^j, so dg/d(r^2) = -(j+1)(j+2) u^j/2. Source: Wendland 1995; Rasmussen and
 * Williams 2006, eq. 4.21.
 */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  1
#define PAIRWISE_SHAPE    0
#include "kernel/pairwise.h"

/* s = r^2 */
#define KR_PROFILE_SIGN          1
#define KR_PROFILE_FACTOR(shape) (1.0)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        const size_t j = features / 2 + 2;                                                                   \
        const lanes r = root(s), left = at_least(1 - r, 0);                                                  \
        lanes below = left;                                                                                  \
        for (size_t e = 1; e < j; e++)                                                                       \
            below *= left;                                                                                   \
        *g = below * left * ((real)(j + 1) * r + 1);                                                         \
        *slope = (real)(-0.5 * (double)((j + 1) * (j + 2))) * below;                                         \
    }
#include "kernel/stationary.h"

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_stationary_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_stationary_options, lengthscale), KR_UNIT_LENGTH, true, 0, 0},
};

#define term        distance_term
#define term_slopes distance_term_slopes

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    const size_t j = kernel->nfeatures / 2 + 2;
    const double r = sqrt(s), left = r < 1 ? 1 - r : 0, below = integer_power(left, j);
    (void)a;
    *g = below * left * ((double)(j + 1) * r + 1);
    *by_s = -0.5 * (double)((j + 1) * (j + 2)) * below;
    *by_a = 0;
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    double by_s, by_a;
    profile_slopes(kernel, s, a, g, &by_s, &by_a);
}

KR_PAIRWISE(wendland)

const struct kr_kernel_type kr_kernel_wendland = {
    .base = {"wendland", "v max(0, 1 - r)^(j+1) ((j+1) r + 1): zero beyond one lengthscale",
             &kr_stationary_options_schema},
    .nparameters = 2,
    .parameters = parameters,
    .features = offsetof(struct kr_stationary_options, features),
    .ard = offsetof(struct kr_stationary_options, ard),
    .kernels = -1,
    .eval = wendland_eval,
    .pull = wendland_pull,
    .pull_x = wendland_pull_x,
    .fused = &fused,
};
