/*
 * matern52: v (1 + a + a^2/3) exp(-a), a = sqrt(5) r = ln(2) b, b = sqrt(s), s = 5 log2(e)^2 r^2. Slope by s:
 * -ln(2)^2 (1 + a) 2^-b/6. Source: Rasmussen and Williams 2006, eq. 4.17.
 */
#define KR_PROFILE_SIGN          1
#define KR_PROFILE_FACTOR(shape) (5 * M_LOG2E * M_LOG2E)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        const lanes b = root(s), a = (real)M_LN2 * b, e = exp2_below(-b);                                    \
        *g = (((real)(1.0 / 3) * a + 1) * a + 1) * e;                                                        \
        *slope = (real)(-M_LN2 * M_LN2 / 6) * (a + 1) * e;                                                   \
    }
#include "kernel/stationary.h"

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(2.5 / kr_rng_gamma(rng, 2.5));
}

KR_STATIONARY(matern52, "v (1 + sqrt(5) r + 5 r^2/3) exp(-sqrt(5) r): twice differentiable paths");
