/*
 * Rounds of LstSq(A, b, lambda): what a column promises by its estimates is checked against the true
 * residuals r = b - A x and g = A'r - lambda^2 x, and what is missing is solved for again.
 *
 *     done when  |rbar| <= btol |b| + atol |Abar||x|   or   |g| <= atol |Abar||rbar|        (measured)
 *
 * The first round runs LSMR to its own rules, a little tighter than asked; a further one asks for the share
 * that is missing, as long as a round at least halves |rbar| or |g|. What then remains is rounding (a stop
 * `at precision`) when it is as small as the rounding of the products themselves, about epsilon |Abar| (|b| +
 * |Abar||x|). If it is not, the preconditioner did not keep the problem, and rounds without it follow; if it
 * still is not, A' is not the adjoint of A, and the column ends as not solved.
 */
#include "solve/lstsq_impl.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_ROUNDS = 6 };

static const char adjoint[] =
    "the residuals that were measured do not confirm the iteration's: is the adjoint "
    "right, are products repeatable?";

/* How one column stands. */
struct state {
    double start;     /* |x| at the start */
    double norm;      /* of Abar */
    double rbar, g;   /* before the round */
    bool done, aside; /* aside: a preconditioned round did not help */
};

struct rounds {
    struct kr_lstsq_work work;
    struct state *states;
    struct kr_lstsq_column *facts;
    struct kr_lstsq_detail *details;
    struct kr_lsmr_column *ends; /* of the active columns, by LSMR */
    struct kr_lsmr_goal *goals;
    size_t limit; /* of iterations */
};

static size_t iteration_limit(const struct kr_lstsq_side *side)
{
    const size_t m = side->A.rows, n = side->A.cols, given = side->options->max_iterations;
    return given ? given : 1000 + 20 * (m < n ? m : n);
}

static double rbar_of(const struct kr_lstsq_work *w, size_t c)
{
    return hypot(w->residual[c], w->side->damping * w->length[c]);
}

/* |rbar| and |g| that count as solved. Where b = 0 there is only the start to measure by. */
static struct kr_lsmr_goal wanted(const struct rounds *q, size_t c)
{
    const struct kr_lstsq_work *w = &q->work;
    const struct kr_lstsq_side *side = w->side;
    const double length = w->rhs[c] > 0 ? w->length[c] : fmax(w->length[c], q->states[c].start),
                 norm = q->states[c].norm;
    return (struct kr_lsmr_goal){.residual = side->btol * w->rhs[c] + side->atol * norm * length,
                                 .normal = side->atol * norm * rbar_of(w, c)};
}

/* The best stop that the measured residuals allow with `residual` and `normal` as limits; NONE = neither. */
static enum kr_lstsq_stop within(const struct rounds *q, size_t c, struct kr_lsmr_goal limits,
                                 enum kr_lstsq_stop compatible, enum kr_lstsq_stop least_squares)
{
    return rbar_of(&q->work, c) <= limits.residual       ? compatible
           : q->work.normal_residual[c] <= limits.normal ? least_squares
                                                         : KR_LSTSQ_STOP_NONE;
}

static enum kr_lstsq_stop solved(const struct rounds *q, size_t c)
{
    return within(q, c, wanted(q, c), KR_LSTSQ_STOP_COMPATIBLE, KR_LSTSQ_STOP_LEAST_SQUARES);
}

static enum kr_lstsq_stop solved_at_precision(const struct rounds *q, size_t c)
{
    const struct kr_lstsq_work *w = &q->work;
    const double norm = q->states[c].norm,
                 rounding = 100 * DBL_EPSILON * (w->rhs[c] + norm * fmax(w->length[c], q->states[c].start));
    return within(q, c, (struct kr_lsmr_goal){rounding, norm * rounding},
                  KR_LSTSQ_STOP_COMPATIBLE_AT_PRECISION, KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION);
}

static void finish(struct rounds *q, size_t c, enum kr_lstsq_stop stop, const char *reason)
{
    q->states[c].done = true;
    q->facts[c].stop = stop;
    q->details[c].reason = reason;
}

