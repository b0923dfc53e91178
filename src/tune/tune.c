/*
 * The tuning loop: ask, evaluate, tell, emit; and the rules that end it. One evaluation costs what
 * kr_objective_eval says; the loop adds O(parameters). Everything that decides about later steps is in the
 * checkpoint, the decision to stop included.
 */
#include "tune/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

KR_DEFINE(kr_step, KR_STEP_FIELDS, "one evaluation of a tuning run");
KR_DEFINE(kr_warning, KR_WARNING_FIELDS, "something that a user should know");
KR_DEFINE(kr_progress, KR_PROGRESS_FIELDS, "how far a run has come");

const char *const kr_tune_stop_names[] = {
#define STOP_NAME(name, text) text,
    KR_TUNE_STOP_TABLE(STOP_NAME)
#undef STOP_NAME
        NULL};

enum { WARNED_CONVERGENCE = 1, WARNED_JITTER = 2 };

/* A lower objective counts as progress for `patience` from this relative change on. */
static const double least_progress = 1e-9;

void kr_run_warn(const struct run *run, const char *code, const char *parameter, const char *format, ...)
{
    char detail[768];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (run->repeats > 0) /* it has been said */
        return;
    const struct kr_warning warning = {code, detail, parameter};
    run->sink(run->self, &(struct kr_tune_event){.warning = &warning});
}

void kr_run_theta(const struct run *run, const double *z, double *theta)
{
    memcpy(theta, run->gp->start, run->gp->parameters.count * sizeof *theta);
    for (size_t i = 0; i < run->n; i++) {
        const size_t p = run->index[i];
        double lower, upper;
        kr_parameter_bounds(run->gp, p, &lower, &upper);
        theta[p] = kr_from_coordinate(run->gp->parameters.items[p].positive, z[i]);
        theta[p] = fmin(fmax(theta[p], lower), upper); /* exp(log(bound)) may be past it by rounding */
    }
}

/* The optimisers whose steps may be filtered, for a message. */
static kr_status refuse_optimizer(struct kr_ctx *ctx, const char *name)
{
    char fit[256] = "";
    for (const struct kr_type *const *row = kr_optimizer_registry.rows; *row; row++)
        if (((const struct kr_optimizer_type *)*row)->takes_filter)
            snprintf(fit + strlen(fit), sizeof fit - strlen(fit), "%s%s", fit[0] ? ", " : "", (*row)->name);
    return kr_fail(ctx, KR_INVALID, "/optimizer/type",
                   "%s searches along its own directions, and constraints need an optimizer whose every step "
                   "may be changed: %s",
                   name, fit);
}

