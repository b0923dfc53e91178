/* bounds: arrays that may be NULL, when there are none. */
#ifndef KRIGED_OPT_BOUNDS_H
#define KRIGED_OPT_BOUNDS_H

#include <math.h>
#include <stddef.h>

static inline double kr_lower(const double *lower, size_t i)
{
    return lower ? lower[i] : -INFINITY;
}

static inline double kr_upper(const double *upper, size_t i)
{
    return upper ? upper[i] : INFINITY;
}

static inline double kr_clamp(const double *lower, const double *upper, size_t i, double z)
{
    return fmin(fmax(z, kr_lower(lower, i)), kr_upper(upper, i));
}

#endif
