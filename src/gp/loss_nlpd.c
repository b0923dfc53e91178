/*
 * nlpd: mean of 0.5 log(2 pi v) + e^2/(2 v), e = y - mean: the negative log density of a normal prediction.
 * mean_bar = -e/v/m, variance_bar = 0.5 (1/v - e^2/v^2)/m. Through a change of variables the density of the
 * target is that of z times dz/dy (transformed.c). Source: Rasmussen and Williams 2006, eq. 2.34.
 */
#include "kriged/gp.h"

#include <math.h>

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)options;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        double e = y[j] - mean[j], v = variance[j];
        sum += 0.5 * log(2 * M_PI * v) + e * e / (2 * v);
        mean_bar[j] = -e / v / (double)m;
        variance_bar[j] = 0.5 * (1 / v - e * e / (v * v)) / (double)m;
    }
    *value = sum / (double)m;
}

extern const struct kr_loss_type kr_loss_nlpd;
const struct kr_loss_type kr_loss_nlpd = {
    .base = {"nlpd", "negative log predictive density: calibrated means and variances; sensitive to outliers",
             NULL},
    .needs_variance = true,
    .density = true,
    .eval = eval,
};
