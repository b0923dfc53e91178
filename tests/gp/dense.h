/* Posteriors by the formulas, worked out on stored matrices. */
#ifndef KRIGED_TESTS_GP_DENSE_H
#define KRIGED_TESTS_GP_DENSE_H

#include "specs.h"

#include <cblas.h>

extern void dposv_(const char *uplo, const int *n, const int *k, double *A, const int *lda, double *B,
                   const int *ldb, int *info);

static inline double entry(const struct kr_gp *gp, double *scratch, const struct kr_points *x, size_t i,
                           const struct kr_points *z, size_t j)
{
    double value;
    struct kr_tile tile = {1, 1, x->x + i, z->x + j, x->ld, z->ld};
    gp->kernel->type->eval(gp->kernel, gp->start, &tile, &value, scratch);
    return value;
}

/* mean (k), and covariance (k x k) of the function at the points x, with the mean function m = `offset`. */
static inline void dense_posterior(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                                   double offset, const struct kr_points *x, double *mean, double *covariance)
{
    const int n = (int)part->n, columns = (int)x->n + 1;
    int info;
    double *A = kr_alloc(ctx, part->n * part->n, sizeof *A),
           *S = kr_alloc(ctx, part->n * (size_t)columns, sizeof *S),
           *scratch = kr_alloc(ctx, kr_kernel_scratch(gp->kernel), sizeof *scratch);
    double *solved = S + n; /* column 0: y - m; then k(X, x_j) */
    for (size_t i = 0; i < part->n; i++) {
        S[i] = part->y[i] - offset;
        for (size_t j = 0; j < part->n; j++)
            A[i + j * part->n] = entry(gp, scratch, &part->x, i, &part->x, j);
        A[i + i * part->n] += gp->start[gp->noise_index] + (part->noise ? part->noise[i] : 0);
        for (size_t j = 0; j < x->n; j++)
            solved[i + j * part->n] = entry(gp, scratch, &part->x, i, x, j);
    }
    double *cross = kr_alloc(ctx, part->n * x->n, sizeof *cross);
    memcpy(cross, solved, part->n * x->n * sizeof *cross);
    dposv_("L", &n, &columns, A, &n, S, &n, &info);
    ck_assert_int_eq(info, 0);
    for (size_t j = 0; j < x->n; j++) {
        mean[j] = offset + cblas_ddot(n, cross + j * part->n, 1, S, 1);
        for (size_t i = 0; i < x->n; i++)
            covariance[i + j * x->n] = entry(gp, scratch, x, i, x, j) -
                                       cblas_ddot(n, cross + i * part->n, 1, solved + j * part->n, 1);
    }
}

#endif
