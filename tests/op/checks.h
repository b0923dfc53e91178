/* What every operator owes: products of an explicit matrix, an adjoint, a pull that is a derivative, and
 * manners. */
#ifndef KRIGED_TESTS_OP_CHECKS_H
#define KRIGED_TESTS_OP_CHECKS_H

#include "../conform/models.h"
#include "kriged/op.h"

#include <cblas.h>

static inline double *normals(struct kr_ctx *ctx, size_t count, uint64_t seed)
{
    struct kr_rng rng;
    double *values = kr_alloc(ctx, count, sizeof *values);
    kr_rng_init(&rng, seed, 4);
    for (size_t i = 0; i < count; i++)
        values[i] = kr_rng_normal(&rng);
    return values;
}

static inline double dot(size_t n, const double *x, const double *y)
{
    return cblas_ddot((int)n, x, 1, y, 1);
}

/* A is rows x cols, column-major. Y starts as rubbish: a product sets it. */
static inline void check_products(struct kr_ctx *ctx, const struct kr_op *op, const double *A, size_t k)
{
    const int rows = (int)op->rows, cols = (int)op->cols;
    double *X = normals(ctx, op->cols * k, 1), *Y = normals(ctx, op->rows * k, 2),
           *AX = kr_alloc(ctx, op->rows * k, sizeof *AX);
    double *U = normals(ctx, op->rows * k, 3), *V = normals(ctx, op->cols * k, 4),
           *AtU = kr_alloc(ctx, op->cols * k, sizeof *U);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, rows, (int)k, cols, 1, A, rows, X, cols, 0, AX,
                rows);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, cols, (int)k, rows, 1, A, rows, U, rows, 0, AtU,
                cols);
    OK(kr_op_apply(ctx, op, k, X, Y));
    OK(kr_op_apply_t(ctx, op, k, U, V));
    for (size_t i = 0; i < op->rows * k; i++)
        CLOSE(Y[i], AX[i], 10 * sqrt(op->cols), 1e-13, "A X, entry %zu of %zu x %zu", i, op->rows, k);
    for (size_t i = 0; i < op->cols * k; i++)
        CLOSE(V[i], AtU[i], 10 * sqrt(op->rows), 1e-13, "A' U, entry %zu of %zu x %zu", i, op->cols, k);
    /* the adjoint identity, whatever A is */
    double left = dot(op->rows * k, U, Y), right = dot(op->cols * k, V, X);
    double scale = cblas_dnrm2(rows * (int)k, U, 1) * cblas_dnrm2(rows * (int)k, Y, 1);
    CLOSE(left, right, scale, 1e-14, "<U, A X> = <A' U, X>");
}

/* The upper triangle of a symmetric one is not looked at. */
static inline void check_fill(struct kr_ctx *ctx, const struct kr_op *op, const double *A)
{
    double *filled = normals(ctx, op->rows * op->cols, 5);
    OK(kr_op_fill(ctx, op, filled));
    for (size_t j = 0; j < op->cols; j++)
        for (size_t i = op->symmetric ? j : 0; i < op->rows; i++)
            CLOSE(filled[i + j * op->rows], A[i + j * op->rows], 1, 1e-14, "entry %zu, %zu", i, j);
}

struct bilinear {
    struct kr_ctx *ctx;
    const struct kr_op *op;
    double *theta;
    size_t index, k;
    const double *U, *V;
    double *AV, alpha;
};

static inline double bilinear_form(void *self, double value)
{
    struct bilinear *b = self;
    struct kr_ctx *ctx = b->ctx;
    double before = b->theta[b->index];
    b->theta[b->index] = value;
    OK(kr_op_apply(ctx, b->op, b->k, b->V, b->AV));
    b->theta[b->index] = before;
    return b->alpha * dot(b->op->rows * b->k, b->U, b->AV);
}

/* theta is what the operator borrowed; grad starts at 1 because a pull adds. */
static inline void check_pull(struct kr_ctx *ctx, const struct kr_op *op, double *theta, size_t count,
                              size_t k)
{
    struct bilinear b = {ctx,  op,  theta, 0, k, normals(ctx, op->rows * k, 6), normals(ctx, op->cols * k, 7),
                         NULL, -0.7};
    double *grad = kr_alloc(ctx, count, sizeof *grad), scale = 0;
    b.AV = kr_alloc(ctx, op->rows * k, sizeof *b.AV);
    for (size_t p = 0; p < count; p++)
        grad[p] = 1;
    OK(kr_op_pull(ctx, op, k, b.U, b.V, b.alpha, grad));
    for (size_t p = 0; p < count; p++)
        scale = fmax(scale, fabs(grad[p] -= 1));
    for (b.index = 0; b.index < count; b.index++)
        CLOSE(grad[b.index], derivative(bilinear_form, &b, theta[b.index]),
              fmax(fabs(grad[b.index]), 1e-2 * scale), 1e-6, "parameter %zu of %zu, k = %zu", b.index, count,
              k);
}

