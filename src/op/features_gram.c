/*
 * Quadratic forms of the rows a_i of A = diag(D) Phi(X) T (features.c): what a factorisation of A'A + I, and
 * variances by it, need.
 *
 *     G = sum_i c_i a_i a_i'      out_i = |L^-1 a_i|^2      q = sum_i c_i a_i'N a_i
 *
 * G is made from chunks of rows, n p^2 flops in products of matrices; strips of it are shared out to threads
 * and each adds the chunks in order. T is applied to the rows, not to the sum: F'F of an ill-conditioned root
 * would lose what T brings back. Derivatives of q, with M = T N T' and P = sum_i c_i a_i a_i':
 *
 *     on row i of F: 2 c_i D_i^2 M f_i      on D_i: 2 c_i D_i f_i'M f_i      on L: -2 tril(L^-T N P)
 *
 * Cost of the derivative: 2 n p^2 flops and the map's pull.
 */
#include "op/features_impl.h"

#include "op/block.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { CHUNK_NUMBERS = 1 << 20, STRIP = 64, DEPTH = 256 };

extern void dtrtri_(const char *uplo, const char *diag, const int *n, double *A, const int *lda, int *info);

static const double *root_of(const struct features_op *self)
{
    return self->map->type->root ? self->map->type->root(self->map) : NULL;
}

/*
 * L^-1 for blocks of rows: of many rows by its entries, since a product with a triangle takes less than half
 * the time of a solve, and loses no more: both are off by epsilon cond(L).
 */
struct inverse {
    const double *L; /* NULL: the identity */
    double *entries; /* NULL: solve */
};

static kr_status open_inverse(struct kr_ctx *ctx, const struct kr_op *op, const double *L,
                              struct inverse *out)
{
    const int p = (int)op->cols;
    int info;
    *out = (struct inverse){L, NULL};
    if (!L || op->rows <= op->cols)
        return KR_OK;
    KR_TRY(kr_block(ctx, op->cols, op->cols, &out->entries));
    memcpy(out->entries, L, op->cols * op->cols * sizeof *L);
    dtrtri_("L", "N", &p, out->entries, &p, &info);
    return KR_OK;
}

/* F = L^-1 F, p x n */
static void multiply_inverse(const struct inverse *inverse, size_t p, size_t n, double *F)
{
    if (inverse->entries)
        cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)p, (int)n, 1,
                    inverse->entries, (int)p, F, (int)p);
    else if (inverse->L)
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)p, (int)n, 1,
                    inverse->L, (int)p, F, (int)p);
}

/* Row a_i of a block in the place of f_i. */
static void finish_rows(const struct features_op *self, const struct inverse *root,
                        const struct kr_feature_block *block)
{
    const int p = (int)self->map->p;
    multiply_inverse(root, self->map->p, block->n, block->F);
    for (size_t i = 0; self->scaled && i < block->n; i++)
        cblas_dscal(p, block->D[i], block->F + i * self->map->p, 1);
}

/* ---- the Gram matrix ---- */

/* Rows of some blocks, p x n; with weights c, once more times c. */
struct chunk {
    size_t blocks; /* at most */
    size_t n;
    const double *c;
    struct inverse root;
    double *rows, *weighted; /* the same without c */
};

static void fill_chunk(const struct kr_op *op, struct kr_ctx *ctx, size_t first, size_t end, double *memory,
                       const struct chunk *chunk)
{
    const struct features_op *self = op->self;
    const size_t p = op->cols;
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = first; b < end; b++) {
        if (kr_due(ctx))
            continue;
        const struct kr_feature_block block = kr_features_block(op, b, 0, memory);
        finish_rows(self, &chunk->root, &block);
        const size_t at = (b - first) * KR_TILE * p;
        memcpy(chunk->rows + at, block.F, block.n * p * sizeof *block.F);
        for (size_t i = 0; chunk->c && i < block.n; i++)
            for (size_t j = 0; j < p; j++)
                chunk->weighted[at + i * p + j] = chunk->c[block.first + i] * block.F[i * p + j];
    }
}

/* G += rows weighted', on and below the diagonal, by strips of columns; a part of the chunk that stays in the
 * cache at a time. */
static void add_chunk(struct kr_ctx *ctx, size_t p, const struct chunk *chunk, double *G)
{
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t j = 0; j < p; j += STRIP) {
        const size_t cols = p - j < STRIP ? p - j : STRIP;
        for (size_t i = 0; i < chunk->n; i += DEPTH) {
            const size_t depth = chunk->n - i < DEPTH ? chunk->n - i : DEPTH;
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)(p - j), (int)cols, (int)depth, 1,
                        chunk->rows + i * p + j, (int)p, chunk->weighted + i * p + j, (int)p, 1,
                        G + j + j * p, (int)p);
        }
    }
}

static void reflect(size_t p, double *G)
{
    for (size_t j = 0; j < p; j++)
        for (size_t i = j + 1; i < p; i++)
            G[j + i * p] = G[i + j * p];
}

