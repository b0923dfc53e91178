/*
 * matern52: v (1 + a + a^2/3) exp(-a), a = sqrt(5) r. Slope by r^2: -5/6 (1 + a) exp(-a). Source: Rasmussen
 * and Williams 2006, eq. 4.17.
 */
#include "kernel/stationary.h"

static inline __attribute__((always_inline)) void profile(double r2, double *g, double *slope)
{
    double a = sqrt(5 * r2), e = kr_exp_negative(-a);
    *g = (1 + a + a * a * (1.0 / 3)) * e;
    *slope = (-5.0 / 6) * (1 + a) * e;
}

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(2.5 / kr_rng_gamma(rng, 2.5));
}

KR_STATIONARY(matern52, "v (1 + sqrt(5) r + 5 r^2/3) exp(-sqrt(5) r): twice differentiable paths");
