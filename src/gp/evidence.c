/*
 * The negative log marginal likelihood of the training rows, over their number:
 *
 *     L = (y'alpha + log det A + n log 2 pi)/(2 n)
 *
 *     on A: (A^-1 - alpha alpha')/(2 n),     on y: alpha/n,     on the mean's: -alpha'dm/n
 *
 * with y centred; of several targets, which share A, the mean over them: minus the sum of their log marginal
 * likelihoods over n times their number. Where the solver factorises, exactly: A^-1 is a block solve with the
 * identity, 2 n^3 flops and 3 n^2 doubles. Elsewhere by s random vectors z of entries +-1, the same for value
 * and gradient: log det A = E z'log(A) z by Lanczos quadrature (lanczos.c), A^-1 ~ mean of (A^-1 z) z': one
 * block solve with s columns. Its error falls as 1/sqrt(s); the seed is an option. Sources: Rasmussen and
 * Williams 2006, eq. 5.8 and 5.9; Dong et al. 2017.
 */
#include "gp/evidence.h"
#include "gp/carried.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* The probes Z (n x s): the identity, or entries +-1. */
static void set_probes(size_t n, size_t s, bool exact, uint64_t seed, double *Z)
{
    struct kr_rng rng;
    memset(Z, 0, n * s * sizeof *Z);
    kr_rng_init(&rng, seed, 4);
    for (size_t c = 0; c < s; c++)
        for (size_t i = 0; i < n; i++)
            Z[c * n + i] = exact ? i == c : (kr_rng_next(&rng) >> 63) ? 1 : -1;
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

static kr_status pull_trace(struct kr_ctx *ctx, struct work *w, size_t s, const double *Z, double weight,
                            struct kr_evaluation *out, double *grad)
{
    double *X;
    KR_ALLOC(ctx, X, w->n * s);
    KR_TRY(kr_carried_solve(ctx, w, CARRIED_ADJOINT, s, Z, X, NULL, &out->solver));
    return pull_weights(ctx, w, s, X, Z, weight, grad);
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
    const size_t n = w->n, s = exact ? n : o->probes;
    const int nq = (int)(n * w->targets);
    const double *alpha = w->solution, *y = w->B, scale = 1 / (2 * (double)n), share = 1 / (double)w->targets;
    double logdet = exact ? solver->type->logdet(solver) : 0, *Z = NULL;
    struct kr_mark mark = kr_mark(ctx);
    if (!exact || grad) {
        KR_ALLOC(ctx, Z, n * s);
        set_probes(n, s, exact, o->seed, Z);
    }
    if (!exact)
        KR_TRY(kr_lanczos_logdet(ctx, &w->A.noisy, s, Z, o->lanczos, &logdet, &out->solver.products));
    out->loss = scale * (share * cblas_ddot(nq, y, 1, alpha, 1) + logdet + (double)n * log(2 * M_PI));
    out->value_error = scale * share * cblas_ddot(nq, alpha, 1, w->residual, 1);
    if (grad) {
        KR_TRY(pull_trace(ctx, w, s, Z, exact ? scale : scale / (double)s, out, grad));
        KR_TRY(pull_weights(ctx, w, w->targets, alpha, alpha, -scale * share, grad));
        KR_TRY(pull_targets(ctx, w, grad));
    }
    kr_release(ctx, mark);
    return KR_OK;
}
