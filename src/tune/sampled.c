/*
 * Runs whose variances are sampled (objective.variance): which sample an evaluation uses. A sample taken far
 * from where the parameters are now is still unbiased, but its error grows; a new one is another function of
 * them.
 *
 *     adam, gradient_descent   a new one every REFRESH evaluations, where the run then is
 *     lbfgs                    needs one function: rounds. A round ends by the rules that end a run, or after
 * ROUND evaluations; the next one starts at its best point with a new sample. The run ends with a round that
 * gained less than the standard error of the loss where it began, or that has moved no coordinate by more
 * than NEAR.
 *
 * Where the error is large the lowest estimates are the most mistaken ones, and a line search finds them: a
 * point whose standard error is above TRUST times that of its sample's own place counts as failed, unless it
 * is better than that place by CLEARLY times the error.
 *
 * The sample is a function of the parameters it was taken at and of the number of evaluations before it,
 * which the checkpoint holds: a resumed run takes it anew, at the cost of one evaluation, and goes on with
 * the same bits.
 */
#include "tune/run.h"

#include <math.h>
#include <string.h>

enum { REFRESH = 10, ROUND = 25 };
static const double NEAR = 0.05, /* in log-parameters */
    TRUST = 3, CLEARLY = 4;

/* Forgets the sample: the next evaluation takes one. */
void kr_run_sample_forget(struct run *run)
{
    if (run->sample)
        kr_variance_sample_forget(run->sample);
    run->checkpoint[SAMPLED] = 0;
}

struct kr_gp kr_run_gp(const struct run *run)
{
    struct kr_gp gp = *run->gp;
    const struct kr_subset_spec *subset = gp.spec->objective.subset;
    if (subset && subset->fresh && run->optimizer->takes_filter) /* a line search needs one function */
        gp.draw = (uint64_t)run->checkpoint[EVALUATIONS];
    if (run->sample)
        gp.draw = (uint64_t)run->checkpoint[SAMPLED];
    gp.sample = run->sample;
    /* what takes a sample is a function of the place alone */
    gp.carried = run->sample && run->checkpoint[SAMPLED] > run->checkpoint[EVALUATIONS] ? NULL : run->carried;
    return gp;
}

static void warn(const struct run *run)
{
    const struct kr_variance_spec *spec = &run->gp->spec->objective.variance;
    kr_run_warn(
        run, "variance-sampled", NULL,
        "the variances of %zu held-out rows follow from %zu nearest training rows each, corrected by %zu "
        "exact ones: loss and gradient are estimates without bias, standard_error says how good; scores that "
        "need variances follow in the same way. objective.variance: exact, or more points, makes them better",
        run->gp->validation.n, spec->neighbours, spec->points);
}

kr_status kr_run_sample_open(struct run *run)
{
    struct kr_evaluation evaluation;
    if (!kr_gp_samples_variance(run->gp, false, run->ctx->budget))
        return KR_OK;
    KR_TRY(kr_variance_sample_open(run->ctx, run->gp, &run->sample));
    if (run->checkpoint[EVALUATIONS] == 0)
        warn(run);
    if (run->checkpoint[SAMPLED] == 0)
        return KR_OK;
    struct kr_gp gp = kr_run_gp(run);
    gp.carried = NULL;
    kr_run_theta(run, run->sample_z, run->theta);
    return kr_objective_eval(run->ctx, &gp, run->theta, false, &evaluation, NULL);
}

void kr_run_sample_place(struct run *run)
{
    double *c = run->checkpoint;
    if (!run->sample)
        return;
    if (c[SAMPLED] > 0 && run->optimizer->takes_filter && c[EVALUATIONS] + 1 - c[SAMPLED] >= REFRESH)
        kr_run_sample_forget(run);
    if (c[SAMPLED] > 0)
        return;
    c[SAMPLED] = c[EVALUATIONS] + 1;
    memcpy(run->sample_z, run->z, run->n * sizeof *run->z);
}

bool kr_run_sample_trusts(struct run *run, const struct kr_evaluation *evaluation)
{
    double *c = run->checkpoint;
    if (!run->sample)
        return true;
    if (c[SAMPLED] > c[EVALUATIONS]) {
        c[SAMPLE_LOSS] = evaluation->loss;
        c[SAMPLE_ERROR] = evaluation->standard_error;
    }
    return run->optimizer->takes_filter || evaluation->standard_error <= TRUST * c[SAMPLE_ERROR] ||
           c[SAMPLE_LOSS] - evaluation->loss > CLEARLY * evaluation->standard_error;
}

/* Has the round gained what the sample can tell? */
static bool gained(const struct run *run)
{
    const double *c = run->checkpoint;
    return c[SAMPLE_LOSS] - c[BEST_LOSS] > c[SAMPLE_ERROR];
}

static bool moved(const struct run *run)
{
    double most = 0;
    for (size_t i = 0; i < run->n; i++)
        most = fmax(most, fabs(run->best_z[i] - run->sample_z[i]));
    return most > NEAR;
}

bool kr_run_sample_round(struct run *run)
{
    double *c = run->checkpoint;
    const bool going = c[STOP] == KR_TUNE_STOP_NONE, full = c[EVALUATIONS] + 1 - c[SAMPLED] >= ROUND;
    if (!run->sample || run->optimizer->takes_filter || c[SAMPLED] == 0 || (going && !full) ||
        c[STOP] == KR_TUNE_STOP_EVALUATIONS || c[STOP] == KR_TUNE_STOP_SECONDS || c[WINNER] != c[RESTART])
        return false;
    if (!gained(run) || !moved(run)) {
        if (going)
            c[STOP] = KR_TUNE_STOP_PATIENCE;
        return false;
    }
    kr_run_sample_forget(run);
    memcpy(run->z, run->best_z, run->n * sizeof *run->z);
    c[STOP] = KR_TUNE_STOP_NONE;
    c[SINCE_BETTER] = 0;
    c[REFERENCE] = c[REFERENCE_VIOLATION] = c[LOCAL_OBJECTIVE] = c[LOCAL_VIOLATION] = INFINITY;
    c[BEST_OBJECTIVE] = c[BEST_VIOLATION] = INFINITY;
    run->optimizer->init(run->options, run->n, run->lower, run->upper, run->z, run->state);
    return true;
}
