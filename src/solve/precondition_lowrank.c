/*
 * P = F F' + diag(D), applied by Woodbury's identity, with E = D^-1/2 F:
 *
 *     P^-1 = D^-1/2 (I - E (I + E'E)^-1 E') D^-1/2       with the Cholesky factor of I + E'E, where |E|^2 <=
 * 1e8 = D^-1/2 (I - W W') D^-1/2                    with the orthonormal columns [W; N] of [E; I] else
 *
 * The first loses |E|^2 eps of r'P^-1 r and costs 2.5 times less to open; the second loses nothing in the
 * factor: W by CholeskyQR (N upper triangular), repeated until the columns are orthonormal, with a shift
 * where I + E'E is singular to double precision: the shift is undone by the next pass and leaves no trace in
 * P. What cancels in I - .. is put right by one step of refinement, see project(): always above |E|^2 = 1e8,
 * and above 1e4 for blocks, whose bases need r'P^-1 s of any two columns; one column at a time gains nothing
 * by it. Everything is in double: with W in single precision R'P^-1 R of a block comes out indefinite where R
 * lies almost in the range of F.
 *
 * Cost: n r^2 flops once (2 to 4 n r^2 for W), 4 n r k an application, twice that refined; memory 8 (n r +
 * 2 r^2 + n) bytes. Sources: Yamamoto, Nakatsukasa, Yanagisawa and Fukaya 2015 (CholeskyQR2); Fukaya, Kannan,
 * Nakatsukasa, Yamamoto and Yanagisawa 2020 (shifts).
 */
#include "solve/block.h"
#include "solve/precondition.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { PASSES = 5, COLUMNS = 256 /* that it is applied to at a time */ };

#define CAREFUL     1e4
#define ORTHONORMAL 1e8

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

struct low_rank {
    double *scale;  /* D^-1/2 */
    double *W, *N;  /* n x rank; rank x rank, upper triangle */
    double *L;      /* not NULL: W is E, and this the lower factor of I + E'E */
    double squares; /* |E|^2, at least the square of its largest singular value */
};

size_t kr_low_rank_bytes(size_t n, size_t rank)
{
    const size_t opening = 2 * rank * rank * sizeof(double) + kr_block_bytes(n, rank, rank),
                 applying = 2 * rank * COLUMNS * sizeof(double) + kr_block_bytes(n, rank, COLUMNS);
    return sizeof(double) * (n * rank + rank * rank + 3 * n) + (opening > applying ? opening : applying);
}

/* G = W'W + N'N; how far it is from I; NaN where a factor is not finite. */
static kr_status gram(struct kr_ctx *ctx, size_t n, size_t r, const double *W, const double *N, double *G,
                      double *tail, double *distance)
{
    KR_TRY(kr_block_gram(ctx, n, r, r, W, W, G));
    KR_TRY(kr_block_gram(ctx, r, r, r, N, N, tail));
    *distance = 0;
    for (size_t j = 0; j < r; j++)
        for (size_t i = 0; i < r; i++) {
            G[i + j * r] += tail[i + j * r];
            const double off = fabs(G[i + j * r] - (i == j));
            *distance = off > *distance || isnan(off) ? off : *distance;
        }
    return KR_OK;
}

/* The lower Cholesky factor of G in place, of G + shift I where G has none. False: G is not finite. */
static bool factorise(size_t r, double *G, double *copy)
{
    const int order = (int)r;
    double trace = 0;
    for (size_t i = 0; i < r; i++)
        trace += G[i + i * r];
    if (!isfinite(trace))
        return false;
    memcpy(copy, G, r * r * sizeof *G);
    for (double shift = 0; shift < trace; shift = shift == 0 ? DBL_EPSILON * trace : 100 * shift) {
        int info;
        memcpy(G, copy, r * r * sizeof *G);
        for (size_t i = 0; i < r; i++)
            G[i + i * r] += shift;
        dpotrf_("L", &order, G, &order, &info);
        if (info == 0)
            return true;
    }
    return false;
}

/* W = E becomes the upper part of the orthonormal factor of [E; I]. */
static kr_status orthonormalise(struct kr_ctx *ctx, size_t n, size_t r, double *W, double *N, bool *done)
{
    const double close = 1e-14 * (double)(r + 10);
    double *G, *copy;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, G, r * r);
    KR_ALLOC(ctx, copy, r * r);
    for (size_t i = 0; i < r; i++)
        N[i + i * r] = 1;
    *done = false;
    for (int pass = 0; pass < PASSES && !*done; pass++) {
        double distance;
        KR_TRY(kr_poll(ctx));
        KR_TRY(gram(ctx, n, r, W, N, G, copy, &distance));
        *done = pass > 0 && distance <= close;
        if (*done || !factorise(r, G, copy))
            break;
        kr_block_right_solve(ctx, n, r, G, r, W);
        kr_block_right_solve(ctx, r, r, G, r, N);
        *done = pass > 0 && distance <= 1e-8; /* the next distance would be its square */
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* L of I + E'E, E in W. */
static kr_status factorise_gram(struct kr_ctx *ctx, size_t n, size_t r, struct low_rank *self, bool *done)
{
    double *copy;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, copy, r * r);
    KR_TRY(kr_block_gram(ctx, n, r, r, self->W, self->W, self->L));
    for (size_t i = 0; i < r; i++)
        self->L[i + i * r] += 1;
    *done = factorise(r, self->L, copy);
    kr_release(ctx, mark);
    return KR_OK;
}

