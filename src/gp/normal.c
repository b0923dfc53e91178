/*
 * The standard normal's quantile: a start good to 4.5e-4 (Abramowitz and Stegun 26.2.23), then two steps of
 * Halley on erfc, which is exact to the last digits in the tail as well.
 */
#include "kriged/gp.h"

#include <math.h>

double kr_normal_quantile(double p)
{
    const double q = p < 0.5 ? p : 1 - p; /* exact: 1 - p is, from p = 0.5 on */
    if (!(q > 0))
        return p <= 0 ? -INFINITY : INFINITY;
    const double t = sqrt(-2 * log(q));
    double x =
        t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 2; i++) { /* upper tail: Q(x) = q */
        const double density = exp(-0.5 * x * x) / sqrt(2 * M_PI);
        const double u = (0.5 * erfc(x / M_SQRT2) - q) / density;
        x += u / (1 - 0.5 * x * u);
    }
    return p < 0.5 ? -x : x;
}
