/* halfcauchy: log p(v) = log(2/(pi s)) - log(1 + (v/s)^2), v >= 0. d/dv = -2 v/(s^2 + v^2). */
#include "kriged/prior.h"

#include <math.h>

#define KR_PRIOR_HALFCAUCHY_FIELDS(F, S)                                                                     \
    F(S, REAL, scale, _, NULL, 0, 1e30, KR_REQUIRED | KR_OPEN_MIN, "its median")
KR_DECLARE(kr_prior_halfcauchy_options, KR_PRIOR_HALFCAUCHY_FIELDS);
KR_DEFINE(kr_prior_halfcauchy_options, KR_PRIOR_HALFCAUCHY_FIELDS, "a half-Cauchy prior");

static double log_density(const void *options, double value, double *slope)
{
    const double scale = ((const struct kr_prior_halfcauchy_options *)options)->scale, t = value / scale;
    *slope = -2 * t / (1 + t * t) / scale;
    return value >= 0 ? log(2 / M_PI) - log(scale) - log1p(t * t) : -INFINITY;
}

static void support(const void *options, double *lower, double *upper)
{
    (void)options;
    *lower = 0;
    *upper = INFINITY;
}

extern const struct kr_prior_type kr_prior_halfcauchy;
const struct kr_prior_type kr_prior_halfcauchy = {
    {"halfcauchy", "most likely small, with a heavy tail", &kr_prior_halfcauchy_options_schema},
    log_density,
    support};
