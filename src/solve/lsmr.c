/*
 * LSMR (Fong and Saunders 2011, arXiv 1006.0758): min |A x - b| by Golub-Kahan bidiagonalisation, for any
 * shape of A, with many right-hand sides that share the products. This is the least-squares solver behind the
 * differentiable operator of Roy, Kraemer and Hauberg (arXiv 2510.19634).
 *
 * One product with A and one with A' an iteration, 14 (m + n) k flops beside them; memory (m + 4 n) k
 * doubles. On a symmetric positive definite A it works with the squared condition number: cg is then the
 * better choice. A column ends when |r| <= rtol |b|, when |A'r| <= 1e-15 |A||r| (a least-squares solution),
 * or at the iteration limit.
 */
#include "kriged/solve.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static size_t bytes(size_t n, size_t k)
{
    return 8 * n * 9 * k;
}

/* Scalars of one column; names as in the paper, section 2.8 and figure 2.1. */
struct column {
    double alpha, beta, alphabar, zetabar, rho, rhobar, cbar, sbar, zeta;
    /* the running estimate of |r| */
    double betadd, betad, rhodold, tautildeold, thetatilde, d;
    double normA2, goal;
    bool done;
    enum kr_stop stop;
};

struct block {
    size_t m, n, k, live;
    double *U, *V, *H, *Hbar, *X; /* m x k and n x k */
    double *AV, *AtU;
    struct column *columns;
};

static double normalise(size_t n, double *x)
{
    double norm = cblas_dnrm2((int)n, x, 1);
    if (norm > 0)
        cblas_dscal((int)n, 1 / norm, x, 1);
    return norm;
}

static kr_status start(struct kr_ctx *ctx, const struct kr_op *A, size_t k, const double *B,
                       const double *rtol, double *X, struct block *b, struct kr_solve_report *report)
{
    *b = (struct block){.m = A->rows, .n = A->cols, .k = k, .live = k, .X = X};
    KR_ALLOC(ctx, b->U, b->m * k);
    KR_ALLOC(ctx, b->AV, b->m * k);
    KR_ALLOC(ctx, b->V, b->n * k);
    KR_ALLOC(ctx, b->AtU, b->n * k);
    KR_ALLOC(ctx, b->H, b->n * k);
    KR_ALLOC(ctx, b->Hbar, b->n * k);
    KR_ALLOC(ctx, b->columns, k);
    memset(X, 0, b->n * k * sizeof *X);
    memcpy(b->U, B, b->m * k * sizeof *B);
    for (size_t c = 0; c < k; c++)
        b->columns[c].beta = normalise(b->m, b->U + c * b->m);
    KR_TRY(kr_op_apply_t(ctx, A, k, b->U, b->V));
    report->products += k;
    for (size_t c = 0; c < k; c++) {
        struct column *s = &b->columns[c];
        s->alpha = normalise(b->n, b->V + c * b->n);
        s->alphabar = s->alpha;
        s->zetabar = s->alpha * s->beta;
        s->rho = s->rhobar = s->cbar = 1;
        s->betadd = s->beta;
        s->rhodold = 1;
        s->normA2 = s->alpha * s->alpha;
        s->goal = rtol[c] * s->beta;
        if (s->zetabar == 0) {
            s->done = true; /* b is orthogonal to the range of A: x = 0 solves the least-squares problem */
            s->stop = KR_STOP_BREAKDOWN;
            b->live--;
        }
    }
    memcpy(b->H, b->V, b->n * k * sizeof *b->H);
    return KR_OK;
}

/* Estimate of |r| (section 3.2.2 of the paper) and the stopping tests. */
static void judge(struct column *s, double c, double sn, double rhobarold, double thetabar, double alpha)
{
    double betaacute = s->betadd, betahat = c * betaacute;
    s->betadd = -sn * betaacute;
    double rhotildeold = hypot(s->rhodold, thetabar), ctildeold = s->rhodold / rhotildeold,
           stildeold = thetabar / rhotildeold, thetatildeold = s->thetatilde;
    s->thetatilde = stildeold * s->rhobar;
    s->rhodold = ctildeold * s->rhobar;
    s->betad = -stildeold * s->betad + ctildeold * betahat;
    s->tautildeold =
        (rhobarold - thetatildeold * s->tautildeold) / rhotildeold; /* rhobarold carries zetaold here */
    double taud = (s->zeta - s->thetatilde * s->tautildeold) / s->rhodold;
    double normr = sqrt(s->d + (s->betad - taud) * (s->betad - taud) + s->betadd * s->betadd);
    double normar = fabs(s->zetabar), normA = sqrt(s->normA2);
    s->normA2 += alpha * alpha;
    if (!isfinite(normr) || !isfinite(normar))
        s->done = true, s->stop = KR_STOP_BREAKDOWN;
    else if (normr <= s->goal)
        s->done = true, s->stop = KR_STOP_RTOL;
    else if (normar <= 1e-15 * normA * normr)
        s->done = true, s->stop = KR_STOP_PRECISION;
}

