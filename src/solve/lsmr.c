/*
 * LSMR (Fong and Saunders 2011, arXiv 1006.0758): min |A x - b|^2 + lambda^2 |x|^2 by Golub-Kahan
 * bidiagonalisation, any shape of A (m x n), many right-hand sides that share the products; with lambda = 0
 * the shortest minimiser. A column that is done leaves the block.
 *
 *     beta u = A v - alpha u,   alpha v = A'u - beta v                  [A; lambda I] by one more rotation
 *     hbar = h - (thetabar rho)/(rhoold rhobarold) hbar,   x += zeta/(rho rhobar) hbar,   h = v - theta/rho h
 *
 * One product with A and one with A' an iteration and column; 14 n + 4 m flops beside them, in three passes
 * over the vectors; memory 2 m + 4 n doubles a column, and n for each direction that is kept for
 * reorthogonalisation. |A'r| = |zetabar| falls monotonically. Estimates and stops are those of the authors'
 * code (Stanford SOL), with two changes: the norm of [A; lambda I] counts lambda, and the condition number
 * does not depend on the units of A. The stop at a condition number of 1/epsilon is a guard: a singular value
 * below epsilon |A| shows in the recurrence only when |A'r| has fallen to it, which is a stop of its own.
 *
 * Every column is solved for b/|b|; norms that leave the range of squares are taken again by a scaled sum.
 * Vectors are cut into pieces of a fixed length, whose sums are added in order: the same bits for any number
 * of threads.
 */
#include "solve/lsmr.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { PIECE = 4096, SERIAL = 32768 };

/* Scalars of one column; names as in the paper, section 2.8 and figure 2.1. */
struct column {
    double alpha, beta, unit /* length of the u that is stored */, alphabar, zetabar, rho, rhobar, cbar, sbar,
        zeta;
    double back, forward, mix; /* coefficients of the vector updates */
    /* the running estimates of |r| (section 3.2.2), |A| and cond(A) */
    double betadd, betad, rhodold, tautildeold, thetatilde, d, normr;
    double norm, smallest, largest, condition, length, start;
    size_t place; /* the caller's column */
    bool done;
};

/* Live columns stand first, in any order. */
struct block {
    const struct kr_op *A;
    const struct kr_lsmr_rules *rules;
    const struct kr_lsmr_goal *goals;
    struct kr_lsmr_column *facts;
    size_t m, n, live, iteration;
    double *U, *V, *H, *Hbar, *X; /* m x k and n x k; U holds unit u, X is in the caller's order */
    double *AV, *AtU;             /* m x k and n x k */
    size_t kept;                  /* directions kept for reorthogonalisation */
    double *past, *overlap;       /* n x kept a column, and kept */
    double *partial, *norms;      /* sums of squares of pieces, and lengths */
    struct column *columns;
};

/* Has no square of a sum been lost to under- or overflow? */
static bool in_range(double square)
{
    return square > 1e-280 && square < 1e280;
}

/* One piece first..last of one column; returns the sum of squares of what it wrote. */
typedef double piece_body(struct block *b, size_t slot, size_t first, size_t count);

/* b->norms[slot] = the length of what `body` wrote to Z, whose columns stand by slot or in the caller's
 * order. */
static void sweep(struct kr_ctx *ctx, struct block *b, piece_body *body, size_t length, const double *Z,
                  bool callers)
{
    const size_t pieces = (length + PIECE - 1) / PIECE, live = b->live;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (live * length > SERIAL)
    for (size_t t = 0; t < live * pieces; t++) {
        const size_t first = t % pieces * PIECE, left = length - first;
        b->partial[t] = body(b, t / pieces, first, left < PIECE ? left : PIECE);
    }
    for (size_t s = 0; s < live; s++) {
        double square = 0;
        for (size_t p = 0; p < pieces; p++)
            square += b->partial[s * pieces + p];
        const double *z = Z + (callers ? b->columns[s].place : s) * length;
        b->norms[s] = in_range(square) ? sqrt(square) : cblas_dnrm2((int)length, z, 1);
    }
}

