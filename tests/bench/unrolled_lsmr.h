/*
 * The rival of the implicit derivative: LSMR for one right-hand side with the vectors of all iterations kept,
 * and the reverse sweep through them, written by hand. An iteration, from (u, v, h, hbar, x) to the next:
 *
 *     w = A v - alpha u,  beta = |w|,  u' = w / beta           y = A'u' - beta v,  alpha' = |y|,  v' = y /
 * alpha' hbar' = h - back hbar,   x' = x + forward hbar',   h' = v' - mix h
 *
 * with back, forward and mix from the rotations. Forward: one product with A and one with A' an iteration,
 * m + 3 n doubles kept. Reverse: one product with each again, and a pull of 2 columns, done in blocks of
 * CHUNK iterations (so that a stored matrix gets one matrix product instead of many outer ones).
 */
#ifndef KRIGED_TESTS_UNROLLED_LSMR_H
#define KRIGED_TESTS_UNROLLED_LSMR_H

#include "kriged/op.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Scalars before an iteration (alpha belongs to v), and what the rotations make of them with beta and alpha'.
 */
struct unrolled_scalars {
    double alpha, alphabar, cbar, sbar, zetabar, rho, rhobar;
    double beta, back, forward, mix;
};

struct unrolled {
    const struct kr_op *A;
    double damping;
    size_t iterations; /* at most; fewer when beta or alpha becomes 0 */
    size_t chunk;      /* iterations whose pulls are done together */
    double b_length;
    double *U, *V, *H, *Hbar;   /* m x (iterations + 1), and n x that */
    struct unrolled_scalars *s; /* iterations + 1 */
};

/* The rotations: from s and the new alpha to `next`, setting back, forward and mix of s. */
static inline void unrolled_rotate(struct unrolled_scalars *s, double damping, double alpha,
                                   struct unrolled_scalars *next)
{
    const double alphahat = hypot(s->alphabar, damping), rho = hypot(alphahat, s->beta), c = alphahat / rho,
                 sn = s->beta / rho, theta = sn * alpha, rhotemp = s->cbar * rho,
                 rhobar = hypot(rhotemp, theta);
    next->alpha = alpha;
    next->alphabar = c * alpha;
    next->cbar = rhotemp / rhobar;
    next->sbar = theta / rhobar;
    next->zetabar = -next->sbar * s->zetabar;
    next->rho = rho;
    next->rhobar = rhobar;
    s->back = s->sbar * rho * rho / (s->rho * s->rhobar);
    s->forward = next->cbar * s->zetabar / (rho * rhobar);
    s->mix = theta / rho;
}

/* Adjoints: g of next's scalars (alpha's own uses included) and of s's back, forward and mix; sets those of s
 * in `out` (its alpha: 0, since the rotations use alpha only as alphabar) and returns that of the new alpha.
 */
static inline double unrolled_rotate_back(const struct unrolled_scalars *s, double damping,
                                          const struct unrolled_scalars *next,
                                          const struct unrolled_scalars *g, double back_g, double forward_g,
                                          double mix_g, struct unrolled_scalars *out)
{
    const double alpha = next->alpha, rho = next->rho, rhobar = next->rhobar,
                 alphahat = hypot(s->alphabar, damping), c = alphahat / rho, sn = s->beta / rho,
                 theta = sn * alpha, zeta = next->cbar * s->zetabar;
    double rho_g = g->rho, rhobar_g = g->rhobar, cbar_g = g->cbar, sbar_g = g->sbar, alpha_g = g->alpha,
           theta_g = 0, rhotemp_g = 0, c_g = 0, sn_g = 0;
    *out = (struct unrolled_scalars){0};
    /* mix = theta / rho */
    theta_g += mix_g / rho;
    rho_g -= mix_g * theta / (rho * rho);
    /* forward = zeta / (rho rhobar), zeta = cbar' zetabar */
    const double zeta_g = forward_g / (rho * rhobar);
    rho_g -= forward_g * zeta / (rho * rho * rhobar);
    rhobar_g -= forward_g * zeta / (rho * rhobar * rhobar);
    cbar_g += zeta_g * s->zetabar;
    out->zetabar += zeta_g * next->cbar;
    /* back = sbar rho'^2 / (rho rhobar) */
    out->sbar += back_g * rho * rho / (s->rho * s->rhobar);
    rho_g += back_g * 2 * s->sbar * rho / (s->rho * s->rhobar);
    out->rho -= back_g * s->back / s->rho;
    out->rhobar -= back_g * s->back / s->rhobar;
    /* zetabar' = -sbar' zetabar */
    sbar_g -= g->zetabar * s->zetabar;
    out->zetabar -= g->zetabar * next->sbar;
    /* cbar' = rhotemp / rhobar', sbar' = theta / rhobar', rhobar' = |(rhotemp, theta)| */
    rhotemp_g += cbar_g / rhobar;
    theta_g += sbar_g / rhobar;
    rhobar_g -= (cbar_g * next->cbar + sbar_g * next->sbar) / rhobar;
    rhotemp_g += rhobar_g * next->cbar;
    theta_g += rhobar_g * next->sbar;
    /* rhotemp = cbar rho', theta = sn alpha', alphabar' = c alpha' */
    out->cbar += rhotemp_g * rho;
    rho_g += rhotemp_g * s->cbar;
    sn_g += theta_g * alpha;
    alpha_g += theta_g * sn + g->alphabar * c;
    c_g += g->alphabar * alpha;
    /* c = alphahat / rho', sn = beta / rho', rho' = |(alphahat, beta)| */
    rho_g -= (c_g * c + sn_g * sn) / rho;
    const double alphahat_g = c_g / rho + rho_g * c;
    out->beta = sn_g / rho + rho_g * sn;
    out->alphabar = alphahat > 0 ? alphahat_g * s->alphabar / alphahat : 0;
    return alpha_g;
}

