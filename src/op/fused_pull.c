/*
 * grad += alpha d<U, K V>/dtheta, or sum_ij W_ij dK_ij/dtheta, of kernels with fused tiles: all parameters in
 * one pass over the tiles (kernel/fused_pull.h), a Gram matrix by its pairs of blocks with W + W' as weights.
 * With x scaled so that |x - z|^2/2 = |s| and D_k = sum_ij W_ij dg/ds (x_ik - z_jk)^2,
 *
 *     by variance  sum W g      by lengthscale k  -sign(s) v D_k / l_k      by shape  v sum W dg/dshape
 *
 * Every block has its own sums, in double over its tiles, which are added up in order: the same bits for any
 * number of threads. Cost of n m entries: n m (2 d + profile + 4 + pairs) multiply-adds, half for a Gram
 * matrix with twice the pairs. Memory: (n + m) (d + k) numbers packed, d + 2 a block, and per thread KR_PANEL
 * BLOCK (d + 2) numbers, for W given a strip of KR_PANEL rows more.
 */
#include "kernel/vmath.h"
#include "op/fused.h"

#include <string.h>

enum { BLOCK = 8 /* panels */, MOST_PAIRS = 64 };

struct pull {
    struct kr_ctx *ctx;
    const struct kr_fused_weights *weights;
    const struct kr_fused *fused;
    struct kr_packing packing;
    struct kr_packed x, z; /* rows and columns */
    bool gram;
    int threads;
    size_t size, k;    /* of a number; pairs of vectors at a time */
    const void *u, *v; /* of rows and columns; of a Gram matrix U and V */
    double *lanes;     /* (d + 2) a block */
    char *memory;
    size_t per_thread;
};

/* A thread's part: sums of rows, of columns, moments of columns, the strip of weights. */
struct parts {
    char *rows, *cols, *moments, *strip;
};

static struct parts parts_of(const struct pull *p)
{
    const size_t block = BLOCK * KR_PANEL * p->size;
    char *base = p->memory + (size_t)kr_thread() * p->per_thread;
    return (struct parts){base, base + block, base + 2 * block, base + (2 + p->x.d) * block};
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const void *at(const void *base, size_t index, size_t size)
{
    return (const char *)base + index * size;
}

/* W of row i (of the tiles) and column j; twice: W_ij + W_ji. */
static double weight(const struct pull *p, size_t i, size_t j, bool twice)
{
    const struct kr_fused_weights *w = p->weights;
    if (i >= p->x.n || j >= p->z.n)
        return 0;
    return (w->transposed ? w->W[j * w->ld + i] : w->W[i * w->ld + j]) + (twice ? w->W[j * w->ld + i] : 0);
}

static void fill_strip(const struct pull *p, size_t i, size_t j, size_t cols, bool twice, void *strip)
{
    for (size_t r = 0; r < KR_PANEL; r++)
        for (size_t c = 0; c < cols * KR_PANEL; c++) {
            const double value = weight(p, i * KR_PANEL + r, j * KR_PANEL + c, twice);
            if (p->packing.single)
                ((float *)strip)[r * cols * KR_PANEL + c] = (float)value;
            else
                ((double *)strip)[r * cols * KR_PANEL + c] = value;
        }
}

/* Panel i of rows by the panels (j, cols), into the parts from row panel `r` and column panel `c` on. */
static void rectangle(const struct pull *p, size_t i, size_t j, size_t cols, bool twice, size_t r, size_t c,
                      double *lane)
{
    const struct parts parts = parts_of(p);
    const size_t d = p->x.d, panel = p->k * KR_PANEL;
    struct kr_fused_pull pull = {.at = {.d = d,
                                        .k = p->k,
                                        .rows = 1,
                                        .cols = cols,
                                        .tail = at_most(p->x.n - i * KR_PANEL, KR_PANEL),
                                        .x = at(p->x.x, i * KR_PANEL * d, p->size),
                                        .z = at(p->z.x, j * KR_PANEL * d, p->size),
                                        .hx = at(p->x.h, i * KR_PANEL, p->size),
                                        .hz = at(p->z.h, j * KR_PANEL, p->size),
                                        .nx = p->x.norm + i,
                                        .nz = p->z.norm + j,
                                        .limit = p->packing.expand,
                                        .shape = p->packing.shape,
                                        .features = d},
                                 .row_sums = parts.rows + r * KR_PANEL * p->size,
                                 .col_sums = parts.cols + c * KR_PANEL * p->size,
                                 .col_moments = parts.moments + c * d * KR_PANEL * p->size,
                                 .squares = lane + 2};
    if (p->weights->W) {
        fill_strip(p, i, j, cols, twice, parts.strip);
        pull.weights = parts.strip;
    } else {
        pull.at.u = at(p->u, i * panel, p->size);
        pull.at.v = at(p->v, j * panel, p->size);
        pull.ut = twice ? at(p->v, i * panel, p->size) : NULL;
        pull.vt = twice ? at(p->u, j * panel, p->size) : NULL;
    }
    p->fused->pull[kr_fused_level()][!p->packing.single](&pull);
    lane[0] += pull.sums[0];
    lane[1] += pull.sums[1];
}

/* sum over a panel of x (x a + b), in the order of eight lanes. */
#define KR_PANEL_SUM(number)                                                                                 \
    KR_CLONES static double panel_sum_##number(const number *x, const number *a, const number *b,            \
                                               double times)                                                 \
    {                                                                                                        \
        double sums[8] = {0};                                                                                \
        for (size_t e = 0; e < KR_PANEL; e += 8)                                                             \
            for (size_t l = 0; l < 8; l++) {                                                                 \
                const double at = (double)x[e + l];                                                          \
                sums[l] += at * (at * (double)a[e + l] + times * (double)b[e + l]);                          \
            }                                                                                                \
        return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));    \
    }
