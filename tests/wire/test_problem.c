#include "wire_fixture.h"

START_TEST(a_failure_becomes_a_problem)
{
    struct kr_error error = {KR_NOT_FOUND, "", "there is no job x"};
    char *text = dump_and_free(kr_problem_json(&error, "01J"));
    ck_assert_str_eq(text,
                     "{\"type\":\"/problems/not-found\",\"title\":\"There is no such thing\",\"status\":404,"
                     "\"detail\":\"there is no job x\",\"instance\":\"01J\"}");
    free(text);
}
END_TEST

START_TEST(the_culprit_is_named)
{
    struct kr_error error = {KR_INVALID, "/model/kernel", "is required"},
                    whole = {KR_INVALID, "", "must be an object, got an array"},
                    memory = {KR_MEMORY_LIMIT, "/solver/memory_bytes", "too much"};
    char *text = dump_and_free(kr_problem_json(&error, NULL));
    ck_assert_str_eq(
        text,
        "{\"type\":\"/problems/invalid\",\"title\":\"The request is well-formed but invalid\",\"status\":422,"
        "\"detail\":\"is required\",\"errors\":[{\"pointer\":\"/model/kernel\",\"detail\":\"is "
        "required\"}]}");
    free(text);
    text = dump_and_free(kr_problem_json(&whole, NULL));
    ck_assert_ptr_nonnull(
        strstr(text, "\"errors\":[{\"pointer\":\"\",\"detail\":\"must be an object, got an array\"}]"));
    free(text);
    text = dump_and_free(kr_problem_json(&memory, NULL));
    ck_assert_ptr_nonnull(
        strstr(text, "\"errors\":[{\"pointer\":\"/solver/memory_bytes\",\"detail\":\"too much\"}]"));
    free(text);
}
END_TEST

/* A pointer of a client's own name is cut at the size of its field, perhaps within a character. */
START_TEST(a_cut_character_does_not_lose_the_problem)
{
    struct kr_ctx ctx;
    struct point point;
    char name[800] = "";
    for (int i = 0; i < 350; i++)
        strcat(name, "\u00e9");
    json_t *body = json_pack("{s:i, s:i}", "at", 1, name, 2), *problem;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_wire_read(&ctx, &point_schema, body, "", &point), KR_INVALID);
    const size_t longest = sizeof ctx.error.pointer - 1;
    ck_assert_uint_eq(strlen(ctx.error.pointer), longest);
    problem = kr_problem_json(&ctx.error, NULL);
    ck_assert_ptr_nonnull(problem);
    json_decref(problem);
    ctx.error.pointer[longest - 1] = '\xc3';
    char *text = dump_and_free(kr_problem_json(&ctx.error, NULL));
    ck_assert_ptr_nonnull(strstr(text, "?\",\"detail\":\"is not known here"));
    free(text);
    json_decref(body);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(a_failure_crosses_to_the_daemon)
{
    struct kr_ctx worker, daemon;
    kr_ctx_init(&worker, 0);
    kr_ctx_init(&daemon, 0);
    for (int s = KR_OK + 1; s < KR_STATUS_COUNT; s++) {
        kr_ctx_clear_error(&worker);
        kr_ctx_clear_error(&daemon);
        ck_assert_int_eq(kr_fail(&worker, (kr_status)s, "/a", "100 %% of \"%s\"", "it"), s);
        json_t *json = kr_error_json(&worker.error);
        ck_assert_int_eq(kr_error_take(&daemon, json), s);
        ck_assert_int_eq(daemon.error.status, s);
        ck_assert_str_eq(daemon.error.pointer, "/a");
        ck_assert_str_eq(daemon.error.detail, "100 % of \"it\"");
        json_decref(json);
    }
    kr_ctx_fini(&worker);
    kr_ctx_fini(&daemon);
}
END_TEST

START_TEST(an_unreadable_failure_is_internal)
{
    json_t *bad[] = {NULL,
                     json_null(),
                     json_array(),
                     json_object(),
                     json_pack("{s:s}", "status", "invalid"),
                     json_pack("{s:s, s:s}", "status", "ok", "detail", "fine"),
                     json_pack("{s:i, s:s}", "status", 422, "detail", "x"),
                     json_pack("{s:s, s:s}", "status", "no-such-slug", "detail", "x")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kr_ctx ctx;
        kr_ctx_init(&ctx, 0);
        ck_assert_msg(kr_error_take(&ctx, bad[i]) == KR_INTERNAL, "case %zu", i);
        ck_assert_int_eq(ctx.error.status, KR_INTERNAL);
        json_decref(bad[i]);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

SUITE("problem", a_failure_becomes_a_problem, the_culprit_is_named, a_cut_character_does_not_lose_the_problem,
      a_failure_crosses_to_the_daemon, an_unreadable_failure_is_internal)
