/* The rows of a registry as JSON, for /v1/capabilities. */
#include "wire/impl.h"

#include <stdlib.h>
#include <string.h>

/* In the order of enum kr_kind. */
static const char *const kinds[] = {
    "boolean",         "integer",  "seed",          "number",
    "string",          "choice",   "choice",        "object",
    "object",          "list",     "variant",       "variants",
    "parameter",       "features", "integers",      "numbers",
    "matrix",          "strings",  "map",           "values",
    "feature",         "groups",   "integer lists", "number or numbers",
    "numbers or rows", "table",    "json",
};

const char *wire_kind_name(enum kr_kind kind)
{
    return kinds[kind];
}

json_t *wire_fallback(const struct kr_field *field)
{
    const char *text = field->fallback;
    if (field->flags & KR_REQUIRED)
        return json_null();
    if (field->kind == KR_KIND_BOOL)
        return json_boolean(text && strcmp(text, "true") == 0);
    if (field->kind == KR_KIND_CHOICE && !text)
        return wire_string(((const char *const *)field->aux)[0]);
    if (!text)
        return json_null();
    switch (field->kind) {
    case KR_KIND_INT:
    case KR_KIND_SEED:
        return json_integer((json_int_t)strtoull(text, NULL, 10));
    case KR_KIND_REAL:
    case KR_KIND_PARAM:
        return kr_json_real(strtod(text, NULL));
    case KR_KIND_VARIANT:
        return field->flags & KR_INLINE ? wire_string(text) : json_pack("{s:s}", "type", text);
    default:
        return wire_string(text);
    }
}

json_t *wire_choices(const struct kr_field *field)
{
    const struct kr_registry *registry = field->kind == KR_KIND_CHOICE ? NULL : field->aux;
    const char *const *names = registry ? NULL : field->aux;
    const bool automatic = registry && field->fallback && strcmp(field->fallback, "auto") == 0;
    json_t *array = json_array();
    if (automatic && field->kind == KR_KIND_ROW && !kr_registry_find(registry, "auto"))
        json_array_append_new(array, json_string("auto"));
    for (size_t i = 0; registry ? registry->rows[i] != NULL : names[i] != NULL; i++)
        json_array_append_new(array, wire_string(registry ? registry->rows[i]->name : names[i]));
    return array;
}

static json_t *option(const struct kr_field *field)
{
    const bool ranged = wire_has_range(field);
    json_t *json = json_object();
    wire_put(json, "name", wire_string(field->name));
    wire_put(json, "kind", wire_string(wire_kind_name(field->kind)));
    wire_put(json, "required", json_boolean(field->flags & KR_REQUIRED));
    wire_put(json, "default", wire_fallback(field));
    wire_put(json, "minimum", ranged ? kr_json_real(field->min) : json_null());
    wire_put(json, "maximum", ranged ? kr_json_real(field->max) : json_null());
    if (field->kind == KR_KIND_CHOICE || field->kind == KR_KIND_ROW)
        wire_put(json, "choices", wire_choices(field));
    wire_put(json, "doc", wire_string(field->doc));
    return json;
}

json_t *kr_wire_registry(const struct kr_registry *registry)
{
    json_t *rows = json_array();
    for (const struct kr_type *const *row = registry->rows; *row; row++) {
        json_t *json = json_object(), *options = json_array();
        const struct kr_schema *schema = (*row)->options;
        for (size_t i = 0; schema && i < schema->count; i++)
            json_array_append_new(options, option(&schema->fields[i]));
        wire_put(json, "type", wire_string((*row)->name));
        wire_put(json, "doc", wire_string((*row)->doc));
        wire_put(json, "options", options);
        json_array_append_new(rows, json);
    }
    return rows;
}
