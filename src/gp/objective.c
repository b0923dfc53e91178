/*
 * The held-out loss and its gradient by every hyperparameter, by any solver, through one code.
 *
 *     A = K(X, X) + s2 I + diag(s_i^2)    alpha = A^-1 (y - m(X))    mu = m(X*) + K* alpha    K* = K(X*, X)
 *     v_j = k(x*_j, x*_j) - k*_j A^-1 k*_j' + s2 + s*_j^2
 *
 * With mean_bar, variance_bar from the loss, S = A^-1 K*' and u = S mean_bar:
 *
 *     weights on K(X, X):  -u alpha' + S diag(variance_bar) S'        on K(X*, X): mean_bar alpha' - 2
 * diag(variance_bar) S' on k(x*, x*): variance_bar      on s2: the trace of the first + sum(variance_bar) on
 * the mean's parameters: mean_bar' dm(X*) - u' dm(X)
 *
 * A loss of the mean alone needs u = A^-1 K*' mean_bar instead of S. A variance that falls below its noise is
 * set to it and then depends on the noise alone. With residuals r of alpha and R of S the loss is wrong by
 * u'r - sum_j variance_bar_j s_j' R_j to first order: value_error. n training rows, m held-out rows; the
 * block needs 3 n (m + 1) doubles. The two parts of the derivative through A are one call of kr_solve_pull.
 * Source: the implicit function theorem, Roy, Kraemer and Hauberg (arXiv 2510.19634), section 3.
 */
#include "gp/covariance.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

struct work {
    const struct kr_gp *gp;
    const double *theta;
    size_t n, m, columns; /* columns of the block: 1 or 1 + m */
    struct covariance A;
    struct kr_op cross;                                /* K(X*, X) */
    double *B, *solution, *residual;                   /* n x columns: [y - m, K*'], [alpha, S], [r, R] */
    double *mean, *variance, *mean_bar, *variance_bar; /* m */
    bool *clamped;                                     /* m */
    double *scratch;                                   /* of the kernel */
};

static kr_status allocate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                          struct work *w)
{
    *w = (struct work){.gp = gp, .theta = theta, .n = gp->train.n, .m = gp->validation.n};
    w->columns = variance ? 1 + w->m : 1;
    KR_ALLOC(ctx, w->B, w->n * w->columns);
    KR_ALLOC(ctx, w->solution, w->n * w->columns);
    KR_ALLOC(ctx, w->residual, w->n * w->columns);
    KR_ALLOC(ctx, w->mean, w->m);
    KR_ALLOC(ctx, w->variance, w->m);
    KR_ALLOC(ctx, w->mean_bar, w->m);
    KR_ALLOC(ctx, w->variance_bar, w->m);
    KR_ALLOC(ctx, w->clamped, w->m);
    KR_ALLOC(ctx, w->scratch, kr_kernel_scratch(gp->kernel));
    return KR_OK;
}

static double noise_of(const struct work *w, size_t j)
{
    return w->theta[w->gp->noise_index] + (w->gp->validation.noise ? w->gp->validation.noise[j] : 0);
}

/* v, from the block solve. */
static size_t predict_variance(struct work *w)
{
    size_t count = 0;
    kr_kernel_diagonal(w->gp->kernel, w->theta, &w->gp->validation.x, w->scratch, w->variance);
    for (size_t j = 0; j < w->m; j++) {
        const size_t column = (1 + j) * w->n;
        double explained = cblas_ddot((int)w->n, w->B + column, 1, w->solution + column, 1);
        w->clamped[j] = w->variance[j] < explained;
        w->variance[j] = noise_of(w, j) + (w->clamped[j] ? 0 : w->variance[j] - explained);
        count += w->clamped[j];
    }
    return count;
}

/* Solves, then the predictions at the validation rows. */
static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const double *mean_theta = w->theta + gp->mean_first;
    KR_TRY(kr_covariance_open(ctx, gp->kernel, w->theta, gp->noise_index, &gp->train.x, gp->train.noise,
                              &gp->spec->solver, &w->A));
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->validation.x, &gp->train.x, &w->cross));
    kr_centre(gp->mean, mean_theta, &gp->train, w->B);
    if (w->columns > 1) {
        struct kr_op transposed;
        KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, &gp->validation.x, &transposed));
        KR_TRY(kr_op_fill(ctx, &transposed, w->B + w->n));
    }
    KR_TRY(
        kr_solver_solve(ctx, &w->A.solver, w->columns, w->B, NULL, w->solution, w->residual, &out->solver));
    if (out->solver.stop == KR_STOP_BREAKDOWN)
        return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                       "%s broke down: the covariance matrix of %zu rows is not positive definite to double "
                       "precision. Repeated "
                       "or nearly repeated inputs with too little noise do this: raise noise.variance",
                       out->solver.type, w->n);
    KR_TRY(kr_op_apply(ctx, &w->cross, 1, w->solution, w->mean));
    gp->mean->eval(mean_theta, &gp->validation.x, w->mean_bar);
    for (size_t j = 0; j < w->m; j++)
        w->mean[j] += w->mean_bar[j];
    out->clamped = w->columns > 1 ? predict_variance(w) : 0;
    return KR_OK;
}

