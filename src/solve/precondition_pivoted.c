/*
 * Partial Cholesky factor of B (A = B + diag(D)) with the largest remaining diagonal as the next pivot:
 *
 *     S = B - F F',    p = argmax S_ii / D_i,    f = S e_p / sqrt(S_pp),    F = [F, f]
 *
 * until the rank is reached or trace(D^-1/2 S D^-1/2) <= 0.1: then the condition number of P^-1 A is at most
 * 1.1. F F' <= B, so P = F F' + diag(D) <= A. rank columns of B, n rank^2 flops (memory-bound), 8 n rank
 * bytes. An operator without a diagonal of its own: D from what is left (kr_precondition_remainder).
 * Sources: Harbrecht, Peters and Schneider 2012; Gardner, Pleiss, Bindel, Weinberger and Wilson 2018.
 */
#include "solve/block.h"
#include "solve/precondition.h"

#include <float.h>
#include <math.h>

#define ENOUGH 0.1

KR_DEFINE(kr_pivoted_cholesky_options, KR_PIVOTED_CHOLESKY_FIELDS, "partial Cholesky factor with pivots");

/* The largest S_ii/D_i and their sum, which is not finite where an entry is not. */
static size_t largest(size_t n, const double *S, const double *D, bool divided, double *sum)
{
    size_t pivot = 0;
    double best = -1;
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double share = divided ? S[i] / D[i] : S[i];
        *sum += share;
        if (share > best)
            best = share, pivot = i;
    }
    return pivot;
}

/* F and S = diag(B - F F'), S = diag(B) on entry. Returns the number of columns. */
static kr_status factorise(struct kr_ctx *ctx, const struct kr_op *B, const double *D, bool divided,
                           size_t most, double *F, double *S, size_t *rank)
{
    const size_t n = B->rows;
    double *row, smallest = 0;
    KR_ALLOC(ctx, row, most);
    for (size_t i = 0; i < n; i++)
        smallest = fmax(smallest, S[i]);
    smallest *= (double)n * DBL_EPSILON; /* below, the remainder is rounding */
    for (*rank = 0; *rank < most; ++*rank) {
        double sum, *f = F + *rank * n;
        const size_t p = largest(n, S, D, divided, &sum);
        if (!isfinite(sum) || !(S[p] > smallest) || (divided && sum <= ENOUGH))
            return KR_OK;
        KR_TRY(kr_op_columns(ctx, B, 1, &p, f));
        for (size_t c = 0; c < *rank; c++)
            row[c] = F[c * n + p];
        kr_block_add(ctx, n, *rank, 1, -1, F, row, *rank, 1, f);
        const double root = sqrt(S[p]);
        for (size_t i = 0; i < n; i++) {
            f[i] /= root;
            S[i] = fmax(0, S[i] - f[i] * f[i]);
        }
        S[p] = 0;
    }
    return KR_OK;
}

static kr_status open(struct kr_ctx *ctx, const void *options, size_t rank, const struct kr_op *A,
                      struct kr_preconditioner *out)
{
    const size_t n = A->rows;
    const struct kr_op *B;
    double *F, *D, *S, size = 0;
    (void)options;
    KR_ALLOC(ctx, F, n * rank);
    KR_ALLOC(ctx, D, n);
    KR_ALLOC(ctx, S, n);
    KR_TRY(kr_precondition_split(ctx, A, D, &B));
    KR_TRY(kr_op_diagonal(ctx, B ? B : A, S));
    for (size_t i = 0; i < n; i++)
        size += S[i] / (double)n;
    KR_TRY(factorise(ctx, B ? B : A, D, B != NULL, rank, F, S, &rank));
    if (!(B ? B : A)->type->columns)
        out->products = rank;
    if (!B)
        kr_precondition_remainder(n, size, S);
    return kr_low_rank_open(ctx, n, rank, F, B ? D : S, out);
}

const struct kr_preconditioner_type kr_preconditioner_pivoted_cholesky = {
    .base = {"pivoted_cholesky", "the columns with the largest remaining variance, one after the other",
             &kr_pivoted_cholesky_options_schema},
    .rank = offsetof(struct kr_pivoted_cholesky_options, rank),
    .bytes = kr_low_rank_bytes,
    .open = open,
    .apply = kr_low_rank_apply,
};
