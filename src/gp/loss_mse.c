/*
 * mse: mean of e^2, e = y - mean. mean_bar = -2 e/m. Indifferent to the scale of variance and noise together.
 *
 * Through a change of variables y = g(z) the best prediction is E g(Z), so e = g(z) - E g(Z), with
 * derivatives -2 e E g' by the mean of z and -e E g'' by its variance. Source: Gneiting 2011 (Making and
 * evaluating point forecasts), theorem 7.
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
        sum += e * e;
        mean_bar[j] = -2 * e / (double)m;
    }
    *value = sum / (double)m;
}

static double transformed(const void *options, const struct kr_transform *t, double y, double mean,
                          double variance, double by[3])
{
    double g[3], expected[3];
    (void)options;
    kr_transform_at(t, y, g);
    kr_transform_below(t, mean, variance, INFINITY, expected);
    const double e = g[0] - expected[0];
    by[0] = -2 * e * expected[1];
    by[1] = -e * expected[2];
    by[2] = 2 * e * g[1];
    return e * e;
}

extern const struct kr_loss_type kr_loss_mse;
const struct kr_loss_type kr_loss_mse = {
    .base = {"mse", "mean squared error of the predictive mean; says nothing about the variance", NULL},
    .by_logarithm = true,
    .eval = eval,
    .transformed = transformed,
};
