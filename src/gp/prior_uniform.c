/* uniform: log p(v) = -log(upper - lower) inside, no density outside. Bounds follow it. */
#include "kriged/prior.h"

#include <math.h>

#define KR_PRIOR_UNIFORM_FIELDS(F, S)                                                                        \
    F(S, REAL, lower, _, NULL, -1e30, 1e30, KR_REQUIRED, "least value")                                      \
    F(S, REAL, upper, _, NULL, -1e30, 1e30, KR_REQUIRED, "greatest value")
KR_DECLARE(kr_prior_uniform_options, KR_PRIOR_UNIFORM_FIELDS);
KR_DEFINE(kr_prior_uniform_options, KR_PRIOR_UNIFORM_FIELDS, "a uniform prior");

static double log_density(const void *options, double value, double *slope)
{
    const struct kr_prior_uniform_options *o = options;
    *slope = 0;
    return value >= o->lower && value <= o->upper ? -log(o->upper - o->lower) : -INFINITY;
}

static void support(const void *options, double *lower, double *upper)
{
    const struct kr_prior_uniform_options *o = options;
    *lower = o->lower;
    *upper = o->upper;
}

extern const struct kr_prior_type kr_prior_uniform;
const struct kr_prior_type kr_prior_uniform = {
    {"uniform", "anywhere between two values, and nowhere else", &kr_prior_uniform_options_schema},
    log_density,
    support};
