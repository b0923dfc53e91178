/* Dense references: Jacobians with known entries, solves by LU, projections by normal equations. */
#ifndef KRIGED_TESTS_OPT_DENSE_H
#define KRIGED_TESTS_OPT_DENSE_H

#include "kriged/nullspace.h"
#include "suite.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define OK(expression) ck_assert_msg((expression) == KR_OK, "%s: %s", #expression, ctx->error.detail)
#define NEAR(got, wanted, tolerance)                                                                         \
    ck_assert_msg(fabs((got) - (wanted)) <= (tolerance), "%s = %.17g, wanted %.17g to %g", #got,             \
                  (double)(got), (double)(wanted), (double)(tolerance))

extern void dgesv_(const int *n, const int *k, double *A, const int *lda, int *pivots, double *B,
                   const int *ldb, int *info);

static inline double *numbers(struct kr_ctx *ctx, size_t count)
{
    double *made = kr_alloc(ctx, count, sizeof *made);
    ck_assert_ptr_nonnull(made);
    return made;
}

static inline double *random_numbers(struct kr_ctx *ctx, size_t count, uint64_t seed)
{
    double *made = numbers(ctx, count);
    struct kr_rng rng;
    kr_rng_init(&rng, seed, 11);
    for (size_t i = 0; i < count; i++)
        made[i] = kr_rng_normal(&rng);
    return made;
}

/* x = A^-1 b, A column-major n x n; x may be b. */
static inline void dense_solve(struct kr_ctx *ctx, size_t n, const double *A, const double *b, double *x)
{
    const int size = (int)n, one = 1;
    int info, *pivots = kr_alloc(ctx, n, sizeof *pivots);
    double *lu = numbers(ctx, n * n);
    memcpy(lu, A, n * n * sizeof *lu);
    memmove(x, b, n * sizeof *x);
    dgesv_(&size, &one, lu, &size, pivots, x, &size, &info);
    ck_assert_int_eq(info, 0);
}

/*
 * multipliers = (J_F J_F')^-1 J_F g_F and, where v is wanted, v_F = g_F - J_F'multipliers, v_H = 0. J is
 * column-major m x n, of full row rank on F, the coordinates that are not held (held may be NULL).
 */
static inline void dense_tangent(struct kr_ctx *ctx, size_t m, size_t n, const double *J, const bool *held,
                                 const double *g, double *v, double *multipliers)
{
    double *gram = numbers(ctx, m * m), *right = numbers(ctx, m);
    for (size_t j = 0; j < n; j++) {
        if (held && held[j])
            continue;
        for (size_t a = 0; a < m; a++) {
            right[a] += J[a + j * m] * g[j];
            for (size_t b = 0; b < m; b++)
                gram[a + b * m] += J[a + j * m] * J[b + j * m];
        }
    }
    dense_solve(ctx, m, gram, right, multipliers);
    for (size_t j = 0; v && j < n; j++)
        v[j] = held && held[j] ? 0 : g[j] - cblas_ddot((int)m, J + j * m, 1, multipliers, 1);
}

/* |J (z - out) - gamma c| */
static inline double dense_mismatch(struct kr_ctx *ctx, size_t m, size_t n, const double *J, const double *z,
                                    const double *out, double gamma, const double *c)
{
    double *r = numbers(ctx, m), sum = 0;
    for (size_t a = 0; a < m; a++) {
        for (size_t j = 0; j < n; j++)
            r[a] += J[a + j * m] * (z[j] - out[j]);
        r[a] -= gamma * c[a];
        sum += r[a] * r[a];
    }
    return sqrt(sum);
}

static inline struct kr_nullspace_options nullspace_options(struct kr_ctx *ctx)
{
    struct kr_nullspace_options options;
    OK(kr_schema_init(ctx, &kr_nullspace_options_schema, &options));
    return options;
}

#endif
