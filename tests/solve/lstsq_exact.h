/*
 * Exact answers: least-squares problems with given singular values, their solutions and gradients in
 * quadruple precision, and the error of a gradient at given tolerances.
 */
#ifndef KRIGED_TESTS_LSTSQ_EXACT_H
#define KRIGED_TESTS_LSTSQ_EXACT_H

#include "kriged/lstsq.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static inline double *normals(struct kr_ctx *ctx, size_t count, uint64_t seed)
{
    struct kr_rng rng;
    double *values = kr_alloc(ctx, count, sizeof *values);
    kr_rng_init(&rng, seed, 6);
    for (size_t i = 0; i < count; i++)
        values[i] = kr_rng_normal(&rng);
    return values;
}

static inline double dot(size_t n, const double *x, const double *y)
{
    return cblas_ddot((int)n, x, 1, y, 1);
}

static inline double length(size_t n, const double *x)
{
    return cblas_dnrm2((int)n, x, 1);
}

/* |got - wanted| / |wanted| */
static inline double off(size_t n, const double *got, const double *wanted)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    return sqrt(square) / length(n, wanted);
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* m x n with the given rank, singular values from 1 to 1/condition, evenly by their logarithms, and random
 * singular vectors. */
static inline double *conditioned(struct kr_ctx *ctx, size_t m, size_t n, size_t rank, double condition)
{
    double *A = kr_alloc(ctx, m * n, sizeof *A), *U = normals(ctx, m * rank, 14),
           *V = normals(ctx, n * rank, 15);
    for (size_t c = 0; c < 2 * rank; c++) {
        const size_t size = c < rank ? m : n, column = c % rank;
        double *Q = c < rank ? U : V, *q = Q + column * size;
        for (size_t previous = 0; previous < 2 * column; previous++) {
            const double *p = Q + previous % column * size;
            cblas_daxpy((int)size, -dot(size, p, q), p, 1, q, 1);
        }
        cblas_dscal((int)size, 1 / length(size, q), q, 1);
    }
    for (size_t c = 0; c < rank; c++)
        cblas_dger(CblasColMajor, (int)m, (int)n, pow(condition, -(double)c / (double)(rank - 1)), U + c * m,
                   1, V + c * n, 1, A, (int)m);
    return A;
}

/*
 * Damped, in quadruple precision, one column: W = (A'A + lambda^2 I)^-1 c by an LDL' factorisation. A is
 * column-major m x n. What doubles lose at lambda = 1e-8 |A| stays far from the last of these digits.
 */
typedef __float128 quad;
static inline void quad_solve(struct kr_ctx *ctx, size_t m, size_t n, const double *A, double lambda,
                              const quad *c, quad *w)
{
    quad *G = kr_alloc(ctx, n * n, sizeof *G);
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++) {
            quad sum = i == j ? (quad)lambda * lambda : 0;
            for (size_t l = 0; l < m; l++)
                sum += (quad)A[l + i * m] * A[l + j * m];
            G[i + j * n] = sum;
        }
    for (size_t j = 0; j < n; j++)
        for (size_t l = j + 1; l < n; l++) {
            const quad factor = G[l + j * n] / G[j + j * n];
            for (size_t i = l; i < n; i++)
                G[i + l * n] -= factor * G[i + j * n];
        }
    for (size_t i = 0; i < n; i++) {
        w[i] = c[i];
        for (size_t j = 0; j < i; j++)
            w[i] -= G[i + j * n] / G[j + j * n] * w[j];
    }
    for (size_t i = n; i-- > 0;) {
        w[i] /= G[i + i * n];
        for (size_t j = i + 1; j < n; j++)
            w[i] -= G[j + i * n] / G[i + i * n] * w[j];
    }
}

/* y += alpha A x or alpha A'x. */
static inline void quad_add(size_t m, size_t n, const double *A, bool transposed, int alpha, const quad *x,
                            quad *y)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            y[transposed ? j : i] += alpha * (quad)A[i + j * m] * x[transposed ? i : j];
}

/* The gradient for every entry of A in quadruple precision; W and x as lstsq_pull.c names them. */
struct exact {
    double *A_bar, *b_bar, damping_bar, W, x;
};

static inline double quad_dot(size_t n, const quad *x, const quad *y)
{
    quad sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return (double)sum;
}

