/*
 * How much memory an evaluation takes, from the allocations of objective.c, solve.c and the methods; decided
 * before the work starts.
 *
 *     block of n x c:  3 (objective) + 3 (driver, min(c, columns)) + the method's own; tiles: threads (1 +
 * scratch); a head (loss or constraint): u, its right-hand side and residual, the adjoints
 */
#include "kriged/gp.h"

#define MIB (1024.0 * 1024.0)

size_t kr_objective_bytes(const struct kr_gp *gp, const struct kr_solver_type *solver, size_t budget,
                          bool variance, size_t constraints)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    const size_t n = gp->train.n, m = gp->validation.n,
                 columns = variance || loss->needs_variance ? 1 + m : 1, heads = 1 + constraints;
    /* of the first solve, and of the second one where every head sees the mean only */
    const size_t most = columns > heads ? columns : heads;
    const size_t together = most < solver->columns ? most : solver->columns;
    const size_t tiles = 16 * (KR_TILE * KR_TILE + kr_kernel_scratch(gp->kernel));
    const size_t lanes = (n / KR_TILE + 1) * gp->parameters.count;
    const size_t preconditioner =
        solver->preconditioned ? kr_preconditioner_bytes(&gp->spec->solver.preconditioner, n, budget) : 0;
    return 8 * (n * (3 * columns + 3 * together + 3) + 6 * m + heads * (3 * n + 2 * m + 16) + tiles + lanes) +
           solver->bytes(n, together) + preconditioner;
}

kr_status kr_objective_fits(struct kr_ctx *ctx, const struct kr_gp *gp, bool variance, size_t constraints)
{
    const char *reason;
    const struct kr_solver_type *solver =
        kr_solver_choose(&gp->spec->solver, gp->train.n, ctx->budget, &reason);
    const size_t needed = ctx->used + kr_objective_bytes(gp, solver, ctx->budget, variance, constraints);
    if (!ctx->budget || needed <= ctx->budget)
        return KR_OK;
    return kr_fail(ctx, KR_MEMORY_LIMIT, "/solver/memory_bytes",
                   "%zu training and %zu validation rows with %s need about %.0f MiB, and %.0f MiB may be "
                   "used: hold out fewer rows%s, "
                   "or allow more memory",
                   gp->train.n, gp->validation.n, solver->base.name, (double)needed / MIB,
                   (double)ctx->budget / MIB, solver->open ? ", take the cg solver" : "");
}
