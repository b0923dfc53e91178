#include "wire_fixture.h"

struct unreadable {
    const char *text, *detail; /* the detail contains this */
};

static const struct unreadable refusals[] = {
    {"", "the body is empty"},
    {" \n\t ", "the body is empty"},
    {"{", "line 1, column 1: the text ends too early"},
    {"{\"a\": 1,\n \"a\": 2}", "line 2, column 4: a member is given a second time"},
    {"{\"b\": {\"a\": 1, \"a\": 1}}", "a member is given a second time"},
    {"{\"a\": 1e999}", "line 1, column 11: a number is too large for a double"},
    {"[-1e999]", "a number is too large for a double"},
    {"{\"a\": NaN}", "line 1, column 9: invalid token"},
    {"[Infinity]", "invalid token"},
    {"{\"a\": \"x\\u0000y\"}", "a string contains a NUL character"},
    {"{\"a\\u0000\": 1}", "a string contains a NUL character"},
    {"{\"a\": 'x'}", "invalid token"},
    {"{\"a\": 01}", "line 1, column"},
    {"{\"a\": 1} x", "end of file expected"},
    {"{\"a\": 1,}", "line 1, column"},
    {"[\"\xff\"]", "unable to decode byte 0xff"},
    {"[\"\xed\xa0\x80\"]", "unable to decode byte 0xed"},
    {"[\"a\nb\"]", "line 1"},
    {"\xef\xbb\xbf{}", "line 1"},
    {"// no\n{}", "line 1"},
};

START_TEST(what_is_not_json_is_refused_with_its_place)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct unreadable *r = &refusals[i];
        struct kr_ctx ctx;
        json_t *json = (json_t *)&ctx;
        kr_ctx_init(&ctx, 0);
        ck_assert_msg(kr_json_parse(&ctx, r->text, strlen(r->text), &json) == KR_MALFORMED, "%s", r->text);
        ck_assert_msg(strstr(ctx.error.detail, r->detail) != NULL, "%s: %s", r->text, ctx.error.detail);
        ck_assert_ptr_null(json);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

START_TEST(a_raw_nul_is_refused)
{
    static const char inside[] = "[\"a\0b\"]", behind[] = "[1]\0";
    struct kr_ctx ctx;
    json_t *json;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_json_parse(&ctx, inside, sizeof inside - 1, &json), KR_MALFORMED);
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_json_parse(&ctx, behind, sizeof behind - 1, &json), KR_MALFORMED);
    kr_ctx_fini(&ctx);
}
END_TEST

/* depth brackets, then as many to close them. */
static kr_status parse_nested(struct kr_ctx *ctx, size_t depth, const char *open, const char *inner,
                              const char *close)
{
    size_t size = depth * (strlen(open) + strlen(close)) + strlen(inner) + 1;
    char *text = calloc(size, 1), *at = text;
    json_t *json;
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, inner);
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, close);
    kr_ctx_init(ctx, 0);
    kr_status status = kr_json_parse(ctx, text, strlen(text), &json);
    json_decref(json);
    free(text);
    return status;
}

static void check_too_deep(const struct kr_ctx *ctx, int line, int column)
{
    char expected[128];
    snprintf(expected, sizeof expected, "line %d, column %d: nested deeper than %d levels", line, column,
             KR_JSON_DEPTH);
    ck_assert_str_eq(ctx->error.detail, expected);
}

START_TEST(depth_is_limited)
{
    struct kr_ctx ctx;
    OK(parse_nested(&ctx, KR_JSON_DEPTH, "[", "1", "]"));
    kr_ctx_fini(&ctx);
    ck_assert_int_eq(parse_nested(&ctx, KR_JSON_DEPTH + 1, "[", "1", "]"), KR_MALFORMED);
    check_too_deep(&ctx, 1, KR_JSON_DEPTH + 1);
    kr_ctx_fini(&ctx);
    OK(parse_nested(&ctx, KR_JSON_DEPTH, "{\"a\":", "1", "}"));
    kr_ctx_fini(&ctx);
    ck_assert_int_eq(parse_nested(&ctx, KR_JSON_DEPTH + 1, "{\"a\":\n", "1", "}"), KR_MALFORMED);
    check_too_deep(&ctx, KR_JSON_DEPTH + 1, 1);
    kr_ctx_fini(&ctx);
    ck_assert_int_eq(parse_nested(&ctx, 1000000, "[", "1", "]"), KR_MALFORMED);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(brackets_in_strings_and_beside_each_other_are_not_depth)
{
    struct kr_ctx ctx;
    char brackets[300], wide[1000] = "[[]";
    memset(brackets, '[', sizeof brackets);
    brackets[0] = brackets[2] = brackets[298] = '"';
    brackets[1] = '\\';
    brackets[299] = 0;
    OK(parse_nested(&ctx, 1, "[", brackets, "]"));
    kr_ctx_fini(&ctx);
    for (int i = 0; i < 200; i++)
        strcat(wide, ",[]");
    strcat(wide, "]");
    OK(parse_nested(&ctx, 1, "[", wide, "]"));
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(columns_count_characters)
{
    struct kr_ctx ctx;
    json_t *json;
    char text[200] = "[\"\u00e9\u00e9\", ";
    memset(text + strlen(text), '[', KR_JSON_DEPTH);
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_json_parse(&ctx, text, strlen(text), &json), KR_MALFORMED);
    check_too_deep(&ctx, 1, 7 + KR_JSON_DEPTH);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(values_arrive)
{
    static const char text[] =
        "{\"a\": [1, -0.0, 5e-324, 1e-999, 123456789012345678901234567890], \"b\": {\"a\": null}}";
    struct kr_ctx ctx;
    json_t *json, *a;
    kr_ctx_init(&ctx, 0);
    OK(kr_json_parse(&ctx, text, strlen(text), &json));
    a = json_object_get(json, "a");
    ck_assert_double_eq(json_number_value(json_array_get(a, 0)), 1);
    ck_assert(signbit(json_number_value(json_array_get(a, 1))));
    ck_assert_double_eq(json_number_value(json_array_get(a, 2)), 0x1p-1074);
    ck_assert_double_eq(json_number_value(json_array_get(a, 3)), 0);
    ck_assert_double_eq(json_number_value(json_array_get(a, 4)), 123456789012345678901234567890.0);
    json_decref(json);
    OK(kr_json_parse(&ctx, " 7 ", 3, &json));
    ck_assert(json_is_integer(json));
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("parse", what_is_not_json_is_refused_with_its_place, a_raw_nul_is_refused, depth_is_limited,
      brackets_in_strings_and_beside_each_other_are_not_depth, columns_count_characters, values_arrive)
