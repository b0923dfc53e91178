/* Choosing, opening and applying preconditioners, and what those of low rank share. */
#include "solve/precondition.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_RANK = 2000, FEW = 100 };

/* Of variance to noise, for the rank: at most; where noise is not known, or of no account. */
#define MOST_RATIO  1e4
#define USUAL_RATIO 64

extern const struct kr_preconditioner_type kr_preconditioner_none, kr_preconditioner_jacobi,
    kr_preconditioner_nystrom, kr_preconditioner_pivoted_cholesky;
extern const struct kr_type kr_preconditioner_automatic;

const struct kr_preconditioner_type kr_preconditioner_none = {
    .base = {"none", "no preconditioner", NULL},
    .rank = -1,
};

kr_status kr_precondition_split(struct kr_ctx *ctx, const struct kr_op *A, double *D, const struct kr_op **B)
{
    const size_t n = A->rows;
    double *diagonal, size = 0;
    struct kr_mark mark = kr_mark(ctx);
    *B = kr_op_shifted(A, D);
    if (!*B)
        return KR_OK;
    KR_ALLOC(ctx, diagonal, n);
    KR_TRY(kr_op_diagonal(ctx, *B, diagonal));
    for (size_t i = 0; i < n; i++)
        size += fabs(diagonal[i]) / (double)n;
    bool positive = true;
    for (size_t i = 0; i < n; i++)
        positive = positive && D[i] > 64 * DBL_EPSILON * size && isfinite(D[i]);
    if (!positive) {
        memset(D, 0, n * sizeof *D);
        *B = NULL;
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* At least a tenth of the mean remainder, so that no unknown is taken for solved where others are far from
 * it, and 1e-8 of the matrix. */
void kr_precondition_remainder(size_t n, double size, double *remaining)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += fmax(0, remaining[i]) / (double)n;
    const double least = fmax(0.1 * mean, 1e-8 * size);
    for (size_t i = 0; i < n; i++)
        remaining[i] = remaining[i] > least ? remaining[i] : least > 0 ? least : 1;
}

/*
 * The rank where opening, 2 n r^2 flops and n r entries, costs half of what the iterations of two solves do.
 * Measured (bench_solvers, RBF, d = 8, lengthscale sqrt(8), 1e-6): about 27 sqrt(n v/s2)/r iterations, v and
 * s2 the means of the diagonals of B and D: 30, 13 and 8 with rank 200, 500 and 1000 for n = 5000, s2 = 0.1;
 * 90 and 34 with 200 and 500 for s2 = 0.01; 41 and 16 for n = 10000, s2 = 0.1. With 7 to 15 flops an entry of
 * a fused product (what the fastest kernels take) the least sum is at 4.6 to 6 sqrt(n) (v/s2)^(1/6). And at
 * most a quarter of n, and an eighth of the memory.
 */
static size_t default_rank(size_t n, size_t budget, double ratio)
{
    const size_t column = 2 * sizeof(double) * n;
    const double share = 5 * pow(fmin(fmax(ratio, 1), MOST_RATIO), 1.0 / 6);
    size_t rank = (size_t)(share * sqrt((double)n));
    rank = rank < n / 4 ? rank : n / 4;
    rank = rank < MOST_RANK ? rank : MOST_RANK;
    return budget && rank > budget / 8 / column ? budget / 8 / column : rank;
}

/* Mean of diag(B) over that of D, for A = B + diag(D); USUAL_RATIO where A has no diagonal of its own. */
static kr_status noise_ratio(struct kr_ctx *ctx, const struct kr_op *A, double *ratio)
{
    double *diagonal, *D, all = 0, noise = 0;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, diagonal, A->rows);
    KR_ALLOC(ctx, D, A->rows);
    if (kr_op_shifted(A, D) && A->type->diagonal)
        KR_TRY(kr_op_diagonal(ctx, A, diagonal));
    for (size_t i = 0; i < A->rows; i++) {
        all += diagonal[i];
        noise += D[i];
    }
    *ratio = all > noise && noise > 0 && isfinite(all) ? all / noise - 1 : USUAL_RATIO;
    kr_release(ctx, mark);
    return KR_OK;
}

struct plan {
    const struct kr_preconditioner_type *type;
    const void *options;
    size_t rank;
    const char *reason;
};

static struct plan asked(const struct kr_variant *options, size_t n, size_t budget, double ratio)
{
    const struct kr_preconditioner_type *type = (const struct kr_preconditioner_type *)options->type;
    struct plan plan = {type, options->options, 0, "asked for"};
    if (type->rank >= 0) {
        plan.rank = *(const size_t *)((const char *)options->options + type->rank);
        plan.rank = plan.rank > n ? n : plan.rank ? plan.rank : default_rank(n, budget, ratio);
    }
    return plan;
}

/* A random sample of columns: what `auto` takes last, and the most memory that it needs. */
static struct plan sampled(size_t n, size_t budget, double ratio)
{
    static const struct kr_nystrom_options uniform = {0};
    return (struct plan){&kr_preconditioner_nystrom, &uniform, default_rank(n, budget, ratio),
                         "noise on a matrix of no low rank: a random sample of its columns"};
}

