/*
 * The single precision form of a kernel operator: products by fused tiles in float, summed over tiles in
 * double (fused_product.c); everything else is the operator's own. Error of a product about 1e-7 to 1e-6 |K|
 * |x|; points too far out for that are multiplied in double.
 */
#include "op/fused.h"

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return kr_kernel_multiply(ctx, self, op->symmetric, true, &self->x, &self->z, k, X, Y);
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct kernel_op *self = op->self;
    return kr_kernel_multiply(ctx, self, op->symmetric, true, &self->z, &self->x, k, X, Y);
}

static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    const struct kr_fused_weights w = {.k = k, .U = U, .V = V, .alpha = alpha};
    return k ? kr_kernel_pull(ctx, op, true, &w, grad) : KR_OK;
}

const struct kr_op_type kr_kernel_single_type = {
    .name = "kernel in single precision", .apply = apply, .apply_t = apply_t, .pull = pull};
