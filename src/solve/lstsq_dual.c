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
 * Cost: one product a column, and one solve where the gap matters: where it is more than the tolerance of u
 * explains, 10 tol cond |u|, and could change w by more than its tolerance (closing changes w by |gap| / (2
 * lambda) at most), and is not just rounding, 4 epsilon |M||w0|.
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

bool kr_lstsq_is_zero(double atol, double btol, double norm, size_t k, size_t rows, const double *R,
                      const double *C, size_t cols, const double *U)
{
    for (size_t c = 0; c < k; c++) {
        const double allowed = fmax(btol, DBL_EPSILON) * norm2(rows, C + c * rows) +
                               fmax(atol, DBL_EPSILON) * norm * norm2(cols, U + c * cols);
        if (!(norm2(rows, R + c * rows) <= SLACK * allowed))
            return false;
    }
    return true;
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
    return kr_lstsq_is_zero(d->atol, d->btol, d->scale.norm, 1, d->rows, d->R + c * d->rows,
                            d->C + c * d->rows, d->cols, d->U + c * d->cols);
}

/* gap = U - M' W, and whether it matters. */
static kr_status measure_gap(struct kr_ctx *ctx, struct kr_lstsq_dual *d, struct kr_lstsq_report *report)
{
    const double tolerance = SLACK * fmax(d->problem->options->atol, DBL_EPSILON),
                 lambda = d->problem->damping;
    KR_TRY(kr_lstsq_product(ctx, d->problem, !d->transposed, d->k, d->W, d->gap, report));
    d->exact = true;
    for (size_t c = 0; c < d->k; c++) {
        const double *u = d->U + c * d->cols;
        double *gap = d->gap + c * d->cols;
        for (size_t i = 0; i < d->cols; i++)
            gap[i] = u[i] - gap[i];
        const double w = norm2(d->rows, d->W + c * d->rows), rounding = 4 * DBL_EPSILON * d->scale.norm * w,
                     allowed = tolerance * fmax(d->scale.condition * norm2(d->cols, u), 2 * lambda * w);
        d->exact &= norm2(d->cols, gap) <= fmax(allowed, rounding);
    }
    return KR_OK;
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

bool kr_lstsq_dual_has_null_part(const struct kr_lstsq_dual *d)
{
    for (size_t c = 0; c < d->k; c++) {
        const double w = norm2(d->rows, d->W + c * d->rows), u = norm2(d->cols, d->U + c * d->cols);
        if (!(w * d->scale.norm <= SLACK * d->scale.condition * u) && !column_is_zero(d, c))
            return true;
    }
    return false;
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
    d->exact = d->closed = true;
    kr_release(ctx, mark);
    return KR_OK;
}

void kr_lstsq_dual_correct(const struct kr_lstsq_dual *d, double *U)
{
    for (size_t c = 0; c < d->k && d->closed; c++) {
        const double *gap = d->gap + c * d->cols;
        const double rounding = 4 * DBL_EPSILON * d->scale.norm * norm2(d->rows, d->W + c * d->rows);
        if (norm2(d->cols, gap) > SLACK * rounding)
            cblas_daxpy((int)d->cols, -1, gap, 1, U + c * d->cols, 1);
    }
}
