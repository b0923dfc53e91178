/* A kernel tree as a function and noise: k = k' + sum of white, taken apart along its sums. */
#include "kriged/kernel.h"

struct split {
    struct kr_ctx *ctx;
    size_t count, *white;
};

static size_t white_below(const struct kr_kernel *kernel)
{
    size_t count = kernel->type->feature_kind == KR_FEATURES_NOISE;
    for (size_t c = 0; c < kernel->nkernels; c++)
        count += white_below(kernel->kernels[c]);
    return count;
}

/* A copy of a sum with what is left of its children. */
static kr_status take(struct split *s, const struct kr_kernel *kernel, const char *pointer,
                      const struct kr_kernel **out)
{
    struct kr_kernel *copy;
    *out = kernel;
    if (!pointer)
        return s->ctx->error.status;
    if (kernel->type->feature_kind == KR_FEATURES_NOISE) {
        s->white[s->count++] = kernel->first;
        *out = NULL;
        return KR_OK;
    }
    if (white_below(kernel) == 0)
        return KR_OK;
    if (kernel->type->feature_kind != KR_FEATURES_SUM)
        return kr_fail(s->ctx, KR_INVALID, pointer,
                       "a %s with white noise inside has no approximation: put white into a sum of its own",
                       kernel->type->base.name);
    KR_ALLOC(s->ctx, copy, 1);
    *copy = *kernel;
    KR_ALLOC(s->ctx, copy->kernels, kernel->nkernels);
    copy->nkernels = 0;
    for (size_t c = 0; c < kernel->nkernels; c++) {
        const struct kr_kernel *left;
        KR_TRY(take(s, kernel->kernels[c], kr_printf(s->ctx, "%s/kernels/%zu", pointer, c), &left));
        if (left)
            copy->kernels[copy->nkernels++] = (struct kr_kernel *)left;
    }
    *out = copy->nkernels ? copy : NULL;
    return KR_OK;
}

kr_status kr_kernel_split(struct kr_ctx *ctx, const struct kr_kernel *kernel, const char *pointer,
                          const struct kr_kernel **out, size_t *nwhite, size_t **white)
{
    struct split s = {.ctx = ctx};
    KR_ALLOC(ctx, s.white, white_below(kernel) + 1);
    KR_TRY(take(&s, kernel, pointer, out));
    *nwhite = s.count;
    *white = s.white;
    return KR_OK;
}
