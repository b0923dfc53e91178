/*
 * K(X, Z) by tiles. What has fused tiles goes there (fused_product.c); the rest is evaluated tile by tile and
 * multiplied: rows of tiles are shared out to threads; each writes its own rows of the result and walks the
 * columns in order, and gradients go to one lane per row of tiles that are added in order at the end: the
 * same bits for any number of threads. The pull of a Gram matrix visits the tiles on and above the diagonal
 * only, with W_ij + W_ji' as the weight.
 *
 * Shapes: X n x d, Z m x d; a product with k columns costs n m (c_kernel + 2 k) flops; memory per thread one
 * tile, the kernel's scratch, and (pull) n/KR_TILE gradients.
 */
#include "op/fused.h"

#include <cblas.h>
#include <string.h>

/* Rows i.. of Y += K(x, z) X. */
static void apply_rows(const struct kernel_op *self, const struct kr_kernel *kernel,
                       const struct kr_points *x, const struct kr_points *z, size_t i, size_t k,
                       const double *X, double *Y, double *tile_values)
{
    double *scratch = tile_values + KR_TILE * KR_TILE;
    for (size_t j = 0; j < z->n; j += KR_TILE) {
        struct kr_tile tile = tile_at(x, z, i, j);
        kernel->type->eval(kernel, self->theta, &tile, tile_values, scratch);
        if (k == 1)
            cblas_dgemv(CblasColMajor, CblasTrans, (int)tile.n, (int)tile.m, 1, tile_values, (int)tile.n,
                        X + j, 1, 1, Y + i, 1);
        else
            cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)tile.m, (int)k, (int)tile.n, 1,
                        tile_values, (int)tile.n, X + j, (int)z->n, 1, Y + i, (int)x->n);
    }
}

static kr_status multiply_tiles(struct kr_ctx *ctx, const struct kernel_op *self,
                                const struct kr_kernel *kernel, const struct kr_points *x,
                                const struct kr_points *z, size_t k, const double *X, double *Y)
{
    double *memory;
    const size_t blocks = tile_rows(x->n);
    KR_TRY(thread_memory(ctx, self, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            apply_rows(self, kernel, x, z, b * KR_TILE, k, X, Y,
                       memory + (size_t)kr_thread() * thread_doubles(self));
    return kr_poll(ctx);
}

kr_status kr_kernel_multiply(struct kr_ctx *ctx, const struct kernel_op *self, bool gram, bool single,
                             const struct kr_points *x, const struct kr_points *z, size_t k, const double *X,
                             double *Y)
{
    struct kr_mark mark = kr_mark(ctx);
    bool done = false;
    memset(Y, 0, x->n * k * sizeof *Y);
    if (k == 0 || x->n == 0 || z->n == 0)
        return KR_OK;
    if (self->fused.terms && single)
        KR_TRY(kr_fused_product(ctx, &self->fused, self->theta, x, gram ? NULL : z, true, k, X, Y, &done));
    if (self->fused.terms && !done)
        KR_TRY(kr_fused_product(ctx, &self->fused, self->theta, x, gram ? NULL : z, false, k, X, Y, &done));
    const struct kr_kernel *rest = done ? self->fused.rest : self->kernel;
    if (rest)
        KR_TRY(multiply_tiles(ctx, self, rest, x, z, k, X, Y));
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return kr_kernel_multiply(ctx, self, op->symmetric, false, &self->x, &self->z, k, X, Y);
}

/* Kernels are symmetric functions: K(X, Z)' = K(Z, X). */
static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return kr_kernel_multiply(ctx, self, op->symmetric, false, &self->z, &self->x, k, X, Y);
}

static void tile_weights(const struct kr_op *op, const struct kr_fused_weights *w, const struct kr_tile *tile,
                         size_t i, size_t j, double *out)
{
    const int m = (int)tile->m, n = (int)tile->n, k = (int)w->k;
    if (w->W) {
        for (size_t r = 0; r < tile->m; r++)
            memcpy(out + r * tile->n, w->W + (i + r) * w->ld + j, tile->n * sizeof *out);
        return;
    }
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, n, m, k, w->alpha, w->V + j, (int)op->cols, w->U + i,
                (int)op->rows, 0, out, n);
    if (op->symmetric && i != j)
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, n, m, k, w->alpha, w->U + j, (int)op->rows,
                    w->V + i, (int)op->cols, 1, out, n);
}

