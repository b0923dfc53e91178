/* A jansson tree to structs: every member of an object against its row, everything else refused. */
#include "wire/impl.h"

#include <stdio.h>
#include <string.h>

static kr_status read_schema(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                             const struct wire_path *path, const char *tag, void *out);
static kr_status read_members(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                              const struct wire_path *path, void *out);

/* ---- names ---- */

static bool is_inline(const struct kr_field *field)
{
    return field->kind == KR_KIND_VARIANT && (field->flags & KR_INLINE);
}

/* The row that an inline variant's tag, or its default, names; NULL when there is none. */
static const struct kr_type *inline_row(const struct kr_field *field, const json_t *json)
{
    const json_t *tag = json_object_get(json, field->name);
    if (!tag || json_is_null(tag))
        return field->fallback ? kr_registry_find(field->aux, field->fallback) : NULL;
    return json_is_string(tag) ? kr_registry_find(field->aux, json_string_value(tag)) : NULL;
}

/* A missing or wrong tag is refused before the options that it would have made known. */
static kr_status check_tags(const struct wire_reader *r, const struct kr_schema *schema, const json_t *json,
                            const struct wire_path *path)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        const struct kr_registry *registry = field->aux;
        const json_t *tag = json_object_get(json, field->name);
        const struct wire_path at = {path, field->name, 0};
        const bool required = field->flags & KR_REQUIRED;
        if (!is_inline(field) || (!required && (!tag || json_is_null(tag))))
            continue;
        if (!tag)
            return wire_refuse(r->ctx, &at, "is required");
        if (!json_is_string(tag))
            return wire_refuse_type(r->ctx, &at, "a string", tag);
        if (!inline_row(field, json))
            return wire_refuse_name(r->ctx, &at, registry->noun, json_string_value(tag), registry, NULL);
    }
    return KR_OK;
}

static bool is_known(const struct kr_schema *schema, const json_t *json, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        if (strcmp(field->name, name) == 0)
            return true;
        const struct kr_type *row = is_inline(field) ? inline_row(field, json) : NULL;
        if (row && row->options && is_known(row->options, json, name))
            return true;
    }
    return false;
}

static void list_known(const struct kr_schema *schema, const json_t *json, char *text, size_t size)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", field->name);
        const struct kr_type *row = is_inline(field) ? inline_row(field, json) : NULL;
        if (row && row->options)
            list_known(row->options, json, text, size);
    }
}

/* `tag` is a member beside those of the schema, or NULL. The schema may be NULL: no members. */
static kr_status check_names(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                             const struct wire_path *path, const char *tag)
{
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        if ((tag && strcmp(tag, name) == 0) || (schema && is_known(schema, json, name)))
            continue;
        char known[512] = "";
        const struct wire_path at = {path, name, 0};
        if (tag)
            snprintf(known, sizeof known, "%s", tag);
        if (schema)
            list_known(schema, json, known, sizeof known);
        return wire_refuse(r->ctx, &at, "is not known here; known are: %s", known[0] ? known : "none");
    }
    return KR_OK;
}

/* ---- kinds ---- */

static kr_status read_choice(const struct wire_reader *r, const struct kr_field *field, const json_t *json,
                             const struct wire_path *path, int *out)
{
    const char *const *names = field->aux;
    if (!json_is_string(json))
        return wire_refuse_type(r->ctx, path, "a string", json);
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], json_string_value(json)) == 0)
            return *out = i, KR_OK;
    return wire_refuse_name(r->ctx, path, "choice", json_string_value(json), NULL, names);
}

static kr_status read_row(const struct wire_reader *r, const struct kr_field *field, const json_t *json,
                          const struct wire_path *path, const struct kr_type **out)
{
    const struct kr_registry *registry = field->aux;
    if (!json_is_string(json))
        return wire_refuse_type(r->ctx, path, "a string", json);
    const char *name = json_string_value(json);
    *out = kr_registry_find(registry, name);
    if (*out || (field->fallback && strcmp(field->fallback, "auto") == 0 && strcmp(name, "auto") == 0))
        return KR_OK;
    return wire_refuse_name(r->ctx, path, registry->noun, name, registry, NULL);
}

