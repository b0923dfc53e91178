/*
 * matern12: v exp(-r). Slope by r^2: -exp(-r)/(2r); at r = 0 it always meets a factor (x - z)^2 = 0, and 0
 * stands for the limit. Source: Rasmussen and Williams 2006, eq. 4.17.
 */
#include "kernel/stationary.h"

static inline __attribute__((always_inline)) void profile(double r2, double *g, double *slope)
{
    double r = sqrt(r2);
    *g = kr_exp_negative(-r);
    *slope = r > 0 ? -0.5 * *g / r : 0;
}

/* Student's t with 2 nu degrees of freedom: sqrt(nu/Gamma(nu)). */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta;
    return sqrt(0.5 / kr_rng_gamma(rng, 0.5));
}

KR_STATIONARY(matern12, "v exp(-r): continuous, nowhere differentiable paths");
