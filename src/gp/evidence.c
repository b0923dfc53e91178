/*
 * The negative log marginal likelihood of the training rows, over their number:
 *
 *     L = (y'alpha + log det A + n log 2 pi)/(2 n)
 *
 *     on A: (A^-1 - alpha alpha')/(2 n),     on y: alpha/n,     on the mean's: -alpha'dm/n
 *
 * with y centred; of several targets, which share A, the mean over them: minus the sum of their log marginal
 * likelihoods over n times their number. Where the solver factorises, exactly: from A^-1 itself, 2 n^3/3
 * flops and n^2 doubles, and one pull with n^2 weights. Elsewhere by s random vectors z of entries +-1, the
 * same for value and gradient: log det A = E z'log(A) z by Lanczos quadrature (lanczos.c), A^-1 ~ mean of
 * (A^-1 z) z': one block solve with s columns. Its error falls as 1/sqrt(s); the seed is an option. Sources:
 * Rasmussen and Williams 2006, eq. 5.8 and 5.9; Dong et al. 2017.
 */
#include "gp/evidence.h"
#include "gp/carried.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* The probes Z (n x s): entries +-1. */
static void set_probes(size_t n, size_t s, uint64_t seed, double *Z)
{
    struct kr_rng rng;
    kr_rng_init(&rng, seed, 4);
    for (size_t e = 0; e < n * s; e++)
        Z[e] = (kr_rng_next(&rng) >> 63) ? 1 : -1;
}

/* Weights alpha U V' (n x k) on A. */
static kr_status pull_weights(struct kr_ctx *ctx, const struct work *w, size_t k, const double *U,
                              const double *V, double alpha, double *grad)
{
    KR_TRY(kr_op_pull(ctx, &w->A.noisy, k, U, V, alpha, grad));
    if (!w->data)
        return KR_OK;
    kr_objective_pull_diagonal(w, k, U, V, alpha);
    return w->data->x ? kr_op_kernel_pull_inputs(ctx, &w->A.gram, k, U, V, alpha, w->data->x, NULL) : KR_OK;
}

/* What both terms owe to A, by its inverse: W = weight (A^-1 - share alpha alpha'). */
static kr_status pull_exactly(struct kr_ctx *ctx, const struct work *w, double weight, double share,
                              double *grad)
{
    const size_t n = w->n;
    double *W;
    KR_ALLOC(ctx, W, n * n);
    KR_TRY(w->A.solver.type->inverse(ctx, &w->A.solver, W));
    for (size_t t = 0; t < w->targets; t++)
        for (size_t j = 0; j < n; j++)
            cblas_daxpy((int)n, -share * w->solution[t * n + j], w->solution + t * n, 1, W + j * n, 1);
    for (size_t j = 0; j < n; j++) {
        cblas_dscal((int)n, weight, W + j * n, 1);
        grad[w->gp->noise_index] += W[j + j * n];
        if (w->data)
            w->data->noise[j] += W[j + j * n];
    }
    KR_TRY(kr_op_kernel_pull_weights(ctx, &w->A.gram, W, grad));
    return w->data && w->data->x ? kr_op_kernel_pull_inputs_weights(ctx, &w->A.gram, W, w->data->x, NULL)
                                 : KR_OK;
}

/* The same by the probes Z (n x s). */
static kr_status pull_probes(struct kr_ctx *ctx, struct work *w, size_t s, const double *Z, double weight,
                             double share, struct kr_evaluation *out, double *grad)
{
    double *X;
    KR_ALLOC(ctx, X, w->n * s);
    KR_TRY(kr_carried_solve(ctx, w, CARRIED_ADJOINT, s, Z, X, NULL, &out->solver));
    KR_TRY(pull_weights(ctx, w, s, X, Z, weight / (double)s, grad));
    return pull_weights(ctx, w, w->targets, w->solution, w->solution, -weight * share, grad);
}

/* Of y - m, whose adjoint is alpha/n (of several targets, over their number). */
static kr_status pull_targets(struct kr_ctx *ctx, const struct work *w, double *grad)
{
    const struct kr_gp *gp = w->gp;
    const size_t count = w->n * w->targets;
    double *minus;
    KR_ALLOC(ctx, minus, count);
    for (size_t i = 0; i < count; i++) {
        minus[i] = -w->solution[i] / (double)count;
        if (w->data)
            w->data->y[i] -= minus[i];
    }
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, minus, grad);
    if (w->data && w->data->x)
        kr_means_pull_x(kr_means(gp), w->theta, &gp->train.x, minus, w->data->x, w->n);
    return KR_OK;
}

kr_status kr_evidence(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out, double *grad)
{
    const struct kr_evidence_options *o = w->gp->spec->objective.loss.options;
    const struct kr_solver *solver = &w->A.solver;
    const bool exact = solver->type->logdet != NULL;
    const size_t n = w->n, s = exact ? 0 : o->probes;
    const int nq = (int)(n * w->targets);
    const double *alpha = w->solution, *y = w->B, scale = 1 / (2 * (double)n), share = 1 / (double)w->targets;
    double logdet = exact ? solver->type->logdet(solver) : 0, *Z = NULL;
    struct kr_mark mark = kr_mark(ctx);
    if (!exact) {
        KR_ALLOC(ctx, Z, n * s);
        set_probes(n, s, o->seed, Z);
        KR_TRY(kr_lanczos_logdet(ctx, &w->A.noisy, s, Z, o->lanczos, &logdet, &out->solver.products));
    }
    out->loss = scale * (share * cblas_ddot(nq, y, 1, alpha, 1) + logdet + (double)n * log(2 * M_PI));
    out->value_error = scale * share * cblas_ddot(nq, alpha, 1, w->residual, 1);
    if (grad) {
        KR_TRY(exact ? pull_exactly(ctx, w, scale, share, grad)
                     : pull_probes(ctx, w, s, Z, scale, share, out, grad));
        KR_TRY(pull_targets(ctx, w, grad));
    }
    kr_release(ctx, mark);
    return KR_OK;
}
