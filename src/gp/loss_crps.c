/*
 * crps: the continuous ranked probability score of a normal prediction, in the target's units. With sd =
 * sqrt(v), t = (y - mean)/sd:
 *
 *     sd (t (2 Phi(t) - 1) + 2 phi(t) - 1/sqrt(pi)),   mean_bar = -(2 Phi(t) - 1)/m,
 *     variance_bar = (2 phi(t) - 1/sqrt(pi))/(2 sd)/m
 *
 * Source: Gneiting and Raftery 2007, equation 21.
 */
#include "kriged/gp.h"

#include <math.h>

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)options;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        const double sd = sqrt(variance[j]), t = (y[j] - mean[j]) / sd, inside = erf(t * M_SQRT1_2),
                     spread = 2 * exp(-0.5 * t * t) / sqrt(2 * M_PI) - 1 / sqrt(M_PI);
        sum += sd * (t * inside + spread);
        mean_bar[j] = -inside / (double)m;
        variance_bar[j] = spread / (2 * sd) / (double)m;
    }
    *value = sum / (double)m;
}

extern const struct kr_loss_type kr_loss_crps;
const struct kr_loss_type kr_loss_crps = {
    .base = {"crps", "continuous ranked probability score: means and variances, at ease with outliers", NULL},
    .needs_variance = true,
    .by_logarithm = true,
    .eval = eval,
};
