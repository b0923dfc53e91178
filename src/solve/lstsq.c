/*
 * LstSq(A, b, lambda) for blocks of right-hand sides, and its report: groups of columns, each solved by the
 * rounds of lstsq_rounds.c. The same preconditioner serves A and A', so that a derivative can solve with
 * both.
 *
 * Cost: 2 k products an iteration and 2 k for the true residuals of a round. Memory: 2 m + 4 n doubles a
 * column of a group (damped problems that are preconditioned or started somewhere: m + n more).
 */
#include "solve/lstsq_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { COLUMNS = 64, GROUP_NUMBERS = 1 << 27 };

const char *const kr_lstsq_stop_names[] = {
#define KR_LSTSQ_STOP_TEXT(name, text) text,
    KR_LSTSQ_STOP_TABLE(KR_LSTSQ_STOP_TEXT)
#undef KR_LSTSQ_STOP_TEXT
        NULL};
const char *const kr_lstsq_preconditioner_names[] = {"auto", "none", "jacobi", "sketch", "given", NULL};

KR_DEFINE(kr_lstsq_options, KR_LSTSQ_FIELDS, "how least-squares problems are solved");
KR_DEFINE(kr_lstsq_report, KR_LSTSQ_REPORT_FIELDS, "what the least-squares solves did");

kr_status kr_lstsq_open(struct kr_ctx *ctx, const struct kr_lstsq_options *options, const struct kr_op *A,
                        double damping, const struct kr_op *precondition, struct kr_lstsq *out)
{
    KR_TRY(kr_schema_check(ctx, &kr_lstsq_options_schema, options));
    if (!(damping >= 0) || !isfinite(damping))
        return kr_fail(ctx, KR_INVALID, "", "the damping must be finite and at least 0, got %g", damping);
    if (A->rows == 0 || A->cols == 0 || A->rows > INT32_MAX || A->cols > INT32_MAX)
        return kr_fail(ctx, KR_INVALID, "", "least squares need 1 to %d rows and columns, got %zu x %zu",
                       INT32_MAX, A->rows, A->cols);
#ifdef KR_DEBUG
    KR_TRY(kr_op_check(ctx, A, 2, options->seed, 0, NULL));
#endif
    *out = (struct kr_lstsq){.A = *A, .damping = damping, .options = options};
    return kr_lstsq_precondition(ctx, precondition, out);
}

