/*
 * Preconditioned block conjugate gradients: all columns share one Krylov space, and each iteration minimises
 * the A-norm of every column's error over the whole space found so far (O'Leary 1980), in the form that keeps
 * an orthonormal basis of the block of residuals (Dubrulle 2001, BCGrQ), here in the inner product of P^-1:
 *
 *     R = Q C,  Q'P^-1 Q = I,  Z = P^-1 Q,  V = Z                                 n x q and q x k
 *     W = (V'A V)^-1,   D += V W C,   T = Q - A V W = Q+ S,   C <- S C,   V <- Z+ + V S'
 *
 * A direction in which the residuals do not differ (copies, linear combinations, a combination that has
 * converged) has no place in Q: the factor T = Q+ S reveals its rank and q falls. What it leaves out is below
 * 1e-6 of a column, and the driver's rounds take it up where the tolerance asks for it. |r_c|^2 =
 * (C'Q'Q C)_cc; (C'C)_cc = r'P^-1 r, which for P <= A bounds the error: r'A^-1 r is at most that.
 *
 * An iteration costs q products with A, one application of P^-1 to q columns and about 14 n q^2 flops; memory
 * 4 n q doubles. A must be symmetric positive definite: V'A V that is not stops with `breakdown`.
 */
#include "kriged/solve.h"
#include "solve/block.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPENDENT 1e-12 /* squared: a millionth of a column is its own */

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dpotri_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *A, const int *lda, double *w,
                   double *work, const int *lwork, int *info);

static size_t bytes(size_t n, size_t k)
{
    return sizeof(double) * (5 * n * k + 8 * k * k + 8 * k) + kr_block_bytes(n, k, k);
}

struct block {
    const struct kr_preconditioner *P;
    size_t n, k, q;
    bool plain;                   /* P = I: Z is Q */
    double *Q, *Z, *V, *AV;       /* n x q */
    double *D;                    /* n x k */
    double *C;                    /* q x k */
    double *S;                    /* q+ x q */
    double *G, *L, *work, *first; /* q x q */
    double *step;                 /* q x k */
    double *goal, *rr;            /* k: |r|^2 that ends a column, and |r|^2 */
    size_t *kept;                 /* columns that span T */
    bool finite;
};

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/*
 * The columns of T that span it, by a Cholesky factor of its Gram matrix, scaled to a unit diagonal, with the
 * largest remaining column as the next pivot; ascending in `kept`. Returns their number; `smallest` is the
 * last pivot: the square of the part of a column that is its own.
 */
static size_t span(size_t q, const double *G, double *work, size_t *kept, double *smallest)
{
    size_t count = 0;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i < q; i++) {
            const double size = sqrt(G[i + i * q]) * sqrt(G[j + j * q]);
            work[i + j * q] = size > 0 ? 0.5 * (G[i + j * q] + G[j + i * q]) / size : 0;
        }
    *smallest = 1;
    for (; count < q; count++) {
        size_t p = 0;
        for (size_t i = 1; i < q; i++)
            p = work[i + i * q] > work[p + p * q] ? i : p;
        const double pivot = work[p + p * q];
        if (!(pivot > DEPENDENT))
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
    qsort(kept, count, sizeof *kept, ascending);
    return count;
}

/* T = Q S with as many columns as T has directions; S (q+ x q), and Z along. */
static kr_status factor(struct kr_ctx *ctx, struct block *b, double *smallest)
{
    const size_t q = b->q, n = b->n;
    KR_TRY(kr_block_gram(ctx, n, q, q, b->Q, b->Z, b->G));
    b->finite = true;
    for (size_t i = 0; i < q; i++)
        b->finite = b->finite && isfinite(b->G[i + i * q]) && b->G[i + i * q] >= 0;
    const size_t count = b->q = b->finite ? span(q, b->G, b->work, b->kept, smallest) : 0;
    const int order = (int)count;
    int info = 0;
    if (count == 0)
        return KR_OK;
    for (size_t c = 0; c < count; c++) {
        const size_t from = b->kept[c];
        for (size_t r = 0; r < count; r++)
            b->L[r + c * count] = b->G[b->kept[r] + from * q];
        if (from != c)
            memcpy(b->Q + c * n, b->Q + from * n, n * sizeof *b->Q);
        if (from != c && !b->plain)
            memcpy(b->Z + c * n, b->Z + from * n, n * sizeof *b->Z);
    }
    dpotrf_("L", &order, b->L, &order, &info);
    b->finite = info == 0;
    for (size_t c = 0; c < q; c++)
        for (size_t r = 0; r < count; r++)
            b->S[r + c * count] = b->G[b->kept[r] + c * q];
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, order, (int)q, 1, b->L,
                order, b->S, order);
    kr_block_right_solve(ctx, n, count, b->L, count, b->Q);
    if (!b->plain)
        kr_block_right_solve(ctx, n, count, b->L, count, b->Z);
    return KR_OK;
}

