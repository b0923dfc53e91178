/*
 * tune: the loop that tunes hyperparameters. A spec goes in, events come out; no threads, files or sockets.
 *
 * Minimised is loss + penalty (priors: kr_gp_penalty), or log(loss) + penalty where the loss is tuned by its
 * logarithm: with errors of a scale that is fitted too, the log of a mean loss is 1/m times a negative log
 * likelihood, up to a constant (absolute errors: Laplace's; squared ones: half of it), so priors weigh alike
 * whatever the unit of the target.
 *
 * With constraints the optimiser's steps go through the null-space filter (kriged/nullspace.h), and points
 * compare like this: until one is feasible (no |c_i| above projection.tolerance) the least violation is best,
 * then the lowest objective of the feasible ones. Steps along a curved constraint set leave it a little; so
 * the last evaluations that a limit or the patience allows, where the last point is not feasible, only
 * restore the constraints.
 *
 * Limits of evaluations and of time are those of the whole run. With several restarts each gets an equal
 * share of what the ones before it left; the other rules (gradient, patience, stuck) end a restart, and the
 * lowest objective (of feasible points) wins.
 *
 * A run resumed from the checkpoint of any step takes the same further steps, to the last bit (a stop by
 * seconds excepted).
 */
#ifndef KRIGED_TUNE_H
#define KRIGED_TUNE_H

#include "kriged/calibration.h"
#include "kriged/gp.h"
#include "kriged/nullspace.h"
#include "kriged/opt.h"
#include "kriged/prior.h"

/* S(enum suffix, name) */
#define KR_TUNE_STOP_TABLE(S)                                                                                \
    S(NONE, "none")                                                                                          \
    S(GRADIENT, "gradient")       /* the projected gradient is small, and the constraints hold */            \
    S(PATIENCE, "patience")       /* no better loss for so many evaluations */                               \
    S(EVALUATIONS, "evaluations") /* the limit of evaluations */                                             \
    S(SECONDS, "seconds")         /* the limit of time */                                                    \
    S(STUCK, "stuck")             /* the optimiser cannot improve; stop_detail says why */
enum kr_tune_stop {
#define KR_TUNE_STOP_ENUM(name, text) KR_TUNE_STOP_##name,
    KR_TUNE_STOP_TABLE(KR_TUNE_STOP_ENUM)
#undef KR_TUNE_STOP_ENUM
};
extern const char *const kr_tune_stop_names[];

#define KR_STEP_FIELDS(F, S)                                                                                 \
    F(S, INT, evaluation, _, "0", 0, 1e15, 0, "number of this evaluation, from 1")                           \
    F(S, INT, iteration, _, "0", 0, 1e15, 0, "accepted steps of the optimiser since its start")              \
    F(S, INT, restart, _, "1", 0, 1e15, 0, "number of the start, from 1")                                    \
    F(S, REAL, loss, _, NULL, -1e308, 1e308, KR_NULL, "loss here; null where it could not be computed")      \
    F(S, REAL, standard_error, _, NULL, 0, 1e308, KR_OMIT,                                                   \
      "of the loss here, where variances are sampled; points of one sample compare better than that")        \
    F(S, REAL, penalty, _, NULL, -1e308, 1e308, KR_OMIT,                                                     \
      "what priors add here to what is minimised, where there are any")                                      \
    F(S, REAL, best_loss, _, NULL, -1e308, 1e308, KR_NULL,                                                   \
      "lowest loss so far, with priors that of the lowest sum with the penalty; with constraints of the "    \
      "feasible points, before there is one that of the least violation")                                    \
    F(S, REAL, gradient_norm, _, NULL, 0, 1e308, KR_NULL,                                                    \
      "largest entry of the gradient of what is minimised (loss or, of mse, mae, huber, crps and pinball, "  \
      "its logarithm, plus the penalty) by the log-parameters, projected to the bounds and the "             \
      "constraints")                                                                                         \
    F(S, VALUES, constraints, _, NULL, 0, 0, KR_OMIT,                                                        \
      "how far each constraint is from being met here, by its type, or type[i] where a type comes twice")    \
    F(S, REAL, constraint_violation, _, NULL, 0, 1e308, KR_OMIT, "the largest of these, without sign")       \
    F(S, VALUES, parameters, _, NULL, 0, 0, 0, "values of all hyperparameters here, by name")                \
    F(S, OBJECT, solver, kr_solve_report, NULL, 0, 0, 0, "what the linear solves of this evaluation did")    \
    F(S, REAL, seconds, _, "0", 0, 1e15, 0, "time of the run so far")
