/*
 * The derivative of predictive variances by the points, with A and s = A^-1 k(X, x) as in
 * posterior_covariance.c:
 *
 *     dv(x)/dx_k = dk(x, x)/dx_k - 2 sum_i s_i dk(x, x_i)/dx_k
 *
 * The noise of a new observation does not depend on the point. Points go in blocks: one solve a point, one
 * pass over the tiles of k(x, X). A variance that is 0 to rounding is taken as constant there, like its
 * value.
 */
#include "gp/weight_space.h"
#include "kriged/differentiate.h"

#include <cblas.h>
#include <string.h>

enum { BLOCK = 256 };

struct work {
    const struct kr_posterior *p;
    struct covariance A;
    double *scratch;
};

/* A block: gradient is feature-major, its columns ld apart. */
static kr_status block(struct kr_ctx *ctx, struct work *w, const struct kr_points *run, double *gradient,
                       size_t ld, struct kr_solve_report *report)
{
    const struct kr_posterior *p = w->p;
    const size_t n = p->x.n, k = run->n, d = run->d;
    struct kr_op transposed, cross;
    double *between, *S, *variance, *own;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, between, n * k);
    KR_ALLOC(ctx, S, n * k);
    KR_ALLOC(ctx, variance, k);
    KR_ALLOC(ctx, own, k * d);
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, &p->x, run, &transposed));
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, run, &p->x, &cross));
    KR_TRY(kr_op_fill(ctx, &transposed, between));
    KR_TRY(kr_solver_solve(ctx, &w->A.solver, k, between, NULL, S, NULL, report));
    kr_kernel_diagonal(p->kernel, p->theta, run, w->scratch, variance);
    for (size_t j = 0; j < k; j++) {
        const bool zero = variance[j] <= cblas_ddot((int)n, between + j * n, 1, S + j * n, 1);
        variance[j] = zero ? 0 : 1; /* the weight of the diagonal */
        cblas_dscal((int)n, zero ? 0 : -2, S + j * n, 1);
    }
    KR_TRY(kr_op_kernel_pull_inputs_weights(ctx, &cross, S, own, NULL));
    kr_kernel_diagonal_pull_x(p->kernel, p->theta, run, variance, w->scratch, own);
    for (size_t f = 0; f < d; f++)
        memcpy(gradient + f * ld, own + f * k, k * sizeof *own);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_posterior_variance_gradient(struct kr_ctx *ctx, const struct kr_posterior *p,
                                         const struct kr_points *x, double *gradient,
                                         struct kr_solve_report *report)
{
    struct work w = {.p = p};
    const struct kr_mark mark = kr_mark(ctx);
    if (p->space)
        return kr_fail(ctx, KR_INVALID, "/gradient",
                       "of the variance needs an exact covariance, and this model has %s",
                       p->space->type->base.name);
    KR_TRY(kr_posterior_open(ctx, p, &w.A));
    KR_ALLOC(ctx, w.scratch, kr_kernel_scratch(p->kernel));
    for (size_t j = 0; j < x->n; j += BLOCK) {
        const struct kr_points run = {x->n - j < BLOCK ? x->n - j : BLOCK, x->d, x->ld, x->x + j};
        KR_TRY(block(ctx, &w, &run, gradient + j, x->n, report));
    }
    kr_release(ctx, mark);
    return KR_OK;
}
