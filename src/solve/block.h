/*
 * Products of tall blocks (n x k, column-major, no gaps, n large), shared out to threads in pieces that
 * depend on the shapes alone and are added in a fixed order: the same bits for any number of threads.
 */
#ifndef SOLVE_BLOCK_H
#define SOLVE_BLOCK_H

#include "kriged/base.h"

/* G (p x q) = X'Y, X n x p, Y n x q; X == Y is symmetric and costs half where it is large. */
kr_status kr_block_gram(struct kr_ctx *ctx, size_t n, size_t p, size_t q, const double *X, const double *Y,
                        double *G) KR_MUST_CHECK;
/* Y (n x q) = beta Y + alpha X C, X n x p, C p x q with ldc >= p. */
void kr_block_add(struct kr_ctx *ctx, size_t n, size_t p, size_t q, double alpha, const double *X,
                  const double *C, size_t ldc, double beta, double *Y);
/* X (n x p) = X L^-T for a lower triangle L with ldl >= p. */
void kr_block_right_solve(struct kr_ctx *ctx, size_t n, size_t p, const double *L, size_t ldl, double *X);
/* Bytes that kr_block_gram takes from the arena at most, for blocks of so many columns or fewer. */
size_t kr_block_bytes(size_t n, size_t p, size_t q);

#endif
