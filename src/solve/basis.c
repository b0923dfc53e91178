/*
 * Rank-revealing Cholesky QR in the inner product of P^-1: with Z = P^-1 T and G = T'Z, scaled to a unit
 * diagonal,
 *
 *     G[kept, kept] = L L' by the largest remaining pivot,   Q = T[:, kept] L^-T,   S = L^-1 G[kept, :]
 *
 * until a pivot, the square of what a column has of its own, is below 1e-12 or 64 times the rounding of P.
 * Where pivots are small Q is orthonormal to eps/pivot only, and a second pass, with P^-1 applied anew, makes
 * it so.
 *
 * Cost: 1 or 2 applications of P^-1 and Gram matrices, 4 n q^2 flops each time; memory 4 q^2. Sources:
 * Yamamoto, Nakatsukasa, Yanagisawa and Fukaya 2015; Lowery and Langou 2014 (inner products).
 */
#include "solve/basis.h"
#include "solve/block.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define DEPENDENT          1e-12
#define DEPENDENT_AT_MOST  1e-3
#define CLOSE_TO_DEPENDENT 1e-4

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

size_t kr_basis_bytes(size_t n, size_t most)
{
    return sizeof(double) * (4 * most * most + 2 * most) + kr_block_bytes(n, most, most);
}

kr_status kr_basis_open(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t n, size_t most,
                        struct basis *out)
{
    *out = (struct basis){.P = P, .plain = !P->type || !P->type->apply, .n = n};
    KR_ALLOC(ctx, out->G, most * most);
    KR_ALLOC(ctx, out->L, most * most);
    KR_ALLOC(ctx, out->work, most * most);
    KR_ALLOC(ctx, out->first, most * most);
    KR_ALLOC(ctx, out->kept, most);
    return KR_OK;
}

/* Pivots of the scaled G, largest first, in `kept`. Returns their number; `smallest` is the last. */
static size_t span(size_t q, const double *G, double least, double *work, size_t *kept, double *smallest)
{
    size_t count = 0;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i < q; i++) {
            const bool real = G[i + i * q] > 0 && G[j + j * q] > 0;
            const double size = real ? sqrt(G[i + i * q]) * sqrt(G[j + j * q]) : 1;
            work[i + j * q] = real ? 0.5 * (G[i + j * q] + G[j + i * q]) / size : 0;
        }
    *smallest = 1;
    for (; count < q; count++) {
        size_t p = 0;
        for (size_t i = 1; i < q; i++)
            p = work[i + i * q] > work[p + p * q] ? i : p;
        const double pivot = work[p + p * q];
        if (!(pivot > least))
            break;
        *smallest = pivot;
        kept[count] = p;
        double *column = work + p * q;
        for (size_t j = 0; j < q; j++) {
            const double factor = column[j] / pivot;
            if (j != p && factor != 0)
                for (size_t i = 0; i < q; i++)
                    work[i + j * q] -= factor * column[i];
        }
        for (size_t i = 0; i < q; i++)
            column[i] = work[p + i * q] = 0;
    }
    return count;
}

/* The kept columns of *X, in that order, by way of *spare. */
static void gather(const struct basis *b, size_t count, double **X, double **spare)
{
    double *from = *X, *to = *spare;
    for (size_t c = 0; c < count; c++)
        memcpy(to + c * b->n, from + b->kept[c] * b->n, b->n * sizeof *to);
    *X = to;
    *spare = from;
}

/* One pass; Z = P^-1 Q is at hand. */
static kr_status pass(struct kr_ctx *ctx, struct basis *b, size_t q, double **Q, double **Z, double **spare,
                      double *S, size_t *rank, double *smallest)
{
    const size_t n = b->n;
    const double least = fmin(fmax(DEPENDENT, 64 * b->P->rounding), DEPENDENT_AT_MOST);
    size_t count = span(q, b->G, least, b->work, b->kept, smallest);
    for (size_t c = 0; c < q && count == q && *smallest > CLOSE_TO_DEPENDENT; c++)
        b->kept[c] = c; /* any order does */
    int order = (int)count, info = 0;
    for (size_t c = 0; c < count; c++)
        for (size_t r = 0; r < count; r++)
            b->L[r + c * count] = b->G[b->kept[r] + b->kept[c] * q];
    const size_t ld = count;
    if (count)
        dpotrf_("L", &order, b->L, &order, &info);
    if (info > 0) /* rounding took the last pivots */
        count = (size_t)info - 1;
    *rank = count;
    if (count == 0)
        return KR_OK;
    for (size_t c = 0; c < q; c++)
        for (size_t r = 0; r < count; r++)
            S[r + c * count] = b->G[b->kept[r] + c * q];
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)count, (int)q, 1, b->L,
                (int)ld, S, (int)count);
    if (!(count == q && *smallest > CLOSE_TO_DEPENDENT)) {
        gather(b, count, Q, spare);
        if (b->plain)
            *Z = *Q;
        else
            gather(b, count, Z, spare);
    }
    kr_block_right_solve(ctx, n, count, b->L, ld, *Q);
    if (!b->plain)
        kr_block_right_solve(ctx, n, count, b->L, ld, *Z);
    return KR_OK;
}

/* Z = P^-1 Q, G = Q'Z. */
static kr_status gram(struct kr_ctx *ctx, struct basis *b, size_t q, const double *Q, double *Z, bool *finite)
{
    if (!b->plain)
        KR_TRY(kr_preconditioner_apply(ctx, b->P, q, Q, Z));
    KR_TRY(kr_block_gram(ctx, b->n, q, q, Q, Z, b->G));
    *finite = true;
    for (size_t i = 0; i < q; i++)
        *finite = *finite && isfinite(b->G[i + i * q]);
    return KR_OK;
}

kr_status kr_basis_factor(struct kr_ctx *ctx, struct basis *b, size_t q, double **Q, double **Z,
                          double **spare, double *S, size_t *rank, bool *finite)
{
    double smallest;
    *rank = 0;
    KR_TRY(gram(ctx, b, q, *Q, *Z, finite));
    if (*finite)
        KR_TRY(pass(ctx, b, q, Q, Z, spare, S, rank, &smallest));
    if (*rank == 0 || smallest > CLOSE_TO_DEPENDENT)
        return KR_OK;
    const size_t between = *rank;
    memcpy(b->first, S, between * q * sizeof *S);
    KR_TRY(gram(ctx, b, between, *Q, *Z, finite));
    if (*finite)
        KR_TRY(pass(ctx, b, between, Q, Z, spare, S, rank, &smallest));
    if (*rank == 0 || !*finite)
        return KR_OK;
    memcpy(b->work, S, *rank * between * sizeof *S);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)*rank, (int)q, (int)between, 1, b->work,
                (int)*rank, b->first, (int)between, 0, S, (int)*rank);
    return KR_OK;
}
