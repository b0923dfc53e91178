/* gamma: log p(v) = a log b - log Gamma(a) + (a - 1) log v - b v, shape a, rate b. d/dv = (a - 1)/v - b. */
#include "kriged/prior.h"

#include <math.h>

#define KR_PRIOR_GAMMA_FIELDS(F, S)                                                                          \
    F(S, REAL, shape, _, NULL, 0, 1e6, KR_REQUIRED | KR_OPEN_MIN, "above 1 it keeps away from 0")            \
    F(S, REAL, rate, _, NULL, 0, 1e30, KR_REQUIRED | KR_OPEN_MIN, "inverse scale: the mean is shape/rate")
KR_DECLARE(kr_prior_gamma_options, KR_PRIOR_GAMMA_FIELDS);
KR_DEFINE(kr_prior_gamma_options, KR_PRIOR_GAMMA_FIELDS, "a gamma prior");

/* lgamma() writes to a global. */
extern double lgamma_r(double x, int *sign);

static double log_density(const void *options, double value, double *slope)
{
    const struct kr_prior_gamma_options *o = options;
    int sign;
    *slope = (o->shape - 1) / value - o->rate;
    return value > 0 ? o->shape * log(o->rate) - lgamma_r(o->shape, &sign) + (o->shape - 1) * log(value) -
                           o->rate * value
                     : -INFINITY;
}

static void support(const void *options, double *lower, double *upper)
{
    (void)options;
    *lower = 0;
    *upper = INFINITY;
}

extern const struct kr_prior_type kr_prior_gamma;
const struct kr_prior_type kr_prior_gamma = {
    {"gamma", "positive, with a light tail", &kr_prior_gamma_options_schema}, log_density, support};