kr_status kr_features_gram(struct kr_ctx *ctx, const struct kr_op *op, const double *c, double *G)
{
    const struct features_op *self = op->self;
    const size_t p = op->cols, blocks = kr_features_blocks(op), fit = CHUNK_NUMBERS / (KR_TILE * p),
                 most = fit < 1    ? 1
                        : fit > 16 ? 16
                                   : fit;
    struct chunk chunk = {.blocks = most < blocks ? most : blocks, .c = c};
    double *memory;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(kr_features_memory(ctx, op, 0, &memory));
    KR_TRY(open_inverse(ctx, op, root_of(self), &chunk.root));
    KR_TRY(kr_block(ctx, p * KR_TILE, chunk.blocks + 1, &chunk.rows));
    chunk.weighted = chunk.rows;
    if (c)
        KR_TRY(kr_block(ctx, p * KR_TILE, chunk.blocks + 1, &chunk.weighted));
    memset(G, 0, p * p * sizeof *G);
    for (size_t b = 0; b < blocks; b += chunk.blocks) {
        const size_t end = b + chunk.blocks < blocks ? b + chunk.blocks : blocks;
        KR_TRY(kr_poll(ctx));
        chunk.n = (end * KR_TILE < op->rows ? end * KR_TILE : op->rows) - b * KR_TILE;
        fill_chunk(op, ctx, b, end, memory, &chunk);
        add_chunk(ctx, p, &chunk, G);
    }
    reflect(p, G);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* ---- lengths ---- */

kr_status kr_features_lengths(struct kr_ctx *ctx, const struct kr_op *op, const double *L, double *out)
{
    const struct features_op *self = op->self;
    const int p = (int)op->cols;
    struct inverse root, own;
    double *memory;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(kr_features_memory(ctx, op, 0, &memory));
    KR_TRY(open_inverse(ctx, op, root_of(self), &root));
    KR_TRY(open_inverse(ctx, op, L, &own));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < kr_features_blocks(op); b++) {
        if (kr_due(ctx))
            continue;
        const struct kr_feature_block block = kr_features_block(op, b, 0, memory);
        finish_rows(self, &root, &block);
        multiply_inverse(&own, op->cols, block.n, block.F);
        for (size_t i = 0; i < block.n; i++)
            out[block.first + i] = cblas_ddot(p, block.F + i * op->cols, 1, block.F + i * op->cols, 1);
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* ---- derivatives ---- */

static void pull_block(const struct features_op *self, const struct kr_feature_block *block, const double *c,
                       const double *M, double alpha, double *lane)
{
    const size_t p = self->map->p;
    double *weights = block->own;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)p, (int)block->n, (int)p, 1, M, (int)p,
                block->F, (int)p, 0, block->W, (int)p);
    for (size_t i = 0; i < block->n; i++) {
        const double factor = 2 * alpha * (c ? c[block->first + i] : 1) * block->D[i];
        weights[i] = factor * cblas_ddot((int)p, block->F + i * p, 1, block->W + i * p, 1);
        cblas_dscal((int)p, factor * block->D[i], block->W + i * p, 1);
    }
    kr_features_pull_scale(self, block, weights, lane);
    self->map->type->pull(self->map, &block->x, block->F, block->W, lane, block->scratch);
}

/* -2 tril(L^-T N P) on L. */
static kr_status pull_root(struct kr_ctx *ctx, const struct features_op *self, const double *N,
                           const double *P, double alpha, double *grad)
{
    const int p = (int)self->map->p;
    const double *L = root_of(self);
    double *L_bar;
    if (!L)
        return KR_OK;
    KR_TRY(kr_block(ctx, self->map->p, self->map->p, &L_bar));
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, p, p, p, -2 * alpha, N, p, P, p, 0, L_bar, p);
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, p, p, 1, L, p, L_bar, p);
    return self->map->type->pull_root(ctx, self->map, L_bar, grad);
}

/* M = T N T' */
static void transform(const struct features_op *self, double *M)
{
    const int p = (int)self->map->p;
    const double *L = root_of(self);
    if (!L)
        return;
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, p, p, 1, L, p, M, p);
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, p, p, 1, L, p, M, p);
}

kr_status kr_features_pull_gram(struct kr_ctx *ctx, const struct kr_op *op, const double *c, const double *N,
                                const double *P, double alpha, double *grad)
{
    const struct features_op *self = op->self;
    const size_t p = op->cols, stripes = kr_features_stripes(op), blocks = kr_features_blocks(op),
                 length = kr_features_lane(self);
    double *memory, *lanes, *M;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_poll(ctx));
    KR_TRY(kr_features_refresh(ctx, self->map));
    KR_TRY(kr_features_memory(ctx, op, KR_TILE, &memory));
    KR_TRY(kr_block(ctx, length, stripes + 1, &lanes));
    KR_TRY(kr_block(ctx, p, p, &M));
    memcpy(M, N, p * p * sizeof *M);
    transform(self, M);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t s = 0; s < stripes; s++)
        for (size_t b = s * blocks / stripes; b < (s + 1) * blocks / stripes && !kr_due(ctx); b++) {
            const struct kr_feature_block block = kr_features_block(op, b, KR_TILE, memory);
            pull_block(self, &block, c, M, alpha, lanes + s * length);
        }
    kr_status status = kr_poll(ctx);
    if (status == KR_OK) {
        kr_features_gather(self, stripes, lanes, grad);
        status = pull_root(ctx, self, N, P, alpha, grad);
    }
    kr_release(ctx, mark);
    return status;
}
