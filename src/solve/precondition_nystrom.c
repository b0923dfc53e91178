/*
 * Nystrom approximation Q of B (A = B + diag(D)) from rank test vectors Omega (n x r), stabilised by nu:
 *
 *     Y = (B + nu I) Omega,   L L' = Omega'Y,   F = Y L^-T,   Q = F F' <= B + nu I,   P = Q + diag(D - nu)
 *
 *   projection   Omega normal: one block product with B of r columns. P <= A as D - nu > 0.
 *   uniform      Omega = some columns of the identity, drawn by the seed: Y is columns of B and Omega'Y a
 *                block of it, nu stands there alone: Q = Y (B_zz + nu I)^-1 Y' <= B, P = Q + diag(D) <= A.
 *
 * nu: rounding of B, or a thousandth of what D weighs on a captured direction; ten times that, and so on,
 * where Omega'Y still has no Cholesky factor. An operator without a diagonal of its own: D from what is left.
 *
 * Cost: rank columns of B (uniform) or rank products (projection), 2 n r^2 flops; 8 n r (2 for projection)
 * bytes. Sources: Williams and Seeger 2001; Tropp, Yurtsever, Udell and Cevher 2017 (shift); Frangella, Tropp
 * and Udell 2021 (preconditioner).
 */
#include "solve/block.h"
#include "solve/precondition.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { RNG_STREAM = 0x4e79 };

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

KR_DEFINE(kr_nystrom_options, KR_NYSTROM_FIELDS, "Nystrom approximation from random columns or projections");

const char *const kr_nystrom_select_names[] = {"uniform", "projection", NULL};

static size_t bytes(size_t n, size_t rank)
{
    return kr_low_rank_bytes(n, rank) + sizeof(double) * n * (rank + 2); /* Omega of a projection */
}

/* `rank` of n rows, in ascending order: the first of a seeded shuffle. */
static kr_status draw_rows(struct kr_ctx *ctx, size_t n, size_t rank, uint64_t seed, size_t *out)
{
    size_t *order, count = 0;
    bool *taken;
    struct kr_rng rng;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, order, n);
    KR_ALLOC(ctx, taken, n);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    kr_rng_init(&rng, seed, RNG_STREAM);
    kr_rng_shuffle(&rng, n, order);
    for (size_t c = 0; c < rank; c++)
        taken[order[c]] = true;
    for (size_t i = 0; i < n; i++)
        if (taken[i])
            out[count++] = i;
    kr_release(ctx, mark);
    return KR_OK;
}

struct sample {
    size_t n, rank;
    double *Y, *Omega; /* n x rank; Omega NULL: columns of the identity */
    size_t *rows, products;
    double *core, *factor; /* rank x rank: Omega'B Omega; the Cholesky factor of that with the shift */
};

static kr_status take_columns(struct kr_ctx *ctx, const struct kr_op *B, uint64_t seed, struct sample *s)
{
    KR_ALLOC(ctx, s->rows, s->rank);
    KR_TRY(draw_rows(ctx, s->n, s->rank, seed, s->rows));
    KR_TRY(kr_op_columns(ctx, B, s->rank, s->rows, s->Y));
    s->products = B->type->columns ? 0 : s->rank;
    for (size_t c = 0; c < s->rank; c++)
        for (size_t r = 0; r < s->rank; r++)
            s->core[r + c * s->rank] = s->Y[s->rows[r] + c * s->n];
    return KR_OK;
}

static kr_status project(struct kr_ctx *ctx, const struct kr_op *B, uint64_t seed, struct sample *s)
{
    struct kr_rng rng;
    KR_ALLOC(ctx, s->Omega, s->n * s->rank);
    kr_rng_init(&rng, seed, RNG_STREAM);
    for (size_t i = 0; i < s->n * s->rank; i++)
        s->Omega[i] = kr_rng_normal(&rng);
    KR_TRY(kr_op_apply(ctx, B, s->rank, s->Omega, s->Y));
    s->products = s->rank;
    return kr_block_gram(ctx, s->n, s->rank, s->rank, s->Omega, s->Y, s->core);
}

/* The lower factor of core + shift W, W = I or Omega'Omega; the shift grows until there is one. Returns 0
 * where there is none (core not finite, or far from positive). */
