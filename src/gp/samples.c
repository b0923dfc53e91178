/*
 * Draws of a joint normal distribution by the Cholesky factor of its covariance:
 *
 *     C + jitter I = L L',     sample = mean + L z,     z standard normal
 *
 * A covariance of near points is positive semidefinite at best, so rounding may leave it with negative
 * eigenvalues of the size of eps trace(C): then the least jitter of a ladder that makes it positive definite
 * is added, and told. Each sample has a random stream of its own, and samples are multiplied in groups of
 * GROUP columns whatever their number, so that their bits depend on nothing else. C is n x n, n^3/3 flops and
 * n^2 for each sample; n GROUP doubles a thread.
 */
#include "kriged/gp.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { GROUP = 32, STREAM = 0x5a3b1e0 /* and upward, one of random numbers a sample */ };
static const double MOST_JITTER = 1e-6; /* of the mean variance */

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

/* The lower triangle with its diagonal as it was, plus jitter; the upper one is never touched. */
static void restore(size_t n, const double *diagonal, double jitter, double *C)
{
    for (size_t j = 0; j < n; j++) {
        C[j * n + j] = diagonal[j] + jitter;
        for (size_t i = j + 1; i < n; i++)
            C[j * n + i] = C[i * n + j];
    }
}

/* L in the lower triangle of C. */
static kr_status factorise(struct kr_ctx *ctx, size_t n, double *C, double *jitter)
{
    const int order = (int)n;
    int info = 0;
    double *diagonal, trace = 0;
    KR_ALLOC(ctx, diagonal, n);
    for (size_t i = 0; i < n; i++)
        trace += diagonal[i] = C[i * n + i];
    const double most = MOST_JITTER * trace / (double)n;
    for (double next = DBL_EPSILON * trace, now = 0; now <= most; now = next, next *= 10) {
        KR_TRY(kr_poll(ctx));
        restore(n, diagonal, now, C);
        if (trace == 0) /* nothing is uncertain: L = 0 */
            return KR_OK;
        dpotrf_("L", &order, C, &order, &info);
        if (info == 0) {
            *jitter = now;
            return KR_OK;
        }
    }
    return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "/samples",
                   "the covariance of the %zu points is not positive definite, not even with %.3g added to "
                   "its diagonal: solve more closely (solver.rtol), or ask for fewer points",
                   n, most);
}

/* Samples first .. first + GROUP - 1, those that are wanted. */
static void draw(size_t n, const double *mean, const double *L, uint64_t seed, size_t first, size_t count,
                 double *Z, double *out)
{
    memset(Z, 0, GROUP * n * sizeof *Z);
    for (size_t s = first; s < first + GROUP && s < count; s++) {
        struct kr_rng rng;
        kr_rng_init(&rng, seed, STREAM + s);
        for (size_t i = 0; i < n; i++)
            Z[(s - first) * n + i] = kr_rng_normal(&rng);
    }
    cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, GROUP, 1, L, (int)n,
                Z, (int)n);
    for (size_t s = first; s < first + GROUP && s < count; s++)
        for (size_t i = 0; i < n; i++)
            out[s * n + i] = mean[i] + Z[(s - first) * n + i];
}

kr_status kr_normal_samples(struct kr_ctx *ctx, size_t n, const double *mean, double *covariance,
                            size_t count, uint64_t seed, double *out, double *jitter)
{
    double *Z;
    struct kr_mark mark = kr_mark(ctx);
    *jitter = 0;
    KR_TRY(factorise(ctx, n, covariance, jitter));
    KR_ALLOC(ctx, Z, (size_t)ctx->threads * GROUP * n);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t s = 0; s < count; s += GROUP)
        if (!kr_due(ctx))
            draw(n, mean, covariance, seed, s, count, Z + (size_t)kr_thread() * GROUP * n, out);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}