static void pull_rows(const struct kr_op *op, const struct kr_kernel *kernel,
                      const struct kr_fused_weights *w, size_t i, double *memory, double *lane)
{
    const struct kernel_op *self = op->self;
    double *scratch = memory + KR_TILE * KR_TILE;
    for (size_t j = op->symmetric && !w->W ? i : 0; j < self->z.n; j += KR_TILE) {
        struct kr_tile tile = tile_at(&self->x, &self->z, i, j);
        tile_weights(op, w, &tile, i, j, memory);
        kernel->type->pull(kernel, self->theta, &tile, memory, lane, scratch);
    }
}

/* Highest index of theta that the tree uses, plus one: the length of a lane. */
static size_t lane_length(const struct kr_kernel *kernel)
{
    size_t end = kernel->first + kernel->nparams;
    for (size_t c = 0; c < kernel->nkernels; c++) {
        size_t child = lane_length(kernel->kernels[c]);
        end = child > end ? child : end;
    }
    return end;
}

static kr_status pull_tiles(struct kr_ctx *ctx, const struct kr_op *op, const struct kr_kernel *kernel,
                            const struct kr_fused_weights *w, double *grad)
{
    const struct kernel_op *self = op->self;
    const size_t blocks = tile_rows(op->rows), length = lane_length(kernel);
    double *memory, *lanes;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(thread_memory(ctx, self, &memory));
    KR_ALLOC(ctx, lanes, blocks * length);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            pull_rows(op, kernel, w, b * KR_TILE, memory + (size_t)kr_thread() * thread_doubles(self),
                      lanes + b * length);
    for (size_t b = 0; b < blocks; b++)
        for (size_t p = 0; p < length; p++)
            grad[p] += lanes[b * length + p];
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

kr_status kr_kernel_pull(struct kr_ctx *ctx, const struct kr_op *op, bool single,
                         const struct kr_fused_weights *w, double *grad)
{
    const struct kernel_op *self = op->self;
    const struct kr_points *z = op->symmetric ? NULL : &self->z;
    if (op->rows == 0 || op->cols == 0)
        return KR_OK;
    for (size_t t = 0; t < self->fused.terms; t++) {
        const struct kr_fused_term *term = &self->fused.term[t];
        bool done = false;
        if (single)
            KR_TRY(kr_fused_pull(ctx, term, self->theta, &self->x, z, true, w, grad, &done));
        if (!done)
            KR_TRY(kr_fused_pull(ctx, term, self->theta, &self->x, z, false, w, grad, &done));
        if (!done)
            KR_TRY(pull_tiles(ctx, op, term->whole, w, grad));
    }
    return self->fused.rest ? pull_tiles(ctx, op, self->fused.rest, w, grad) : KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct kr_fused_weights w = {.k = k, .U = U, .V = V, .alpha = alpha};
    return k ? kr_kernel_pull(ctx, op, false, &w, grad) : KR_OK;
}

kr_status kr_op_kernel_pull_weights(struct kr_ctx *ctx, const struct kr_op *op, const double *W, double *grad)
{
    const struct kr_fused_weights w = {.W = W, .ld = op->cols, .alpha = 1};
    return kr_kernel_pull(ctx, op, false, &w, grad);
}

/* Row b of tiles, transposed into the column-major A; for a Gram matrix only what lies on and below the
 * diagonal. */
static void fill_rows(const struct kr_op *op, size_t i, double *memory, double *A)
{
    const struct kernel_op *self = op->self;
    for (size_t j = 0; j < (op->symmetric ? i + 1 : self->z.n); j += KR_TILE) {
        struct kr_tile tile = tile_at(&self->x, &self->z, i, j);
        self->kernel->type->eval(self->kernel, self->theta, &tile, memory, memory + KR_TILE * KR_TILE);
        for (size_t c = 0; c < tile.n; c++)
            for (size_t r = 0; r < tile.m; r++)
                A[(j + c) * op->rows + i + r] = memory[r * tile.n + c];
    }
}

static kr_status fill(struct kr_ctx *ctx, const struct kr_op *op, double *A)
{
    const struct kernel_op *self = op->self;
    const size_t blocks = tile_rows(op->rows);
    double *memory;
    struct kr_mark mark = kr_mark(ctx);
    KR_TRY(thread_memory(ctx, self, &memory));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            fill_rows(op, b * KR_TILE, memory + (size_t)kr_thread() * thread_doubles(self), A);
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* Rows i.. of K(X, z_j) for some j, from tiles of K(Z, X): their rows are runs of the columns. */
static void column_rows(const struct kernel_op *self, const struct kr_points *some, size_t i, double *memory,
                        double *out)
{
    for (size_t j = 0; j < some->n; j += KR_TILE) {
        struct kr_tile tile = tile_at(some, &self->x, j, i);
        self->kernel->type->eval(self->kernel, self->theta, &tile, memory, memory + KR_TILE * KR_TILE);
        for (size_t r = 0; r < tile.m; r++)
            memcpy(out + (j + r) * self->x.n + i, memory + r * tile.n, tile.n * sizeof *out);
    }
}

/* A gathered point has lost its identity, which only k(x, x) depends on (`white`): in a Gram matrix that
 * entry is set from the point itself. */
static kr_status columns(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const size_t *index,
                         double *out)
{
    const struct kernel_op *self = op->self;
    const size_t d = self->z.d, blocks = tile_rows(op->rows);
    double *points, *memory;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, points, count * d + 1);
    KR_TRY(thread_memory(ctx, self, &memory));
    for (size_t k = 0; k < d; k++)
        for (size_t c = 0; c < count; c++)
            points[k * count + c] = self->z.x[k * self->z.ld + index[c]];
    const struct kr_points some = {count, d, count, points};
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads) if (count * op->rows > 4096)
    for (size_t b = 0; b < blocks; b++)
        if (!kr_due(ctx))
            column_rows(self, &some, b * KR_TILE, memory + (size_t)kr_thread() * thread_doubles(self), out);
    for (size_t c = 0; op->symmetric && c < count; c++) {
        const struct kr_points point = {1, d, self->x.ld, self->x.x + index[c]};
        kr_kernel_diagonal(self->kernel, self->theta, &point, memory, out + c * op->rows + index[c]);
    }
    kr_release(ctx, mark);
    return kr_poll(ctx);
}

