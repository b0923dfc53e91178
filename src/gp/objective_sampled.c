/*
 * Held-out rows, so many that a solution for each is too dear: means of all of them are exact, variances of a
 * few, and variance_sample.c makes of these and of the nearest rows an estimate of the loss with its standard
 * error, and its gradient. With A, K*, alpha as in objective_hold_out.c, X_B the points drawn, S_B = A^-1
 * K_B*':
 *
 *     v_j = k(x*_j, x*_j) + noise_j - s_j'k_j - s_j'r_j,   r_j = k_j - A s_j:  exact + r_j'A^-1 r_j
 * (sampled.c)
 *
 *     u = A^-1 K*' mean_bar. Weights: K(X, X): -u alpha' + S_B diag(v_bar) S_B';  K(X*, X): mean_bar alpha';
 *     K(X_B, X): -2 diag(v_bar) S_B';  k(x_B, x_B), s2: v_bar;  those of the neighbours: neighbours.c
 *
 * Cost with b points and k neighbours: two solves with one column and one with b, the pull of 1 + b pairs
 * over K(X, X), O(m k^3); memory 3 n (1 + b) + 1.5 m k doubles, where the whole block would take 3 n m.
 */
#include "gp/carried.h"
#include "gp/mean.h"
#include "gp/variance_sample.h"

#include <cblas.h>
#include <string.h>

static double judge(const struct work *w, size_t i, const double *s, const double *r)
{
    const struct sampled *sampled = w->sampled;
    const int n = (int)w->n;
    return sampled->prior[i] + kr_objective_noise(w, sampled->sample->points[i]) -
           cblas_ddot(n, s, 1, w->B + (1 + i) * w->n, 1) - cblas_ddot(n, s, 1, r, 1);
}

/* X_B, its covariances, and the right-hand sides K(X, X_B). */
static kr_status open_points(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    struct kr_part part;
    struct kr_op transposed;
    KR_TRY(kr_part_gather(ctx, &gp->validation, s->sample->count, s->sample->points, &part));
    s->x = part.x;
    s->judge = judge;
    KR_ALLOC(ctx, s->prior, s->sample->count);
    kr_kernel_diagonal(gp->kernel, w->theta, &s->x, w->scratch, s->prior);
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &s->x, &gp->train.x, &s->cross));
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, &s->x, &transposed));
    return kr_op_fill(ctx, &transposed, w->B + w->n);
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    KR_TRY(kr_objective_predict_means(ctx, w, out));
    KR_TRY(kr_sampled_open(ctx, w));
    KR_TRY(open_points(ctx, w));
    return kr_sampled_solve(ctx, w, out);
}

static void correct(struct work *w, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    const size_t count = s->sample->count;
    kr_sampled_correct(w, out);
    for (size_t i = 0; i < count; i++) {
        const size_t j = s->sample->points[i];
        for (size_t h = 0; h < w->nheads; h++)
            w->heads[h].mean_bar[j] += s->exact_mean_bar[h * count + i];
        w->variance[j] = s->exact[i]; /* for the metrics */
    }
}

/* u of every head, and for the error of the first. */
static kr_status solve_for_u(struct kr_ctx *ctx, struct work *w, double *U, struct kr_evaluation *out)
{
    double *rhs;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, rhs, w->n * w->nheads);
    KR_TRY(kr_op_apply_t(ctx, &w->cross, w->nheads, w->mean_bar, rhs));
    KR_TRY(kr_carried_solve(ctx, w, CARRIED_ADJOINT, w->nheads, rhs, U, NULL, &out->solver));
    out->value_error = cblas_ddot((int)w->n, U, 1, w->residual, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

/* Of the exact variances, and of all means by way of u. B is overwritten by the weights on K(X_B, X), the
 * residuals by [u, -S_B diag(v_bar)]. */
static kr_status pull_exact(struct kr_ctx *ctx, struct work *w, const struct head *head, double *v_bar,
                            const double *u, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    const size_t n = w->n;
    memcpy(w->residual, u, n * sizeof *u);
    for (size_t i = 0; i < s->sample->count; i++) {
        const double *solution = w->solution + (1 + i) * n;
        double *weights = w->B + (1 + i) * n, *B_bar = w->residual + (1 + i) * n;
        head->grad[w->gp->noise_index] += v_bar[i];
        if (s->clamped[i])
            v_bar[i] = 0;
        for (size_t r = 0; r < n; r++) {
            weights[r] = -2 * v_bar[i] * solution[r];
            B_bar[r] = -v_bar[i] * solution[r];
        }
    }
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->columns, w->solution, NULL, NULL, w->residual, head->grad,
                         &out->solver));
    KR_TRY(kr_op_kernel_pull_weights(ctx, &s->cross, w->B + n, head->grad));
    kr_kernel_diagonal_pull(w->gp->kernel, w->theta, &s->x, v_bar, w->scratch, head->grad);
    return KR_OK;
}

static kr_status pull_head(struct kr_ctx *ctx, struct work *w, size_t h, double *u, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const struct sampled *s = w->sampled;
    const struct head *head = &w->heads[h];
    if (head->needs_variance) {
        KR_TRY(kr_sampled_pull_surrogate(ctx, w, head, head->variance_bar));
        KR_TRY(pull_exact(ctx, w, head, s->exact_bar + h * s->sample->count, u, out));
    } else {
        KR_TRY(kr_solve_pull(ctx, &w->A.solver, 1, w->solution, NULL, NULL, u, head->grad, &out->solver));
    }
    KR_TRY(kr_op_pull(ctx, &w->cross, 1, head->mean_bar, w->solution, 1, head->grad));
    cblas_dscal((int)w->n, -1, u, 1);
    kr_means_pull(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, head->grad);
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, u, head->grad);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    double *U;
    KR_ALLOC(ctx, U, w->n * w->nheads);
    KR_TRY(solve_for_u(ctx, w, U, out));
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, h, U + h * w->n, out));
    return KR_OK;
}

const struct form kr_form_sampled_rows = {.predict = predict, .correct = correct, .pull = pull};
