/*
 * MINRES for many right-hand sides (Paige and Saunders 1975): symmetric A, indefinite or singular too, with a
 * symmetric positive definite preconditioner. The columns share each product with A and each application of
 * P^-1, every column keeps its own scalars, and a column that is done leaves the block.
 *
 * Lanczos in the inner product of P^-1, for each column:
 *
 *     v = y/beta,  z = A v - (beta/beta_old) q_old,  alpha = v'z,  q_new = z - (alpha/beta) q,  y = P^-1
 * q_new
 *
 * and rotations (c, s) of the tridiagonal matrix, so that x minimises r'P^-1 r over the space. The residual
 * itself is carried along: r = s^2 r - phi c q_new/beta_new, so that |r| is known for any P.
 *
 * One product with A and about 20 n k flops an iteration; memory 9 n k doubles. Where A is singular and b not
 * in its range, |A r| becomes 0 with r not small, and later iterations only add to x along the null space:
 * they stop at |A r| <= 1e-8 |A||r| with `precision`, which a condition number above 1e8 of P^-1 A does as
 * well.
 */
#include "kriged/solve.h"

#include <cblas.h>

#include <math.h>
#include <string.h>

#define SINGULAR 1e-8 /* |A r| of |A||r|: 1/cond(A) is above */

enum { Q_OLD, Q, Y, V, AV, W_OLD, W, X, R, VECTORS };

static size_t bytes(size_t n, size_t k)
{
    return sizeof(double) * (VECTORS * n * k + 16 * k);
}

struct column {
    double beta, beta_old, dbar, epsilon, phibar, c, s; /* Lanczos and the rotations */
    double norm2;      /* largest row of the tridiagonal matrix, squared: |P^-1 A|^2 */
    double goal;       /* |r| that ends it */
    size_t place;      /* its column in the caller's D */
    enum kr_stop stop; /* NONE while it is live */
};

/* Live columns stand first, in any order. */
struct block {
    size_t n, live;
    double *vectors[VECTORS]; /* n x k each */
    struct column *columns;
};

static double *vector(const struct block *b, int which, size_t s)
{
    return b->vectors[which] + s * b->n;
}

static kr_status start(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *B,
                       const double *rtol, struct block *b)
{
    const size_t n = solver->A.rows;
    *b = (struct block){.n = n, .live = k};
    for (int i = 0; i < VECTORS; i++)
        KR_ALLOC(ctx, b->vectors[i], n * k);
    KR_ALLOC(ctx, b->columns, k);
    memcpy(b->vectors[Q], B, n * k * sizeof *B);
    memcpy(b->vectors[R], B, n * k * sizeof *B);
    KR_TRY(kr_preconditioner_apply(ctx, &solver->P, k, b->vectors[Q], b->vectors[Y]));
    for (size_t c = 0; c < k; c++) {
        const double beta = sqrt(cblas_ddot((int)n, vector(b, Q, c), 1, vector(b, Y, c), 1));
        b->columns[c] = (struct column){.beta = beta, .phibar = beta, .c = -1, .place = c};
        b->columns[c].goal = rtol[c] * cblas_dnrm2((int)n, B + c * n, 1);
        if (!(beta > 0) || !isfinite(beta))
            b->columns[c].stop = KR_STOP_BREAKDOWN;
    }
    return KR_OK;
}

/* q_new from A v, the old one kept: Q_OLD = Q, Q = q_new. Returns alpha. */
static double orthogonalise(struct block *b, size_t s)
{
    const struct column *col = &b->columns[s];
    const int n = (int)b->n;
    double *q_old = vector(b, Q_OLD, s), *q = vector(b, Q, s), *z = vector(b, AV, s);
    if (col->beta_old > 0)
        cblas_daxpy(n, -col->beta / col->beta_old, q_old, 1, z, 1);
    const double alpha = cblas_ddot(n, vector(b, V, s), 1, z, 1);
    cblas_daxpy(n, -alpha / col->beta, q, 1, z, 1);
    memcpy(q_old, q, b->n * sizeof *q);
    memcpy(q, z, b->n * sizeof *q);
    return alpha;
}

