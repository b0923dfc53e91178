/* Points as CSV, options as words, replies as CSV. */
#include "fixture.h"

#include "engine/text.h"

static kr_status points_from(const char *text, bool drop, const char *features, json_t **x)
{
    *x = NULL;
    const kr_status status = kr_points_from_csv(ctx, text, strlen(text), drop, json_of("%s", features), x);
    if (status == KR_OK)
        keep(*x);
    return status;
}

static void check_points(const char *text, bool drop, const char *features, const char *wanted)
{
    json_t *x;
    OK(points_from(text, drop, features, &x));
    assert_same_json(x, json_of("%s", wanted));
}

START_TEST(rows_of_csv)
{
    check_points("1,2\n3,4.5\n", false, "['a', 'b']", "[[1.0, 2.0], [3.0, 4.5]]");
    check_points("a,b\n1,2\n3,4.5\n", false, "['b', 'a']", "[[2.0, 1.0], [4.5, 3.0]]");
    check_points("c,b,a\n1,2,3\n", false, "['a', 'b']", "[[3.0, 2.0]]");
    check_points("1\n2\n", false, "['a']", "[[1.0], [2.0]]"); /* one column is enough here */
    check_points("a\r\n1\r\n2\r\n", false, "['a']", "[[1.0], [2.0]]");
    check_points("2,1\n", false, "['x2', 'x1']", "[[2.0, 1.0]]");
    check_points("x1,x2,x3\n2,1,0\n", false, "['x2', 'x1']", "[[1.0, 2.0]]");
    check_points("a,b\n1,NA\n3,4\n", true, "['a', 'b']", "[[3.0, 4.0]]");
    check_points("id,a,b\nr 1,1,red\nr 2,3,\"a \"\"b\"\"\"\n", false, "['b', 'a']",
                 "[['red', 1.0], ['a \\\"b\\\"', 3.0]]");
}
END_TEST

START_TEST(points_refused)
{
    static const struct {
        const char *text, *features, *says;
        kr_status status;
    } rows[] = {
        {"a,c\n1,2\n", "['a', 'b']", "\"b\"", KR_INVALID}, /* as many columns, but not these */
        {"a,b,c\n1,2,3\n", "['a', 'd']", "\"d\"", KR_INVALID},
        {"1,2,3\n", "['a', 'b']", "3 columns", KR_INVALID},
        {"1,2,3\n", "['x1', 'x2']", "3 columns", KR_INVALID},
        {"1\n", "['a', 'b']", "1 columns", KR_INVALID},
        {"a,b\n1,\n", "['a', 'b']", "line 2, column 2", KR_INVALID},
        {"a,b\n1,two\n1,2\n", "['a', 'b']", "line 3, column 2", KR_INVALID},
        {"a,b\n1,2\n1,two\n", "['a', 'b']", "line 3, column 2", KR_MALFORMED},
        {"a,b\n1\n", "['a', 'b']", "line 2", KR_MALFORMED},
        {"", "['a', 'b']", "empty", KR_INVALID},
        {"a,b\n", "['a', 'b']", "no rows", KR_INVALID},
    };
    json_t *x;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const size_t used = ctx->used;
        ck_assert_int_eq(points_from(rows[i].text, false, rows[i].features, &x), rows[i].status);
        ck_assert_msg(strstr(ctx->error.detail, rows[i].says) != NULL, "\"%s\" is not in: %s", rows[i].says,
                      ctx->error.detail);
        kr_ctx_clear_error(ctx);
        ck_assert_uint_le(used, ctx->used);
    }
}
END_TEST

START_TEST(options)
{
    json_t *request = keep(json_object());
    kr_predict_option(request, "variance", "false");
    kr_predict_option(request, "gradient", "true");
    kr_predict_option(request, "quantiles", "0.05,0.5,1e-3");
    kr_predict_option(request, "seed", "12");
    kr_predict_option(request, "samples", "3");
    kr_predict_option(request, "samples_method", "pathwise");
    assert_same_json(request,
                     json_of("{'variance': false, 'gradient': true, 'quantiles': [0.05, 0.5, 0.001], "
                             "'samples': {'seed': 12, 'count': 3, 'method': 'pathwise'}}"));
}
END_TEST

/* A word of another kind stays a text, and the table names its place. */
START_TEST(options_that_are_none)
{
    static const struct {
        const char *name, *word, *pointer;
    } rows[] = {
        {"variance", "yes", "/variance"},
        {"covariance", "", "/covariance"},
        {"quantiles", "0.1,half", "/quantiles/1"},
        {"quantiles", "0.1,", "/quantiles/1"},
        {"quantiles", "", "/quantiles/0"},
        {"quantiles", "0.5 ", "/quantiles/0"},
        {"samples", "3.5", "/samples/count"},
        {"samples", "-3", "/samples/count"},
        {"samples", "many", "/samples/count"},
        {"seed", "1", "/samples/count"},
        {"samples", "99999999999999999999", "/samples/count"},
    };
    struct kr_predict_request read;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *request = json_of("{'x': [[1]]}");
        kr_predict_option(request, rows[i].name, rows[i].word);
        REFUSED(kr_wire_read(ctx, &kr_predict_request_schema, request, "", &read), rows[i].pointer);
    }
}
END_TEST

START_TEST(replies)
{
    json_t *request = json_of("{'quantiles': [0.05, 0.5]}"),
           *reply = json_of("{'mean': [1.5, 2.0], 'variance': [0.1, 0.2], 'quantiles': [[1, 2], [3, 4]], "
                            "'covariance': [[5, 6], [6, 7]], 'samples': [[8, 9], [10, 11], [12, 13]], "
                            "'samples_method': 'exact', 'gradient': [[-1, -2], [-3, -4]]}");
    char *text = kr_predict_csv(ctx, request, reply, json_of("{'dataset': {'feature_names': ['a', 'b,c']}}"));
    ck_assert_str_eq(text, "mean,variance,q0.05,q0.5,covariance_1,covariance_2,sample_1,sample_2,sample_3,"
                           "gradient_a,\"gradient_b,c\"\n"
                           "1.5,0.1,1,2,5,6,8,10,12,-1,-2\n"
                           "2,0.2,3,4,6,7,9,11,13,-3,-4\n");
    free(text);
    text = kr_predict_csv(ctx, json_of("{}"), json_of("{'mean': [0.1]}"),
                          json_of("{'dataset': {'feature_names': ['a']}}"));
    ck_assert_str_eq(text, "mean\n0.1\n");
    free(text);
}
END_TEST

ENGINE_SUITE("text", rows_of_csv, points_refused, options, options_that_are_none, replies)
