/* Structs to a jansson tree: what read would take, defaults included. */
#include "wire/impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool write_members(json_t *object, const struct kr_schema *schema, const void *in);

bool wire_put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new_nocheck(object, name, value) == 0;
}

/* Length of the UTF-8 sequence at text, 0 when it is none. */
static size_t sequence(const char *text)
{
    unsigned char c = (unsigned char)text[0];
    size_t length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    unsigned char next = length > 2 ? (unsigned char)text[1] : 0;
    bool overlong = (c == 0xe0 && next < 0xa0) || (c == 0xf0 && next < 0x90);
    bool outside = (c == 0xed && next > 0x9f) || (c == 0xf4 && next > 0x8f);
    return overlong || outside ? 0 : length;
}

json_t *wire_string(const char *text)
{
    if (!text)
        return json_null();
    json_t *json = json_string(text);
    if (json)
        return json;
    /* Messages quote what a client sent, and are cut at a fixed length. */
    char *copy = strdup(text);
    for (char *at = copy; copy && *at;) {
        size_t length = sequence(at);
        if (length == 0)
            *at = '?';
        at += length ? length : 1;
    }
    json = copy ? json_string(copy) : NULL;
    free(copy);
    return json;
}

json_t *kr_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* {..., "type" or `tag`: name, ...options} */
static bool write_row(json_t *object, const char *tag, const struct kr_variant *variant)
{
    const struct kr_schema *options = variant->type->options;
    if (!wire_put(object, tag, wire_string(variant->type->name)))
        return false;
    return !options || !variant->options || write_members(object, options, variant->options);
}

/* A container that was filled as a whole; else it goes. */
static json_t *filled(json_t *object, bool done)
{
    if (done)
        return object;
    json_decref(object);
    return NULL;
}

json_t *kr_wire_write_variant(const struct kr_variant *variant)
{
    json_t *object = json_object();
    return filled(object, object && write_row(object, "type", variant));
}

static json_t *write_param_value(const struct kr_param_value *value)
{
    if (!value->fixed && !value->bounded && !value->prior.type)
        return kr_json_real(value->value);
    json_t *object = json_object();
    bool done = object && wire_put(object, "value", kr_json_real(value->value)) &&
                wire_put(object, "fixed", json_boolean(value->fixed));
    if (value->bounded)
        done = done && wire_put(object, "bounds",
                                json_pack("[o, o]", kr_json_real(value->lower), kr_json_real(value->upper)));
    if (value->prior.type)
        done = done && wire_put(object, "prior", kr_wire_write_variant(&value->prior));
    return filled(object, done);
}

static json_t *write_schema(const struct kr_schema *schema, const void *in)
{
    json_t *object = json_object();
    return filled(object, object && write_members(object, schema, in));
}

/* Element i of a kind that is an array. */
static json_t *write_feature(const struct kr_feature *feature)
{
    return feature->name ? wire_string(feature->name) : json_integer((json_int_t)feature->index);
}

static json_t *write_ints(const struct kr_ints *ints)
{
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; i < ints->count && done; i++)
        done = json_array_append_new(array, json_integer((json_int_t)ints->items[i])) == 0;
    return filled(array, done);
}

static json_t *write_groups(const struct kr_groups *groups)
{
    return groups->labels.count ? write_ints(&groups->labels) : write_feature(groups->feature.items);
}

static json_t *write_item(const struct kr_field *field, const void *at, size_t i)
{
    const struct kr_schema *schema = field->aux;
    switch (field->kind) {
    case KR_KIND_INT_LISTS:
        return write_ints(&((const struct kr_int_lists *)at)->items[i]);
    case KR_KIND_LIST:
        return write_schema(schema, (const char *)((const struct kr_list *)at)->items + i * schema->size);
    case KR_KIND_VARIANTS:
        return kr_wire_write_variant(&((const struct kr_variants *)at)->items[i]);
    case KR_KIND_PARAM:
        return write_param_value(&((const struct kr_param *)at)->values[i]);
    case KR_KIND_FEATURES:
        return write_feature(&((const struct kr_features *)at)->items[i]);
    case KR_KIND_INTS:
        return json_integer((json_int_t)((const struct kr_ints *)at)->items[i]);
    case KR_KIND_REALS:
    case KR_KIND_SCALARS:
        return kr_json_real(((const struct kr_reals *)at)->items[i]);
    default:
        return wire_string(((const struct kr_texts *)at)->items[i]);
    }
}