/* The columns that go on. */
static void choose_active(struct rounds *q)
{
    struct kr_lstsq_work *w = &q->work;
    w->active = 0;
    for (size_t c = 0; c < w->k; c++)
        if (!q->states[c].done && !(q->states[c].aside && w->form != KR_LSTSQ_PLAIN))
            w->column[w->active++] = c;
}

/* No further round: is what is left rounding? */
static void give_up(struct rounds *q, size_t c)
{
    const enum kr_lstsq_stop stop = solved_at_precision(q, c);
    if (stop != KR_LSTSQ_STOP_NONE)
        finish(q, c, stop, NULL);
    else if (q->work.form != KR_LSTSQ_PLAIN)
        q->states[c].aside = true;
    else
        finish(q, c, KR_LSTSQ_STOP_ITERATIONS, adjoint);
}

/* Column c after a round that ended as `end` says. */
static void judge(struct rounds *q, size_t c, const struct kr_lsmr_column *end, bool first)
{
    struct state *s = &q->states[c];
    const struct kr_lstsq_work *w = &q->work;
    const double rbar = rbar_of(w, c), g = w->normal_residual[c];
    const enum kr_lstsq_stop stop = solved(q, c), rounding = solved_at_precision(q, c);
    q->facts[c].iterations += end->iterations;
    q->facts[c].condition = fmax(q->facts[c].condition, end->condition);
    if (end->stop == KR_LSTSQ_STOP_NON_FINITE)
        finish(q, c, end->stop, end->reason);
    else if (!isfinite(rbar) || !isfinite(g))
        finish(q, c, KR_LSTSQ_STOP_NON_FINITE, "a product with the solution is not finite");
    else if (first && end->stop == KR_LSTSQ_STOP_ZERO && s->start == 0)
        finish(q, c, end->stop, NULL);
    else if (stop != KR_LSTSQ_STOP_NONE)
        finish(q, c, stop, NULL);
    else if (end->stop >= KR_LSTSQ_STOP_CONDITION)
        finish(q, c, !first && rounding != KR_LSTSQ_STOP_NONE ? rounding : end->stop, NULL);
    else if (!first && rbar > 0.5 * s->rbar && g > 0.5 * s->g)
        give_up(q, c);
    s->rbar = rbar;
    s->g = g;
}

/* Estimates of |Abar|: LSMR's own of what it iterated on, or that of the preconditioner's maker. */
static void note_norms(struct rounds *q)
{
    const struct kr_lstsq_work *w = &q->work;
    const struct kr_lstsq_side *side = w->side;
    for (size_t a = 0; a < w->active; a++) {
        struct state *s = &q->states[w->column[a]];
        s->norm =
            fmax(s->norm, side->factor ? hypot(side->factor->norm, side->damping * sqrt((double)side->A.cols))
                                       : q->ends[a].norm);
        q->facts[w->column[a]].norm = s->norm;
    }
}

/* Goals of a further round: what is missing, with a margin. From the left only the residual tells. */
static void set_goals(struct rounds *q)
{
    const struct kr_lstsq_work *w = &q->work;
    for (size_t a = 0; a < w->active; a++) {
        const size_t c = w->column[a];
        const struct kr_lsmr_goal goal = wanted(q, c);
        const double residual = goal.residual / rbar_of(w, c), normal = goal.normal / w->normal_residual[c];
        q->goals[a] =
            w->form == KR_LSTSQ_LEFT
                ? (struct kr_lsmr_goal){.residual = 0.2 * fmin(1, fmax(residual, normal))}
                : (struct kr_lsmr_goal){.residual = 0.5 * fmin(1, residual), .normal = 0.2 * fmin(1, normal)};
    }
}

static struct kr_lsmr_rules rules_of(const struct rounds *q, bool first)
{
    const struct kr_lstsq_side *side = q->work.side;
    const double margin = q->work.form == KR_LSTSQ_PLAIN ? 0.5 : 0.1;
    size_t used = 0;
    for (size_t a = 0; a < q->work.active; a++)
        used = q->facts[q->work.column[a]].iterations > used ? q->facts[q->work.column[a]].iterations : used;
    return (struct kr_lsmr_rules){.atol = first ? margin * side->atol : 0,
                                  .btol = first ? margin * side->btol : 0,
                                  .condition_limit = side->options->condition_limit,
                                  .max_iterations = q->limit - used,
                                  .reorthogonalize = side->options->reorthogonalize};
}

