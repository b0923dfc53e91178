/* Least-squares problems of any shape and rank of which everything is known, and the dense answer by an SVD.
 */
#ifndef KRIGED_TESTS_SOLVE_LEAST_SQUARES_H
#define KRIGED_TESTS_SOLVE_LEAST_SQUARES_H

#include "kriged/lstsq.h"
#include "systems.h"

extern void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *A,
                    const int *lda, double *s, double *U, const int *ldu, double *Vt, const int *ldvt,
                    double *work, const int *lwork, int *info);
extern void dgeqrf_(const int *m, const int *n, double *A, const int *lda, double *tau, double *work,
                    const int *lwork, int *info);
extern void dorgqr_(const int *m, const int *n, const int *k, double *A, const int *lda, const double *tau,
                    double *work, const int *lwork, int *info);

/* `count` orthonormal columns of length n. */
static inline double *orthonormal(struct kr_ctx *ctx, size_t n, size_t count, uint64_t seed)
{
    double *Q = normal(ctx, n * count, seed), *tau = kr_alloc(ctx, count, sizeof *tau);
    const int rows = (int)n, cols = (int)count, lwork = 64 * cols;
    double *work = kr_alloc(ctx, (size_t)lwork, sizeof *work);
    int info;
    dgeqrf_(&rows, &cols, Q, &rows, tau, work, &lwork, &info);
    ck_assert_int_eq(info, 0);
    dorgqr_(&rows, &cols, &cols, Q, &rows, tau, work, &lwork, &info);
    ck_assert_int_eq(info, 0);
    return Q;
}

/* A = U diag(sigma) V', m x n of rank r, with singular values from 1 to 1/condition. */
struct known {
    size_t m, n, r;
    double *U, *V, *sigma, *A;
    struct kr_op op;
};

static inline void known_matrix(struct kr_ctx *ctx, size_t m, size_t n, size_t r, double condition,
                                uint64_t seed, struct known *out)
{
    *out = (struct known){.m = m, .n = n, .r = r};
    out->U = orthonormal(ctx, m, r, 2 * seed);
    out->V = orthonormal(ctx, n, r, 2 * seed + 1);
    out->sigma = r > 1 ? spectrum(ctx, r, condition) : kr_alloc(ctx, 1, sizeof(double));
    out->sigma[0] = 1;
    double *scaled = kr_alloc(ctx, m * r, sizeof *scaled);
    for (size_t j = 0; j < r; j++)
        cblas_daxpy((int)m, out->sigma[j], out->U + j * m, 1, scaled + j * m, 1);
    out->A = kr_alloc(ctx, m * n, sizeof *out->A);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)r, 1, scaled, (int)m, out->V,
                (int)n, 0, out->A, (int)m);
    OK(kr_op_dense(ctx, m, n, out->A, &out->op));
}

/* X = V diag(s/(s^2 + lambda^2)) U' B by the known factors: the pseudo-inverse, damped or not. */
static inline void known_solution(struct kr_ctx *ctx, const struct known *a, bool transposed, double lambda,
                                  size_t k, const double *B, double *X)
{
    const double *U = transposed ? a->V : a->U, *V = transposed ? a->U : a->V;
    const int m = (int)(transposed ? a->n : a->m), n = (int)(transposed ? a->m : a->n), r = (int)a->r;
    double *C = kr_alloc(ctx, a->r * k, sizeof *C);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, r, (int)k, m, 1, U, m, B, m, 0, C, r);
    for (size_t i = 0; i < a->r * k; i++) {
        const double s = a->sigma[i % a->r];
        C[i] *= s / (s * s + lambda * lambda);
    }
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, (int)k, r, 1, V, n, C, r, 0, X, n);
}

/* Singular values and vectors of any stored matrix, by LAPACK. */
static inline void singular_values(struct kr_ctx *ctx, size_t m, size_t n, const double *A, double *sigma)
{
    const size_t smaller = m < n ? m : n;
    const int rows = (int)m, cols = (int)n, one = 1, lwork = (int)(8 * (m + n) + 64 * smaller);
    double *copy = kr_alloc(ctx, m * n, sizeof *copy), *work = kr_alloc(ctx, (size_t)lwork, sizeof *work),
           none[1];
    int info;
    memcpy(copy, A, m * n * sizeof *copy);
    dgesvd_("N", "N", &rows, &cols, copy, &rows, sigma, none, &one, none, &one, work, &lwork, &info);
    ck_assert_int_eq(info, 0);
}

static inline double length_of(const double *x, size_t n)
{
    return cblas_dnrm2((int)n, x, 1);
}

static inline double distance(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = hypot(sum, x[i] - y[i]);
    return sum;
}

