/* A + s I + diag(extra): the noise on a Gram matrix. s is a parameter: its pull is alpha <U, V>. O(n k)
 * beside A's own cost. */
#include "kriged/op.h"

#include <cblas.h>

struct shift {
    struct kr_op inner;
    const double *theta;
    size_t index;
    const double *extra;
    const struct kr_op *single; /* the single precision inner, shifted by the same; NULL: it has none */
};

static double amount(const struct shift *shift, size_t i)
{
    return shift->theta[shift->index] + (shift->extra ? shift->extra[i] : 0);
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct shift *shift = op->self;
    KR_TRY(kr_op_apply(ctx, &shift->inner, k, X, Y));
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            Y[c * op->rows + i] += amount(shift, i) * X[c * op->rows + i];
    return KR_OK;
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct shift *shift = op->self;
    if (op->symmetric)
        return apply(ctx, op, k, X, Y);
    KR_TRY(kr_op_apply_t(ctx, &shift->inner, k, X, Y));
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            Y[c * op->rows + i] += amount(shift, i) * X[c * op->rows + i];
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct shift *shift = op->self;
    KR_TRY(kr_op_pull(ctx, &shift->inner, k, U, V, alpha, grad));
    double trace = 0;
    for (size_t c = 0; c < k; c++)
        trace += cblas_ddot((int)op->rows, U + c * op->rows, 1, V + c * op->rows, 1);
    grad[shift->index] += alpha * trace;
    return KR_OK;
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct shift *shift = op->self;
    KR_TRY(kr_op_fill(ctx, &shift->inner, A));
    for (size_t i = 0; i < op->rows; i++)
        A[i + i * op->rows] += amount(shift, i);
    return KR_OK;
}

static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    const struct shift *shift = op->self;
    KR_TRY(kr_op_diagonal(ctx, &shift->inner, out));
    for (size_t i = 0; i < op->rows; i++)
        out[i] += amount(shift, i);
    return KR_OK;
}

static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    const struct shift *shift = op->self;
    KR_TRY(kr_op_columns(ctx, &shift->inner, count, index, out));
    for (size_t c = 0; c < count; c++)
        out[c * op->rows + index[c]] += amount(shift, index[c]);
    return KR_OK;
}

/* Shifts of shifts add up. */
static const struct kr_op *shifted(const struct kr_op *op, double *D)
{
    const struct shift *shift = op->self;
    const struct kr_op *within = kr_op_shifted(&shift->inner, D);
    for (size_t i = 0; i < op->rows; i++)
        D[i] += amount(shift, i);
    return within ? within : &shift->inner;
}

static const struct kr_op *single(const struct kr_op *op)
{
    const struct shift *shift = op->self;
    return shift->single;
}

static const struct kr_op_type shift_type = {.name = "shift",
                                             .apply = apply,
                                             .apply_t = apply_t,
                                             .pull = pull,
                                             .fill = fill,
                                             .diagonal = diagonal,
                                             .columns = columns,
                                             .shifted = shifted,
                                             .single = single};

static kr_status make(struct kr_ctx *ctx, const struct kr_op *inner, const double *theta, size_t index,
                      const double *extra, const struct kr_op *cheaper, struct kr_op *out)
{
    struct shift *shift;
    KR_ALLOC(ctx, shift, 1);
    *shift = (struct shift){*inner, theta, index, extra, cheaper};
    *out = (struct kr_op){&shift_type, inner->rows, inner->cols, inner->symmetric, shift};
    return KR_OK;
}

kr_status kr_op_shift(struct kr_ctx *ctx, const struct kr_op *inner, const double *theta, size_t index,
                      const double *extra, struct kr_op *out)
{
    const struct kr_op *cheaper = kr_op_single(inner);
    struct kr_op *shifted_single = NULL;
    if (inner->rows != inner->cols)
        return kr_fail(ctx, KR_INVALID, "", "only a square operator can be shifted, got %zu x %zu",
                       inner->rows, inner->cols);
    if (cheaper) {
        KR_ALLOC(ctx, shifted_single, 1);
        KR_TRY(make(ctx, cheaper, theta, index, extra, NULL, shifted_single));
    }
    return make(ctx, inner, theta, index, extra, shifted_single, out);
}
