/*
 * Held-out rows: predictions at X* from the training rows X, and the adjoints of functionals of them.
 *
 *     A = K(X, X) + s2 I + diag(s_i^2)    alpha = A^-1 (y - m(X))    mu = m(X*) + K* alpha    K* = K(X*, X)
 *     v_j = k(x*_j, x*_j) - k*_j A^-1 k*_j' + s2 + s*_j^2            S = A^-1 K*'
 *
 * With mean_bar and variance_bar of a head and u = S mean_bar, the weights are
 *
 *     on K(X, X):            -u alpha' + S diag(variance_bar) S'      by one call of kr_solve_pull
 *     on K(X*, X):           mean_bar alpha' - 2 diag(variance_bar) S'
 *     on k(x*, x*):          variance_bar
 *     on s2:                 the trace of the first + sum(variance_bar)
 *     on the mean's:         mean_bar' dm(X*) - u' dm(X)
 *     on y, y*, s*_j^2:      u, -mean_bar (the loss sees y* - mu), variance_bar
 *
 * Of several targets alpha, mu, mean_bar and u have a column each, and u alpha' is the sum over them; S and
 * variance_bar are those of all.
 *
 * Heads share A and S; where S is not at hand, u = A^-1 K*' mean_bar is one column a head of a block solve,
 * and a head of the mean alone has weights of rank one. Cost beyond the solves: one pull over the tiles of
 * K(X, X) and one over K(X*, X) a head.
 *
 * With residuals r = y - m - A alpha and R = K*' - A S, the exact loss differs from the computed one by
 *
 *     u'r - sum_j variance_bar_j s_j'R_j   +  r_u' A^-1 r - sum_j variance_bar_j R_j' A^-1 R_j,
 *
 * r_u = K*' mean_bar - A u, to first order in the errors of mu and v. The first part is value_error; A >= s2
 * I bounds the rest: value_bound = |r_u||r|/s2 + sum_j |variance_bar_j||R_j|^2/s2.
 *
 * Source: the implicit function theorem, Roy, Kraemer and Hauberg (arXiv 2510.19634), section 3.
 */
#include "gp/carried.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* v, from the block solve. */
static size_t predict_variance(struct work *w)
{
    size_t count = 0;
    kr_kernel_diagonal(w->gp->kernel, w->theta, &w->gp->validation.x, w->scratch, w->variance);
    for (size_t j = 0; j < w->m; j++) {
        const size_t column = (w->targets + j) * w->n;
        double explained = cblas_ddot((int)w->n, w->B + column, 1, w->solution + column, 1);
        w->clamped[j] = w->variance[j] < explained;
        w->variance[j] = kr_objective_noise(w, j) + (w->clamped[j] ? 0 : w->variance[j] - explained);
        count += w->clamped[j];
    }
    return count;
}

/* A, K* and y - m. */
static kr_status open_rows(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    KR_TRY(kr_carried_covariance(ctx, w));
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->validation.x, &gp->train.x, &w->cross));
    kr_centre(gp, w->theta, &gp->train, w->B);
    return KR_OK;
}

static kr_status predict_means(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    KR_TRY(kr_op_apply(ctx, &w->cross, w->targets, w->solution, w->mean));
    kr_means_eval(kr_means(gp), w->theta, &gp->validation.x, w->mean_bar);
    for (size_t j = 0; j < w->m * w->targets; j++)
        w->mean[j] += w->mean_bar[j];
    return KR_OK;
}

kr_status kr_objective_predict_means(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    KR_TRY(open_rows(ctx, w));
    w->columns = w->targets;
    KR_TRY(kr_objective_solve(ctx, w, out));
    return predict_means(ctx, w);
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    KR_TRY(open_rows(ctx, w));
    if (w->columns > w->targets) {
        struct kr_op transposed;
        KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, &gp->validation.x, &transposed));
        KR_TRY(kr_op_fill(ctx, &transposed, w->B + w->targets * w->n));
    }
    KR_TRY(kr_objective_solve(ctx, w, out));
    KR_TRY(predict_means(ctx, w));
    out->clamped = w->columns > w->targets ? predict_variance(w) : 0;
    return KR_OK;
}