/* Tall, wide, square; of full rank and not. */
static const struct shape {
    const char *name;
    size_t m, n, r;
} shapes[] = {{"tall", 60, 25, 25},
              {"wide", 25, 60, 25},
              {"square", 30, 30, 30},
              {"rank-deficient tall", 60, 25, 17},
              {"rank-deficient wide", 25, 60, 17},
              {"rank-deficient square", 30, 30, 21},
              {"one column", 40, 1, 1},
              {"one row", 1, 40, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static inline struct kr_lstsq_options tight_options(struct kr_ctx *ctx, double tolerance,
                                                    enum kr_lstsq_preconditioner preconditioner)
{
    struct kr_lstsq_options options;
    OK(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.atol = options.btol = tolerance;
    options.preconditioner = (int)preconditioner;
    return options;
}

/* Another operator, whose products are counted and, after so many columns, go wrong. */
struct wrapped {
    struct kr_op inner;
    size_t columns, columns_t;         /* multiplied so far */
    size_t spoil_after, spoil_t_after; /* then the first number of a block is not finite; 0 = never */
    size_t cancel_after;               /* products of both kinds; 0 = never */
    double adjoint_factor;             /* A' is wrong by this factor; 1 = right */
};

static inline kr_status count_product(struct kr_ctx *ctx, struct wrapped *w, bool transposed, size_t k,
                                      double *Y)
{
    size_t *columns = transposed ? &w->columns_t : &w->columns,
           limit = transposed ? w->spoil_t_after : w->spoil_after;
    *columns += k;
    if (limit && *columns > limit)
        Y[0] = NAN;
    if (w->cancel_after && w->columns + w->columns_t >= w->cancel_after)
        kr_cancel(ctx);
    return KR_OK;
}

static inline kr_status wrapped_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                      double *Y)
{
    struct wrapped *w = *(struct wrapped *const *)op->self;
    KR_TRY(kr_op_apply(ctx, &w->inner, k, X, Y));
    return count_product(ctx, w, false, k, Y);
}

static inline kr_status wrapped_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                        double *Y)
{
    struct wrapped *w = *(struct wrapped *const *)op->self;
    KR_TRY(kr_op_apply_t(ctx, &w->inner, k, X, Y));
    for (size_t i = 0; i < k * op->cols && w->adjoint_factor != 1; i++)
        Y[i] *= i % 3 == 0 ? w->adjoint_factor : 1;
    return count_product(ctx, w, true, k, Y);
}

/* *w must outlive the operator. */
static inline struct kr_op wrap(struct kr_ctx *ctx, const struct kr_op *inner, struct wrapped *w)
{
    static const struct kr_op_type type = {
        .name = "wrapped", .apply = wrapped_apply, .apply_t = wrapped_apply_t};
    struct wrapped **self = kr_alloc(ctx, 1, sizeof *self);
    *self = w;
    *w = (struct wrapped){.inner = *inner, .adjoint_factor = 1};
    return (struct kr_op){&type, inner->rows, inner->cols, inner->symmetric, self};
}

/* The dense answer for an operator without known factors: LAPACK's shortest minimiser of its entries. */
extern void dgelsd_(const int *m, const int *n, const int *k, double *A, const int *lda, double *B,
                    const int *ldb, double *s, const double *rcond, int *rank, double *work, const int *lwork,
                    int *iwork, int *info);

static inline void dense_solution(struct kr_ctx *ctx, const struct kr_op *op, double damping, size_t k,
                                  const double *B, double *X)
{
    const size_t m = op->rows, n = op->cols, rows = m + (damping > 0 ? n : 0), tall = rows > n ? rows : n;
    double *A = kr_alloc(ctx, m * n, sizeof *A), *stacked = kr_alloc(ctx, rows * n, sizeof *A),
           *Y = kr_alloc(ctx, tall * k, sizeof *Y), *s = kr_alloc(ctx, n, sizeof *s), length;
    const int r = (int)rows, c = (int)n, columns = (int)k, ld = (int)tall, ask = -1;
    const double cut = 1e-12;
    int rank, info, integers = 0;
    OK(kr_op_fill(ctx, op, A));
    for (size_t j = 0; j < n; j++) {
        memcpy(stacked + j * rows, A + j * m, m * sizeof *A);
        if (damping > 0)
            stacked[j * rows + m + j] = damping;
    }
    for (size_t j = 0; j < k; j++)
        memcpy(Y + j * tall, B + j * m, m * sizeof *B);
    dgelsd_(&r, &c, &columns, stacked, &r, Y, &ld, s, &cut, &rank, &length, &ask, &integers, &info);
    const int lwork = (int)length;
    double *work = kr_alloc(ctx, (size_t)lwork, sizeof *work);
    int *iwork = kr_alloc(ctx, (size_t)integers, sizeof *iwork);
    dgelsd_(&r, &c, &columns, stacked, &r, Y, &ld, s, &cut, &rank, work, &lwork, iwork, &info);
    ck_assert_int_eq(info, 0);
    for (size_t j = 0; j < k; j++)
        memcpy(X + j * n, Y + j * tall, n * sizeof *X);
}

#endif
