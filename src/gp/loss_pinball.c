/*
 * pinball: mean of max(q w, (q - 1) w), w = y - (mean + sd z), z the standard normal's q-quantile: asks for a
 * right q-quantile alone. With s = q (w > 0), q - 1 (w < 0), q - 1/2 (w = 0): mean_bar = -s/m, variance_bar =
 * -s z/(2 sd)/m. Source: Koenker and Bassett 1978.
 */
#include "kriged/gp.h"

#include <math.h>

#define KR_PINBALL_FIELDS(F, S)                                                                              \
    F(S, REAL, quantile, _, "0.5", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX, "level q of the predicted quantile")
KR_DECLARE(kr_pinball_options, KR_PINBALL_FIELDS);
KR_DEFINE(kr_pinball_options, KR_PINBALL_FIELDS, "options of the pinball loss");

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    const double q = ((const struct kr_pinball_options *)options)->quantile, z = kr_normal_quantile(q);
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        const double sd = sqrt(variance[j]), w = y[j] - (mean[j] + sd * z),
                     slope = w > 0   ? q
                             : w < 0 ? q - 1
                                     : q - 0.5;
        sum += fmax(q * w, (q - 1) * w);
        mean_bar[j] = -slope / (double)m;
        variance_bar[j] = -slope * z / (2 * sd) / (double)m;
    }
    *value = isfinite(sum) ? sum / (double)m : NAN;
}

extern const struct kr_loss_type kr_loss_pinball;
const struct kr_loss_type kr_loss_pinball = {
    .base = {"pinball", "quantile loss: one predictive quantile right", &kr_pinball_options_schema},
    .needs_variance = true,
    .by_logarithm = true,
    .eval = eval,
};
