/*
 * A preconditioner from a random sketch (LSRN: Meng, Saunders and Mahoney, SIAM J. Sci. Comput. 36, 2014).
 * With d the smaller and l the larger dimension, s = ceil(factor d) and G (l x s) random of variance 1/s:
 *
 *     tall  A'G = V Sigma W'  (n x s)     N = V Sigma^-1   A N is well-conditioned, x = N y
 *     wide  A G = U Sigma W'  (m x s)     M = Sigma^-1 U'  M A is well-conditioned, M A x = M b
 *     damped: Sigma becomes sqrt(Sigma^2 + lambda^2), which is exact for the lambda I of [A; lambda I]
 *
 * Undamped, singular values below rank_tolerance of the largest are cut off: N spans the rows of A and no
 * more, so that the shortest minimiser is kept. cond(A N) is about (sqrt(f) + 1)/(sqrt(f) - 1), f the sketch
 * factor (3.7 for 3), whatever cond(A) is. Where s would reach l, G is the identity: the factor is exact.
 *
 * The entries of G are uniform, not normal: as good an embedding at an eighth of the time of drawing (entries
 * of +-1 are cheaper still, but two rows of a small sketch may then agree). Each column has a stream of its
 * own: the same numbers for any number of threads.
 *
 * Cost: min(s, l) products, O(s d^2) flops for an LQ and an SVD of its factor; memory d (s + 11 d) doubles.
 */
#include "solve/lstsq_impl.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { BATCH = 64, BATCH_NUMBERS = 1 << 24, STREAM = 0x5ce7c4 };

extern void dgelqf_(const int *m, const int *n, double *A, const int *lda, double *tau, double *work,
                    const int *lwork, int *info);
extern void dgesdd_(const char *jobz, const int *m, const int *n, double *A, const int *lda, double *s,
                    double *U, const int *ldu, double *Vt, const int *ldvt, double *work, const int *lwork,
                    int *iwork, int *info);

struct sketch {
    struct kr_op A;
    bool tall;
    size_t d, l, s, batch;
    bool exact;            /* G is the identity */
    double *W, *U, *sigma; /* d x s, its left singular vectors (d x d) and values */
};

static void shape(const struct kr_lstsq *problem, struct sketch *k)
{
    const size_t m = problem->A.rows, n = problem->A.cols;
    *k = (struct sketch){.A = problem->A, .tall = m >= n, .d = m < n ? m : n, .l = m < n ? n : m};
    const double wanted = ceil(problem->options->sketch_factor * (double)k->d);
    k->exact = wanted >= (double)k->l;
    k->s = k->exact ? k->l : (size_t)wanted;
    /* Products share what they cost in blocks; of very long columns fewer fit. */
    k->batch = BATCH_NUMBERS / k->l < 1 ? 1 : BATCH_NUMBERS / k->l < BATCH ? BATCH_NUMBERS / k->l : BATCH;
    k->batch = k->s < k->batch ? k->s : k->batch;
}

size_t kr_lstsq_sketch_products(const struct kr_lstsq *problem)
{
    struct sketch k;
    shape(problem, &k);
    return k.s;
}

double kr_lstsq_sketch_bytes(const struct kr_lstsq *problem)
{
    struct sketch k;
    shape(problem, &k);
    return 8 * ((double)k.d * ((double)k.s + 11 * (double)k.d) + (double)(k.l * k.batch));
}

/* Columns first.. of G, not yet divided by sqrt(s). */
static void draw(struct kr_ctx *ctx, const struct sketch *k, uint64_t seed, size_t first, size_t count,
                 double *G)
{
    if (k->exact) {
        memset(G, 0, k->l * count * sizeof *G);
        for (size_t c = 0; c < count; c++)
            G[c * k->l + first + c] = 1;
        return;
    }
    const double width = sqrt(12);
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (size_t c = 0; c < count; c++) {
        struct kr_rng rng;
        kr_rng_init(&rng, seed, STREAM + first + c);
        for (size_t i = 0; i < k->l; i++)
            G[c * k->l + i] = width * (kr_rng_uniform(&rng) - 0.5);
    }
}

