/*
 * Prediction, of each target, from alpha = A^-1 (y - m), A = K(X, X) + s2 I + diag(s_i^2):
 *
 *     mean(x*) = m(x*) + k(x*, X) alpha,     d mean/dx*_k = dm/dx*_k + sum_i alpha_i dk(x*, x_i)/dx*_k
 *
 * Both go through tiles and store nothing: O(n d) a point; of an approximation see posterior_weights.c.
 * Variances are in posterior_covariance.c. Source: Rasmussen and Williams 2006, eq. 2.25.
 */
#include "gp/objective.h"
#include "gp/weight_space.h"

#include <string.h>

kr_status kr_posterior_init(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                            const double *theta, struct kr_posterior *out, struct kr_solve_report *report)
{
    const size_t n = part->n;
    double *alpha, *rhs;
    if (gp->space)
        return kr_weight_posterior_init(ctx, gp, part, theta, out, report);
    KR_ALLOC(ctx, alpha, n * gp->targets);
    struct kr_mark mark = kr_mark(ctx);
    struct covariance A;
    KR_ALLOC(ctx, rhs, n * gp->targets);
    KR_TRY(kr_covariance_open(ctx, gp->kernel, theta, gp->noise_index, &part->x, part->noise,
                              &gp->spec->solver, &A));
    kr_centre(gp, theta, part, rhs);
    KR_TRY(kr_solver_solve(ctx, &A.solver, gp->targets, rhs, NULL, alpha, NULL, report));
    kr_release(ctx, mark);
    *out = (struct kr_posterior){.kernel = gp->kernel,
                                 .mean = gp->mean,
                                 .mean_first = gp->mean_first,
                                 .noise_index = gp->noise_index,
                                 .targets = gp->targets,
                                 .mean_count = gp->mean_count,
                                 .theta = theta,
                                 .x = part->x,
                                 .noise = part->noise,
                                 .alpha = alpha,
                                 .solver = &gp->spec->solver};
    return KR_OK;
}

kr_status kr_posterior_predict(struct kr_ctx *ctx, const struct kr_posterior *p, const struct kr_points *x,
                               const double *noise, bool observe, double *mean, double *variance,
                               struct kr_solve_report *report)
{
    struct kr_op cross;
    struct kr_mark mark = kr_mark(ctx);
    double *offset;
    KR_ALLOC(ctx, offset, x->n * p->targets);
    if (p->space) {
        KR_TRY(kr_weight_posterior_mean(ctx, p, x, mean));
    } else {
        KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, x, &p->x, &cross));
        KR_TRY(kr_op_apply(ctx, &cross, p->targets, p->alpha, mean));
    }
    kr_means_eval((struct means){p->mean, p->mean_first, p->mean_count, p->targets}, p->theta, x, offset);
    for (size_t j = 0; j < x->n * p->targets; j++)
        mean[j] += offset[j];
    if (variance)
        KR_TRY(kr_posterior_covariance(ctx, p, x, noise, observe, variance, NULL, NULL, report));
    kr_release(ctx, mark);
    return KR_OK;
}

struct kr_posterior kr_posterior_target(const struct kr_posterior *posterior, size_t t)
{
    struct kr_posterior one = *posterior;
    one.targets = 1;
    one.mean_first += t * posterior->mean_count;
    one.alpha += t * (posterior->space ? posterior->space->map.p : posterior->x.n);
    return one;
}

kr_status kr_posterior_gradient(struct kr_ctx *ctx, const struct kr_posterior *p, const struct kr_points *x,
                                double *gradient)
{
    struct kr_op cross;
    struct kr_mark mark = kr_mark(ctx);
    double *ones;
    KR_ALLOC(ctx, ones, x->n);
    for (size_t i = 0; i < x->n; i++)
        ones[i] = 1;
    memset(gradient, 0, x->n * x->d * sizeof *gradient);
    if (p->space) {
        KR_TRY(kr_weight_posterior_gradient(ctx, p, x, ones, gradient));
    } else {
        KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, x, &p->x, &cross));
        KR_TRY(kr_op_kernel_pull_x(ctx, &cross, 1, ones, p->alpha, 1, gradient));
    }
    if (p->mean->pull_x)
        p->mean->pull_x(p->theta + p->mean_first, x, ones, gradient, x->n);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_gp_score(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *fitted,
                      const struct kr_part *scored, const double *theta, struct kr_metrics *out)
{
    struct kr_target_metrics *each = NULL;
    if (gp->targets > 1)
        KR_ALLOC(ctx, each, gp->targets);
    struct kr_mark mark = kr_mark(ctx);
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double *mean, *variance;
    struct kr_gp view = *gp;
    view.form = KR_HOLD_OUT;
    view.train = *fitted;
    view.validation = *scored;
    view.draw = KR_WHOLE;
    if (kr_gp_samples_scores(&view, ctx->budget))
        return kr_gp_score_sampled(ctx, &view, theta, out);
    KR_ALLOC(ctx, mean, scored->n * gp->targets);
    KR_ALLOC(ctx, variance, scored->n);
    KR_TRY(kr_posterior_init(ctx, gp, fitted, theta, &posterior, &report));
    KR_TRY(kr_posterior_predict(ctx, &posterior, &scored->x, scored->noise, true, mean, variance, &report));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &report));
    kr_metrics_each(gp, scored, fitted, mean, variance, each, out);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_gp_validate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                         struct kr_metrics *out)
{
    struct kr_gp whole = *gp;
    struct kr_evaluation evaluation;
    whole.draw = KR_WHOLE;
    if (kr_gp_samples_scores(&whole, ctx->budget))
        return kr_gp_score_sampled(ctx, &whole, theta, out);
    KR_TRY(kr_objective_eval(ctx, &whole, theta, true, &evaluation, NULL));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &evaluation.solver));
    *out = evaluation.metrics;
    return KR_OK;
}
