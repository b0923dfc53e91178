/* Pointers of what jansson refuses before there is a tree. */
#include "../suite.h"
#include "wire/wire.h"

#include <string.h>

static const struct {
    const char *text, *pointer;
} rows[] = {
    {"{\"a\": 1e999}", "/a"},
    {"[-1e999]", "/0"},
    {"{\"x\": [[1, 2], [3, 1e999]], \"y\": [1]}", "/x/1/1"},
    {"{\"a\": 1, \"b\": {\"c\": 2, \"c\": 3}}", "/b/c"},
    {"{\"a\": 1, \"a\": 2}", "/a"},
    {"{\"a\": \"b\\\"{\", \"c\": [{}, {\"d\": [], \"d\": 0}]}", "/c/1/d"},
    {"{\"a/b\": {\"~\": 1e999}}", "/a~1b/~0"},
    {"1e999", ""},
    {"{\"x\": [[1, NaN]]}", "/x/0/1"},
    {"{\"a\": 1,}", ""},
    {"{\"a\": 1} x", ""},
    {"{", ""},
};

START_TEST(places)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kr_ctx ctx;
        json_t *json;
        kr_ctx_init(&ctx, 0);
        ck_assert_int_eq(kr_json_parse(&ctx, rows[i].text, strlen(rows[i].text), &json), KR_MALFORMED);
        ck_assert_msg(strcmp(ctx.error.pointer, rows[i].pointer) == 0, "%s: got \"%s\", wanted \"%s\"",
                      rows[i].text, ctx.error.pointer, rows[i].pointer);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

SUITE("locate", places)
