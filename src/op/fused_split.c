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

/* What has no fused tiles. */
struct found {
    size_t rest;
    struct kr_kernel **in_rest;
};

static void collect(const struct kr_kernel *kernel, struct kr_fused_sum *out, struct found *found)
{
    struct kr_fused_term term = {.whole = kernel};
    if (is_sum(kernel)) {
        for (size_t c = 0; c < kernel->nkernels; c++)
            collect(kernel->kernels[c], out, found);
        return;
    }
    if (leaves(kernel, &term))
        out->term[out->terms++] = term;
    else
        found->in_rest[found->rest++] = (struct kr_kernel *)kernel;
}

/* A sum of these kernels, of the type of `whole`, which is one (count > 1). */
static kr_status sum_of(struct kr_ctx *ctx, const struct kr_kernel *whole, size_t count,
                        struct kr_kernel **kernels, const struct kr_kernel **out)
{
    struct kr_kernel *sum;
    *out = count == 1 ? kernels[0] : NULL;
    if (count < 2)
        return KR_OK;
    KR_ALLOC(ctx, sum, 1);
    *sum = *whole;
    sum->nkernels = count;
    sum->kernels = kernels;
    *out = sum;
    return KR_OK;
}

kr_status kr_fused_split(struct kr_ctx *ctx, const struct kr_kernel *kernel, struct kr_fused_sum *out)
{
    struct found found = {0};
    const size_t count = count_terms(kernel);
    *out = (struct kr_fused_sum){0};
    KR_ALLOC(ctx, out->term, count);
    KR_ALLOC(ctx, found.in_rest, count);
    collect(kernel, out, &found);
    return sum_of(ctx, kernel, found.rest, found.in_rest, &out->rest);
}