static void scale_rows(size_t n, size_t rank, struct low_rank *self)
{
    for (size_t c = 0; c < rank; c++)
        for (size_t i = 0; i < n; i++) {
            self->W[c * n + i] *= self->scale[i];
            self->squares += self->W[c * n + i] * self->W[c * n + i];
        }
}

kr_status kr_low_rank_open(struct kr_ctx *ctx, size_t n, size_t rank, double *F, const double *D,
                           struct kr_preconditioner *out)
{
    struct low_rank *self;
    bool done = true;
    KR_ALLOC(ctx, self, 1);
    KR_ALLOC(ctx, self->scale, n);
    KR_ALLOC(ctx, self->N, rank * rank + 1);
    for (size_t i = 0; i < n; i++)
        self->scale[i] = D[i] > 0 && isfinite(D[i]) ? 1 / sqrt(D[i]) : 1;
    self->W = F;
    scale_rows(n, rank, self);
    if (self->squares <= ORTHONORMAL)
        self->L = self->N;
    if (rank)
        KR_TRY(self->L ? factorise_gram(ctx, n, rank, self, &done)
                       : orthonormalise(ctx, n, rank, F, self->N, &done));
    out->rank = done ? rank : 0;
    out->rounding = self->squares > CAREFUL || !done ? DBL_EPSILON : DBL_EPSILON * (1 + self->squares);
    out->state = self;
    if (!done)
        out->reason = "the factor is not finite or cannot be made orthonormal: the diagonal alone";
    return KR_OK;
}

kr_status kr_low_rank_copy(struct kr_ctx *keeper, const struct kr_preconditioner *P, void **state)
{
    const struct low_rank *from = P->state;
    const size_t n = P->n, rank = P->rank;
    struct low_rank *copy;
    KR_ALLOC(keeper, copy, 1);
    *copy = *from;
    KR_ALLOC(keeper, copy->scale, n);
    KR_ALLOC(keeper, copy->N, rank * rank);
    KR_ALLOC(keeper, copy->W, n * rank);
    memcpy(copy->scale, from->scale, n * sizeof *copy->scale);
    memcpy(copy->N, from->N, rank * rank * sizeof *copy->N);
    memcpy(copy->W, from->W, n * rank * sizeof *copy->W);
    copy->L = from->L ? copy->N : NULL;
    *state = copy;
    return KR_OK;
}

/* C (rank x k) = (I + E'E)^-1 C */
static void solve_gram(const struct low_rank *self, size_t rank, size_t k, double *C)
{
    const int r = (int)rank, columns = (int)k;
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, r, columns, 1, self->L, r,
                C, r);
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, r, columns, 1, self->L, r, C,
                r);
}

/*
 * Y = (I - W W') Z or (I - E (I + E'E)^-1 E') Z in place, where most of Z cancels: what is left must satisfy
 * W'Y = N'N W'Z, or E'Y = (I + E'E)^-1 E'Z, and the part that does not is taken out. Twice the cost.
 */
static kr_status project(struct kr_ctx *ctx, const struct low_rank *self, size_t n, size_t rank, size_t k,
                         double *Z, double *C)
{
    const int r = (int)rank, columns = (int)k;
    double *left = C + rank * k;
    KR_TRY(kr_block_gram(ctx, n, rank, k, self->W, Z, C));
    if (self->L)
        solve_gram(self, rank, k, C);
    kr_block_add(ctx, n, rank, k, -1, self->W, C, rank, 1, Z);
    if (self->squares <= (k > 1 ? CAREFUL : ORTHONORMAL))
        return KR_OK;
    KR_TRY(kr_block_gram(ctx, n, rank, k, self->W, Z, left));
    for (int transposed = 0; !self->L && transposed < 2; transposed++)
        cblas_dtrmm(CblasColMajor, CblasLeft, CblasUpper, transposed ? CblasTrans : CblasNoTrans,
                    CblasNonUnit, r, columns, 1, self->N, r, C, r);
    for (size_t i = 0; i < rank * k; i++)
        C[i] -= left[i];
    if (self->L)
        solve_gram(self, rank, k, C);
    kr_block_add(ctx, n, rank, k, 1, self->W, C, rank, 1, Z);
    return KR_OK;
}

kr_status kr_low_rank_apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k, const double *R,
                            double *Z)
{
    const struct low_rank *self = P->state;
    const size_t n = P->n, rank = P->rank;
    double *C;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, C, 2 * rank * k + 1);
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < n; i++)
            Z[c * n + i] = self->scale[i] * R[c * n + i];
    if (rank)
        KR_TRY(project(ctx, self, n, rank, k, Z, C));
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < n; i++)
            Z[c * n + i] *= self->scale[i];
    kr_release(ctx, mark);
    return KR_OK;
}