static kr_status check_calibration(struct kr_ctx *ctx, const struct kr_tune_spec *spec)
{
    static const char pointer[] = "/objective/calibrate";
    const struct kr_mark mark = kr_mark(ctx);
    bool *scales;
    if (!kr_tune_calibrates(spec->gp))
        return KR_OK;
    if (spec->constraints && spec->constraints->count)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must be none with constraints: scaling the variances would break them");
    KR_ALLOC(ctx, scales, spec->gp->parameters.count);
    KR_TRY(kr_gp_scales(ctx, spec->gp, pointer, scales));
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_tune_check(struct kr_ctx *ctx, const struct kr_tune_spec *spec)
{
    const struct kr_gp *gp = spec->gp;
    const struct kr_optimizer_type *optimizer = (const struct kr_optimizer_type *)spec->optimizer->type;
    if (spec->constraints && spec->constraints->count && !optimizer->takes_filter)
        return refuse_optimizer(ctx, optimizer->base.name);
    if (spec->restarts)
        KR_TRY(kr_schema_check(ctx, &kr_restarts_schema, spec->restarts));
    KR_TRY(check_calibration(ctx, spec));
    for (size_t p = 0; p < gp->parameters.count; p++) {
        const struct kr_parameter *parameter = &gp->parameters.items[p];
        double lower, upper;
        kr_parameter_bounds(gp, p, &lower, &upper);
        if (!parameter->spec.fixed && (gp->start[p] < lower || gp->start[p] > upper))
            return kr_fail(ctx, KR_INVALID, parameter->pointer,
                           "starts outside the default bounds [%.4g, %.4g] of %.100s, got %g: give bounds, "
                           "or another start",
                           lower, upper, parameter->name, gp->start[p]);
    }
    return KR_OK;
}

bool kr_run_trial_failed(kr_status status)
{
    return status == KR_NOT_POSITIVE_DEFINITE || status == KR_NON_FINITE;
}

static void warn_trial(const struct run *run)
{
    char where[320];
    size_t used = 0;
    where[0] = 0;
    for (size_t i = 0; i < run->n && used < sizeof where - 1; i++)
        used += (size_t)snprintf(where + used, sizeof where - used, "%s%s = %.4g", i ? ", " : "",
                                 run->names[run->index[i]], run->theta[run->index[i]]);
    kr_run_warn(run, kr_status_slug(run->ctx->error.status), NULL, "%.300s (at %s); %s is tried",
                run->ctx->error.detail, where,
                run->checkpoint[EVALUATIONS] > run->checkpoint[FIRST] ? "a shorter step" : "another start");
}

/* Without an evaluation that succeeded, and without another start, a failure is that of the run. */
static bool is_fatal(const struct run *run, kr_status status)
{
    const double *c = run->checkpoint;
    return !kr_run_trial_failed(status) ||
           (isinf(c[BEST_OBJECTIVE]) && c[RESTART] == (double)run->restarts.count);
}

static void warn_jitter(struct run *run, const struct kr_evaluation *evaluation)
{
    if (!(evaluation->jitter > 0) || ((int)run->checkpoint[WARNED] & WARNED_JITTER))
        return;
    run->checkpoint[WARNED] = (int)run->checkpoint[WARNED] | WARNED_JITTER;
    kr_run_warn(
        run, "jitter", NULL,
        "evaluation %.0f: the covariance matrix of the inducing inputs needed %g of its diagonal more: some "
        "of them say the same. Fewer of them, or shorter lengthscales, would do without. Said once a run",
        run->checkpoint[EVALUATIONS] + 1, evaluation->jitter);
}

/* The objective at run->z: its value (infinite where it cannot be had) and gradient by the coordinates. */
static kr_status evaluate(struct run *run, struct kr_evaluation *evaluation, double *objective)
{
    struct kr_ctx *ctx = run->ctx;
    kr_run_theta(run, run->z, run->theta);
    kr_run_sample_place(run);
    kr_run_carried_place(run);
    const struct kr_gp gp = kr_run_gp(run);
    kr_status status = kr_objective_constrained(ctx, &gp, run->constraints, run->theta, false, evaluation,
                                                run->gradient, run->c, run->rows);
    memset(run->slopes, 0, gp.parameters.count * sizeof *run->slopes);
    if (status == KR_OK)
        status = kr_gp_penalty(ctx, run->gp, run->theta, &run->penalty, run->slopes);
    if (status != KR_OK) {
        if (is_fatal(run, status))
            return status;
        warn_trial(run);
        kr_ctx_clear_error(ctx);
        if (run->checkpoint[SAMPLED] > run->checkpoint[EVALUATIONS]) /* it was to be taken here */
            kr_run_sample_forget(run);
        evaluation->loss = evaluation->standard_error = run->penalty = NAN;
        *objective = INFINITY;
        return KR_OK;
    }
    kr_run_carried_correct(run, evaluation);
    const double scale = run->by_logarithm ? 1 / evaluation->loss : 1;
    *objective = (run->by_logarithm ? log(evaluation->loss) : evaluation->loss) + run->penalty;
    for (size_t i = 0; i < run->n; i++) {
        const size_t p = run->index[i];
        const bool positive = run->gp->parameters.items[p].positive;
        run->g[i] = scale * kr_coordinate_gradient(positive, run->theta[p], run->gradient[p]) +
                    kr_coordinate_gradient(positive, run->theta[p], run->slopes[p]);
    }
    if (!kr_solve_converged(&evaluation->solver) && !((int)run->checkpoint[WARNED] & WARNED_CONVERGENCE)) {
        run->checkpoint[WARNED] = (int)run->checkpoint[WARNED] | WARNED_CONVERGENCE;
        kr_run_warn(run, kr_status_slug(KR_NOT_CONVERGED), NULL,
                    "evaluation %.0f: %s ended by \"%s\" with a true residual of %.2g, not %.2g: loss and "
                    "gradient are less exact. "
                    "Allow more iterations, raise the noise's lower bound, or take cholesky. Said once a run",
                    run->checkpoint[EVALUATIONS] + 1, evaluation->solver.type,
                    kr_stop_names[evaluation->solver.stop], evaluation->solver.residual,
                    run->gp->spec->solver.rtol);
    }
    warn_jitter(run, evaluation);
    if (!kr_run_sample_trusts(run, evaluation))
        *objective = INFINITY;
    return KR_OK;
}

/* Is a point better than another one, by more than a relative margin? The less violation until one is
 * feasible, then the lower objective of those that are. */
static bool better(const struct run *run, double objective, double violation, double than_objective,
                   double than_violation, double margin)
{
    const bool feasible = kr_run_feasible(run, violation), than = kr_run_feasible(run, than_violation);
    if (!(objective < INFINITY) || feasible != than)
        return objective < INFINITY && feasible;
    const double a = feasible ? objective : violation, b = feasible ? than_objective : than_violation;
    return a < b - margin * (1 + fabs(b)) || (isinf(b) && a < b);
}

/* Keeps the best point and counts evaluations without progress. Is this the best one of this restart? */
static bool account(struct run *run, double objective, double violation, double loss)
{
    double *c = run->checkpoint;
    c[EVALUATIONS]++;
    c[SINCE_BETTER]++;
    c[FAILED] = !isfinite(objective);
    if (better(run, objective, violation, c[REFERENCE], c[REFERENCE_VIOLATION], least_progress)) {
        c[REFERENCE] = objective;
        c[REFERENCE_VIOLATION] = violation;
        c[SINCE_BETTER] = 0;
    }
    const bool best = better(run, objective, violation, c[LOCAL_OBJECTIVE], c[LOCAL_VIOLATION], 0);
    if (best) {
        c[LOCAL_OBJECTIVE] = objective;
        c[LOCAL_VIOLATION] = violation;
    }
    if (!better(run, objective, violation, c[BEST_OBJECTIVE], c[BEST_VIOLATION], 0))
        return best;
    c[WINNER] = c[RESTART];
    c[BEST_OBJECTIVE] = objective;
    c[BEST_VIOLATION] = violation;
    c[BEST_LOSS] = loss;
    memcpy(run->best_c, run->c, run->m * sizeof *run->c);
    memcpy(run->best_z, run->z, run->n * sizeof *run->z);
    memcpy(run->best_gradient, run->gradient, run->gp->parameters.count * sizeof *run->gradient);
    return best;
}

static void emit_step(struct run *run, const struct kr_evaluation *evaluation, double norm)
{
    const double *c = run->checkpoint;
    const bool known = run->m && !c[FAILED];
    const double violation = known ? kr_run_violation(run, run->c) : NAN;
    const size_t done = (size_t)c[EVALUATIONS], most = run->rules->max_evaluations;
    const double seconds = c[SECONDS];
    double left = seconds / (double)done * (double)(most > done ? most - done : 0);
    if (run->rules->seconds - seconds < left)
        left = fmax(run->rules->seconds - seconds, 0);
    const struct kr_step step = {
        .evaluation = done,
        .iteration = (size_t)run->state[0],
        .restart = (size_t)c[RESTART],
        .loss = evaluation->loss,
        .penalty = kr_gp_has_priors(run->gp) ? run->penalty : NAN,
        .standard_error = evaluation->standard_error,
        .best_loss = c[BEST_LOSS],
        .gradient_norm = norm,
        .constraints = {known ? run->m : 0, run->c_names, run->c},
        .constraint_violation = violation,
        .parameters = {run->gp->parameters.count, run->names, run->theta},
        .solver = evaluation->solver,
        .seconds = seconds,
    };
    const struct kr_progress progress = {done, step.iteration, step.loss, step.best_loss,
                                         norm, violation,      seconds,   left};
    run->sink(run->self, &(struct kr_tune_event){.step = &step,
                                                 .progress = &progress,
                                                 .ncheckpoint = run->size,
                                                 .checkpoint = kr_run_carried_checkpoint(run)});
}

/* The rule that ends the restart after this evaluation, if any; most telling first. `there`: this point may
 * be the solution. */
static enum kr_tune_stop rule(const struct run *run, bool there, double norm, bool going)
{
    const double *c = run->checkpoint;
    if (there && norm <= run->rules->gradient_tolerance)
        return KR_TUNE_STOP_GRADIENT;
    if (!going)
        return KR_TUNE_STOP_STUCK;
    if (c[EVALUATIONS] >= c[LIMIT])
        return KR_TUNE_STOP_EVALUATIONS;
    if (c[SINCE_BETTER] >= (double)run->rules->patience)
        return KR_TUNE_STOP_PATIENCE;
    if (c[SECONDS] >= c[SECONDS_LIMIT] && run->repeats == 0)
        return KR_TUNE_STOP_SECONDS;
    return KR_TUNE_STOP_NONE;
}

static kr_status step(struct run *run)
{
    struct kr_evaluation evaluation;
    double objective, norm = NAN, violation = INFINITY;
    KR_TRY(kr_poll(run->ctx));
    KR_TRY(kr_run_propose(run));
    KR_TRY(evaluate(run, &evaluation, &objective));
    if (isfinite(objective)) {
        KR_TRY(kr_run_settle(run, &norm));
        violation = kr_run_violation(run, run->c);
        kr_run_watch_bounds(run);
    }
    const bool best = account(run, objective, violation, evaluation.loss),
               feasible = kr_run_feasible(run, violation);
    /* Without a gradient inside the constraint set there is still the way to it. */
    const bool going = run->optimizer->tell(run->options, run->n, run->lower, run->upper, run->state, run->z,
                                            objective, run->g) ||
                       (isfinite(objective) && !feasible);
    run->checkpoint[SECONDS] = kr_seconds() - run->began;
    /* Of a constrained run another point, feasible by the tolerance, may have a loss a little lower. */
    const enum kr_tune_stop stop = rule(run, run->m ? feasible : best, norm, going);
    run->checkpoint[STOP] = kr_run_carried_goes_on(run, norm, stop) ? KR_TUNE_STOP_NONE : stop;
    if (!kr_run_carried_repeats(run))
        emit_step(run, &evaluation, norm);
    return KR_OK;
}

/* A single evaluation at the start: what max_evaluations = 0 and a model without free parameters score. */
static kr_status score_start(struct run *run)
{
    struct kr_evaluation evaluation;
    KR_TRY(kr_objective_constrained(run->ctx, run->gp, run->constraints, run->gp->start, false, &evaluation,
                                    run->best_gradient, run->best_c, run->rows));
    run->checkpoint[BEST_LOSS] = evaluation.loss;
    run->checkpoint[BEST_VIOLATION] = kr_run_violation(run, run->best_c);
    run->checkpoint[STOP] = KR_TUNE_STOP_EVALUATIONS;
    return KR_OK;
}

static kr_status go(struct run *run, size_t ncheckpoint, const double *checkpoint)
{
    KR_TRY(kr_run_open(run, ncheckpoint, checkpoint));
    if (run->n == 0 || run->rules->max_evaluations == 0)
        KR_TRY(score_start(run));
    for (;;) {
        if (!kr_run_sample_round(run) && run->checkpoint[STOP] != KR_TUNE_STOP_NONE) {
            kr_run_conclude(run);
            if (run->n == 0 || !kr_run_goes_on(run))
                return KR_OK;
            kr_run_restart(run, (size_t)run->checkpoint[RESTART] + 1);
        }
        KR_TRY(step(run));
    }
}

kr_status kr_tune(struct kr_ctx *ctx, const struct kr_tune_spec *spec, size_t ncheckpoint,
                  const double *checkpoint, kr_tune_sink *sink, void *self, struct kr_tune_result *out,
                  const double **theta)
{
    static const struct kr_gp_constraints none = {0};
    struct run run = {.ctx = ctx,
                      .gp = spec->gp,
                      .optimizer = (const struct kr_optimizer_type *)spec->optimizer->type,
                      .options = spec->optimizer->options,
                      .rules = spec->optimizer->options,
                      .by_logarithm =
                          ((const struct kr_loss_type *)spec->gp->spec->objective.loss.type)->by_logarithm,
                      .constraints = spec->constraints ? spec->constraints : &none,
                      .restarts = {.count = 1},
                      .sink = sink,
                      .self = self};
    run.m = run.constraints->count;
    KR_TRY(kr_tune_check(ctx, spec));
    KR_TRY(kr_schema_init(ctx, &kr_nullspace_options_schema, &run.projection));
    if (spec->projection)
        run.projection = *spec->projection;
    if (spec->restarts)
        run.restarts = *spec->restarts;
    const kr_status status = go(&run, ncheckpoint, checkpoint);
    kr_carried_close(run.carried);
    run.carried = NULL;
    KR_TRY(status);
    return kr_run_finish(&run, out, theta);
}