KR_DECLARE(kr_step, KR_STEP_FIELDS);

#define KR_WARNING_FIELDS(F, S)                                                                              \
    F(S, TEXT, code, _, NULL, 0, 0, KR_REQUIRED, "what kind of warning")                                     \
    F(S, TEXT, detail, _, NULL, 0, 0, KR_REQUIRED, "in words, with what to try")                             \
    F(S, TEXT, parameter, _, NULL, 0, 0, KR_OMIT, "the hyperparameter it is about")
KR_DECLARE(kr_warning, KR_WARNING_FIELDS);

#define KR_PROGRESS_FIELDS(F, S)                                                                             \
    F(S, INT, evaluation, _, "0", 0, 1e15, 0, "evaluations so far")                                          \
    F(S, INT, iteration, _, "0", 0, 1e15, 0, "accepted steps so far")                                        \
    F(S, REAL, loss, _, NULL, -1e308, 1e308, KR_NULL, "loss of the last evaluation")                         \
    F(S, REAL, best_loss, _, NULL, -1e308, 1e308, KR_NULL, "lowest loss so far")                             \
    F(S, REAL, gradient_norm, _, NULL, 0, 1e308, KR_NULL, "as in the step events")                           \
    F(S, REAL, constraint_violation, _, NULL, 0, 1e308, KR_OMIT, "as in the step events")                    \
    F(S, REAL, seconds, _, "0", 0, 1e15, 0, "time of the run so far")                                        \
    F(S, REAL, seconds_left, _, NULL, 0, 1e15, KR_NULL, "until the limit of evaluations or of time, at most")
KR_DECLARE(kr_progress, KR_PROGRESS_FIELDS);

/* One event: a warning, or a step with its progress and the checkpoint from which a run continues after it.
 */
struct kr_tune_event {
    const struct kr_warning *warning;
    const struct kr_step *step;
    const struct kr_progress *progress;
    size_t ncheckpoint;
    const double *checkpoint;
};
typedef void kr_tune_sink(void *self, const struct kr_tune_event *event);

#define KR_SCORES_FIELDS(F, S)                                                                               \
    F(S, OPTIONAL, validation, kr_metrics, NULL, 0, 0, KR_OMIT,                                              \
      "of the validation rows, given the training rows")                                                     \
    F(S, OPTIONAL, test, kr_metrics, NULL, 0, 0, KR_OMIT, "of the test rows, given all others")
KR_DECLARE(kr_scores, KR_SCORES_FIELDS);
#define KR_TUNE_METRICS_FIELDS(F, S)                                                                         \
    F(S, OBJECT, initial, kr_scores, NULL, 0, 0, 0, "at the start values")                                   \
    KR_SCORES_FIELDS(F, S)
KR_DECLARE(kr_tune_metrics, KR_TUNE_METRICS_FIELDS);