/* W = A'G or A G, a batch of columns at a time. */
static kr_status multiply(struct kr_ctx *ctx, struct sketch *k, uint64_t seed)
{
    double *G;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, G, k->l * k->batch);
    for (size_t first = 0; first < k->s; first += k->batch) {
        const size_t count = k->s - first < k->batch ? k->s - first : k->batch;
        draw(ctx, k, seed, first, count, G);
        KR_TRY(k->tall ? kr_op_apply_t(ctx, &k->A, count, G, k->W + first * k->d)
                       : kr_op_apply(ctx, &k->A, count, G, k->W + first * k->d));
    }
    if (!k->exact)
        for (size_t c = 0; c < k->s; c++)
            cblas_dscal((int)k->d, 1 / sqrt((double)k->s), k->W + c * k->d, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

/* L (d x d) of W = L Q, in place of the first columns of W. */
static kr_status triangle(struct kr_ctx *ctx, struct sketch *k, int *info)
{
    const int d = (int)k->d, s = (int)k->s, ask = -1;
    double *tau, *work, length;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, tau, k->d);
    dgelqf_(&d, &s, k->W, &d, tau, &length, &ask, info);
    const int lwork = (int)length;
    KR_ALLOC(ctx, work, (size_t)lwork);
    dgelqf_(&d, &s, k->W, &d, tau, work, &lwork, info);
    for (size_t j = 1; j < k->d; j++)
        memset(k->W + j * k->d, 0, j * sizeof *k->W);
    kr_release(ctx, mark);
    return KR_OK;
}

/* U and sigma of W. *info is not 0 when LAPACK gave up. */
static kr_status factorise(struct kr_ctx *ctx, struct sketch *k, int *info)
{
    const int d = (int)k->d, ask = -1;
    double *Vt, *work, length;
    int *integers;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(triangle(ctx, k, info));
    KR_ALLOC(ctx, Vt, k->d * k->d);
    KR_ALLOC(ctx, integers, 8 * k->d);
    dgesdd_("S", &d, &d, k->W, &d, k->sigma, k->U, &d, Vt, &d, &length, &ask, integers, info);
    const int lwork = (int)length;
    KR_ALLOC(ctx, work, (size_t)lwork);
    dgesdd_("S", &d, &d, k->W, &d, k->sigma, k->U, &d, Vt, &d, work, &lwork, integers, info);
    kr_release(ctx, mark);
    return KR_OK;
}

/* The number of singular values that count, and whether it hangs by a thread: one that counts or one that
 * does not is within a factor of 100 of the threshold, and more than the rounding of a zero. */
static void find_rank(const struct sketch *k, struct kr_lstsq *problem)
{
    const double tolerance = problem->options->rank_tolerance, largest = k->sigma[0];
    size_t rank = 0;
    while (rank < k->d && k->sigma[rank] > tolerance * largest)
        rank++;
    problem->rank = rank;
    if (problem->damping > 0 || rank == 0)
        return;
    const double kept = k->sigma[rank - 1], cut = rank < k->d ? k->sigma[rank] : 0;
    problem->near_rank_change = kept < 100 * tolerance * largest ||
                                cut > largest * fmax(tolerance / 100, 10 * DBL_EPSILON * sqrt((double)k->d));
}

static kr_status make_factor(struct kr_ctx *ctx, const struct sketch *k, const struct kr_lstsq *problem,
                             struct kr_lstsq_factor *out)
{
    const size_t r = problem->damping > 0 ? k->d : problem->rank;
    double square = 0;
    for (size_t j = 0; j < r; j++)
        cblas_dscal((int)k->d, 1 / hypot(k->sigma[j], problem->damping), k->U + j * k->d, 1);
    for (size_t j = 0; j < k->d; j++)
        square += k->sigma[j] / k->sigma[0] * (k->sigma[j] / k->sigma[0]);
    out->norm = k->sigma[0] * sqrt(square);
    out->on_rows = !k->tall;
    return kr_op_dense(ctx, k->d, r, k->U, &out->F);
}

static bool all_finite(const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

kr_status kr_lstsq_sketch(struct kr_ctx *ctx, struct kr_lstsq *problem, struct kr_lstsq_factor *out,
                          const char **refused)
{
    struct sketch k;
    int info = 0;
    shape(problem, &k);
    *refused = NULL;
    KR_ALLOC(ctx, k.U, k.d * k.d);
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, k.sigma, k.d);
    KR_ALLOC(ctx, k.W, k.d * k.s);
    KR_TRY(multiply(ctx, &k, problem->options->seed));
    problem->products += k.s;
    if (!all_finite(k.W, k.d * k.s)) {
        *refused = "no preconditioner: the sketch of A is not finite";
        return KR_OK;
    }
    KR_TRY(factorise(ctx, &k, &info));
    if (info != 0) {
        *refused = "no preconditioner: the singular values of the sketch were not found";
        return KR_OK;
    }
    if (k.sigma[0] == 0) {
        *refused = "no preconditioner: the sketch of A is zero";
        return KR_OK;
    }
    find_rank(&k, problem);
    KR_TRY(make_factor(ctx, &k, problem, out));
    kr_release(ctx, mark);
    return KR_OK;
}