/* The scalar and vector recurrences of one column, its new u (unnormalised A v - alpha u) being ready. */
static void advance(struct block *b, size_t col)
{
    struct column *s = &b->columns[col];
    double *h = b->H + col * b->n, *hbar = b->Hbar + col * b->n, *x = b->X + col * b->n,
           *v = b->V + col * b->n;
    double rhoold = s->rho, rhobarold = s->rhobar, zetaold = s->zeta;
    s->rho = hypot(s->alphabar, s->beta);
    double c = s->alphabar / s->rho, sn = s->beta / s->rho, thetanew = sn * s->alpha;
    s->alphabar = c * s->alpha;
    double thetabar = s->sbar * s->rho;
    s->rhobar = hypot(s->cbar * s->rho, thetanew);
    s->cbar = s->cbar * s->rho / s->rhobar;
    s->sbar = thetanew / s->rhobar;
    s->zeta = s->cbar * s->zetabar;
    s->zetabar = -s->sbar * s->zetabar;
    double back = thetabar * s->rho / (rhoold * rhobarold), forward = s->zeta / (s->rho * s->rhobar),
           mix = thetanew / s->rho;
    for (size_t i = 0; i < b->n; i++) {
        hbar[i] = h[i] - back * hbar[i];
        x[i] += forward * hbar[i];
        h[i] = v[i] - mix * h[i];
    }
    judge(s, c, sn, zetaold, thetabar, s->alpha);
}

static kr_status iterate(struct kr_ctx *ctx, const struct kr_op *A, struct block *b,
                         struct kr_solve_report *report)
{
    KR_TRY(kr_op_apply(ctx, A, b->k, b->V, b->AV));
    for (size_t c = 0; c < b->k; c++) {
        double *u = b->U + c * b->m, *Av = b->AV + c * b->m, alpha = b->columns[c].alpha;
        if (b->columns[c].done)
            continue;
        for (size_t i = 0; i < b->m; i++)
            u[i] = Av[i] - alpha * u[i];
        b->columns[c].beta = normalise(b->m, u);
        b->columns[c].normA2 += b->columns[c].beta * b->columns[c].beta;
    }
    KR_TRY(kr_op_apply_t(ctx, A, b->k, b->U, b->AtU));
    report->products += 2 * b->k;
    for (size_t c = 0; c < b->k; c++) {
        double *v = b->V + c * b->n, *Atu = b->AtU + c * b->n, beta = b->columns[c].beta;
        if (b->columns[c].done)
            continue;
        for (size_t i = 0; i < b->n; i++)
            v[i] = Atu[i] - beta * v[i];
        b->columns[c].alpha = normalise(b->n, v);
        advance(b, c);
        b->live -= b->columns[c].done;
    }
    return KR_OK;
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_op *A = &solver->A;
    const size_t given = solver->options->max_iterations, most = given ? given : 1000 + 100 * A->cols;
    struct kr_mark mark = kr_mark(ctx);
    struct block b;
    KR_TRY(start(ctx, A, k, R, rtol, D, &b, report));
    size_t iteration = 0;
    for (; b.live > 0 && iteration < most; iteration++)
        KR_TRY(iterate(ctx, A, &b, report));
    report->iterations += iteration;
    report->stop = b.live > 0 ? KR_STOP_ITERATIONS : KR_STOP_RTOL;
    for (size_t c = 0; c < k; c++)
        if (b.columns[c].done && (int)b.columns[c].stop > report->stop)
            report->stop = (int)b.columns[c].stop;
    kr_release(ctx, mark);
    return KR_OK;
}

const struct kr_solver_type kr_solver_lsmr = {
    .base =
        {"lsmr",
         "least squares by bidiagonalisation: any shape; squares the condition number of a symmetric matrix",
         NULL},
    .bytes = bytes,
    .columns = 64,
    .correct = correct,
};
