/*
 * Stochastic Lanczos quadrature: z'log(A) z ~ |z|^2 sum_j t_1j^2 log theta_j, theta_j and t_j the eigenpairs
 * of the tridiagonal matrix that `steps` Lanczos steps from z/|z| give. All probes share the products; each
 * is orthogonalised against all of its own vectors, twice where it must be, so that no eigenvalue comes as a
 * ghost. Cost: s products a step, 4 n s steps^2 flops beside them, n s steps doubles. Source: Ubaru, Chen and
 * Saad 2017.
 */
#include "gp/evidence.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

extern void dstev_(const char *job, const int *n, double *d, double *e, double *Z, const int *ldz,
                   double *work, int *info);

/* Per probe: the basis (n x (steps + 1)), the tridiagonal's diagonal and off-diagonal, its size so far. */
struct chain {
    double *Q, *diagonal, *off;
    size_t size;
    bool done; /* the space is exhausted: the quadrature is exact */
};

static void orthogonalise(size_t n, struct chain *c, double *w)
{
    for (size_t j = 0; j < c->size; j++)
        cblas_daxpy((int)n, -cblas_ddot((int)n, c->Q + j * n, 1, w, 1), c->Q + j * n, 1, w, 1);
}

/* w = A q of the newest vector: the next row of the tridiagonal, and the next vector. */
static void advance(size_t n, struct chain *c, double *w)
{
    const double *q = c->Q + (c->size - 1) * n, before = cblas_dnrm2((int)n, w, 1);
    c->diagonal[c->size - 1] = cblas_ddot((int)n, q, 1, w, 1);
    orthogonalise(n, c, w);
    orthogonalise(n, c, w);
    const double norm = cblas_dnrm2((int)n, w, 1);
    c->done = !(norm > (double)n * DBL_EPSILON * before);
    if (c->done)
        return;
    c->off[c->size - 1] = norm;
    double *next = c->Q + c->size++ * n;
    for (size_t i = 0; i < n; i++)
        next[i] = w[i] / norm;
}

/* e_1'log(T) e_1 */
static kr_status quadrature(struct kr_ctx *ctx, const struct chain *c, size_t size, double *out)
{
    const int m = (int)size;
    double *vectors, *work;
    int info;
    KR_ALLOC(ctx, vectors, size * size);
    KR_ALLOC(ctx, work, 2 * size);
    dstev_("V", &m, c->diagonal, c->off, vectors, &m, work, &info);
    *out = 0;
    for (size_t j = 0; j < size; j++) {
        if (info != 0 || !(c->diagonal[j] > 0))
            return kr_fail(
                ctx, KR_NOT_POSITIVE_DEFINITE, "",
                "the covariance matrix has an eigenvalue of about %.3g: it is not positive definite to "
                "double precision; raise noise.variance",
                c->diagonal[j]);
        *out += vectors[j * size] * vectors[j * size] * log(c->diagonal[j]);
    }
    return KR_OK;
}

kr_status kr_lanczos_logdet(struct kr_ctx *ctx, const struct kr_op *A, size_t s, const double *Z,
                            size_t steps, double *out, size_t *products)
{
    const size_t n = A->rows, most = steps < n ? steps : n;
    struct chain *chains;
    double *X, *AX;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, chains, s);
    KR_ALLOC(ctx, X, n * s);
    KR_ALLOC(ctx, AX, n * s);
    for (size_t c = 0; c < s; c++) {
        KR_ALLOC(ctx, chains[c].Q, n * (most + 1));
        KR_ALLOC(ctx, chains[c].diagonal, most + 1);
        KR_ALLOC(ctx, chains[c].off, most + 1);
        chains[c].size = 1;
        for (size_t i = 0; i < n; i++)
            chains[c].Q[i] = Z[c * n + i] / sqrt((double)n);
    }
    for (size_t step = 0; step < most; step++) {
        for (size_t c = 0; c < s; c++)
            memcpy(X + c * n, chains[c].Q + (chains[c].size - 1) * n, n * sizeof *X);
        KR_TRY(kr_op_apply(ctx, A, s, X, AX));
        *products += s;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * s > 32768)
        for (size_t c = 0; c < s; c++)
            if (!chains[c].done)
                advance(n, &chains[c], AX + c * n);
    }
    *out = 0;
    for (size_t c = 0; c < s; c++) {
        double value = 0;
        KR_TRY(quadrature(ctx, &chains[c], chains[c].done ? chains[c].size : chains[c].size - 1, &value));
        *out += (double)n * value / (double)s;
    }
    kr_release(ctx, mark);
    return KR_OK;
}
