/* rbf: v exp(-r^2/2). Slope by r^2: -exp(-r^2/2)/2. Source: Rasmussen and Williams 2006, eq. 4.9. */
#include "kernel/stationary.h"

static inline __attribute__((always_inline)) void profile(double r2, double *g, double *slope)
{
    *g = kr_exp_negative(-0.5 * r2);
    *slope = -0.5 * *g;
}

/* A normal itself. */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta, (void)rng;
    return 1;
}

KR_STATIONARY(rbf, "v exp(-r^2/2): infinitely smooth");
