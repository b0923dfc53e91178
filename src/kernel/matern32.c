/*
 * matern32: v (1 + a) exp(-a), a = sqrt(3) r = ln(2) b, b = sqrt(s), s = 3 log2(e)^2 r^2. Slope by s:
 * -ln(2)^2 2^-b/2. Source: Rasmussen and Williams 2006, eq. 4.17.
 */
#define KR_PROFILE_SIGN          1
#define KR_PROFILE_FACTOR(shape) (3 * M_LOG2E * M_LOG2E)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        const lanes b = root(s), e = exp2_below(-b);                                                         \
        *g = ((real)M_LN2 * b + 1) * e;                                                                      \
        *slope = (real)(-0.5 * M_LN2 * M_LN2) * e;                                                           \
    }
#include "kernel/stationary.h"

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(1.5 / kr_rng_gamma(rng, 1.5));
}

KR_STATIONARY(matern32, "v (1 + sqrt(3) r) exp(-sqrt(3) r): once differentiable paths");
