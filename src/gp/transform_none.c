/*
 * none: g(z) = z. With t = (c - mean)/sd, phi and Phi of a standard normal:
 *
 *     E[Z; Z <= c] = mean Phi(t) - sd phi(t),     E|Z - Z'|/2 = sd/sqrt(pi)
 */
#include "kriged/transform.h"

#include <math.h>

static double origin(const void *options)
{
    (void)options;
    return 0;
}

static void at(const void *options, double z, double g[3])
{
    (void)options;
    g[0] = z;
    g[1] = 1;
    g[2] = 0;
}

static double inverse(const void *options, double w)
{
    (void)options;
    return w;
}

static void below(const void *options, double mean, double variance, double c, double out[3])
{
    const double sd = sqrt(variance), t = (c - mean) / sd, inside = 0.5 * erfc(-t * M_SQRT1_2);
    (void)options;
    out[0] = mean * inside - sd * exp(-0.5 * t * t) / sqrt(2 * M_PI);
    out[1] = inside;
    out[2] = 0;
}

static void spread(const void *options, double mean, double variance, double out[3])
{
    (void)options, (void)mean;
    out[0] = sqrt(variance / M_PI);
    out[1] = 0;
    out[2] = 0.5 / sqrt(variance * M_PI);
}

static double covariance(const void *options, const double mean[2], const double variance[2], double between)
{
    (void)options, (void)mean, (void)variance;
    return between;
}

extern const struct kr_transform_type kr_transform_none;
const struct kr_transform_type kr_transform_none = {
    .base = {"none", "the target as it is", NULL},
    .identity = true,
    .origin = origin,
    .at = at,
    .inverse = inverse,
    .below = below,
    .spread = spread,
    .covariance = covariance,
};
