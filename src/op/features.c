/*
 * A = diag(D) Phi(X) T, a row a point, T = L^-T where the map has a root L, else I.
 *
 * Rows of F (what the map makes of a point) are made by blocks of KR_TILE whenever they are needed; T is
 * applied to the other factor, p x k: A V = D F (T V), A'U = T' (F'D U), so that a product costs the features
 * and 2 n p k flops however dear T is. Blocks are shared out to threads; sums over rows go to KR_STRIPES
 * parts in a fixed order: the same bits for any number of threads. The pull of alpha <U, A V>, with t = T V
 * and e = T'F'D U:
 *
 *     on F: alpha D U t'      on D: alpha U o (F t)      on L: -alpha tril(t e')
 *     D_i = noise_i^-1/2:     on noise_i: -D_i^3/2 times that on D_i
 */
#include "op/features_impl.h"

#include "op/block.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

kr_status kr_features_refresh(struct kr_ctx *ctx, struct kr_feature_map *map)
{
    if (map->state && memcmp(map->prepared, map->theta, map->count * sizeof *map->theta) == 0)
        return KR_OK;
    memset(map->prepared, 0xff, map->count * sizeof *map->prepared); /* should it fail: of no theta */
    KR_TRY(map->type->prepare(ctx, map));
    memcpy(map->prepared, map->theta, map->count * sizeof *map->theta);
    return KR_OK;
}

kr_status kr_features_open(struct kr_ctx *ctx, const struct kr_feature_map *map, const double *theta,
                           struct kr_feature_map *out)
{
    *out = *map;
    out->theta = theta;
    out->state = NULL;
    KR_ALLOC(ctx, out->prepared, map->count + 1);
    return kr_features_refresh(ctx, out);
}

/* ---- blocks ---- */

static size_t thread_doubles(const struct kr_op *op, size_t own)
{
    const struct features_op *self = op->self;
    const size_t doubles = (2 * self->map->p + 1) * KR_TILE + self->map->type->scratch(self->map) + own;
    return (doubles + 7) / 8 * 8;
}

kr_status kr_features_memory(struct kr_ctx *ctx, const struct kr_op *op, size_t own, double **out)
{
    return kr_block(ctx, thread_doubles(op, own), (size_t)ctx->threads, out);
}

struct kr_feature_block kr_features_block(const struct kr_op *op, size_t b, size_t own, double *memory)
{
    const struct features_op *self = op->self;
    const size_t first = b * KR_TILE, n = op->rows - first < KR_TILE ? op->rows - first : KR_TILE,
                 p = self->map->p;
    struct kr_feature_block block = {.first = first, .n = n};
    block.x = (struct kr_points){n, self->x.d, self->x.ld, self->x.x + first};
    block.F = memory + (size_t)kr_thread() * thread_doubles(op, own);
    block.W = block.F + p * KR_TILE;
    block.D = block.W + p * KR_TILE;
    block.scratch = block.D + KR_TILE;
    block.own = block.scratch + self->map->type->scratch(self->map);
    self->map->type->rows(self->map, &block.x, block.F, block.scratch);
    for (size_t i = 0; i < n; i++) {
        double noise = self->scaled && self->noise.known ? self->noise.known[first + i] : 0;
        for (size_t c = 0; self->scaled && c < self->noise.count; c++)
            noise += self->map->theta[self->noise.index[c]];
        block.D[i] = self->scaled ? 1 / sqrt(noise) : 1;
    }
    return block;
}

void kr_features_pull_scale(const struct features_op *self, const struct kr_feature_block *block,
                            const double *weights, double *lane)
{
    double sum = 0;
    if (!self->scaled)
        return;
    for (size_t i = 0; i < block->n; i++)
        sum -= 0.5 * weights[i] * block->D[i] * block->D[i] * block->D[i];
    lane[self->map->lane] += sum;
}

size_t kr_features_lane(const struct features_op *self)
{
    return self->map->lane + 1;
}

void kr_features_gather(const struct features_op *self, size_t count, double *lanes, double *grad)
{
    const size_t length = kr_features_lane(self);
    for (size_t s = 1; s < count; s++)
        for (size_t e = 0; e < length; e++)
            lanes[e] += lanes[s * length + e];
    if (!count)
        return;
    self->map->type->gather(self->map, lanes, grad);
    for (size_t c = 0; self->scaled && c < self->noise.count; c++)
        grad[self->noise.index[c]] += lanes[self->map->lane];
}

/* ---- products ---- */

/*
 * A root of condition 1e6 makes rounding large. It must not depend on what else is in a block: then columns
 * go one by one, which costs little beside the features.
 */
static bool one_by_one(const struct features_op *self, size_t k)
{
    return k == 1 || self->map->type->root;
}