/* X = X Y for the coefficients of the columns: C (q x k) = S (q+ x q) C. */
static void carry(struct block *b, const double *S, size_t rows, size_t cols, double *C, size_t k)
{
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)k, (int)cols, 1, S, (int)rows, C,
                (int)cols, 0, b->step, (int)rows);
    memcpy(C, b->step, rows * k * sizeof *C);
}

/* Z = P^-1 Q for the residuals in Q, then Q'P^-1 Q = I and what that makes of C; S is kept for V. */
static kr_status orthonormalise(struct kr_ctx *ctx, struct block *b)
{
    const size_t before = b->q;
    double smallest = 1;
    if (!b->plain)
        KR_TRY(kr_preconditioner_apply(ctx, b->P, b->q, b->Q, b->Z));
    KR_TRY(factor(ctx, b, &smallest));
    if (!b->finite || b->q == 0)
        return KR_OK;
    if (smallest < 1e-4) { /* nearly dependent: once more, against what rounding left */
        memcpy(b->first, b->S, b->q * before * sizeof *b->S);
        const size_t between = b->q;
        KR_TRY(factor(ctx, b, &smallest));
        if (!b->finite || b->q == 0)
            return KR_OK;
        carry(b, b->S, b->q, between, b->first, before);
        memcpy(b->S, b->first, b->q * before * sizeof *b->S);
    }
    carry(b, b->S, b->q, before, b->C, b->k);
    return KR_OK;
}

/* V = Z + V S', in the memory of A V. */
static void turn(struct kr_ctx *ctx, struct block *b, size_t before)
{
    double *V = b->V, *St = b->work;
    for (size_t c = 0; c < before; c++)
        for (size_t r = 0; r < b->q; r++)
            St[c + r * before] = b->S[r + c * b->q];
    memcpy(b->AV, b->Z, b->n * b->q * sizeof *b->AV);
    kr_block_add(ctx, b->n, before, b->q, 1, V, St, before, 1, b->AV);
    b->V = b->AV;
    b->AV = V;
}

/* W = (V'A V)^-1 in G. False where V'A V is not positive definite; `indefinite` where it is so beyond
 * rounding. */
static bool invert(struct block *b, bool *indefinite)
{
    const size_t q = b->q;
    const int order = (int)q, room = (int)(q * q > 3 * q ? q * q : 3 * q);
    int info;
    double *eigenvalues = b->first;
    *indefinite = false;
    for (size_t i = 0; i < q; i++)
        if (!(b->G[i + i * q] > 0) || !isfinite(b->G[i + i * q]))
            *indefinite = true;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i <= j; i++)
            b->G[i + j * q] = b->G[j + i * q] = 0.5 * (b->G[i + j * q] + b->G[j + i * q]);
    memcpy(b->L, b->G, q * q * sizeof *b->L);
    dpotrf_("L", &order, b->G, &order, &info);
    if (info == 0 && !*indefinite) {
        dpotri_("L", &order, b->G, &order, &info);
        for (size_t j = 0; j < q; j++)
            for (size_t i = 0; i < j; i++)
                b->G[i + j * q] = b->G[j + i * q];
        return true;
    }
    if (*indefinite)
        return false;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i < q; i++)
            if (i != j)
                b->L[i + j * q] /= sqrt(b->L[i + i * q]) * sqrt(b->L[j + j * q]);
    for (size_t i = 0; i < q; i++)
        b->L[i + i * q] = 1;
    dsyev_("N", "L", &order, b->L, &order, eigenvalues, b->work, &room, &info);
    *indefinite = info != 0 || eigenvalues[0] < -1e-8;
    return false;
}

