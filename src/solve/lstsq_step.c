/*
 * One round of LstSq(A, b, lambda): the correction of x by one run of LSMR, and the true residuals after it.
 *
 *     PLAIN, RIGHT  min |A d - r|                                lambda = 0
 *                   min |[A; lambda I] d - [r; -lambda x]|       lambda > 0; x = 0: lambda in the recurrence
 *     LEFT          min |d| subject to M A d = M r               lambda = 0
 *                   min |z| subject to M [A, lambda I] z = M (r - lambda s),  z = (d, s's correction)
 *
 * RIGHT iterates on d = N y. The last line is the damped problem too: s = (b - A x)/lambda. Its x must come
 * from 0: a start outside the rows of A would not be shortened.
 *
 * Products: LSMR's, and one each with A and A' for the true r and A'r - lambda^2 x.
 */
#include "solve/lstsq_impl.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { SERIAL = 1 << 16 }; /* below, threads cost more than they save */

static kr_status wide(struct kr_ctx *ctx, const struct kr_lstsq_side *side, struct kr_op *out)
{
    struct kr_op transposed, identity, stacked;
    KR_TRY(kr_op_transpose(ctx, &side->A, &transposed));
    KR_TRY(kr_op_identity(ctx, side->A.rows, &side->damping, 0, &identity));
    KR_TRY(kr_op_stack(ctx, &transposed, &identity, &stacked));
    return kr_op_transpose(ctx, &stacked, out);
}

static kr_status tall(struct kr_ctx *ctx, const struct kr_lstsq_side *side, struct kr_op *out)
{
    struct kr_op identity;
    KR_TRY(kr_op_identity(ctx, side->A.cols, &side->damping, 0, &identity));
    return kr_op_stack(ctx, &side->A, &identity, out);
}

kr_status kr_lstsq_take_form(struct kr_ctx *ctx, struct kr_lstsq_work *w, enum kr_lstsq_form form)
{
    const struct kr_lstsq_side *side = w->side;
    struct kr_op left;
    w->form = form;
    if (form != KR_LSTSQ_LEFT)
        w->S = NULL;
    w->inner = side->A;
    if (side->damping > 0)
        KR_TRY(form == KR_LSTSQ_LEFT ? wide(ctx, side, &w->inner) : tall(ctx, side, &w->inner));
    switch (form) {
    case KR_LSTSQ_RIGHT:
        return kr_op_compose(ctx, &w->inner, &side->factor->F, &w->op);
    case KR_LSTSQ_LEFT:
        KR_TRY(kr_op_transpose(ctx, &side->factor->F, &left));
        return kr_op_compose(ctx, &left, &w->inner, &w->op);
    default:
        w->op = w->inner;
        return KR_OK;
    }
}

/* The active columns of Z (length x k) without gaps: Z itself when all are active. */
static kr_status pick(struct kr_ctx *ctx, const struct kr_lstsq_work *w, const double *Z, size_t length,
                      const double **out)
{
    double *packed;
    *out = Z;
    if (w->active == w->k)
        return KR_OK;
    KR_ALLOC(ctx, packed, length * w->active);
    for (size_t a = 0; a < w->active; a++)
        memcpy(packed + a * length, Z + w->column[a] * length, length * sizeof *Z);
    *out = packed;
    return KR_OK;
}

/* to[i] = from[i] + factor * z[i] */
static void combine(struct kr_ctx *ctx, size_t count, const double *from, double factor, const double *z,
                    double *to)
{
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (count > SERIAL)
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] + factor * z[i];
}

/* What is left to solve for, in rows of `inner`. */
static kr_status right_hand_sides(struct kr_ctx *ctx, const struct kr_lstsq_work *w, bool recurrence,
                                  const double **out)
{
    const struct kr_lstsq_side *side = w->side;
    const size_t m = side->A.rows, n = side->A.cols, rows = w->inner.rows;
    double *rhs;
    if (side->damping == 0 || recurrence)
        return pick(ctx, w, w->R, m, out);
    KR_ALLOC(ctx, rhs, rows * w->active);
    for (size_t a = 0; a < w->active; a++) {
        const double *r = w->R + w->column[a] * m, *x = w->X + w->column[a] * n;
        double *top = rhs + a * rows;
        if (w->form == KR_LSTSQ_LEFT) {
            combine(ctx, m, r, -side->damping, w->S + w->column[a] * m, top);
            continue;
        }
        memcpy(top, r, m * sizeof *r);
        for (size_t i = 0; i < n; i++)
            top[m + i] = -side->damping * x[i];
    }
    *out = rhs;
    return KR_OK;
}

