/*
 * Folds, each predicted from all other rows, in closed form from one matrix. With A over all n rows, a = A^-1
 * (y - m), and for the rows F of a fold B_F = A^-1 E_F (n x k, E_F columns of the identity) and C = E_F'B_F:
 *
 *     V = C^-1 (noise included),     mu_F = y_F - V a_F,     v_F = diag(V)
 *
 * Leave-one-out is k = 1. Several targets share B, C and V, and what is written of a, p, q and u is summed
 * over them. Adjoints: p = V mean_bar_F, q = V a_F = y_F - mu_F,
 *
 *     C_bar = (p q' + q p')/2 - V diag(variance_bar_F) V,       u = -sum_F B_F p_F
 *     on A:  -u a' - sum_F B_F C_bar B_F'          on the mean's:  -u' dm  (mean_bar' dm cancels against y)
 *
 * The targets have u: what y_F adds to mu_F it takes from y_F - mu_F. As held-out points alone, with training
 * rows that stay, points of F have the weights mean_bar_j a_-F' - 2 variance_bar_j s_j' on their covariances,
 * where
 *
 *     a_-F = a - B_F V a_F,      [s_j ..] = E_F - B_F V       (zero in F: A_-F^-1 by the block inverse)
 *
 * With the residuals r of a and R_F of B_F the loss is wrong by u'r + sum_F <B_F C_bar, R_F> to first
 * order, less what |r_u||r|/s2 + sum_F |C_bar||R_F|^2/s2 bounds, r_u = -sum_F R_F p_F. Cost: one block solve
 * with 1 + m columns for m held-out points, sum k^3 flops, and pulls of n x (1 + m) pairs: 2 n^2 m flops a
 * head. Memory: 3 n (1 + m) + sum k^2 doubles. Sources: Rasmussen and Williams 2006, section 5.4.2, for
 * leave-one-out; Ginsbourger and Schaerer 2021 for folds.
 */
#include "gp/carried.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dpotri_(const char *uplo, const int *n, double *A, const int *lda, int *info);

/* One fold at work: `k` points from `first` on, and its block of V. */
struct fold {
    size_t index, first, k;
    const size_t *at; /* their places among the rows */
    double *V;        /* k x k */
};

static bool next_fold(const struct work *w, struct fold *f)
{
    const struct kr_folds *folds = &w->gp->folds;
    if (f->index == folds->count)
        return false;
    f->V = f->V ? f->V + f->k * f->k : w->V;
    f->first = folds->first[f->index];
    f->k = folds->first[++f->index] - f->first;
    f->at = folds->at + f->first;
    return true;
}

#define EACH_FOLD(w, f) for (struct fold f = {0}; next_fold(w, &f);)

/* Columns of the fold in a block of targets + m. */
static double *columns(const struct work *w, double *block, const struct fold *f)
{
    return block + (w->targets + f->first) * w->n;
}

/* V = C^-1. A C that is not positive definite comes of an A that is not, or of a solve that did not converge.
 */
static kr_status invert(struct kr_ctx *ctx, const struct work *w, const struct fold *f)
{
    const double *B = columns(w, w->solution, f);
    const int k = (int)f->k;
    int info = 0;
    for (size_t j = 0; j < f->k; j++)
        for (size_t i = j; i < f->k; i++)
            f->V[i + j * f->k] = 0.5 * (B[j * w->n + f->at[i]] + B[i * w->n + f->at[j]]);
    dpotrf_("L", &k, f->V, &k, &info);
    if (info == 0)
        dpotri_("L", &k, f->V, &k, &info);
    if (info != 0)
        return kr_fail(
            ctx, KR_NOT_POSITIVE_DEFINITE, "",
            "the inverse covariance of the fold of %zu rows that begins with row %zu is not positive "
            "definite to double precision: raise noise.variance",
            f->k, w->gp->validation.rows[f->first]);
    for (size_t j = 0; j < f->k; j++)
        for (size_t i = 0; i < j; i++)
            f->V[i + j * f->k] = f->V[j + i * f->k];
    return KR_OK;
}

static void predict_fold(struct work *w, const struct fold *f, size_t *clamped)
{
    for (size_t i = 0; i < f->k; i++) {
        const size_t j = f->first + i;
        for (size_t t = 0; t < w->targets; t++) {
            double shift = 0;
            for (size_t l = 0; l < f->k; l++)
                shift += f->V[i + l * f->k] * w->solution[t * w->n + f->at[l]];
            w->mean[t * w->m + j] = w->gp->validation.y[t * w->m + j] - shift;
        }
        w->clamped[j] = f->V[i + i * f->k] < kr_objective_noise(w, j);
        w->variance[j] = w->clamped[j] ? kr_objective_noise(w, j) : f->V[i + i * f->k];
        *clamped += w->clamped[j];
    }
}

