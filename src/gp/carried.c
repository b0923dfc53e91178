/*
 * What the evaluations of one run hand on: solutions as the next starts, and the preconditioner.
 *
 * A preconditioner of an earlier theta still serves a matrix near the one that it was made of. Its age is
 * seen by what it costs: with r0 iterations an order of magnitude when it was new, an evaluation whose solves
 * took i iterations for d orders has wasted i - r0 d; when the sum of that reaches what opening a new one
 * costs,
 *
 *     (2 n r^2 + 100 n r)/(12 n^2 + 8 n r) iterations     (flops of opening over those of a product, fused)
 *
 * it goes (at most twice the cost of knowing when to change). All of this is counts and sizes, no times: the
 * same on every machine. And it is not used farther than NEAR from where it was made. It depends on the run's
 * history, so a run forgets it at known evaluations, where its checkpoints sit (tune/carried.c).
 *
 * Memory: the factor, n r doubles, and a copy of every block of solutions, n k; what does not fit beside an
 * evaluation is not kept.
 */
#include "gp/carried.h"

#include <math.h>
#include <string.h>

/* Of log-parameters: farther away a preconditioner may be worth nothing. */
#define NEAR        0.7
#define AMPLE_NOISE 30.0
#define MEANS_NOISE 1e-3

enum { MEANS_ROWS = 2000 };

struct slot {
    struct kr_ctx arena;
    double *X;
    size_t size, k; /* doubles there is room for; columns held, 0 = none */
    uint64_t draw;  /* of the held-out points that they belong to */
};

struct kr_carried {
    double rtol; /* working tolerance, not below that of the spec */
    bool limited;
    size_t share; /* bytes, where they are limited */
    struct slot slots[CARRIED_SLOTS];
    struct kr_ctx factor;
    struct kr_preconditioner P; /* type NULL: none */
    double *theta;              /* that it was made at */
    double pace, wasted;        /* iterations an order of magnitude when it was new; iterations since */
};

static bool sees_means_only(const struct kr_gp *gp, size_t constraints)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    return gp->form == KR_HOLD_OUT && loss->eval && !loss->needs_variance && constraints == 0 &&
           !kr_transforms(gp->transforms);
}

kr_status kr_carried_open(struct kr_ctx *ctx, const struct kr_gp *gp, size_t constraints,
                          struct kr_carried **out)
{
    const char *reason;
    const struct kr_solver_type *solver =
        kr_solver_choose(&gp->spec->solver, NULL, gp->train.n, ctx->budget, &reason);
    *out = NULL;
    const bool may_iterate =
        !gp->spec->solver.type && gp->train.n >= MEANS_ROWS && sees_means_only(gp, constraints);
    if (gp->space || (solver->open && !may_iterate))
        return KR_OK;
    KR_ALLOC(ctx, *out, 1);
    const size_t needed = ctx->used + kr_objective_bytes(gp, solver, ctx->budget, false, constraints);
    (*out)->limited = ctx->budget > 0;
    (*out)->share = ctx->budget > needed ? ctx->budget - needed : 0;
    for (size_t s = 0; s < CARRIED_SLOTS; s++)
        kr_ctx_init(&(*out)->slots[s].arena, 0);
    kr_ctx_init(&(*out)->factor, 0);
    return KR_OK;
}

static void drop(struct slot *slot)
{
    kr_ctx_fini(&slot->arena);
    slot->X = NULL;
    slot->size = slot->k = 0;
}

static void drop_factor(struct kr_carried *kept)
{
    kr_ctx_fini(&kept->factor);
    kept->P = (struct kr_preconditioner){0};
}

void kr_carried_forget(struct kr_carried *kept)
{
    for (size_t s = 0; kept && s < CARRIED_SLOTS; s++)
        kept->slots[s].k = 0;
    if (kept)
        drop_factor(kept);
}

void kr_carried_close(struct kr_carried *kept)
{
    kr_carried_forget(kept);
    for (size_t s = 0; kept && s < CARRIED_SLOTS; s++)
        drop(&kept->slots[s]);
}

void kr_carried_tolerance(struct kr_carried *kept, double rtol)
{
    kept->rtol = rtol;
}

/* Is theta near that of the preconditioner? */
static bool is_near(const struct kr_carried *kept, const struct work *w)
{
    const struct kr_parameters *parameters = &w->gp->parameters;
    for (size_t p = 0; p < parameters->count; p++)
        if (parameters->items[p].positive && !(fabs(log(w->theta[p] / kept->theta[p])) <= NEAR) &&
            w->theta[p] != kept->theta[p])
            return false;
    return true;
}

/* What an arena may hold: what the others have left of the share. */
static void allow(const struct kr_carried *kept, struct kr_ctx *arena)
{
    size_t used = kept->factor.used;
    for (size_t s = 0; s < CARRIED_SLOTS; s++)
        used += kept->slots[s].arena.used;
    used -= arena->used;
    arena->budget = !kept->limited ? 0 : kept->share > used ? kept->share - used : 1;
}

/* The least noise of a training row over the mean variance of the kernel there. */
static kr_status noise_share(struct kr_ctx *ctx, const struct work *w, double *share)
{
    double *variance, mean = 0;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, variance, w->n);
    kr_kernel_diagonal(w->gp->kernel, w->theta, &w->gp->train.x, w->scratch, variance);
    for (size_t i = 0; i < w->n; i++)
        mean += variance[i] / (double)w->n;
    *share = kr_objective_least_noise(w) / mean;
    kr_release(ctx, mark);
    return KR_OK;
}

