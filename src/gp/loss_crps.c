/*
 * crps: the continuous ranked probability score of a normal prediction, in the target's units. With sd =
 * sqrt(v), t = (y - mean)/sd:
 *
 *     sd (t (2 Phi(t) - 1) + 2 phi(t) - 1/sqrt(pi)),   mean_bar = -(2 Phi(t) - 1)/m,
 *     variance_bar = (2 phi(t) - 1/sqrt(pi))/(2 sd)/m
 *
 * Through a change of variables y = g(z), with the partial expectations P_k = E[g^(k)(Z); Z <= z], the whole
 * ones E_k and D = E|g(Z) - g(Z')|/2,
 *
 *     E|g(Z) - y| - D = y (2 Phi(t) - 1) + E_0 - 2 P_0 - D
 *
 * with derivatives E_1 - 2 P_1 - dD by the mean of z, (E_2 - 2 P_2)/2 + g'(z) phi(t)/sd - dD by its variance
 * and g'(z) (2 Phi(t) - 1) by z. For the logarithm that is the closed form of a lognormal.
 *
 * Source: Gneiting and Raftery 2007, equation 21; Baran and Lerch 2015, equation 5.
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

static double transformed(const void *options, const struct kr_transform *t, double y, double mean,
                          double variance, double by[3])
{
    const double sd = sqrt(variance), at = (y - mean) / sd, inside = erf(at * M_SQRT1_2);
    double g[3], whole[3], below[3], spread[3];
    (void)options;
    kr_transform_at(t, y, g);
    kr_transform_below(t, mean, variance, INFINITY, whole);
    kr_transform_below(t, mean, variance, y, below);
    kr_transform_spread(t, mean, variance, spread);
    by[0] = whole[1] - 2 * below[1] - spread[1];
    by[1] = 0.5 * whole[2] - below[2] + g[1] * exp(-0.5 * at * at) / (sd * sqrt(2 * M_PI)) - spread[2];
    by[2] = g[1] * inside;
    return g[0] * inside + whole[0] - 2 * below[0] - spread[0];
}

extern const struct kr_loss_type kr_loss_crps;
const struct kr_loss_type kr_loss_crps = {
    .base = {"crps", "continuous ranked probability score: means and variances, at ease with outliers", NULL},
    .needs_variance = true,
    .by_logarithm = true,
    .eval = eval,
    .transformed = transformed,
};
