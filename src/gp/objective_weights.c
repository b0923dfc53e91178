/*
 * Held-out points in weight space: predictions of rows that do not train (w and L of weight_space.c)
 *
 *     mu_j = m(x_j) + phi_j'w,      v_j = |L^-1 phi_j|^2 (+ k_jj - |phi_j|^2) + noise_j
 *
 * or of every training row from all others, in closed form: with h_i = |L^-1 a_i|^2, t_i = 1 - h_i, r = b - A
 * w,
 *
 *     mu_i = y_i - r_i/(D_i t_i),   v_i = noise_i/t_i (+ k_ii - |phi_i|^2)
 *
 * since D (I - A (A'A + I)^-1 A') D is the inverse covariance of the rows. Adjoints of predictions become
 * those of w (through LstSq by its engine), of quadratic forms in (A'A + I)^-1 (through the factor), of rows
 * of Phi, of b and of D; of several targets, which share h, t, v and D, these are summed. Cost beyond the
 * fit: with the variance, (n + m) p^2 flops more to predict and 4 (n + m) p^2 a head; else a few passes over
 * the features. Nothing of size n p is stored.
 */
#include "gp/weight_space.h"

#include "gp/objective.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

struct weights {
    struct weight_fit fit;
    struct kr_op cross;  /* hold-out: Phi(X*) */
    double *h, *mean_at; /* folds: n */
    bool *rounded;       /* m: k_jj - |phi_j|^2 fell below 0 and counts as 0 */
};

static kr_status open(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    KR_ALLOC(ctx, w->weights, 1);
    KR_ALLOC(ctx, w->weights->rounded, w->m);
    KR_TRY(kr_weight_fit(ctx, w->gp, &w->gp->train, w->theta, &w->weights->fit, &out->solver));
    out->jitter = w->weights->fit.map.jitter;
    if (out->solver.stop != KR_STOP_BREAKDOWN)
        return KR_OK;
    return kr_fail(ctx, KR_NON_FINITE, "",
                   "the weights of the features are not finite at these hyperparameters");
}

/* The noise of held-out point j, white noise of the kernel included. */
static double noise_of(const struct work *w, size_t j)
{
    return kr_weight_noise(w->gp->space, w->theta) +
           (w->gp->validation.noise ? w->gp->validation.noise[j] : 0);
}

static void add_by_noise(const struct work *w, double by_noise, double *grad)
{
    for (size_t c = 0; c < w->gp->space->nnoise; c++)
        grad[w->gp->space->noise[c]] += by_noise;
}

/* Adjoints of what phi misses of k_jj: not those that were set to 0. */
static kr_status by_residual(struct kr_ctx *ctx, const struct work *w, const struct head *head, double **out,
                             bool *whole)
{
    *whole = true;
    KR_ALLOC(ctx, *out, w->m);
    for (size_t j = 0; j < w->m; j++) {
        (*out)[j] = w->weights->rounded[j] ? 0 : head->variance_bar[j];
        *whole &= !w->weights->rounded[j];
    }
    return KR_OK;
}

/* ---- rows that do not train ---- */

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    KR_TRY(open(ctx, w, out));
    struct weight_fit *fit = &w->weights->fit;
    if (w->m == 0)
        return KR_OK;
    KR_TRY(kr_op_features(ctx, &fit->map, &gp->validation.x, NULL, &w->weights->cross));
    KR_TRY(kr_op_apply(ctx, &w->weights->cross, w->targets, fit->w, w->mean));
    kr_means_eval(kr_means(gp), w->theta, &gp->validation.x, w->mean_bar);
    for (size_t j = 0; j < w->m * w->targets; j++)
        w->mean[j] += w->mean_bar[j];
    if (w->columns == w->targets)
        return KR_OK;
    KR_TRY(kr_weight_variance(ctx, gp->space, &fit->map, fit->L, &gp->validation.x, w->variance,
                              w->weights->rounded));
    for (size_t j = 0; j < w->m; j++)
        w->variance[j] += noise_of(w, j);
    return KR_OK;
}

static kr_status pull_variance(struct kr_ctx *ctx, struct work *w, const struct head *head)
{
    const struct weight_fit *fit = &w->weights->fit;
    double *c, sum = 0;
    bool whole;
    for (size_t j = 0; j < w->m; j++)
        sum += head->variance_bar[j];
    add_by_noise(w, sum, head->grad);
    KR_TRY(by_residual(ctx, w, head, &c, &whole));
    KR_TRY(kr_weight_pull_explained(ctx, fit, &w->weights->cross, head->variance_bar,
                                    fit->space->residual && whole, head->grad));
    if (!fit->space->residual)
        return KR_OK;
    return kr_weight_pull_prior(ctx, fit, &w->gp->validation.x, c, !whole, head->grad);
}

static kr_status pull_head(struct kr_ctx *ctx, struct work *w, const struct head *head,
                           struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const struct weight_fit *fit = &w->weights->fit;
    double *w_bar, *b_bar, error, bound;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, w_bar, fit->p * w->targets);
    KR_ALLOC(ctx, b_bar, fit->n * w->targets);
    KR_TRY(kr_op_apply_t(ctx, &w->weights->cross, w->targets, head->mean_bar, w_bar));
    KR_TRY(kr_weight_pull_solve(ctx, fit, w_bar, b_bar, head->grad, &error, &bound, &out->solver));
    KR_TRY(kr_weight_pull_targets(ctx, gp, fit, b_bar, head->grad));
    KR_TRY(kr_op_pull(ctx, &w->weights->cross, w->targets, head->mean_bar, fit->w, 1, head->grad));
    kr_means_pull(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, head->grad);
    if (head->needs_variance)
        KR_TRY(pull_variance(ctx, w, head));
    if (w->loss_is_head && head == w->heads) {
        out->value_error = error;
        out->value_bound = bound;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, &w->heads[h], out));
    return KR_OK;
}