/* The rotation of this step, and x and r with it; Y = P^-1 q_new is at hand. */
static void advance(struct block *b, size_t s, double alpha)
{
    struct column *col = &b->columns[s];
    const double *q = vector(b, Q, s), *v = vector(b, V, s);
    double *w_old = vector(b, W_OLD, s), *w = vector(b, W, s), *x = vector(b, X, s), *r = vector(b, R, s);
    const double square = cblas_ddot((int)b->n, q, 1, vector(b, Y, s), 1);
    if (!(square >= 0) || !isfinite(square) || !isfinite(alpha)) {
        col->stop = KR_STOP_BREAKDOWN;
        return;
    }
    const double beta = sqrt(square), epsilon = col->epsilon, delta = col->c * col->dbar + col->s * alpha,
                 gbar = col->s * col->dbar - col->c * alpha, dbar = -col->c * beta, size = hypot(gbar, beta),
                 gradient = col->phibar * hypot(gbar, dbar); /* |A r| of the step before */
    const double before = col->beta_old > 0 ? col->beta : 0;
    col->norm2 = fmax(col->norm2, alpha * alpha + beta * beta + before * before);
    if (gradient <= SINGULAR * sqrt(col->norm2) * col->phibar || !(size > 0)) {
        col->stop = KR_STOP_PRECISION;
        return;
    }
    col->epsilon = col->s * beta;
    col->dbar = dbar;
    col->c = gbar / size;
    col->s = beta / size;
    const double phi = col->c * col->phibar, s2 = col->s * col->s;
    col->phibar *= col->s;
    const double back = beta > 0 ? col->phibar * col->c / beta : 0;
    for (size_t i = 0; i < b->n; i++) {
        const double next = (v[i] - epsilon * w_old[i] - delta * w[i]) / size;
        w_old[i] = w[i];
        w[i] = next;
        x[i] += phi * next;
        r[i] = s2 * r[i] - back * q[i];
    }
    col->beta_old = col->beta;
    col->beta = beta;
    const double norm = cblas_dnrm2((int)b->n, r, 1);
    if (!isfinite(norm))
        col->stop = KR_STOP_BREAKDOWN;
    else if (norm <= col->goal || beta == 0)
        col->stop = KR_STOP_RTOL;
}

/* Columns that are done hand over their x; the last live one takes their place. */
static void retire(struct block *b, double *D, struct kr_solve_report *report)
{
    for (size_t s = b->live; s-- > 0;) {
        if (b->columns[s].stop == KR_STOP_NONE)
            continue;
        const size_t last = --b->live, size = b->n * sizeof *D;
        if ((int)b->columns[s].stop > report->stop)
            report->stop = (int)b->columns[s].stop;
        memcpy(D + b->columns[s].place * b->n, vector(b, X, s), size);
        if (s == last)
            continue;
        for (int i = 0; i < VECTORS; i++)
            memcpy(vector(b, i, s), vector(b, i, last), size);
        b->columns[s] = b->columns[last];
    }
}

static kr_status iterate(struct kr_ctx *ctx, const struct kr_solver *solver, struct block *b, double *alpha)
{
    const bool large = b->n * b->live > 32768; /* below, threads would mostly wait for each other */
    for (size_t s = 0; s < b->live; s++)
        for (size_t i = 0; i < b->n; i++)
            vector(b, V, s)[i] = vector(b, Y, s)[i] / b->columns[s].beta;
    KR_TRY(kr_op_apply(ctx, &solver->A, b->live, b->vectors[V], b->vectors[AV]));
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (large)
    for (size_t s = 0; s < b->live; s++)
        alpha[s] = orthogonalise(b, s);
    KR_TRY(kr_preconditioner_apply(ctx, &solver->P, b->live, b->vectors[Q], b->vectors[Y]));
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (large)
    for (size_t s = 0; s < b->live; s++)
        advance(b, s, alpha[s]);
    return KR_OK;
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *B,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const size_t given = solver->options->max_iterations, most = given ? given : 1000 + 10 * solver->A.rows;
    struct kr_mark mark = kr_mark(ctx);
    struct block b;
    double *alpha;
    size_t iteration = 0;
    KR_TRY(start(ctx, solver, k, B, rtol, &b));
    KR_ALLOC(ctx, alpha, k);
    report->stop = KR_STOP_RTOL;
    retire(&b, D, report);
    for (; b.live > 0 && iteration < most; iteration++) {
        report->products += b.live;
        KR_TRY(iterate(ctx, solver, &b, alpha));
        retire(&b, D, report);
    }
    report->iterations += iteration;
    for (size_t s = 0; s < b.live; s++)
        b.columns[s].stop = KR_STOP_ITERATIONS;
    retire(&b, D, report);
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_solver_type kr_solver_minres = {
    .base = {"minres", "minimal residuals: any symmetric matrix, indefinite or singular too; matrix-free",
             NULL},
    .bytes = bytes,
    .columns = 64,
    .preconditioned = true,
    .correct = correct,
};
