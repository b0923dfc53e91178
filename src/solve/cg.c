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
#include "solve/basis.h"
#include "solve/block.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dpotri_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *A, const int *lda, double *w,
                   double *work, const int *lwork, int *info);

static size_t bytes(size_t n, size_t k)
{
    return sizeof(double) * (4 * n * k + 6 * k * k + 8 * k) + kr_basis_bytes(n, k);
}

struct block {
    struct basis basis;
    size_t n, k, q;
    double *Q, *Z, *V, *AV; /* n x q; Z is Q where P = I */
    double *D;              /* n x k */
    double *C;              /* q x k */
    double *S;              /* q+ x q */
    double *G, *L, *work;   /* q x q */
    double *step;           /* q x k */
    double *goal, *rr;      /* k: |r|^2 that ends a column, and |r|^2 */
    const double *energy;   /* k: r'P^-1 r that ends a column as well; NULL: none does */
    double *size;           /* k */
    bool finite;
};

/* Q'P^-1 Q = I for the residuals T in Q, and what that makes of C; S is kept for V. */
static kr_status orthonormalise(struct kr_ctx *ctx, struct block *b)
{
    const size_t before = b->q;
    KR_TRY(kr_basis_factor(ctx, &b->basis, before, &b->Q, &b->Z, &b->AV, b->S, &b->q, &b->finite));
    if (!b->finite || b->q == 0)
        return KR_OK;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)b->q, (int)b->k, (int)before, 1, b->S,
                (int)b->q, b->C, (int)before, 0, b->step, (int)b->q);
    memcpy(b->C, b->step, b->q * b->k * sizeof *b->C);
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

/* G = diag(1/size) G diag(1/size), in both triangles; a size of 0 takes its row and column out. */
static void scale(size_t q, const double *size, double *G)
{
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i < q; i++)
            G[i + j * q] = size[i] > 0 && size[j] > 0 ? G[i + j * q] / size[i] / size[j] : 0;
}

/*
 * The pseudo-inverse of a G = V'A V that has directions without curvature beyond rounding, 16 eps |v||A v|:
 * those are not stepped along. BREAKDOWN where there is negative curvature beyond it, or none at all.
 */
static enum kr_stop invert_carefully(struct block *b, double *size)
{
    const size_t q = b->q, n = b->n;
    const int order = (int)q, room = (int)(q * q + 3 * q);
    double *lambda = b->rr, *U = b->L, tolerance = (double)q * DBL_EPSILON;
    int info;
    for (size_t i = 0; i < q; i++) {
        const double curvature = b->G[i + i * q], rounding = 16 * DBL_EPSILON *
                                                             cblas_dnrm2((int)n, b->V + i * n, 1) *
                                                             cblas_dnrm2((int)n, b->AV + i * n, 1);
        if (!isfinite(curvature) || curvature < -100 * rounding)
            return KR_STOP_BREAKDOWN;
        size[i] = curvature > rounding ? sqrt(curvature) : 0;
        tolerance = size[i] > 0 ? fmax(tolerance, rounding / curvature) : tolerance;
    }
    scale(q, size, b->G);
    memcpy(U, b->G, q * q * sizeof *U);
    dsyev_("V", "L", &order, U, &order, lambda, b->work, &room, &info);
    if (info != 0 || lambda[0] < -100 * tolerance || !(lambda[q - 1] > tolerance))
        return KR_STOP_BREAKDOWN;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i < q; i++)
            b->work[i + j * q] = lambda[j] > tolerance ? U[i + j * q] / sqrt(lambda[j]) : 0;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, order, order, order, 1, b->work, order, b->work,
                order, 0, b->G, order);
    scale(q, size, b->G);
    return KR_STOP_RTOL;
}

