/* Operators with one defect each, and what kr_op_check must say of them. */
#ifndef KRIGED_TESTS_OP_BROKEN_H
#define KRIGED_TESTS_OP_BROKEN_H

#include "views.h"

enum { M = 7, N = 5, COUNT = M * N };

/* A dense operator with one defect; rows x cols by the operator, theta its entries. */
enum defect {
    NOTHING,
    UNSET,
    ADDS,
    NAN_ENTRY,
    UNSET_ADJOINT,
    INFINITE_ADJOINT,
    WRITES_BEHIND,
    SIGN,
    SCALE,
    SHIFTED,
    FORWARD_ADJOINT,
    BLOCK_SWAPPED,
    BLOCK_FIRST_ONLY,
    BLOCK_ADJOINT,
    PULL_SIGN,
    PULL_FACTOR,
    PULL_FORGETS_ALPHA,
    PULL_OVERWRITES,
    PULL_ONE_WRONG,
    PULL_FIRST_COLUMN,
    PULL_NAN,
    PULL_BEHIND,
    APPLY_FAILS,
    PULL_FAILS
};
struct broken {
    enum defect defect;
    const double *theta;
    struct kr_op dense;
};

static inline kr_status broken_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                     double *Y)
{
    const struct broken *self = op->self;
    double *result = kr_alloc(ctx, op->rows * k, sizeof *result);
    KR_TRY(kr_op_apply(ctx, &self->dense, k, X, result));
    if (self->defect == APPLY_FAILS)
        return kr_fail(ctx, KR_STORAGE, "/disk", "the disk is gone");
    for (size_t i = 0; i < op->rows * k; i++) {
        size_t from = i;
        if (self->defect == UNSET && i % op->rows == 3)
            continue;
        if (self->defect == BLOCK_SWAPPED && k > 1)
            from = i % k * op->rows + i / k; /* row-major */
        Y[i] = (self->defect == ADDS ? Y[i] : 0) + result[from];
    }
    if (self->defect == NAN_ENTRY)
        Y[op->rows * (k - 1) + 2] = NAN;
    if (self->defect == WRITES_BEHIND)
        Y[op->rows * k] = 1;
    return KR_OK;
}

static inline kr_status broken_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                       double *Y)
{
    const struct broken *self = op->self;
    const size_t n = op->cols;
    double *result = kr_alloc(ctx, n * k, sizeof *result), factor = 1;
    if (self->defect == FORWARD_ADJOINT)
        return kr_op_apply(ctx, &self->dense, k, X, Y);
    KR_TRY(kr_op_apply_t(ctx, &self->dense, k, X, result));
    factor = self->defect == SIGN ? -1 : self->defect == SCALE ? 0.5 : 1;
    for (size_t i = 0; i < n * k; i++) {
        size_t from = i;
        if (self->defect == UNSET_ADJOINT && i % n == 1)
            continue;
        if (self->defect == SHIFTED)
            from = i / n * n + (i % n + 1) % n;
        if (self->defect == BLOCK_ADJOINT)
            from = i % n; /* the first column for all */
        Y[i] = factor * result[from];
    }
    if (self->defect == INFINITE_ADJOINT)
        Y[4] = INFINITY;
    return KR_OK;
}

static inline kr_status broken_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                                    const double *V, double alpha, double *grad)
{
    const struct broken *self = op->self;
    const enum defect defect = self->defect;
    if (defect == PULL_FAILS)
        return kr_fail(ctx, KR_STORAGE, "/disk", "the disk is full");
    if (defect == PULL_SIGN)
        alpha = -alpha;
    if (defect == PULL_FACTOR)
        alpha *= 2;
    if (defect == PULL_FORGETS_ALPHA)
        alpha = 1;
    if (defect == PULL_OVERWRITES)
        memset(grad, 0, op->rows * op->cols * sizeof *grad);
    const double before = grad[11];
    KR_TRY(kr_op_pull(ctx, &self->dense, defect == PULL_FIRST_COLUMN && k ? 1 : k, U, V, alpha, grad));
    if (defect == PULL_ONE_WRONG)
        grad[11] = before;
    if (defect == PULL_NAN)
        grad[9] = NAN;
    if (defect == PULL_BEHIND)
        grad[op->rows * op->cols] += 1;
    return KR_OK;
}

static const struct kr_op_type broken_type = {
    .name = "broken", .apply = broken_apply, .apply_t = broken_apply_t, .pull = broken_pull};

static inline struct kr_op broken(struct kr_ctx *ctx, enum defect defect, size_t rows, size_t cols,
                                  double *theta)
{
    struct broken *self = kr_alloc(ctx, 1, sizeof *self);
    *self = (struct broken){defect, theta, {0}};
    OK(kr_op_dense(ctx, rows, cols, theta, &self->dense));
    return (struct kr_op){&broken_type, rows, cols, false, self};
}

/* The check refuses op, in these words, and leaves theta as it was. */
static inline void refused(struct kr_ctx *ctx, const struct kr_op *op, size_t probes, size_t count,
                           double *theta, const char *const *words)
{
    double *before = kr_alloc(ctx, count, sizeof *before);
    memcpy(before, theta, count * sizeof *theta);
    ck_assert_msg(kr_op_check(ctx, op, probes, 3, count, theta) == KR_INVALID, "not seen: %s", words[0]);
    ck_assert_mem_eq(theta, before, count * sizeof *theta);
    for (; *words; words++)
        ck_assert_msg(strstr(ctx->error.detail, *words), "\"%s\" is not in: %s", *words, ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

#endif
