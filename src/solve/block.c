/*
 * G = X'Y, Y = beta Y + alpha X C and X = X L^-T for tall blocks.
 *
 * A large G is cut into tiles of at most TILE x TILE, each over all rows; a small one into runs of ROWS rows
 * whose sums are added in order (n/ROWS lanes of p q doubles). Updates go by runs of rows. 2 n p q flops
 * each.
 */
#include "solve/block.h"

#include <cblas.h>
#include <string.h>

enum { TILE = 128, ROWS = 512, SMALL = 400000 /* flops below which threads would mostly wait */ };

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t pieces(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

size_t kr_block_bytes(size_t n, size_t p, size_t q)
{
    return sizeof(double) * pieces(n, ROWS) * at_most(TILE, p) * at_most(TILE, q);
}

/* G = X'Y for leading dimensions ldx and ldy. */
static void product(size_t rows, size_t p, size_t q, const double *X, size_t ldx, const double *Y, size_t ldy,
                    double *G, size_t ldg)
{
    if (q == 1)
        cblas_dgemv(CblasColMajor, CblasTrans, (int)rows, (int)p, 1, X, (int)ldx, Y, 1, 0, G, 1);
    else
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)p, (int)q, (int)rows, 1, X, (int)ldx, Y,
                    (int)ldy, 0, G, (int)ldg);
}

static void gram_tiles(struct kr_ctx *ctx, size_t n, size_t p, size_t q, const double *X, const double *Y,
                       double *G)
{
    const size_t down = pieces(p, TILE), across = pieces(q, TILE);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads) if (n * p * q > SMALL)
    for (size_t t = 0; t < down * across; t++) {
        const size_t i = t % down * TILE, j = t / down * TILE;
        if (X != Y || i >= j)
            product(n, at_most(TILE, p - i), at_most(TILE, q - j), X + i * n, n, Y + j * n, n, G + i + j * p,
                    p);
    }
    for (size_t j = 0; j < q && X == Y; j++)
        for (size_t i = 0; i < j; i++)
            G[i + j * p] = G[j + i * p];
}

kr_status kr_block_gram(struct kr_ctx *ctx, size_t n, size_t p, size_t q, const double *X, const double *Y,
                        double *G)
{
    const size_t runs = pieces(n, ROWS);
    double *lanes;
    struct kr_mark mark = kr_mark(ctx);
    if (p > TILE || q > TILE || runs <= 1) {
        gram_tiles(ctx, n, p, q, X, Y, G);
        return KR_OK;
    }
    KR_ALLOC(ctx, lanes, runs * p * q);
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * p * q > SMALL)
    for (size_t r = 0; r < runs; r++)
        product(at_most(ROWS, n - r * ROWS), p, q, X + r * ROWS, n, Y + r * ROWS, n, lanes + r * p * q, p);
    memcpy(G, lanes, p * q * sizeof *G);
    for (size_t r = 1; r < runs; r++)
        for (size_t e = 0; e < p * q; e++)
            G[e] += lanes[r * p * q + e];
    kr_release(ctx, mark);
    return KR_OK;
}

void kr_block_add(struct kr_ctx *ctx, size_t n, size_t p, size_t q, double alpha, const double *X,
                  const double *C, size_t ldc, double beta, double *Y)
{
    const size_t runs = pieces(n, ROWS);
    if (p == 0 || q == 0)
        return;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * p * q > SMALL)
    for (size_t r = 0; r < runs; r++) {
        const size_t first = r * ROWS;
        const int rows = (int)at_most(ROWS, n - first);
        if (q == 1)
            cblas_dgemv(CblasColMajor, CblasNoTrans, rows, (int)p, alpha, X + first, (int)n, C, 1, beta,
                        Y + first, 1);
        else
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, rows, (int)q, (int)p, alpha, X + first,
                        (int)n, C, (int)ldc, beta, Y + first, (int)n);
    }
}

void kr_block_right_solve(struct kr_ctx *ctx, size_t n, size_t p, const double *L, size_t ldl, double *X)
{
    const size_t runs = pieces(n, ROWS);
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * p * p > SMALL)
    for (size_t r = 0; r < runs; r++)
        cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                    (int)at_most(ROWS, n - r * ROWS), (int)p, 1, L, (int)ldl, X + r * ROWS, (int)n);
}