/* Nothing is asked of an operator when the work was cancelled; nothing happens without columns. */
static inline void check_manners(struct kr_ctx *ctx, const struct kr_op *op, size_t count)
{
    double *X = normals(ctx, op->rows + op->cols, 8), *Y = normals(ctx, op->rows + op->cols, 9),
           *grad = normals(ctx, count, 10);
    double *Y_before = normals(ctx, op->rows + op->cols, 9), *grad_before = normals(ctx, count, 10);
    OK(kr_op_apply(ctx, op, 0, X, Y));
    OK(kr_op_apply_t(ctx, op, 0, X, Y));
    OK(kr_op_pull(ctx, op, 0, X, X, 1, grad));
    kr_cancel(ctx);
    ck_assert_int_eq(kr_op_apply(ctx, op, 1, X, Y), KR_CANCELLED);
    ck_assert_int_eq(kr_op_apply_t(ctx, op, 1, X, Y), KR_CANCELLED);
    ck_assert_int_eq(kr_op_pull(ctx, op, 1, X, X, 1, grad), KR_CANCELLED);
    ck_assert_int_eq(kr_op_fill(ctx, op, Y), KR_CANCELLED);
    ctx->cancelled = 0;
    kr_ctx_clear_error(ctx);
    ck_assert_mem_eq(Y, Y_before, (op->rows + op->cols) * sizeof *Y);
    ck_assert_mem_eq(grad, grad_before, count * sizeof *grad);
}

/* The optional questions, by the type and through products alone; and A = B + diag(D). */
static inline void check_questions(struct kr_ctx *ctx, const struct kr_op *op, const double *A)
{
    const size_t n = op->rows, count = op->cols + 2;
    struct kr_op_type bare_type = *op->type;
    struct kr_op bare = *op;
    size_t *index = kr_alloc(ctx, count, sizeof *index);
    bare_type.diagonal = NULL;
    bare_type.columns = NULL;
    bare_type.shifted = NULL;
    bare.type = &bare_type;
    for (size_t c = 0; c < count; c++) /* backwards, and some twice */
        index[c] = (2 * op->cols - 1 - c) % op->cols;
    for (int by_products = 0; by_products < 2; by_products++) {
        const struct kr_op *asked = by_products ? &bare : op;
        double *columns = normals(ctx, n * count, 11), *diagonal = normals(ctx, n, 12);
        OK(kr_op_columns(ctx, asked, count, index, columns));
        for (size_t c = 0; c < count; c++)
            for (size_t i = 0; i < n; i++)
                CLOSE(columns[c * n + i], A[i + index[c] * n], 10, 1e-14, "row %zu of column %zu", i,
                      index[c]);
        if (n != op->cols) {
            ck_assert_int_eq(kr_op_diagonal(ctx, asked, diagonal), KR_INVALID);
            kr_ctx_clear_error(ctx);
            continue;
        }
        OK(kr_op_diagonal(ctx, asked, diagonal));
        for (size_t i = 0; i < n; i++)
            CLOSE(diagonal[i], A[i + i * n], 10, 1e-14, "diagonal %zu", i);
    }
    index[0] = op->cols;
    ck_assert_int_eq(kr_op_columns(ctx, op, 1, index, normals(ctx, n, 11)), KR_INVALID);
    kr_ctx_clear_error(ctx);
    double *D = normals(ctx, n, 13), *X = normals(ctx, op->cols, 14), *Y = normals(ctx, n, 15),
           *rest = kr_alloc(ctx, n, sizeof *rest);
    const struct kr_op *within = kr_op_shifted(op, D);
    ck_assert_ptr_null(kr_op_shifted(&bare, rest));
    for (size_t i = 0; i < n; i++)
        ck_assert(rest[i] == 0 && (within || D[i] == 0));
    OK(kr_op_apply(ctx, op, 1, X, Y));
    if (within)
        OK(kr_op_apply(ctx, within, 1, X, rest));
    for (size_t i = 0; i < n && within; i++)
        CLOSE(rest[i] + D[i] * X[i], Y[i], 10 * sqrt((double)n), 1e-14, "row %zu without the shift", i);
}

#endif