/* [a, A^-1 E_F ..]: where the solver factorises and all rows are held out once, the columns of A^-1, at a
 * third of the flops of their solves, and without residuals. */
static kr_status solve_columns(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const size_t n = w->n, q = w->targets;
    double *inverse = w->residual + q * n;
    kr_centre(gp, w->theta, &gp->train, w->B);
    if (!w->A.solver.type->inverse || w->m != n) {
        for (size_t j = 0; j < w->m; j++)
            w->B[(q + j) * n + gp->folds.at[j]] = 1;
        return kr_objective_solve(ctx, w, out);
    }
    w->columns = q;
    KR_TRY(kr_objective_solve(ctx, w, out));
    w->columns = q + n;
    KR_TRY(w->A.solver.type->inverse(ctx, &w->A.solver, inverse));
    for (size_t j = 0; j < n; j++)
        memcpy(w->solution + (q + j) * n, inverse + gp->folds.at[j] * n, n * sizeof *inverse);
    memset(inverse, 0, n * n * sizeof *inverse);
    return KR_OK;
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    size_t area = 0;
    for (size_t f = 0; f < gp->folds.count; f++)
        area += (gp->folds.first[f + 1] - gp->folds.first[f]) * (gp->folds.first[f + 1] - gp->folds.first[f]);
    KR_ALLOC(ctx, w->V, area);
    KR_TRY(kr_carried_covariance(ctx, w));
    KR_TRY(solve_columns(ctx, w, out));
    EACH_FOLD(w, f)
    {
        KR_TRY(invert(ctx, w, &f));
        predict_fold(w, &f, &out->clamped);
    }
    return KR_OK;
}

/* p, q (k x targets) and C_bar (k x k) of a fold and a head. */
static void fold_adjoints(const struct work *w, const struct head *head, const struct fold *f, double *p,
                          double *q, double *C_bar)
{
    const size_t k = f->k;
    memset(p, 0, k * w->targets * sizeof *p);
    memset(q, 0, k * w->targets * sizeof *q);
    for (size_t e = 0; e < k * w->targets; e++) {
        const size_t t = e / k, i = e % k;
        for (size_t l = 0; l < k; l++) {
            p[e] += f->V[i + l * k] * head->mean_bar[t * w->m + f->first + l];
            q[e] += f->V[i + l * k] * w->solution[t * w->n + f->at[l]];
        }
    }
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < k; i++) {
            double sum = 0;
            for (size_t t = 0; t < w->targets; t++)
                sum += 0.5 * (p[t * k + i] * q[t * k + j] + q[t * k + i] * p[t * k + j]);
            for (size_t l = 0; head->needs_variance && l < k; l++)
                sum -= f->V[i + l * k] * head->variance_bar[f->first + l] * f->V[l + j * k];
            C_bar[i + j * k] = sum;
        }
}

/* U (n x (targets + m)) = [u, B_F C_bar ..] of a head; r_u, and the part of the error that is not u'r. */
static kr_status weights(struct kr_ctx *ctx, const struct work *w, const struct head *head, double *U,
                         double *r_u, double *error, double *left_out)
{
    const int n = (int)w->n;
    struct kr_mark mark = kr_mark(ctx);
    memset(U, 0, w->n * w->targets * sizeof *U);
    EACH_FOLD(w, f)
    {
        const int k = (int)f.k;
        double *p, *q, *C_bar, size;
        KR_ALLOC(ctx, p, f.k * w->targets);
        KR_ALLOC(ctx, q, f.k * w->targets);
        KR_ALLOC(ctx, C_bar, f.k * f.k);
        fold_adjoints(w, head, &f, p, q, C_bar);
        const double *B = columns(w, w->solution, &f), *R = columns(w, w->residual, &f);
        double *G = columns(w, U, &f);
        for (size_t t = 0; t < w->targets; t++) {
            cblas_dgemv(CblasColMajor, CblasNoTrans, n, k, -1, B, n, p + t * f.k, 1, 1, U + t * w->n, 1);
            cblas_dgemv(CblasColMajor, CblasNoTrans, n, k, -1, R, n, p + t * f.k, 1, 1, r_u + t * w->n, 1);
        }
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, k, k, 1, B, n, C_bar, k, 0, G, n);
        for (size_t c = 0; c < f.k; c++)
            *error += cblas_ddot(n, G + c * w->n, 1, R + c * w->n, 1);
        size = cblas_dnrm2(k * k, C_bar, 1);
        for (size_t c = 0; c < f.k; c++)
            *left_out += size * cblas_ddot(n, R + c * w->n, 1, R + c * w->n, 1);
        kr_release(ctx, mark);
    }
    return KR_OK;
}

