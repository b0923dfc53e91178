/*
 * lognormal: the logarithm is normal, log p(v) = -t^2/2 - log sd - log(2 pi)/2 - log v, t = (log v -
 * mean)/sd. d/dv = -(1 + t/sd)/v.
 */
#include "kriged/prior.h"

#include <math.h>

#define KR_PRIOR_LOGNORMAL_FIELDS(F, S)                                                                      \
    F(S, REAL, mean, _, NULL, -100, 100, KR_REQUIRED, "mean of the logarithm")                               \
    F(S, REAL, sd, _, NULL, 0, 1e6, KR_REQUIRED | KR_OPEN_MIN, "standard deviation of the logarithm")
KR_DECLARE(kr_prior_lognormal_options, KR_PRIOR_LOGNORMAL_FIELDS);
KR_DEFINE(kr_prior_lognormal_options, KR_PRIOR_LOGNORMAL_FIELDS, "a lognormal prior");

static double log_density(const void *options, double value, double *slope)
{
    const struct kr_prior_lognormal_options *o = options;
    const double t = (log(value) - o->mean) / o->sd;
    *slope = -(1 + t / o->sd) / value;
    return value > 0 ? -0.5 * t * t - log(o->sd) - 0.5 * log(2 * M_PI) - log(value) : -INFINITY;
}

static void support(const void *options, double *lower, double *upper)
{
    (void)options;
    *lower = 0;
    *upper = INFINITY;
}

extern const struct kr_prior_type kr_prior_lognormal;
const struct kr_prior_type kr_prior_lognormal = {
    {"lognormal", "the logarithm is near a value: for scales known up to a factor",
     &kr_prior_lognormal_options_schema},
    log_density,
    support};
