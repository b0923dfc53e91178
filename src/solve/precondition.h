/* What the preconditioners of low rank share: P = F F' + diag(D), F n x rank, D > 0. */
#ifndef SOLVE_PRECONDITION_H
#define SOLVE_PRECONDITION_H

#include "kriged/solve.h"

/*
 * A = B + diag(D) with every D well above rounding: returns B and the preconditioner approximates B alone, so
 * that P <= A. Else NULL, D = 0: the preconditioner approximates A, and D comes from what is left of it.
 */
kr_status kr_precondition_split(struct kr_ctx *ctx, const struct kr_op *A, double *D,
                                const struct kr_op **B) KR_MUST_CHECK;
/* D for an A that holds no diagonal of its own: diag(A - F F'), kept away from 0. `remaining` (n) is
 * diag(A - F F') on entry, D on return; `size` the mean of diag(A). */
void kr_precondition_remainder(size_t n, double size, double *remaining);

/* F (n x rank, in the arena, below it) becomes part of `out`. */
kr_status kr_low_rank_open(struct kr_ctx *ctx, size_t n, size_t rank, double *F, const double *D,
                           struct kr_preconditioner *out) KR_MUST_CHECK;
kr_status kr_low_rank_apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k, const double *R,
                            double *Z) KR_MUST_CHECK;
kr_status kr_low_rank_copy(struct kr_ctx *keeper, const struct kr_preconditioner *P,
                           void **state) KR_MUST_CHECK;
/* pivoted_cholesky into `out`, unless the first columns show that it will not do within that rank: then
 * `done` is false and nothing is left. */
kr_status kr_pivoted_cholesky_try(struct kr_ctx *ctx, size_t rank, const struct kr_op *A,
                                  struct kr_preconditioner *out, bool *done) KR_MUST_CHECK;
size_t kr_low_rank_bytes(size_t n, size_t rank);

#endif
