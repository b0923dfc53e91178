/*
 * calibration: c = mean of e^2/v - target, e = y - mean, v the predictive variance with its noise. 1 says
 * that errors are as large as predicted. mean_bar = -2 e/v/m, variance_bar = -e^2/v^2/m.
 */
#include "kriged/gp.h"

#define KR_CALIBRATION_FIELDS(F, S)                                                                          \
    F(S, REAL, target, _, "1", 1e-6, 1e6, 0, "mean standardised squared error of the held-out rows")
KR_DECLARE(kr_constraint_calibration_options, KR_CALIBRATION_FIELDS);
KR_DEFINE(kr_constraint_calibration_options, KR_CALIBRATION_FIELDS, "errors as large as predicted");

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        const double e = y[j] - mean[j], t = e / variance[j];
        sum += e * t;
        mean_bar[j] = -2 * t / (double)m;
        variance_bar[j] = -t * t / (double)m;
    }
    *value = sum / (double)m - ((const struct kr_constraint_calibration_options *)options)->target;
}

extern const struct kr_constraint_type kr_constraint_calibration;
const struct kr_constraint_type kr_constraint_calibration = {
    .base = {"calibration",
             "the mean over the held-out rows (and targets) of (error^2 / predictive variance) is the "
             "target: with 1, "
             "errors are as large as predicted",
             &kr_constraint_calibration_options_schema},
    .needs_variance = true,
    .of_held_out = true,
    .eval = eval,
};
