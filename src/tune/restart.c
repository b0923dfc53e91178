/*
 * Restarts: restart 1 starts at the start values (of the request, or of a warm start), restart 2 at the
 * request's values with lengthscales times the square root of their kernel's number of features (distances
 * grow so with their dimension), restart 3 with lengthscales twice as long again and a tenth of the noise,
 * which at first explains weak features away: of 11 fits of the evidence to 50 rows it found the lowest value
 * of eight such starts in all, restart 1 in 8 and 2 in 9. Further ones anywhere: log-uniform within the
 * bounds; without bounds on both sides, at the start values. Where the second start would be the first one,
 * or the third the second, it is drawn too. A draw depends on the seed and the number of the restart alone.
 *
 * Limits of evaluations and seconds are those of the whole run: each restart gets an equal share of what the
 * ones before it have left. Rules that end a run (patience, gradient, stuck) end a restart. O(parameters) a
 * restart.
 */
#include "tune/run.h"

#include <math.h>
#include <string.h>

KR_DEFINE(kr_restarts, KR_RESTARTS_FIELDS, "how often tuning starts, and where");

enum { RESTART_STREAM = 1 << 20 /* and upward, one stream a restart */ };

/* Lengthscales of the tree times factor sqrt(features), within their bounds. */
static void widen(const struct run *run, const struct kr_kernel *kernel, double factor, double *theta)
{
    size_t at = kernel->first;
    for (size_t p = 0; p < kernel->type->nparameters; p++)
        for (size_t k = 0; k < kernel->entries[p]; k++, at++) {
            double lower, upper;
            if (strcmp(kernel->type->parameters[p].name, "lengthscale") != 0)
                continue;
            kr_parameter_bounds(run->gp, at, &lower, &upper);
            theta[at] = fmin(fmax(theta[at] * factor * sqrt((double)kernel->nfeatures), lower), upper);
        }
    for (size_t c = 0; c < kernel->nkernels; c++)
        widen(run, kernel->kernels[c], factor, theta);
}

/* The second start, or the third, in run->z; false when it is the start values, or the third the second. */
static bool wide_start(struct run *run, bool third)
{
    const struct kr_parameters *parameters = &run->gp->parameters;
    const size_t noise = run->gp->noise_index;
    double *theta = run->theta, lower, upper;
    bool differs = false;
    for (size_t p = 0; p < parameters->count; p++)
        theta[p] = parameters->items[p].spec.value;
    const double full = theta[noise];
    widen(run, run->gp->kernel, third ? 2 : 1, theta);
    kr_parameter_bounds(run->gp, noise, &lower, &upper);
    if (third && !parameters->items[noise].spec.fixed)
        theta[noise] = fmin(fmax(0.1 * full, lower), upper);
    for (size_t i = 0; i < run->n; i++) {
        const size_t p = run->index[i];
        run->z[i] = kr_to_coordinate(parameters->items[p].positive, theta[p]);
        differs |= theta[p] != run->gp->start[p];
    }
    return third ? theta[noise] != full : differs;
}

static void first_start(struct run *run)
{
    for (size_t i = 0; i < run->n; i++)
        run->z[i] = kr_to_coordinate(run->gp->parameters.items[run->index[i]].positive,
                                     run->gp->start[run->index[i]]);
}

static void drawn_start(struct run *run, size_t restart)
{
    struct kr_rng rng;
    kr_rng_init(&rng, run->restarts.seed, RESTART_STREAM + restart);
    first_start(run);
    for (size_t i = 0; i < run->n; i++) {
        const double u = kr_rng_uniform(&rng);
        if (isfinite(run->lower[i]) && isfinite(run->upper[i]))
            run->z[i] = run->lower[i] + u * (run->upper[i] - run->lower[i]);
    }
}

static void allow(struct run *run)
{
    double *c = run->checkpoint;
    const double left = (double)run->restarts.count - c[RESTART] + 1,
                 evaluations = (double)run->rules->max_evaluations - c[EVALUATIONS];
    c[FIRST] = c[EVALUATIONS];
    c[LIMIT] = c[EVALUATIONS] + ceil(evaluations / left);
    c[SECONDS_LIMIT] = INFINITY;
    if (run->rules->seconds > 0)
        c[SECONDS_LIMIT] = c[SECONDS] + (run->rules->seconds - c[SECONDS]) / left;
}

void kr_run_share(struct run *run)
{
    const double *c = run->checkpoint;
    if (run->share)
        run->share->max_evaluations = (size_t)(c[LIMIT] - c[FIRST]);
}

void kr_run_restart(struct run *run, size_t restart)
{
    double *c = run->checkpoint;
    c[RESTART] = (double)restart;
    c[STOP] = KR_TUNE_STOP_NONE;
    c[SINCE_BETTER] = c[FAILED] = c[RESTORED] = 0;
    c[REFERENCE] = c[REFERENCE_VIOLATION] = c[LOCAL_OBJECTIVE] = c[LOCAL_VIOLATION] = INFINITY;
    for (size_t i = 0; i < run->n; i++)
        run->at_bound[i] = fmin(run->at_bound[i], 0);
    allow(run);
    kr_run_share(run);
    kr_run_sample_forget(run);
    kr_run_carried_begin(run);
    if (restart == 1)
        first_start(run);
    else if (restart > 3 || !wide_start(run, restart == 3))
        drawn_start(run, restart);
    run->optimizer->init(run->options, run->n, run->lower, run->upper, run->z, run->state);
}

bool kr_run_goes_on(const struct run *run)
{
    const double *c = run->checkpoint;
    return c[RESTART] < (double)run->restarts.count && c[EVALUATIONS] < (double)run->rules->max_evaluations &&
           !(c[SECONDS] >= run->rules->seconds);
}

void kr_run_conclude(struct run *run)
{
    double *c = run->checkpoint;
    if (c[WINNER] != c[RESTART])
        return;
    c[WINNER_STOP] = c[STOP];
    c[WINNER_LIMIT] = c[LIMIT] - c[FIRST];
    memmove(run->winner_state, run->state, run->state_size * sizeof *run->state);
}