KR_PANEL_SUM(float)
KR_PANEL_SUM(double)

static double panel_sum(const struct pull *p, const void *x, const void *a, const void *b, double times)
{
    return p->packing.single ? panel_sum_float(x, a, b, times) : panel_sum_double(x, a, b, times);
}

/* D_k from the sums of rows and columns and the moments of `rows` and `cols` panels from i and j. */
static void contract(const struct pull *p, size_t i, size_t rows, size_t j, size_t cols, double *lane)
{
    const struct parts parts = parts_of(p);
    const size_t d = p->x.d;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < d; k++) {
            const void *x = at(p->x.x, ((i + r) * d + k) * KR_PANEL, p->size),
                       *sums = at(parts.rows, r * KR_PANEL, p->size);
            lane[2 + k] += panel_sum(p, x, sums, sums, 0);
        }
    for (size_t c = 0; c < cols; c++)
        for (size_t k = 0; k < d; k++)
            lane[2 + k] += panel_sum(p, at(p->z.x, ((j + c) * d + k) * KR_PANEL, p->size),
                                     at(parts.cols, c * KR_PANEL, p->size),
                                     at(parts.moments, (c * d + k) * KR_PANEL, p->size), -2);
}

/* Blocks i and j of a Gram matrix. */
static void pair(void *self, size_t i, size_t j)
{
    const struct pull *p = self;
    const size_t d = p->x.d, first = i * BLOCK, second = j * BLOCK,
                 rows = at_most(BLOCK, p->x.panels - first), cols = at_most(BLOCK, p->z.panels - second);
    double *lane = p->lanes + i * (d + 2);
    if (kr_due(p->ctx))
        return;
    memset(parts_of(p).rows, 0, BLOCK * KR_PANEL * p->size * (d + 2));
    for (size_t r = 0; r < rows; r++) {
        const size_t past = i == j ? r + 1 : 0; /* on the diagonal: the panels of columns behind r */
        if (i == j)
            rectangle(p, first + r, first + r, 1, false, r, r, lane);
        if (past < cols)
            rectangle(p, first + r, second + past, cols - past, true, r, past, lane);
    }
    contract(p, first, rows, second, cols, lane);
}

