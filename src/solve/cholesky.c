/*
 * Cholesky: A = L L', X = L^-T L^-1 B. n^3/3 flops for the factor, 2 n^2 a column; 8 n^2 bytes.
 *
 * Blocked by us, right-looking, tiles shared out to threads and each tile's products in a fixed order: the
 * same bits for any number of threads (a threaded LAPACK does not promise that). No jitter is added: a matrix
 * that is not positive definite is refused with the pivot that failed. Source: Golub and Van Loan, Matrix
 * Computations, 4.2.
 */
#include "kriged/solve.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 192, COLUMNS = 64 };

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

static size_t bytes(size_t n, size_t k)
{
    return 8 * n * (n + 1 + 4 * k);
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A[i..][j..] -= L[i..][p..] L[j..][p..]' for one block of the trailing matrix. */
static void update_block(double *A, size_t n, size_t i, size_t j, size_t p, size_t width)
{
    const int rows = (int)at_most(BLOCK, n - i), cols = (int)at_most(BLOCK, n - j), ld = (int)n;
    if (i == j)
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, rows, (int)width, -1, A + i + p * n, ld, 1,
                    A + i + i * n, ld);
    else
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, rows, cols, (int)width, -1, A + i + p * n, ld,
                    A + j + p * n, ld, 1, A + i + j * n, ld);
}

static void eliminate(struct kr_ctx *ctx, double *A, size_t n, size_t p)
{
    const size_t width = at_most(BLOCK, n - p), first = p + width, blocks = (n - first + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(ctx->threads)
    {
#pragma omp for schedule(dynamic)
        for (size_t b = 0; b < blocks; b++) {
            size_t i = first + b * BLOCK;
            cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                        (int)at_most(BLOCK, n - i), (int)width, 1, A + p + p * n, (int)n, A + i + p * n,
                        (int)n);
        }
#pragma omp for schedule(dynamic)
        for (size_t t = 0; t < blocks * blocks; t++) {
            size_t i = t / blocks, j = t % blocks;
            if (j <= i)
                update_block(A, n, first + i * BLOCK, first + j * BLOCK, p, width);
        }
    }
}

static kr_status refuse(struct kr_ctx *ctx, size_t n, size_t pivot, double value)
{
    return kr_fail(
        ctx, KR_NOT_POSITIVE_DEFINITE, "",
        "the covariance matrix of %zu rows is not positive definite to double precision: pivot %zu is "
        "%.3g. Repeated or nearly repeated inputs with too little noise do this: raise noise.variance",
        n, pivot, value);
}

/* A pivot that is nothing but rounding (n eps of what stood there) carries no information: the factor would
 * be noise. */
static kr_status check_pivots(struct kr_ctx *ctx, const double *A, const double *diagonal, size_t n, size_t p,
                              size_t width)
{
    for (size_t i = p; i < p + width; i++) {
        const double pivot = A[i + i * n] * A[i + i * n];
        if (!(pivot > (double)n * DBL_EPSILON * diagonal[i]))
            return refuse(ctx, n, i, pivot);
    }
    return KR_OK;
}

static kr_status factorise(struct kr_ctx *ctx, double *A, size_t n)
{
    double *diagonal;
    KR_ALLOC(ctx, diagonal, n);
    for (size_t i = 0; i < n; i++)
        diagonal[i] = A[i + i * n];
    for (size_t p = 0; p < n; p += BLOCK) {
        int width = (int)at_most(BLOCK, n - p), ld = (int)n, info = 0;
        KR_TRY(kr_poll(ctx));
        dpotrf_("L", &width, A + p + p * n, &ld, &info);
        if (info > 0)
            return refuse(ctx, n, p + (size_t)info - 1, A[(p + (size_t)info - 1) * (n + 1)]);
        KR_TRY(check_pivots(ctx, A, diagonal, n, p, (size_t)width));
        eliminate(ctx, A, n, p);
    }
    return KR_OK;
}

static kr_status open(struct kr_ctx *ctx, struct kr_solver *solver)
{
    const size_t n = solver->A.rows;
    double *A;
    KR_ALLOC(ctx, A, n * n);
    KR_TRY(kr_op_fill(ctx, &solver->A, A));
    solver->state = A;
    return factorise(ctx, A, n);
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    (void)rtol;
    const size_t n = solver->A.rows, groups = (k + COLUMNS - 1) / COLUMNS;
    memcpy(D, R, n * k * sizeof *D);
    report->stop = KR_STOP_RTOL;
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t g = 0; g < groups; g++) {
        double *block = D + g * COLUMNS * n;
        const int columns = (int)at_most(COLUMNS, k - g * COLUMNS);
        if (kr_due(ctx))
            continue;
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, columns, 1,
                    solver->state, (int)n, block, (int)n);
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (int)n, columns, 1,
                    solver->state, (int)n, block, (int)n);
    }
    return kr_poll(ctx);
}

/*
 * A^-1 below its diagonal, by columns: those of a group that begins at row p are zero above p until the
 * backward solve gets there, which is not needed. Then mirrored.
 */
static kr_status inverse(struct kr_ctx *ctx, const struct kr_solver *solver, double *out)
{
    const size_t n = solver->A.rows, groups = (n + COLUMNS - 1) / COLUMNS;
    const double *L = solver->state;
    memset(out, 0, n * n * sizeof *out);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t g = 0; g < groups; g++) {
        const size_t p = g * COLUMNS;
        const int rows = (int)(n - p), columns = (int)at_most(COLUMNS, n - p), ld = (int)n;
        double *block = out + p + p * n;
        if (kr_due(ctx))
            continue;
        for (int c = 0; c < columns; c++)
            block[(size_t)c * (n + 1)] = 1;
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rows, columns, 1,
                    L + p + p * n, ld, block, ld);
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, rows, columns, 1,
                    L + p + p * n, ld, block, ld);
    }
#pragma omp parallel for schedule(dynamic, COLUMNS) num_threads(ctx->threads)
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < j; i++)
            out[i + j * n] = out[j + i * n];
    return kr_poll(ctx);
}

static double logdet(const struct kr_solver *solver)
{
    const size_t n = solver->A.rows;
    const double *L = solver->state;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 2 * log(L[i + i * n]);
    return sum;
}

const struct kr_solver_type kr_solver_cholesky = {
    .base = {"cholesky", "dense factorisation: exact; n^2 memory", NULL},
    .bytes = bytes,
    .columns = 1024,
    .open = open,
    .correct = correct,
    .logdet = logdet,
    .inverse = inverse,
};
