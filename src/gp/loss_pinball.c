/*
 * pinball: mean of max(q w, (q - 1) w), w = y - (mean + sd z), z the standard normal's q-quantile: asks for a
 * right q-quantile alone. With s = q (w > 0), q - 1 (w < 0), q - 1/2 (w = 0): mean_bar = -s/m, variance_bar =
 * -s z/(2 sd)/m. Source: Koenker and Bassett 1978.
 *
 * Through a change of variables y = g(z) the quantile is g(mean + sd z), and its slope multiplies these.
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

static double transformed(const void *options, const struct kr_transform *t, double y, double mean,
                          double variance, double by[3])
{
    const double q = ((const struct kr_pinball_options *)options)->quantile, z = kr_normal_quantile(q),
                 sd = sqrt(variance);
    double g[3], quantile[3];
    kr_transform_at(t, y, g);
    kr_transform_at(t, mean + sd * z, quantile);
    const double w = g[0] - quantile[0], slope = w > 0 ? q : w < 0 ? q - 1 : q - 0.5;
    by[0] = -slope * quantile[1];
    by[1] = -slope * quantile[1] * z / (2 * sd);
    by[2] = slope * g[1];
    return w != w ? w : fmax(q * w, (q - 1) * w);
}

extern const struct kr_loss_type kr_loss_pinball;
const struct kr_loss_type kr_loss_pinball = {
    .base = {"pinball", "quantile loss: one predictive quantile right", &kr_pinball_options_schema},
    .needs_variance = true,
    .by_logarithm = true,
    .eval = eval,
    .transformed = transformed,
};
