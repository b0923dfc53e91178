/* A stored matrix. apply and apply_t: 2 rows cols k flops; pull: grad[i + j rows] += alpha sum_c U_ic V_jc.
 */
#include "kriged/op.h"

#include <cblas.h>
#include <string.h>

static kr_status multiply(const struct kr_op *op, CBLAS_TRANSPOSE transpose, size_t k, const double *X,
                          double *Y)
{
    size_t in = transpose == CblasTrans ? op->rows : op->cols,
           out = transpose == CblasTrans ? op->cols : op->rows;
    if (in && out && k)
        cblas_dgemm(CblasColMajor, transpose, CblasNoTrans, (int)out, (int)k, (int)in, 1, op->self,
                    (int)op->rows, X, (int)in, 0, Y, (int)out);
    else /* a sum of nothing */
        memset(Y, 0, out * k * sizeof *Y);
    return KR_OK;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)ctx;
    return multiply(op, CblasNoTrans, k, X, Y);
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)ctx;
    return multiply(op, CblasTrans, k, X, Y);
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    (void)ctx;
    if (op->rows && op->cols && k)
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)op->rows, (int)op->cols, (int)k, alpha, U,
                    (int)op->rows, V, (int)op->cols, 1, grad, (int)op->rows);
    return KR_OK;
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    (void)ctx;
    memcpy(A, op->self, op->rows * op->cols * sizeof *A);
    return KR_OK;
}

static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    const double *A = op->self;
    (void)ctx;
    for (size_t i = 0; i < op->rows; i++)
        out[i] = A[i + i * op->rows];
    return KR_OK;
}

static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    const double *A = op->self;
    (void)ctx;
    for (size_t c = 0; c < count; c++)
        memcpy(out + c * op->rows, A + index[c] * op->rows, op->rows * sizeof *out);
    return KR_OK;
}

static const struct kr_op_type dense = {.name = "dense",
                                        .apply = apply,
                                        .apply_t = apply_t,
                                        .pull = pull,
                                        .fill = fill,
                                        .diagonal = diagonal,
                                        .columns = columns};

kr_status kr_op_dense(struct kr_ctx *ctx, size_t rows, size_t cols, const double *A, struct kr_op *out)
{
    if (rows > INT32_MAX || cols > INT32_MAX)
        return kr_fail(ctx, KR_INVALID, "", "a dense operator has at most %d rows and columns", INT32_MAX);
    *out = (struct kr_op){&dense, rows, cols, false, A};
    return KR_OK;
}