/* Of K(X, X) in O(n d); of a square K(X, Z) from the tiles on the diagonal. */
static kr_status diagonal(struct kr_ctx *ctx, const struct kr_op *op, double *out)
{
    const struct kernel_op *self = op->self;
    double *memory;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, memory, thread_doubles(self));
    double *scratch = memory + KR_TILE * KR_TILE;
    if (op->symmetric)
        kr_kernel_diagonal(self->kernel, self->theta, &self->x, scratch, out);
    for (size_t i = 0; i < op->rows && !op->symmetric; i += KR_TILE) {
        struct kr_tile tile = tile_at(&self->x, &self->z, i, i);
        self->kernel->type->eval(self->kernel, self->theta, &tile, memory, scratch);
        for (size_t r = 0; r < tile.m; r++)
            out[i + r] = memory[r * tile.n + r];
    }
    kr_release(ctx, mark);
    return KR_OK;
}

static const struct kr_op *single(const struct kr_op *op)
{
    const struct kernel_op *self = op->self;
    return self->single.type ? &self->single : NULL;
}

static const struct kr_op_type kernel_type = {.name = "kernel",
                                              .apply = apply,
                                              .apply_t = apply_t,
                                              .pull = pull,
                                              .fill = fill,
                                              .diagonal = diagonal,
                                              .columns = columns,
                                              .single = single};

kr_status kr_op_kernel(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                       const struct kr_points *X, const struct kr_points *Z, struct kr_op *out)
{
    struct kernel_op *self;
    KR_ALLOC(ctx, self, 1);
    *out = (struct kr_op){&kernel_type, X->n, Z ? Z->n : X->n, Z == NULL, self};
    *self = (struct kernel_op){kernel, theta, *X, Z ? *Z : *X, {0}, *out};
    KR_TRY(kr_fused_split(ctx, kernel, &self->fused));
    self->single.type = self->fused.terms && !self->fused.rest ? &kr_kernel_single_type : NULL;
    return KR_OK;
}
