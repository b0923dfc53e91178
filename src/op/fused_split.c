/* A kernel as a sum of products of kernels that have fused tiles, and a rest that has not. Sums are taken
 * apart at any depth, products are multiplied out only when all their factors are leaves. */
#include "op/fused.h"

static bool is_sum(const struct kr_kernel *kernel)
{
    return kernel->type->feature_kind == KR_FEATURES_SUM;
}

/* The leaves of a product; false where one has no fused tile, or there are too many. */
static bool leaves(const struct kr_kernel *kernel, struct kr_fused_term *term)
{
    if (kernel->type->fused) {
        if (term->leaves == KR_MAX_LEAVES)
            return false;
        term->kernels[term->leaves++] = kernel;
        return true;
    }
    if (!kernel->type->multiplies)
        return false;
    for (size_t c = 0; c < kernel->nkernels; c++)
        if (!leaves(kernel->kernels[c], term))
            return false;
    return true;
}

static size_t count_terms(const struct kr_kernel *kernel)
{
    size_t count = 0;
    if (!is_sum(kernel))
        return 1;
    for (size_t c = 0; c < kernel->nkernels; c++)
        count += count_terms(kernel->kernels[c]);
    return count;
}

static void collect(const struct kr_kernel *kernel, struct kr_fused_sum *out, size_t *rest,
                    struct kr_kernel **others)
{
    struct kr_fused_term term = {0};
    if (is_sum(kernel))
        for (size_t c = 0; c < kernel->nkernels; c++)
            collect(kernel->kernels[c], out, rest, others);
    else if (leaves(kernel, &term))
        out->term[out->terms++] = term;
    else
        others[(*rest)++] = (struct kr_kernel *)kernel;
}

/* The sum that `kernel` begins with, for the rest's type. */
kr_status kr_fused_split(struct kr_ctx *ctx, const struct kr_kernel *kernel, struct kr_fused_sum *out)
{
    struct kr_kernel **others, *sum;
    size_t rest = 0;
    const size_t count = count_terms(kernel);
    *out = (struct kr_fused_sum){0};
    KR_ALLOC(ctx, out->term, count);
    KR_ALLOC(ctx, others, count);
    KR_ALLOC(ctx, sum, 1);
    collect(kernel, out, &rest, others);
    if (out->terms == 0)
        out->rest = kernel;
    else if (rest == 1)
        out->rest = others[0];
    else if (rest > 1) {
        *sum = *kernel;
        sum->nkernels = rest;
        sum->kernels = others;
        out->rest = sum;
    }
    return KR_OK;
}