/* The first round: from X = 0 (fresh), where LSMR's own rules say it all, or from X0. */
static kr_status first_round(struct kr_ctx *ctx, struct rounds *q, bool fresh)
{
    struct kr_lstsq_work *w = &q->work;
    const size_t rows = w->inner.cols;
    double *D = w->X;
    struct kr_mark mark = kr_mark(ctx);
    if (!fresh || w->active < w->k || rows > w->side->A.cols)
        KR_ALLOC(ctx, D, rows * w->active);
    for (size_t a = 0; a < w->active && !fresh; a++) {
        const size_t c = w->column[a];
        q->goals[a].residual = 0.5 * w->side->btol * w->rhs[c] / rbar_of(w, c);
    }
    KR_TRY(kr_lstsq_correct(ctx, w, rules_of(q, true), fresh ? NULL : q->goals, fresh, D, q->ends));
    kr_release(ctx, mark);
    KR_TRY(kr_lstsq_measure(ctx, w));
    note_norms(q);
    for (size_t a = 0; a < w->active; a++)
        judge(q, w->column[a], &q->ends[a], true);
    return KR_OK;
}

/* Undoes the correction of active column a where it made both residuals larger. */
static void take_back(struct rounds *q, size_t a, const double *D, const double *R)
{
    struct kr_lstsq_work *w = &q->work;
    const size_t c = w->column[a], m = w->side->A.rows, n = w->side->A.cols, rows = w->inner.cols;
    const struct state *s = &q->states[c];
    if (rbar_of(w, c) <= s->rbar || w->normal_residual[c] <= s->g)
        return;
    cblas_daxpy((int)n, -1, D + a * rows, 1, w->X + c * n, 1);
    if (w->S)
        cblas_daxpy((int)m, -1, D + a * rows + n, 1, w->S + c * m, 1);
    memcpy(w->R + c * m, R + a * m, m * sizeof *R);
    w->length[c] = cblas_dnrm2((int)n, w->X + c * n, 1);
    w->residual[c] = cblas_dnrm2((int)m, R + a * m, 1);
    w->normal_residual[c] = s->g;
}

