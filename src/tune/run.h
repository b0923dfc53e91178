/* run: the state of one tuning run, as the checkpoint holds it. */
#ifndef KRIGED_TUNE_RUN_H
#define KRIGED_TUNE_RUN_H

#include "kriged/carried.h"
#include "kriged/tune.h"

/* The first doubles of a checkpoint; then best_z (n), best_gradient (parameters), best_c (m), at_bound (n),
 * sample_z (n), of the last good point good_z (n), good_c (m) and good_J (m x n) where there are constraints,
 * the optimiser's state and, where there are several restarts, that of the best one at its end. */
enum {
    LAYOUT,
    STOP,
    EVALUATIONS,
    SINCE_BETTER,
    RESTART,       /* number of the one at work */
    FIRST,         /* evaluations before it */
    LIMIT,         /* evaluations that end it */
    SECONDS_LIMIT, /* time that ends it */
    REFERENCE,     /* what counts as progress beats this objective and violation */
    REFERENCE_VIOLATION,
    LOCAL_OBJECTIVE, /* the best of this restart */
    LOCAL_VIOLATION,
    WINNER, /* the restart of the best point, and how it ended */
    WINNER_STOP,
    WINNER_LIMIT,
    BEST_OBJECTIVE,
    BEST_VIOLATION,
    BEST_LOSS,
    SECONDS,
    WARNED,
    FAILED,   /* the last point could not be evaluated */
    RESTORED, /* the violation before the last step, where that only restored the constraints; else 0 */
    SAMPLED,  /* number of the evaluation that took the sample of variances; 0 = none */
    SAMPLE_LOSS,
    SAMPLE_ERROR, /* of that evaluation */
    TOLERANCE,    /* of solves, where it is above that of the spec */
    REPEATS,      /* evaluations after this state; the time and the stop after them */
    REPEATED_SECONDS,
    REPEATED_STOP,
    HEAD
};

struct run {
    struct kr_ctx *ctx;
    const struct kr_gp *gp;
    const struct kr_optimizer_type *optimizer;
    const void *options;
    const struct kr_stop_options *rules; /* the head of the options given */
    struct kr_stop_options *share;       /* of the copy that the optimiser sees: its limit is the restart's */
    struct kr_restarts restarts;
    bool by_logarithm;
    size_t n, *index;              /* free coordinates and their places in theta */
    double *lower, *upper, *z, *g; /* n */
    double *theta, *gradient;      /* parameters */
    double penalty, *slopes;       /* of priors, and its gradient: parameters */
    const char **names;
    const struct kr_gp_constraints *constraints;
    struct kr_nullspace_options projection;
    size_t m;                /* constraints */
    const char **c_names;    /* m */
    double *c, *J, *rows;    /* at z: m; m x n by the coordinates, column-major; m x parameters, row-major */
    double *scratch;         /* n */
    size_t size, state_size; /* of the checkpoint; of the optimiser's state in it */
    double *checkpoint, *best_z, *best_gradient, *best_c, *at_bound, *sample_z, *good_z, *good_c, *good_J,
        *state, *winner_state;         /* its parts */
    struct kr_variance_sample *sample; /* NULL: variances are not sampled */
    struct kr_carried *carried;        /* NULL: every evaluation begins cold */
    double *cold;                      /* the checkpoint at the last cold point */
    size_t repeats;                    /* evaluations still to be repeated, of a resumed run */
    double repeated_seconds, repeated_stop;
    double began; /* kr_seconds() at SECONDS = 0 */
    kr_tune_sink *sink;
    void *self;
};