static kr_status enter_variant(const struct wire_reader *r, const struct wire_path *path,
                               struct wire_reader *inner)
{
    *inner = (struct wire_reader){r->ctx, r->depth + 1};
    return inner->depth <= KR_KERNEL_DEPTH
               ? KR_OK
               : wire_refuse(r->ctx, path, "is nested deeper than %d levels", KR_KERNEL_DEPTH);
}

/* {"type": name, ...options} */
static kr_status read_variant(const struct wire_reader *r, const struct kr_registry *registry, json_t *json,
                              const struct wire_path *path, struct kr_variant *out)
{
    struct wire_reader inner;
    const struct wire_path at = {path, "type", 0};
    const json_t *tag = json_object_get(json, "type");
    KR_TRY(enter_variant(r, path, &inner));
    if (!json_is_object(json))
        return wire_refuse_type(r->ctx, path, "an object", json);
    if (!tag)
        return wire_refuse(r->ctx, &at, "is required");
    if (!json_is_string(tag))
        return wire_refuse_type(r->ctx, &at, "a string", tag);
    *out = (struct kr_variant){kr_registry_find(registry, json_string_value(tag)), NULL};
    if (!out->type)
        return wire_refuse_name(r->ctx, &at, registry->noun, json_string_value(tag), registry, NULL);
    const struct kr_schema *options = out->type->options;
    if (!options)
        return check_names(&inner, NULL, json, path, "type");
    out->options = kr_alloc(r->ctx, 1, options->size);
    return out->options ? read_schema(&inner, options, json, path, "type", out->options)
                        : r->ctx->error.status;
}

kr_status wire_read_variant(struct kr_ctx *ctx, const struct kr_registry *registry, json_t *json,
                            const struct wire_path *path, struct kr_variant *out)
{
    const struct wire_reader reader = {ctx, 0};
    return read_variant(&reader, registry, json, path, out);
}

/* The enclosing object holds the options; its names have been checked. */
static kr_status read_inline(const struct wire_reader *r, const struct kr_field *field, json_t *object,
                             const struct wire_path *path, struct kr_variant *out)
{
    struct wire_reader inner;
    const struct kr_schema *options;
    *out = (struct kr_variant){inline_row(field, object), NULL};
    if (!out->type || !out->type->options)
        return KR_OK;
    KR_TRY(enter_variant(r, path, &inner));
    options = out->type->options;
    out->options = kr_alloc(r->ctx, 1, options->size);
    if (!out->options)
        return r->ctx->error.status;
    KR_TRY(kr_schema_init(r->ctx, options, out->options));
    return read_members(&inner, options, object, path, out->options);
}

/* Empty where it may as well be left out. */
static kr_status read_variants(const struct wire_reader *r, const struct kr_field *field, json_t *json,
                               const struct wire_path *path, struct kr_variants *out)
{
    const struct kr_registry *registry = field->aux;
    if (!json_is_array(json))
        return wire_refuse_type(r->ctx, path, "an array", json);
    if (json_array_size(json) == 0 && !(field->flags & KR_OMIT))
        return wire_refuse(r->ctx, path, "must have at least one %s", registry->noun);
    out->count = json_array_size(json);
    KR_ALLOC(r->ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(read_variant(r, registry, json_array_get(json, i), &at, &out->items[i]));
    }
    return KR_OK;
}

static kr_status read_list(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                           const struct wire_path *path, struct kr_list *out)
{
    if (!json_is_array(json))
        return wire_refuse_type(r->ctx, path, "an array", json);
    out->count = json_array_size(json);
    out->items = kr_alloc(r->ctx, out->count, schema->size);
    if (!out->items)
        return r->ctx->error.status;
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(read_schema(r, schema, json_array_get(json, i), &at, NULL,
                           (char *)out->items + i * schema->size));
    }
    return KR_OK;
}

static kr_status read_optional(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                               const struct wire_path *path, void *out)
{
    void *made = kr_alloc(r->ctx, 1, schema->size);
    memcpy(out, &made, sizeof made); /* into a pointer of the table's own type */
    return made ? read_schema(r, schema, json, path, NULL, made) : r->ctx->error.status;
}

static kr_status read_number(const struct wire_reader *r, const struct kr_field *field, const json_t *json,
                             const struct wire_path *path, void *at)
{
    uint64_t integer = 0;
    if (field->kind == KR_KIND_REAL)
        return wire_read_real(r->ctx, field, json, path, at);
    KR_TRY(wire_read_integer(r->ctx, field, json, path, &integer));
    if (field->kind == KR_KIND_SEED)
        *(uint64_t *)at = integer;
    else
        *(size_t *)at = integer;
    return KR_OK;
}

