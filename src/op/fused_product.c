/*
 * Y += K(X, Z) V for sums of products of stationary kernels, by fused tiles (kernel/fused_tile.h).
 *
 * A Gram matrix is walked over its pairs of blocks (fused_pairs.c) and each tile is used for its rows and its
 * columns, as long as that pays: more right-hand sides cost the same either way, and rows need a sum over
 * lanes for each. K(X, Z) is walked over blocks of X, or, with few points in X, over runs of Z whose parts
 * are added in order. A block's results are summed in the tile's precision and added to Y in double. The same
 * bits for any number of threads.
 *
 * Cost of n m entries: n m (d + profile + k) multiply-adds, half of the first two for a Gram matrix. Memory:
 * (n + m) (d + k) numbers packed (of the tile's precision), and per thread 2 KR_PANEL BLOCK k numbers; a term
 * that is a product of kernels needs a strip of KR_PANEL rows more.
 */
#include "op/fused.h"

#include <string.h>

enum {
    BLOCK = 8,         /* panels of a block at most */
    NARROW_BLOCK = 2,  /* the same of columns alone, for more than a few right-hand sides */
    ROWS_TOGETHER = 8, /* panels of rows before results are added up in double; twice that of many vectors */
    RUN = 32,          /* panels of a run of Z */
    MOST_COLUMNS = 256
};

struct leaf {
    struct kr_packing packing;
    struct kr_packed x, z; /* rows and columns of tiles */
    kr_fused_function *function;
};

struct term {
    size_t leaves;
    struct leaf *leaf;
    double factor;
};

struct product {
    struct kr_ctx *ctx;
    size_t terms;
    struct term *term;
    bool single;
    size_t size; /* of a number */
    size_t n, k, block;
    int threads;
    size_t part; /* bytes of a block's results */
    const void *V;
    double *Y;
    char *memory;             /* of threads */
    size_t per_thread, strip; /* bytes */
};

/* Where a thread's parts lie: results of columns and rows, and the evaluated strip. */
struct parts {
    char *y, *w, *tile;
    double *sums; /* of a block of columns, [k][block * KR_PANEL], in place of w */
};