static inline double unrolled_normalise(size_t n, double *x)
{
    const double norm = cblas_dnrm2((int)n, x, 1);
    if (norm > 0)
        cblas_dscal((int)n, 1 / norm, x, 1);
    return norm;
}

static inline kr_status unrolled_memory(struct kr_ctx *ctx, struct unrolled *r)
{
    const size_t m = r->A->rows, n = r->A->cols, kept = r->iterations + 1;
    KR_ALLOC(ctx, r->U, m * kept);
    KR_ALLOC(ctx, r->V, n * kept);
    KR_ALLOC(ctx, r->H, n * kept);
    KR_ALLOC(ctx, r->Hbar, n * kept);
    KR_ALLOC(ctx, r->s, kept);
    return KR_OK;
}

/* One iteration from place k to k + 1; false where the Krylov space ends. */
static inline kr_status unrolled_step(struct kr_ctx *ctx, struct unrolled *r, size_t k, double *x, bool *more)
{
    const size_t m = r->A->rows, n = r->A->cols;
    double *u = r->U + k * m, *v = r->V + k * n, *h = r->H + k * n, *hbar = r->Hbar + k * n;
    double *u1 = u + m, *v1 = v + n, *h1 = h + n, *hbar1 = hbar + n;
    struct unrolled_scalars *s = &r->s[k];
    KR_TRY(kr_op_apply(ctx, r->A, 1, v, u1));
    for (size_t i = 0; i < m; i++)
        u1[i] -= s->alpha * u[i];
    s->beta = unrolled_normalise(m, u1);
    KR_TRY(kr_op_apply_t(ctx, r->A, 1, u1, v1));
    for (size_t i = 0; i < n; i++)
        v1[i] -= s->beta * v[i];
    const double alpha = unrolled_normalise(n, v1);
    *more = s->beta > 0 && alpha > 0;
    if (!*more)
        return KR_OK;
    unrolled_rotate(s, r->damping, alpha, &r->s[k + 1]);
    for (size_t i = 0; i < n; i++) {
        hbar1[i] = h[i] - s->back * hbar[i];
        x[i] += s->forward * hbar1[i];
        h1[i] = v1[i] - s->mix * h[i];
    }
    return KR_OK;
}

static inline kr_status unrolled_forward(struct kr_ctx *ctx, struct unrolled *r, const double *b, double *x)
{
    const size_t m = r->A->rows, n = r->A->cols;
    KR_TRY(unrolled_memory(ctx, r));
    memcpy(r->U, b, m * sizeof *b);
    r->b_length = unrolled_normalise(m, r->U);
    KR_TRY(kr_op_apply_t(ctx, r->A, 1, r->U, r->V));
    const double alpha = unrolled_normalise(n, r->V);
    r->s[0] = (struct unrolled_scalars){
        .alpha = alpha, .alphabar = alpha, .cbar = 1, .zetabar = alpha * r->b_length, .rho = 1, .rhobar = 1};
    memcpy(r->H, r->V, n * sizeof *r->H);
    memset(x, 0, n * sizeof *x);
    for (size_t k = 0; k < r->iterations; k++) {
        bool more;
        KR_TRY(unrolled_step(ctx, r, k, x, &more));
        if (!more)
            r->iterations = k;
    }
    return KR_OK;
}

/* Adjoints of the vectors at one place, and the block of pulls that waits. */
struct unrolled_adjoint {
    double *u, *v, *h, *hbar; /* m, n, n, n */
    struct unrolled_scalars s;
    size_t waiting, last; /* pulls of the places last .. last + waiting - 1 */
    double *W, *Y;        /* m x chunk, n x chunk: adjoints of A v and of A'u', last place first */
};

