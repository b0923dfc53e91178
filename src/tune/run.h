/* run: the state of one tuning run, as the checkpoint holds it. */
#ifndef KRIGED_TUNE_RUN_H
#define KRIGED_TUNE_RUN_H

#include "kriged/tune.h"

/* The first doubles of a checkpoint; then best_z (n), best_gradient (parameters), best_c (m), of the last
 * good point good_z (n), good_c (m) and good_J (m x n) where there are constraints, the optimiser's state. */
enum {
    LAYOUT,
    STOP,
    EVALUATIONS,
    SINCE_BETTER,
    REFERENCE, /* what counts as progress beats this objective and violation */
    REFERENCE_VIOLATION,
    BEST_OBJECTIVE,
    BEST_VIOLATION,
    BEST_LOSS,
    SECONDS,
    WARNED,
    FAILED,   /* the last point could not be evaluated */
    RESTORED, /* the violation before the last step, where that only restored the constraints; else 0 */
    HEAD
};

struct run {
    struct kr_ctx *ctx;
    const struct kr_gp *gp;
    const struct kr_optimizer_type *optimizer;
    const void *options;
    const struct kr_stop_options *rules; /* the head of the options */
    bool by_logarithm;
    size_t n, *index;              /* free coordinates and their places in theta */
    double *lower, *upper, *z, *g; /* n */
    double *theta, *gradient;      /* parameters */
    double penalty, *slopes;       /* of priors, and its gradient: parameters */
    const char **names;
    const struct kr_gp_constraints *constraints;
    struct kr_nullspace_options projection;
    size_t m;             /* constraints */
    const char **c_names; /* m */
    double *c, *J, *rows; /* at z: m; m x n by the coordinates, column-major; m x parameters, row-major */
    double *scratch;      /* n */
    size_t size;          /* of the checkpoint */
    double *checkpoint, *best_z, *best_gradient, *best_c, *good_z, *good_c, *good_J, *state; /* its parts */
    double began; /* kr_seconds() at SECONDS = 0 */
    kr_tune_sink *sink;
    void *self;
};

void kr_run_warn(const struct run *run, const char *code, const char *parameter, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* theta at free coordinates z; fixed parameters keep their start values. */
void kr_run_theta(const struct run *run, const double *z, double *theta);

/* ---- constraints (constrained.c); without any these do what is left of it ---- */

/* z: what the optimiser asks for, or what the filter makes of it. */
kr_status kr_run_propose(struct run *run) KR_MUST_CHECK;
/* J from rows; then z, c and J are those of the last good point, and g is projected. *norm: its largest
 * entry. */
kr_status kr_run_settle(struct run *run, double *norm) KR_MUST_CHECK;
/* Largest |c_i|; 0 without constraints. */
double kr_run_violation(const struct run *run, const double *c);
bool kr_run_feasible(const struct run *run, double violation);

/* Warnings that a user deserves before and after. */
void kr_run_warn_start(const struct run *run);
void kr_run_warn_bounds(const struct run *run);
void kr_run_warn_infeasible(const struct run *run);

/* Result and metrics at the best parameters. */
kr_status kr_run_finish(struct run *run, struct kr_tune_result *out, const double **theta) KR_MUST_CHECK;

#endif
