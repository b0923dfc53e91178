/*
 * The dual solution of a damped least-squares problem without cancellation, and the tests by which the
 * derivatives decide which solves are needed.
 *
 * With M (rows x cols), u ~ LstSq(M, c, lambda), r = c - M u, w0 = r / lambda^2, gap = u - M' w0:
 *
 *     (M M' + lambda^2 I) w0 = M M' w0 + r = c - M gap      so      w = w0 + LstSq(M', gap, lambda)
 *
 * since LstSq(M', gap, lambda) = (M M' + lambda^2 I)^-1 M gap. Nothing is assumed of u. Reverse mode needs
 * w = (A'A + lambda^2 I)^-1 xbar (M = A'), and, where the residual of the forward solve is small against b
 * but not against what multiplies it, w = (A A' + lambda^2 I)^-1 b = residual / lambda^2 (M = A).
 *
 * Cost: one product a column, and one solve where the gap matters. Closing it changes w by |gap| min(1 /
 * (2 lambda), |A| / lambda^2) at most, and by |gap| over the smallest singular value where that is larger; a
 * gap of 4 epsilon |M||w0| is rounding, and closing it would change nothing for the better.
 */
#include "solve/lstsq_dual.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { SLACK = 10 };

static double norm2(size_t n, const double *x)
{
    return cblas_dnrm2((int)n, x, 1);
}

void kr_lstsq_backward(const struct kr_lstsq *problem, struct kr_lstsq_backward *out)
{
    out->options = *problem->options;
    if (!isnan(out->options.backward_tolerance))
        out->options.atol = out->options.btol = out->options.backward_tolerance;
    out->problem = *problem;
    out->problem.options = &out->options;
}

struct kr_lstsq_scale kr_lstsq_scale_of(size_t k, const struct kr_lstsq_column *columns)
{
    struct kr_lstsq_scale scale = {0, 1};
    for (size_t c = 0; c < k; c++) {
        scale.norm = fmax(scale.norm, columns[c].norm);
        scale.condition = fmax(scale.condition, columns[c].condition);
    }
    return scale;
}

/* |r| against what is left of a compatible system. */
struct leftover {
    double r, least, most;
};

static struct leftover leftover(size_t rows, size_t cols, const double *r, const double *c, const double *u,
                                double atol, double btol, double norm)
{
    const double least = SLACK * fmax(btol, DBL_EPSILON) * norm2(rows, c);
    return (struct leftover){norm2(rows, r), least,
                             least + SLACK * fmax(atol, DBL_EPSILON) * norm * norm2(cols, u)};
}

