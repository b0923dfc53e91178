/*
 * The optional answers against the products: `probes` columns of A, by A e_j. columns, diagonal and (up to
 * 2^20 entries) fill must hold the same numbers, to 1e-10 of the column's largest; A x = B x + D x where the
 * operator says that it is B + diag(D); A x = S x to 1e-5 |A x| where S is its single precision form. Cost: 2
 * products of a block, 2 more in single precision; the memory of what is asked for.
 */
#include "op/block.h"
#include "op/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_FILLED = 1 << 20 };
#define TOLERANCE        1e-10
#define SINGLE_TOLERANCE 1e-5

/* Columns of A by products: count of them, at index. */
struct known {
    size_t count, *index;
    double *columns, *allowed; /* rows x count; what a column's entries may be off by */
};

static kr_status known_columns(const struct kr_check *check, struct known *out)
{
    const struct kr_op *op = check->op;
    double *units;
    struct kr_rng rng;
    out->count = op->cols ? check->k : 0;
    kr_rng_init(&rng, check->seed, 2);
    KR_ALLOC(check->ctx, out->index, out->count);
    KR_TRY(kr_block(check->ctx, op->cols, out->count, &units));
    KR_TRY(kr_check_output(check->ctx, op->rows * out->count, &out->columns));
    for (size_t c = 0; c < out->count; c++) {
        out->index[c] = kr_rng_below(&rng, op->cols);
        units[c * op->cols + out->index[c]] = 1;
    }
    KR_TRY(kr_check_multiply(check, false, out->count, units, out->columns));
    KR_ALLOC(check->ctx, out->allowed, out->count);
    for (size_t c = 0; c < out->count; c++)
        out->allowed[c] = TOLERANCE * kr_check_largest(op->rows, out->columns + c * op->rows) + DBL_MIN;
    return KR_OK;
}

/* The entry (row i, known column c) as answered, against the product's. */
static kr_status compare(const struct kr_check *check, const struct known *known, const char *what, size_t i,
                         size_t c, double answer)
{
    const struct kr_op *op = check->op;
    const double *column = known->columns + c * op->rows;
    if (fabs(answer - column[i]) <= known->allowed[c])
        return KR_OK;
    return kr_fail(check->ctx, KR_INVALID, "",
                   KR_NAMED
                   "%s says that row %zu of column %zu of A is %.17g, its product with a unit vector "
                   "that it is %.17g",
                   KR_NAME_OF(op), what, i, known->index[c], answer, column[i]);
}

static kr_status check_columns(const struct kr_check *check, const struct known *known)
{
    const struct kr_op *op = check->op;
    double *out;
    KR_TRY(kr_check_output(check->ctx, op->rows * known->count, &out));
    KR_TRY(kr_op_columns(check->ctx, op, known->count, known->index, out));
    KR_TRY(kr_check_inspect(check->ctx, op, "columns", op->rows, known->count, out));
    for (size_t c = 0; c < known->count; c++)
        for (size_t i = 0; i < op->rows; i++)
            KR_TRY(compare(check, known, "columns", i, c, out[c * op->rows + i]));
    return KR_OK;
}

static kr_status check_diagonal(const struct kr_check *check, const struct known *known)
{
    const struct kr_op *op = check->op;
    double *out;
    KR_TRY(kr_check_output(check->ctx, op->rows, &out));
    KR_TRY(kr_op_diagonal(check->ctx, op, out));
    KR_TRY(kr_check_inspect(check->ctx, op, "diagonal", op->rows, 1, out));
    for (size_t c = 0; c < known->count; c++)
        KR_TRY(compare(check, known, "diagonal", known->index[c], c, out[known->index[c]]));
    return KR_OK;
}

/* The upper triangle of a symmetric operator may hold anything. */
static kr_status check_fill(const struct kr_check *check, const struct known *known)
{
    const struct kr_op *op = check->op;
    double *out;
    KR_TRY(kr_check_output(check->ctx, op->rows * op->cols, &out));
    KR_TRY(kr_op_fill(check->ctx, op, out));
    for (size_t j = 0; op->symmetric && j < op->cols; j++)
        memset(out + j * op->rows, 0, j * sizeof *out);
    KR_TRY(kr_check_inspect(check->ctx, op, "fill", op->rows, op->cols, out));
    for (size_t c = 0; c < known->count; c++)
        for (size_t i = op->symmetric ? known->index[c] : 0; i < op->rows; i++)
            KR_TRY(compare(check, known, "fill", i, c, out[known->index[c] * op->rows + i]));
    return KR_OK;
}