/* |r_c|^2 of all columns; whether one is above its goal. */
static kr_status measure(struct kr_ctx *ctx, struct block *b, bool *more)
{
    const size_t q = b->q, k = b->k;
    *more = false;
    if (q && !b->plain) {
        KR_TRY(kr_block_gram(ctx, b->n, q, q, b->Q, b->Q, b->G));
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)q, (int)k, (int)q, 1, b->G, (int)q, b->C,
                    (int)q, 0, b->step, (int)q);
    }
    for (size_t c = 0; c < k; c++) {
        b->rr[c] = q ? cblas_ddot((int)q, b->C + c * q, 1, (b->plain ? b->C : b->step) + c * q, 1) : 0;
        *more = *more || !(b->rr[c] <= b->goal[c]);
    }
    return KR_OK;
}

/* One iteration from Q, Z, V, C to the next. Sets the stop where it cannot be done. */
static kr_status iterate(struct kr_ctx *ctx, const struct kr_op *A, struct block *b,
                         struct kr_solve_report *report)
{
    const size_t q = b->q, n = b->n;
    bool indefinite;
    KR_TRY(kr_op_apply(ctx, A, q, b->V, b->AV));
    report->products += q;
    KR_TRY(kr_block_gram(ctx, n, q, q, b->V, b->AV, b->G));
    if (!invert(b, &indefinite)) {
        report->stop = indefinite ? KR_STOP_BREAKDOWN : KR_STOP_PRECISION;
        return KR_OK;
    }
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)q, (int)b->k, (int)q, 1, b->G, (int)q, b->C,
                (int)q, 0, b->step, (int)q);
    kr_block_add(ctx, n, q, b->k, 1, b->V, b->step, q, 1, b->D);
    kr_block_add(ctx, n, q, q, -1, b->AV, b->G, q, 1, b->Q);
    KR_TRY(orthonormalise(ctx, b));
    if (!b->finite)
        report->stop = KR_STOP_BREAKDOWN;
    else if (b->q)
        turn(ctx, b, q);
    return KR_OK;
}

static kr_status start(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                       const double *rtol, double *D, struct block *b)
{
    const size_t n = solver->A.rows;
    *b = (struct block){.P = &solver->P, .n = n, .k = k, .q = k, .D = D};
    b->plain = !solver->P.type || !solver->P.type->apply;
    KR_ALLOC(ctx, b->Q, n * k);
    KR_ALLOC(ctx, b->V, n * k);
    KR_ALLOC(ctx, b->AV, n * k);
    b->Z = b->Q;
    if (!b->plain)
        KR_ALLOC(ctx, b->Z, n * k);
    KR_ALLOC(ctx, b->C, k * k);
    KR_ALLOC(ctx, b->S, k * k);
    KR_ALLOC(ctx, b->G, k * k);
    KR_ALLOC(ctx, b->L, k * k);
    KR_ALLOC(ctx, b->work, k * k + 3 * k);
    KR_ALLOC(ctx, b->first, k * k);
    KR_ALLOC(ctx, b->step, k * k);
    KR_ALLOC(ctx, b->goal, k);
    KR_ALLOC(ctx, b->rr, k);
    KR_ALLOC(ctx, b->kept, k);
    memset(D, 0, n * k * sizeof *D);
    memcpy(b->Q, R, n * k * sizeof *R);
    for (size_t c = 0; c < k; c++) {
        b->C[c + c * k] = 1;
        b->goal[c] = rtol[c] * rtol[c] * cblas_ddot((int)n, R + c * n, 1, R + c * n, 1);
    }
    KR_TRY(orthonormalise(ctx, b));
    memcpy(b->V, b->Z, n * b->q * sizeof *b->V);
    return KR_OK;
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const size_t given = solver->options->max_iterations, most = given ? given : 1000 + 10 * solver->A.rows;
    struct kr_mark mark = kr_mark(ctx);
    struct block b;
    bool more = true;
    KR_TRY(start(ctx, solver, k, R, rtol, D, &b));
    report->stop = b.finite ? KR_STOP_RTOL : KR_STOP_BREAKDOWN;
    for (size_t i = 0; report->stop == KR_STOP_RTOL && more; i++) {
        KR_TRY(measure(ctx, &b, &more));
        if (more && i == most)
            report->stop = KR_STOP_ITERATIONS;
        else if (more)
            KR_TRY(iterate(ctx, &solver->A, &b, report));
        report->iterations += more && i < most;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_solver_type kr_solver_cg = {
    .base = {"cg", "block conjugate gradients: matrix-free, O(n) memory a column", NULL},
    .bytes = bytes,
    .columns = 256,
    .preconditioned = true,
    .correct = correct,
};
