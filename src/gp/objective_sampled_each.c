/*
 * Leave-one-out with sampled variances. With alpha = A^-1 (y - m), b_i = A^-1 e_i, c_i = e_i'b_i:
 *
 *     v_i = 1/c_i,   mean_i = y_i - alpha_i v_i
 *
 * alpha is exact for all, v_i at the points drawn; a surrogate (variance_sample.c) takes the place of v_i in
 * both elsewhere: its neighbours are all rows but the point itself. The residual r of b leaves c >= e'b + b'r
 * and below that + gap, so v <= 1/(e'b + b'r), lower by gap v^2 at most, to first order. Adjoints, with v_bar
 * the total one of v,
 *
 *     v_bar = variance_bar - alpha mean_bar,    alpha_bar = -v mean_bar,    u = A^-1 alpha_bar
 *     on A: -u alpha' + sum_B v_bar_i v_i^2 b_i b_i',    the mean's: -u' dm,    the surrogate's: neighbours.c
 *
 * Cost: as objective_sampled.c, without K(X*, X). Sources: Rasmussen and Williams 2006, section 5.4.2; see
 * variance_sample.c.
 */
#include "gp/carried.h"
#include "gp/mean.h"
#include "gp/variance_sample.h"

#include <cblas.h>
#include <string.h>

static double judge(const struct work *w, size_t i, const double *b, const double *r)
{
    const struct sampled *s = w->sampled;
    const double c = b[w->gp->folds.at[s->sample->points[i]]] + cblas_ddot((int)w->n, b, 1, r, 1), v = 1 / c;
    s->gap[i] *= v * v;
    return v;
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    KR_TRY(kr_carried_covariance(ctx, w));
    kr_centre(gp, w->theta, &gp->train, w->B);
    w->columns = 1;
    KR_TRY(kr_objective_solve(ctx, w, out));
    s->alpha = w->solution;
    KR_ALLOC(ctx, s->alpha_bar, w->n * w->nheads);
    KR_TRY(kr_sampled_open(ctx, w));
    s->judge = judge;
    memset(w->B + w->n, 0, w->n * s->sample->count * sizeof *w->B);
    for (size_t i = 0; i < s->sample->count; i++)
        w->B[(1 + i) * w->n + gp->folds.at[s->sample->points[i]]] = 1;
    KR_TRY(kr_sampled_solve(ctx, w, out));
    for (size_t j = 0; j < w->m; j++)
        w->mean[j] = kr_sampled_mean(w, j, w->variance[j]);
    return KR_OK;
}

/* alpha_bar needs the variances of all; the metrics see exact ones at the points drawn. */
static void correct(struct work *w, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    const size_t count = s->sample->count;
    kr_sampled_correct(w, out);
    for (size_t h = 0; h < w->nheads; h++) {
        const struct head *head = &w->heads[h];
        double *alpha_bar = s->alpha_bar + h * w->n;
        for (size_t j = 0; j < w->m; j++)
            alpha_bar[w->gp->folds.at[j]] = -w->variance[j] * head->mean_bar[j];
        for (size_t i = 0; i < count; i++)
            alpha_bar[w->gp->folds.at[s->sample->points[i]]] -=
                s->exact[i] * s->exact_mean_bar[h * count + i];
    }
    for (size_t i = 0; i < count; i++) {
        const size_t j = s->sample->points[i];
        w->variance[j] = s->exact[i];
        w->mean[j] = kr_sampled_mean(w, j, s->exact[i]);
    }
}

/* Total adjoints of the surrogate. */
static kr_status pull_surrogate(struct kr_ctx *ctx, struct work *w, const struct head *head)
{
    double *v_bar;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, v_bar, w->m);
    for (size_t j = 0; j < w->m; j++)
        v_bar[j] = head->variance_bar[j] - w->sampled->alpha[w->gp->folds.at[j]] * head->mean_bar[j];
    KR_TRY(kr_sampled_pull_surrogate(ctx, w, head, v_bar));
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status pull_head(struct kr_ctx *ctx, struct work *w, size_t h, double *u, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const struct sampled *s = w->sampled;
    const struct head *head = &w->heads[h];
    const size_t n = w->n, count = s->sample->count;
    KR_TRY(pull_surrogate(ctx, w, head));
    memcpy(w->residual, u, n * sizeof *u);
    for (size_t i = 0; i < count; i++) {
        const double v = s->exact[i], alpha = s->alpha[gp->folds.at[s->sample->points[i]]],
                     v_bar = s->exact_bar[h * count + i] - alpha * s->exact_mean_bar[h * count + i];
        if (s->clamped[i])
            head->grad[gp->noise_index] += v_bar;
        for (size_t r = 0; r < n; r++)
            w->residual[(1 + i) * n + r] = s->clamped[i] ? 0 : -v_bar * v * v * w->solution[(1 + i) * n + r];
    }
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->columns, w->solution, NULL, NULL, w->residual, head->grad,
                         &out->solver));
    cblas_dscal((int)n, -1, u, 1);
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, u, head->grad);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    double *U;
    KR_ALLOC(ctx, U, w->n * w->nheads);
    KR_TRY(
        kr_carried_solve(ctx, w, CARRIED_ADJOINT, w->nheads, w->sampled->alpha_bar, U, NULL, &out->solver));
    out->value_error = cblas_ddot((int)w->n, U, 1, w->residual, 1);
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, h, U + h * w->n, out));
    return KR_OK;
}

const struct form kr_form_sampled_each = {.predict = predict, .correct = correct, .pull = pull};
