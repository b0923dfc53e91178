/* matern32: v (1 + a) exp(-a), a = sqrt(3) r. Slope by r^2: -3/2 exp(-a). Source: Rasmussen and Williams
 * 2006, eq. 4.17. */
#include "kernel/stationary.h"

static inline __attribute__((always_inline)) void profile(double r2, double *g, double *slope)
{
    double a = sqrt(3 * r2), e = kr_exp_negative(-a);
    *g = (1 + a) * e;
    *slope = -1.5 * e;
}

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(1.5 / kr_rng_gamma(rng, 1.5));
}

KR_STATIONARY(matern32, "v (1 + sqrt(3) r) exp(-sqrt(3) r): once differentiable paths");