/* ---- every row from all others ---- */

static double row_scale(const struct work *w, size_t j)
{
    return 1 / sqrt(noise_of(w, j));
}

static kr_status predict_each(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    double *missing, *unknown;
    KR_TRY(open(ctx, w, out));
    struct weight_fit *fit = &w->weights->fit;
    KR_ALLOC(ctx, w->weights->h, w->n);
    KR_ALLOC(ctx, missing, w->m);
    KR_ALLOC(ctx, unknown, w->m);
    KR_TRY(kr_features_lengths(ctx, &fit->A, fit->L, w->weights->h));
    if (gp->space->residual) {
        struct kr_op op;
        KR_TRY(kr_op_features(ctx, &fit->map, &gp->validation.x, NULL, &op));
        KR_TRY(kr_features_lengths(ctx, &op, NULL, unknown));
        kr_kernel_diagonal(gp->space->kernel, w->theta, &gp->validation.x, w->scratch, missing);
    }
    for (size_t j = 0; j < w->m; j++) {
        const size_t i = gp->folds.at[j];
        const double t = 1 - w->weights->h[i], residual = missing[j] - unknown[j];
        if (!(t > 0))
            return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                           "row %zu alone decides a direction of the features, to double precision: raise "
                           "noise.variance",
                           gp->validation.rows[j]);
        w->weights->rounded[j] = residual < 0;
        for (size_t c = 0; c < w->targets; c++)
            w->mean[c * w->m + j] =
                gp->validation.y[c * w->m + j] - fit->r[c * w->n + i] / (row_scale(w, j) * t);
        w->variance[j] = noise_of(w, j) / t + (residual < 0 ? 0 : residual);
    }
    return KR_OK;
}

/* Adjoints by rows: of r, of h, and, added to head->grad, of D. */
static void by_rows(const struct work *w, const struct head *head, double *r_bar, double *h_bar)
{
    double by_noise = 0;
    for (size_t j = 0; j < w->m; j++) {
        const size_t i = w->gp->folds.at[j];
        const double D = row_scale(w, j), t = 1 - w->weights->h[i],
                     v_bar = head->needs_variance ? head->variance_bar[j] : 0;
        double sum = 0; /* over targets of m_bar r */
        for (size_t c = 0; c < w->targets; c++) {
            const double m_bar = head->mean_bar[c * w->m + j];
            r_bar[c * w->n + i] = -m_bar / (D * t);
            sum += m_bar * w->weights->fit.r[c * w->n + i];
        }
        h_bar[i] = -sum / (D * t * t) + v_bar / (D * D * t * t);
        by_noise -= 0.5 * D * D * D * (sum / (D * D * t) - 2 * v_bar / (D * D * D * t));
    }
    add_by_noise(w, by_noise, head->grad);
}

/* r = b - A w */
static kr_status pull_residuals(struct kr_ctx *ctx, struct work *w, const struct head *head, double *r_bar,
                                double *error, double *bound, struct kr_solve_report *report)
{
    const struct weight_fit *fit = &w->weights->fit;
    double *w_bar, *b_bar;
    KR_ALLOC(ctx, w_bar, fit->p * w->targets);
    KR_ALLOC(ctx, b_bar, fit->n * w->targets);
    KR_TRY(kr_op_apply_t(ctx, &fit->A, w->targets, r_bar, w_bar));
    cblas_dscal((int)(fit->p * w->targets), -1, w_bar, 1);
    KR_TRY(kr_weight_pull_solve(ctx, fit, w_bar, b_bar, head->grad, error, bound, report));
    cblas_daxpy((int)(fit->n * w->targets), 1, r_bar, 1, b_bar, 1);
    KR_TRY(kr_weight_pull_targets(ctx, w->gp, fit, b_bar, head->grad));
    return kr_op_pull(ctx, &fit->A, w->targets, r_bar, fit->w, -1, head->grad);
}

static kr_status pull_head_each(struct kr_ctx *ctx, struct work *w, const struct head *head,
                                struct kr_evaluation *out)
{
    const struct weight_fit *fit = &w->weights->fit;
    double *r_bar, *h_bar, *c, error, bound;
    bool whole;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, r_bar, fit->n * w->targets);
    KR_ALLOC(ctx, h_bar, fit->n);
    by_rows(w, head, r_bar, h_bar);
    KR_TRY(pull_residuals(ctx, w, head, r_bar, &error, &bound, &out->solver));
    KR_TRY(kr_weight_pull_explained(ctx, fit, &fit->A, h_bar, false, head->grad));
    if (fit->space->residual && head->needs_variance) {
        KR_TRY(by_residual(ctx, w, head, &c, &whole));
        KR_TRY(kr_weight_pull_prior(ctx, fit, &w->gp->validation.x, c, true, head->grad));
    }
    if (w->loss_is_head && head == w->heads) {
        out->value_error = error;
        out->value_bound = bound;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status pull_each(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head_each(ctx, w, &w->heads[h], out));
    return KR_OK;
}

static kr_status evidence(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out, double *grad)
{
    return kr_weight_evidence(ctx, w->gp, &w->weights->fit, out, grad);
}

const struct form kr_form_weights = {.predict = predict, .pull = pull, .evidence = evidence},
                  kr_form_weights_each = {.predict = predict_each, .pull = pull_each, .evidence = evidence};