/* From y = (A A' + lambda^2 I)^-1 b and bbar = (A A' + lambda^2 I)^-1 A xbar for m <= n: x = A'y, r =
 * lambda^2 y, W = (xbar - A'bbar) / lambda^2, so that r W' is right for lambda = 0; and from x and W for m >
 * n, where the rank is full or lambda > 0. */
static inline struct exact exact_gradient(struct kr_ctx *ctx, size_t m, size_t n, const double *A,
                                          double lambda, const double *b, const double *x_bar)
{
    struct exact out = {kr_alloc(ctx, m * n, 8), kr_alloc(ctx, m, 8), 0, 0, 0};
    quad *r = kr_alloc(ctx, 4 * m, sizeof *r), *bbar = r + m, *y = bbar + m, *c = y + m;
    quad *x = kr_alloc(ctx, 4 * n, sizeof *x), *w = x + n, *d = w + n, *xbar = d + n;
    double *At = kr_alloc(ctx, m * n, sizeof *At);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            At[j + i * n] = A[i + j * m];
    for (size_t i = 0; i < m; i++)
        c[i] = b[i];
    for (size_t j = 0; j < n; j++)
        w[j] = xbar[j] = x_bar[j];
    if (m > n) {
        quad_add(m, n, A, true, 1, c, d);
        quad_solve(ctx, m, n, A, lambda, d, x);
        quad_add(m, n, A, false, -1, x, c);
        quad_solve(ctx, m, n, A, lambda, xbar, w);
        quad_add(m, n, A, false, 1, w, bbar);
        memcpy(r, c, m * sizeof *r);
    } else {
        quad_solve(ctx, n, m, At, lambda, c, y);
        quad_add(m, n, A, true, 1, y, x);
        memset(c, 0, m * sizeof *c);
        quad_add(m, n, A, false, 1, xbar, c);
        quad_solve(ctx, n, m, At, lambda, c, bbar);
        quad_add(m, n, A, true, -1, bbar, w);
        memcpy(r, y, m * sizeof *r);
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            out.A_bar[i + j * m] = (double)(r[i] * w[j] - bbar[i] * x[j]);
    for (size_t i = 0; i < m; i++)
        out.b_bar[i] = (double)bbar[i];
    for (size_t j = 0; j < n && m <= n && lambda > 0; j++)
        w[j] /= (quad)lambda * lambda;
    out.damping_bar = -2 * lambda * (m > n ? quad_dot(n, w, x) : quad_dot(m, bbar, y));
    out.W = sqrt(quad_dot(n, w, w));
    out.x = sqrt(quad_dot(n, x, x));
    return out;
}

/* A problem of the table of tolerances. */
struct tolerance_case {
    const char *name;
    size_t m, n;
    double lambda, condition;
};

/* |grad - exact|/|grad| for every entry of A, of a linear loss. exact: exact_gradient of the same case. */
static inline kr_status gradient_error(struct kr_ctx *ctx, const struct tolerance_case *c,
                                       const struct exact *exact, const struct kr_lstsq_options *options,
                                       double *error, struct kr_lstsq_report *report)
{
    struct kr_mark mark = kr_mark(ctx);
    const double *A = conditioned(ctx, c->m, c->n, smaller(c->m, c->n), c->condition),
                 *b = normals(ctx, c->m, 21), *x_bar = normals(ctx, c->n, 22);
    double *x = kr_alloc(ctx, c->n, sizeof *x), *r = kr_alloc(ctx, c->m, sizeof *r),
           *grad = kr_alloc(ctx, c->m * c->n, sizeof *grad);
    struct kr_lstsq problem;
    struct kr_op op;
    KR_TRY(kr_op_dense(ctx, c->m, c->n, A, &op));
    KR_TRY(kr_lstsq_open(ctx, options, &op, c->lambda, NULL, &problem));
    KR_TRY(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, r, NULL, report));
    KR_TRY(kr_lstsq_pull(ctx, &problem, 1, x, r, x_bar, NULL, grad, NULL, report));
    *error = off(c->m * c->n, grad, exact->A_bar);
    kr_release(ctx, mark);
    return KR_OK;
}

static inline struct exact exact_case(struct kr_ctx *ctx, const struct tolerance_case *c)
{
    return exact_gradient(ctx, c->m, c->n, conditioned(ctx, c->m, c->n, smaller(c->m, c->n), c->condition),
                          c->lambda, normals(ctx, c->m, 21), normals(ctx, c->n, 22));
}

#endif
