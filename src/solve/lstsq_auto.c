/*
 * Which preconditioner a least-squares problem gets, and why. Columns multiplied by A or A', for opening and
 * the first solve, and for each solve after it (one right-hand side, tolerances 1e-10, measured by
 * tests/bench/bench_lstsq_preconditioners.c; "limit": of iterations, 6000 to 14000 products, not solved):
 *
 *                     condition   none            jacobi          sketch
 *     2000 x 100      1e2          593,  593      1439,  627      367, 67
 *                     1e4         4761, 4761      refused         367, 67
 *                     1e6, 1e8    limit           refused         369, 69
 *     100 x 2000      1e2          673,  673      1549,  703      373, 73
 *                     1e4         5819, 5819      refused         373, 73
 *                     1e6, 1e8    limit           refused         375, 75
 *     300 x 300       1e2         1237, 1237      3077, 1383      305,  5
 *                     1e4 to 1e8  limit           refused         307,  7
 *     2000 x 100,     1e2          919,  919       397,  161      367, 67
 *     columns scaled  1e4         5817, 5817       397,  161      367, 67
 *                     1e6, 1e8    limit            397,  161      367, 67
 *     2000 x 100,     1e2          593,  593       645,  613      367, 67
 *     damped by 1e-3  1e4         1265, 1265      1559, 1527      353, 53
 *                     1e6          673,  673      1109, 1077      345, 45
 *                     1e8          419,  419       839,  807      339, 39
 *     100 x 2000,     1e2          737,  737      3423, 3391      394, 94
 *     damped by 1e-3  1e8          477,  477      1676, 1644      352, 52
 *
 * (Undamped, jacobi includes the solve that tries whether scaling keeps the problem.) A product of a sketch
 * costs less, too, since 64 go together: a stored 20000 x 1000 of condition 1e2 takes 28.7 s without a sketch
 * and 4.2 s with one. With 10 columns there is nothing to gain (31 products against 53 at 1e2, 57 against 53
 * at 1e6), with 30 there is (129 against 137, 705 against 139). So: a sketch from 16 to 1000 rows or columns,
 * whichever are fewer (its flops grow with their cube), unless damping alone bounds the condition or memory
 * is short. Scaling is never chosen: where it helps it helps much, but whether it does is not known before.
 */
#include "solve/lstsq_impl.h"

#include <math.h>

enum { PROBES = 8, FEW = 16, MANY = 1000, WELL_CONDITIONED = 20 };

static kr_status given(struct kr_ctx *ctx, const struct kr_op *N, struct kr_lstsq *problem,
                       struct kr_lstsq_factor *out)
{
    const size_t m = problem->A.rows, n = problem->A.cols;
    double *lengths;
    out->on_rows = m < n && problem->damping == 0;
    if (out->on_rows ? N->cols != m : N->rows != n)
        return kr_fail(ctx, KR_INVALID, "",
                       "the preconditioner of a %zu x %zu %s problem must have %zu %s, got %zu x %zu", m, n,
                       problem->damping > 0 ? "damped" : "undamped", out->on_rows ? m : n,
                       out->on_rows ? "columns" : "rows", N->rows, N->cols);
    out->F = *N;
    if (out->on_rows)
        KR_TRY(kr_op_transpose(ctx, N, &out->F));
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, lengths, m);
    KR_TRY(kr_lstsq_lengths(ctx, problem, true, PROBES, lengths, &out->norm));
    kr_release(ctx, mark);
    return KR_OK;
}

/* cond([A; lambda I]) <= |A|_F/lambda + 1, from 8 products. */
static kr_status well_damped(struct kr_ctx *ctx, struct kr_lstsq *problem, bool *out)
{
    double *lengths, norm;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, lengths, problem->A.rows);
    KR_TRY(kr_lstsq_lengths(ctx, problem, true, PROBES, lengths, &norm));
    *out = norm <= WELL_CONDITIONED * problem->damping;
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status choose(struct kr_ctx *ctx, struct kr_lstsq *problem)
{
    const size_t m = problem->A.rows, n = problem->A.cols, d = m < n ? m : n;
    const double memory =
        ctx->budget ? (double)(ctx->budget > ctx->used ? ctx->budget - ctx->used : 0) : (double)kr_memory();
    bool fine = false;
    problem->preconditioner = KR_LSTSQ_NONE;
    if (d < FEW)
        problem->reason = "fewer than 16 rows or columns: the iteration ends by itself";
    else if (d > MANY)
        problem->reason = "more than 1000 rows and columns: a sketch would cost too much";
    else if (kr_lstsq_sketch_bytes(problem) > memory / 4)
        problem->reason = "a sketch would take more than a quarter of the memory";
    else {
        if (problem->damping > 0)
            KR_TRY(well_damped(ctx, problem, &fine));
        problem->preconditioner = fine ? KR_LSTSQ_NONE : KR_LSTSQ_SKETCH;
        problem->reason = fine ? "well-conditioned by its damping"
                               : "16 to 1000 rows or columns: a sketch pays, whatever the condition";
    }
    return KR_OK;
}

kr_status kr_lstsq_precondition(struct kr_ctx *ctx, const struct kr_op *N, struct kr_lstsq *problem)
{
    struct kr_lstsq_factor *factor;
    const char *refused = NULL;
    problem->reason = "asked for";
    problem->preconditioner =
        N ? KR_LSTSQ_GIVEN : (enum kr_lstsq_preconditioner)problem->options->preconditioner;
    if (problem->preconditioner == KR_LSTSQ_AUTO)
        KR_TRY(choose(ctx, problem));
    if (problem->preconditioner == KR_LSTSQ_NONE && problem->products == 0)
        return KR_OK;
    KR_ALLOC(ctx, factor, 1);
    KR_ALLOC(ctx, factor->unreported, 1);
    if (problem->preconditioner == KR_LSTSQ_SKETCH)
        KR_TRY(kr_lstsq_sketch(ctx, problem, factor, &refused));
    else if (problem->preconditioner == KR_LSTSQ_JACOBI)
        KR_TRY(kr_lstsq_jacobi(ctx, problem, factor, &refused));
    else if (N)
        KR_TRY(given(ctx, N, problem, factor));
    else if (problem->preconditioner == KR_LSTSQ_GIVEN)
        return kr_fail(ctx, KR_INVALID, "", "a given preconditioner was asked for, but none was given");
    *factor->unreported = problem->products;
    problem->factor = factor;
    if (refused) {
        problem->preconditioner = KR_LSTSQ_NONE;
        problem->reason = refused;
    }
    return KR_OK;
}
