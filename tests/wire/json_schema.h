/* A small validator of JSON Schema (draft 2020-12): the words that kriged's schemas use; any other word is an
 * error. */
#ifndef KRIGED_TESTS_JSON_SCHEMA_H
#define KRIGED_TESTS_JSON_SCHEMA_H

#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static const json_t *validator_definitions;

/* `evaluated` (an object, or NULL) collects the names of members that some schema spoke of. */
static bool is_valid(const json_t *schema, const json_t *value, json_t *evaluated);

static inline const json_t *resolve(const char *reference)
{
    static const char prefix[] = "#/components/schemas/";
    ck_assert_msg(strncmp(reference, prefix, sizeof prefix - 1) == 0, "strange reference %s", reference);
    const json_t *found = json_object_get(validator_definitions, reference + sizeof prefix - 1);
    ck_assert_msg(found != NULL, "dangling reference %s", reference);
    return found;
}

static inline bool has_type(const char *name, const json_t *value)
{
    return strcmp(name, "object") == 0    ? json_is_object(value)
           : strcmp(name, "array") == 0   ? json_is_array(value)
           : strcmp(name, "string") == 0  ? json_is_string(value)
           : strcmp(name, "number") == 0  ? json_is_number(value)
           : strcmp(name, "boolean") == 0 ? json_is_boolean(value)
           : strcmp(name, "null") == 0    ? json_is_null(value)
           : strcmp(name, "integer") == 0
               ? json_is_number(value) &&
                     json_number_value(value) == (double)(long long)json_number_value(value)
               : (ck_abort_msg("strange type %s", name), false);
}

/* How many of the alternatives take the value; those that do add what they evaluated. */
static inline size_t count_valid(const json_t *schemas, const json_t *value, json_t *evaluated)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(schemas); i++) {
        json_t *seen = json_object();
        if (is_valid(json_array_get(schemas, i), value, seen)) {
            count++;
            if (evaluated)
                json_object_update(evaluated, seen);
        }
        json_decref(seen);
    }
    return count;
}

static inline bool numbers_hold(const char *word, const json_t *limit, const json_t *value)
{
    if (!json_is_number(value))
        return true;
    double v = json_number_value(value), l = json_number_value(limit);
    return strcmp(word, "minimum") == 0            ? v >= l
           : strcmp(word, "maximum") == 0          ? v <= l
           : strcmp(word, "exclusiveMinimum") == 0 ? v > l
                                                   : v < l;
}

static inline bool contains(const json_t *array, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_equal(json_array_get(array, i), value))
            return true;
    return false;
}

static inline bool members_hold(const json_t *schema, json_t *value, json_t *evaluated)
{
    const json_t *properties = json_object_get(schema, "properties"),
                 *others = json_object_get(schema, "additionalProperties");
    const json_t *required = json_object_get(schema, "required");
    const char *name;
    json_t *member;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (json_is_object(value) && !json_object_get(value, json_string_value(json_array_get(required, i))))
            return false;
    json_object_foreach(value, name, member)
    {
        const json_t *rule = json_object_get(properties, name);
        rule = rule ? rule : others;
        if (rule && (json_is_false(rule) || !is_valid(rule, member, NULL)))
            return false;
        if (rule && evaluated)
            json_object_set_new(evaluated, name, json_true());
    }
    return true;
}

static inline bool word_holds(const char *word, const json_t *rule, const json_t *value, json_t *evaluated)
{
    if (strcmp(word, "$ref") == 0)
        return is_valid(resolve(json_string_value(rule)), value, evaluated);
    if (strcmp(word, "type") == 0 && json_is_string(rule))
        return has_type(json_string_value(rule), value);
    if (strcmp(word, "type") == 0) {
        for (size_t i = 0; i < json_array_size(rule); i++)
            if (has_type(json_string_value(json_array_get(rule, i)), value))
                return true;
        return false;
    }
    if (strcmp(word, "const") == 0)
        return json_equal(rule, value);
    if (strcmp(word, "enum") == 0)
        return contains(rule, value);
    if (strcmp(word, "oneOf") == 0)
        return count_valid(rule, value, evaluated) == 1;
    if (strcmp(word, "anyOf") == 0)
        return count_valid(rule, value, evaluated) > 0;
    if (strcmp(word, "allOf") == 0)
        return count_valid(rule, value, evaluated) == json_array_size(rule);
    if (strcmp(word, "not") == 0)
        return !is_valid(rule, value, NULL);
    if (strstr("minimum maximum exclusiveMinimum exclusiveMaximum", word))
        return numbers_hold(word, rule, value);
    if (strcmp(word, "minItems") == 0)
        return !json_is_array(value) || (json_int_t)json_array_size(value) >= json_integer_value(rule);
    if (strcmp(word, "maxItems") == 0)
        return !json_is_array(value) || (json_int_t)json_array_size(value) <= json_integer_value(rule);
    ck_assert_msg(
        strstr(
            "items properties additionalProperties unevaluatedProperties required description title default",
            word) != NULL,
        "strange word %s", word);
    return true;
}

static inline bool items_hold(const json_t *schema, const json_t *value)
{
    const json_t *items = json_object_get(schema, "items");
    for (size_t i = 0; items && i < json_array_size(value); i++)
        if (!is_valid(items, json_array_get(value, i), NULL))
            return false;
    return true;
}

static bool is_valid(const json_t *schema, const json_t *value, json_t *evaluated)
{
    json_t *seen = json_object();
    const char *word, *name;
    json_t *rule, *member;
    bool valid = members_hold(schema, (json_t *)value, seen) && items_hold(schema, value);
    json_object_foreach((json_t *)schema, word, rule) valid = valid && word_holds(word, rule, value, seen);
    if (json_is_false(json_object_get(schema, "unevaluatedProperties")))
        json_object_foreach((json_t *)value, name, member) valid = valid && json_object_get(seen, name);
    if (evaluated)
        json_object_update(evaluated, seen);
    json_decref(seen);
    return valid;
}

#endif
