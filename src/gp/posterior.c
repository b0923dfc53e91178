/*
 * Prediction from alpha = A^-1 (y - m), A = K(X, X) + s2 I + diag(s_i^2):
 *
 *     mean(x*) = m(x*) + k(x*, X) alpha,     variance(x*) = k(x*, x*) - k(x*, X) A^-1 k(X, x*) + s2 + s*^2
 *
 * The mean goes through tiles and stores nothing; the variance takes points in blocks of BLOCK, one solve
 * with as many columns each. A variance below the noise (rounding, or an unfinished solve) is set to the
 * noise. Source: Rasmussen and Williams 2006, eq. 2.25 and 2.26.
 */
#include "gp/covariance.h"

#include <cblas.h>
#include <string.h>

enum { BLOCK = 256 };

kr_status kr_posterior_init(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                            const double *theta, struct kr_posterior *out, struct kr_solve_report *report)
{
    const size_t n = part->n;
    double *alpha, *rhs;
    KR_ALLOC(ctx, alpha, n);
    struct kr_mark mark = kr_mark(ctx);
    struct covariance A;
    KR_ALLOC(ctx, rhs, n);
    KR_TRY(kr_covariance_open(ctx, gp->kernel, theta, gp->noise_index, &part->x, part->noise,
                              &gp->spec->solver, &A));
    kr_centre(gp->mean, theta + gp->mean_first, part, rhs);
    KR_TRY(kr_solver_solve(ctx, &A.solver, 1, rhs, NULL, alpha, NULL, report));
    kr_release(ctx, mark);
    *out = (struct kr_posterior){gp->kernel, gp->mean,    gp->mean_first, gp->noise_index,  theta,
                                 part->x,    part->noise, alpha,          &gp->spec->solver};
    return KR_OK;
}

static struct kr_points run_of(const struct kr_points *x, size_t first, size_t n)
{
    return (struct kr_points){n, x->d, x->ld, x->x + first};
}

/* Variances of one block, the noise not yet in it. */
static kr_status block_variance(struct kr_ctx *ctx, const struct kr_posterior *p, const struct covariance *A,
                                const struct kr_points *x, double *variance, struct kr_solve_report *report)
{
    const size_t n = p->x.n, k = x->n;
    double *cross, *S, *scratch;
    struct kr_op op;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, cross, n * k);
    KR_ALLOC(ctx, S, n * k);
    KR_ALLOC(ctx, scratch, kr_kernel_scratch(p->kernel));
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, &p->x, x, &op));
    KR_TRY(kr_op_fill(ctx, &op, cross));
    KR_TRY(kr_solver_solve(ctx, &A->solver, k, cross, NULL, S, NULL, report));
    kr_kernel_diagonal(p->kernel, p->theta, x, scratch, variance);
    for (size_t j = 0; j < k; j++) {
        variance[j] -= cblas_ddot((int)n, cross + j * n, 1, S + j * n, 1);
        variance[j] = variance[j] > 0 ? variance[j] : 0;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status predict_variance(struct kr_ctx *ctx, const struct kr_posterior *p, const struct kr_points *x,
                                  const double *noise, bool observe, double *variance,
                                  struct kr_solve_report *report)
{
    struct covariance A;
    KR_TRY(kr_covariance_open(ctx, p->kernel, p->theta, p->noise_index, &p->x, p->noise, p->solver, &A));
    for (size_t j = 0; j < x->n; j += BLOCK) {
        struct kr_points run = run_of(x, j, x->n - j < BLOCK ? x->n - j : BLOCK);
        KR_TRY(block_variance(ctx, p, &A, &run, variance + j, report));
    }
    for (size_t j = 0; observe && j < x->n; j++)
        variance[j] += p->theta[p->noise_index] + (noise ? noise[j] : 0);
    return KR_OK;
}

kr_status kr_posterior_predict(struct kr_ctx *ctx, const struct kr_posterior *p, const struct kr_points *x,
                               const double *noise, bool observe, double *mean, double *variance,
                               struct kr_solve_report *report)
{
    struct kr_op cross;
    struct kr_mark mark = kr_mark(ctx);
    double *offset;
    KR_ALLOC(ctx, offset, x->n);
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, x, &p->x, &cross));
    KR_TRY(kr_op_apply(ctx, &cross, 1, p->alpha, mean));
    p->mean->eval(p->theta + p->mean_first, x, offset);
    for (size_t j = 0; j < x->n; j++)
        mean[j] += offset[j];
    if (variance)
        KR_TRY(predict_variance(ctx, p, x, noise, observe, variance, report));
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_gp_score(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *fitted,
                      const struct kr_part *scored, const double *theta, struct kr_metrics *out)
{
    struct kr_mark mark = kr_mark(ctx);
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double *mean, *variance;
    KR_ALLOC(ctx, mean, scored->n);
    KR_ALLOC(ctx, variance, scored->n);
    KR_TRY(kr_posterior_init(ctx, gp, fitted, theta, &posterior, &report));
    KR_TRY(kr_posterior_predict(ctx, &posterior, &scored->x, scored->noise, true, mean, variance, &report));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &report));
    kr_metrics_eval(gp, scored, fitted, mean, variance, out);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_gp_validate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                         struct kr_metrics *out)
{
    struct kr_gp whole = *gp;
    struct kr_evaluation evaluation;
    whole.draw = KR_WHOLE;
    KR_TRY(kr_objective_eval(ctx, &whole, theta, true, &evaluation, NULL));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &evaluation.solver));
    *out = evaluation.metrics;
    return KR_OK;
}
