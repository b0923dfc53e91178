/* Inside of kernel operators: what the products and pulls of kernel.c and kernel_inputs.c share. */
#ifndef OP_KERNEL_OP_H
#define OP_KERNEL_OP_H

#include "kriged/op.h"

enum { KR_MAX_LEAVES = 8 /* factors of one term */ };

/* One product of kernels that have fused tiles: `whole` as it stands in the tree. */
struct kr_fused_term {
    const struct kr_kernel *whole;
    size_t leaves;
    const struct kr_kernel *kernels[KR_MAX_LEAVES];
};

/* kernel = sum of terms + rest (NULL: nothing). */
struct kr_fused_sum {
    size_t terms;
    struct kr_fused_term *term;
    const struct kr_kernel *rest;
};

struct kernel_op {
    const struct kr_kernel *kernel;
    const double *theta;
    struct kr_points x, z;
    struct kr_fused_sum fused; /* what has fused tiles, and what has not */
    struct kr_op single;       /* the same matrix in single precision; without a type where there is none */
};

/* Y = K(x, z) X in double or, where single says so, in single precision; `gram`: z is x. */
kr_status kr_kernel_multiply(struct kr_ctx *ctx, const struct kernel_op *self, bool gram, bool single,
                             const struct kr_points *x, const struct kr_points *z, size_t k, const double *X,
                             double *Y) KR_MUST_CHECK;
struct kr_fused_weights;
kr_status kr_kernel_pull(struct kr_ctx *ctx, const struct kr_op *op, bool single,
                         const struct kr_fused_weights *w, double *grad) KR_MUST_CHECK;
extern const struct kr_op_type kr_kernel_single_type;

/* Rows of tiles. */
static inline size_t tile_rows(size_t n)
{
    return (n + KR_TILE - 1) / KR_TILE;
}

static inline struct kr_tile tile_at(const struct kr_points *x, const struct kr_points *z, size_t i, size_t j)
{
    const size_t m = x->n - i, n = z->n - j;
    return (struct kr_tile){
        m < KR_TILE ? m : KR_TILE, n < KR_TILE ? n : KR_TILE, x->x + i, z->x + j, x->ld, z->ld};
}

/* One tile and the kernel's scratch for each thread. */
static inline size_t thread_doubles(const struct kernel_op *self)
{
    return KR_TILE * KR_TILE + kr_kernel_scratch(self->kernel);
}

static inline kr_status thread_memory(struct kr_ctx *ctx, const struct kernel_op *self, double **out)
{
    KR_ALLOC(ctx, *out, (size_t)ctx->threads * thread_doubles(self));
    return KR_OK;
}

#endif
