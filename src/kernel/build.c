/* From a kernel's spec to its tree: features resolved, parameters named and laid out in tree order. */
#include "kriged/kernel.h"

#include <string.h>

/* What stays the same in the whole tree. */
struct builder {
    struct kr_ctx *ctx;
    size_t d, nodes;
    const char *const *feature_names;
    struct kr_parameters *parameters;
};

kr_status kr_parameters_add(struct kr_ctx *ctx, struct kr_parameters *parameters,
                            struct kr_parameter parameter)
{
    if (!parameter.name || !parameter.pointer)
        return ctx->error.status;
    if (parameters->count == parameters->capacity) {
        size_t capacity = parameters->capacity ? 2 * parameters->capacity : 16;
        struct kr_parameter *items;
        KR_ALLOC(ctx, items, capacity);
        if (parameters->count)
            memcpy(items, parameters->items, parameters->count * sizeof *items);
        parameters->items = items;
        parameters->capacity = capacity;
    }
    parameters->items[parameters->count++] = parameter;
    return KR_OK;
}

static kr_status resolve_features(const struct builder *b, const void *options, const char *pointer,
                                  struct kr_kernel *kernel)
{
    const struct kr_features *wanted =
        kernel->type->features < 0 ? NULL : (const void *)((const char *)options + kernel->type->features);
    size_t count = wanted && wanted->count ? wanted->count : b->d, *features;
    KR_ALLOC(b->ctx, features, count);
    for (size_t k = 0; k < count; k++) {
        features[k] = k;
        if (wanted && wanted->count)
            KR_TRY(kr_feature_find(b->ctx, &wanted->items[k], b->d, b->feature_names,
                                   kr_printf(b->ctx, "%s/features/%zu", pointer, k), &features[k]));
        for (size_t j = 0; j < k; j++)
            if (features[j] == features[k])
                return kr_fail(b->ctx, KR_INVALID, kr_printf(b->ctx, "%s/features/%zu", pointer, k),
                               "names feature %zu a second time", features[k]);
    }
    kernel->nfeatures = count;
    kernel->features = features;
    return KR_OK;
}

/* One entry, or one a feature. An entry of an array keeps its own pointer. */
static kr_status add_parameter(const struct builder *b, size_t index, const void *options,
                               const char *pointer, const char *path, bool exact, struct kr_kernel *kernel)
{
    const struct kr_kernel_parameter *row = &kernel->type->parameters[index];
    const struct kr_param *given = (const void *)((const char *)options + row->offset);
    bool ard = kernel->type->ard >= 0 && *(const bool *)((const char *)options + kernel->type->ard);
    bool each = row->per_feature && (ard || given->array);
    size_t entries = each ? kernel->nfeatures : 1;
    if (given->array && (!row->per_feature || given->count != kernel->nfeatures))
        return kr_fail(b->ctx, KR_INVALID, kr_printf(b->ctx, "%s/%s", pointer, row->name),
                       row->per_feature ? "must have one entry for each of %zu features, got %zu"
                                        : "must be one number, not an array (%zu features, %zu entries)",
                       kernel->nfeatures, given->count);
    for (size_t k = 0; k < entries; k++) {
        struct kr_parameter parameter = {
            .unit = row->unit,
            .positive = true,
            .exact_unit = !kernel->type->unitless && (exact || row->unit != KR_UNIT_VARIANCE),
            .lower = row->lower,
            .upper = row->upper,
            .nfeatures = row->unit != KR_UNIT_LENGTH ? 0
                         : each                      ? 1
                                                     : kernel->nfeatures,
            .features = kernel->features + (each ? k : 0),
            .spec = given->values[given->array ? k : 0],
            .name = each ? kr_printf(b->ctx, "%s.%s[%zu]", path, row->name, k)
                         : kr_printf(b->ctx, "%s.%s", path, row->name),
            .pointer = given->array ? kr_printf(b->ctx, "%s/%s/%zu", pointer, row->name, k)
                                    : kr_printf(b->ctx, "%s/%s", pointer, row->name),
        };
        KR_TRY(kr_parameters_add(b->ctx, b->parameters, parameter));
    }
    kernel->entries[index] = entries;
    return KR_OK;
}

static kr_status build(struct builder *b, const struct kr_variant *spec, const char *pointer,
                       const char *path, bool exact, struct kr_kernel **out)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec->type;
    struct kr_kernel *kernel;
    if (!pointer || !path)
        return b->ctx->error.status;
    if (++b->nodes > KR_MAX_KERNEL_NODES)
        return kr_fail(b->ctx, KR_INVALID, pointer, "a kernel has at most %d parts", KR_MAX_KERNEL_NODES);
    KR_ALLOC(b->ctx, kernel, 1);
    *out = kernel;
    kernel->type = type;
    kernel->options = spec->options;
    kernel->first = b->parameters->count;
    KR_TRY(resolve_features(b, spec->options, pointer, kernel));
    for (size_t p = 0; p < type->nparameters; p++)
        KR_TRY(add_parameter(b, p, spec->options, pointer, path, exact, kernel));
    kernel->nparams = b->parameters->count - kernel->first;
    if (type->kernels >= 0) {
        const struct kr_variants *children = (const void *)((const char *)spec->options + type->kernels);
        kernel->nkernels = children->count;
        KR_ALLOC(b->ctx, kernel->kernels, children->count);
        for (size_t c = 0; c < children->count; c++)
            KR_TRY(build(b, &children->items[c], kr_printf(b->ctx, "%s/kernels/%zu", pointer, c),
                         kr_printf(b->ctx, "%s.kernels[%zu]", path, c), exact && !type->multiplies,
                         &kernel->kernels[c]));
    }
    kernel->buffers = type->buffers ? type->buffers(kernel) : 0;
    return KR_OK;
}

kr_status kr_kernel_build(struct kr_ctx *ctx, const struct kr_variant *spec, size_t d,
                          const char *const *feature_names, const char *pointer, const char *path,
                          struct kr_parameters *parameters, struct kr_kernel **out)
{
    struct builder b = {ctx, d, 0, feature_names, parameters};
    return build(&b, spec, pointer, path, true, out);
}

size_t kr_kernel_scratch(const struct kr_kernel *kernel)
{
    return (kernel->buffers + 1) * KR_TILE * KR_TILE;
}

static struct kr_tile point_tile(const struct kr_points *x, size_t i)
{
    return (struct kr_tile){1, 1, x->x + i, x->x + i, x->ld, x->ld};
}

void kr_kernel_diagonal(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                        double *scratch, double *out)
{
    for (size_t i = 0; i < x->n; i++) {
        struct kr_tile tile = point_tile(x, i);
        kernel->type->eval(kernel, theta, &tile, &out[i], scratch);
    }
}

void kr_kernel_diagonal_pull(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                             const double *weights, double *scratch, double *grad)
{
    for (size_t i = 0; i < x->n; i++) {
        struct kr_tile tile = point_tile(x, i);
        kernel->type->pull(kernel, theta, &tile, &weights[i], grad, scratch);
    }
}

void kr_kernel_diagonal_pull_x(const struct kr_kernel *kernel, const double *theta, const struct kr_points *x,
                               const double *weights, double *scratch, double *grad_x)
{
    for (size_t i = 0; kernel->type->pull_x && i < x->n; i++) {
        const struct kr_tile tile = point_tile(x, i);
        const double twice = 2 * weights[i]; /* k(x, z) = k(z, x): each side has half of it */
        kernel->type->pull_x(kernel, theta, &tile, &twice, grad_x + i, x->n, scratch);
    }
}
