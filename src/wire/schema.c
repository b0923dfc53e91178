/*
 * Tables to JSON Schema (draft 2020-12), as OpenAPI 3.1 embeds it.
 *
 * A definition is entered under its name before its members are walked, so that kernels of kernels end.
 * Options that stand beside their tag (KR_INLINE) are alternatives of the enclosing object: "allOf" of one
 * "oneOf" a tag, closed by "unevaluatedProperties".
 */
#include "wire/impl.h"

#include <stdio.h>
#include <string.h>

static json_t *members(const struct kr_schema *schema, json_t *definitions, json_t *required,
                       json_t *alternatives);

static json_t *reference(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

/* The public name of a table: without the prefix of its C struct. */
static const char *public_name(const char *name)
{
    return strncmp(name, "kr_", 3) == 0 ? name + 3 : name;
}

static json_t *type(const char *name)
{
    return json_pack("{s:s}", "type", name);
}

static json_t *integer_or_real(const struct kr_field *field, double value)
{
    const bool integer =
        field->kind == KR_KIND_INT || field->kind == KR_KIND_SEED || field->kind == KR_KIND_INTS;
    return integer ? json_integer((json_int_t)value) : kr_json_real(value);
}

/* A number or an integer of a row, as one value or as an entry. */
static json_t *number(const struct kr_field *field, bool integer)
{
    json_t *json = type(integer ? "integer" : "number");
    const bool ranged = wire_has_range(field);
    if (ranged || integer)
        wire_put(json, field->flags & KR_OPEN_MIN ? "exclusiveMinimum" : "minimum",
                 integer_or_real(field, field->min));
    if (ranged || integer)
        wire_put(json, field->flags & KR_OPEN_MAX ? "exclusiveMaximum" : "maximum",
                 integer_or_real(field, ranged ? field->max : WIRE_LARGEST_INTEGER));
    return json;
}

static json_t *array_of(json_t *items, int least)
{
    json_t *json = json_pack("{s:s, s:o}", "type", "array", "items", items);
    if (least > 0)
        wire_put(json, "minItems", json_integer(least));
    return json;
}

/* An object with exactly these members. */
static json_t *closed(json_t *properties, json_t *required, const char *closing)
{
    json_t *json = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (json_array_size(required) > 0)
        wire_put(json, "required", required);
    else
        json_decref(required);
    if (closing)
        wire_put(json, closing, json_false());
    return json;
}

static json_t *variant(const struct kr_registry *registry, json_t *definitions);

/* ---- hyperparameters ---- */

static json_t *detailed_parameter(const struct kr_field *field, json_t *definitions)
{
    json_t *bounds = array_of(number(field, false), 2);
    wire_put(bounds, "maxItems", json_integer(2));
    wire_put(bounds, "description", json_string("[lower, upper]"));
    json_t *fixed = json_pack("{s:s, s:b, s:s}", "type", "boolean", "default", 0, "description", "not tuned");
    json_t *properties = json_pack("{s:o, s:o, s:o, s:o}", "value", number(field, false), "fixed", fixed,
                                   "bounds", bounds, "prior", variant(field->aux, definitions));
    return closed(properties, json_pack("[s]", "value"), "additionalProperties");
}

/* Hyperparameters of one range share a definition, named by the range. */
static json_t *parameter(const struct kr_field *field, json_t *definitions)
{
    char name[128] = "parameter", low[WIRE_NUMBER_TEXT], high[WIRE_NUMBER_TEXT], *to = name;
    wire_number_text(field->min, low);
    wire_number_text(field->max, high);
    if (wire_has_range(field))
        snprintf(name, sizeof name, "parameter_from_%s%s_to_%s%s", field->flags & KR_OPEN_MIN ? "above_" : "",
                 low, field->flags & KR_OPEN_MAX ? "below_" : "", high);
    for (const char *from = name; *from; from++) /* a plus is not allowed in a name */
        if (*from != '+')
            *to++ = *from;
    *to = 0;
    if (!json_object_get(definitions, name)) {
        json_t *entry =
            json_pack("{s:[o, o]}", "oneOf", number(field, false), detailed_parameter(field, definitions));
        json_t *json = json_pack(
            "{s:[o, o, o], s:s}", "oneOf", number(field, false), array_of(entry, 1),
            detailed_parameter(field, definitions), "description",
            "A hyperparameter: a number, one entry a feature, or a value with what is known about it");
        wire_put(definitions, name, json);
    }
    return reference(name);
}

/* ---- registries ---- */

/* The object of one row: its tag and its options. */
static json_t *row_object(const struct kr_type *row, const char *tag, json_t *definitions, bool inlined)
{
    json_t *required = json_pack("[s]", tag), *alternatives = json_array();
    json_t *properties = json_pack("{s:{s:s}}", tag, "const", row->name);
    json_t *options =
        row->options ? members(row->options, definitions, required, alternatives) : json_object();
    json_object_update(properties, options);
    json_decref(options);
    const bool nested = json_array_size(alternatives) > 0;
    const char *closing = inlined ? NULL : nested ? "unevaluatedProperties" : "additionalProperties";
    json_t *json = closed(properties, required, closing);
    wire_put(json, "title", wire_string(row->name));
    wire_put(json, "description", wire_string(row->doc));
    if (nested)
        wire_put(json, "allOf", alternatives);
    else
        json_decref(alternatives);
    return json;
}

static json_t *variant(const struct kr_registry *registry, json_t *definitions)
{
    const char *name = registry->noun;
    if (json_object_get(definitions, name))
        return reference(name);
    json_t *rows = json_array(), *json = json_pack("{s:O}", "oneOf", rows);
    wire_put(definitions, name, json);
    for (const struct kr_type *const *row = registry->rows; *row; row++)
        json_array_append_new(rows, row_object(*row, "type", definitions, false));
    json_decref(rows);
    return reference(name);
}

/* The alternatives of an inline variant: one a row, and none of them where the tag may be left out. */
static json_t *inline_variant(const struct kr_field *field, json_t *definitions)
{
    const struct kr_registry *registry = field->aux;
    json_t *rows = json_array();
    for (const struct kr_type *const *row = registry->rows; *row; row++) {
        json_t *json = row_object(*row, field->name, definitions, true);
        if (!(field->flags & KR_REQUIRED) && field->fallback && strcmp(field->fallback, (*row)->name) == 0)
            json_array_remove(json_object_get(json, "required"), 0);
        json_array_append_new(rows, json);
    }
    if (!(field->flags & KR_REQUIRED) && !field->fallback)
        json_array_append_new(rows, json_pack("{s:{s:[s]}}", "not", "required", field->name));
    return json_pack("{s:o}", "oneOf", rows);
}

/* ---- members ---- */

static json_t *feature(void)
{
    return json_pack("{s:[o, {s:s, s:i}]}", "oneOf", type("string"), "type", "integer", "minimum", 0);
}

static json_t *plain(const struct kr_field *field, json_t *definitions)
{
    switch (field->kind) {
    case KR_KIND_BOOL:
        return type("boolean");
    case KR_KIND_INT:
    case KR_KIND_SEED:
        return number(field, true);
    case KR_KIND_REAL:
        return number(field, false);
    case KR_KIND_TEXT:
        return type("string");
    case KR_KIND_CHOICE:
    case KR_KIND_ROW:
        return json_pack("{s:s, s:o}", "type", "string", "enum", wire_choices(field));
    case KR_KIND_OBJECT:
    case KR_KIND_OPTIONAL:
        return kr_wire_json_schema(field->aux, definitions);
    case KR_KIND_LIST:
        return array_of(kr_wire_json_schema(field->aux, definitions), 0);
    case KR_KIND_VARIANT:
        return variant(field->aux, definitions);
    case KR_KIND_VARIANTS:
        return array_of(variant(field->aux, definitions), field->flags & KR_OMIT ? 0 : 1);
    case KR_KIND_PARAM:
        return parameter(field, definitions);
    case KR_KIND_FEATURES:
        return array_of(feature(), 1);
    case KR_KIND_FEATURE:
        return feature();
    case KR_KIND_GROUPS:
        return json_pack("{s:[o, o]}", "oneOf", feature(),
                         array_of(json_pack("{s:s, s:i}", "type", "integer", "minimum", 0), 1));
    case KR_KIND_INT_LISTS:
        return array_of(array_of(number(field, true), 0), 0);
    case KR_KIND_INTS:
        return array_of(number(field, true), 0);
    case KR_KIND_REALS:
        return array_of(number(field, false), 0);
    case KR_KIND_MATRIX:
        return array_of(array_of(number(field, false), 1), 1);
    case KR_KIND_TABLE:
        return array_of(array_of(json_pack("{s:[o, o]}", "anyOf", number(field, false), type("string")), 1),
                        1);
    case KR_KIND_SCALARS:
        return json_pack("{s:[o, o]}", "anyOf", number(field, false), array_of(number(field, false), 0));
    case KR_KIND_VECTORS:
        return json_pack("{s:[o, o]}", "anyOf", array_of(number(field, false), 0),
                         array_of(array_of(number(field, false), 1), 1));
    case KR_KIND_TEXTS:
        return array_of(type("string"), 0);
    case KR_KIND_MAP:
        return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", type("string"));
    case KR_KIND_VALUES: /* with a range they are numbers, without one also null */
        return json_pack("{s:s, s:o}", "type", "object", "additionalProperties",
                         wire_has_range(field) ? number(field, false)
                                               : json_pack("{s:[s, s]}", "type", "number", "null"));
    case KR_KIND_JSON:
        break;
    }
    return json_object(); /* anything */
}

/* Members that may be absent are written as null unless they are left out. */
static bool may_be_null(const struct kr_field *field)
{
    if (field->flags & KR_NULL)
        return true;
    if ((field->flags & (KR_REQUIRED | KR_OMIT)) || field->fallback || field->kind == KR_KIND_JSON)
        return false;
    switch (field->kind) {
    case KR_KIND_INT:
        return field->min > 0;
    case KR_KIND_REAL:
    case KR_KIND_TEXT:
    case KR_KIND_ROW:
    case KR_KIND_OPTIONAL:
    case KR_KIND_VARIANT:
    case KR_KIND_VARIANTS:
    case KR_KIND_PARAM:
    case KR_KIND_FEATURES:
    case KR_KIND_FEATURE:
    case KR_KIND_GROUPS:
    case KR_KIND_MATRIX:
    case KR_KIND_TABLE:
    case KR_KIND_SCALARS:
        return true;
    default:
        return false;
    }
}

static json_t *member(const struct kr_field *field, json_t *definitions)
{
    json_t *json = plain(field, definitions), *fallback = wire_fallback(field);
    if (may_be_null(field))
        json = json_pack("{s:[o, o]}", "anyOf", json, type("null"));
    if (field->doc && field->doc[0])
        wire_put(json, "description", wire_string(field->doc));
    if (!json_is_null(fallback))
        wire_put(json, "default", fallback);
    else
        json_decref(fallback);
    return json;
}

/* Properties by name; names of required members and the alternatives of inline variants are appended. */
static json_t *members(const struct kr_schema *schema, json_t *definitions, json_t *required,
                       json_t *alternatives)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        if (field->kind == KR_KIND_VARIANT && (field->flags & KR_INLINE)) {
            json_array_append_new(alternatives, inline_variant(field, definitions));
            continue;
        }
        wire_put(properties, field->name, member(field, definitions));
        if (field->flags & KR_REQUIRED)
            json_array_append_new(required, wire_string(field->name));
    }
    return properties;
}

json_t *kr_wire_json_schema(const struct kr_schema *schema, json_t *definitions)
{
    const char *name = public_name(schema->name);
    if (json_object_get(definitions, name))
        return reference(name);
    json_t *json = json_object(), *required = json_array(), *alternatives = json_array();
    wire_put(definitions, name, json);
    json_t *properties = members(schema, definitions, required, alternatives);
    const bool nested = json_array_size(alternatives) > 0;
    json_t *object = closed(properties, required, nested ? "unevaluatedProperties" : "additionalProperties");
    json_object_update(json, object);
    json_decref(object);
    wire_put(json, "description", wire_string(schema->doc));
    if (nested)
        wire_put(json, "allOf", alternatives);
    else
        json_decref(alternatives);
    return reference(name);
}
