/* Features of texts: which kernels may see them, and the codes of another data set. O(n d). */
#include "kriged/categories.h"

#include <string.h>

kr_status kr_categories_check_kernel(struct kr_ctx *ctx, const struct kr_kernel *kernel,
                                     const struct kr_texts *categories, const char *const *feature_names,
                                     const char *pointer)
{
    if (!categories)
        return KR_OK;
    for (size_t c = 0; c < kernel->nkernels; c++)
        KR_TRY(kr_categories_check_kernel(ctx, kernel->kernels[c], categories, feature_names,
                                          kr_printf(ctx, "%s/kernels/%zu", pointer, c)));
    if (kernel->nkernels || kernel->type->compares || kernel->type->features < 0)
        return KR_OK;
    for (size_t f = 0; f < kernel->nfeatures; f++) {
        const size_t k = kernel->features[f];
        if (categories[k].count)
            return kr_fail(
                ctx, KR_INVALID, pointer,
                "%s sees the feature \"%.64s\", whose values are %zu categories: only hamming may, "
                "which compares them; leave it out of this kernel's features",
                kernel->type->base.name, feature_names[k], categories[k].count);
    }
    return KR_OK;
}

static kr_status recode(struct kr_ctx *ctx, const struct kr_texts *from, const struct kr_texts *to,
                        const char *name, const char *pointer, size_t n, const double *codes, double *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = from->items[(size_t)codes[i]];
        if (!kr_category_find(to, text, &out[i]))
            return kr_fail(
                ctx, KR_INVALID, pointer,
                "row %zu has \"%.64s\" as its \"%.64s\", which is no category of the training data", i, text,
                name);
    }
    return KR_OK;
}

kr_status kr_categories_recode(struct kr_ctx *ctx, const struct kr_dataset *data,
                               const struct kr_dataset *other, const size_t *column, const char *pointer,
                               struct kr_dataset *out)
{
    const size_t n = other->n;
    double *x;
    *out = *other;
    KR_ALLOC(ctx, x, n * data->d);
    for (size_t k = 0; k < data->d; k++) {
        const double *from = other->x + column[k] * n;
        const bool ours = kr_dataset_categorical(data, k), theirs = kr_dataset_categorical(other, column[k]);
        if (ours != theirs)
            return kr_fail(ctx, KR_INVALID, pointer, "has %s as \"%.64s\", where the training data has %s",
                           theirs ? "texts" : "numbers", data->feature_names[k], ours ? "texts" : "numbers");
        if (ours)
            KR_TRY(recode(ctx, &other->categories[column[k]], &data->categories[k], data->feature_names[k],
                          pointer, n, from, x + k * n));
        else
            memcpy(x + k * n, from, n * sizeof *x);
    }
    out->x = x;
    out->feature_names = data->feature_names;
    out->categories = data->categories;
    return KR_OK;
}
