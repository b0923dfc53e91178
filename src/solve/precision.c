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
#include "solve/precision.h"

#include <math.h>

#define SINGLE_NOISE 3e-4

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

kr_status kr_solver_choose_precision(struct kr_ctx *ctx, struct kr_solver *out)
{
    const struct kr_op *A = &out->A;
    const int precision = out->options->precision;
    bool pays = precision == KR_PRECISION_MIXED;
    if (!out->type->refines || !kr_op_single(A))
        return KR_OK;
    if (precision == KR_PRECISION_AUTO)
        KR_TRY(pays_in_single(ctx, A, &out->P, &pays));
    out->single = pays ? kr_op_single(A) : NULL;
    return KR_OK;
}