/* Adds the derivative through the noise and the mean function, which no kernel weight carries. */
static void pull_rest(struct work *w, const double *u, double *grad)
{
    const struct kr_gp *gp = w->gp;
    const double *mean_theta = w->theta + gp->mean_first;
    double *minus_u = w->residual + (w->columns - 1) * w->n; /* free by now */
    gp->mean->pull(mean_theta, &gp->validation.x, w->mean_bar, grad + gp->mean_first);
    for (size_t i = 0; i < w->n; i++)
        minus_u[i] = -u[i];
    gp->mean->pull(mean_theta, &gp->train.x, minus_u, grad + gp->mean_first);
}

/* The loss sees the mean only: one more solve, and weights of rank one. */
static kr_status pull_mean(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out, double *grad)
{
    double *u, *rhs;
    KR_ALLOC(ctx, u, w->n);
    KR_ALLOC(ctx, rhs, w->n);
    KR_TRY(kr_op_apply_t(ctx, &w->cross, 1, w->mean_bar, rhs));
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, 1, w->solution, rhs, u, grad, &out->solver));
    KR_TRY(kr_op_pull(ctx, &w->cross, 1, w->mean_bar, w->solution, 1, grad));
    out->value_error = cblas_ddot((int)w->n, u, 1, w->residual, 1);
    pull_rest(w, u, grad);
    return KR_OK;
}

/*
 * The loss sees the variance: S is at hand, so u costs no solve. B is overwritten by the weights on K(X*, X),
 * whose rows are S's columns, and the residuals by B_bar = [u, -S diag(variance_bar)].
 */
static kr_status pull_variance(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out, double *grad)
{
    const size_t n = w->n;
    const double *alpha = w->solution, *S = w->solution + n;
    double *u;
    KR_ALLOC(ctx, u, n);
    cblas_dgemv(CblasColMajor, CblasNoTrans, (int)n, (int)w->m, 1, S, (int)n, w->mean_bar, 1, 0, u, 1);
    out->value_error = cblas_ddot((int)n, u, 1, w->residual, 1);
    for (size_t j = 0; j < w->m; j++) {
        grad[w->gp->noise_index] += w->variance_bar[j];
        if (w->clamped[j])
            w->variance_bar[j] = 0;
        const double v_bar = w->variance_bar[j], *s = S + j * n;
        double *weights = w->B + (1 + j) * n, *B_bar = w->residual + (1 + j) * n;
        out->value_error -= v_bar * cblas_ddot((int)n, s, 1, B_bar, 1);
        for (size_t i = 0; i < n; i++) {
            weights[i] = w->mean_bar[j] * alpha[i] - 2 * v_bar * s[i];
            B_bar[i] = -v_bar * s[i];
        }
    }
    memcpy(w->residual, u, n * sizeof *u);
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->columns, w->solution, NULL, w->residual, grad, &out->solver));
    KR_TRY(kr_op_kernel_pull_weights(ctx, &w->cross, w->B + n, grad));
    kr_kernel_diagonal_pull(w->gp->kernel, w->theta, &w->gp->validation.x, w->variance_bar, w->scratch, grad);
    pull_rest(w, u, grad);
    return KR_OK;
}

static kr_status check_finite(struct kr_ctx *ctx, const struct kr_gp *gp, double loss, const double *grad)
{
    if (!isfinite(loss))
        return kr_fail(ctx, KR_NON_FINITE, "", "the loss is %g at these hyperparameters", loss);
    for (size_t p = 0; grad && p < gp->parameters.count; p++)
        if (!isfinite(grad[p]))
            return kr_fail(ctx, KR_NON_FINITE, "", "the derivative of the loss by %.100s is %g",
                           gp->parameters.items[p].name, grad[p]);
    return KR_OK;
}

static kr_status evaluate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                          struct kr_evaluation *out, double *grad)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    const struct kr_part *held_out = &gp->validation;
    struct work w;
    *out = (struct kr_evaluation){.value_error = NAN};
    if (grad)
        memset(grad, 0, gp->parameters.count * sizeof *grad);
    KR_TRY(allocate(ctx, gp, theta, variance || loss->needs_variance, &w));
    KR_TRY(predict(ctx, &w, out));
    loss->eval(gp->spec->objective.loss.options, w.m, held_out->y, w.mean, w.variance, &out->loss, w.mean_bar,
               w.variance_bar);
    kr_metrics_eval(gp, held_out, &gp->train, w.mean, w.columns > 1 ? w.variance : NULL, &out->metrics);
    if (grad)
        KR_TRY(loss->needs_variance ? pull_variance(ctx, &w, out, grad) : pull_mean(ctx, &w, out, grad));
    return check_finite(ctx, gp, out->loss, grad);
}

kr_status kr_objective_eval(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                            struct kr_evaluation *out, double *grad)
{
    const double seconds = gp->spec->solver.seconds, deadline = ctx->deadline;
    const struct kr_mark mark = kr_mark(ctx);
    if (seconds > 0 && (deadline == 0 || kr_seconds() + seconds < deadline))
        ctx->deadline = kr_seconds() + seconds;
    const kr_status status = evaluate(ctx, gp, theta, variance, out, grad);
    ctx->deadline = deadline;
    kr_release(ctx, mark);
    return status;
}