kr_status kr_lstsq_is_zero(struct kr_ctx *ctx, const struct kr_lstsq *problem,
                           const struct kr_lstsq_residual *v, bool *out, struct kr_lstsq_report *report)
{
    const size_t rows = v->transposed ? problem->A.cols : problem->A.rows,
                 cols = v->transposed ? problem->A.rows : problem->A.cols;
    double *MtR = NULL;
    struct kr_mark mark = kr_mark(ctx);
    *out = true;
    for (size_t c = 0; c < v->k && *out; c++) {
        const double *R = v->R + c * rows;
        const struct leftover l =
            leftover(rows, cols, R, v->C + c * rows, v->U + c * cols, v->atol, v->btol, v->norm);
        *out = l.r <= l.most;
        if (!*out || l.r <= l.least)
            continue;
        if (!MtR)
            KR_ALLOC(ctx, MtR, cols);
        KR_TRY(kr_lstsq_product(ctx, problem, !v->transposed, 1, R, MtR, report));
        *out = norm2(cols, MtR) > fmax(v->atol, DBL_EPSILON) * v->norm * l.r;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

bool kr_lstsq_is_damped(const struct kr_lstsq *problem)
{
    return problem->damping * problem->damping >= DBL_MIN / DBL_EPSILON;
}

kr_status kr_lstsq_product(struct kr_ctx *ctx, const struct kr_lstsq *problem, bool transposed, size_t k,
                           const double *X, double *Y, struct kr_lstsq_report *report)
{
    report->products += k;
    return (transposed ? kr_op_apply_t : kr_op_apply)(ctx, &problem->A, k, X, Y);
}

static bool column_is_zero(const struct kr_lstsq_dual *d, size_t c)
{
    const struct leftover l = leftover(d->rows, d->cols, d->R + c * d->rows, d->C + c * d->rows,
                                       d->U + c * d->cols, d->atol, d->btol, d->scale.norm);
    return l.r <= l.most;
}

/* gap = U - M' W */
static kr_status measure_gap(struct kr_ctx *ctx, struct kr_lstsq_dual *d, struct kr_lstsq_report *report)
{
    KR_TRY(kr_lstsq_product(ctx, d->problem, !d->transposed, d->k, d->W, d->gap, report));
    for (size_t i = 0; i < d->cols * d->k; i++)
        d->gap[i] = d->U[i] - d->gap[i];
    return KR_OK;
}

/* |gap| of one column, 0 where it is rounding. */
static double gap_of(const struct kr_lstsq_dual *d, size_t c)
{
    const double gap = norm2(d->cols, d->gap + c * d->cols),
                 rounding = 4 * DBL_EPSILON * d->scale.norm * norm2(d->rows, d->W + c * d->rows);
    return gap <= rounding ? 0 : gap;
}

double kr_lstsq_dual_error(const struct kr_lstsq_dual *d, size_t c)
{
    const double lambda = d->problem->damping, norm = d->scale.norm,
                 inverse = fmin(1 / (2 * lambda), norm / lambda / lambda),
                 reach = fmin(inverse, SLACK * d->scale.condition / norm);
    return d->closed ? 0 : gap_of(d, c) * reach;
}

bool kr_lstsq_dual_is_known(const struct kr_lstsq_dual *d, double tolerance)
{
    for (size_t c = 0; c < d->k; c++)
        if (!(kr_lstsq_dual_error(d, c) <= tolerance * norm2(d->rows, d->W + c * d->rows)))
            return false;
    return true;
}

bool kr_lstsq_dual_agrees(const struct kr_lstsq_dual *d, double tolerance)
{
    for (size_t c = 0; c < d->k; c++)
        if (!(gap_of(d, c) <= tolerance * norm2(d->cols, d->U + c * d->cols)))
            return false;
    return true;
}

kr_status kr_lstsq_dual_open(struct kr_ctx *ctx, struct kr_lstsq_dual *d, struct kr_lstsq_report *report)
{
    const double lambda2 = d->problem->damping * d->problem->damping;
    const double tolerance = fmax(d->problem->options->atol, DBL_EPSILON);
    KR_ALLOC(ctx, d->W, d->rows * d->k);
    KR_ALLOC(ctx, d->gap, d->cols * d->k);
    for (size_t c = 0; c < d->k; c++) {
        const double *r = d->R + c * d->rows;
        /* a residual that is zero to its tolerance and would drown the correction in its rounding is left out
         */
        const double drowned = DBL_EPSILON * norm2(d->rows, r) / lambda2 * d->scale.norm;
        if (drowned > tolerance * norm2(d->cols, d->U + c * d->cols) && column_is_zero(d, c))
            continue;
        for (size_t i = 0; i < d->rows; i++)
            d->W[c * d->rows + i] = r[i] / lambda2;
    }
    return measure_gap(ctx, d, report);
}

kr_status kr_lstsq_dual_close(struct kr_ctx *ctx, struct kr_lstsq_dual *d, struct kr_lstsq_report *report)
{
    double *D, *left;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, D, d->rows * d->k);
    KR_ALLOC(ctx, left, d->cols * d->k);
    if (d->transposed)
        KR_TRY(kr_lstsq_solve(ctx, d->problem, d->k, d->gap, NULL, D, left, NULL, report));
    else
        KR_TRY(kr_lstsq_solve_t(ctx, d->problem, d->k, d->gap, D, left, NULL, report));
    for (size_t c = 0; c < d->k; c++)
        cblas_daxpy((int)d->rows, 1, D + c * d->rows, 1, d->W + c * d->rows, 1);
    memcpy(d->gap, left, d->cols * d->k * sizeof *left);
    d->closed = true;
    kr_release(ctx, mark);
    return KR_OK;
}

void kr_lstsq_dual_correct(const struct kr_lstsq_dual *d, double *U)
{
    for (size_t c = 0; c < d->k && d->closed; c++) {
        if (gap_of(d, c) > 0)
            cblas_daxpy((int)d->cols, -1, d->gap + c * d->cols, 1, U + c * d->cols, 1);
    }
}
