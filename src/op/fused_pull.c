/*
 * grad += alpha d<U, K V>/dtheta, or sum_ij W_ij dK_ij/dtheta, of kernels with fused tiles and of products of
 * them: all parameters in one pass over the tiles (kernel/fused_pull.h), a Gram matrix by its pairs of blocks
 * with W + W' as weights; a factor of a product by those times the other factors' values.
 * With x scaled so that |x - z|^2/2 = |s| and D_k = sum_ij W_ij dg/ds (x_ik - z_jk)^2,
 *
 *     by variance  sum W g      by lengthscale k  -sign(s) v D_k / l_k      by shape  v sum W dg/dshape
 *
 *     by point z_j    sign(s) v scale_k sum_i W_ij dg/ds (z_jk - x_ik)
 *
 * Every block has its own sums, in double over its tiles, which are added up in order: the same bits for any
 * number of threads. Cost of n m entries: n m (2 d + profile + 4 + pairs) multiply-adds, half for a Gram
 * matrix with twice the pairs. Memory: (n + m) (d + k) numbers packed, d + 2 a block, and per thread KR_PANEL
 * BLOCK (d + 2) numbers, for W given a strip of KR_PANEL rows more.
 */
#include "kernel/vmath.h"
#include "op/fused.h"

#include <cblas.h>
#include <string.h>

enum { BLOCK = 8 /* panels */, MOST_PAIRS = 64 };

/* One factor: its points, and where its part of a lane (d + 2) and of a thread's memory begins. */
struct leaf {
    const struct kr_fused *fused;
    struct kr_packing packing;
    struct kr_packed x, z; /* rows and columns */
    size_t lane, part;
    double others; /* the variances of the other factors */
};

struct pull {
    struct kr_ctx *ctx;
    const struct kr_fused_weights *weights;
    size_t leaves;
    struct leaf *leaf;
    size_t n, m, row_panels, panels, blocks; /* points and panels of rows and columns */
    bool gram, single;
    int threads, level;
    size_t size, k;    /* of a number; pairs of vectors at a time */
    const void *u, *v; /* of rows and columns; of a Gram matrix U and V */
    double *lanes;     /* `lane` numbers a block */
    double *x_bar;     /* by the points of the columns instead; both: W + W' */
    bool both;
    size_t lane, sums; /* sums: numbers of all leaves' sums in a thread's memory, before its strips */
    char *memory;
    size_t per_thread;
};

/* A leaf's sums: of rows, of columns, moments of columns. */
struct parts {
    char *rows, *cols, *moments;
};

static char *thread_base(const struct pull *p)
{
    return p->memory + (size_t)kr_thread() * p->per_thread;
}

static struct parts parts_of(const struct pull *p, const struct leaf *leaf)
{
    const size_t block = BLOCK * KR_PANEL * p->size;
    char *base = thread_base(p) + leaf->part * p->size;
    return (struct parts){base, base + block, base + 2 * block};
}

/* Two strips of KR_PANEL rows: the weights, and those of one factor. */
static void *strip_of(const struct pull *p, size_t which)
{
    return thread_base(p) + (p->sums + which * BLOCK * KR_PANEL * KR_PANEL) * p->size;
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
    if (i >= p->n || j >= p->m)
        return 0;
    return (w->transposed ? w->W[j * w->ld + i] : w->W[i * w->ld + j]) + (twice ? w->W[j * w->ld + i] : 0);
}

static void copy_weights(const struct pull *p, size_t i, size_t j, size_t cols, bool twice, void *strip)
{
    for (size_t r = 0; r < KR_PANEL; r++)
        for (size_t c = 0; c < cols * KR_PANEL; c++) {
            const double value = weight(p, i * KR_PANEL + r, j * KR_PANEL + c, twice);
            if (p->single)
                ((float *)strip)[r * cols * KR_PANEL + c] = (float)value;
            else
                ((double *)strip)[r * cols * KR_PANEL + c] = value;
        }
}

/* strip = beta strip + u v' of panel i by the panels (j, cols). */
static void multiply_weights(const struct pull *p, const void *u, const void *v, size_t i, size_t j,
                             size_t cols, double beta, void *strip)
{
    const size_t panel = p->k * KR_PANEL;
    for (size_t c = 0; c < cols; c++) {
        const void *left = at(u, i * panel, p->size), *right = at(v, (j + c) * panel, p->size);
        void *out = (char *)strip + c * KR_PANEL * p->size;
        if (p->single)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, KR_PANEL, KR_PANEL, (int)p->k, 1, left,
                        KR_PANEL, right, KR_PANEL, (float)beta, out, (int)(cols * KR_PANEL));
        else
            cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, KR_PANEL, KR_PANEL, (int)p->k, 1, left,
                        KR_PANEL, right, KR_PANEL, beta, out, (int)(cols * KR_PANEL));
    }
}

