/*
 * Variances and covariances of predictions, with A as in posterior.c:
 *
 *     C(x, z) = k(x, z) - k(x, X) A^-1 k(X, z),     new observations: s2 + s*^2 more where x and z are the
 * same
 *
 * Points go in blocks of BLOCK: S = A^-1 k(X, block) by one solve with as many columns, the variances by dot
 * products with it, and the covariances with the points after it by one product k(x, X) S through tiles: k
 * points and n rows cost k solves and n k^2 flops, and 2 n BLOCK + k^2 + k BLOCK doubles, so that nothing of
 * n k is stored. One triangle is computed and mirrored: unfinished solves leave no asymmetry.
 *
 * A variance below the noise (rounding, or an unfinished solve) is set to the noise, and counted. Source:
 * Rasmussen and Williams 2006, eq. 2.26.
 */
#include "gp/weight_space.h"

#include <cblas.h>

enum { BLOCK = 256 };

/* One call at work. */
struct predicting {
    const struct kr_posterior *p;
    const struct kr_points *x;
    struct covariance A;
    double *variance, *covariance; /* k; k x k or NULL */
    size_t clamped;
};

static struct kr_points run_of(const struct kr_points *x, size_t first, size_t n)
{
    return (struct kr_points){n, x->d, x->ld, x->x + first};
}

/* Variances of the points `run`, the noise not yet in them. */
static kr_status block_variance(struct kr_ctx *ctx, struct predicting *w, const struct kr_points *run,
                                const double *cross, const double *S, double *variance)
{
    const struct kr_posterior *p = w->p;
    const size_t n = p->x.n;
    double *scratch;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, scratch, kr_kernel_scratch(p->kernel));
    kr_kernel_diagonal(p->kernel, p->theta, run, scratch, variance);
    for (size_t j = 0; j < run->n; j++) {
        variance[j] -= cblas_ddot((int)n, cross + j * n, 1, S + j * n, 1);
        w->clamped += variance[j] < 0;
        variance[j] = variance[j] > 0 ? variance[j] : 0;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* Subtracts k(x, X) S from the columns first.. of the lower triangle, which holds k(x, x). */
static kr_status block_covariance(struct kr_ctx *ctx, struct predicting *w, size_t first, size_t count,
                                  const double *S)
{
    const size_t k = w->x->n, below = k - first;
    const struct kr_points rest = run_of(w->x, first, below);
    struct kr_op op;
    double *explained;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, explained, below * count);
    KR_TRY(kr_op_kernel(ctx, w->p->kernel, w->p->theta, &rest, &w->p->x, &op));
    KR_TRY(kr_op_apply(ctx, &op, count, S, explained));
    for (size_t c = 0; c < count; c++)
        for (size_t r = c; r < below; r++)
            w->covariance[(first + c) * k + first + r] -= explained[c * below + r];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status block(struct kr_ctx *ctx, struct predicting *w, size_t first, size_t count,
                       struct kr_solve_report *report)
{
    const struct kr_posterior *p = w->p;
    const struct kr_points run = run_of(w->x, first, count);
    struct kr_op op;
    double *cross, *S;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, cross, p->x.n * count);
    KR_ALLOC(ctx, S, p->x.n * count);
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, &p->x, &run, &op));
    KR_TRY(kr_op_fill(ctx, &op, cross));
    KR_TRY(kr_solver_solve(ctx, &w->A.solver, count, cross, NULL, S, NULL, report));
    KR_TRY(block_variance(ctx, w, &run, cross, S, w->variance + first));
    if (w->covariance)
        KR_TRY(block_covariance(ctx, w, first, count, S));
    kr_release(ctx, mark);
    return KR_OK;
}

/* The other triangle, and the variances as the diagonal. */
static void complete(const struct predicting *w)
{
    const size_t k = w->x->n;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < i; j++)
            w->covariance[i * k + j] = w->covariance[j * k + i];
        w->covariance[i * k + i] = w->variance[i];
    }
}

kr_status kr_posterior_covariance(struct kr_ctx *ctx, const struct kr_posterior *p, const struct kr_points *x,
                                  const double *noise, bool observe, double *variance, double *covariance,
                                  size_t *clamped, struct kr_solve_report *report)
{
    struct predicting w = {.p = p, .x = x, .variance = variance, .covariance = covariance};
    struct kr_op prior;
    struct kr_mark mark = kr_mark(ctx);
    if (p->space)
        return kr_weight_posterior_covariance(ctx, p, x, noise, observe, variance, covariance, clamped);
    KR_TRY(kr_posterior_open(ctx, p, &w.A));
    if (covariance) {
        KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, x, NULL, &prior));
        KR_TRY(kr_op_fill(ctx, &prior, covariance));
    }
    for (size_t j = 0; j < x->n; j += BLOCK)
        KR_TRY(block(ctx, &w, j, x->n - j < BLOCK ? x->n - j : BLOCK, report));
    for (size_t j = 0; observe && j < x->n; j++)
        variance[j] += p->theta[p->noise_index] + (noise ? noise[j] : 0);
    if (covariance)
        complete(&w);
    if (clamped)
        *clamped = w.clamped;
    kr_release(ctx, mark);
    return KR_OK;
}