/* grad += pull(w, v_k) + pull(u_(k+1), y) of all places that wait. */
static inline kr_status unrolled_pulls(struct kr_ctx *ctx, const struct unrolled *r,
                                       struct unrolled_adjoint *a, double *grad)
{
    const size_t m = r->A->rows, n = r->A->cols, from = r->chunk - a->waiting;
    KR_TRY(kr_op_pull(ctx, r->A, a->waiting, a->W + from * m, r->V + a->last * n, 1, grad));
    KR_TRY(kr_op_pull(ctx, r->A, a->waiting, r->U + (a->last + 1) * m, a->Y + from * n, 1, grad));
    a->waiting = 0;
    return KR_OK;
}

/* z' = z / |z| backwards, in place: from z'bar to zbar, with the adjoint of the length. */
static inline void unrolled_normalise_back(size_t n, const double *unit, double norm, double norm_bar,
                                           double *bar)
{
    const double along = cblas_ddot((int)n, bar, 1, unit, 1);
    for (size_t i = 0; i < n; i++)
        bar[i] = (bar[i] - along * unit[i]) / norm + norm_bar * unit[i];
}

/* From the adjoints at place k + 1 to those at k. */
static inline kr_status unrolled_step_back(struct kr_ctx *ctx, const struct unrolled *r, size_t k,
                                           const double *x_bar, struct unrolled_adjoint *a)
{
    const size_t m = r->A->rows, n = r->A->cols, slot = r->chunk - 1 - a->waiting;
    const double *u = r->U + k * m, *v = r->V + k * n, *h = r->H + k * n, *hbar = r->Hbar + k * n;
    const struct unrolled_scalars *s = &r->s[k], *next = &r->s[k + 1];
    double back_g = 0, forward_g = 0, mix_g = 0, *w = a->W + slot * m, *y = a->Y + slot * n;
    for (size_t i = 0; i < n; i++) {
        const double h_g = a->h[i], hbar_g = a->hbar[i] + s->forward * x_bar[i];
        forward_g += x_bar[i] * hbar[n + i];
        mix_g -= h_g * h[i];
        back_g -= hbar_g * hbar[i];
        y[i] = a->v[i] + h_g;
        a->h[i] = hbar_g - s->mix * h_g;
        a->hbar[i] = -s->back * hbar_g;
    }
    struct unrolled_scalars g;
    const double alpha_g = unrolled_rotate_back(s, r->damping, next, &a->s, back_g, forward_g, mix_g, &g);
    unrolled_normalise_back(n, v + n, next->alpha, alpha_g, y);
    g.beta -= cblas_ddot((int)n, y, 1, v, 1);
    KR_TRY(kr_op_apply(ctx, r->A, 1, y, w));
    cblas_daxpy((int)m, 1, a->u, 1, w, 1);
    unrolled_normalise_back(m, u + m, s->beta, g.beta, w);
    g.alpha = -cblas_ddot((int)m, w, 1, u, 1);
    KR_TRY(kr_op_apply_t(ctx, r->A, 1, w, a->v));
    for (size_t i = 0; i < n; i++)
        a->v[i] -= s->beta * y[i];
    for (size_t i = 0; i < m; i++)
        a->u[i] = -s->alpha * w[i];
    a->s = g;
    a->waiting++;
    a->last = k;
    return KR_OK;
}

/* x_bar to b_bar (set) and grad (added to). */
static inline kr_status unrolled_reverse(struct kr_ctx *ctx, const struct unrolled *r, const double *x_bar,
                                         double *b_bar, double *grad)
{
    const size_t m = r->A->rows, n = r->A->cols;
    struct unrolled_adjoint a = {0};
    KR_ALLOC(ctx, a.u, m);
    KR_ALLOC(ctx, a.v, n);
    KR_ALLOC(ctx, a.h, n);
    KR_ALLOC(ctx, a.hbar, n);
    KR_ALLOC(ctx, a.W, m * r->chunk);
    KR_ALLOC(ctx, a.Y, n * r->chunk);
    for (size_t k = r->iterations; k-- > 0;) {
        KR_TRY(unrolled_step_back(ctx, r, k, x_bar, &a));
        if (a.waiting == r->chunk)
            KR_TRY(unrolled_pulls(ctx, r, &a, grad));
    }
    if (a.waiting)
        KR_TRY(unrolled_pulls(ctx, r, &a, grad));
    /* h = v, alphabar = alpha, zetabar = alpha |b|; v = A'u / alpha, u = b / |b| */
    const double alpha_g = a.s.alpha + a.s.alphabar + a.s.zetabar * r->b_length;
    cblas_daxpy((int)n, 1, a.h, 1, a.v, 1);
    unrolled_normalise_back(n, r->V, r->s[0].alpha, alpha_g, a.v);
    KR_TRY(kr_op_apply(ctx, r->A, 1, a.v, b_bar));
    KR_TRY(kr_op_pull(ctx, r->A, 1, r->U, a.v, 1, grad));
    cblas_daxpy((int)m, 1, a.u, 1, b_bar, 1);
    unrolled_normalise_back(m, r->U, r->b_length, a.s.zetabar * r->s[0].alpha, b_bar);
    return KR_OK;
}

#endif