/* y = M x, M (rows x cols) column-major. */
static void times(size_t rows, size_t cols, const double *M, const double *x, double *y)
{
    cblas_dgemv(CblasColMajor, CblasNoTrans, (int)rows, (int)cols, 1, M, (int)rows, x, 1, 0, y, 1);
}

/* Is S at hand for the gradient? Where only metrics wanted the variance, the gradient is what it is without.
 */
static bool sees_variance(const struct work *w)
{
    bool seen = false;
    for (size_t h = 0; h < w->nheads; h++)
        seen |= w->heads[h].needs_variance;
    return seen;
}

/* U (n x targets x heads) and the norm of r_u of the first head. */
static kr_status solve_for_u(struct kr_ctx *ctx, struct work *w, double *U, double *norm,
                             struct kr_solve_report *report)
{
    const size_t n = w->n, q = w->targets, k = w->nheads * q;
    const double *S = w->solution + q * n, *R = w->residual + q * n;
    double *rhs, *rest;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, rest, n * k);
    if (sees_variance(w)) {
        for (size_t c = 0; c < k; c++) /* mean_bar of one head after the other */
            times(n, w->m, S, w->mean_bar + c * w->m, U + c * n);
        for (size_t c = 0; c < q; c++)
            times(n, w->m, R, w->mean_bar + c * w->m, rest + c * n);
    } else {
        KR_ALLOC(ctx, rhs, n * k);
        KR_TRY(kr_op_apply_t(ctx, &w->cross, k, w->mean_bar, rhs));
        KR_TRY(kr_carried_solve(ctx, w, CARRIED_ADJOINT, k, rhs, U, rest, report));
    }
    *norm = cblas_dnrm2((int)(n * q), rest, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

static void estimate_error(const struct work *w, const double *u, double norm_u, struct kr_evaluation *out)
{
    const struct head *loss = &w->heads[0];
    const size_t n = w->n, q = w->targets;
    double left_out = norm_u * cblas_dnrm2((int)(n * q), w->residual, 1), noise = kr_objective_least_noise(w);
    out->value_error = cblas_ddot((int)(n * q), u, 1, w->residual, 1);
    for (size_t j = 0; loss->needs_variance && j < w->m; j++) {
        const double *s = w->solution + (q + j) * n, *R = w->residual + (q + j) * n;
        out->value_error -= loss->variance_bar[j] * cblas_ddot((int)n, s, 1, R, 1);
        left_out += fabs(loss->variance_bar[j]) * cblas_ddot((int)n, R, 1, R, 1);
    }
    out->value_bound = noise > 0 ? left_out / noise : NAN;
}

/* The noise of the held-out rows; a clamped variance depends on nothing else. */
static void pull_noise(struct work *w, struct head *head)
{
    kr_objective_unclamp(w, head);
    for (size_t j = 0; head->needs_variance && j < w->m; j++) {
        head->grad[w->gp->noise_index] += head->variance_bar[j];
        if (kr_objective_sees_data(w, head))
            w->data->held_noise[j] += head->variance_bar[j];
    }
}

/*
 * The head sees the variance. B is overwritten by the weights on K(X*, X), whose rows are its columns, and
 * the residuals by B_bar = [u, -S diag(variance_bar)].
 */
static kr_status pull_variance(struct kr_ctx *ctx, struct work *w, const struct head *head, const double *u,
                               struct kr_solve_report *report)
{
    const size_t n = w->n, q = w->targets;
    const double *alpha = w->solution;
    for (size_t j = 0; j < w->m; j++) {
        const double v_bar = head->variance_bar[j], *s = alpha + (q + j) * n;
        double *weights = w->B + (q + j) * n, *B_bar = w->residual + (q + j) * n;
        for (size_t i = 0; i < n; i++) {
            weights[i] = head->mean_bar[j] * alpha[i] - 2 * v_bar * s[i];
            B_bar[i] = -v_bar * s[i];
        }
        for (size_t t = 1; t < q; t++)
            cblas_daxpy((int)n, head->mean_bar[t * w->m + j], alpha + t * n, 1, weights, 1);
    }
    memcpy(w->residual, u, n * q * sizeof *u);
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->columns, alpha, NULL, NULL, w->residual, head->grad, report));
    KR_TRY(kr_op_kernel_pull_weights(ctx, &w->cross, w->B + q * n, head->grad));
    kr_kernel_diagonal_pull(w->gp->kernel, w->theta, &w->gp->validation.x, head->variance_bar, w->scratch,
                            head->grad);
    return KR_OK;
}

