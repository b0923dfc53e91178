/* Systems of which everything is known, and the check of what a solve reports about them. */
#ifndef KRIGED_TESTS_SOLVE_SYSTEMS_H
#define KRIGED_TESTS_SOLVE_SYSTEMS_H

#include "../conform/models.h"

#include <cblas.h>

static inline double *normal(struct kr_ctx *ctx, size_t count, uint64_t seed)
{
    struct kr_rng rng;
    double *values = kr_alloc(ctx, count, sizeof *values);
    kr_rng_init(&rng, seed, 2);
    for (size_t i = 0; i < count; i++)
        values[i] = kr_rng_normal(&rng);
    return values;
}

/* A = Q diag(w) Q', Q a product of three reflections: all about it is known. */
static inline double *from_eigenvalues(struct kr_ctx *ctx, size_t n, const double *w)
{
    double *A = kr_alloc(ctx, n * n, sizeof *A), *row = kr_alloc(ctx, n, sizeof *row);
    for (size_t i = 0; i < n; i++)
        A[i + i * n] = w[i];
    for (uint64_t reflection = 0; reflection < 3; reflection++) {
        double *v = normal(ctx, n, 10 + reflection), factor = -2 / cblas_ddot((int)n, v, 1, v, 1);
        cblas_dgemv(CblasColMajor, CblasTrans, (int)n, (int)n, 1, A, (int)n, v, 1, 0, row, 1);
        cblas_dger(CblasColMajor, (int)n, (int)n, factor, v, 1, row, 1, A, (int)n);
        cblas_dgemv(CblasColMajor, CblasNoTrans, (int)n, (int)n, 1, A, (int)n, v, 1, 0, row, 1);
        cblas_dger(CblasColMajor, (int)n, (int)n, factor, row, 1, v, 1, A, (int)n);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            A[i + j * n] = A[j + i * n] = 0.5 * (A[i + j * n] + A[j + i * n]);
    return A;
}

/* Eigenvalues from 1 to 1/condition, evenly by their logarithms. */
static inline double *spectrum(struct kr_ctx *ctx, size_t n, double condition)
{
    double *w = kr_alloc(ctx, n, sizeof *w);
    for (size_t i = 0; i < n; i++)
        w[i] = pow(condition, -(double)i / (double)(n - 1));
    return w;
}

struct problem {
    size_t n, k;
    double *A, *truth, *B, *X, *residual;
    struct kr_op op;
    struct kr_solver_options options;
    struct kr_solve_report report;
};

/* k columns of a known solution; column 1 is zero. X holds rubbish before the solve. */
static inline void prepare(struct kr_ctx *ctx, const struct kr_type *solver, size_t n, size_t k,
                           const double *eigenvalues, double rtol, struct problem *p)
{
    *p = (struct problem){
        .n = n, .k = k, .A = from_eigenvalues(ctx, n, eigenvalues), .truth = normal(ctx, n * k, 1)};
    p->B = kr_alloc(ctx, n * k, sizeof *p->B);
    p->X = normal(ctx, n * k, 2);
    p->residual = normal(ctx, n * k, 3);
    if (k > 1)
        memset(p->truth + n, 0, n * sizeof *p->truth);
    OK(kr_op_dense(ctx, n, n, p->A, &p->op));
    OK(kr_op_apply(ctx, &p->op, k, p->truth, p->B));
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &p->options));
    p->options.type = solver;
    p->options.rtol = rtol;
}

static inline void solve(struct kr_ctx *ctx, struct problem *p)
{
    struct kr_solver solver;
    OK(kr_solver_open(ctx, &p->options, &p->op, &solver));
    OK(kr_solver_solve(ctx, &solver, p->k, p->B, NULL, p->X, p->residual, &p->report));
}

/* The report and the residual against B - A X in long double. Rounding alone may differ. */
static inline void check_residual(const struct problem *p, const char *name)
{
    double worst = 0, rounding = 0;
    for (size_t c = 0; c < p->k; c++) {
        const double *b = p->B + c * p->n, *x = p->X + c * p->n;
        long double square = 0, norm_b = cblas_dnrm2((int)p->n, b, 1), norm_x = cblas_dnrm2((int)p->n, x, 1);
        for (size_t i = 0; i < p->n; i++) {
            long double r = b[i];
            for (size_t j = 0; j < p->n; j++)
                r -= (long double)p->A[i + j * p->n] * x[j];
            CLOSE(p->residual[c * p->n + i], (double)r, (double)(norm_x + norm_b), 1e-14,
                  "%s, residual %zu of %zu", name, i, c);
            square += r * r;
        }
        if (norm_b > 0) {
            worst = fmax(worst, (double)(sqrtl(square) / norm_b));
            rounding = fmax(rounding, (double)((norm_x + norm_b) / norm_b) * 1e-14);
        }
    }
    ck_assert_msg(fabs(p->report.residual - worst) <= 1e-6 * worst + rounding, "%s: reports %g, true is %g",
                  name, p->report.residual, worst);
}

#endif