static bool is_automatic(const struct kr_variant *options)
{
    return !options->type || options->type == &kr_preconditioner_automatic;
}

size_t kr_preconditioner_bytes(const struct kr_variant *options, size_t n, size_t budget)
{
    const struct plan plan =
        is_automatic(options) ? sampled(n, budget, MOST_RATIO) : asked(options, n, budget, MOST_RATIO);
    return plan.type->bytes ? plan.type->bytes(n, plan.rank) : 0;
}

static kr_status open_plan(struct kr_ctx *ctx, const struct plan *plan, const struct kr_op *A,
                           struct kr_preconditioner *out)
{
    static const struct plan nothing = {&kr_preconditioner_none, NULL, 0, "no memory for a column of it"};
    if (plan->type->rank >= 0 && plan->rank == 0)
        plan = &nothing;
    *out = (struct kr_preconditioner){
        .type = plan->type, .n = A->rows, .rounding = DBL_EPSILON, .reason = plan->reason};
    return plan->type->open ? plan->type->open(ctx, plan->options, plan->rank, A, out) : KR_OK;
}

static kr_status has_positive_diagonal(struct kr_ctx *ctx, const struct kr_op *A, bool *positive)
{
    double *diagonal;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, diagonal, A->rows);
    KR_TRY(kr_op_diagonal(ctx, A, diagonal));
    *positive = true;
    for (size_t i = 0; i < A->rows; i++)
        *positive = *positive && diagonal[i] > 0;
    kr_release(ctx, mark);
    return KR_OK;
}

/*
 * Measured (bench_solvers, iterations to 1e-6 of one column, n = 2000 and 5000, noise 0.1 to 0.001):
 * pivoted_cholesky stops by itself where the matrix is of low rank and is then at its best (2 iterations for
 * 14 columns, RBF, d = 1; 4 against 11 of nystrom, d = 3, noise 0.001, rank 200); in 8 dimensions it takes
 * the outermost points and needs 1.2 to 1.4 times the iterations of a random sample, which is half the work.
 */
static kr_status open_automatic(struct kr_ctx *ctx, const struct kr_op *A, double ratio,
                                struct kr_preconditioner *out)
{
    const size_t n = A->rows;
    struct plan plan = {&kr_preconditioner_none, NULL, 0, "too few unknowns to be worth one"};
    const struct kr_op *B;
    double *D;
    bool done = false;
    struct kr_mark mark = kr_mark(ctx);
    if (n < FEW)
        return open_plan(ctx, &plan, A, out);
    KR_ALLOC(ctx, D, n);
    KR_TRY(kr_precondition_split(ctx, A, D, &B));
    kr_release(ctx, mark);
    if (B && B->symmetric && B->type->columns) {
        plan = sampled(n, ctx->budget, ratio);
        *out = (struct kr_preconditioner){.type = &kr_preconditioner_pivoted_cholesky, .n = n};
        out->reason = "noise on a matrix of low rank: the columns that stand out";
        if (plan.rank > 0) /* a factor that captures all is worth more columns than one that helps */
            KR_TRY(kr_pivoted_cholesky_try(ctx, default_rank(n, ctx->budget, fmax(ratio, USUAL_RATIO)), A,
                                           out, &done));
        return done ? KR_OK : open_plan(ctx, &plan, A, out);
    }
    plan.reason = "the operator knows products only";
    if (A->type->diagonal) {
        bool positive = false;
        KR_TRY(has_positive_diagonal(ctx, A, &positive));
        if (positive)
            plan = (struct plan){&kr_preconditioner_jacobi, NULL, 0,
                                 "no noise of its own, or no columns known: the diagonal"};
        else
            plan.reason = "the diagonal is not positive";
    }
    return open_plan(ctx, &plan, A, out);
}

kr_status kr_preconditioner_open(struct kr_ctx *ctx, const struct kr_variant *options, const struct kr_op *A,
                                 struct kr_preconditioner *out)
{
    double ratio = USUAL_RATIO;
    KR_TRY(noise_ratio(ctx, A, &ratio));
    if (is_automatic(options))
        return open_automatic(ctx, A, ratio, out);
    const struct plan plan = asked(options, A->rows, ctx->budget, ratio);
    return open_plan(ctx, &plan, A, out);
}

kr_status kr_preconditioner_keep(struct kr_ctx *keeper, const struct kr_preconditioner *P,
                                 struct kr_preconditioner *out)
{
    *out = (struct kr_preconditioner){0};
    if (!P->type || !P->type->copy)
        return KR_OK;
    void *state;
    KR_TRY(P->type->copy(keeper, P, &state));
    *out = *P;
    out->state = state;
    out->products = 0;
    out->kept = true;
    return KR_OK;
}

kr_status kr_preconditioner_apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k,
                                  const double *R, double *Z)
{
    if (P->type->apply)
        return P->type->apply(ctx, P, k, R, Z);
    memcpy(Z, R, P->n * k * sizeof *Z);
    return KR_OK;
}
