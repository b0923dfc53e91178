/* Choosing, opening and applying preconditioners, and what those of low rank share. */
#include "solve/precondition.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_RANK = 500, FEW = 100 };

extern const struct kr_preconditioner_type kr_preconditioner_none, kr_preconditioner_jacobi,
    kr_preconditioner_nystrom;
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

/* A rank that memory allows: at most an eighth of it. */
static size_t default_rank(size_t n, size_t budget)
{
    size_t rank = n / 4 < MOST_RANK ? n / 4 : MOST_RANK;
    if (budget && rank * 2 * sizeof(double) * n > budget / 8)
        rank = budget / 8 / (2 * sizeof(double) * n);
    return rank;
}

struct plan {
    const struct kr_preconditioner_type *type;
    const void *options;
    size_t rank;
    const char *reason;
};

static struct plan chosen(const struct kr_variant *options, size_t n, size_t budget)
{
    const struct kr_preconditioner_type *type = (const struct kr_preconditioner_type *)options->type;
    struct plan plan = {type, options->options, 0, "asked for"};
    if (type->rank >= 0) {
        plan.rank = *(const size_t *)((const char *)options->options + type->rank);
        plan.rank = plan.rank > n ? n : plan.rank ? plan.rank : default_rank(n, budget);
    }
    return plan;
}

/* What `auto` takes for an operator that answers everything, and the most memory that it may need. */
static struct plan automatic(size_t n, size_t budget)
{
    static const struct kr_nystrom_options uniform = {0};
    return (struct plan){&kr_preconditioner_nystrom, &uniform, default_rank(n, budget),
                         "noise on a matrix of known columns: a sample of them"};
}

static struct plan automatic_for(const struct kr_op *A, const struct kr_op *B, size_t budget)
{
    const struct plan none = {&kr_preconditioner_none, NULL, 0, "too few unknowns to be worth one"};
    if (A->rows < FEW)
        return none;
    if (B && B->type->columns)
        return automatic(A->rows, budget);
    if (A->type->diagonal)
        return (struct plan){&kr_preconditioner_jacobi, NULL, 0,
                             "no noise of its own, or no columns known: the diagonal"};
    return (struct plan){&kr_preconditioner_none, NULL, 0, "the operator knows products only"};
}

size_t kr_preconditioner_bytes(const struct kr_variant *options, size_t n, size_t budget)
{
    const bool any = !options->type || options->type == &kr_preconditioner_automatic;
    const struct plan plan = any ? automatic(n, budget) : chosen(options, n, budget);
    return plan.type->bytes ? plan.type->bytes(n, plan.rank) : 0;
}

kr_status kr_preconditioner_open(struct kr_ctx *ctx, const struct kr_variant *options, const struct kr_op *A,
                                 struct kr_preconditioner *out)
{
    const bool any = !options->type || options->type == &kr_preconditioner_automatic;
    struct plan plan;
    if (any) {
        const struct kr_op *B;
        double *D;
        struct kr_mark mark = kr_mark(ctx);
        KR_ALLOC(ctx, D, A->rows);
        KR_TRY(kr_precondition_split(ctx, A, D, &B));
        kr_release(ctx, mark);
        plan = automatic_for(A, B, ctx->budget);
    } else {
        plan = chosen(options, A->rows, ctx->budget);
    }
    if (plan.type->rank >= 0 && plan.rank == 0)
        plan = (struct plan){&kr_preconditioner_none, NULL, 0, "no memory for a column of it"};
    *out = (struct kr_preconditioner){plan.type, A->rows, 0, 0, plan.reason, NULL};
    return plan.type->open ? plan.type->open(ctx, plan.options, plan.rank, A, out) : KR_OK;
}

kr_status kr_preconditioner_apply(struct kr_ctx *ctx, const struct kr_preconditioner *P, size_t k,
                                  const double *R, double *Z)
{
    if (P->type->apply)
        return P->type->apply(ctx, P, k, R, Z);
    memcpy(Z, R, P->n * k * sizeof *Z);
    return KR_OK;
}
