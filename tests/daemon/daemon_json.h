/*
 * JSON for the tests of the daemon: texts with ' for ", members by JSON pointer, generated data. Whatever is
 * made here lives until the process ends.
 */
#ifndef KRIGED_TESTS_DAEMON_JSON_H
#define KRIGED_TESTS_DAEMON_JSON_H

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

struct kept {
    void *pointer;
    json_t *json;
    struct kept *next;
};
static struct kept *all_kept;

static void *keep(void *pointer)
{
    struct kept *one = calloc(1, sizeof *one);
    ck_assert_ptr_nonnull(pointer);
    *one = (struct kept){pointer, NULL, all_kept};
    all_kept = one;
    return pointer;
}

static json_t *keep_json(json_t *json)
{
    keep(json);
    all_kept->json = json;
    return json;
}

static UNUSED __attribute__((format(printf, 1, 2))) char *text(const char *format, ...)
{
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_ge(vasprintf(&made, format, arguments), 0);
    va_end(arguments);
    return keep(made);
}

/* ' stands for " in the whole text. */
static UNUSED __attribute__((format(printf, 1, 2))) json_t *json_of(const char *format, ...)
{
    char *made = NULL;
    json_error_t error;
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_ge(vasprintf(&made, format, arguments), 0);
    va_end(arguments);
    for (char *c = made; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *json = json_loads(made, JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "%s: %s", error.text, made);
    free(made);
    return keep_json(json);
}

static UNUSED char *dump(const json_t *json)
{
    return keep(json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)));
}

/* The member that a JSON pointer names, or NULL. */
static json_t *find(json_t *json, const char *pointer)
{
    while (json && *pointer == '/') {
        char name[128];
        const size_t length = strcspn(++pointer, "/");
        snprintf(name, sizeof name, "%.*s", (int)length, pointer);
        json =
            json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10)) : json_object_get(json, name);
        pointer += length;
    }
    return json;
}

static json_t *at(json_t *json, const char *pointer)
{
    json_t *found = find(json, pointer);
    ck_assert_msg(found != NULL, "no %s in %.2000s", pointer, json ? dump(json) : "no JSON");
    return found;
}

static UNUSED const char *text_at(json_t *json, const char *pointer)
{
    json_t *found = at(json, pointer);
    ck_assert_msg(json_is_string(found), "%s is no text: %s", pointer, dump(found));
    return json_string_value(found);
}

static UNUSED double number_at(json_t *json, const char *pointer)
{
    json_t *found = at(json, pointer);
    ck_assert_msg(json_is_number(found), "%s is no number: %s", pointer, dump(found));
    return json_number_value(found);
}

static UNUSED size_t count_at(json_t *json, const char *pointer)
{
    json_t *found = at(json, pointer);
    ck_assert_msg(json_is_array(found), "%s is no array: %s", pointer, dump(found));
    return json_array_size(found);
}

/* A copy of `base` with the member that `pointer` names set to the text `value` (as in json_of), or without
 * it when NULL. */
static UNUSED json_t *with(json_t *base, const char *pointer, const char *value)
{
    json_t *copy = keep_json(json_deep_copy(base));
    const char *last = strrchr(pointer, '/');
    char *parent = text("%.*s", (int)(last - pointer), pointer);
    json_t *holder = at(copy, parent);
    if (!value)
        ck_assert_int_eq(json_object_del(holder, last + 1), 0);
    else if (json_is_array(holder))
        ck_assert_int_eq(json_array_set(holder, strtoul(last + 1, NULL, 10), json_of("%s", value)), 0);
    else
        ck_assert_int_eq(json_object_set(holder, last + 1, json_of("%s", value)), 0);
    return copy;
}

/* ---- data ---- */

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* n rows of d features in [0, 1) and a smooth target with a little noise: {"x", "y"}. */
static UNUSED json_t *wave(int n, int d, uint64_t seed)
{
    uint64_t state = seed * 2654435761u + 1;
    json_t *x = json_array(), *y = json_array();
    for (int i = 0; i < n; i++) {
        json_t *row = json_array();
        double target = 0.1 * draw(&state);
        for (int k = 0; k < d; k++) {
            const double value = draw(&state);
            target += sin((6.0 - k) * value) / (1 + k);
            json_array_append_new(row, json_real(value));
        }
        json_array_append_new(x, row);
        json_array_append_new(y, json_real(target));
    }
    return keep_json(json_pack("{s:o, s:o}", "x", x, "y", y));
}

static UNUSED bool is_member(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* An object has exactly these members. */
static UNUSED void ck_members(json_t *json, const char *const *names)
{
    const char *name;
    json_t *value;
    ck_assert_msg(json_is_object(json), "no object: %s", json ? dump(json) : "nothing");
    for (const char *const *wanted = names; *wanted; wanted++)
        ck_assert_msg(json_object_get(json, *wanted) != NULL, "no %s in %s", *wanted, dump(json));
    json_object_foreach(json, name, value)
        ck_assert_msg(is_member(names, name), "%s is not expected in %s", name, dump(json));
}
#define MEMBERS(json, ...) ck_members(json, (const char *const[]){__VA_ARGS__, NULL})

#endif
