/* L^-1 or L^-T of a stored lower triangular L: one triangular solve, n^2 flops a column. No parameters. */
#include "kriged/features.h"

#include <cblas.h>
#include <string.h>

static kr_status solve(const struct kr_op *op, CBLAS_TRANSPOSE transpose, size_t k, const double *X,
                       double *Y)
{
    const int n = (int)op->rows;
    if (op->rows == 0 || k == 0)
        return KR_OK;
    memcpy(Y, X, op->rows * k * sizeof *X);
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, transpose, CblasNonUnit, n, (int)k, 1, op->self, n, Y,
                n);
    return KR_OK;
}

static kr_status forward(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)ctx;
    return solve(op, CblasNoTrans, k, X, Y);
}

static kr_status backward(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)ctx;
    return solve(op, CblasTrans, k, X, Y);
}

static const struct kr_op_type inverse = {.name = "triangular inverse",
                                          .apply = forward,
                                          .apply_t = backward},
                               inverse_transposed = {
                                   .name = "triangular inverse", .apply = backward, .apply_t = forward};

kr_status kr_op_solve_triangular(struct kr_ctx *ctx, size_t n, const double *L, bool transposed,
                                 struct kr_op *out)
{
    if (n > INT32_MAX)
        return kr_fail(ctx, KR_INVALID, "", "a triangular operator has at most %d rows", INT32_MAX);
    *out = (struct kr_op){transposed ? &inverse_transposed : &inverse, n, n, false, L};
    return KR_OK;
}
