/* What a run leaves: the reason of its end in words, scores before and after. */
#include "tune/run.h"

#include <math.h>

KR_DEFINE(kr_scores, KR_SCORES_FIELDS, "scores of held-out rows, target's units");
KR_DEFINE(kr_tune_metrics, KR_TUNE_METRICS_FIELDS, "scores before and after tuning");
KR_DEFINE(kr_tune_result, KR_TUNE_RESULT_FIELDS, "what a tuning run found");

static kr_status score(struct run *run, const double *theta, struct kr_metrics **validation,
                       struct kr_metrics **test)
{
    const struct kr_gp *gp = run->gp;
    if (gp->validation.n) {
        KR_ALLOC(run->ctx, *validation, 1);
        KR_TRY(kr_gp_validate(run->ctx, gp, theta, *validation));
    }
    if (!gp->test.n)
        return KR_OK;
    KR_ALLOC(run->ctx, *test, 1);
    return kr_gp_score(run->ctx, gp, &gp->fit, &gp->test, theta, *test);
}

/* Of the start, which may have failed where another one succeeded: nothing then. */
static kr_status score_start(struct run *run, struct kr_scores *out)
{
    const struct kr_mark mark = kr_mark(run->ctx);
    const kr_status status = score(run, run->gp->start, &out->validation, &out->test);
    if (status == KR_OK || !kr_run_trial_failed(status))
        return status;
    kr_ctx_clear_error(run->ctx);
    kr_release(run->ctx, mark);
    *out = (struct kr_scores){0};
    return KR_OK;
}

static char *evaluations_are_spent(const struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    if (run->n == 0)
        return kr_printf(ctx, "every hyperparameter is fixed: the start values are scored");
    if (run->rules->max_evaluations == 0)
        return kr_printf(ctx, "max_evaluations is 0: the start values are scored");
    if (run->restarts.count > 1)
        return kr_printf(ctx, "its share, %.0f, of the limit of %zu evaluations; the loss may still fall",
                         run->checkpoint[WINNER_LIMIT], run->rules->max_evaluations);
    return kr_printf(ctx, "the limit of %zu evaluations; the loss may still fall",
                     run->rules->max_evaluations);
}

static char *reason(const struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    const double *c = run->checkpoint;
    switch ((enum kr_tune_stop)c[WINNER_STOP]) {
    case KR_TUNE_STOP_GRADIENT:
        return kr_printf(ctx, "no entry of the projected gradient is above %g: a local minimum%s",
                         run->rules->gradient_tolerance, run->m ? " that meets the constraints" : "");
    case KR_TUNE_STOP_PATIENCE:
        return kr_printf(ctx, "no better loss for %zu evaluations%s", run->rules->patience,
                         run->sample ? ", or none that its standard error can tell" : "");
    case KR_TUNE_STOP_EVALUATIONS:
        return evaluations_are_spent(run);
    case KR_TUNE_STOP_SECONDS:
        return kr_printf(ctx, "%sthe limit of %g seconds after %.0f evaluations; the loss may still fall",
                         run->restarts.count > 1 ? "its share of " : "", run->rules->seconds, c[EVALUATIONS]);
    case KR_TUNE_STOP_STUCK:
        return kr_strdup(ctx, run->optimizer->stuck(run->winner_state));
    default:
        return kr_strdup(ctx, "");
    }
}

static char *stop_detail(const struct run *run)
{
    const double *c = run->checkpoint;
    char *text = reason(run);
    if (text && run->restarts.count > 1 && c[EVALUATIONS] > 0)
        text = kr_printf(run->ctx, "restart %.0f is the best of %.0f: %s", c[WINNER], c[RESTART], text);
    if (!text || kr_run_feasible(run, c[BEST_VIOLATION]))
        return text;
    return kr_printf(run->ctx, "%s; no point met the constraints to %g: the least violation is %.3g", text,
                     run->projection.tolerance, c[BEST_VIOLATION]);
}

/* Every start failed, and limits ended the run before another one: the first one says why. */
static kr_status fail_as_the_start(const struct run *run)
{
    struct kr_evaluation evaluation;
    KR_TRY(kr_objective_eval(run->ctx, run->gp, run->gp->start, false, &evaluation, run->gradient));
    return kr_fail(run->ctx, KR_NON_FINITE, "", "no evaluation of %.0f succeeded",
                   run->checkpoint[EVALUATIONS]);
}

kr_status kr_run_finish(struct run *run, struct kr_tune_result *out, const double **theta)
{
    const double *c = run->checkpoint;
    /* Without an accepted evaluation the start values themselves, not their images through the logarithm. */
    double *best = run->gp->start;
    if (c[EVALUATIONS] > 0 && isinf(c[BEST_OBJECTIVE]))
        return fail_as_the_start(run);
    if (c[EVALUATIONS] > 0) {
        best = run->theta;
        kr_run_theta(run, run->best_z, best);
        kr_run_warn_bounds(run);
        kr_run_warn_infeasible(run);
    }
    double penalty = NAN;
    if (kr_gp_has_priors(run->gp))
        KR_TRY(kr_gp_penalty(run->ctx, run->gp, best, &penalty, NULL));
    double *gradient = run->best_gradient, factor;
    KR_TRY(kr_run_calibrate(run, &best, &gradient, &factor));
    *out = (struct kr_tune_result){.stop = (int)c[WINNER_STOP],
                                   .stop_detail = stop_detail(run),
                                   .best_loss = c[BEST_LOSS],
                                   .penalty = penalty,
                                   .calibration = factor,
                                   .restart = run->restarts.count > 1 ? (size_t)c[WINNER] : 0,
                                   .constraints = {run->m, run->c_names, run->best_c},
                                   .constraint_violation = run->m ? c[BEST_VIOLATION] : NAN,
                                   .evaluations = (size_t)c[EVALUATIONS]};
    if (!out->stop_detail)
        return run->ctx->error.status;
    KR_TRY(score_start(run, &out->metrics.initial));
    KR_TRY(score(run, best, &out->metrics.validation, &out->metrics.test));
    KR_TRY(kr_parameters_report(run->ctx, run->gp, best, gradient, &out->parameters));
    out->seconds = kr_seconds() - run->began;
    *theta = best;
    return KR_OK;
}
