/*
 * The driver of all methods: rounds of correction with the true residual, and the derivative of a solve.
 *
 *     R = B - A X,   D ~ A^-1 R for the columns above the tolerance,   X += D
 *
 * One product with A a round beside the method's own. Columns are taken in groups of the type's `columns`, so
 * that a method's memory does not grow with the number of right-hand sides.
 */
#include "kriged/solve.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { MAX_ROUNDS = 8, DENSE_ROWS = 12000, PRODUCTS_ROWS = 1000 };

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
    if (out->type->open)
        KR_TRY(out->type->open(ctx, out));
    out->opening->products = out->P.products;
    out->opening->seconds = kr_seconds() - start;
    return KR_OK;
}

/* The columns of one group that still need work. */
struct group {
    size_t n, k;
    const double *B, *X0;
    double *X, *R;           /* n x k */
    double *norm, *relative; /* |b|, |r|/|b| of each column */
    double *before;          /* |r|/|b| before a round */
    size_t active;           /* number of columns to correct, their places in `column` */
    size_t *column;
    double *rhs, *D, *rtol; /* the active columns, their corrections and tolerances */
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
    return KR_OK;
}

/* The larger one; NaN is larger than any number. */
static double worse(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

/* R = B - A X and its norms; returns the largest relative residual (NaN when one is). */
static kr_status measure(struct kr_ctx *ctx, const struct kr_op *A, struct group *g,
                         struct kr_solve_report *report, double *worst)
{
    KR_TRY(kr_op_apply(ctx, A, g->k, g->X, g->R));
    report->products += g->k;
    *worst = 0;
    for (size_t c = 0; c < g->k; c++) {
        double *r = g->R + c * g->n;
        const double *b = g->B + c * g->n;
        for (size_t i = 0; i < g->n; i++)
            r[i] = b[i] - r[i];
        g->relative[c] = g->norm[c] == 0 ? 0 : cblas_dnrm2((int)g->n, r, 1) / g->norm[c];
        *worst = worse(*worst, g->relative[c]);
    }
    return KR_OK;
}

static void gather(struct group *g, double rtol)
{
    g->active = 0;
    for (size_t c = 0; c < g->k; c++) {
        if (g->relative[c] <= rtol)
            continue;
        /* Of length 1: squares of a tiny right-hand side would underflow in a method. */
        memcpy(g->rhs + g->active * g->n, g->R + c * g->n, g->n * sizeof *g->rhs);
        cblas_dscal((int)g->n, 1 / (g->relative[c] * g->norm[c]), g->rhs + g->active * g->n, 1);
        /* A margin below the tolerance: the method's estimate drifts from the residual that is measured. */
        g->rtol[g->active] = fmin(0.5, 0.5 * rtol / g->relative[c]);
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
 * the residual of conjugate gradients may rise on the way. Returns the largest relative residual. */
static double take_back(struct group *g, bool unfinished)
{
    double worst = 0;
    for (size_t a = 0; a < g->active; a++) {
        const size_t c = g->column[a];
        if (g->relative[c] <= g->before[c] || (unfinished && isfinite(g->relative[c])))
            continue;
        g->relative[c] = g->before[c];
        memcpy(g->X + c * g->n, g->D + a * g->n, g->n * sizeof *g->X);
        memcpy(g->R + c * g->n, g->rhs + a * g->n, g->n * sizeof *g->R);
        cblas_dscal((int)g->n, g->before[c] * g->norm[c], g->R + c * g->n, 1);
    }
    for (size_t c = 0; c < g->k; c++)
        worst = worse(worst, g->relative[c]);
    return worst;
}

static void start_from_zero(struct group *g, size_t c)
{
    memset(g->X + c * g->n, 0, g->n * sizeof *g->X);
    memcpy(g->R + c * g->n, g->B + c * g->n, g->n * sizeof *g->R);
    g->relative[c] = g->norm[c] == 0 ? 0 : g->norm[c] / g->norm[c]; /* NaN when it is not finite */
}

/* Norms of B, and the residuals of the start, which is zero where X0 is no better than that. Returns the
 * largest relative residual, NaN where one is not finite. */
static kr_status begin(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g,
                       struct kr_solve_report *report, double *worst)
{
    for (size_t c = 0; c < g->k; c++)
        g->norm[c] = cblas_dnrm2((int)g->n, g->B + c * g->n, 1);
    if (g->X0) {
        memmove(g->X, g->X0, g->n * g->k * sizeof *g->X);
        KR_TRY(measure(ctx, &solver->A, g, report, worst));
    }
    *worst = 0;
    for (size_t c = 0; c < g->k; c++) {
        if (!g->X0 || g->norm[c] == 0 || !(g->relative[c] < 1))
            start_from_zero(g, c);
        *worst = worse(*worst, g->relative[c]);
    }
    return KR_OK;
}

/* Solves the columns of one group. */
static kr_status solve_group(struct kr_ctx *ctx, const struct kr_solver *solver, struct group *g,
                             struct kr_solve_report *report, enum kr_stop *stop)
{
    const double rtol = solver->options->rtol;
    double worst, before = INFINITY, zero = 0;
    KR_TRY(begin(ctx, solver, g, report, &worst));
    for (size_t c = 0; c < g->k; c++)
        zero += g->norm[c];
    *stop = isnan(worst) ? KR_STOP_BREAKDOWN : zero > 0 ? KR_STOP_RTOL : KR_STOP_ZERO;
    for (int round = 0; worst > rtol && round < MAX_ROUNDS; round++) {
        struct kr_solve_report step = {0};
        if (worst > 0.5 * before) {
            *stop = KR_STOP_PRECISION;
            break;
        }
        before = worst;
        gather(g, rtol);
        KR_TRY(solver->type->correct(ctx, solver, g->active, g->rhs, g->rtol, g->D, &step));
        report->iterations += step.iterations;
        report->products += step.products;
        add_corrections(g);
        KR_TRY(measure(ctx, &solver->A, g, report, &worst));
        *stop = worst <= rtol              ? KR_STOP_RTOL
                : step.stop > KR_STOP_RTOL ? (enum kr_stop)step.stop
                                           : KR_STOP_PRECISION;
        if (!isfinite(worst))
            *stop = KR_STOP_BREAKDOWN;
        worst = take_back(g, *stop == KR_STOP_ITERATIONS);
        if (*stop > KR_STOP_PRECISION)
            break;
    }
    report->residual = worse(report->residual, worst);
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
    if (X_bar && !solver->A.symmetric && solver->type->any_square)
        KR_TRY(kr_op_transpose(ctx, &solver->A, &transposed.A));
    if (X_bar)
        KR_TRY(kr_solver_solve(ctx, &transposed, k, X_bar, B_bar0, B_bar, NULL, report));
    kr_release(ctx, mark);
    return kr_op_pull(ctx, &solver->A, k, B_bar, X, -1, grad);
}
