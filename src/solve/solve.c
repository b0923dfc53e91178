/*
 * The driver of all methods: rounds of correction with the true residual, and the derivative of a solve.
 *
 *     R = B - A X,   D ~ A^-1 R for the columns above the tolerance,   X += D
 *
 * One product with A a round beside the method's own. Where the operator has a form in single precision (its
 * arithmetic; blocks stay in double) and the method only multiplies by it, rounds correct with that, and R is
 * formed in double: iterative refinement. A round that does not halve a residual ends the use of single
 * precision; in double it ends the column. Columns are taken in groups of the type's `columns`, so
 * that a method's memory does not grow with the number of right-hand sides.
 */
#include "solve/precision.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { MAX_ROUNDS = 12, SINGLE_ITERATIONS = 500, NEIGHBOURS = 4 };

/*
 * What a round in single precision is asked for. Conjugate gradients lose a few iterations with every restart
 * and all those that go below what single precision can tell: on K + s2 I true residuals stall at 6e-5 (s2 =
 * 0.1) to 8e-4 (0.01) of the right-hand side.
 */
#define SINGLE_ROUND 1e-4
#define SINGLE_ROUNDING                                                                                      \
    1e-10 /* of r'P^-1 s there: directions of a block that are less than that are noise                      \
           */

kr_status kr_solver_open(struct kr_ctx *ctx, const struct kr_solver_options *options, const struct kr_op *A,
                         struct kr_solver *out)
{
    return kr_solver_open_with(ctx, options, A, NULL, out);
}

kr_status kr_solver_open_with(struct kr_ctx *ctx, const struct kr_solver_options *options,
                              const struct kr_op *A, const struct kr_preconditioner *P, struct kr_solver *out)
{
    if (A->rows != A->cols)
        return kr_fail(ctx, KR_INVALID, "", "the system must be square, got %zu x %zu", A->rows, A->cols);
    KR_TRY(kr_schema_check(ctx, &kr_solver_options_schema, options));
#ifdef KR_DEBUG
    KR_TRY(kr_op_check(ctx, A, 1, 0, 0, NULL));
#endif
    const double start = kr_seconds();
    *out = (struct kr_solver){.options = options, .A = *A};
    out->type = kr_solver_choose(options, A, A->rows, ctx->budget, &out->reason);
    KR_ALLOC(ctx, out->opening, 1);
    KR_ALLOC(ctx, out->effort, 1);
    if (out->type->preconditioned && P)
        out->P = *P;
    else if (out->type->preconditioned)
        KR_TRY(kr_preconditioner_open(ctx, &options->preconditioner, A, &out->P));
    KR_TRY(kr_solver_choose_precision(ctx, out));
    if (out->type->open)
        KR_TRY(out->type->open(ctx, out));
    out->opening->products = out->P.products;
    out->opening->seconds = kr_seconds() - start;
    return KR_OK;
}

/* Columns of one group. */
struct group {
    size_t n, k;
    const double *B, *X0;
    double *X, *R;           /* n x k */
    double *norm, *relative; /* |b|, |r|/|b| of each column; NaN: it is not finite, and is left alone */
    double *before;          /* |r|/|b| before a round */
    bool *stuck;             /* at the limit of double precision */
    size_t active;           /* number of columns to correct, their places in `column` */
    size_t *column;
    double *rhs, *D, *rtol; /* the active columns, their corrections and tolerances */
    const double *energy;   /* k, or NULL: r'P^-1 r that is small enough */
    double *goals, *now;    /* of the active columns, of length 1; r'P^-1 r of all */
};

static kr_status group_memory(struct kr_ctx *ctx, size_t n, size_t k, struct group *g)
{
    memset(g, 0, sizeof *g);
    g->n = n;
    KR_ALLOC(ctx, g->R, n * k);
    KR_ALLOC(ctx, g->rhs, n * k);
    KR_ALLOC(ctx, g->D, n * k);
    KR_ALLOC(ctx, g->norm, k);
    KR_ALLOC(ctx, g->relative, k);
    KR_ALLOC(ctx, g->before, k);
    KR_ALLOC(ctx, g->rtol, k);
    KR_ALLOC(ctx, g->column, k);
    KR_ALLOC(ctx, g->stuck, k);
    KR_ALLOC(ctx, g->goals, k);
    KR_ALLOC(ctx, g->now, k);
    return KR_OK;
}

