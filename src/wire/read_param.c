/*
 * Hyperparameters: a number, an array, or {"value", "fixed", "bounds", "prior"}, each in the range of its
 * row; and the features that a kernel sees.
 */
#include "wire/impl.h"

#include <string.h>

static kr_status read_bounds(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                             const struct wire_path *path, struct kr_param_value *out)
{
    const struct wire_path lower = {path, NULL, 0}, upper = {path, NULL, 1};
    char low[WIRE_NUMBER_TEXT], high[WIRE_NUMBER_TEXT];
    if (!json_is_array(json))
        return wire_refuse_type(ctx, path, "an array of two numbers", json);
    if (json_array_size(json) != 2)
        return wire_refuse(ctx, path, "must have two numbers, got %zu", json_array_size(json));
    KR_TRY(wire_read_real(ctx, field, json_array_get(json, 0), &lower, &out->lower));
    KR_TRY(wire_read_real(ctx, field, json_array_get(json, 1), &upper, &out->upper));
    if (!(out->lower < out->upper)) {
        wire_number_text(out->lower, low);
        wire_number_text(out->upper, high);
        return wire_refuse(ctx, path, "must have the lower bound first and below the upper one, got [%s, %s]",
                           low, high);
    }
    out->bounded = true;
    return KR_OK;
}

static kr_status check_inside(struct kr_ctx *ctx, const struct wire_path *path,
                              const struct kr_param_value *value)
{
    char got[WIRE_NUMBER_TEXT], low[WIRE_NUMBER_TEXT], high[WIRE_NUMBER_TEXT];
    if (!value->bounded || (value->lower <= value->value && value->value <= value->upper))
        return KR_OK;
    wire_number_text(value->value, got);
    wire_number_text(value->lower, low);
    wire_number_text(value->upper, high);
    return wire_refuse(ctx, path, "must lie within its bounds [%s, %s], got %s", low, high, got);
}

static kr_status check_members(struct kr_ctx *ctx, json_t *json, const struct wire_path *path)
{
    static const char *const known[] = {"value", "fixed", "bounds", "prior"};
    const char *name;
    json_t *member;
    json_object_foreach(json, name, member)
    {
        const struct wire_path at = {path, name, 0};
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= strcmp(name, known[i]) == 0;
        if (!found)
            return wire_refuse(ctx, &at, "is not known here; known are: value, fixed, bounds, prior");
    }
    return KR_OK;
}

/* null stands for a member that is absent. */
static json_t *given(const json_t *json, const char *name)
{
    json_t *member = json_object_get(json, name);
    return json_is_null(member) ? NULL : member;
}

static kr_status read_detailed(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                               const struct wire_path *path, struct kr_param_value *out)
{
    const struct wire_path value = {path, "value", 0}, fixed = {path, "fixed", 0},
                           bounds = {path, "bounds", 0}, prior = {path, "prior", 0};
    json_t *member = json_object_get(json, "value");
    KR_TRY(check_members(ctx, json, path));
    if (!member)
        return wire_refuse(ctx, &value, "is required");
    KR_TRY(wire_read_real(ctx, field, member, &value, &out->value));
    if ((member = given(json, "fixed")) && !json_is_boolean(member))
        return wire_refuse_type(ctx, &fixed, "true or false", member);
    out->fixed = json_is_true(member);
    if ((member = given(json, "bounds")))
        KR_TRY(read_bounds(ctx, field, member, &bounds, out));
    if ((member = given(json, "prior")))
        KR_TRY(wire_read_variant(ctx, field->aux, member, &prior, &out->prior));
    return check_inside(ctx, &value, out);
}

static kr_status read_entry(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                            const char *wanted, const struct wire_path *path, struct kr_param_value *out)
{
    *out = (struct kr_param_value){0};
    if (json_is_object(json))
        return read_detailed(ctx, field, json, path, out);
    if (!json_is_number(json))
        return wire_refuse_type(ctx, path, wanted, json);
    return wire_read_real(ctx, field, json, path, &out->value);
}

kr_status wire_read_param(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                          const struct wire_path *path, struct kr_param *out)
{
    const char *one = "a number, an array or an object with a value",
               *entry = "a number or an object with a value";
    out->array = json_is_array(json);
    out->count = out->array ? json_array_size(json) : 1;
    if (out->count == 0)
        return wire_refuse(ctx, path, "must have at least one entry");
    KR_ALLOC(ctx, out->values, out->count);
    if (!out->array)
        return read_entry(ctx, field, json, one, path, out->values);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(read_entry(ctx, field, json_array_get(json, i), entry, &at, &out->values[i]));
    }
    return KR_OK;
}

static kr_status read_feature(struct kr_ctx *ctx, const json_t *json, const char *wanted,
                              const struct wire_path *path, struct kr_feature *out)
{
    static const struct kr_field index = {.name = "index", .kind = KR_KIND_INT};
    uint64_t number = 0;
    if (json_is_string(json))
        return wire_read_text(ctx, json, path, &out->name);
    if (!json_is_number(json))
        return wire_refuse_type(ctx, path, wanted, json);
    KR_TRY(wire_read_integer(ctx, &index, json, path, &number));
    out->index = number;
    return KR_OK;
}

kr_status wire_read_features(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                             struct kr_features *out)
{
    if (!json_is_array(json))
        return wire_refuse_type(ctx, path, "an array of names or indices", json);
    if (json_array_size(json) == 0)
        return wire_refuse(ctx, path, "must have at least one feature; leave it out for all of them");
    out->count = json_array_size(json);
    KR_ALLOC(ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(
            read_feature(ctx, json_array_get(json, i), "a feature's name or its index", &at, &out->items[i]));
    }
    return KR_OK;
}

kr_status wire_read_feature(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                            struct kr_features *out)
{
    out->count = 1;
    KR_ALLOC(ctx, out->items, 1);
    return read_feature(ctx, json, "a feature's name or its index", path, out->items);
}

kr_status wire_read_groups(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                           const struct wire_path *path, struct kr_groups *out)
{
    static const struct kr_field labels = {.name = "labels", .kind = KR_KIND_INTS, .max = 1e15};
    (void)field;
    if (json_is_array(json) && json_array_size(json) == 0)
        return wire_refuse(ctx, path, "must have one label for each data row");
    if (json_is_array(json))
        return wire_read_array(ctx, &labels, json, path, &out->labels);
    out->feature.count = 1;
    KR_ALLOC(ctx, out->feature.items, 1);
    return read_feature(ctx, json,
                        "a feature's name or index, or an array with one integer for each data row", path,
                        out->feature.items);
}
