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
enum { PROBE = 64 };

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

/*
 * Whether the sum will be small enough well within `most` columns, as it fell between PROBE/2 and PROBE of
 * them: geometrically, which is a little too good to be true. It does for smooth kernels of few features; the
 * outermost points that are chosen next elsewhere are worth less than random ones.
 */
static bool promising(double half, double now, size_t most)
{
    return now < half && PROBE + 0.5 * PROBE * log(now / ENOUGH) / log(half / now) <= 0.75 * (double)most;
}

struct pivoting {
    const struct kr_op *A, *B; /* B NULL: A has no diagonal of its own */
    double *F, *D, *S;         /* n x rank; D of A; diag(B - F F') */
    double size;               /* mean of diag(B) */
    size_t most, rank;
    bool may_give_up, given_up, exact;
};

/* One column more: the part of B e_p that F does not have. */
static kr_status add_column(struct kr_ctx *ctx, struct pivoting *s, size_t p, double *row)
{
    const size_t n = s->A->rows;
    double *f = s->F + s->rank * n;
    KR_TRY(kr_op_columns(ctx, s->B ? s->B : s->A, 1, &p, f));
    for (size_t c = 0; c < s->rank; c++)
        row[c] = s->F[c * n + p];
    kr_block_add(ctx, n, s->rank, 1, -1, s->F, row, s->rank, 1, f);
    const double root = sqrt(s->S[p]);
    for (size_t i = 0; i < n; i++) {
        f[i] /= root;
        s->S[i] = fmax(0, s->S[i] - f[i] * f[i]);
    }
    s->S[p] = 0;
    s->rank++;
    return KR_OK;
}

static kr_status factorise(struct kr_ctx *ctx, struct pivoting *s)
{
    const size_t n = s->A->rows;
    double *row, smallest = 0, half = INFINITY;
    KR_ALLOC(ctx, row, s->most);
    for (size_t i = 0; i < n; i++)
        smallest = fmax(smallest, s->S[i]);
    smallest *= (double)n * DBL_EPSILON; /* below, the remainder is rounding */
    while (s->rank < s->most) {
        double sum;
        const size_t p = largest(n, s->S, s->D, s->B != NULL, &sum);
        s->exact = s->B && sum <= ENOUGH;
        if (!isfinite(sum) || !(s->S[p] > smallest) || s->exact)
            return KR_OK;
        if (s->rank == PROBE / 2)
            half = sum;
        s->given_up = s->may_give_up && s->rank == PROBE && !promising(half, sum, s->most);
        if (s->given_up)
            return KR_OK;
        KR_TRY(add_column(ctx, s, p, row));
    }
    return KR_OK;
}

static kr_status prepare(struct kr_ctx *ctx, const struct kr_op *A, size_t rank, struct pivoting *s)
{
    const size_t n = A->rows;
    *s = (struct pivoting){.A = A, .most = rank};
    KR_ALLOC(ctx, s->F, n * rank);
    KR_ALLOC(ctx, s->D, n);
    KR_ALLOC(ctx, s->S, n);
    KR_TRY(kr_precondition_split(ctx, A, s->D, &s->B));
    KR_TRY(kr_op_diagonal(ctx, s->B ? s->B : A, s->S));
    for (size_t i = 0; i < n; i++)
        s->size += s->S[i] / (double)n;
    return KR_OK;
}

static kr_status finish(struct kr_ctx *ctx, struct pivoting *s, struct kr_preconditioner *out)
{
    if (!(s->B ? s->B : s->A)->type->columns)
        out->products = s->rank;
    out->nearly_exact = s->exact;
    if (!s->B)
        kr_precondition_remainder(s->A->rows, s->size, s->S);
    return kr_low_rank_open(ctx, s->A->rows, s->rank, s->F, s->B ? s->D : s->S, out);
}

static kr_status open(struct kr_ctx *ctx, const void *options, size_t rank, const struct kr_op *A,
                      struct kr_preconditioner *out)
{
    struct pivoting s;
    (void)options;
    KR_TRY(prepare(ctx, A, rank, &s));
    KR_TRY(factorise(ctx, &s));
    return finish(ctx, &s, out);
}

kr_status kr_pivoted_cholesky_try(struct kr_ctx *ctx, size_t rank, const struct kr_op *A,
                                  struct kr_preconditioner *out, bool *done)
{
    struct pivoting s;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(prepare(ctx, A, rank, &s));
    s.may_give_up = true;
    KR_TRY(factorise(ctx, &s));
    *done = !s.given_up;
    if (*done)
        return finish(ctx, &s, out);
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_preconditioner_type kr_preconditioner_pivoted_cholesky = {
    .base = {"pivoted_cholesky", "the columns with the largest remaining variance, one after the other",
             &kr_pivoted_cholesky_options_schema},
    .rank = offsetof(struct kr_pivoted_cholesky_options, rank),
    .bytes = kr_low_rank_bytes,
    .open = open,
    .apply = kr_low_rank_apply,
    .copy = kr_low_rank_copy,
};
