/* mse: mean of e^2, e = y - mean. mean_bar = -2 e/m. Indifferent to the scale of variance and noise together.
 */
#include "kriged/gp.h"

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

extern const struct kr_loss_type kr_loss_mse;
const struct kr_loss_type kr_loss_mse = {
    .base = {"mse", "mean squared error of the predictive mean; says nothing about the variance", NULL},
    .by_logarithm = true,
    .eval = eval,
};
