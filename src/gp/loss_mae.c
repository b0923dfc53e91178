/* mae: mean of |e|, e = y - mean: the median is what it asks for. mean_bar = -sign(e)/m, 0 at e = 0. */
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

extern const struct kr_loss_type kr_loss_mae;
const struct kr_loss_type kr_loss_mae = {
    .base = {"mae",
             "mean absolute error of the predictive mean: at ease with outliers; no word on the variance",
             NULL},
    .by_logarithm = true,
    .eval = eval,
};