static double square_of(const double *x, size_t count)
{
    return cblas_ddot((int)count, x, 1, x, 1);
}

static double piece_of_u(struct block *b, size_t slot, size_t first, size_t count)
{
    double *u = b->U + slot * b->m + first;
    const double *Av = b->AV + slot * b->m + first;
    const double factor = b->columns[slot].alpha / b->columns[slot].unit;
    for (size_t i = 0; i < count; i++)
        u[i] = Av[i] - factor * u[i];
    return square_of(u, count);
}

static double piece_of_v(struct block *b, size_t slot, size_t first, size_t count)
{
    double *v = b->V + slot * b->n + first;
    const double *Atu = b->AtU + slot * b->n + first;
    const double beta = b->columns[slot].beta, unit = b->columns[slot].unit, share = unit > 0 ? 1 / unit : 0;
    for (size_t i = 0; i < count; i++)
        v[i] = share * Atu[i] - beta * v[i];
    return square_of(v, count);
}

static double piece_of_x(struct block *b, size_t slot, size_t first, size_t count)
{
    const struct column *s = &b->columns[slot];
    const double share = s->alpha > 0 ? 1 / s->alpha : 0, back = s->back, forward = s->forward, mix = s->mix;
    double *v = b->V + slot * b->n + first, *h = b->H + slot * b->n + first,
           *hbar = b->Hbar + slot * b->n + first, *x = b->X + s->place * b->n + first;
    for (size_t i = 0; i < count; i++) {
        hbar[i] = h[i] - back * hbar[i];
        x[i] += forward * hbar[i];
        v[i] *= share;
        h[i] = v[i] - mix * h[i];
    }
    return square_of(x, count);
}

/* Gram-Schmidt against the kept directions; twice is enough. */
static void reorthogonalise(struct kr_ctx *ctx, struct block *b)
{
    const size_t have = b->iteration < b->kept ? b->iteration : b->kept;
    const int n = (int)b->n, count = (int)have;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (b->live * b->n * have > SERIAL)
    for (size_t s = 0; s < b->live; s++) {
        const double *past = b->past + s * b->n * b->kept;
        double *v = b->V + s * b->n, *overlap = b->overlap + s * b->kept;
        for (int pass = 0; pass < 2; pass++) {
            cblas_dgemv(CblasColMajor, CblasTrans, n, count, 1, past, n, v, 1, 0, overlap, 1);
            cblas_dgemv(CblasColMajor, CblasNoTrans, n, count, -1, past, n, overlap, 1, 1, v, 1);
        }
        b->norms[s] = cblas_dnrm2(n, v, 1);
    }
}

/* Keeps the newest v of every column, in the place of the oldest. */
static void keep_directions(struct block *b)
{
    for (size_t s = 0; s < b->live && b->kept; s++)
        memcpy(b->past + (s * b->kept + b->iteration % b->kept) * b->n, b->V + s * b->n, b->n * sizeof *b->V);
}

static kr_status memory(struct kr_ctx *ctx, size_t k, struct block *b)
{
    const size_t longest = b->m > b->n ? b->m : b->n;
    KR_ALLOC(ctx, b->U, b->m * k);
    KR_ALLOC(ctx, b->AV, b->m * k);
    KR_ALLOC(ctx, b->V, b->n * k);
    KR_ALLOC(ctx, b->AtU, b->n * k);
    KR_ALLOC(ctx, b->H, b->n * k);
    KR_ALLOC(ctx, b->Hbar, b->n * k);
    KR_ALLOC(ctx, b->past, b->n * b->kept * k);
    KR_ALLOC(ctx, b->overlap, b->kept * k);
    KR_ALLOC(ctx, b->partial, (longest / PIECE + 1) * k);
    KR_ALLOC(ctx, b->norms, k);
    KR_ALLOC(ctx, b->columns, k);
    return KR_OK;
}

