/* rbf: v exp(-r^2/2) = v 2^s, s = -log2(e) r^2/2. Source: Rasmussen and Williams 2006, eq. 4.9. */
#define KR_PROFILE_SIGN          (-1)
#define KR_PROFILE_FACTOR(shape) (-0.5 * M_LOG2E)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        *g = exp2_below(s);                                                                                  \
        *slope = (real)M_LN2 * *g;                                                                           \
    }
#include "kernel/stationary.h"

/* A normal itself. */
static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng)
{
    (void)kernel, (void)theta, (void)rng;
    return 1;
}

KR_STATIONARY(rbf, "v exp(-r^2/2): infinitely smooth");
