/*
 * K(X, Z) in single precision: the tiles' values and the vectors are rounded to float, a row of tiles is
 * summed in float and the rows of tiles in double. Error of a product about 1e-7 |K| |x|; the same bits for
 * any number of threads. Memory per thread two tiles, the kernel's scratch and 2 KR_TILE k floats.
 */
#include "op/kernel_op.h"

#include <cblas.h>
#include <string.h>

bool kr_kernel_has_single(const struct kr_kernel *kernel)
{
    return kernel->type->feature_kind == KR_FEATURES_SPECTRAL;
}

struct product {
    const struct kernel_op *self;
    const struct kr_points *x, *z;
    size_t k;
    const double *X;
    double *Y;
};

/* Floats after the tile of doubles and the scratch: a tile, and the vectors of its columns and rows. */
static size_t floats(const struct product *p)
{
    return KR_TILE * KR_TILE + 2 * KR_TILE * p->k;
}

/* Rows i.. of Y. */
static void product_rows(const struct product *p, size_t i, double *values, float *tile_values)
{
    const size_t k = p->k;
    double *scratch = values + KR_TILE * KR_TILE;
    float *columns = tile_values + KR_TILE * KR_TILE, *rows = columns + KR_TILE * k;
    for (size_t j = 0; j < p->z->n; j += KR_TILE) {
        const struct kr_tile tile = tile_at(p->x, p->z, i, j);
        const int m = (int)tile.m, n = (int)tile.n;
        p->self->kernel->type->eval(p->self->kernel, p->self->theta, &tile, values, scratch);
        for (size_t e = 0; e < tile.m * tile.n; e++)
            tile_values[e] = (float)values[e];
        for (size_t c = 0; c < k; c++)
            for (size_t e = 0; e < tile.n; e++)
                columns[c * tile.n + e] = (float)p->X[c * p->z->n + j + e];
        cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, m, (int)k, n, 1, tile_values, n, columns, n, 0,
                    rows, m);
        for (size_t c = 0; c < k; c++)
            for (size_t e = 0; e < tile.m; e++)
                p->Y[c * p->x->n + i + e] += rows[c * tile.m + e];
    }
}

static kr_status multiply(struct kr_ctx *ctx, const struct product *p)
{
    const size_t blocks = tile_rows(p->x->n);
    double *memory;
    float *singles;
    struct kr_mark mark = kr_mark(ctx);
    memset(p->Y, 0, p->x->n * p->k * sizeof *p->Y);
    if (p->k == 0 || p->x->n == 0 || p->z->n == 0)
        return KR_OK;
    KR_TRY(thread_memory(ctx, p->self, &memory));
    KR_ALLOC(ctx, singles, (size_t)ctx->threads * floats(p));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            product_rows(p, b * KR_TILE, memory + (size_t)kr_thread() * thread_doubles(p->self),
                         singles + (size_t)kr_thread() * floats(p));
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return multiply(ctx, &(struct product){self, &self->x, &self->z, k, X, Y});
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return multiply(ctx, &(struct product){self, &self->z, &self->x, k, X, Y});
}

const struct kr_op_type kr_kernel_single_type = {
    .name = "kernel in single precision", .apply = apply, .apply_t = apply_t};
