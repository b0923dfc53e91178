/* Predictions of all targets of a model of several. */
#ifndef KRIGED_ENGINE_PREDICT_TARGETS_H
#define KRIGED_ENGINE_PREDICT_TARGETS_H

#include "engine/model.h"

/*
 * At standardised points: mean and, as asked for, variance and quantiles of every target, which share one
 * solve for the variance. INVALID for what is of one target: covariance, samples and gradient.
 */
kr_status kr_predict_targets(struct kr_ctx *ctx, const struct kr_predict_request *request,
                             const struct kr_model *model, const struct kr_points *x,
                             struct kr_predict_reply *reply, struct kr_solve_report *report) KR_MUST_CHECK;

#endif