#define KR_TUNE_RESULT_FIELDS(F, S)                                                                          \
    F(S, CHOICE, stop, kr_tune_stop, "none", 0, 0, 0, "which rule ended it, of several starts the best")     \
    F(S, TEXT, stop_detail, _, NULL, 0, 0, 0, "in words, with what to try")                                  \
    F(S, REAL, best_loss, _, NULL, -1e308, 1e308, KR_NULL,                                                   \
      "lowest loss, with priors that of the lowest sum with the penalty: that of the parameters below")      \
    F(S, REAL, penalty, _, NULL, -1e308, 1e308, KR_OMIT, "of priors, at these parameters")                   \
    F(S, REAL, calibration, _, NULL, 0, 1e308, KR_OMIT,                                                      \
      "by what objective.calibrate scaled all variances and the noise after tuning; best_loss and penalty "  \
      "are those before")                                                                                    \
    F(S, LIST, parameters, kr_parameter_report, NULL, 0, 0, 0, "hyperparameters at the lowest loss")         \
    F(S, VALUES, constraints, _, NULL, 0, 0, KR_OMIT, "as in the step events, at these parameters")          \
    F(S, REAL, constraint_violation, _, NULL, 0, 1e308, KR_OMIT,                                             \
      "at these parameters: above projection.tolerance no point met the constraints")                        \
    F(S, OBJECT, metrics, kr_tune_metrics, NULL, 0, 0, 0, "scores in the target's units, before and after")  \
    F(S, INT, restart, _, NULL, 1, 1e15, KR_OMIT,                                                            \
      "number of the start that led to these parameters, from 1, where there were several")                  \
    F(S, INT, evaluations, _, "0", 0, 1e15, 0, "evaluations of the loss and its gradient, of all starts")    \
    F(S, REAL, seconds, _, "0", 0, 1e15, 0, "time of the run")                                               \
    F(S, TEXT, model, _, NULL, 0, 0, KR_OMIT, "name of the model that the job left")
KR_DECLARE(kr_tune_result, KR_TUNE_RESULT_FIELDS);

#define KR_RESTARTS_FIELDS(F, S)                                                                             \
    F(S, INT, count, _, "1", 1, 1000, 0,                                                                     \
      "starts: the first at the values of the request, the second with lengthscales times sqrt(features), "  \
      "the third with these twice as long and a tenth of the noise, further ones (and the third with fixed " \
      "noise) drawn log-uniformly within the bounds; the lowest objective wins")                             \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draws")
KR_DECLARE(kr_restarts, KR_RESTARTS_FIELDS);

/* What to tune, and how. */
struct kr_tune_spec {
    const struct kr_gp *gp;
    const struct kr_variant *optimizer;            /* a row of kr_optimizer_registry */
    const struct kr_gp_constraints *constraints;   /* NULL: none */
    const struct kr_nullspace_options *projection; /* with constraints; NULL: the defaults */
    const struct kr_restarts *restarts;            /* NULL: one start */
};

/* INVALID at a parameter's pointer when its start lies outside its default bounds; at the optimiser's type
 * when its steps cannot be filtered and there are constraints; at /objective/calibrate when variances cannot
 * be scaled together, or constraints forbid it. */
kr_status kr_tune_check(struct kr_ctx *ctx, const struct kr_tune_spec *spec) KR_MUST_CHECK;

/*
 * Sets gp->start to values by name, those of fixed parameters excepted, clamped to the bounds; clamped
 * (parameters) says which were. INVALID at `pointer` for a kernel that does not have the same names, a value
 * that is not positive where it must be, and names that are none here, those of another mean or approximation
 * excepted. Before kr_tune_check.
 */
kr_status kr_tune_warm_start(struct kr_ctx *ctx, struct kr_gp *gp, const struct kr_values *values,
                             const char *pointer, bool *clamped) KR_MUST_CHECK;

/*
 * Minimises the objective of spec->gp over its free parameters. `checkpoint` = what a step event carried, or
 * NULL to begin. *theta (in the arena): the best parameters. A trial point where the loss cannot be computed
 * shortens the step and is a warning; at a start the next restart begins, and without one and without a point
 * that succeeded it is the failure of the run. CANCELLED, TIME_LIMIT and
 * MEMORY_LIMIT end it too. INTERNAL for a checkpoint of another run. That no point met the constraints is a
 * fact of the result, and a warning.
 */
kr_status kr_tune(struct kr_ctx *ctx, const struct kr_tune_spec *spec, size_t ncheckpoint,
                  const double *checkpoint, kr_tune_sink *sink, void *self, struct kr_tune_result *out,
                  const double **theta) KR_MUST_CHECK;

#endif