static double worse(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

static void add_column(const struct kr_lstsq_side *side, const struct kr_lstsq_column *fact,
                       const struct kr_lstsq_detail *detail, struct kr_lstsq_report *report)
{
    const double rbar = hypot(fact->residual, side->damping * fact->length),
                 relative = detail->rhs > 0 || isnan(detail->rhs) ? fact->residual / detail->rhs : 0,
                 /* beside a residual that is zero to its tolerance, its direction is noise */
        scale = fact->stop == KR_LSTSQ_STOP_COMPATIBLE || fact->stop == KR_LSTSQ_STOP_COMPATIBLE_AT_PRECISION
                    ? 0
                    : fact->norm * rbar;
    report->iterations += fact->iterations;
    report->residual = worse(report->residual, relative);
    report->normal_residual = worse(report->normal_residual, scale > 0 ? fact->normal_residual / scale : 0);
    report->norm = fmax(report->norm, fact->norm);
    report->condition = fmax(report->condition, fact->condition);
    /* The sketch looks at singular values by the same measure. */
    if (side->damping == 0 && fact->condition * 100 * side->options->rank_tolerance >= 1)
        report->near_rank_change = true;
    if ((int)fact->stop > report->stop) {
        report->stop = (int)fact->stop;
        if (detail->reason)
            report->reason = detail->reason;
    }
}

static void begin_report(const struct kr_lstsq *problem, struct kr_lstsq_report *report)
{
    report->preconditioner = (int)problem->preconditioner;
    if (report->stop < KR_LSTSQ_STOP_ITERATIONS)
        report->reason = problem->reason;
    report->rank = problem->rank;
    report->near_rank_change |= problem->near_rank_change;
    if (problem->factor) {
        report->products += *problem->factor->unreported;
        *problem->factor->unreported = 0;
    }
}

/* Columns solved at a time: of very long ones fewer. */
static size_t group_size(const struct kr_lstsq_side *side, size_t k)
{
    const size_t fit = GROUP_NUMBERS / (2 * side->A.rows + 4 * side->A.cols), most = fit < 1 ? 1
                                                                                     : fit < COLUMNS
                                                                                         ? fit
                                                                                         : COLUMNS;
    return k < most ? k : most;
}

static kr_status solve_columns(struct kr_ctx *ctx, const struct kr_lstsq_side *side, size_t k,
                               const double *B, const double *X0, double *X, double *R,
                               struct kr_lstsq_column *columns, struct kr_lstsq_report *report)
{
    const size_t m = side->A.rows, n = side->A.cols, most = group_size(side, k);
    struct kr_lstsq_column *facts;
    struct kr_lstsq_detail *details;
    double *residuals = NULL;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, facts, most);
    KR_ALLOC(ctx, details, most);
    if (!R)
        KR_ALLOC(ctx, residuals, m * most);
    for (size_t first = 0; first < k; first += most) {
        const size_t count = k - first < most ? k - first : most;
        size_t products = 0;
        kr_status status =
            kr_lstsq_rounds(ctx, side, count, B + first * m, X0 ? X0 + first * n : NULL, X + first * n,
                            R ? R + first * m : residuals, facts, details, &products);
        report->products += products;
        if (status != KR_OK)
            return status;
        for (size_t c = 0; c < count; c++)
            add_column(side, &facts[c], &details[c], report);
        if (columns)
            memcpy(columns + first, facts, count * sizeof *facts);
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status solve_side(struct kr_ctx *ctx, const struct kr_lstsq *problem,
                            const struct kr_lstsq_side *side, size_t k, const double *B, const double *X0,
                            double *X, double *R, struct kr_lstsq_column *columns,
                            struct kr_lstsq_report *report)
{
    const double start = kr_seconds();
    KR_TRY(kr_op_blocks(ctx, &side->A, k));
    begin_report(problem, report);
    report->solves++;
    kr_status status = solve_columns(ctx, side, k, B, X0, X, R, columns, report);
    report->seconds += kr_seconds() - start;
    if (status == KR_CANCELLED || status == KR_TIME_LIMIT)
        report->stop = KR_LSTSQ_STOP_CANCELLED;
    return status;
}

/* A factor that was refused is kept only for its count of products. */
static const struct kr_lstsq_factor *used_factor(const struct kr_lstsq *problem)
{
    return problem->preconditioner == KR_LSTSQ_NONE ? NULL : problem->factor;
}

kr_status kr_lstsq_solve(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *B,
                         const double *X0, double *X, double *R, struct kr_lstsq_column *columns,
                         struct kr_lstsq_report *report)
{
    const struct kr_lstsq_factor *factor = used_factor(problem);
    const struct kr_lstsq_side side = {.A = problem->A,
                                       .damping = problem->damping,
                                       .atol = problem->options->atol,
                                       .btol = problem->options->btol,
                                       .options = problem->options,
                                       .factor = factor,
                                       .left = factor && factor->on_rows};
    return solve_side(ctx, problem, &side, k, B, X0, X, R, columns, report);
}

kr_status kr_lstsq_solve_t(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *C,
                           double *Y, double *S, struct kr_lstsq_column *columns,
                           struct kr_lstsq_report *report)
{
    const double backward = problem->options->backward_tolerance;
    const struct kr_lstsq_factor *factor = used_factor(problem);
    struct kr_lstsq_side side = {.damping = problem->damping,
                                 .atol = isnan(backward) ? problem->options->atol : backward,
                                 .btol = isnan(backward) ? problem->options->btol : backward,
                                 .options = problem->options,
                                 .factor = factor,
                                 .left = factor && !factor->on_rows};
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_op_transpose(ctx, &problem->A, &side.A));
    KR_TRY(solve_side(ctx, problem, &side, k, C, NULL, Y, S, columns, report));
    kr_release(ctx, mark);
    return KR_OK;
}

bool kr_lstsq_converged(const struct kr_lstsq_report *report)
{
    return report->stop <= KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION;
}

kr_status kr_lstsq_require(struct kr_ctx *ctx, const struct kr_lstsq_report *report)
{
    if (kr_lstsq_converged(report))
        return KR_OK;
    if (report->stop == KR_LSTSQ_STOP_NON_FINITE)
        return kr_fail(ctx, KR_NON_FINITE, "", "least squares: %s", report->reason);
    return kr_fail(ctx, KR_NOT_CONVERGED, "",
                   "least squares ended with %s after %zu iterations: |b - A x| is %.3g |b|, |A'r| is %.3g "
                   "|A||r|, the condition number about %.3g",
                   kr_lstsq_stop_names[report->stop], report->iterations, report->residual,
                   report->normal_residual, report->condition);
}
