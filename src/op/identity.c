/*
 * s I, n x n, s = theta[index]: the lambda I of [A; lambda I]. n k flops a product; pull: grad[index] +=
 * alpha <U, V>, column by column in order. No memory.
 */
#include "kriged/op.h"

#include <cblas.h>
#include <string.h>

enum { PARALLEL = 1 << 16, DOT_LENGTH = 1 << 30 }; /* below the first, threads cost more than they save */

struct identity {
    const double *theta;
    size_t index;
};

static double factor(const struct kr_op *op)
{
    const struct identity *self = op->self;
    return self->theta[self->index];
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const double s = factor(op);
    const size_t count = op->rows * k;
#pragma omp parallel for simd schedule(static) num_threads(ctx->threads) if (count > PARALLEL)
    for (size_t i = 0; i < count; i++)
        Y[i] = s * X[i];
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct identity *self = op->self;
    (void)ctx;
    double trace = 0;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i += DOT_LENGTH) {
            const size_t rest = op->rows - i, at = c * op->rows + i;
            trace += cblas_ddot((int)(rest < DOT_LENGTH ? rest : DOT_LENGTH), U + at, 1, V + at, 1);
        }
    grad[self->index] += alpha * trace;
    return KR_OK;
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    (void)ctx;
    memset(A, 0, op->rows * op->rows * sizeof *A);
    for (size_t i = 0; i < op->rows; i++)
        A[i + i * op->rows] = factor(op);
    return KR_OK;
}

static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    (void)ctx;
    for (size_t i = 0; i < op->rows; i++)
        out[i] = factor(op);
    return KR_OK;
}

static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    (void)ctx;
    memset(out, 0, op->rows * count * sizeof *out);
    for (size_t c = 0; c < count; c++)
        out[c * op->rows + index[c]] = factor(op);
    return KR_OK;
}

static const struct kr_op_type identity = {.name = "identity",
                                           .apply = apply,
                                           .apply_t = apply,
                                           .pull = pull,
                                           .fill = fill,
                                           .diagonal = diagonal,
                                           .columns = columns};

kr_status kr_op_identity(struct kr_ctx *ctx, size_t n, const double *theta, size_t index, struct kr_op *out)
{
    struct identity *self;
    KR_ALLOC(ctx, self, 1);
    *self = (struct identity){theta, index};
    *out = (struct kr_op){&identity, n, n, true, self};
    return KR_OK;
}
