/*
 * How large leave-one-out residuals are against what is predicted, in weight space: with h, t and r as in
 * objective_weights.c, the residual of row i is r_i/(D_i t_i) and its variance noise_i/t_i (+ k_ii -
 * |phi_i|^2). All variances scaled together scale these variances alike and change no mean.
 */
#include "gp/weight_space.h"

/* What phi misses of k(x, x); zeros without a residual. */
static kr_status missing_of(struct kr_ctx *ctx, const struct kr_gp *gp, struct weight_fit *fit, double **out)
{
    double *known, *scratch;
    struct kr_op op;
    KR_ALLOC(ctx, *out, fit->n);
    if (!gp->space->residual)
        return KR_OK;
    KR_ALLOC(ctx, known, fit->n);
    KR_ALLOC(ctx, scratch, kr_kernel_scratch(gp->space->kernel));
    KR_TRY(kr_op_features(ctx, &fit->map, &fit->part->x, NULL, &op));
    KR_TRY(kr_features_lengths(ctx, &op, NULL, known));
    kr_kernel_diagonal(gp->space->kernel, fit->theta, &fit->part->x, scratch, *out);
    for (size_t i = 0; i < fit->n; i++)
        (*out)[i] = (*out)[i] > known[i] ? (*out)[i] - known[i] : 0;
    return KR_OK;
}

kr_status kr_weight_spread(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, double *spread)
{
    const double noise = kr_weight_noise(gp->space, theta);
    const size_t q = gp->targets;
    struct kr_solve_report report = {0};
    struct weight_fit fit;
    double *h, *missing, sum = 0;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_weight_fit(ctx, gp, &gp->fit, theta, &fit, &report));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &report));
    KR_ALLOC(ctx, h, fit.n);
    KR_TRY(kr_features_lengths(ctx, &fit.A, fit.L, h));
    KR_TRY(missing_of(ctx, gp, &fit, &missing));
    for (size_t i = 0; i < fit.n; i++) {
        const double own = noise + (fit.noise.known ? fit.noise.known[i] : 0), t = 1 - h[i];
        if (!(t > 0))
            return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                           "row %zu alone decides a direction of the features, to double precision: raise "
                           "noise.variance",
                           gp->fit.rows[i]);
        for (size_t c = 0; c < q; c++) {
            const double r = fit.r[c * fit.n + i];
            sum += r * r * own / (t * t) / (own / t + missing[i]) / (double)q;
        }
    }
    *spread = sum / (double)fit.n;
    kr_release(ctx, mark);
    return KR_OK;
}
