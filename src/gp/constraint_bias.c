/*
 * bias: c = mean of e, e = y - mean: over the held-out rows predictions are right on average. mean_bar =
 * -1/m. Through a change of variables y = g(z) the mean is E g(Z): e has the derivatives -E g' and -E g''/2.
 */
#include "kriged/gp.h"

#include <math.h>

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)options, (void)variance, (void)variance_bar;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        sum += y[j] - mean[j];
        mean_bar[j] = -1 / (double)m;
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
    by[0] = -expected[1];
    by[1] = -0.5 * expected[2];
    by[2] = g[1];
    return g[0] - expected[0];
}

extern const struct kr_constraint_type kr_constraint_bias;
const struct kr_constraint_type kr_constraint_bias = {
    .base = {"bias",
             "the mean over the held-out rows (and targets) of (target - predicted mean) is 0 (standardised "
             "units)",
             NULL},
    .of_held_out = true,
    .eval = eval,
    .transformed = transformed,
};