static struct parts parts_of(const struct product *p)
{
    char *base = p->memory + (size_t)kr_thread() * p->per_thread;
    return (struct parts){base, base + p->part, base + p->per_thread - p->strip, (double *)(base + p->part)};
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const void *at(const void *base, size_t index, size_t size)
{
    return (const char *)base + index * size;
}

/* The panel i of rows by the panels (j, cols): y (columns; NULL = not wanted) and w (rows). All factors of a
 * term but the last are evaluated into the tile. */
static void rectangle(const struct product *p, const struct term *term, size_t i, size_t j, size_t cols,
                      void *y, void *w, void *tile)
{
    const size_t panel = p->k * KR_PANEL;
    for (size_t l = 0; l < term->leaves; l++) {
        const struct leaf *leaf = &term->leaf[l];
        const size_t d = leaf->x.d, left = leaf->x.n - i * KR_PANEL;
        struct kr_fused_block b = {.d = d, .rows = 1, .cols = cols};
        b.tail = at_most(left, KR_PANEL);
        b.x = at(leaf->x.x, i * KR_PANEL * d, p->size);
        b.z = at(leaf->z.x, j * KR_PANEL * d, p->size);
        b.hx = at(leaf->x.h, i * KR_PANEL, p->size);
        b.hz = at(leaf->z.h, j * KR_PANEL, p->size);
        b.nx = leaf->x.norm + i;
        b.nz = leaf->z.norm + j;
        b.limit = leaf->packing.expand;
        b.shape = leaf->packing.shape;
        b.features = d;
        b.factor = l > 0 ? tile : NULL;
        if (l + 1 < term->leaves)
            b.tile = tile;
        else {
            b.k = p->k;
            b.u = y ? at(p->V, i * panel, p->size) : NULL;
            b.v = w ? at(p->V, j * panel, p->size) : NULL;
            b.y = y;
            b.w = w;
        }
        leaf->function(&b);
    }
}

static void *offset(const struct product *p, char *part, size_t panels)
{
    return part + panels * p->k * KR_PANEL * p->size;
}

static void add(const struct product *p, const struct term *term, const void *part, size_t block,
                size_t panels)
{
    kr_fused_add(part, p->single, panels, p->k, term->factor, block * p->block * KR_PANEL, p->n, p->Y);
}

/* Blocks i and j of a Gram matrix: tiles above the diagonal are used twice. */
static void pair(void *self, size_t i, size_t j)
{
    const struct product *p = self;
    const size_t panels = kr_panels(p->n), first = i * p->block, rows = at_most(p->block, panels - first),
                 cols = at_most(p->block, panels - j * p->block);
    const struct parts parts = parts_of(p);
    for (size_t t = 0; t < p->terms && !kr_due(p->ctx); t++) {
        const struct term *term = &p->term[t];
        memset(parts.y, 0, 2 * p->part);
        for (size_t r = 0; r < rows; r++) {
            const size_t past = i == j ? r + 1 : 0; /* on the diagonal: the panels of columns behind r */
            if (i == j)
                rectangle(p, term, first + r, first + r, 1, offset(p, parts.y, r), NULL, parts.tile);
            if (past < cols)
                rectangle(p, term, first + r, j * p->block + past, cols - past, offset(p, parts.y, past),
                          offset(p, parts.w, r), parts.tile);
        }
        add(p, term, parts.y, j, cols);
        add(p, term, parts.w, i, rows);
    }
}

/* Block j of X, as columns, by all of Z; summed up next to the processor before it goes to Y. */
static void column(const struct product *p, size_t j)
{
    const size_t first = j * p->block * KR_PANEL, width = p->block * KR_PANEL,
                 m = at_most(width, p->n - first), cols = kr_panels(m),
                 together = p->k > KR_FUSED_COLUMNS ? 2 * ROWS_TOGETHER : ROWS_TOGETHER;
    const struct parts parts = parts_of(p);
    memset(parts.sums, 0, width * p->k * sizeof *parts.sums);
    for (size_t t = 0; t < p->terms; t++) {
        const struct term *term = &p->term[t];
        const size_t rows = term->leaf->x.panels;
        for (size_t i = 0; i < rows && !kr_due(p->ctx); i += together) {
            memset(parts.y, 0, p->part);
            for (size_t r = i; r < at_most(rows, i + together); r++)
                rectangle(p, term, r, j * p->block, cols, parts.y, NULL, parts.tile);
            kr_fused_add(parts.y, p->single, cols, p->k, term->factor, 0, width, parts.sums);
        }
    }
    for (size_t c = 0; c < p->k; c++)
        for (size_t e = 0; e < m; e++)
            p->Y[c * p->n + first + e] += parts.sums[c * width + e];
}

static kr_status columns(struct product *p)
{
    const size_t blocks = (kr_panels(p->n) + p->block - 1) / p->block;
#pragma omp parallel for schedule(dynamic) num_threads(p->threads)
    for (size_t j = 0; j < blocks; j++)
        column(p, j);
    return KR_OK;
}

/* At most one panel of X, as rows, by runs of Z; each run has its own part of the result. */
static kr_status runs(struct product *p)
{
    const size_t panels = p->term[0].leaf->z.panels, count = (panels + RUN - 1) / RUN, length = p->n * p->k;
    double *results;
    KR_ALLOC(p->ctx, results, count * length);
#pragma omp parallel for schedule(dynamic) num_threads(p->threads)
    for (size_t r = 0; r < count; r++) {
        const struct parts parts = parts_of(p);
        for (size_t t = 0; t < p->terms && !kr_due(p->ctx); t++) {
            memset(parts.w, 0, p->part);
            rectangle(p, &p->term[t], 0, r * RUN, at_most(RUN, panels - r * RUN), NULL, parts.w, parts.tile);
            kr_fused_add(parts.w, p->single, 1, p->k, p->term[t].factor, 0, p->n, results + r * length);
        }
    }
    for (size_t r = 0; r < count; r++)
        for (size_t e = 0; e < length; e++)
            p->Y[e] += results[r * length + e];
    return KR_OK;
}

/* The terms with their points packed; *near = false where some are too far out. rows = NULL: a Gram matrix.
 */
static kr_status prepare(struct product *p, const struct kr_fused_sum *sum, const double *theta,
                         const struct kr_points *rows, const struct kr_points *cols, bool *near)
{
    p->terms = sum->terms;
    *near = true;
    KR_ALLOC(p->ctx, p->term, sum->terms);
    for (size_t t = 0; t < sum->terms; t++) {
        struct term *term = &p->term[t];
        *term = (struct term){sum->term[t].leaves, NULL, 1};
        KR_ALLOC(p->ctx, term->leaf, term->leaves);
        for (size_t l = 0; l < term->leaves; l++) {
            struct leaf *leaf = &term->leaf[l];
            const struct kr_kernel *kernel = sum->term[t].kernels[l];
            KR_TRY(kr_fused_packing(p->ctx, kernel, theta, p->single, cols, &leaf->packing));
            KR_TRY(kr_fused_pack(p->ctx, &leaf->packing, cols, &leaf->z));
            leaf->x = leaf->z;
            if (rows)
                KR_TRY(kr_fused_pack(p->ctx, &leaf->packing, rows, &leaf->x));
            leaf->function = kernel->type->fused->product[kr_fused_level()][!p->single];
            term->factor *= leaf->packing.variance;
            *near = *near && kr_fused_near(leaf->x.largest, p->single) &&
                    kr_fused_near(leaf->z.largest, p->single);
        }
    }
    return KR_OK;
}

/* Coordinates of all leaves. */
static size_t coordinates(const struct product *p)
{
    size_t d = 0;
    for (size_t t = 0; t < p->terms; t++)
        for (size_t l = 0; l < p->term[t].leaves; l++)
            d += p->term[t].leaf[l].x.d;
    return d;
}

enum form { GRAM, COLUMNS_OF_X, ROWS_OF_X };

/* k columns at a time: memory of threads, vectors, and the walk. */
static kr_status multiply(struct product *p, enum form form, size_t inputs, size_t k, const double *V,
                          double *Y)
{
    const size_t panels = kr_panels(p->n), most = form == COLUMNS_OF_X && k > BLOCK ? NARROW_BLOCK : BLOCK;
    const bool small = kr_fused_small(p->n, inputs, coordinates(p) + 16 + k);
    struct kr_mark mark = kr_mark(p->ctx);
    void *packed;
    p->k = k;
    p->threads = small ? 1 : p->ctx->threads;
    p->Y = Y;
    /* few blocks would leave threads idle */
    p->block = form == ROWS_OF_X ? 1 : small ? most : panels < 16 ? 1 : at_most(panels / 8, most);
    p->part = p->block * k * KR_PANEL * p->size;
    p->strip = 0;
    for (size_t t = 0; t < p->terms; t++)
        if (p->term[t].leaves > 1)
            p->strip = RUN * KR_PANEL * KR_PANEL * p->size;
    p->per_thread =
        p->part + (form == COLUMNS_OF_X ? p->block * k * KR_PANEL * sizeof(double) : p->part) + p->strip;
    KR_ALLOC(p->ctx, p->memory, (size_t)p->ctx->threads * p->per_thread);
    KR_TRY(kr_fused_vectors(p->ctx, inputs, k, p->single, V, &packed));
    p->V = packed;
    if (form == GRAM)
        KR_TRY(kr_each_pair(p->ctx, (panels + p->block - 1) / p->block, p->threads, pair, p));
    else
        KR_TRY(form == ROWS_OF_X ? runs(p) : columns(p));
    kr_release(p->ctx, mark);
    return kr_poll(p->ctx);
}

/* Does the symmetric form pay for k right-hand sides? Measured: it saves the evaluation of half the tiles. */
static bool symmetric_pays(const struct product *p, size_t k)
{
    return k <= 8 + coordinates(p) / 2 && k <= KR_FUSED_COLUMNS;
}

kr_status kr_fused_product(struct kr_ctx *ctx, const struct kr_fused_sum *sum, const double *theta,
                           const struct kr_points *x, const struct kr_points *z, bool single, size_t k,
                           const double *V, double *Y, bool *done)
{
    /* with rows alone there is a limit to the right-hand sides */
    const bool few = z && x->n <= KR_PANEL;
    const size_t inputs = z ? z->n : x->n, most = few ? KR_FUSED_COLUMNS : MOST_COLUMNS;
    struct product p = {
        .ctx = ctx, .single = single, .size = single ? sizeof(float) : sizeof(double), .n = x->n};
    struct kr_mark mark = kr_mark(ctx);
    if (z && !few)
        KR_TRY(prepare(&p, sum, theta, z, x, done));
    else
        KR_TRY(prepare(&p, sum, theta, z ? x : NULL, z ? z : x, done));
    for (size_t c = 0; *done && c < k; c += most) {
        const size_t together = at_most(most, k - c);
        const enum form form = few ? ROWS_OF_X : !z && symmetric_pays(&p, together) ? GRAM : COLUMNS_OF_X;
        KR_TRY(multiply(&p, form, inputs, together, V + c * inputs, Y + c * x->n));
    }
    kr_release(ctx, mark);
    return KR_OK;
}