/* Y = L^-1 Y, or L^-T Y, for k columns. */
static void solve_root(const struct features_op *self, CBLAS_TRANSPOSE transpose, size_t k, double *Y)
{
    const int p = (int)self->map->p;
    for (size_t c = 0; self->map->type->root && c < k; c++)
        cblas_dtrsv(CblasColMajor, CblasLower, transpose, CblasNonUnit, p, self->map->type->root(self->map),
                    p, Y + c * self->map->p, 1);
}

/* T V in memory of its own. */
static kr_status transformed(struct kr_ctx *ctx, const struct features_op *self, size_t k, const double *V,
                             double **out)
{
    KR_TRY(kr_block(ctx, self->map->p, k, out));
    memcpy(*out, V, self->map->p * k * sizeof *V);
    solve_root(self, CblasTrans, k, *out);
    return KR_OK;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct features_op *self = op->self;
    const int p = (int)op->cols, rows = (int)op->rows, columns = (int)k;
    double *V, *memory;
    const struct kr_mark mark = kr_mark(ctx);
    if (k == 0 || op->rows == 0)
        return KR_OK;
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(transformed(ctx, self, k, X, &V));
    KR_TRY(kr_features_memory(ctx, op, 0, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < kr_features_blocks(op); b++) {
        if (kr_due(ctx))
            continue;
        const struct kr_feature_block block = kr_features_block(op, b, 0, memory);
        double *out = Y + block.first;
        for (size_t c = 0; c < k && one_by_one(self, k); c++)
            cblas_dgemv(CblasColMajor, CblasTrans, p, (int)block.n, 1, block.F, p, V + c * op->cols, 1, 0,
                        out + c * op->rows, 1);
        if (!one_by_one(self, k))
            cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)block.n, columns, p, 1, block.F, p, V,
                        p, 0, out, rows);
        for (size_t c = 0; self->scaled && c < k; c++)
            for (size_t i = 0; i < block.n; i++)
                out[c * op->rows + i] *= block.D[i];
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* sum += F' D U of a block, p x k; block.own keeps D U, n x k. */
static void add_transposed(const struct kr_op *op, const struct kr_feature_block *block, size_t k,
                           const double *U, double *sum)
{
    const int p = (int)op->cols, n = (int)block->n;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < block->n; i++)
            block->own[c * block->n + i] = block->D[i] * U[c * op->rows + block->first + i];
    for (size_t c = 0; c < k && one_by_one(op->self, k); c++)
        cblas_dgemv(CblasColMajor, CblasNoTrans, p, n, 1, block->F, p, block->own + c * block->n, 1, 1,
                    sum + c * op->cols, 1);
    if (!one_by_one(op->self, k))
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, p, (int)k, n, 1, block->F, p, block->own, n, 1,
                    sum, p);
}

static void add_stripes(size_t count, size_t length, double *stripes)
{
    for (size_t s = 1; s < count; s++)
        for (size_t e = 0; e < length; e++)
            stripes[e] += stripes[s * length + e];
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct features_op *self = op->self;
    const size_t p = op->cols, stripes = kr_features_stripes(op), blocks = kr_features_blocks(op),
                 own = KR_TILE * k;
    double *memory, *sums;
    const struct kr_mark mark = kr_mark(ctx);
    if (k == 0)
        return KR_OK;
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(kr_features_memory(ctx, op, own, &memory));
    KR_TRY(kr_block(ctx, p * k, stripes + 1, &sums));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t s = 0; s < stripes; s++)
        for (size_t b = s * blocks / stripes; b < (s + 1) * blocks / stripes && !kr_due(ctx); b++) {
            const struct kr_feature_block block = kr_features_block(op, b, own, memory);
            add_transposed(op, &block, k, X, sums + s * p * k);
        }
    add_stripes(stripes, p * k, sums);
    memcpy(Y, sums, p * k * sizeof *Y);
    solve_root(self, CblasNoTrans, k, Y);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* ---- derivatives ---- */

/* One block of the pull of <U, A V>, t = T V; sum gets F'D U where there is a root. */
static void pull_block(const struct kr_op *op, const struct kr_feature_block *block, size_t k,
                       const double *U, const double *t, double *lane, double *sum)
{
    const struct features_op *self = op->self;
    const int p = (int)op->cols, n = (int)block->n, columns = (int)k;
    double *DU = block->own, *Ft = DU + KR_TILE * k, *weights = Ft + KR_TILE * k;
    add_transposed(op, block, k, U, sum);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, p, n, columns, 1, t, p, DU, n, 0, block->W, p);
    if (self->scaled) {
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, columns, p, 1, block->F, p, t, p, 0, Ft, n);
        memset(weights, 0, block->n * sizeof *weights);
        for (size_t c = 0; c < k; c++)
            for (size_t i = 0; i < block->n; i++)
                weights[i] += U[c * op->rows + block->first + i] * Ft[c * block->n + i];
        kr_features_pull_scale(self, block, weights, lane);
    }
    self->map->type->pull(self->map, &block->x, block->F, block->W, lane, block->scratch);
}

