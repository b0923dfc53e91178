/*
 * What a pull is for theta, for the points themselves. With weights W on K(X, Z),
 *
 *     x_bar_i += sum_j W_ij dk(x_i, z_j)/dx_i,        z_bar_j += sum_i W_ij dk(x_i, z_j)/dz_j
 *
 * and k(x, z) = k(z, x) makes the second the first with X and Z, W and W' exchanged. In a Gram matrix a point
 * stands on both sides: x_bar_i += sum_j (W_ij + W_ji) dk(x_i, x_j)/dx_i, j = i included, since d k(x, x) is
 * twice the derivative by either side. Rows of tiles are shared out to threads; each owns its points and
 * walks the columns in order: the same bits for any number of threads.
 *
 * Kernels with fused tiles take those (fused_pull.c). Cost of the others: each side that is wanted one walk
 * over all tiles, n m (2 k + c_kernel) flops for U V' of k columns; memory per thread one tile and the
 * kernel's scratch.
 */
#include "op/fused.h"

#include <cblas.h>

/* On a matrix of rows x cols: alpha U V', or a matrix. */
struct weights {
    size_t rows, cols, k;
    const double *U, *V, *W;
    double alpha;
};

/* Whose derivative: of the points x, which stand for the rows (or, transposed, for the columns) of the
 * weights; both in a Gram matrix. */
struct side {
    const struct kr_points *x, *z;
    bool by_rows, by_cols;
    double *x_bar;
};

/* out = beta out + the weights of a tile whose rows are rows of the weights, or (by_cols) their columns. */
static void add_weights(const struct weights *w, bool by_cols, const struct kr_tile *tile, size_t i, size_t j,
                        double beta, double *out)
{
    const double *left = by_cols ? w->V : w->U, *right = by_cols ? w->U : w->V;
    const size_t ldl = by_cols ? w->cols : w->rows, ldr = by_cols ? w->rows : w->cols;
    if (!w->W) {
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)tile->n, (int)tile->m, (int)w->k, w->alpha,
                    right + j, (int)ldr, left + i, (int)ldl, beta, out, (int)tile->n);
        return;
    }
    for (size_t r = 0; r < tile->m; r++)
        for (size_t c = 0; c < tile->n; c++)
            out[r * tile->n + c] = (beta != 0 ? out[r * tile->n + c] : 0) +
                                   w->W[by_cols ? (j + c) * w->cols + i + r : (i + r) * w->cols + j + c];
}

static void pull_rows(const struct kernel_op *self, const struct kr_kernel *kernel, const struct side *side,
                      const struct weights *w, size_t i, double *memory)
{
    double *scratch = memory + KR_TILE * KR_TILE;
    for (size_t j = 0; j < side->z->n; j += KR_TILE) {
        const struct kr_tile tile = tile_at(side->x, side->z, i, j);
        if (side->by_rows)
            add_weights(w, false, &tile, i, j, 0, memory);
        if (side->by_cols)
            add_weights(w, true, &tile, i, j, side->by_rows, memory);
        kernel->type->pull_x(kernel, self->theta, &tile, memory, side->x_bar + i, side->x->n, scratch);
    }
}

static kr_status pull_tiles(struct kr_ctx *ctx, const struct kernel_op *self, const struct kr_kernel *kernel,
                            const struct side *side, const struct weights *w)
{
    const size_t blocks = tile_rows(side->x->n);
    double *memory;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(thread_memory(ctx, self, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            pull_rows(self, kernel, side, w, b * KR_TILE,
                      memory + (size_t)kr_thread() * thread_doubles(self));
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* Terms with fused tiles there, the rest by tiles. */
static kr_status pull_side(struct kr_ctx *ctx, const struct kernel_op *self, const struct side *side,
                           const struct weights *w)
{
    const bool both = side->by_rows && side->by_cols;
    const struct kr_fused_weights fused = {.k = w->k,
                                           .ld = w->cols,
                                           .U = w->U,
                                           .V = w->V,
                                           .W = w->W,
                                           .alpha = w->alpha,
                                           .transposed = side->by_rows && !both};
    const struct kr_kernel *rest = self->fused.rest;
    if (side->x->n == 0 || side->z->n == 0)
        return KR_OK;
    for (size_t t = 0; t < self->fused.terms; t++) {
        bool done;
        KR_TRY(kr_fused_pull_inputs(ctx, &self->fused.term[t], self->theta, side->x, side->z, both, &fused,
                                    side->x_bar, &done));
        if (!done)
            KR_TRY(pull_tiles(ctx, self, self->fused.term[t].whole, side, w));
    }
    return rest && rest->type->pull_x ? pull_tiles(ctx, self, rest, side, w) : KR_OK;
}

static kr_status pull_inputs(struct kr_ctx *ctx, const struct kr_op *op, const struct weights *w,
                             double *X_bar, double *Z_bar)
{
    const struct kernel_op *self = op->self;
    const struct side rows = {&self->x, &self->z, true, op->symmetric, X_bar},
                      cols = {&self->z, &self->x, false, true, Z_bar};
    if (!self->kernel->type->pull_x) /* it does not depend on the points */
        return KR_OK;
    if (X_bar)
        KR_TRY(pull_side(ctx, self, &rows, w));
    if (Z_bar && !op->symmetric)
        KR_TRY(pull_side(ctx, self, &cols, w));
    return KR_OK;
}

kr_status kr_op_kernel_pull_inputs(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                                   const double *V, double alpha, double *X_bar, double *Z_bar)
{
    const struct weights w = {op->rows, op->cols, k, U, V, NULL, alpha};
    KR_TRY(kr_op_blocks(ctx, op, k));
    return k ? pull_inputs(ctx, op, &w, X_bar, Z_bar) : KR_OK;
}

kr_status kr_op_kernel_pull_inputs_weights(struct kr_ctx *ctx, const struct kr_op *op, const double *W,
                                           double *X_bar, double *Z_bar)
{
    const struct weights w = {op->rows, op->cols, 0, NULL, NULL, W, 1};
    return pull_inputs(ctx, op, &w, X_bar, Z_bar);
}

kr_status kr_op_kernel_pull_x(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                              const double *V, double alpha, double *grad_x)
{
    const struct kernel_op *self = op->self;
    const struct weights w = {op->rows, op->cols, k, U, V, NULL, alpha};
    const struct side side = {&self->x, &self->z, true, false, grad_x};
    return k && self->kernel->type->pull_x ? pull_side(ctx, self, &side, &w) : KR_OK;
}