/* The points of a leaf in panel i of rows and the panels (j, cols). */
static struct kr_fused_block points_of(const struct pull *p, const struct leaf *leaf, size_t i, size_t j,
                                       size_t cols)
{
    const size_t d = leaf->x.d;
    return (struct kr_fused_block){.d = d,
                                   .rows = 1,
                                   .cols = cols,
                                   .tail = at_most(p->n - i * KR_PANEL, KR_PANEL),
                                   .x = at(leaf->x.x, i * KR_PANEL * d, p->size),
                                   .z = at(leaf->z.x, j * KR_PANEL * d, p->size),
                                   .hx = at(leaf->x.h, i * KR_PANEL, p->size),
                                   .hz = at(leaf->z.h, j * KR_PANEL, p->size),
                                   .nx = leaf->x.norm + i,
                                   .nz = leaf->z.norm + j,
                                   .limit = leaf->packing.expand,
                                   .shape = leaf->packing.shape,
                                   .features = d};
}

/* The strip of weights of factor l: those in the first strip times the other factors. */
static const void *weights_of(const struct pull *p, size_t l, size_t i, size_t j, size_t cols)
{
    const void *from = strip_of(p, 0);
    for (size_t other = 0; other < p->leaves; other++) {
        if (other == l)
            continue;
        const struct leaf *leaf = &p->leaf[other];
        struct kr_fused_block block = points_of(p, leaf, i, j, cols);
        block.factor = from;
        block.tile = strip_of(p, 1);
        leaf->fused->product[p->level][!p->single](&block);
        from = block.tile;
    }
    return from;
}

/* Panel i of rows by the panels (j, cols), into the sums from row panel `r` and column panel `c` of a block
 * on.
 */
static void rectangle(const struct pull *p, size_t i, size_t j, size_t cols, bool twice, size_t r, size_t c,
                      double *lane)
{
    const size_t panel = p->k * KR_PANEL;
    const bool stripped = p->weights->W || p->leaves > 1;
    if (p->weights->W)
        copy_weights(p, i, j, cols, twice, strip_of(p, 0));
    else if (stripped) {
        multiply_weights(p, p->u, p->v, i, j, cols, 0, strip_of(p, 0));
        if (twice)
            multiply_weights(p, p->v, p->u, i, j, cols, 1, strip_of(p, 0));
    }
    for (size_t l = 0; l < p->leaves; l++) {
        const struct leaf *leaf = &p->leaf[l];
        const struct parts parts = parts_of(p, leaf);
        struct kr_fused_pull pull = {.at = points_of(p, leaf, i, j, cols),
                                     .row_sums = parts.rows + r * KR_PANEL * p->size,
                                     .col_sums = parts.cols + c * KR_PANEL * p->size,
                                     .col_moments = parts.moments + c * leaf->x.d * KR_PANEL * p->size,
                                     .squares = lane + leaf->lane + 2};
        if (stripped)
            pull.weights = weights_of(p, l, i, j, cols);
        else {
            pull.at.k = p->k;
            pull.at.u = at(p->u, i * panel, p->size);
            pull.at.v = at(p->v, j * panel, p->size);
            pull.ut = twice ? at(p->v, i * panel, p->size) : NULL;
            pull.vt = twice ? at(p->u, j * panel, p->size) : NULL;
        }
        leaf->fused->pull[p->level][!p->single](&pull);
        lane[leaf->lane] += pull.sums[0];
        lane[leaf->lane + 1] += pull.sums[1];
    }
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
    return p->single ? panel_sum_float(x, a, b, times) : panel_sum_double(x, a, b, times);
}

/* D_k of a leaf from the sums of rows and columns and the moments of `rows` and `cols` panels from i and j.
 */
static void contract_leaf(const struct pull *p, const struct leaf *leaf, size_t i, size_t rows, size_t j,
                          size_t cols, double *lane)
{
    const struct parts parts = parts_of(p, leaf);
    const size_t d = leaf->x.d;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < d; k++) {
            const void *x = at(leaf->x.x, ((i + r) * d + k) * KR_PANEL, p->size),
                       *sums = at(parts.rows, r * KR_PANEL, p->size);
            lane[2 + k] += panel_sum(p, x, sums, sums, 0);
        }
    for (size_t c = 0; c < cols; c++)
        for (size_t k = 0; k < d; k++)
            lane[2 + k] += panel_sum(p, at(leaf->z.x, ((j + c) * d + k) * KR_PANEL, p->size),
                                     at(parts.cols, c * KR_PANEL, p->size),
                                     at(parts.moments, (c * d + k) * KR_PANEL, p->size), -2);
}

