/*
 * Diagonal scaling from products alone: the squared lengths of A's columns are the means of (A'z)_j^2 over
 * random z of +-1 (of its rows, of (A z)_i^2), here over 32 of them: within a quarter or so, which is enough.
 *
 *     damped, any shape   N = diag(|a_j|^2 + lambda^2)^-1/2     [A; lambda I] N y, x = N y
 *     tall                N = diag(|a_j|)^-1                    A N y
 *     wide                M = diag(|a_i|)^-1, rows              M A x = M b
 *
 * Undamped, scaling keeps the problem only where the columns (rows) are independent: of dependent ones there
 * are many combinations, and the shortest y is not the shortest x. That is tried with a problem whose
 * solution is known: z random, A z given, does the solve return z? If not, there is no scaling.
 */
#include "solve/lstsq_impl.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { PROBES = 32, BATCH = 8, MANY = 1 << 22, STREAM = 0x1acb1 };
static const double TEST_TOLERANCE = 1e-12;

static kr_status scale(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const double *diagonal = op->self;
    const size_t n = op->rows;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n * k > 65536)
    for (size_t t = 0; t < n * k; t++)
        Y[t] = diagonal[t % n] * X[t];
    return KR_OK;
}

static const struct kr_op_type scaling = {.name = "scaling", .apply = scale, .apply_t = scale};

/* Z (length x count) of +-1, probes first..; one stream each. */
static void signs(struct kr_ctx *ctx, uint64_t seed, size_t length, size_t first, size_t count, double *Z)
{
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (size_t c = 0; c < count; c++) {
        struct kr_rng rng;
        uint64_t bits = 0;
        kr_rng_init(&rng, seed, STREAM + first + c);
        for (size_t i = 0; i < length; i++, bits >>= 1) {
            if (i % 64 == 0)
                bits = kr_rng_next(&rng);
            Z[c * length + i] = bits & 1 ? 1 : -1;
        }
    }
}

kr_status kr_lstsq_lengths(struct kr_ctx *ctx, struct kr_lstsq *problem, bool rows, size_t probes,
                           double *lengths, double *norm)
{
    const struct kr_op *A = &problem->A;
    const size_t from = rows ? A->cols : A->rows, to = rows ? A->rows : A->cols,
                 batch = from + to <= MANY ? BATCH : 1;
    double *Z, *AZ;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, Z, from * batch);
    KR_ALLOC(ctx, AZ, to * batch);
    memset(lengths, 0, to * sizeof *lengths);
    for (size_t first = 0; first < probes; first += batch) {
        signs(ctx, problem->options->seed, from, first, batch, Z);
        KR_TRY(rows ? kr_op_apply(ctx, A, batch, Z, AZ) : kr_op_apply_t(ctx, A, batch, Z, AZ));
        for (size_t c = 0; c < batch; c++)
            for (size_t i = 0; i < to; i++)
                lengths[i] = hypot(lengths[i], AZ[c * to + i]);
    }
    problem->products += probes;
    cblas_dscal((int)to, 1 / sqrt((double)probes), lengths, 1);
    *norm = cblas_dnrm2((int)to, lengths, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

/* Are the columns (rows, for a wide A) independent, as far as a scaled solve can tell? */
static kr_status independent(struct kr_ctx *ctx, struct kr_lstsq *problem,
                             const struct kr_lstsq_factor *factor, bool *out)
{
    struct kr_lstsq_side side = {.A = problem->A,
                                 .atol = TEST_TOLERANCE,
                                 .btol = TEST_TOLERANCE,
                                 .options = problem->options,
                                 .factor = factor};
    double *z, *Az, *x, *r;
    struct kr_lstsq_column fact;
    struct kr_lstsq_detail detail;
    struct kr_rng rng;
    if (factor->on_rows)
        KR_TRY(kr_op_transpose(ctx, &problem->A, &side.A));
    const size_t m = side.A.rows, n = side.A.cols;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, z, n);
    KR_ALLOC(ctx, x, n);
    KR_ALLOC(ctx, Az, m);
    KR_ALLOC(ctx, r, m);
    kr_rng_init(&rng, problem->options->seed, STREAM + PROBES);
    for (size_t i = 0; i < n; i++)
        z[i] = kr_rng_normal(&rng);
    KR_TRY(kr_op_apply(ctx, &side.A, 1, z, Az));
    problem->products++;
    KR_TRY(kr_lstsq_rounds(ctx, &side, 1, Az, NULL, x, r, &fact, &detail, &problem->products));
    cblas_daxpy((int)n, -1, z, 1, x, 1);
    /* A component outside the rows of A is about 1/sqrt(n) of z, or more. */
    *out = fact.stop <= KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION &&
           cblas_dnrm2((int)n, x, 1) <= 1e-3 / sqrt((double)n) * cblas_dnrm2((int)n, z, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_lstsq_jacobi(struct kr_ctx *ctx, struct kr_lstsq *problem, struct kr_lstsq_factor *out,
                          const char **refused)
{
    const struct kr_op *A = &problem->A;
    const bool rows = problem->damping == 0 && A->rows < A->cols;
    const size_t n = rows ? A->rows : A->cols;
    double *diagonal;
    bool fits = true;
    *refused = NULL;
    KR_ALLOC(ctx, diagonal, n);
    KR_TRY(kr_lstsq_lengths(ctx, problem, rows, PROBES, diagonal, &out->norm));
    if (!isfinite(out->norm)) {
        *refused = "no preconditioner: products with random vectors are not finite";
        return KR_OK;
    }
    for (size_t i = 0; i < n; i++) {
        const double length = hypot(diagonal[i], problem->damping);
        diagonal[i] = length > 0 ? 1 / length : 1;
    }
    out->F = (struct kr_op){&scaling, n, n, true, diagonal};
    out->on_rows = rows;
    if (problem->damping == 0)
        KR_TRY(independent(ctx, problem, out, &fits));
    if (!fits)
        *refused = rows ? "no preconditioner: rows seem dependent, scaling would change the solution"
                        : "no preconditioner: columns seem dependent, scaling would change the solution";
    return KR_OK;
}