void kr_run_warn(const struct run *run, const char *code, const char *parameter, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* theta at free coordinates z; fixed parameters keep their start values. */
void kr_run_theta(const struct run *run, const double *z, double *theta);

/* Is this failure one of the point, so that a shorter step, or another start, may avoid it? */
bool kr_run_trial_failed(kr_status status);

/* ---- the state (checkpoint.c) ---- */

/* Memory, bounds, and the state: of the checkpoint, or of the beginning of the first restart. */
kr_status kr_run_open(struct run *run, size_t ncheckpoint, const double *checkpoint) KR_MUST_CHECK;

/* ---- restarts (restart.c) ---- */

/* Begins a restart at its start. */
void kr_run_restart(struct run *run, size_t restart);
/* Tells the optimiser's options how many evaluations this restart has. */
void kr_run_share(struct run *run);
/* This restart has ended: keeps how, if it is the best one. */
void kr_run_conclude(struct run *run);
/* Is there another one, with something left to spend? */
bool kr_run_goes_on(const struct run *run);

/* ---- samples of variances (sampled.c) ---- */

/* Opens one where variances are sampled, and takes it where the checkpoint says that it was taken. */
kr_status kr_run_sample_open(struct run *run) KR_MUST_CHECK;
/* Before an evaluation at run->z: is a sample due there? */
void kr_run_sample_place(struct run *run);
void kr_run_sample_forget(struct run *run);
/* Is the estimate good enough to be compared with that of the sample's own place? */
bool kr_run_sample_trusts(struct run *run, const struct kr_evaluation *evaluation);
/* Begins a new round at the best point, where the state asks for one. */
bool kr_run_sample_round(struct run *run);
/* The gp of the next evaluation: with its draw of objective.subset, and its sample. */
struct kr_gp kr_run_gp(const struct run *run);

/* ---- what evaluations hand on (carried.c) ---- */

kr_status kr_run_carried_open(struct run *run) KR_MUST_CHECK;
/* A restart begins: its tolerance. */
void kr_run_carried_begin(struct run *run);
/* Before an evaluation: its tolerance, and whether it begins cold. */
void kr_run_carried_place(struct run *run);
/* Adds to the loss what its unfinished solves are estimated to leave. */
void kr_run_carried_correct(const struct run *run, struct kr_evaluation *evaluation);
/* After an evaluation with that projected gradient, where a rule says `stop`: the next tolerance. True: the
 * solves were too loose for that stop, and the run goes on with tight ones. */
bool kr_run_carried_goes_on(struct run *run, double norm, enum kr_tune_stop stop);
/* What a step event carries. */
const double *kr_run_carried_checkpoint(const struct run *run);
/* Was this evaluation one that is repeated? Then nothing is said of it. */
bool kr_run_carried_repeats(struct run *run);

/* ---- constraints (constrained.c); without any these do what is left of it ---- */

/* z: what the optimiser asks for, or what the filter makes of it. */
kr_status kr_run_propose(struct run *run) KR_MUST_CHECK;
/* J from rows; then z, c and J are those of the last good point, and g is projected. *norm: its largest
 * entry. */
kr_status kr_run_settle(struct run *run, double *norm) KR_MUST_CHECK;
/* Largest |c_i|; 0 without constraints. */
double kr_run_violation(const struct run *run, const double *c);
bool kr_run_feasible(const struct run *run, double violation);

/* Warnings that a user deserves before, during and after. */
kr_status kr_run_warn_start(const struct run *run) KR_MUST_CHECK;
/* A parameter that stays at a bound for some evaluations is named once a run. */
void kr_run_watch_bounds(struct run *run);
void kr_run_warn_bounds(const struct run *run);
void kr_run_warn_infeasible(const struct run *run);

/* Does this gp's objective ask for a calibration? */
bool kr_tune_calibrates(const struct kr_gp *gp);
/* *best becomes the calibrated values, and *gradient that of the loss there, both in the arena, where that is
 * asked for; *factor is NAN where not. */
kr_status kr_run_calibrate(struct run *run, double **best, double **gradient, double *factor) KR_MUST_CHECK;

/* Result and metrics at the best parameters. */
kr_status kr_run_finish(struct run *run, struct kr_tune_result *out, const double **theta) KR_MUST_CHECK;

#endif
