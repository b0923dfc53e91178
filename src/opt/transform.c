/*
 * Coordinates. A positive parameter p is tuned by z = log p, so that steps are relative and no bound at 0 is
 * needed; dL/dz = p dL/dp. Any other parameter is its own coordinate.
 */
#include "kriged/opt.h"

#include "opt/bounds.h"

#include <math.h>

double kr_to_coordinate(bool positive, double value)
{
    return positive ? log(value) : value;
}

double kr_from_coordinate(bool positive, double z)
{
    return positive ? exp(z) : z;
}

double kr_coordinate_gradient(bool positive, double value, double gradient)
{
    return positive ? value * gradient : gradient;
}

/* NaN when an entry that counts is NaN: comparisons would let it pass as 0. */
double kr_projected_gradient_norm(size_t n, const double *lower, const double *upper, const double *z,
                                  const double *g)
{
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        bool held = (z[i] <= kr_lower(lower, i) && g[i] > 0) || (z[i] >= kr_upper(upper, i) && g[i] < 0);
        if (held)
            continue;
        if (isnan(g[i]))
            return g[i];
        if (fabs(g[i]) > norm)
            norm = fabs(g[i]);
    }
    return norm;
}
