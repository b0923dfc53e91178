/*
 * How much memory an evaluation takes, from the allocations of objective.c, solve.c and the methods; decided
 * before the work starts.
 *
 *     block of n x c:  3 (objective) + 3 (driver, min(c, columns)) + the method's own; tiles: threads (1 +
 * scratch); a head (loss or constraint): u, its right-hand side and residual, the adjoints; folds: their
 * blocks of variances
 */
#include "kriged/gp.h"

#define MIB (1024.0 * 1024.0)

static size_t largest_fold(const struct kr_gp *gp)
{
    size_t most = 0;
    for (size_t f = 0; f < gp->folds.count; f++) {
        const size_t size = gp->folds.first[f + 1] - gp->folds.first[f];
        most = size > most ? size : most;
    }
    return most;
}

/* Held-out points of one evaluation; a subset may run over by less than a fold. */
static size_t points_at_most(const struct kr_gp *gp)
{
    const struct kr_subset_spec *subset = gp->spec->objective.subset;
    const size_t m = gp->validation.n, part = subset ? subset->count + largest_fold(gp) : m;
    return part < m ? part : m;
}

/*
 * Of an approximation: matrices of p x p (two of the fit, four of the derivative of variances, and in
 * operators two; a root), vectors of all rows (five of the objective, the others of LSMR and of its
 * derivative), blocks of rows in every thread, sums in stripes. Folds have fits of their own.
 */
static size_t weight_bytes(const struct kr_gp *gp)
{
    const struct kr_feature_map *map = &gp->space->map;
    const size_t n = gp->train.n, m = points_at_most(gp), p = map->p, q = gp->targets,
                 folds = gp->form == KR_FOLDS && gp->folds.count < gp->validation.n ? gp->folds.count : 0;
    const size_t threads =
                     16 * ((2 * p + 4) * KR_TILE + map->type->scratch(map)) + kr_kernel_scratch(gp->kernel),
                 stripes = 40 * (p + map->lane + 1), few = (1 << 20) / (KR_TILE * p),
                 chunks = 2 * KR_TILE * p * (2 + (few < 16 ? few : 16));
    return 8 * (10 * p * p + 24 * n * q + 8 * m * q + p * (q - 1) + threads + stripes + chunks +
                folds * (3 * p * p + n * (map->d + 3 + 3 * q)));
}

/* Of sampled variances, beside the block: neighbours and their solutions, threads at work on them, and
 * searching. */
static size_t sample_doubles(const struct kr_gp *gp)
{
    const size_t asked = gp->spec->objective.variance.neighbours,
                 k = asked < gp->train.n ? asked : gp->train.n, m = gp->validation.n;
    return m * (2 * k + 8) + 16 * (k * (k + gp->train.x.d + 1) + 2 * KR_TILE * k) +
           (m / 64 + 1) * gp->parameters.count;
}

size_t kr_objective_bytes(const struct kr_gp *gp, const struct kr_solver_type *solver, size_t budget,
                          bool variance, size_t constraints)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    if (gp->space)
        return weight_bytes(gp);
    const bool sampled = kr_gp_samples_variance(gp, variance, budget);
    const bool folds = gp->form == KR_FOLDS, exact = !loss->eval && solver->logdet,
               seen = variance || loss->needs_variance || kr_transforms(gp->transforms);
    const size_t n = gp->train.n, m = points_at_most(gp), q = gp->targets, heads = 1 + constraints,
                 columns = sampled         ? 1 + gp->spec->objective.variance.points
                           : seen || folds ? q + m
                                           : q;
    /* of the first solve, and of the second one where every head sees the mean only */
    const size_t most = columns > heads * q ? columns : heads * q;
    const size_t together = most < solver->columns ? most : solver->columns;
    const size_t products = kr_op_kernel_bytes(gp->kernel, n, m, together > n ? n : together, 16);
    const size_t lanes = (n / KR_TILE + 1) * gp->parameters.count;
    const size_t preconditioner =
        solver->preconditioned ? kr_preconditioner_bytes(&gp->spec->solver.preconditioner, n, budget) : 0;
    const size_t blocks = folds ? m * largest_fold(gp) : 0;
    const size_t inverse = exact ? n * n : 0;
    const size_t sample = sampled ? sample_doubles(gp) + columns * (2 * n + gp->train.x.d) : 0;
    return 8 * (n * (3 * columns + 3 * together + 3) + 6 * m * q + sample + inverse + blocks +
                heads * (3 * n * q + 2 * m * q + 16) + lanes) +
           products + solver->bytes(n, together) + preconditioner;
}

kr_status kr_objective_fits(struct kr_ctx *ctx, const struct kr_gp *gp, bool variance, size_t constraints)
{
    const char *reason;
    const struct kr_solver_type *solver =
        kr_solver_choose(&gp->spec->solver, NULL, gp->train.n, ctx->budget, &reason);
    const size_t needed = ctx->used + kr_objective_bytes(gp, solver, ctx->budget, variance, constraints);
    if (!ctx->budget || needed <= ctx->budget)
        return KR_OK;
    if (gp->space)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "/model/approximation/count",
                       "%zu features of %zu rows need about %.0f MiB, and %.0f MiB may be used: take fewer "
                       "features, or allow more memory",
                       gp->space->map.p, gp->train.n, (double)needed / MIB, (double)ctx->budget / MIB);
    return kr_fail(ctx, KR_MEMORY_LIMIT, "/solver/memory_bytes",
                   "%zu training and %zu validation rows with %s need about %.0f MiB, and %.0f MiB may be "
                   "used: hold out fewer rows, or take a subset of them (objective.subset)%s, "
                   "or allow more memory",
                   gp->train.n, gp->validation.n, solver->base.name, (double)needed / MIB,
                   (double)ctx->budget / MIB, solver->open ? ", take the cg solver" : "");
}