/* The column in slot s is done: its facts in the caller's units, its slot to the last live column. */
static void retire(struct block *b, size_t s)
{
    const struct column *c = &b->columns[s];
    struct kr_lsmr_column *fact = &b->facts[c->place];
    const size_t last = --b->live, m = b->m * sizeof(double), n = b->n * sizeof(double);
    fact->iterations = b->iteration;
    fact->residual = fact->rhs * c->normr;
    fact->normal_residual = fact->rhs * fabs(c->zetabar);
    fact->norm = c->norm;
    fact->condition = c->condition;
    fact->length = fact->rhs * c->length;
    cblas_dscal((int)b->n, fact->rhs, b->X + c->place * b->n, 1);
    if (s == last)
        return;
    memcpy(b->U + s * b->m, b->U + last * b->m, m);
    memcpy(b->AV + s * b->m, b->AV + last * b->m, m);
    memcpy(b->V + s * b->n, b->V + last * b->n, n);
    memcpy(b->AtU + s * b->n, b->AtU + last * b->n, n);
    memcpy(b->H + s * b->n, b->H + last * b->n, n);
    memcpy(b->Hbar + s * b->n, b->Hbar + last * b->n, n);
    memcpy(b->past + s * b->n * b->kept, b->past + last * b->n * b->kept, n * b->kept);
    b->norms[s] = b->norms[last];
    b->columns[s] = b->columns[last];
}

static void end(struct block *b, size_t s, enum kr_lstsq_stop stop, const char *reason)
{
    b->columns[s].done = true;
    b->facts[b->columns[s].place].stop = stop;
    b->facts[b->columns[s].place].reason = reason;
}

/* From the last slot to the first, so that a column that moves has been looked at. */
static void compact(struct block *b)
{
    for (size_t s = b->live; s-- > 0;)
        if (b->columns[s].done)
            retire(b, s);
}

/* Columns whose new length is not finite end here, before anything of them reaches x. */
static void drop_non_finite(struct block *b, const char *what)
{
    for (size_t s = 0; s < b->live; s++)
        if (!isfinite(b->norms[s]))
            end(b, s, KR_LSTSQ_STOP_NON_FINITE, what);
    compact(b);
}

/* The length that stays with the vector: the norm itself, or 1 where products would leave the range. */
static double settle(double *z, size_t length, double norm)
{
    if (norm == 0 || in_range(norm * norm))
        return norm;
    for (size_t i = 0; i < length; i++)
        z[i] /= norm;
    return 1;
}

/* u = b/|b|. */
static void normalise_rhs(struct block *b, size_t k, const double *B)
{
    b->live = k;
    for (size_t c = 0; c < k; c++) {
        const double *rhs = B + c * b->m, norm = cblas_dnrm2((int)b->m, rhs, 1);
        b->facts[c] = (struct kr_lsmr_column){.rhs = norm};
        b->columns[c] = (struct column){.place = c, .beta = 1, .unit = 1, .normr = 1, .condition = 1};
        b->norms[c] = norm;
        if (norm > 0 && isfinite(norm))
            for (size_t i = 0; i < b->m; i++)
                b->U[c * b->m + i] = rhs[i] / norm;
        if (norm == 0)
            end(b, c, KR_LSTSQ_STOP_ZERO, NULL);
    }
    drop_non_finite(b, "the right-hand side is not finite");
}