static kr_status further_round(struct kr_ctx *ctx, struct rounds *q)
{
    struct kr_lstsq_work *w = &q->work;
    const size_t m = w->side->A.rows;
    double *D, *R;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, D, w->inner.cols * w->active);
    KR_ALLOC(ctx, R, m * w->active);
    for (size_t a = 0; a < w->active; a++)
        memcpy(R + a * m, w->R + w->column[a] * m, m * sizeof *R);
    set_goals(q);
    KR_TRY(kr_lstsq_correct(ctx, w, rules_of(q, false), q->goals, false, D, q->ends));
    KR_TRY(kr_lstsq_measure(ctx, w));
    note_norms(q);
    for (size_t a = 0; a < w->active; a++) {
        take_back(q, a, D, R);
        judge(q, w->column[a], &q->ends[a], false);
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status further_rounds(struct kr_ctx *ctx, struct rounds *q)
{
    struct kr_lstsq_work *w = &q->work;
    for (int round = 1; choose_active(q), w->active > 0; round++) {
        if (round < MAX_ROUNDS) {
            KR_TRY(further_round(ctx, q));
            continue;
        }
        for (size_t a = 0; a < w->active; a++)
            give_up(q, w->column[a]);
    }
    return KR_OK;
}

static kr_status memory(struct kr_ctx *ctx, size_t k, struct rounds *q)
{
    struct kr_lstsq_work *w = &q->work;
    KR_ALLOC(ctx, w->column, k);
    KR_ALLOC(ctx, w->rhs, k);
    KR_ALLOC(ctx, w->residual, k);
    KR_ALLOC(ctx, w->normal_residual, k);
    KR_ALLOC(ctx, w->length, k);
    KR_ALLOC(ctx, q->states, k);
    KR_ALLOC(ctx, q->ends, k);
    KR_ALLOC(ctx, q->goals, k);
    if (w->side->damping > 0 && w->form == KR_LSTSQ_LEFT)
        KR_ALLOC(ctx, w->S, w->side->A.rows * k);
    return KR_OK;
}

/* Columns that need no iteration: b = 0 from 0 or with damping, and b that is not finite. */
static void begin_column(struct rounds *q, size_t c, const double *X0)
{
    struct kr_lstsq_work *w = &q->work;
    const size_t m = w->side->A.rows, n = w->side->A.cols;
    const double *b = w->B + c * m;
    double *x = w->X + c * n;
    w->rhs[c] = q->details[c].rhs = cblas_dnrm2((int)m, b, 1);
    memcpy(w->R + c * m, b, m * sizeof *b);
    if (X0)
        memmove(x, X0 + c * n, n * sizeof *x);
    if (!X0 || !isfinite(w->rhs[c]) || (w->rhs[c] == 0 && w->side->damping > 0))
        memset(x, 0, n * sizeof *x);
    w->length[c] = q->states[c].start = cblas_dnrm2((int)n, x, 1);
    w->residual[c] = w->rhs[c];
    if (!isfinite(w->rhs[c]))
        finish(q, c, KR_LSTSQ_STOP_NON_FINITE, "the right-hand side is not finite");
    else if (!isfinite(w->length[c]))
        finish(q, c, KR_LSTSQ_STOP_NON_FINITE, "the initial guess is not finite");
    else if (w->rhs[c] == 0 && w->length[c] == 0)
        finish(q, c, KR_LSTSQ_STOP_ZERO, NULL);
}

/* Residuals of the initial guess; some may already be solutions. */
static kr_status begin_from(struct kr_ctx *ctx, struct rounds *q)
{
    struct kr_lstsq_work *w = &q->work;
    KR_TRY(kr_lstsq_measure(ctx, w));
    for (size_t a = 0; a < w->active; a++) {
        const size_t c = w->column[a];
        q->states[c].norm = w->side->factor ? w->side->factor->norm : 0;
        if (!isfinite(w->residual[c]) || !isfinite(w->normal_residual[c]))
            finish(q, c, KR_LSTSQ_STOP_NON_FINITE, "a product with the initial guess is not finite");
        else if (solved(q, c) != KR_LSTSQ_STOP_NONE)
            finish(q, c, solved(q, c), NULL);
    }
    choose_active(q);
    return KR_OK;
}

static kr_status all_rounds(struct kr_ctx *ctx, struct rounds *q, const double *X0)
{
    struct kr_lstsq_work *w = &q->work;
    KR_TRY(kr_lstsq_take_form(ctx, w, w->form));
    for (size_t c = 0; c < w->k; c++)
        begin_column(q, c, X0);
    choose_active(q);
    if (X0 && w->active)
        KR_TRY(begin_from(ctx, q));
    if (w->active)
        KR_TRY(first_round(ctx, q, !X0));
    KR_TRY(further_rounds(ctx, q));
    if (w->form == KR_LSTSQ_PLAIN)
        return KR_OK;
    KR_TRY(kr_lstsq_take_form(ctx, w, KR_LSTSQ_PLAIN));
    return further_rounds(ctx, q);
}

kr_status kr_lstsq_rounds(struct kr_ctx *ctx, const struct kr_lstsq_side *side, size_t k, const double *B,
                          const double *X0, double *X, double *R, struct kr_lstsq_column *facts,
                          struct kr_lstsq_detail *details, size_t *products)
{
    struct kr_mark mark = kr_mark(ctx);
    struct rounds q = {.facts = facts, .details = details, .limit = iteration_limit(side)};
    struct kr_lstsq_work *w = &q.work;
    *w = (struct kr_lstsq_work){.side = side, .k = k, .B = B, .X = X, .R = R, .products = products};
    w->form = !side->factor ? KR_LSTSQ_PLAIN : side->left ? KR_LSTSQ_LEFT : KR_LSTSQ_RIGHT;
    memset(facts, 0, k * sizeof *facts);
    memset(details, 0, k * sizeof *details);
    KR_TRY(memory(ctx, k, &q));
    if (w->S)
        X0 = NULL; /* see lstsq_step.c */
    KR_TRY(all_rounds(ctx, &q, X0));
    for (size_t c = 0; c < k; c++) {
        facts[c].residual = w->residual[c];
        facts[c].normal_residual = w->normal_residual[c];
        facts[c].length = w->length[c];
    }
    kr_release(ctx, mark);
    return KR_OK;
}