static double factorise(struct sample *s, const double *W, double shift, double most)
{
    const size_t r = s->rank;
    const int order = (int)r;
    if (!(shift > 0) || !isfinite(most))
        return 0;
    for (; shift <= most; shift *= 10) {
        int info;
        for (size_t c = 0; c < r; c++)
            for (size_t i = c; i < r; i++)
                s->factor[i + c * r] =
                    0.5 * (s->core[i + c * r] + s->core[c + i * r]) + shift * (W ? W[i + c * r] : i == c);
        dpotrf_("L", &order, s->factor, &order, &info);
        if (info == 0 && isfinite(s->factor[r * r - 1]))
            return shift;
    }
    return 0;
}

/* Y = F; `nu` what was added to B for it. The rank becomes 0 where there is no factor. */
static kr_status approximate(struct kr_ctx *ctx, double size, double smallest, struct sample *s, double *nu)
{
    const size_t n = s->n, r = s->rank;
    const double rounding = (s->Omega ? (double)n : (double)r) * size * DBL_EPSILON,
                 weight = 1e-3 * smallest * (s->Omega ? 1 : (double)r / (double)n);
    double *W = NULL;
    if (s->Omega) {
        KR_ALLOC(ctx, W, r * r);
        KR_TRY(kr_block_gram(ctx, n, r, r, s->Omega, s->Omega, W));
    }
    *nu = factorise(s, W, fmax(rounding, weight), fmax(size, smallest));
    if (!(*nu > 0)) {
        s->rank = 0;
        return KR_OK;
    }
    for (size_t i = 0; i < n * r && s->Omega; i++)
        s->Y[i] += *nu * s->Omega[i];
    kr_block_right_solve(ctx, n, r, s->factor, r, s->Y);
    return KR_OK;
}

/* D of P: the operator's own less nu, or what F leaves of diag(A). */
static kr_status settle(struct kr_ctx *ctx, const struct kr_op *A, bool split, double nu, double size,
                        const struct sample *s, double *D)
{
    for (size_t i = 0; i < s->n && split && s->Omega; i++)
        D[i] = D[i] > 2 * nu ? D[i] - nu : 0.5 * D[i];
    if (split)
        return KR_OK;
    KR_TRY(kr_op_diagonal(ctx, A, D));
    for (size_t c = 0; c < s->rank; c++)
        for (size_t i = 0; i < s->n; i++)
            D[i] -= s->Y[c * s->n + i] * s->Y[c * s->n + i];
    kr_precondition_remainder(s->n, size, D);
    return KR_OK;
}

static kr_status open(struct kr_ctx *ctx, const void *options, size_t rank, const struct kr_op *A,
                      struct kr_preconditioner *out)
{
    const struct kr_nystrom_options *asked = options;
    const size_t n = A->rows;
    const struct kr_op *B;
    struct sample s = {.n = n, .rank = rank};
    double *D, size = 0, smallest = INFINITY, nu = 0;
    KR_ALLOC(ctx, s.Y, n * rank);
    KR_ALLOC(ctx, D, n);
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, s.core, rank * rank);
    KR_ALLOC(ctx, s.factor, rank * rank);
    KR_TRY(kr_op_diagonal(ctx, A, D));
    for (size_t i = 0; i < n; i++)
        size += fabs(D[i]) / (double)n;
    KR_TRY(kr_precondition_split(ctx, A, D, &B));
    for (size_t i = 0; i < n; i++)
        smallest = fmin(smallest, D[i]);
    KR_TRY(asked->select == KR_NYSTROM_PROJECTION ? project(ctx, B ? B : A, asked->seed, &s)
                                                  : take_columns(ctx, B ? B : A, asked->seed, &s));
    KR_TRY(approximate(ctx, size, smallest, &s, &nu));
    KR_TRY(settle(ctx, A, B != NULL, nu, size, &s, D));
    kr_release(ctx, mark);
    out->products = s.products;
    return kr_low_rank_open(ctx, n, s.rank, s.Y, D, out);
}

const struct kr_preconditioner_type kr_preconditioner_nystrom = {
    .base = {"nystrom", "a sample of the matrix's range: random columns, or projections of all of them",
             &kr_nystrom_options_schema},
    .rank = offsetof(struct kr_nystrom_options, rank),
    .bytes = bytes,
    .open = open,
    .apply = kr_low_rank_apply,
    .copy = kr_low_rank_copy,
};