/* W = (V'A V)^-1 in the place of G = V'A V. RTOL, or BREAKDOWN. */
static enum kr_stop invert(struct block *b)
{
    const size_t q = b->q;
    const int order = (int)q;
    double *size = b->size, smallest = 1;
    int info = 0;
    for (size_t j = 0; j < q; j++)
        for (size_t i = 0; i <= j; i++)
            b->G[i + j * q] = b->G[j + i * q] = 0.5 * (b->G[i + j * q] + b->G[j + i * q]);
    for (size_t i = 0; i < q; i++) {
        size[i] = sqrt(b->G[i + i * q]);
        if (!(size[i] > 0) || !isfinite(size[i]))
            return invert_carefully(b, size);
    }
    memcpy(b->L, b->G, q * q * sizeof *b->L);
    scale(q, size, b->L);
    dpotrf_("L", &order, b->L, &order, &info);
    for (size_t i = 0; i < q && info == 0; i++)
        smallest = fmin(smallest, b->L[i + i * q] * b->L[i + i * q]);
    if (info != 0 || !(smallest > 1e-8))
        return invert_carefully(b, size);
    dpotri_("L", &order, b->L, &order, &info);
    for (size_t j = 0; j < q; j++)
        for (size_t i = j; i < q; i++)
            b->G[i + j * q] = b->G[j + i * q] = b->L[i + j * q];
    scale(q, size, b->G);
    return KR_STOP_RTOL;
}

/* Of column c: is r'P^-1 r = (C'C)_cc small enough? */
static bool small_energy(const struct block *b, size_t c)
{
    const double *own = b->C + c * b->q;
    return b->energy && (b->q == 0 || cblas_ddot((int)b->q, own, 1, own, 1) <= b->energy[c]);
}

/* |r_c|^2 of all columns; whether one is above its goal. */
static kr_status measure(struct kr_ctx *ctx, struct block *b, bool *more)
{
    const size_t q = b->q, k = b->k;
    *more = false;
    if (q && !b->basis.plain) {
        KR_TRY(kr_block_gram(ctx, b->n, q, q, b->Q, b->Q, b->G));
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)q, (int)k, (int)q, 1, b->G, (int)q, b->C,
                    (int)q, 0, b->step, (int)q);
    }
    for (size_t c = 0; c < k; c++) {
        b->rr[c] = q ? cblas_ddot((int)q, b->C + c * q, 1, (b->basis.plain ? b->C : b->step) + c * q, 1) : 0;
        *more = *more || !(b->rr[c] <= b->goal[c] || small_energy(b, c));
    }
    return KR_OK;
}

/* One iteration from Q, Z, V, C to the next. Sets the stop where it cannot be done. */
static kr_status iterate(struct kr_ctx *ctx, const struct kr_op *A, struct block *b,
                         struct kr_solve_report *report)
{
    const size_t q = b->q, n = b->n;
    KR_TRY(kr_op_apply(ctx, A, q, b->V, b->AV));
    report->products += q;
    KR_TRY(kr_block_gram(ctx, n, q, q, b->V, b->AV, b->G));
    report->stop = (int)invert(b);
    if (report->stop != KR_STOP_RTOL)
        return KR_OK;
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
    *b = (struct block){.n = n, .k = k, .q = k, .D = D, .energy = solver->energy};
    KR_TRY(kr_basis_open(ctx, &solver->P, n, k, &b->basis));
    KR_ALLOC(ctx, b->Q, n * k);
    KR_ALLOC(ctx, b->V, n * k);
    KR_ALLOC(ctx, b->AV, n * k);
    b->Z = b->Q;
    if (!b->basis.plain)
        KR_ALLOC(ctx, b->Z, n * k);
    KR_ALLOC(ctx, b->C, k * k);
    KR_ALLOC(ctx, b->S, k * k);
    KR_ALLOC(ctx, b->G, k * k);
    KR_ALLOC(ctx, b->L, k * k);
    KR_ALLOC(ctx, b->work, k * k + 3 * k);
    KR_ALLOC(ctx, b->step, k * k);
    KR_ALLOC(ctx, b->goal, k);
    KR_ALLOC(ctx, b->rr, k);
    KR_ALLOC(ctx, b->size, k);
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
    .refines = true,
    .correct = correct,
};