/* LSMR on the operator of the form, and D from its unknowns. */
static kr_status run(struct kr_ctx *ctx, struct kr_lstsq_work *w, const struct kr_op *op,
                     const struct kr_lsmr_rules *rules, const struct kr_lsmr_goal *goals, const double *rhs,
                     double *D, struct kr_lsmr_column *facts)
{
    double *Y, *preconditioned;
    switch (w->form) {
    case KR_LSTSQ_RIGHT:
        KR_ALLOC(ctx, Y, op->cols * w->active);
        KR_TRY(kr_lsmr(ctx, op, rules, w->active, rhs, goals, Y, facts, w->products));
        return kr_op_apply(ctx, &w->side->factor->F, w->active, Y, D);
    case KR_LSTSQ_LEFT:
        KR_ALLOC(ctx, preconditioned, op->rows * w->active);
        KR_TRY(kr_op_apply_t(ctx, &w->side->factor->F, w->active, rhs, preconditioned));
        return kr_lsmr(ctx, op, rules, w->active, preconditioned, goals, D, facts, w->products);
    default:
        return kr_lsmr(ctx, op, rules, w->active, rhs, goals, D, facts, w->products);
    }
}

kr_status kr_lstsq_correct(struct kr_ctx *ctx, struct kr_lstsq_work *w, struct kr_lsmr_rules rules,
                           const struct kr_lsmr_goal *goals, bool fresh, double *D,
                           struct kr_lsmr_column *facts)
{
    const size_t m = w->side->A.rows, n = w->side->A.cols, rows = w->inner.cols;
    const bool recurrence = fresh && w->form == KR_LSTSQ_PLAIN;
    const double *rhs = NULL;
    struct kr_mark mark = kr_mark(ctx);
    rules.damping = recurrence ? w->side->damping : 0;
    KR_TRY(right_hand_sides(ctx, w, recurrence, &rhs));
    KR_TRY(run(ctx, w, recurrence ? &w->side->A : &w->op, &rules, goals, rhs, D, facts));
    for (size_t a = 0; a < w->active && D != w->X; a++) {
        double *x = w->X + w->column[a] * n, *d = D + a * rows;
        combine(ctx, n, x, 1, d, x);
        if (w->S)
            combine(ctx, m, w->S + w->column[a] * m, 1, d + n, w->S + w->column[a] * m);
    }
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_lstsq_measure(struct kr_ctx *ctx, struct kr_lstsq_work *w)
{
    const struct kr_lstsq_side *side = w->side;
    const size_t m = side->A.rows, n = side->A.cols;
    const double *X, *R;
    double *AX = w->R, *G;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(pick(ctx, w, w->X, n, &X));
    if (X != w->X)
        KR_ALLOC(ctx, AX, m * w->active);
    KR_TRY(kr_op_apply(ctx, &side->A, w->active, X, AX));
    for (size_t a = 0; a < w->active; a++)
        combine(ctx, m, w->B + w->column[a] * m, -1, AX + a * m, w->R + w->column[a] * m);
    KR_TRY(pick(ctx, w, w->R, m, &R));
    KR_ALLOC(ctx, G, n * w->active);
    KR_TRY(kr_op_apply_t(ctx, &side->A, w->active, R, G));
    *w->products += 2 * w->active;
    for (size_t a = 0; a < w->active; a++) {
        const size_t c = w->column[a];
        if (side->damping > 0)
            combine(ctx, n, G + a * n, -side->damping * side->damping, X + a * n, G + a * n);
        w->residual[c] = cblas_dnrm2((int)m, w->R + c * m, 1);
        w->normal_residual[c] = cblas_dnrm2((int)n, G + a * n, 1);
        w->length[c] = cblas_dnrm2((int)n, X + a * n, 1);
    }
    kr_release(ctx, mark);
    return KR_OK;
}
