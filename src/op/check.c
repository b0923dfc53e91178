/*
 * Does an operator keep its promises? Products of seeded normal vectors, into memory that is poisoned with a
 * NaN that no arithmetic makes: what is still there was not set, or added to.
 *
 *     A X, A'U      every entry set, finite, and nothing written behind the last one
 *     block         equals its columns multiplied alone, to 1e-12 of a column's largest entry
 *     adjoint       <u, A x> = <A'u, x> to 1e-10 |u||A x|, each probe by itself
 *     symmetric     A u = A'u to 1e-10 of the largest entry
 *
 * and then the optional answers (check_entries.c) and the pull (check_pull.c). All comparisons are relative
 * to what the operator itself returned, so its scale does not matter. A mistake that hides in entries 1e-10
 * below the largest ones is not seen. Cost: 4 products of a block (symmetric: 5), O((m + n) k) memory.
 */
#include "op/check.h"

#include "op/block.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const uint64_t poison = 0x7ff8dead0badf00d;

static bool poisoned(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & INT64_MAX) == poison; /* a sign may have been flipped on the way */
}

void kr_check_poison(size_t count, double *out)
{
    for (size_t i = 0; i < count + KR_CHECK_GUARD; i++)
        memcpy(out + i, &poison, sizeof poison);
}

kr_status kr_check_output(struct kr_ctx *ctx, size_t count, double **out)
{
    KR_TRY(kr_block(ctx, count + KR_CHECK_GUARD, 1, out));
    kr_check_poison(count, *out);
    return KR_OK;
}

double kr_check_largest(size_t n, const double *x)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(x[i]));
    return largest;
}

double kr_check_dot(size_t n, const double *u, const double *y, double scale)
{
    double sum = 0;
    for (size_t i = 0; scale > 0 && i < n; i++)
        sum += u[i] * (y[i] / scale);
    return sum;
}

double kr_check_norm(size_t n, const double *y, double scale)
{
    double sum = 0;
    for (size_t i = 0; scale > 0 && i < n; i++)
        sum += (y[i] / scale) * (y[i] / scale);
    return sqrt(sum);
}

void kr_check_normals(struct kr_rng *rng, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = kr_rng_normal(rng);
}

kr_status kr_check_inspect(struct kr_ctx *ctx, const struct kr_op *op, const char *what, size_t rows,
                           size_t k, const double *out)
{
    for (size_t i = 0; i < rows * k; i++) {
        if (poisoned(out[i]))
            return kr_fail(ctx, KR_INVALID, "",
                           KR_NAMED
                           "%s leaves row %zu of column %zu of %zu not set (or adds to what was there: "
                           "it must be set, whatever the memory held)",
                           KR_NAME_OF(op), what, i % rows, i / rows, k);
        if (!isfinite(out[i]))
            return kr_fail(ctx, KR_INVALID, "", KR_NAMED "%s has %g in row %zu of column %zu of %zu",
                           KR_NAME_OF(op), what, out[i], i % rows, i / rows, k);
    }
    for (size_t i = 0; i < KR_CHECK_GUARD; i++)
        if (!poisoned(out[rows * k + i]))
            return kr_fail(ctx, KR_INVALID, "",
                           KR_NAMED "%s writes behind its %zu x %zu numbers, %g at number %zu",
                           KR_NAME_OF(op), what, rows, k, out[rows * k + i], rows * k + i);
    return KR_OK;
}

kr_status kr_check_multiply(const struct kr_check *check, bool adjoint, size_t k, const double *X, double *Y)
{
    const struct kr_op *op = check->op;
    const size_t rows = adjoint ? op->cols : op->rows;
    kr_check_poison(rows * k, Y);
    KR_TRY(adjoint ? kr_op_apply_t(check->ctx, op, k, X, Y) : kr_op_apply(check->ctx, op, k, X, Y));
    return kr_check_inspect(check->ctx, op, adjoint ? "A'U" : "A X", rows, k, Y);
}

/* Rounding of sums of n numbers in different orders, and 1e-12. */
static double same(size_t n)
{
    return 1e-12 + 4 * DBL_EPSILON * sqrt((double)n);
}

/* Y = A X or A'X as a block, and each column alone. */
static kr_status check_block(const struct kr_check *check, bool adjoint, const double *X, double *Y)
{
    const struct kr_op *op = check->op;
    const size_t rows = adjoint ? op->cols : op->rows, cols = adjoint ? op->rows : op->cols;
    double *alone;
    struct kr_mark mark = kr_mark(check->ctx);
    KR_TRY(kr_check_output(check->ctx, rows, &alone));
    KR_TRY(kr_check_multiply(check, adjoint, check->k, X, Y));
    for (size_t c = 0; c < check->k; c++) {
        const double *together = Y + c * rows;
        KR_TRY(kr_check_multiply(check, adjoint, 1, X + c * cols, alone));
        const double allowed =
            same(cols) * fmax(kr_check_largest(rows, together), kr_check_largest(rows, alone)) + DBL_MIN;
        for (size_t i = 0; i < rows; i++)
            if (!(fabs(together[i] - alone[i]) <= allowed))
                return kr_fail(check->ctx, KR_INVALID, "",
                               KR_NAMED "%s of a block of %zu is not that of its columns: row %zu of column "
                                        "%zu is %.17g in the block and %.17g alone",
                               KR_NAME_OF(op), adjoint ? "A'U" : "A X", check->k, i, c, together[i],
                               alone[i]);
    }
    kr_release(check->ctx, mark);
    return KR_OK;
}

