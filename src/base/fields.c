/* Defaults of a schema, from the text in its rows. */
#include "kriged/fields.h"

#include <stdlib.h>
#include <string.h>

const struct kr_type *kr_registry_find(const struct kr_registry *registry, const char *name)
{
    for (const struct kr_type *const *row = registry->rows; *row; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}

kr_status kr_variant_init(struct kr_ctx *ctx, const struct kr_registry *registry, const char *name,
                          struct kr_variant *out)
{
    const struct kr_type *type = kr_registry_find(registry, name);
    if (!type)
        return kr_fail(ctx, KR_INVALID, "", "there is no %s called \"%s\"", registry->noun, name);
    *out = (struct kr_variant){type, NULL};
    if (!type->options)
        return KR_OK;
    out->options = kr_alloc(ctx, 1, type->options->size);
    return out->options ? kr_schema_init(ctx, type->options, out->options) : ctx->error.status;
}

static int choice_index(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

static kr_status init_field(struct kr_ctx *ctx, const struct kr_field *field, void *at)
{
    const char *text = field->fallback;
    switch (field->kind) {
    case KR_KIND_OBJECT:
        return kr_schema_init(ctx, field->aux, at);
    case KR_KIND_REAL:
        *(double *)at = text ? strtod(text, NULL) : __builtin_nan("");
        return KR_OK;
    default:
        break;
    }
    if (!text)
        return KR_OK; /* zero bytes: absent or empty */
    switch (field->kind) {
    case KR_KIND_BOOL:
        *(bool *)at = strcmp(text, "true") == 0;
        break;
    case KR_KIND_INT:
        *(size_t *)at = strtoull(text, NULL, 10);
        break;
    case KR_KIND_SEED:
        *(uint64_t *)at = strtoull(text, NULL, 10);
        break;
    case KR_KIND_TEXT:
        *(const char **)at = text;
        break;
    case KR_KIND_CHOICE:
        *(int *)at = choice_index(field->aux, text);
        break;
    case KR_KIND_ROW:
        *(const struct kr_type **)at = kr_registry_find(field->aux, text);
        break;
    case KR_KIND_VARIANT:
        return kr_variant_init(ctx, field->aux, text, at);
    case KR_KIND_PARAM: {
        struct kr_param *param = at;
        param->count = 1;
        KR_ALLOC(ctx, param->values, 1);
        param->values[0].value = strtod(text, NULL);
        break;
    }
    default:
        break;
    }
    return KR_OK;
}

kr_status kr_schema_init(struct kr_ctx *ctx, const struct kr_schema *schema, void *out)
{
    memset(out, 0, schema->size);
    for (size_t i = 0; i < schema->count; i++)
        KR_TRY(init_field(ctx, &schema->fields[i], (char *)out + schema->fields[i].offset));
    return KR_OK;
}

kr_status kr_feature_find(struct kr_ctx *ctx, const struct kr_feature *feature, size_t d,
                          const char *const *names, const char *pointer, size_t *out)
{
    *out = 0;
    for (size_t k = 0; feature->name && k < d; k++)
        if (strcmp(names[k], feature->name) == 0)
            return *out = k, KR_OK;
    if (feature->name)
        return kr_fail(ctx, KR_INVALID, pointer, "there is no feature called \"%.64s\" in the data",
                       feature->name);
    if (feature->index >= d)
        return kr_fail(ctx, KR_INVALID, pointer, "must be a feature index below %zu, got %zu", d,
                       feature->index);
    *out = feature->index;
    return KR_OK;
}
