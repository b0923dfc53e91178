/*
 * LSMR as a method for square systems that need be neither symmetric nor definite: the core of lsmr.c, with
 * the preconditioner on the right,
 *
 *     (A P^-1) y = b,   x = P^-1 y,   |b - A P^-1 y| = |b - A x|
 *
 * On a symmetric positive definite matrix it works with the squared condition number: cg is then the better
 * choice.
 *
 * A column ends when |r| <= rtol |b|, at a least-squares solution of a singular system (|A'r| as small as
 * doubles go), or at the iteration limit. 2 products an iteration; memory 8 n k doubles.
 */
#include "kriged/solve.h"
#include "solve/lsmr.h"

#include <math.h>

static size_t bytes(size_t n, size_t k)
{
    return 8 * n * 11 * k;
}

/* A'b = 0 is no solution of A x = b: no matrix that is not singular does that. */
static enum kr_stop translate(enum kr_lstsq_stop stop)
{
    switch (stop) {
    case KR_LSTSQ_STOP_NONE:
    case KR_LSTSQ_STOP_COMPATIBLE:
        return KR_STOP_RTOL;
    case KR_LSTSQ_STOP_LEAST_SQUARES:
    case KR_LSTSQ_STOP_COMPATIBLE_AT_PRECISION:
    case KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION:
        return KR_STOP_PRECISION;
    case KR_LSTSQ_STOP_ITERATIONS:
        return KR_STOP_ITERATIONS;
    default:
        return KR_STOP_BREAKDOWN;
    }
}

static kr_status apply_inverse(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                               double *Y)
{
    return kr_preconditioner_apply(ctx, op->self, k, X, Y);
}

static const struct kr_op_type inverse_type = {
    .name = "inverse of a preconditioner", .apply = apply_inverse, .apply_t = apply_inverse};

/* A P^-1, or A where P = I. */
static kr_status precondition(struct kr_ctx *ctx, const struct kr_solver *solver, struct kr_op *out)
{
    const size_t n = solver->A.cols;
    const struct kr_op inverse = {&inverse_type, n, n, true, &solver->P};
    *out = solver->A;
    return solver->P.type->apply ? kr_op_compose(ctx, &solver->A, &inverse, out) : KR_OK;
}

static kr_status correct(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const size_t n = solver->A.cols, given = solver->options->max_iterations;
    const struct kr_lsmr_rules rules = {.condition_limit = INFINITY,
                                        .max_iterations = given ? given : 1000 + 100 * n};
    size_t products = 0, iterations = 0;
    struct kr_lsmr_goal *goals;
    struct kr_lsmr_column *columns;
    struct kr_op A;
    double *Y = D;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(precondition(ctx, solver, &A));
    if (solver->P.type->apply)
        KR_ALLOC(ctx, Y, n * k);
    KR_ALLOC(ctx, goals, k);
    KR_ALLOC(ctx, columns, k);
    for (size_t c = 0; c < k; c++)
        goals[c].residual = rtol[c];
    KR_TRY(kr_lsmr(ctx, &A, &rules, k, R, goals, Y, columns, &products));
    if (Y != D)
        KR_TRY(kr_preconditioner_apply(ctx, &solver->P, k, Y, D));
    report->stop = KR_STOP_RTOL;
    for (size_t c = 0; c < k; c++) {
        if ((int)translate(columns[c].stop) > report->stop)
            report->stop = (int)translate(columns[c].stop);
        if (columns[c].iterations > iterations)
            iterations = columns[c].iterations;
    }
    report->iterations += iterations;
    report->products += products;
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
    .preconditioned = true,
    .any_square = true,
    .correct = correct,
};
