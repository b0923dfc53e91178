/*
 * Conjugate gradients for many right-hand sides at once (Hestenes and Stiefel 1952): the columns share each
 * product with A, every column keeps its own scalars, and a column that is done leaves the block.
 *
 *     alpha = r'r / p'A p,   d += alpha p,   r -= alpha A p,   p = r + (r'r / old r'r) p
 *
 * One product with A and 10 n k flops an iteration; memory 4 n k doubles. A must be symmetric positive
 * definite: p'A p <= 0 stops with `breakdown`.
 */
#include "kriged/solve.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static size_t bytes(size_t n, size_t k)
{
    return 8 * n * 8 * k;
}

/* Live columns stand first, in any order; place[s] is the column of D that slot s works on. */
struct block {
    size_t n, live;
    double *R, *P, *AP, *D; /* D in the caller's order */
    double *rr, *goal;      /* r'r, and the value that ends the column */
    size_t *place;
    bool *broken;
};

static kr_status start(struct kr_ctx *ctx, size_t n, size_t k, const double *R, const double *rtol, double *D,
                       struct block *b)
{
    *b = (struct block){.n = n, .live = k, .D = D};
    KR_ALLOC(ctx, b->R, n * k);
    KR_ALLOC(ctx, b->P, n * k);
    KR_ALLOC(ctx, b->AP, n * k);
    KR_ALLOC(ctx, b->rr, k);
    KR_ALLOC(ctx, b->goal, k);
    KR_ALLOC(ctx, b->place, k);
    KR_ALLOC(ctx, b->broken, k);
    memset(D, 0, n * k * sizeof *D);
    memcpy(b->R, R, n * k * sizeof *R);
    memcpy(b->P, R, n * k * sizeof *R);
    for (size_t c = 0; c < k; c++) {
        b->place[c] = c;
        b->rr[c] = cblas_ddot((int)n, R + c * n, 1, R + c * n, 1);
        b->goal[c] = b->rr[c] * rtol[c] * rtol[c];
    }
    return KR_OK;
}

static void advance(struct block *b, size_t s)
{
    const int n = (int)b->n;
    double *r = b->R + s * b->n, *p = b->P + s * b->n, *Ap = b->AP + s * b->n;
    double curvature = cblas_ddot(n, p, 1, Ap, 1);
    if (!(curvature > 0) || !isfinite(curvature)) {
        b->broken[s] = true;
        return;
    }
    double alpha = b->rr[s] / curvature, before = b->rr[s];
    cblas_daxpy(n, alpha, p, 1, b->D + b->place[s] * b->n, 1);
    cblas_daxpy(n, -alpha, Ap, 1, r, 1);
    b->rr[s] = cblas_ddot(n, r, 1, r, 1);
    double beta = b->rr[s] / before;
    for (size_t i = 0; i < b->n; i++)
        p[i] = r[i] + beta * p[i];
}

/* Moves the last live column into slot s. */
static void retire(struct block *b, size_t s)
{
    size_t last = --b->live, size = b->n * sizeof(double);
    if (s == last)
        return;
    memcpy(b->R + s * b->n, b->R + last * b->n, size);
    memcpy(b->P + s * b->n, b->P + last * b->n, size);
    b->rr[s] = b->rr[last];
    b->goal[s] = b->goal[last];
    b->place[s] = b->place[last];
    b->broken[s] = b->broken[last];
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const size_t n = solver->A.rows, given = solver->options->max_iterations,
                 most = given ? given : 1000 + 10 * n;
    struct kr_mark mark = kr_mark(ctx);
    struct block b;
    KR_TRY(start(ctx, n, k, R, rtol, D, &b));
    report->stop = KR_STOP_RTOL;
    size_t iteration = 0;
    for (; b.live > 0 && iteration < most; iteration++) {
        KR_TRY(kr_op_apply(ctx, &solver->A, b.live, b.P, b.AP));
        report->products += b.live;
        /* Below this size threads would mostly wait for each other. */
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * b.live > 32768)
        for (size_t s = 0; s < b.live; s++)
            advance(&b, s);
        for (size_t s = b.live; s-- > 0;) {
            if (b.broken[s])
                report->stop = KR_STOP_BREAKDOWN;
            if (b.broken[s] || b.rr[s] <= b.goal[s])
                retire(&b, s);
        }
    }
    report->iterations += iteration;
    if (b.live > 0 && report->stop == KR_STOP_RTOL)
        report->stop = KR_STOP_ITERATIONS;
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_solver_type kr_solver_cg = {
    .base = {"cg", "conjugate gradients: matrix-free, O(n) memory a column", NULL},
    .bytes = bytes,
    .columns = 256,
    .correct = correct,
};