static void contract(const struct pull *p, size_t i, size_t rows, size_t j, size_t cols, double *lane)
{
    for (size_t l = 0; l < p->leaves; l++)
        contract_leaf(p, &p->leaf[l], i, rows, j, cols, lane + p->leaf[l].lane);
}

/* By the columns' points: sum_i G_ij (z_jk - x_ik), scaled back; of `cols` panels from j. */
static void add_inputs(const struct pull *p, const struct leaf *leaf, size_t j, size_t cols)
{
    const struct parts parts = parts_of(p, leaf);
    const size_t d = leaf->z.d;
    const double factor = p->weights->alpha * leaf->others * leaf->packing.variance * leaf->packing.sign;
    for (size_t c = 0; c < cols; c++)
        for (size_t k = 0; k < d; k++) {
            const void *z = at(leaf->z.x, ((j + c) * d + k) * KR_PANEL, p->size),
                       *sums = at(parts.cols, c * KR_PANEL, p->size),
                       *moments = at(parts.moments, (c * d + k) * KR_PANEL, p->size);
            const size_t first = (j + c) * KR_PANEL, m = at_most(KR_PANEL, p->m - first);
            double *out = p->x_bar + leaf->packing.kernel->features[k] * p->m + first;
            for (size_t e = 0; e < m; e++)
                out[e] += factor * leaf->packing.scale[k] *
                          (((const double *)z)[e] * ((const double *)sums)[e] - ((const double *)moments)[e]);
        }
}

/* Blocks i and j of a Gram matrix. */
static void pair(void *self, size_t i, size_t j)
{
    const struct pull *p = self;
    const size_t first = i * BLOCK, second = j * BLOCK, rows = at_most(BLOCK, p->row_panels - first),
                 cols = at_most(BLOCK, p->panels - second);
    double *lane = p->lanes + i * p->lane;
    if (kr_due(p->ctx))
        return;
    memset(thread_base(p), 0, p->sums * p->size);
    for (size_t r = 0; r < rows; r++) {
        const size_t past = i == j ? r + 1 : 0; /* on the diagonal: the panels of columns behind r */
        if (i == j)
            rectangle(p, first + r, first + r, 1, false, r, r, lane);
        if (past < cols)
            rectangle(p, first + r, second + past, cols - past, true, r, past, lane);
    }
    contract(p, first, rows, second, cols, lane);
}

static kr_status blocks_of_columns(struct pull *p)
{
#pragma omp parallel for schedule(dynamic) num_threads(p->threads)
    for (size_t j = 0; j < p->blocks; j++) {
        const size_t cols = at_most(BLOCK, p->panels - j * BLOCK);
        double *lane = p->lanes + j * p->lane;
        for (size_t i = 0; i < p->row_panels && !kr_due(p->ctx); i += BLOCK) {
            const size_t rows = at_most(BLOCK, p->row_panels - i);
            memset(thread_base(p), 0, p->sums * p->size);
            for (size_t r = 0; r < rows; r++)
                rectangle(p, i + r, j * BLOCK, cols, p->both, r, 0, lane);
            for (size_t l = 0; p->x_bar && l < p->leaves; l++)
                add_inputs(p, &p->leaf[l], j * BLOCK, cols);
            if (!p->x_bar)
                contract(p, i, rows, j * BLOCK, cols, lane);
        }
    }
    return KR_OK;
}

/* Some pairs of vectors, from first on. */
static kr_status pull_pairs(struct pull *p, size_t first, size_t k)
{
    const struct kr_fused_weights *w = p->weights;
    void *u = NULL, *v = NULL;
    p->k = k;
    p->threads = kr_fused_small(p->n, p->m, 2 * p->lane + 20 + k) ? 1 : p->ctx->threads;
    if (!w->W) {
        const double *rows = w->transposed ? w->V : w->U, *cols = w->transposed ? w->U : w->V;
        KR_TRY(kr_fused_vectors(p->ctx, p->n, k, p->single, rows + first * p->n, &u));
        KR_TRY(kr_fused_vectors(p->ctx, p->m, k, p->single, cols + first * p->m, &v));
    }
    p->u = u;
    p->v = v;
    return p->gram ? kr_each_pair(p->ctx, p->blocks, p->threads, pair, p) : blocks_of_columns(p);
}

static void add_gradient(const struct pull *p, const struct leaf *leaf, const double *theta, double *grad)
{
    const struct kr_kernel *kernel = leaf->packing.kernel;
    const double alpha = p->weights->alpha * leaf->others, v = alpha * leaf->packing.variance;
    for (size_t b = 0; b < p->blocks; b++) {
        const double *lane = p->lanes + b * p->lane + leaf->lane;
        grad[kernel->first] += alpha * lane[0];
        if (leaf->fused->shaped)
            grad[kernel->first + kernel->nparams - 1] += v * lane[1];
        for (size_t k = 0; k < leaf->x.d; k++) {
            const size_t at_length = kernel->first + 1 + (kernel->entries[1] == 1 ? 0 : k);
            grad[at_length] -= leaf->packing.sign * v * lane[2 + k] / theta[at_length];
        }
    }
}

