/*
 * What a user deserves to be told. Where the numbers come from: 6818 fits; one hold-out wins against the
 * evidence in 1 of 111 fits below 500 rows and loses a little at 2000; with 30 % of the inputs repeated
 * leave-one-out loses in 15 of 15; a loss of the mean alone leaves 90 % intervals that cover 66 %; the loss
 * that is tuned is too good by 0.08 to 0.5 nats at 250 rows.
 */
#include "tune/run.h"

#include <math.h>

enum { SAFE_HOLD_OUT_ROWS = 2000 };

static const struct kr_loss_type *loss_of(const struct run *run)
{
    return (const struct kr_loss_type *)run->gp->spec->objective.loss.type;
}

static void warn_small(const struct run *run)
{
    const size_t rows = run->gp->train.n + run->gp->validation.n;
    if (rows < SAFE_HOLD_OUT_ROWS && run->gp->form == KR_HOLD_OUT && loss_of(run)->eval)
        kr_run_warn(run, "small-hold-out", NULL,
                    "one hold-out of %zu among %zu rows is easily overfitted below %d rows: keep test rows, "
                    "and prefer kfold or leave_one_out, or hold out 35 to 50 %%",
                    run->gp->validation.n, rows, SAFE_HOLD_OUT_ROWS);
}

/* The mean depends on the ratios of variances and noise only; where all of them can be scaled together,
 * nothing holds them. */
static kr_status warn_level(const struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    const struct kr_mark mark = kr_mark(ctx);
    bool *scales;
    if (!loss_of(run)->eval || loss_of(run)->needs_variance || run->constraints->needs_variance ||
        kr_tune_calibrates(run->gp))
        return KR_OK;
    KR_ALLOC(ctx, scales, run->gp->parameters.count);
    if (kr_gp_scales(ctx, run->gp, "", scales) == KR_OK)
        kr_run_warn(
            run, "noise-undetermined", run->names[run->gp->noise_index],
            "%s sees the mean alone, which all variances and the noise scaled together leave as it is: "
            "their level, and so the predicted intervals, stay arbitrary. Take nlpd or crps, or "
            "objective.calibrate leave_one_out",
            loss_of(run)->base.name);
    kr_ctx_clear_error(ctx); /* only a question */
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status warn_repeats(const struct run *run)
{
    const struct kr_gp *gp = run->gp;
    const bool one_by_one = gp->form == KR_FOLDS && gp->folds.count == gp->validation.n && loss_of(run)->eval;
    size_t repeats;
    if (!one_by_one && !kr_tune_calibrates(gp))
        return KR_OK;
    KR_TRY(kr_gp_repeats(run->ctx, gp, &repeats));
    if (repeats)
        kr_run_warn(run, "repeated-inputs", NULL,
                    "%zu of %zu rows repeat the inputs of another one, which gives them away where each row "
                    "is predicted from all others: %s",
                    repeats, gp->fit.n,
                    one_by_one ? "take kfold, which keeps them (and groups that you name) together"
                               : "leave-one-out calibration then makes variances too small");
    return KR_OK;
}

static void warn_optimism(const struct run *run)
{
    if (run->gp->test.n == 0)
        kr_run_warn(run, "no-test-rows", NULL,
                    "there are no test rows: %s is of rows that tuning %s, and optimistic. Keep some rows "
                    "back by `test` to learn how well the model predicts",
                    loss_of(run)->base.name, loss_of(run)->eval ? "looks at" : "fits");
}

kr_status kr_run_warn_start(const struct run *run)
{
    warn_small(run);
    KR_TRY(warn_level(run));
    KR_TRY(warn_repeats(run));
    warn_optimism(run);
    return KR_OK;
}

/* A value this close to a bound, in coordinates, sits on it; so many evaluations in a row are no accident. */
static const double near_bound = 1e-6;
enum { STAYS = 10, NAMED = -1 /* in at_bound */ };

static const char *bound_at(const struct run *run, const double *z, size_t i)
{
    return z[i] - run->lower[i] < near_bound ? "lower" : run->upper[i] - z[i] < near_bound ? "upper" : NULL;
}

void kr_run_watch_bounds(struct run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        const char *name = run->names[run->index[i]], *bound = bound_at(run, run->z, i);
        if (run->at_bound[i] == NAMED)
            continue;
        run->at_bound[i] = bound ? run->at_bound[i] + 1 : 0;
        if (run->at_bound[i] < STAYS)
            continue;
        run->at_bound[i] = NAMED;
        kr_run_warn(
            run, "at-bound", name,
            "%s has been at its %s bound for %d evaluations: the data may not determine it. Said once "
            "a run",
            name, bound, STAYS);
    }
}

void kr_run_warn_bounds(const struct run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        const char *name = run->names[run->index[i]], *bound = bound_at(run, run->best_z, i);
        if (bound)
            kr_run_warn(
                run, "at-bound", name,
                "%s ended at its %s bound: the data may not determine it; fix it, or give other bounds", name,
                bound);
    }
}