/* The weights of a fold's points as held-out points, on their covariances with all rows: columns of the
 * residual block, whose first columns, one a target, are scratch. */
static void held_out_weights(struct work *w, const struct head *head, const struct fold *f)
{
    const int n = (int)w->n, k = (int)f->k;
    double *alpha = w->residual, *W = columns(w, w->residual, f);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, k, k, 1, columns(w, w->solution, f), n, f->V, k,
                0, W, n);
    memcpy(alpha, w->solution, w->n * w->targets * sizeof *alpha);
    for (size_t t = 0; t < w->targets; t++)
        for (size_t c = 0; c < f->k; c++)
            cblas_daxpy(n, -w->solution[t * w->n + f->at[c]], W + c * w->n, 1, alpha + t * w->n, 1);
    for (size_t c = 0; c < f->k; c++) {
        const double v_bar = head->needs_variance ? head->variance_bar[f->first + c] : 0;
        for (size_t i = 0; i < w->n; i++)
            W[c * w->n + i] = head->mean_bar[f->first + c] * alpha[i] + 2 * v_bar * W[c * w->n + i];
        for (size_t t = 1; t < w->targets; t++)
            cblas_daxpy(n, head->mean_bar[t * w->m + f->first + c], alpha + t * w->n, 1, W + c * w->n, 1);
        for (size_t l = 0; l < f->k; l++)
            W[c * w->n + f->at[l]] = 0; /* the fold does not train for its own points */
    }
}

/* Adjoints of the held-out inputs alone. */
static kr_status pull_held_inputs(struct kr_ctx *ctx, struct work *w, const struct head *head)
{
    const struct kr_gp *gp = w->gp;
    double *held_x = w->data->held_x;
    struct kr_op cross;
    EACH_FOLD(w, f)
    held_out_weights(w, head, &f);
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->validation.x, &gp->train.x, &cross));
    KR_TRY(kr_op_kernel_pull_inputs_weights(ctx, &cross, w->residual + w->targets * w->n, held_x, NULL));
    if (head->needs_variance)
        kr_kernel_diagonal_pull_x(gp->kernel, w->theta, &gp->validation.x, head->variance_bar, w->scratch,
                                  held_x);
    kr_means_pull_x(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, held_x, w->m);
    return KR_OK;
}

/* Of inputs, targets and known variances; U's first columns are u. */
static kr_status pull_data(struct kr_ctx *ctx, struct work *w, const struct head *head, const double *U)
{
    struct data_bar *data = w->data;
    if (data->x)
        KR_TRY(kr_op_kernel_pull_inputs(ctx, &w->A.gram, w->columns, U, w->solution, -1, data->x, NULL));
    if (data->held_x)
        KR_TRY(pull_held_inputs(ctx, w, head));
    cblas_daxpy((int)(w->n * w->targets), 1, U, 1, data->y, 1);
    kr_objective_pull_diagonal(w, w->columns, U, w->solution, -1);
    return KR_OK;
}

static kr_status pull_head(struct kr_ctx *ctx, struct work *w, struct head *head, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const double noise = kr_objective_least_noise(w);
    const int nq = (int)(w->n * w->targets);
    double *U = w->B, *r_u, error = 0, left_out = 0;
    KR_ALLOC(ctx, r_u, w->n * w->targets);
    kr_objective_unclamp(w, head);
    KR_TRY(weights(ctx, w, head, U, r_u, &error, &left_out));
    if (w->loss_is_head && head == w->heads) {
        const double *r = w->residual;
        out->value_error = cblas_ddot(nq, U, 1, r, 1) + error;
        left_out += cblas_dnrm2(nq, r_u, 1) * cblas_dnrm2(nq, r, 1);
        out->value_bound = noise > 0 ? left_out / noise : NAN;
    }
    KR_TRY(kr_op_pull(ctx, &w->A.noisy, w->columns, U, w->solution, -1, head->grad));
    if (kr_objective_sees_data(w, head))
        KR_TRY(pull_data(ctx, w, head, U));
    cblas_dscal(nq, -1, U, 1);
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, U, head->grad);
    if (kr_objective_sees_data(w, head) && w->data->x)
        kr_means_pull_x(kr_means(gp), w->theta, &gp->train.x, U, w->data->x, w->n);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, &w->heads[h], out));
    return KR_OK;
}

const struct form kr_form_folds = {.predict = predict, .pull = pull, .evidence = kr_evidence};
