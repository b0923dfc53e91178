/*
 * log: z = log(y + shift), so that y + shift is lognormal. With E = exp(mean + variance/2) and t = (c -
 * mean)/sd:
 *
 *     E[e^Z; Z <= c] = E Phi(t - sd),     E|e^Z - e^Z'|/2 = E erf(sd/2),
 *     cov(e^Z1, e^Z2) = E1 E2 (e^cov - 1)
 *
 * g and its derivatives are all e^z. Sources: Johnson, Kotz and Balakrishnan 1994 (Continuous univariate
 * distributions 1), chapter 14, for moments and partial moments; Baran and Lerch 2015, equation 5, for the
 * mean difference.
 */
#include "kriged/transform.h"

#include <math.h>

#define KR_LOG_FIELDS(F, S)                                                                                  \
    F(S, REAL, shift, _, "0", -1e300, 1e300, 0,                                                              \
      "added to the target before the logarithm: target + shift must be positive (target's units)")
KR_DECLARE(kr_transform_log_options, KR_LOG_FIELDS);
KR_DEFINE(kr_transform_log_options, KR_LOG_FIELDS, "options of the logarithm");

static double origin(const void *options)
{
    return -((const struct kr_transform_log_options *)options)->shift;
}

static void at(const void *options, double z, double g[3])
{
    (void)options;
    g[0] = g[1] = g[2] = exp(z);
}

static double inverse(const void *options, double w)
{
    (void)options;
    return w > 0 ? log(w) : w <= 0 ? -INFINITY : NAN;
}

static void below(const void *options, double mean, double variance, double c, double out[3])
{
    const double sd = sqrt(variance), whole = exp(mean + 0.5 * variance), t = (c - mean) / sd;
    (void)options;
    out[0] = out[1] = out[2] = whole * 0.5 * erfc((sd - t) * M_SQRT1_2);
}

static void spread(const void *options, double mean, double variance, double out[3])
{
    const double sd = sqrt(variance), whole = exp(mean + 0.5 * variance);
    (void)options;
    out[0] = out[1] = whole * erf(0.5 * sd);
    out[2] = 0.5 * out[0] + whole * exp(-0.25 * variance) / (2 * sd * sqrt(M_PI));
}

static double covariance(const void *options, const double mean[2], const double variance[2], double between)
{
    (void)options;
    return exp(mean[0] + mean[1] + 0.5 * (variance[0] + variance[1])) * expm1(between);
}

extern const struct kr_transform_type kr_transform_log;
const struct kr_transform_type kr_transform_log = {
    .base =
        {"log",
         "the logarithm of the target plus a shift: targets that are positive, errors that grow with them",
         &kr_transform_log_options_schema},
    .domain = "target + shift must be positive",
    .origin = origin,
    .at = at,
    .inverse = inverse,
    .below = below,
    .spread = spread,
    .covariance = covariance,
};
