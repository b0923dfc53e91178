/* run: the state of one tuning run, as the checkpoint holds it. */
#ifndef KRIGED_TUNE_RUN_H
#define KRIGED_TUNE_RUN_H

#include "kriged/tune.h"

/* The first doubles of a checkpoint; then best_z (n), best_gradient (parameters), the optimiser's state. */
enum { LAYOUT, STOP, EVALUATIONS, SINCE_BETTER, REFERENCE, BEST_OBJECTIVE, BEST_LOSS, SECONDS, WARNED, HEAD };

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
    const char **names;
    size_t size;                                         /* of the checkpoint */
    double *checkpoint, *best_z, *best_gradient, *state; /* parts of the checkpoint */
    double began;                                        /* kr_seconds() at SECONDS = 0 */
    kr_tune_sink *sink;
    void *self;
};

void kr_run_warn(const struct run *run, const char *code, const char *parameter, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* theta at free coordinates z; fixed parameters keep their start values. */
void kr_run_theta(const struct run *run, const double *z, double *theta);

/* Warnings that a user deserves before and after. */
void kr_run_warn_start(const struct run *run);
void kr_run_warn_bounds(const struct run *run);

/* Result and metrics at the best parameters. */
kr_status kr_run_finish(struct run *run, struct kr_tune_result *out, const double **theta) KR_MUST_CHECK;

#endif