/* alpha v = A'u. */
static kr_status start(struct kr_ctx *ctx, size_t k, const double *B, struct block *b, size_t *products)
{
    memset(b->X, 0, b->n * k * sizeof *b->X);
    normalise_rhs(b, k, B);
    if (b->live == 0)
        return KR_OK;
    KR_TRY(kr_op_apply_t(ctx, b->A, b->live, b->U, b->AtU));
    *products += b->live;
    sweep(ctx, b, piece_of_v, b->n, b->V, false);
    drop_non_finite(b, "a product with A' is not finite");
    for (size_t c = 0; c < b->live; c++) {
        struct column *s = &b->columns[c];
        double *v = b->V + c * b->n, *h = b->H + c * b->n;
        s->alpha = s->alphabar = s->zetabar = s->start = b->norms[c];
        s->rho = s->rhobar = s->cbar = s->betadd = s->rhodold = 1;
        s->smallest = INFINITY;
        if (s->alpha == 0) {
            end(b, c, KR_LSTSQ_STOP_ZERO, NULL);
            continue;
        }
        for (size_t i = 0; i < b->n; i++)
            h[i] = v[i] /= s->alpha;
    }
    compact(b);
    keep_directions(b);
    return KR_OK;
}

/* c, s and the length of (a, b). */
static double rotation(double a, double b, double *c, double *s)
{
    const double r = hypot(a, b);
    *c = r > 0 ? a / r : 1;
    *s = r > 0 ? b / r : 0;
    return r;
}

/* The rotations of one column: coefficients of its vectors, and the estimates. */
static void rotate(struct column *s, double damping, size_t iteration)
{
    double chat, shat, c, sn, ctilde, stilde;
    const double rhoold = s->rho, rhobarold = s->rhobar, zetaold = s->zeta, thetatildeold = s->thetatilde;
    const double alphahat = rotation(s->alphabar, damping, &chat, &shat);
    s->rho = rotation(alphahat, s->beta, &c, &sn);
    const double theta = sn * s->alpha, thetabar = s->sbar * s->rho, rhotemp = s->cbar * s->rho;
    s->alphabar = c * s->alpha;
    s->rhobar = rotation(rhotemp, theta, &s->cbar, &s->sbar);
    s->zeta = s->cbar * s->zetabar;
    s->zetabar = -s->sbar * s->zetabar;
    s->back = thetabar / rhoold * (s->rho / rhobarold);
    s->forward = s->zeta / s->rho / s->rhobar;
    s->mix = theta / s->rho;

    const double betaacute = chat * s->betadd, betacheck = -shat * s->betadd, betahat = c * betaacute;
    s->betadd = -sn * betaacute;
    const double rhotildeold = rotation(s->rhodold, thetabar, &ctilde, &stilde);
    s->thetatilde = stilde * s->rhobar;
    s->rhodold = ctilde * s->rhobar;
    s->betad = -stilde * s->betad + ctilde * betahat;
    s->tautildeold = (zetaold - thetatildeold * s->tautildeold) / rhotildeold;
    const double taud = (s->zeta - s->thetatilde * s->tautildeold) / s->rhodold;
    s->d = hypot(s->d, betacheck);
    s->normr = hypot(hypot(s->d, s->betad - taud), s->betadd);

    if (iteration > 1) {
        s->largest = fmax(s->largest, rhobarold);
        s->smallest = fmin(s->smallest, rhobarold);
    }
    s->condition = fmax(s->largest, rhotemp) / fmin(s->smallest, rhotemp);
}

static void judge(struct block *b, size_t slot)
{
    const struct column *s = &b->columns[slot];
    const struct kr_lsmr_rules *rules = b->rules;
    const struct kr_lsmr_goal goal = b->goals ? b->goals[s->place] : (struct kr_lsmr_goal){0, 0};
    const double scale = 1 + s->norm * s->length, normar = fabs(s->zetabar), half = DBL_EPSILON / 2;
    if (!isfinite(s->normr) || !isfinite(normar) || !isfinite(s->length))
        end(b, slot, KR_LSTSQ_STOP_NON_FINITE, "a product is out of the range of doubles");
    else if (s->normr <= fmax(rules->btol + rules->atol * s->norm * s->length, goal.residual))
        end(b, slot, KR_LSTSQ_STOP_COMPATIBLE, NULL);
    else if (normar <= fmax(rules->atol * s->norm * s->normr, goal.normal * s->start))
        end(b, slot, KR_LSTSQ_STOP_LEAST_SQUARES, NULL);
    else if (s->condition >= rules->condition_limit)
        end(b, slot, KR_LSTSQ_STOP_CONDITION, NULL);
    else if (s->normr <= half * scale)
        end(b, slot, KR_LSTSQ_STOP_COMPATIBLE_AT_PRECISION, NULL);
    else if (normar <= half * s->norm * s->normr)
        end(b, slot, KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION, NULL);
    else if (isfinite(rules->condition_limit) && half * s->condition >= 1)
        end(b, slot, KR_LSTSQ_STOP_CONDITION_AT_PRECISION, NULL);
    else if (b->iteration >= rules->max_iterations)
        end(b, slot, KR_LSTSQ_STOP_ITERATIONS, NULL);
}

