/* bias: c = mean of e, e = y - mean: over the held-out rows predictions are right on average. mean_bar =
 * -1/m. */
#include "kriged/gp.h"

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

extern const struct kr_constraint_type kr_constraint_bias;
const struct kr_constraint_type kr_constraint_bias = {
    .base = {"bias", "the mean over the held-out rows of (target - predicted mean) is 0 (standardised units)",
             NULL},
    .of_held_out = true,
    .eval = eval,
};
