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
#include "kriged/solve.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { MAX_ROUNDS = 12, SINGLE_ITERATIONS = 500, NEIGHBOURS = 4, DENSE_ROWS = 12000, PRODUCTS_ROWS = 1000 };

/*
 * What a round in single precision is asked for. Conjugate gradients lose a few iterations with every restart
 * and all those that go below what single precision can tell: on K + s2 I true residuals stall at 6e-5 (s2 =
 * 0.1) to 8e-4 (0.01) of the right-hand side.
 */
#define SINGLE_ROUND 1e-4
#define SINGLE_NOISE 3e-4
#define SINGLE_ROUNDING                                                                                      \
    1e-10 /* of r'P^-1 s there: directions of a block that are less than that are noise                      \
           */

/*
 * Measured with bench_solvers d=8 rtol=1e-8 preconditioner=auto, lengthscale sqrt(8), two threads: seconds of
 * one solve as a multiple of dpotrf (one thread) of that n in the same run, opening included, and iterations.
 *
 *     k = 1    noise    n = 2000        4000            8000            12000
 *     rbf      0.1      cg 0.95 (13)    1.09 (13)       0.90 (12)       0.83 (12)
 *              0.01     cg 1.69 (30)    1.94 (28)       1.61 (27)       0.94 (29)
 *              0.0001   cg 8.85 (252)   6.73 (235)      -               -
 *     matern32 0.1      cg 1.51 (25)    1.97 (27)       1.52 (30)       1.31 (31)
 *              0.01     cg 2.82 (57)    3.75 (69)       3.19 (74)       -
 *     any      any      cholesky 0.4    0.8 to 1.2      1.3 to 1.7      0.9 to 1.8
 *     k = 200  0.1      cg 2.8 to 4.7   2.8 to 5.4;     cholesky 0.8    1.2 to 1.4 (n = 2000, 4000)
 *
 * The factor does not mind small noise, serves every further right-hand side for 2 n^2 flops and is exact; cg
 * gains at n of ten thousand where the noise is large and the columns are few. Nothing here knows the noise
 * or the columns to come, so the limit stands where cg is at least as quick for one column and the memory
 * begins to hurt (1.15 GB at 12000). Not symmetric: lsmr, the one method that minds neither. minres is never
 * taken by itself: on a positive definite matrix it needs as many products as cg and shares no space between
 * columns.
 */
const struct kr_solver_type *kr_solver_choose(const struct kr_solver_options *options, const struct kr_op *A,
                                              size_t n, size_t bytes, const char **reason)
{
    extern const struct kr_solver_type kr_solver_cholesky, kr_solver_cg, kr_solver_lsmr;
    *reason = "asked for";
    if (options->type)
        return (const struct kr_solver_type *)options->type;
    if (A && !A->symmetric) {
        *reason = "the operator is not symmetric, or does not say so";
        return &kr_solver_lsmr;
    }
    if (A && !A->type->fill && n > PRODUCTS_ROWS) {
        *reason = "more than 1000 rows of an operator whose entries are not known";
        return &kr_solver_cg;
    }
    if (n > DENSE_ROWS) {
        *reason = "more than 12000 rows: the matrix is not stored";
        return &kr_solver_cg;
    }
    if (bytes && kr_solver_cholesky.bytes(n, 1) > bytes / 2) {
        *reason = "the factor would take more than half of the memory";
        return &kr_solver_cg;
    }
    *reason = "at most 12000 rows: a direct factorisation is exact and quick";
    return &kr_solver_cholesky;
}

/*
 * Is it worth refining with products in single precision? Their error acts like a change of A of about 1e-7
 * |K|, and what noise it drowns takes iterations. Measured (bench_solvers precision=double,mixed rtol=1e-8):
 *
 *     products, of these in double     noise 1e-3      1e-4         1e-5             1e-6
 *     RBF, d = 3, n = 1000             4; 7, 3         12; 26, 4    15; 78, 7        21; none after 11000
 *     RBF, d = 8, n = 2000             -               213; 355, 3  631; 1730, 5     -
 *
 * So not below 3e-4 of the mean variance, nor where the preconditioner is the matrix but for rounding, and a
 * round in single precision has a limit of iterations.
 */
static kr_status pays_in_single(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_preconditioner *P,
                                bool *out)
{
    const size_t n = A->rows;
    double *D, *diagonal, mean = 0, least = INFINITY;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, D, n);
    KR_ALLOC(ctx, diagonal, n);
    *out = P->nearly_exact ? false : kr_op_shifted(A, D) != NULL && A->type->diagonal;
    if (*out)
        KR_TRY(kr_op_diagonal(ctx, A, diagonal));
    for (size_t i = 0; i < n; i++) {
        mean += diagonal[i] / (double)n;
        least = fmin(least, D[i]);
    }
    *out = *out && least >= SINGLE_NOISE * mean;
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status choose_precision(struct kr_ctx *ctx, const struct kr_op *A, struct kr_solver *out)
{
    const int precision = out->options->precision;
    bool pays = precision == KR_PRECISION_MIXED;
    if (!out->type->refines || !kr_op_single(A))
        return KR_OK;
    if (precision == KR_PRECISION_AUTO)
        KR_TRY(pays_in_single(ctx, A, &out->P, &pays));
    out->single = pays ? kr_op_single(A) : NULL;
    return KR_OK;
}

kr_status kr_solver_open(struct kr_ctx *ctx, const struct kr_solver_options *options, const struct kr_op *A,
                         struct kr_solver *out)
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
    if (out->type->preconditioned)
        KR_TRY(kr_preconditioner_open(ctx, &options->preconditioner, A, &out->P));
    KR_TRY(choose_precision(ctx, A, out));
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