static json_t *write_array(const struct kr_field *field, const void *at, size_t count)
{
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; i < count && done; i++)
        done = json_array_append_new(array, write_item(field, at, i)) == 0;
    return filled(array, done);
}

static json_t *write_matrix(const struct kr_matrix *matrix)
{
    static const struct kr_field row = {.kind = KR_KIND_REALS};
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; i < matrix->rows && done; i++) {
        const struct kr_reals reals = {matrix->cols, matrix->items + i * matrix->cols};
        done = json_array_append_new(array, write_array(&row, &reals, reals.count)) == 0;
    }
    return filled(array, done);
}

static json_t *write_table(const struct kr_table *table)
{
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; i < table->rows && done; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < table->cols && done; k++) {
            const size_t e = i * table->cols + k;
            const char *text = table->texts ? table->texts[e] : NULL;
            done = json_array_append_new(row, text ? wire_string(text) : kr_json_real(table->items[e])) == 0;
        }
        done = json_array_append_new(array, row) == 0 && done;
    }
    return filled(array, done);
}

static json_t *write_vectors(const struct kr_matrix *matrix)
{
    static const struct kr_field plain = {.kind = KR_KIND_REALS};
    const struct kr_reals column = {matrix->rows, matrix->items};
    return matrix->cols > 1 ? write_matrix(matrix) : write_array(&plain, &column, column.count);
}

static json_t *write_map(const struct kr_map *map)
{
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; i < map->count && done; i++)
        done = wire_put(object, map->names[i], wire_string(map->texts[i]));
    return filled(object, done);
}

static json_t *write_values(const struct kr_values *values)
{
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; i < values->count && done; i++)
        done = wire_put(object, values->names[i], kr_json_real(values->values[i]));
    return filled(object, done);
}

/* How many elements a kind has that is absent when it has none; 1 for the others. */
static size_t elements(const struct kr_field *field, const void *at)
{
    switch (field->kind) {
    case KR_KIND_LIST:
        return ((const struct kr_list *)at)->count;
    case KR_KIND_VARIANTS:
        return ((const struct kr_variants *)at)->count;
    case KR_KIND_PARAM:
        return ((const struct kr_param *)at)->count;
    case KR_KIND_FEATURES:
    case KR_KIND_FEATURE:
        return ((const struct kr_features *)at)->count;
    case KR_KIND_GROUPS:
        return ((const struct kr_groups *)at)->feature.count + ((const struct kr_groups *)at)->labels.count;
    case KR_KIND_INT_LISTS:
        return ((const struct kr_int_lists *)at)->count;
    case KR_KIND_INTS:
        return ((const struct kr_ints *)at)->count;
    case KR_KIND_REALS:
    case KR_KIND_SCALARS:
        return ((const struct kr_reals *)at)->count;
    case KR_KIND_MATRIX:
    case KR_KIND_VECTORS:
        return ((const struct kr_matrix *)at)->rows;
    case KR_KIND_TABLE:
        return ((const struct kr_table *)at)->rows;
    case KR_KIND_TEXTS:
        return ((const struct kr_texts *)at)->count;
    case KR_KIND_MAP:
        return ((const struct kr_map *)at)->count;
    case KR_KIND_VALUES:
        return ((const struct kr_values *)at)->count;
    default:
        return 1;
    }
}

static bool is_auto(const struct kr_field *field)
{
    return field->fallback && strcmp(field->fallback, "auto") == 0;
}