/* beta u = A v - alpha u of all live columns. */
static kr_status next_u(struct kr_ctx *ctx, struct block *b, size_t *products)
{
    KR_TRY(kr_op_apply(ctx, b->A, b->live, b->V, b->AV));
    *products += b->live;
    sweep(ctx, b, piece_of_u, b->m, b->U, false);
    drop_non_finite(b, "a product with A is not finite");
    for (size_t s = 0; s < b->live; s++) {
        struct column *c = &b->columns[s];
        c->norm = hypot(hypot(c->norm, hypot(c->alpha, b->rules->damping)), b->norms[s]);
        c->beta = b->norms[s];
        c->unit = settle(b->U + s * b->m, b->m, c->beta);
    }
    return KR_OK;
}

/* alpha v = A'u - beta v of all live columns; v waits for its scale. */
static kr_status next_v(struct kr_ctx *ctx, struct block *b, size_t *products)
{
    if (b->live == 0)
        return KR_OK;
    KR_TRY(kr_op_apply_t(ctx, b->A, b->live, b->U, b->AtU));
    *products += b->live;
    sweep(ctx, b, piece_of_v, b->n, b->V, false);
    if (b->kept)
        reorthogonalise(ctx, b);
    drop_non_finite(b, "a product with A' is not finite");
    for (size_t s = 0; s < b->live; s++)
        b->columns[s].alpha = b->norms[s];
    return KR_OK;
}

static kr_status iterate(struct kr_ctx *ctx, struct block *b, size_t *products)
{
    b->iteration++;
    KR_TRY(next_u(ctx, b, products));
    KR_TRY(next_v(ctx, b, products));
    for (size_t s = 0; s < b->live; s++)
        rotate(&b->columns[s], b->rules->damping, b->iteration);
    sweep(ctx, b, piece_of_x, b->n, b->X, true);
    keep_directions(b);
    for (size_t s = 0; s < b->live; s++) {
        b->columns[s].length = b->norms[s];
        judge(b, s);
    }
    compact(b);
    return KR_OK;
}

kr_status kr_lsmr(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_lsmr_rules *rules, size_t k,
                  const double *B, const struct kr_lsmr_goal *goals, double *X,
                  struct kr_lsmr_column *columns, size_t *products)
{
    const size_t smaller = A->rows < A->cols ? A->rows : A->cols;
    struct kr_mark mark = kr_mark(ctx);
    struct block b = {
        .A = A, .rules = rules, .goals = goals, .facts = columns, .m = A->rows, .n = A->cols, .X = X};
    b.kept = rules->reorthogonalize < smaller ? rules->reorthogonalize : smaller;
    KR_TRY(memory(ctx, k, &b));
    kr_status status = start(ctx, k, B, &b, products);
    while (status == KR_OK && b.live > 0)
        status = iterate(ctx, &b, products);
    for (size_t s = b.live; s-- > 0;) {
        end(&b, s, KR_LSTSQ_STOP_CANCELLED, NULL);
        retire(&b, s);
    }
    kr_release(ctx, mark);
    return status;
}
