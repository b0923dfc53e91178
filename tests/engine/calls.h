/* Calls of the engine with requests as text; what it replies is freed at the end of a test. */
#ifndef KRIGED_TESTS_ENGINE_CALLS_H
#define KRIGED_TESTS_ENGINE_CALLS_H

#include "../suite.h"
#include "engine/model.h"
#include "wire/wire.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

enum { MOST_KEPT = 512 };
static json_t *kept[MOST_KEPT];
static size_t nkept;
static struct kr_ctx the_ctx, *ctx = &the_ctx;

static UNUSED void begin(void)
{
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
}

static UNUSED void end(void)
{
    while (nkept)
        json_decref(kept[--nkept]);
    kr_ctx_fini(ctx);
}

static json_t *keep(json_t *json)
{
    ck_assert_ptr_nonnull(json);
    ck_assert_uint_lt(nkept, MOST_KEPT);
    return kept[nkept++] = json;
}

/* JSON with ' in the place of ", and printf's directives. */
static UNUSED json_t *json_of(const char *format, ...)
{
    char *text;
    json_error_t error;
    va_list args;
    va_start(args, format);
    ck_assert_int_ge(vasprintf(&text, format, args), 0);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = json_loads(text, 0, &error);
    ck_assert_msg(json != NULL, "%s in %s", error.text, text);
    free(text);
    return keep(json);
}

static UNUSED json_t *at(json_t *json, const char *name)
{
    json_t *found = json_object_get(json, name);
    ck_assert_msg(found != NULL, "there is no %s", name);
    return found;
}

static UNUSED double number(json_t *json, const char *name)
{
    return json_number_value(at(json, name));
}

static UNUSED char *text_of(const json_t *json)
{
    static char *last;
    free(last);
    return last = kr_json_dump(json, false);
}

static UNUSED void assert_same_json(const json_t *a, const json_t *b)
{
    char *left = kr_json_dump(a, false), *right = kr_json_dump(b, false);
    ck_assert_str_eq(left, right);
    free(left);
    free(right);
}

#define OK(expression)                                                                                       \
    ck_assert_msg((expression) == KR_OK, "%s: %s: %s", #expression, ctx->error.pointer, ctx->error.detail)

#define REFUSED(expression, wanted_pointer)                                                                  \
    do {                                                                                                     \
        const kr_status status_ = (expression);                                                              \
        ck_assert_msg(status_ == KR_INVALID, "%s: status %d: %s", wanted_pointer, status_,                   \
                      ctx->error.detail);                                                                    \
        ck_assert_str_eq(ctx->error.pointer, wanted_pointer);                                                \
        ck_assert(ctx->error.detail[0]);                                                                     \
        kr_ctx_clear_error(ctx);                                                                             \
    } while (0)

#endif