/* The factors with their points packed; *near = false where some are too far out. cols = NULL: as rows. */
static kr_status prepare(struct pull *p, const struct kr_fused_term *term, const double *theta,
                         const struct kr_points *rows, const struct kr_points *cols, bool *near)
{
    KR_ALLOC(p->ctx, p->leaf, term->leaves);
    p->leaves = term->leaves;
    p->row_panels = kr_panels(p->n);
    p->panels = kr_panels(p->m);
    p->blocks = (p->panels + BLOCK - 1) / BLOCK;
    *near = true;
    for (size_t l = 0; l < term->leaves; l++) {
        struct leaf *leaf = &p->leaf[l];
        *leaf = (struct leaf){
            .fused = term->kernels[l]->type->fused, .lane = p->lane, .part = p->sums, .others = 1};
        KR_TRY(kr_fused_packing(p->ctx, term->kernels[l], theta, p->single, rows, &leaf->packing));
        KR_TRY(kr_fused_pack(p->ctx, &leaf->packing, rows, &leaf->x));
        leaf->z = leaf->x;
        if (cols)
            KR_TRY(kr_fused_pack(p->ctx, &leaf->packing, cols, &leaf->z));
        p->lane += leaf->x.d + 2;
        p->sums += BLOCK * KR_PANEL * (leaf->x.d + 2);
        *near =
            *near && kr_fused_near(leaf->x.largest, p->single) && kr_fused_near(leaf->z.largest, p->single);
        for (size_t other = 0; other < term->leaves; other++)
            if (other != l)
                leaf->others *= theta[term->kernels[other]->first];
    }
    return KR_OK;
}

/* All pairs, some at a time. */
static kr_status walk(struct pull *p)
{
    const size_t k = p->weights->W ? 1 : p->weights->k, strips = p->leaves > 1 ? 2 : p->weights->W != NULL;
    p->per_thread = (p->sums + strips * BLOCK * KR_PANEL * KR_PANEL) * p->size;
    KR_ALLOC(p->ctx, p->memory, (size_t)p->ctx->threads * p->per_thread);
    KR_ALLOC(p->ctx, p->lanes, p->blocks * p->lane);
    for (size_t first = 0; first < k; first += MOST_PAIRS) {
        struct kr_mark before = kr_mark(p->ctx);
        KR_TRY(pull_pairs(p, first, at_most(k - first, MOST_PAIRS)));
        kr_release(p->ctx, before);
    }
    return KR_OK;
}

kr_status kr_fused_pull(struct kr_ctx *ctx, const struct kr_fused_term *term, const double *theta,
                        const struct kr_points *x, const struct kr_points *z, bool single,
                        const struct kr_fused_weights *weights, double *grad, bool *done)
{
    struct kr_fused_weights w = *weights;
    struct kr_mark mark = kr_mark(ctx);
    if (z && x->n > z->n) { /* columns are shared out to threads: the longer side */
        const struct kr_points *other = x;
        x = z;
        z = other;
        w.transposed = true;
    }
    struct pull p = {.ctx = ctx,
                     .weights = &w,
                     .n = x->n,
                     .m = z ? z->n : x->n,
                     .gram = !z,
                     .single = single,
                     .level = kr_fused_level(),
                     .size = single ? sizeof(float) : sizeof(double)};
    KR_TRY(prepare(&p, term, theta, x, z, done));
    if (*done)
        KR_TRY(walk(&p));
    for (size_t l = 0; *done && l < p.leaves; l++)
        add_gradient(&p, &p.leaf[l], theta, grad);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

kr_status kr_fused_pull_inputs(struct kr_ctx *ctx, const struct kr_fused_term *term, const double *theta,
                               const struct kr_points *x, const struct kr_points *z, bool both,
                               const struct kr_fused_weights *weights, double *x_bar, bool *done)
{
    struct kr_mark mark = kr_mark(ctx);
    struct pull p = {.ctx = ctx,
                     .weights = weights,
                     .n = z->n,
                     .m = x->n,
                     .x_bar = x_bar,
                     .both = both,
                     .level = kr_fused_level(),
                     .size = sizeof(double)};
    KR_TRY(prepare(&p, term, theta, z, x, done));
    for (size_t l = 0; l < p.leaves; l++)
        *done = *done && p.leaf[l].x.largest <= p.leaf[l].packing.expand &&
                p.leaf[l].z.largest <= p.leaf[l].packing.expand;
    if (*done)
        KR_TRY(walk(&p));
    kr_release(ctx, mark);
    return kr_poll(ctx);
}
