/* The command line: what it says about itself, and what it does not take. */
#include "command.h"

START_TEST(it_says_its_version)
{
    struct command c = RUN("version"), d = RUN("--version");
    ck_exits(c, 0);
    ck_assert_int_eq(strncmp(c.on_out.text, "kriged ", 7), 0);
    ck_assert_str_eq(c.on_out.text, d.on_out.text);
    ck_assert_str_eq(c.on_err.text, "");
    forget(&c);
    forget(&d);
    c = RUN("help");
    ck_exits(c, 0);
    ck_says(c.on_out, "usage: kriged");
    forget(&c);
}
END_TEST

START_TEST(it_prints_its_documents)
{
    struct command c = RUN("openapi");
    ck_exits(c, 0);
    json_t *json = json_of(c.on_out.text);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(json, "paths"), "/v1/jobs"));
    json_decref(json);
    forget(&c);
    c = RUN("manual");
    ck_exits(c, 0);
    ck_assert_int_eq(c.on_out.text[0], '#');
    ck_says(c.on_out, "matern32");
    forget(&c);
}
END_TEST

#define ROW(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(wrong_usage_exits_2_and_says_how)
{
    const struct {
        const char *const *arguments, *part;
    } rows[] = {
        {(const char *const[]){NULL}, "command"},
        {ROW("dance"), "dance"},
        {ROW("tune"), "file"},
        {ROW("tune", "r.json"), "--data"},
        {ROW("tune", "r.json", "--data"), "--data"},
        {ROW("tune", "r.json", "more.json", "--data", "d.csv"), "more.json"},
        {ROW("tune", "r.json", "--colour", "red"), "--colour"},
        {ROW("tune", "r.json", "--data", "d.csv", "--threads", "none"), "none"},
        {ROW("tune", "r.json", "--data", "d.csv", "--threads", "0"), "--threads"},
        {ROW("tune", "r.json", "--data", "d.csv", "--listen", "x:1"), "--listen"},
        {ROW("gradient", "r.json", "--model", "m.json"), "--model"},
        {ROW("gradient"), "file"},
        {ROW("predict", "m.json", "--data", "d.csv", "--validation-data", "v.csv"), "--validation-data"},
        {ROW("predict", "m.json"), "--data"},
        {ROW("predict", "m.json", "--data", "d.csv", "--insecure"), "--insecure"},
        {ROW("serve", "here"), "here"},
        {ROW("serve", "--listen", "127.0.0.1"), "HOST:PORT"},
        {ROW("serve", "--listen", "127.0.0.1:99999"), "HOST:PORT"},
        {ROW("serve", "--listen", "127.0.0.1:8o"), "HOST:PORT"},
        {ROW("serve", "--workers", "-1"), "--workers"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command c = run(rows[i].arguments, NULL);
        ck_assert_msg(c.status == 2, "row %zu: exit status %d: %s", i, c.status, c.on_err.text);
        char *line = strndup(c.on_err.text, strcspn(c.on_err.text, "\n"));
        ck_assert_msg(strstr(line, rows[i].part) != NULL, "row %zu: \"%s\" is not in: %s", i, rows[i].part,
                      line);
        free(line);
        ck_says(c.on_err, "usage: kriged");
        ck_assert_str_eq(c.on_out.text, "");
        forget(&c);
    }
}
END_TEST

/* Commands without options take none. */
START_TEST(words_too_many_are_refused_everywhere)
{
    static const char *const names[] = {"version", "openapi", "manual"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct command c = RUN(names[i], "--colour");
        ck_assert_msg(c.status == 2, "%s --colour: exit status %d", names[i], c.status);
        forget(&c);
    }
}
END_TEST

static const char *request(const char *text)
{
    return file("request.json", text);
}
#define TUNE(text, ...) RUN("tune", request(text), "--data", CONCRETE, ##__VA_ARGS__)

START_TEST(a_refusal_names_its_pointer)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"{'model': {'kernel': {'type': 'spline'}}, 'objective': {'loss': 'mse', 'validation': {'type': "
         "'fraction'}}}",
         "/model/kernel/type"},
        {"{'objective': {'loss': 'mse', 'validation': {'type': 'fraction'}}}", "/model"},
        {"{'model': {'kernel': {'type': 'rbf', 'features': ['steel']}}, 'objective': {'loss': 'mse', "
         "'validation': {'type': "
         "'fraction'}}}",
         "/model/kernel/features/0"},
        {"{'model': {'kernel': {'type': 'rbf', 'lengthscale': 1e9}}, 'objective': {'loss': 'mse', "
         "'validation': {'type': "
         "'fraction'}}}",
         "/model/kernel/lengthscale"},
        {"{'model': {'kernel': ", "line 1"},
        {"", "empty"},
        {"[1, 2]", "object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command c = TUNE(rows[i].text);
        ck_exits(c, 1);
        ck_says(c.on_err, rows[i].part);
        ck_assert_ptr_null(strstr(c.on_err.text, "usage:"));
        ck_assert_str_eq(c.on_out.text, "");
        forget(&c);
    }
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    struct command c = RUN("tune", "no-such.json", "--data", CONCRETE);
    ck_exits(c, 1);
    ck_says(c.on_err, "no-such.json");
    forget(&c);
    c = RUN("tune", request(REQUEST(SHORT)), "--data", "no-such.csv");
    ck_exits(c, 1);
    ck_says(c.on_err, "no-such.csv");
    forget(&c);
    c = RUN("predict", "no-such.json", "--data", CONCRETE);
    ck_exits(c, 1);
    forget(&c);
    c = TUNE(REQUEST("{'type': 'lbfgs', 'max_evaluations': 0}"), "--model", "/no/such/folder/model.json");
    ck_exits(c, 1);
    ck_says(c.on_err, "/no/such/folder/model.json");
    forget(&c);
    c = RUN("tune", directory, "--data", CONCRETE); /* a folder is no file */
    ck_exits(c, 1);
    forget(&c);
}
END_TEST

START_TEST(csv_options_are_taken)
{
    struct command c = TUNE(REQUEST("{'type': 'lbfgs', 'max_evaluations': 0}"), "--target", "age", "--model",
                            file("m.json", NULL));
    ck_exits(c, 0);
    forget(&c);
    json_t *model = json_load_file(file("m.json", NULL), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(model, "dataset"), "target_name")),
                     "age");
    json_decref(model);
    c = TUNE(REQUEST("{'type': 'lbfgs', 'max_evaluations': 0}"), "--target", "steel");
    ck_exits(c, 1);
    ck_says(c.on_err, "steel");
    forget(&c);
    const char *holes = file("holes.csv", "a,v,y\n1,0.1,1\n2,0.1,\n3,0.2,2\n4,0.1,5\n5,0.3,5\n");
    const char *small = request(
        "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'mse', 'validation': {'type': 'rows', "
        "'rows': [3]}}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 0}}");
    c = RUN("tune", small, "--data", holes);
    ck_exits(c, 1);
    ck_says(c.on_err, "line 3");
    forget(&c);
    c = RUN("tune", small, "--data", holes, "--drop-missing", "--noise-variance", "v");
    ck_exits(c, 0);
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {it_says_its_version,
                                  it_prints_its_documents,
                                  wrong_usage_exits_2_and_says_how,
                                  words_too_many_are_refused_everywhere,
                                  a_refusal_names_its_pointer,
                                  a_file_that_is_not_there_is_named,
                                  csv_options_are_taken};
    Suite *made = suite_create("usage");
    TCase *tcase = tcase_create("usage");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