/* Adjoints of the inputs: the same weights as for theta, by the points. */
static kr_status pull_inputs(struct kr_ctx *ctx, struct work *w, const struct head *head, const double *u)
{
    const struct kr_gp *gp = w->gp;
    struct data_bar *data = w->data;
    if (head->needs_variance) {
        if (data->x)
            KR_TRY(kr_op_kernel_pull_inputs(ctx, &w->A.gram, w->columns, w->residual, w->solution, -1,
                                            data->x, NULL));
        KR_TRY(kr_op_kernel_pull_inputs_weights(ctx, &w->cross, w->B + w->targets * w->n, data->held_x,
                                                data->x));
        if (data->held_x)
            kr_kernel_diagonal_pull_x(gp->kernel, w->theta, &gp->validation.x, head->variance_bar, w->scratch,
                                      data->held_x);
    } else {
        if (data->x)
            KR_TRY(kr_op_kernel_pull_inputs(ctx, &w->A.gram, w->targets, u, w->solution, -1, data->x, NULL));
        KR_TRY(kr_op_kernel_pull_inputs(ctx, &w->cross, w->targets, head->mean_bar, w->solution, 1,
                                        data->held_x, data->x));
    }
    if (data->held_x)
        kr_means_pull_x(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, data->held_x, w->m);
    return KR_OK;
}

/* Of inputs, targets and known variances; before u is turned. The loss sees y* - mu alone. */
static kr_status pull_data(struct kr_ctx *ctx, struct work *w, const struct head *head, const double *u)
{
    struct data_bar *data = w->data;
    KR_TRY(pull_inputs(ctx, w, head, u));
    cblas_daxpy((int)(w->n * w->targets), 1, u, 1, data->y, 1);
    cblas_daxpy((int)(w->m * w->targets), -1, head->mean_bar, 1, data->held_y, 1);
    if (head->needs_variance)
        kr_objective_pull_diagonal(w, w->columns, w->residual, w->solution, -1);
    else
        kr_objective_pull_diagonal(w, w->targets, u, w->solution, -1);
    return KR_OK;
}

/* u is turned to -u. */
static kr_status pull_head(struct kr_ctx *ctx, struct work *w, const struct head *head, double *u,
                           struct kr_solve_report *report)
{
    const struct kr_gp *gp = w->gp;
    if (head->needs_variance) {
        KR_TRY(pull_variance(ctx, w, head, u, report));
    } else {
        KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->targets, w->solution, NULL, NULL, u, head->grad, report));
        KR_TRY(kr_op_pull(ctx, &w->cross, w->targets, head->mean_bar, w->solution, 1, head->grad));
    }
    if (kr_objective_sees_data(w, head))
        KR_TRY(pull_data(ctx, w, head, u));
    cblas_dscal((int)(w->n * w->targets), -1, u, 1);
    kr_means_pull(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, head->grad);
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, u, head->grad);
    if (kr_objective_sees_data(w, head) && w->data->x)
        kr_means_pull_x(kr_means(gp), w->theta, &gp->train.x, u, w->data->x, w->n);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    double *U, norm_u = 0;
    KR_ALLOC(ctx, U, w->n * w->targets * w->nheads);
    KR_TRY(solve_for_u(ctx, w, U, &norm_u, &out->solver));
    for (size_t h = 0; h < w->nheads; h++)
        pull_noise(w, &w->heads[h]);
    if (w->loss_is_head)
        estimate_error(w, U, norm_u, out);
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, &w->heads[h], U + h * w->n * w->targets, &out->solver));
    return KR_OK;
}

const struct form kr_form_hold_out = {.predict = predict, .pull = pull, .evidence = kr_evidence};