static kr_status read_value(const struct wire_reader *r, const struct kr_field *field, json_t *json,
                            const struct wire_path *path, void *at)
{
    switch (field->kind) {
    case KR_KIND_BOOL:
        if (!json_is_boolean(json))
            return wire_refuse_type(r->ctx, path, "true or false", json);
        *(bool *)at = json_is_true(json);
        return KR_OK;
    case KR_KIND_INT:
    case KR_KIND_SEED:
    case KR_KIND_REAL:
        return read_number(r, field, json, path, at);
    case KR_KIND_TEXT:
        return wire_read_text(r->ctx, json, path, at);
    case KR_KIND_CHOICE:
        return read_choice(r, field, json, path, at);
    case KR_KIND_ROW:
        return read_row(r, field, json, path, at);
    case KR_KIND_OBJECT:
        return read_schema(r, field->aux, json, path, NULL, at);
    case KR_KIND_OPTIONAL:
        return read_optional(r, field->aux, json, path, at);
    case KR_KIND_LIST:
        return read_list(r, field->aux, json, path, at);
    case KR_KIND_VARIANT:
        return read_variant(r, field->aux, json, path, at);
    case KR_KIND_VARIANTS:
        return read_variants(r, field, json, path, at);
    case KR_KIND_PARAM:
        return wire_read_param(r->ctx, field, json, path, at);
    case KR_KIND_FEATURES:
        return wire_read_features(r->ctx, json, path, at);
    case KR_KIND_FEATURE:
        return wire_read_feature(r->ctx, json, path, at);
    case KR_KIND_GROUPS:
        return wire_read_groups(r->ctx, field, json, path, at);
    case KR_KIND_JSON:
        *(void **)at = json;
        return KR_OK;
    default:
        return wire_read_array(r->ctx, field, json, path, at);
    }
}

/* ---- objects ---- */

/* null stands for a member that is absent; a number that is written as null (NaN) is read from it. */
static bool is_absent(const struct kr_field *field, const json_t *json)
{
    if (!json || !json_is_null(json))
        return !json;
    return !(field->flags & KR_REQUIRED) || (field->kind == KR_KIND_REAL && (field->flags & KR_NULL));
}

static kr_status read_members(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                              const struct wire_path *path, void *out)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        const struct wire_path at = {path, field->name, 0};
        json_t *value = json_object_get(json, field->name);
        void *member = (char *)out + field->offset;
        if (!value && (field->flags & KR_REQUIRED))
            return wire_refuse(r->ctx, &at, "is required");
        if (is_inline(field))
            KR_TRY(read_inline(r, field, json, path, member));
        else if (!is_absent(field, value))
            KR_TRY(read_value(r, field, value, &at, member));
        else if (value && field->kind == KR_KIND_REAL && (field->flags & KR_NULL))
            *(double *)member = __builtin_nan("");
    }
    return KR_OK;
}

static kr_status read_schema(const struct wire_reader *r, const struct kr_schema *schema, json_t *json,
                             const struct wire_path *path, const char *tag, void *out)
{
    if (!json_is_object(json))
        return wire_refuse_type(r->ctx, path, "an object", json);
    KR_TRY(kr_schema_init(r->ctx, schema, out));
    KR_TRY(check_tags(r, schema, json, path));
    KR_TRY(check_names(r, schema, json, path, tag));
    return read_members(r, schema, json, path, out);
}

kr_status kr_wire_read(struct kr_ctx *ctx, const struct kr_schema *schema, json_t *json, const char *pointer,
                       void *out)
{
    const struct wire_reader reader = {ctx, 0};
    const struct wire_path root = {NULL, pointer, 0};
    return read_schema(&reader, schema, json, &root, NULL, out);
}

kr_status kr_wire_parse(struct kr_ctx *ctx, const struct kr_schema *schema, const char *text, size_t length,
                        void *out, json_t **tree)
{
    json_t *json;
    if (tree)
        *tree = NULL;
    KR_TRY(kr_json_parse(ctx, text, length, &json));
    kr_status status = kr_wire_read(ctx, schema, json, "", out);
    if (tree && status == KR_OK)
        *tree = json;
    else
        json_decref(json);
    return status;
}
