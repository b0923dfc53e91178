/* normal: log p(v) = -t^2/2 - log sd - log(2 pi)/2, t = (v - mean)/sd. d/dv = -t/sd. */
#include "kriged/prior.h"

#include <math.h>

#define KR_PRIOR_NORMAL_FIELDS(F, S)                                                                         \
    F(S, REAL, mean, _, NULL, -1e30, 1e30, KR_REQUIRED, "where it is centred")                               \
    F(S, REAL, sd, _, NULL, 0, 1e30, KR_REQUIRED | KR_OPEN_MIN, "its standard deviation")
KR_DECLARE(kr_prior_normal_options, KR_PRIOR_NORMAL_FIELDS);
KR_DEFINE(kr_prior_normal_options, KR_PRIOR_NORMAL_FIELDS, "a normal prior");

static double log_density(const void *options, double value, double *slope)
{
    const struct kr_prior_normal_options *o = options;
    const double t = (value - o->mean) / o->sd;
    *slope = -t / o->sd;
    return -0.5 * t * t - log(o->sd) - 0.5 * log(2 * M_PI);
}

static void support(const void *options, double *lower, double *upper)
{
    (void)options;
    *lower = -INFINITY;
    *upper = INFINITY;
}

extern const struct kr_prior_type kr_prior_normal;
const struct kr_prior_type kr_prior_normal = {
    {"normal", "near a value, on both sides alike", &kr_prior_normal_options_schema}, log_density, support};
