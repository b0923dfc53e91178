/*
 * mae: mean of |e|, e = y - mean: the median is what it asks for. mean_bar = -sign(e)/m, 0 at e = 0.
 *
 * Through a change of variables y = g(z) the median is g of the mean of z: e = g(z) - g(mean), with the
 * derivative -sign(e) g'(mean). Source: Gneiting 2011 (Making and evaluating point forecasts), theorem 9.
 */
#include "kriged/gp.h"

#include <math.h>

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)options, (void)variance, (void)variance_bar;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        double e = y[j] - mean[j];
        sum += fabs(e);
        mean_bar[j] = (e < 0 ? 1 : e > 0 ? -1 : 0) / (double)m;
    }
    *value = sum / (double)m;
}

static double transformed(const void *options, const struct kr_transform *t, double y, double mean,
                          double variance, double by[3])
{
    double g[3], median[3];
    (void)options, (void)variance;
    kr_transform_at(t, y, g);
    kr_transform_at(t, mean, median);
    const double e = g[0] - median[0], sign = e < 0 ? -1 : e > 0 ? 1 : 0;
    by[0] = -sign * median[1];
    by[1] = 0;
    by[2] = sign * g[1];
    return fabs(e);
}

extern const struct kr_loss_type kr_loss_mae;
const struct kr_loss_type kr_loss_mae = {
    .base = {"mae",
             "mean absolute error of the predictive mean: at ease with outliers; no word on the variance",
             NULL},
    .by_logarithm = true,
    .eval = eval,
    .transformed = transformed,
};
