/*
 * huber: mean of e^2/2 up to |e| = delta, then delta (|e| - delta/2), e = y - mean. mean_bar = -clip(e,
 * delta)/m. Source: Huber 1964.
 */
#include "kriged/gp.h"

#include <math.h>

#define KR_HUBER_FIELDS(F, S)                                                                                \
    F(S, REAL, delta, _, "1", 0, 1e30, KR_OPEN_MIN,                                                          \
      "error from which the loss grows linearly (standardised units)")
KR_DECLARE(kr_huber_options, KR_HUBER_FIELDS);
KR_DEFINE(kr_huber_options, KR_HUBER_FIELDS, "options of the Huber loss");

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)variance, (void)variance_bar;
    const double delta = ((const struct kr_huber_options *)options)->delta;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        double e = y[j] - mean[j], size = fabs(e);
        sum += size <= delta ? 0.5 * e * e : delta * (size - 0.5 * delta);
        mean_bar[j] = -fmin(fmax(e, -delta), delta) / (double)m;
    }
    *value = sum / (double)m;
}

extern const struct kr_loss_type kr_loss_huber;
const struct kr_loss_type kr_loss_huber = {
    .base = {"huber", "squared for small errors, absolute for large ones; says nothing about the variance",
             &kr_huber_options_schema},
    .by_logarithm = true,
    .eval = eval,
};
