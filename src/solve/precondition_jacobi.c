/* P = diag(|A_ii|): what scaling the unknowns does. An entry that is 0 or not finite counts as the mean. */
#include "kriged/solve.h"

#include <math.h>

static size_t bytes(size_t n, size_t rank)
{
    (void)rank;
    return sizeof(double) * 66 * n; /* a block of unit vectors, where the operator knows no diagonal */
}

static kr_status open(struct kr_ctx *ctx, const void *options, size_t rank, const struct kr_op *A,
                      struct kr_preconditioner *out)
{
    double *inverse, total = 0;
    size_t count = 0;
    (void)options, (void)rank;
    KR_ALLOC(ctx, inverse, A->rows);
    KR_TRY(kr_op_diagonal(ctx, A, inverse));
    for (size_t i = 0; i < A->rows; i++) {
        const double size = fabs(inverse[i]);
        if (size > 0 && isfinite(size))
            total += size, count++;
    }
    const double mean = count && isfinite(total) ? total / (double)count : 1;
    for (size_t i = 0; i < A->rows; i++) {
        const double size = fabs(inverse[i]);
        inverse[i] = size > 0 && isfinite(1 / size) && isfinite(size) ? 1 / size : 1 / mean;
    }
    out->products = A->type->diagonal ? 0 : A->rows;
    out->state = inverse;
    return KR_OK;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k, const double *R,
                       double *Z)
{
    const double *inverse = P->state;
    (void)ctx;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < P->n; i++)
            Z[c * P->n + i] = inverse[i] * R[c * P->n + i];
    return KR_OK;
}

const struct kr_preconditioner_type kr_preconditioner_jacobi = {
    .base = {"jacobi", "the diagonal: for badly scaled unknowns; nothing on a Gram matrix of equal variances",
             NULL},
    .rank = -1,
    .bytes = bytes,
    .open = open,
    .apply = apply,
};
