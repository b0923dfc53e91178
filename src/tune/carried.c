/*
 * Runs whose solves iterate: what evaluations hand on (gp/carried.c), how exact they are, and how such a run
 * is resumed.
 *
 * Every PERIOD evaluations of a restart, and at its start, the run forgets what it has kept: it is cold. The
 * checkpoint of a step holds the state at the last cold point and how many evaluations came after it; a
 * resumed run repeats these, silently, and has all bits that it had. A resume costs PERIOD - 1 evaluations at
 * most.
 *
 * Tolerances follow progress: solves go to SHARE of the projected gradient's largest entry, from LOOSEST to
 * what the spec says, and that never loosens within a restart (where noise is
 * small they are tighter: gp/carried.c). Measured (concrete, matern32 with ARD, mse, noise
 * 0.1 and 0.01): at 1e-4 the gradient is off by 2e-4 and 1e-3 of its largest entry, 0.15 of the loss, and by
 * a tenth of that a decade; so SHARE leaves an error of one or two per cent of the gradient that is there.
 * The loss is corrected by the estimate of its error, u'r: at 1e-4 it is then off by 3e-8 of itself, at 1e-5
 * by 2e-10: the line search compares values that are exact to about the square of the tolerance. A run does
 * not end, by a small gradient or for want of a better point, on loose solves: they are tightened first. With
 * constraints, whose violation is to be small itself, all solves are tight.
 */
#include "tune/run.h"

#include <math.h>
#include <string.h>

enum { PERIOD = 10 };
static const double LOOSEST = 3e-4, SHARE = 1e-2;

kr_status kr_run_carried_open(struct run *run)
{
    double *c = run->checkpoint;
    run->repeats = (size_t)c[REPEATS];
    run->repeated_seconds = c[REPEATED_SECONDS];
    run->repeated_stop = c[REPEATED_STOP];
    c[REPEATS] = c[REPEATED_SECONDS] = c[REPEATED_STOP] = 0;
    KR_TRY(kr_carried_open(run->ctx, run->gp, run->m, &run->carried));
    if (!run->carried)
        return KR_OK;
    KR_ALLOC(run->ctx, run->cold, run->size);
    return KR_OK;
}

void kr_run_carried_begin(struct run *run)
{
    double *c = run->checkpoint;
    c[TOLERANCE] = run->m ? 0 : LOOSEST;
}

/* What the solves of this evaluation go to. */
static double tolerance(const struct run *run)
{
    return fmax(run->checkpoint[TOLERANCE], run->gp->spec->solver.rtol);
}

static bool is_loose(const struct run *run)
{
    return run->carried && tolerance(run) > run->gp->spec->solver.rtol;
}

void kr_run_carried_place(struct run *run)
{
    const double *c = run->checkpoint;
    if (!run->carried)
        return;
    kr_carried_tolerance(run->carried, tolerance(run));
    if ((size_t)(c[EVALUATIONS] - c[FIRST]) % PERIOD != 0)
        return;
    kr_carried_forget(run->carried);
    memcpy(run->cold, c, run->size * sizeof *c);
}

void kr_run_carried_correct(const struct run *run, struct kr_evaluation *evaluation)
{
    if (is_loose(run) && isfinite(evaluation->value_error))
        evaluation->loss += evaluation->value_error;
}

bool kr_run_carried_goes_on(struct run *run, double norm, enum kr_tune_stop stop)
{
    double *c = run->checkpoint;
    const double used = tolerance(run), rtol = run->gp->spec->solver.rtol;
    if (!run->carried || c[TOLERANCE] == 0)
        return false;
    if (isfinite(norm))
        c[TOLERANCE] = fmin(c[TOLERANCE], SHARE * norm);
    if (!(used > rtol) || (stop != KR_TUNE_STOP_GRADIENT && stop != KR_TUNE_STOP_STUCK))
        return false;
    if (stop == KR_TUNE_STOP_GRADIENT && used <= SHARE * run->rules->gradient_tolerance)
        return false;
    c[TOLERANCE] = 0;
    if (stop == KR_TUNE_STOP_STUCK) {
        if (c[WINNER] == c[RESTART])
            memcpy(run->z, run->best_z, run->n * sizeof *run->z);
        run->optimizer->init(run->options, run->n, run->lower, run->upper, run->z, run->state);
    }
    return true;
}

const double *kr_run_carried_checkpoint(const struct run *run)
{
    const double *c = run->checkpoint;
    if (!run->carried)
        return c;
    run->cold[REPEATS] = c[EVALUATIONS] - run->cold[EVALUATIONS];
    run->cold[REPEATED_SECONDS] = c[SECONDS];
    run->cold[REPEATED_STOP] = c[STOP];
    return run->cold;
}

bool kr_run_carried_repeats(struct run *run)
{
    double *c = run->checkpoint;
    if (run->repeats == 0)
        return false;
    if (--run->repeats == 0) {
        c[SECONDS] = run->repeated_seconds;
        run->began = kr_seconds() - c[SECONDS];
        if (run->repeated_stop == KR_TUNE_STOP_SECONDS)
            c[STOP] = KR_TUNE_STOP_SECONDS;
    }
    return true;
}