/*
 * Where only means are predicted, two systems are solved, and conjugate gradients need less than a
 * factorisation. Measured (bench_solvers d=8 preconditioner=auto rtol=1e-8, one thread, preconditioner
 * included): one solve over LAPACK's Cholesky factorisation in the same run, and iterations:
 *
 *     noise/variance      n = 1000    2000        4500        8000
 *     RBF, 0.1            0.15 (16)   0.21 (16)   0.19 (16)   0.20 (15)
 *     RBF, 0.01           0.20 (36)   0.42 (34)   -           0.41 (32)
 *     Matern 5/2, 0.1     -           -           0.33 (28)   -
 *
 * our own factorisation takes 0.6 to 0.8 of LAPACK's. With less noise iterations grow as its root, so a
 * thousandth is where it ends; below MEANS_ROWS rows both take no time. The kernel must have fused products.
 */
static kr_status choose_for_means(struct kr_ctx *ctx, struct work *w, double noise, const char **reason)
{
    const struct kr_gp *gp = w->gp;
    struct kr_op gram;
    *reason = NULL;
    if (w->options.type || w->n < MEANS_ROWS || w->columns > w->targets || !w->loss_is_head || w->sampled ||
        !(noise >= MEANS_NOISE))
        return KR_OK;
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, NULL, &gram));
    if (!kr_op_single(&gram))
        return KR_OK;
    w->options.type = kr_registry_find(&kr_solver_registry, "cg");
    *reason = "means alone of 2000 rows or more, with noise: fewer flops than a factorisation";
    return KR_OK;
}

/*
 * A residual r leaves an error of about |u||dA||r|/s2 in a gradient: measured (matern32, mse), that is 2 to
 * 10 |r|/|b| of the loss for noise of 0.1 and 0.01 of the variance, and 5000 for 5e-6 of it. So a loose
 * tolerance is scaled down with the noise.
 */
kr_status kr_carried_covariance(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    const struct kr_carried *kept = gp->carried;
    const char *reason;
    double noise = 0;
    w->options = gp->spec->solver;
    KR_TRY(noise_share(ctx, w, &noise));
    if (kept && kept->rtol > w->options.rtol)
        w->options.rtol = fmax(w->options.rtol, fmin(1, AMPLE_NOISE * noise) * kept->rtol);
    KR_TRY(choose_for_means(ctx, w, noise, &reason));
    /* drawn variances are bounded by a P <= A, which only a new one promises */
    const bool serves = kept && kept->P.type && kept->P.n == w->n && !w->sampled && is_near(kept, w);
    KR_TRY(kr_covariance_open_with(ctx, gp->kernel, w->theta, gp->noise_index, &gp->train.x, gp->train.noise,
                                   &w->options, serves ? &kept->P : NULL, &w->A));
    w->A.solver.reason = reason ? reason : w->A.solver.reason;
    return KR_OK;
}

const double *kr_carried_start(const struct work *w, enum carried_slot s, size_t k)
{
    const struct kr_carried *kept = w->gp->carried;
    const struct slot *slot = kept ? &kept->slots[s] : NULL;
    return slot && slot->k == k && slot->size >= w->n * k && slot->draw == w->gp->draw ? slot->X : NULL;
}

void kr_carried_store(const struct work *w, enum carried_slot s, size_t k, const double *X)
{
    struct kr_carried *kept = w->gp->carried;
    if (!kept)
        return;
    struct slot *slot = &kept->slots[s];
    if (slot->size < w->n * k) {
        drop(slot);
        allow(kept, &slot->arena);
        slot->X = kr_alloc(&slot->arena, w->n * k, sizeof *slot->X);
        kr_ctx_clear_error(&slot->arena);
        slot->size = slot->X ? w->n * k : 0;
    }
    slot->k = slot->X ? k : 0;
    slot->draw = w->gp->draw;
    if (slot->X)
        memcpy(slot->X, X, w->n * k * sizeof *X);
}

kr_status kr_carried_solve(struct kr_ctx *ctx, struct work *w, enum carried_slot slot, size_t k,
                           const double *B, double *X, double *residual, struct kr_solve_report *report)
{
    KR_TRY(kr_solver_solve(ctx, &w->A.solver, k, B, kr_carried_start(w, slot, k), X, residual, report));
    kr_carried_store(w, slot, k, X);
    return KR_OK;
}

static double opening_in_iterations(const struct kr_preconditioner *P)
{
    const double n = (double)P->n, r = (double)P->rank;
    return (2 * n * r * r + 100 * n * r) / (12 * n * n + 8 * n * r);
}

void kr_carried_settle(const struct work *w)
{
    struct kr_carried *kept = w->gp->carried;
    const struct kr_solver *solver = &w->A.solver;
    if (!kept || !solver->P.type || w->sampled)
        return;
    const double iterations = (double)solver->effort->iterations, decades = solver->effort->decades;
    if (solver->P.kept) {
        if (kept->pace == 0 && decades > 0)
            kept->pace = iterations / decades;
        kept->wasted += fmax(0, iterations - kept->pace * decades);
        if (kept->wasted > opening_in_iterations(&kept->P))
            drop_factor(kept);
        return;
    }
    drop_factor(kept);
    allow(kept, &kept->factor);
    kept->theta = kr_alloc(&kept->factor, w->gp->parameters.count, sizeof *kept->theta);
    if (!kept->theta || kr_preconditioner_keep(&kept->factor, &solver->P, &kept->P) != KR_OK) {
        kr_ctx_clear_error(&kept->factor);
        drop_factor(kept);
        return;
    }
    memcpy(kept->theta, w->theta, w->gp->parameters.count * sizeof *kept->theta);
    kept->pace = decades > 0 ? iterations / decades : 0;
    kept->wasted = 0;
}
