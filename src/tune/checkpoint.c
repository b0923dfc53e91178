/* The state of a run: its memory, its beginning, and its going on from a checkpoint. */
#include "tune/run.h"

#include <math.h>
#include <string.h>

enum { CHECKPOINT_LAYOUT = 5 };

/* Room for the constraints at z. */
static kr_status allocate_constraints(struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    KR_ALLOC(ctx, run->c_names, run->m);
    for (size_t i = 0; i < run->m; i++)
        run->c_names[i] = run->constraints->items[i].name;
    KR_ALLOC(ctx, run->c, run->m);
    KR_ALLOC(ctx, run->J, run->m * run->n);
    KR_ALLOC(ctx, run->rows, run->m * run->gp->parameters.count);
    KR_ALLOC(ctx, run->scratch, run->n);
    return KR_OK;
}

/* The optimiser's options, with a limit of evaluations that restarts may change: what its schedule follows.
 */
static kr_status copy_options(struct run *run)
{
    const struct kr_schema *schema = run->optimizer->base.options;
    char *copy;
    if (!schema)
        return KR_OK;
    KR_ALLOC(run->ctx, copy, schema->size);
    memcpy(copy, run->options, schema->size);
    run->options = copy;
    run->share = (struct kr_stop_options *)(void *)copy;
    return KR_OK;
}

static kr_status allocate_checkpoint(struct run *run)
{
    const size_t n = run->n, m = run->m, count = run->gp->parameters.count;
    run->state_size = run->optimizer->state_size(run->options, n);
    run->size = HEAD + 3 * n + count + m + (m ? n + m + m * n : 0) +
                run->state_size * (run->restarts.count > 1 ? 2 : 1);
    KR_ALLOC(run->ctx, run->checkpoint, run->size);
    run->best_z = run->checkpoint + HEAD;
    run->best_gradient = run->best_z + n;
    run->best_c = run->best_gradient + count;
    run->at_bound = run->best_c + m;
    run->sample_z = run->at_bound + n;
    run->good_z = run->sample_z + n;
    run->good_c = run->good_z + (m ? n : 0);
    run->good_J = run->good_c + m;
    run->state = run->good_J + m * n;
    run->winner_state = run->state + (run->restarts.count > 1 ? run->state_size : 0);
    return KR_OK;
}

static kr_status allocate(struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    const struct kr_parameters *parameters = &run->gp->parameters;
    KR_ALLOC(ctx, run->index, parameters->count);
    KR_ALLOC(ctx, run->names, parameters->count);
    for (size_t p = 0; p < parameters->count; p++) {
        run->names[p] = parameters->items[p].name;
        if (!parameters->items[p].spec.fixed)
            run->index[run->n++] = p;
    }
    KR_ALLOC(ctx, run->lower, run->n);
    KR_ALLOC(ctx, run->upper, run->n);
    KR_ALLOC(ctx, run->z, run->n);
    KR_ALLOC(ctx, run->g, run->n);
    KR_ALLOC(ctx, run->theta, parameters->count);
    KR_ALLOC(ctx, run->gradient, parameters->count);
    KR_ALLOC(ctx, run->slopes, parameters->count);
    KR_TRY(allocate_constraints(run));
    KR_TRY(copy_options(run));
    return allocate_checkpoint(run);
}

static void set_bounds(struct run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        const bool positive = run->gp->parameters.items[run->index[i]].positive;
        double lower, upper;
        kr_parameter_bounds(run->gp, run->index[i], &lower, &upper);
        run->lower[i] = kr_to_coordinate(positive, lower);
        run->upper[i] = kr_to_coordinate(positive, upper);
    }
}

kr_status kr_run_open(struct run *run, size_t ncheckpoint, const double *checkpoint)
{
    KR_TRY(allocate(run));
    set_bounds(run);
    double *c = run->checkpoint;
    if (checkpoint) {
        if (ncheckpoint != run->size || checkpoint[LAYOUT] != CHECKPOINT_LAYOUT)
            return kr_fail(run->ctx, KR_INTERNAL, "",
                           "the checkpoint is of another run: %zu numbers, not %zu", ncheckpoint, run->size);
        memcpy(c, checkpoint, run->size * sizeof *checkpoint);
        kr_run_share(run);
    } else {
        c[LAYOUT] = CHECKPOINT_LAYOUT;
        c[WINNER] = 1;
        c[BEST_OBJECTIVE] = c[BEST_LOSS] = c[BEST_VIOLATION] = INFINITY;
        kr_run_restart(run, 1);
        memcpy(run->best_z, run->z, run->n * sizeof *run->z);
        KR_TRY(kr_run_warn_start(run));
    }
    run->began = kr_seconds() - c[SECONDS];
    KR_TRY(kr_run_carried_open(run));
    return kr_run_sample_open(run);
}
