/*
 * Priors of hyperparameters: what they add to a mean loss of m points is
 *
 *     penalty = -1/m sum_p log p_p(theta_p),     on theta_p: -1/m d log p_p/d theta_p,
 *
 * m = held-out points, of the evidence training rows, times the number of targets: loss + penalty is then 1/m
 * times the negative log posterior wherever m loss is a negative log likelihood. theta is natural and
 * standardised; the density is of the value itself, so its mode is not moved by the logarithm in which it is
 * tuned. O(parameters).
 */
#include "kriged/prior.h"
#include "gp/roles.h"

#include <math.h>

static const struct kr_prior_type *prior_of(const struct kr_parameter *parameter)
{
    return (const struct kr_prior_type *)parameter->spec.prior.type;
}

bool kr_gp_has_priors(const struct kr_gp *gp)
{
    for (size_t p = 0; p < gp->parameters.count; p++)
        if (prior_of(&gp->parameters.items[p]))
            return true;
    return false;
}

kr_status kr_gp_penalty(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, double *value,
                        double *grad)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    const double m = (double)((loss->eval ? gp->validation.n : gp->train.n) * gp->targets);
    *value = 0;
    for (size_t p = 0; p < gp->parameters.count; p++) {
        const struct kr_parameter *parameter = &gp->parameters.items[p];
        const struct kr_prior_type *prior = prior_of(parameter);
        double slope;
        if (!prior)
            continue;
        *value -= prior->log_density(parameter->spec.prior.options, theta[p], &slope) / m;
        if (!isfinite(*value) || !isfinite(slope))
            return kr_fail(ctx, KR_NON_FINITE, "", "the %.40s prior of %.100s has no finite density at %g",
                           prior->base.name, parameter->name, theta[p]);
        if (grad && !parameter->spec.fixed)
            grad[p] -= slope / m;
    }
    return KR_OK;
}

kr_status kr_parameter_check_prior(struct kr_ctx *ctx, const struct kr_parameter *parameter)
{
    const struct kr_prior_type *prior = prior_of(parameter);
    const struct kr_param_value *spec = &parameter->spec;
    double lower, upper, slope;
    if (!prior)
        return KR_OK;
    prior->support(spec->prior.options, &lower, &upper);
    if (!(lower < upper))
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/prior/upper", parameter->pointer),
                       "must be above the lower end, %g, got %g", lower, upper);
    if (!isfinite(prior->log_density(spec->prior.options, spec->value, &slope)))
        return kr_fail(ctx, KR_INVALID, parameter->pointer,
                       "must lie where its %.40s prior has a density, between %g and %g, got %g",
                       prior->base.name, lower, upper, spec->value);
    if (spec->bounded && !(fmax(lower, spec->lower) < fmin(upper, spec->upper)))
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/bounds", parameter->pointer),
                       "must leave room where the prior has a density, between %g and %g", lower, upper);
    return KR_OK;
}

void kr_parameter_follow_prior(const struct kr_parameter *parameter, double *lower, double *upper)
{
    const struct kr_prior_type *prior = prior_of(parameter);
    const bool bounded = parameter->spec.bounded;
    double low, high;
    if (!prior)
        return;
    prior->support(parameter->spec.prior.options, &low, &high);
    if (high < INFINITY)
        *upper = bounded ? fmin(*upper, high) : high;
    if (low > 0 || (!parameter->positive && low > -INFINITY))
        *lower = bounded ? fmax(*lower, low) : low;
    else if (*lower >= *upper) /* a positive one with a prior from 0 on to less than the default bound */
        *lower = 1e-30;
}