static kr_status pull_root(struct kr_ctx *ctx, const struct features_op *self, size_t k, const double *t,
                           double *e, double *grad)
{
    const int p = (int)self->map->p;
    double *L_bar;
    if (!self->map->type->root)
        return KR_OK;
    KR_TRY(kr_block(ctx, self->map->p, self->map->p, &L_bar));
    solve_root(self, CblasNoTrans, k, e);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, p, p, (int)k, -1, t, p, e, p, 0, L_bar, p);
    return self->map->type->pull_root(ctx, self->map, L_bar, grad);
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct features_op *self = op->self;
    const size_t p = op->cols, stripes = kr_features_stripes(op), blocks = kr_features_blocks(op),
                 own = KR_TILE * (2 * k + 1), length = kr_features_lane(self);
    double *memory, *sums, *lanes, *t;
    const struct kr_mark mark = kr_mark(ctx);
    if (k == 0 || op->rows == 0)
        return KR_OK;
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(transformed(ctx, self, k, V, &t));
    cblas_dscal((int)(p * k), alpha, t, 1);
    KR_TRY(kr_features_memory(ctx, op, own, &memory));
    KR_TRY(kr_block(ctx, p * k, stripes, &sums));
    KR_TRY(kr_block(ctx, length, stripes, &lanes));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t s = 0; s < stripes; s++)
        for (size_t b = s * blocks / stripes; b < (s + 1) * blocks / stripes && !kr_due(ctx); b++) {
            const struct kr_feature_block block = kr_features_block(op, b, own, memory);
            pull_block(op, &block, k, U, t, lanes + s * length, sums + s * p * k);
        }
    kr_status status = kr_poll(ctx);
    if (status == KR_OK) {
        kr_features_gather(self, stripes, lanes, grad);
        add_stripes(stripes, p * k, sums);
        status = pull_root(ctx, self, k, t, sums, grad);
    }
    kr_release(ctx, mark);
    return status;
}

kr_status kr_features_pull_x(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                             const double *V, double alpha, double *grad_x)
{
    const struct features_op *self = op->self;
    const int p = (int)op->cols, columns = (int)k;
    const size_t own = KR_TILE * k;
    double *memory, *t;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(transformed(ctx, self, k, V, &t));
    KR_TRY(kr_features_memory(ctx, op, own, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < kr_features_blocks(op); b++) {
        if (kr_due(ctx) || k == 0)
            continue;
        const struct kr_feature_block block = kr_features_block(op, b, own, memory);
        const int n = (int)block.n;
        for (size_t c = 0; c < k; c++)
            for (size_t i = 0; i < block.n; i++)
                block.own[c * block.n + i] = alpha * block.D[i] * U[c * op->rows + block.first + i];
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, p, n, columns, 1, t, p, block.own, n, 0, block.W,
                    p);
        self->map->type->pull_x(self->map, &block.x, block.F, block.W, grad_x + block.first, op->rows,
                                block.scratch);
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* ---- entries ---- */

/* By the rows as they are; with a root by products, so that both say the same of columns that rounding fills.
 */
static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct features_op *self = op->self;
    double *memory, *units;
    const struct kr_mark mark = kr_mark(ctx);
    if (self->map->type->root) {
        KR_TRY(kr_block(ctx, op->cols, op->cols, &units));
        for (size_t j = 0; j < op->cols; j++)
            units[j * (op->cols + 1)] = 1;
        KR_TRY(apply(ctx, op, op->cols, units, A));
        kr_release(ctx, mark);
        return KR_OK;
    }
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(kr_features_memory(ctx, op, 0, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < kr_features_blocks(op); b++) {
        if (kr_due(ctx))
            continue;
        const struct kr_feature_block block = kr_features_block(op, b, 0, memory);
        for (size_t j = 0; j < op->cols; j++)
            for (size_t i = 0; i < block.n; i++)
                A[j * op->rows + block.first + i] = block.D[i] * block.F[i * op->cols + j];
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

static const struct kr_op_type features = {
    .name = "features", .apply = apply, .apply_t = apply_t, .pull = pull, .fill = fill};

kr_status kr_op_features(struct kr_ctx *ctx, struct kr_feature_map *map, const struct kr_points *X,
                         const struct kr_noise *noise, struct kr_op *out)
{
    struct features_op *self;
    KR_ALLOC(ctx, self, 1);
    *self = (struct features_op){.map = map, .x = *X, .scaled = noise != NULL};
    if (noise)
        self->noise = *noise;
    *out = (struct kr_op){&features, X->n, map->p, false, self};
    return KR_OK;
}
