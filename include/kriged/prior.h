/*
 * prior: what is believed of hyperparameters before the data.
 */
#ifndef KRIGED_PRIOR_H
#define KRIGED_PRIOR_H

#include "kriged/gp.h"

extern const struct kr_registry kr_prior_registry; /* rows are struct kr_prior_type */

/* A density of one hyperparameter, by its natural (standardised) value. */
struct kr_prior_type {
    struct kr_type base;
    /* log p(value), normalised, and its derivative; -INFINITY where there is no density. */
    double (*log_density)(const void *options, double value, double *slope);
    /* The interval outside of which there is no density. */
    void (*support)(const void *options, double *lower, double *upper);
};

bool kr_gp_has_priors(const struct kr_gp *gp);
/*
 * What priors add to the loss: minus the sum of the log densities of all hyperparameters that have one, over
 * the number of held-out points (of the evidence: training rows). grad, when not NULL, += its derivative by
 * the natural values of those that are not fixed. NON_FINITE where a prior has no density.
 */
kr_status kr_gp_penalty(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, double *value,
                        double *grad) KR_MUST_CHECK;

#endif