static kr_status blocks_of_columns(struct pull *p, size_t blocks)
{
    const size_t d = p->x.d;
#pragma omp parallel for schedule(dynamic) num_threads(p->threads)
    for (size_t j = 0; j < blocks; j++) {
        const size_t cols = at_most(BLOCK, p->z.panels - j * BLOCK);
        for (size_t i = 0; i < p->x.panels && !kr_due(p->ctx); i += BLOCK) {
            const size_t rows = at_most(BLOCK, p->x.panels - i);
            memset(parts_of(p).rows, 0, BLOCK * KR_PANEL * p->size * (d + 2));
            for (size_t r = 0; r < rows; r++)
                rectangle(p, i + r, j * BLOCK, cols, false, r, 0, p->lanes + j * (d + 2));
            contract(p, i, rows, j * BLOCK, cols, p->lanes + j * (d + 2));
        }
    }
    return KR_OK;
}

/* Some pairs of vectors, from first on. */
static kr_status pull_pairs(struct pull *p, size_t first, size_t k, size_t blocks)
{
    const struct kr_fused_weights *w = p->weights;
    void *u = NULL, *v = NULL;
    p->k = k;
    p->threads = kr_fused_threads(p->ctx, p->x.n, p->z.n, 2 * p->x.d + 20 + k);
    if (!w->W) {
        const double *rows = w->transposed ? w->V : w->U, *cols = w->transposed ? w->U : w->V;
        KR_TRY(kr_fused_vectors(p->ctx, p->x.n, k, p->packing.single, rows + first * p->x.n, &u));
        KR_TRY(kr_fused_vectors(p->ctx, p->z.n, k, p->packing.single, cols + first * p->z.n, &v));
    }
    p->u = u;
    p->v = v;
    return p->gram ? kr_each_pair(p->ctx, blocks, p->threads, pair, p) : blocks_of_columns(p, blocks);
}

static void add_gradient(const struct pull *p, const double *theta, size_t blocks, double *grad)
{
    const struct kr_kernel *kernel = p->packing.kernel;
    const size_t d = p->x.d;
    const double alpha = p->weights->alpha, v = alpha * p->packing.variance;
    for (size_t b = 0; b < blocks; b++) {
        const double *lane = p->lanes + b * (d + 2);
        grad[kernel->first] += alpha * lane[0];
        if (p->fused->shaped)
            grad[kernel->first + kernel->nparams - 1] += v * lane[1];
        for (size_t k = 0; k < d; k++) {
            const size_t at_length = kernel->first + 1 + (kernel->entries[1] == 1 ? 0 : k);
            grad[at_length] -= p->packing.sign * v * lane[2 + k] / theta[at_length];
        }
    }
}

kr_status kr_fused_pull(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                        const struct kr_points *x, const struct kr_points *z, bool single,
                        const struct kr_fused_weights *weights, double *grad, bool *done)
{
    struct pull p = {.ctx = ctx, .fused = kernel->type->fused, .weights = weights, .gram = !z};
    struct kr_fused_weights turned = *weights;
    struct kr_mark mark = kr_mark(ctx);
    if (z && x->n > z->n) { /* columns are shared out to threads: the longer side */
        const struct kr_points *other = x;
        x = z;
        z = other;
        turned.transposed = true;
        p.weights = &turned;
    }
    p.size = single ? sizeof(float) : sizeof(double);
    KR_TRY(kr_fused_packing(ctx, kernel, theta, single, x, &p.packing));
    KR_TRY(kr_fused_pack(ctx, &p.packing, x, &p.x));
    p.z = p.x;
    if (z)
        KR_TRY(kr_fused_pack(ctx, &p.packing, z, &p.z));
    *done = kr_fused_near(p.x.largest, single) && kr_fused_near(p.z.largest, single);
    if (*done) {
        const size_t blocks = (p.z.panels + BLOCK - 1) / BLOCK, k = weights->W ? 1 : weights->k;
        const size_t strip = weights->W ? BLOCK * KR_PANEL * KR_PANEL * p.size : 0;
        p.per_thread = BLOCK * KR_PANEL * p.size * (p.x.d + 2) + strip;
        KR_ALLOC(ctx, p.memory, (size_t)ctx->threads * p.per_thread);
        KR_ALLOC(ctx, p.lanes, blocks * (p.x.d + 2));
        for (size_t first = 0; first < k; first += MOST_PAIRS) {
            struct kr_mark before = kr_mark(ctx);
            KR_TRY(pull_pairs(&p, first, at_most(k - first, MOST_PAIRS), blocks));
            kr_release(ctx, before);
        }
        add_gradient(&p, theta, blocks, grad);
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}