static kr_status check_shifted(const struct kr_check *check)
{
    const struct kr_op *op = check->op, *inner;
    const size_t n = op->rows;
    double *D, *Bx;
    KR_TRY(kr_check_output(check->ctx, n, &D));
    inner = kr_op_shifted(op, D);
    if (!inner)
        return KR_OK;
    if (inner->rows != n || op->cols != n || inner->cols != n)
        return kr_fail(check->ctx, KR_INVALID, "",
                       KR_NAMED "shifted says that it is a %zu x %zu operator and a diagonal", KR_NAME_OF(op),
                       inner->rows, inner->cols);
    KR_TRY(kr_check_inspect(check->ctx, op, "shifted", n, 1, D));
    KR_TRY(kr_block(check->ctx, n, check->k, &Bx));
    KR_TRY(kr_op_apply(check->ctx, inner, check->k, check->X, Bx));
    const double largest = fmax(kr_check_largest(n, D) * kr_check_largest(n * check->k, check->X),
                                kr_check_largest(n * check->k, Bx));
    for (size_t i = 0; i < n * check->k; i++) {
        const double sum = Bx[i] + D[i % n] * check->X[i];
        if (!(fabs(sum - check->AX[i]) <= TOLERANCE * largest + DBL_MIN))
            return kr_fail(check->ctx, KR_INVALID, "",
                           KR_NAMED "shifted says that A = B + diag(D), but row %zu of column %zu of %zu is "
                                    "%.17g in A X and %.17g in B X + D X",
                           KR_NAME_OF(op), i % n, i / n, check->k, check->AX[i], sum);
    }
    return KR_OK;
}

/* |A x - (A in single) x| <= 1e-5 |A x|, and its adjoint, for each probe. A normal x sees all entries alike,
 * so this is of the order of the entries' relative error. */
static kr_status compare_single(const struct kr_check *check, const struct kr_op *cheap, bool adjoint)
{
    const struct kr_op *op = check->op;
    const size_t rows = adjoint ? op->cols : op->rows;
    const char *what = adjoint ? "A'U" : "A X";
    const struct kr_check other = {.ctx = check->ctx, .op = cheap, .k = check->k, .seed = check->seed};
    double *got;
    KR_TRY(kr_check_output(check->ctx, rows * check->k, &got));
    KR_TRY(kr_check_multiply(&other, adjoint, check->k, adjoint ? check->U : check->X, got));
    for (size_t c = 0; c < check->k; c++) {
        const double *wanted = (adjoint ? check->AU : check->AX) + c * rows;
        const double scale = kr_check_largest(rows, wanted) + DBL_MIN;
        for (size_t i = 0; i < rows; i++)
            got[c * rows + i] -= wanted[i];
        const double off = kr_check_norm(rows, got + c * rows, scale),
                     size = kr_check_norm(rows, wanted, scale);
        if (!(off <= SINGLE_TOLERANCE * size))
            return kr_fail(check->ctx, KR_INVALID, "",
                           KR_NAMED
                           "its single precision form differs in %s of probe %zu by %.3g of its size",
                           KR_NAME_OF(op), what, c, off / size);
    }
    return KR_OK;
}

static kr_status check_single(const struct kr_check *check)
{
    const struct kr_op *op = check->op, *cheap = kr_op_single(op);
    if (!cheap)
        return KR_OK;
    if (cheap->rows != op->rows || cheap->cols != op->cols || cheap->symmetric != op->symmetric)
        return kr_fail(check->ctx, KR_INVALID, "", KR_NAMED "its single precision form is %zu x %zu%s",
                       KR_NAME_OF(op), cheap->rows, cheap->cols,
                       cheap->symmetric ? " and symmetric" : " and not symmetric");
    KR_TRY(compare_single(check, cheap, false));
    return compare_single(check, cheap, true);
}

kr_status kr_check_entries(const struct kr_check *check)
{
    const struct kr_op *op = check->op;
    const bool filled = op->type->fill && op->cols && op->rows <= MOST_FILLED / op->cols,
               diagonal = op->type->diagonal && op->rows == op->cols;
    struct known known;
    struct kr_mark mark = kr_mark(check->ctx);
    if (op->type->columns || diagonal || filled) {
        KR_TRY(known_columns(check, &known));
        if (op->type->columns)
            KR_TRY(check_columns(check, &known));
        if (diagonal)
            KR_TRY(check_diagonal(check, &known));
        if (filled)
            KR_TRY(check_fill(check, &known));
    }
    if (op->type->shifted)
        KR_TRY(check_shifted(check));
    if (op->type->single)
        KR_TRY(check_single(check));
    kr_release(check->ctx, mark);
    return KR_OK;
}