/* <u, A x> = <A'u, x> of probe c? Both sums are of numbers divided by the largest of A x and A'u. */
static bool adjoint_holds(const struct kr_check *check, size_t c, double *left, double *right)
{
    const size_t m = check->op->rows, n = check->op->cols;
    const double *u = check->U + c * m, *Ax = check->AX + c * m, *x = check->X + c * n,
                 *Au = check->AU + c * n;
    const double scale = fmax(kr_check_largest(m, Ax), kr_check_largest(n, Au));
    if (scale == 0)
        return true;
    const double size = fmax(kr_check_norm(m, u, 1) * kr_check_norm(m, Ax, scale),
                             kr_check_norm(n, x, 1) * kr_check_norm(n, Au, scale));
    const double l = kr_check_dot(m, u, Ax, scale), r = kr_check_dot(n, x, Au, scale);
    *left = l * scale;
    *right = r * scale;
    return fabs(l - r) <= 1e-10 * size + (double)(m + n) * (DBL_TRUE_MIN / scale);
}

/* Where A u and A'u of a square operator differ most; false where they do nowhere. */
static bool differs(size_t n, const double *Au, const double *Atu, size_t *at)
{
    double most = 0;
    const double allowed = 1e-10 * fmax(kr_check_largest(n, Au), kr_check_largest(n, Atu)) + DBL_MIN;
    for (size_t i = 0; i < n; i++)
        if (fabs(Au[i] - Atu[i]) > most) {
            most = fabs(Au[i] - Atu[i]);
            *at = i;
        }
    return most > allowed;
}

/* A symmetric operator whose adjoint is its product, as it says, may still not be symmetric: then the adjoint
 * identity fails, and the words must say which promise it was. */
static kr_status check_adjoint(const struct kr_check *check)
{
    const struct kr_op *op = check->op;
    double *plain = NULL, left, right;
    struct kr_mark mark = kr_mark(check->ctx);
    if (op->symmetric) {
        KR_TRY(kr_check_output(check->ctx, op->rows * check->k, &plain));
        KR_TRY(kr_check_multiply(check, false, check->k, check->U, plain));
    }
    for (size_t c = 0; c < check->k; c++) {
        size_t at = 0;
        const bool two = plain && differs(op->rows, plain + c * op->rows, check->AU + c * op->cols, &at);
        if (!adjoint_holds(check, c, &left, &right))
            return kr_fail(check->ctx, KR_INVALID, "",
                           plain && !two ? KR_NAMED "it says that it is symmetric and is not: <u, A x> = "
                                                    "%.17g, but <A u, x> = %.17g (%.6g times it), probe %zu"
                                         : KR_NAMED "the adjoint is wrong: <u, A x> = %.17g, but <A'u, x> = "
                                                    "%.17g (%.6g times it), probe %zu",
                           KR_NAME_OF(op), left, right, right / left, c);
        if (two)
            return kr_fail(check->ctx, KR_INVALID, "",
                           KR_NAMED "it says that it is symmetric and is not: row %zu is %.17g in A u and "
                                    "%.17g in A'u, probe %zu",
                           KR_NAME_OF(op), at, plain[c * op->rows + at], check->AU[c * op->cols + at], c);
    }
    kr_release(check->ctx, mark);
    return KR_OK;
}

static kr_status check_form(struct kr_ctx *ctx, const struct kr_op *op)
{
    if (!op || !op->type)
        return kr_fail(ctx, KR_INVALID, "", "an operator needs a type");
    if (!op->type->name)
        return kr_fail(ctx, KR_INVALID, "", "an operator's type needs a name");
    if (!op->type->apply || !op->type->apply_t)
        return kr_fail(ctx, KR_INVALID, "", KR_NAMED "its type has no %s", KR_NAME_OF(op),
                       op->type->apply ? "apply_t" : "apply");
    if (op->symmetric && op->rows != op->cols)
        return kr_fail(ctx, KR_INVALID, "", KR_NAMED "it says that it is symmetric and is not square",
                       KR_NAME_OF(op));
    return KR_OK;
}

kr_status kr_op_check(struct kr_ctx *ctx, const struct kr_op *op, size_t probes, uint64_t seed, size_t count,
                      double *theta)
{
    KR_TRY(check_form(ctx, op));
    struct kr_check check = {.ctx = ctx, .op = op, .k = probes, .seed = seed};
    struct kr_mark mark = kr_mark(ctx);
    struct kr_rng rng;
    kr_rng_init(&rng, seed, 1);
    KR_TRY(kr_block(ctx, op->cols, probes, &check.X));
    KR_TRY(kr_block(ctx, op->rows, probes, &check.U));
    kr_check_normals(&rng, op->cols * probes, check.X);
    kr_check_normals(&rng, op->rows * probes, check.U);
    KR_TRY(kr_check_output(ctx, op->rows * probes, &check.AX));
    KR_TRY(kr_check_output(ctx, op->cols * probes, &check.AU));
    KR_TRY(check_block(&check, false, check.X, check.AX));
    KR_TRY(check_block(&check, true, check.U, check.AU));
    KR_TRY(check_adjoint(&check));
    KR_TRY(kr_check_entries(&check));
    if (theta && count)
        KR_TRY(kr_check_pull(&check, count, theta));
    kr_release(ctx, mark);
    return KR_OK;
}