/* An integer without a default is absent at 0 where its range excludes 0. */
static bool is_absent(const struct kr_field *field, const void *at)
{
    switch (field->kind) {
    case KR_KIND_INT:
        return !field->fallback && field->min > 0 && *(const size_t *)at == 0;
    case KR_KIND_REAL:
        return !isfinite(*(const double *)at);
    case KR_KIND_TEXT:
        return !*(const char *const *)at;
    case KR_KIND_ROW:
        return !*(const struct kr_type *const *)at && !is_auto(field);
    case KR_KIND_OPTIONAL:
    case KR_KIND_JSON:
        return !*(void *const *)at;
    case KR_KIND_VARIANT:
        return !((const struct kr_variant *)at)->type;
    default:
        return elements(field, at) == 0;
    }
}

/* Kinds that read takes without an element. */
static bool may_be_empty(const struct kr_field *field)
{
    switch (field->kind) {
    case KR_KIND_LIST:
    case KR_KIND_INTS:
    case KR_KIND_INT_LISTS:
    case KR_KIND_REALS:
    case KR_KIND_VECTORS:
    case KR_KIND_TEXTS:
    case KR_KIND_MAP:
    case KR_KIND_VALUES:
        return !(field->flags & KR_NULL);
    default:
        return false;
    }
}

static json_t *write_value(const struct kr_field *field, const void *at)
{
    const struct kr_type *row;
    switch (field->kind) {
    case KR_KIND_BOOL:
        return json_boolean(*(const bool *)at);
    case KR_KIND_INT:
        return json_integer((json_int_t) * (const size_t *)at);
    case KR_KIND_SEED:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case KR_KIND_REAL:
        return kr_json_real(*(const double *)at);
    case KR_KIND_TEXT:
        return wire_string(*(const char *const *)at);
    case KR_KIND_CHOICE:
        return wire_string(((const char *const *)field->aux)[*(const int *)at]);
    case KR_KIND_ROW:
        row = *(const struct kr_type *const *)at;
        return wire_string(row ? row->name : "auto");
    case KR_KIND_OBJECT:
        return write_schema(field->aux, at);
    case KR_KIND_OPTIONAL:
        return write_schema(field->aux, *(void *const *)at);
    case KR_KIND_VARIANT:
        return kr_wire_write_variant(at);
    case KR_KIND_MATRIX:
        return write_matrix(at);
    case KR_KIND_TABLE:
        return write_table(at);
    case KR_KIND_VECTORS:
        return write_vectors(at);
    case KR_KIND_SCALARS:
        if (((const struct kr_reals *)at)->count == 1)
            return kr_json_real(*((const struct kr_reals *)at)->items);
        break;
    case KR_KIND_FEATURE:
        return write_feature(((const struct kr_features *)at)->items);
    case KR_KIND_GROUPS:
        return write_groups(at);
    case KR_KIND_MAP:
        return write_map(at);
    case KR_KIND_VALUES:
        return write_values(at);
    case KR_KIND_JSON:
        return json_incref(*(void *const *)at);
    case KR_KIND_PARAM:
        if (!((const struct kr_param *)at)->array)
            return write_param_value(((const struct kr_param *)at)->values);
        break;
    default:
        break;
    }
    return write_array(field, at, elements(field, at));
}

static bool write_members(json_t *object, const struct kr_schema *schema, const void *in)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        const void *at = (const char *)in + field->offset;
        const bool absent = is_absent(field, at);
        bool done;
        if (absent && (field->flags & KR_OMIT))
            continue;
        if (absent && !may_be_empty(field))
            done = wire_put(object, field->name, json_null());
        else if (field->kind == KR_KIND_VARIANT && (field->flags & KR_INLINE))
            done = write_row(object, field->name, at);
        else
            done = wire_put(object, field->name, write_value(field, at));
        if (!done)
            return false;
    }
    return true;
}

json_t *kr_wire_write(const struct kr_schema *schema, const void *in)
{
    return write_schema(schema, in);
}