/* r'P^-1 r of all columns, where it counts. */
static kr_status measure_energy(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g)
{
    double *Z;
    struct kr_mark mark = kr_mark(ctx);
    if (!g->energy)
        return KR_OK;
    KR_ALLOC(ctx, Z, g->n * g->k);
    KR_TRY(kr_preconditioner_apply(ctx, &solver->P, g->k, g->R, Z));
    for (size_t c = 0; c < g->k; c++)
        g->now[c] = cblas_ddot((int)g->n, g->R + c * g->n, 1, Z + c * g->n, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

static bool is_done(const struct group *g, size_t c, double rtol)
{
    return !(g->relative[c] > rtol) || (g->energy && g->now[c] <= g->energy[c]);
}

/* The larger one; NaN is larger than any number. */
static double worse(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

/* The largest relative residual of the columns that are finite. */
static double worst_of(const struct group *g)
{
    double worst = 0;
    for (size_t c = 0; c < g->k; c++)
        worst = isnan(g->relative[c]) ? worst : fmax(worst, g->relative[c]);
    return worst;
}

static bool all_done(const struct group *g, double rtol)
{
    bool done = true;
    for (size_t c = 0; c < g->k; c++)
        done &= is_done(g, c, rtol);
    return done;
}

/* R = B - A X and its norms, of columns first .. first + count - 1. */
static kr_status measure(struct kr_ctx *ctx, const struct kr_op *A, struct group *g, size_t first,
                         size_t count, struct kr_solve_report *report)
{
    KR_TRY(kr_op_apply(ctx, A, count, g->X + first * g->n, g->R + first * g->n));
    report->products += count;
    for (size_t c = first; c < first + count; c++) {
        double *r = g->R + c * g->n;
        const double *b = g->B + c * g->n;
        for (size_t i = 0; i < g->n; i++)
            r[i] = b[i] - r[i];
        g->relative[c] = g->norm[c] == 0 ? 0 : cblas_dnrm2((int)g->n, r, 1) / g->norm[c];
    }
    return KR_OK;
}

/* Of the columns that were corrected, in runs of neighbours; a few that were not may lie between. */
static kr_status measure_active(struct kr_ctx *ctx, const struct kr_op *A, struct group *g,
                                struct kr_solve_report *report)
{
    for (size_t a = 0; a < g->active;) {
        size_t end = a + 1;
        while (end < g->active && g->column[end] - g->column[end - 1] <= NEIGHBOURS)
            end++;
        KR_TRY(measure(ctx, A, g, g->column[a], g->column[end - 1] - g->column[a] + 1, report));
        a = end;
    }
    return KR_OK;
}

/* The columns above the tolerance, of length 1: squares of a tiny right-hand side would underflow in a
 * method. No round asks for less than `least`. */
static void gather(struct group *g, double rtol, double least)
{
    g->active = 0;
    for (size_t c = 0; c < g->k; c++) {
        if (is_done(g, c, rtol) || g->stuck[c])
            continue;
        const double size = g->relative[c] * g->norm[c];
        if (g->energy) /* a margin, as below */
            g->goals[g->active] = 0.8 * g->energy[c] / (size * size);
        memcpy(g->rhs + g->active * g->n, g->R + c * g->n, g->n * sizeof *g->rhs);
        cblas_dscal((int)g->n, 1 / size, g->rhs + g->active * g->n, 1);
        /* A margin below the tolerance: the method's estimate drifts from the residual that is measured. */
        g->rtol[g->active] = fmax(least, fmin(0.5, (least > 0 ? 0.2 : 0.5) * rtol / g->relative[c]));
        g->column[g->active++] = c;
    }
}

/* X += D; D keeps the old X, as rhs keeps the old R. */
static void add_corrections(struct group *g)
{
    for (size_t a = 0; a < g->active; a++) {
        const size_t c = g->column[a];
        const double scale = g->relative[c] * g->norm[c];
        double *x = g->X + c * g->n, *d = g->D + a * g->n;
        for (size_t i = 0; i < g->n; i++) {
            const double old = x[i];
            x[i] += scale * d[i];
            d[i] = old;
        }
        g->before[c] = g->relative[c];
    }
}

/* A round that left a column farther from its solution is undone there, unless it was not allowed to finish:
 * the residual of conjugate gradients may rise on the way. */
static void take_back(struct group *g, bool unfinished)
{
    for (size_t a = 0; a < g->active; a++) {
        const size_t c = g->column[a];
        if (g->relative[c] <= g->before[c] || (unfinished && isfinite(g->relative[c])))
            continue;
        g->relative[c] = g->before[c];
        memcpy(g->X + c * g->n, g->D + a * g->n, g->n * sizeof *g->X);
        memcpy(g->R + c * g->n, g->rhs + a * g->n, g->n * sizeof *g->R);
        cblas_dscal((int)g->n, g->before[c] * g->norm[c], g->R + c * g->n, 1);
    }
}

static void start_from_zero(struct group *g, size_t c)
{
    memset(g->X + c * g->n, 0, g->n * sizeof *g->X);
    memcpy(g->R + c * g->n, g->B + c * g->n, g->n * sizeof *g->R);
    g->relative[c] = g->norm[c] == 0 ? 0 : g->norm[c] / g->norm[c]; /* NaN when it is not finite */
}

/* Norms of B, and the residuals of the start, which is zero where X0 is no better than that. */
static kr_status begin(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g,
                       struct kr_solve_report *report)
{
    for (size_t c = 0; c < g->k; c++)
        g->norm[c] = cblas_dnrm2((int)g->n, g->B + c * g->n, 1);
    if (g->X0) {
        memmove(g->X, g->X0, g->n * g->k * sizeof *g->X);
        KR_TRY(measure(ctx, &solver->A, g, 0, g->k, report));
    }
    for (size_t c = 0; c < g->k; c++)
        if (!g->X0 || g->norm[c] == 0 || !(g->relative[c] < 1))
            start_from_zero(g, c);
    return KR_OK;
}

/* How a group ends where nothing goes wrong. */
static enum kr_stop calm_stop(const struct group *g)
{
    double norms = 0;
    for (size_t c = 0; c < g->k; c++)
        norms += g->norm[c];
    return norms > 0 ? KR_STOP_RTOL : KR_STOP_ZERO;
}

/* Is one of the columns not finite? Then the solve broke down, whatever the others do. */
static bool some_not_finite(const struct group *g)
{
    bool found = false;
    for (size_t c = 0; c < g->k; c++)
        found |= isnan(g->relative[c]);
    return found;
}

/* How a group went. */
struct progress {
    bool single;       /* corrections by the operator in single precision */
    bool fell_back;    /* they were, until they no longer helped */
    size_t iterations; /* so far */
    enum kr_stop stop; /* of the method, in the last round */
};

/* One round for the gathered columns. */
static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g,
                         struct progress *p, struct kr_solve_report *report)
{
    const size_t most = solver->options->max_iterations;
    struct kr_solver_options options = *solver->options;
    struct kr_solver method = *solver;
    struct kr_solve_report step = {0};
    options.max_iterations = most > p->iterations ? most - p->iterations : most > 0;
    method.options = &options;
    if (p->single && (most == 0 || options.max_iterations > SINGLE_ITERATIONS))
        options.max_iterations = SINGLE_ITERATIONS;
    if (p->single) {
        method.A = *solver->single;
        method.P.rounding = fmax(method.P.rounding, SINGLE_ROUNDING);
    }
    method.energy = g->energy ? g->goals : NULL;
    KR_TRY(method.type->correct(ctx, &method, g->active, g->rhs, g->rtol, g->D, &step));
    p->iterations += step.iterations;
    p->stop = (enum kr_stop)step.stop;
    if (p->single && p->stop == KR_STOP_ITERATIONS && !(most && p->iterations >= most))
        p->stop = KR_STOP_BREAKDOWN; /* of single precision: what it has is taken, and double goes on */
    report->iterations += step.iterations;
    report->products += step.products;
    report->single_products += p->single ? step.products : 0;
    add_corrections(g);
    KR_TRY(measure_active(ctx, &solver->A, g, report));
    take_back(g, step.stop == KR_STOP_ITERATIONS && !p->single);
    return measure_energy(ctx, solver, g);
}

/* Columns that a round did not bring to half of their residual: single precision is left to all of them where
 * there is one; in double they are as good as they get. */
static void judge(struct group *g, struct progress *p)
{
    bool stalled = p->stop == KR_STOP_BREAKDOWN;
    for (size_t a = 0; a < g->active; a++)
        stalled |= g->relative[g->column[a]] > 0.5 * g->before[g->column[a]];
    if (p->single && stalled) {
        p->single = false;
        p->fell_back = true;
        p->stop = KR_STOP_RTOL;
        return;
    }
    for (size_t a = 0; a < g->active; a++)
        g->stuck[g->column[a]] = !p->single && g->relative[g->column[a]] > 0.5 * g->before[g->column[a]];
}

/* Solves the columns of one group. */
static kr_status solve_group(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g,
                             struct kr_solve_report *report, enum kr_stop *stop)
{
    const double rtol = solver->options->rtol;
    struct progress p = {.single = solver->single != NULL, .stop = KR_STOP_RTOL};
    KR_TRY(begin(ctx, solver, g, report));
    KR_TRY(measure_energy(ctx, solver, g));
    const bool broken = some_not_finite(g);
    const double start = worst_of(g);
    memset(g->stuck, 0, g->k * sizeof *g->stuck);
    for (int round = 0; p.stop <= KR_STOP_PRECISION && round < MAX_ROUNDS; round++) {
        gather(g, rtol, p.single ? SINGLE_ROUND : 0);
        if (g->active == 0)
            break;
        KR_TRY(correct(ctx, solver, g, &p, report));
        judge(g, &p);
    }
    const double worst = worst_of(g);
    *stop = broken                       ? KR_STOP_BREAKDOWN
            : all_done(g, rtol)          ? calm_stop(g)
            : p.stop > KR_STOP_PRECISION ? p.stop
                                         : KR_STOP_PRECISION;
    solver->effort->iterations += p.iterations;
    if (start > 0 && worst > 0 && worst < start)
        solver->effort->decades += log10(start / worst);
    report->residual = worse(report->residual, broken ? NAN : worst);
    if (p.fell_back)
        report->precision = "mixed, then double: single precision no longer helped";
    return KR_OK;
}

kr_status kr_solver_solve(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *B,
                          const double *X0, double *X, double *residual, struct kr_solve_report *report)
{
    const size_t n = solver->A.rows, most = k < solver->type->columns ? k : solver->type->columns;
    const double start = kr_seconds();
    struct group g;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_op_blocks(ctx, &solver->A, k));
    report->type = solver->type->base.name;
    report->reason = solver->reason;
    report->rtol = fmax(report->rtol, solver->options->rtol);
    if (!report->precision)
        report->precision = solver->single ? "mixed" : "double";
    if (solver->P.type) {
        report->preconditioner = solver->P.type->base.name;
        report->preconditioner_reason = solver->P.reason;
        report->rank = solver->P.rank;
    }
    report->products += solver->opening->products;
    report->seconds += solver->opening->seconds;
    *solver->opening = (struct kr_solve_report){0};
    KR_TRY(group_memory(ctx, n, most, &g));
    for (size_t first = 0; first < k; first += most) {
        enum kr_stop stop;
        g.k = k - first < most ? k - first : most;
        g.B = B + first * n;
        g.X0 = X0 ? X0 + first * n : NULL;
        g.X = X + first * n;
        g.energy = solver->energy && solver->P.type ? solver->energy + first : NULL;
        KR_TRY(solve_group(ctx, solver, &g, report, &stop));
        if ((int)stop > report->stop)
            report->stop = (int)stop;
        if (residual)
            memcpy(residual + first * n, g.R, n * g.k * sizeof *residual);
    }
    kr_release(ctx, mark);
    report->seconds += kr_seconds() - start;
    return KR_OK;
}

bool kr_solve_converged(const struct kr_solve_report *report)
{
    return report->stop <= KR_STOP_RTOL || (report->stop == KR_STOP_PRECISION && report->residual < 1e-6);
}

kr_status kr_solve_pull(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *X,
                        const double *X_bar, const double *B_bar0, double *B_bar, double *grad,
                        struct kr_solve_report *report)
{
    struct kr_solver transposed = *solver;
    struct kr_mark mark = kr_mark(ctx);
    if (X_bar && !solver->A.symmetric && solver->type->any_square) {
        KR_TRY(kr_op_transpose(ctx, &solver->A, &transposed.A));
        transposed.single = NULL;
    }
    if (X_bar)
        KR_TRY(kr_solver_solve(ctx, &transposed, k, X_bar, B_bar0, B_bar, NULL, report));
    kr_release(ctx, mark);
    return kr_op_pull(ctx, &solver->A, k, B_bar, X, -1, grad);
}
