/*
 * matern12: v exp(-r) = v 2^-b, b = sqrt(s), s = log2(e)^2 r^2. The slope by s, -ln(2) g/(2 b), always meets
 * a factor (x - z)^2, so that a large number stands for its limit at 0. Source: Rasmussen and Williams 2006,
 * eq. 4.17.
 */
#define KR_PROFILE_SIGN          1
#define KR_PROFILE_FACTOR(shape) (M_LOG2E * M_LOG2E)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        const lanes b = root(s);                                                                             \
        *g = exp2_below(-b);                                                                                 \
        *slope = (real)(-0.5 * M_LN2) * *g / at_least(b, (real)1e-30);                                       \
    }
#include "kernel/stationary.h"

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(0.5 / kr_rng_gamma(rng, 0.5));
}

KR_STATIONARY(matern12, "v exp(-r): continuous, nowhere differentiable paths");
