/* Words that cannot be written, documents that are none, and a tuned model as the next start. */
#include "command.h"

/* Its exit status with a standard output that is full. */
static int status_when_full(const char *const *arguments)
{
    const char *binary = getenv("KRIGED_BINARY"), *argv[MOST_ARGUMENTS] = {binary ? binary : "build/kriged"};
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status;
    for (int i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/full", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawn(&pid, argv[0], &files, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
#define FAILS_WHEN_FULL(...)                                                                                 \
    do {                                                                                                     \
        const char *const arguments_[] = {__VA_ARGS__, NULL};                                                \
        const int status_ = status_when_full(arguments_);                                                    \
        ck_assert_msg(status_ == 1, "%s with a full output: exit status %d, wanted 1", arguments_[0],        \
                      status_);                                                                              \
    } while (0)

/* Who reads only the exit status must not believe in a result that was not written. */
START_TEST(documents_that_cannot_be_written_are_a_failure)
{
    FAILS_WHEN_FULL("openapi");
    FAILS_WHEN_FULL("manual");
    FAILS_WHEN_FULL("gradient", file("gradient.json", GRADIENT), "--data", CONCRETE);
}
END_TEST

START_TEST(predictions_that_cannot_be_written_are_a_failure)
{
    const char *data = file("line.csv", "x,y\n1,2\n2,3\n3,5\n4,4\n5,7\n"), *model = file("line.json", NULL);
    struct command c = RUN(
        "tune",
        file("line-request.json",
             "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'nlpd', 'validation': {'type': "
             "'rows', 'rows': [1]}}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 0}}"),
        "--data", data, "--model", model);
    ck_exits(c, 0);
    forget(&c);
    FAILS_WHEN_FULL("predict", model, "--data", data);
    FAILS_WHEN_FULL("predict", model, "--data", data, "--csv");
}
END_TEST

START_TEST(a_version_that_cannot_be_written_is_a_failure)
{
    FAILS_WHEN_FULL("version");
    FAILS_WHEN_FULL("help");
}
END_TEST

START_TEST(events_that_cannot_be_written_are_a_failure)
{
    FAILS_WHEN_FULL("tune", file("request.json", REQUEST(SHORT)), "--data", CONCRETE);
}
END_TEST

/* The document is at fault, not the points. */
START_TEST(predict_refuses_what_is_no_model)
{
    static const char *const documents[] = {"{}", "[]", "7", "{'format': 'kriged-model', 'version': 1}"};
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct command c = RUN("predict", file("model.json", documents[i]), "--data", CONCRETE);
        ck_exits(c, 1);
        ck_assert_str_eq(c.on_out.text, "");
        ck_assert_msg(strstr(c.on_err.text, "/x/") == NULL, "for %s it blames the points: %s", documents[i],
                      c.on_err.text);
        forget(&c);
    }
}
END_TEST

#define LINE(model, optimizer)                                                                               \
    "{'model': " model ", 'objective': {'loss': 'nlpd', 'validation': {'type': 'fraction', 'fraction': "     \
    "0.3}}, 'optimizer': " optimizer "}"

/* Targets without noise: the variance ends at its upper default bound, the noise at its lower one. */
START_TEST(a_model_at_default_bounds_is_a_start_within_them)
{
    char line[8192] = "x,y\n";
    for (int i = 0; i < 40; i++)
        snprintf(line + strlen(line), 32, "%.1f,%.1f\n", 0.1 * i, 0.2 * i);
    const char *data = file("line.csv", line), *model = file("model.json", NULL);
    struct command c = RUN(
        "tune",
        file("first.json", LINE("{'kernel': {'type': 'rbf'}}", "{'type': 'lbfgs', 'max_evaluations': 100}")),
        "--data", data, "--model", model);
    ck_exits(c, 0);
    ck_says(c.on_out, "at-bound");
    forget(&c);
    json_t *tuned = json_load_file(model, 0, NULL);
    ck_assert_ptr_nonnull(tuned);
    json_t *again = json_of(
        "{\"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.3}}, "
        "\"optimizer\": {\"type\": \"lbfgs\", \"max_evaluations\": 0}}");
    json_object_set_new(again, "model",
                        json_pack("{s:O, s:O}", "kernel", json_object_get(tuned, "kernel"), "noise",
                                  json_object_get(tuned, "noise")));
    const char *second = file("second.json", NULL);
    ck_assert_int_eq(json_dump_file(again, second, 0), 0);
    json_decref(again);
    json_decref(tuned);
    c = RUN("tune", second, "--data", data);
    ck_exits(c, 0);
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {documents_that_cannot_be_written_are_a_failure,
                                  predictions_that_cannot_be_written_are_a_failure,
                                  a_version_that_cannot_be_written_is_a_failure,
                                  events_that_cannot_be_written_are_a_failure,
                                  predict_refuses_what_is_no_model,
                                  a_model_at_default_bounds_is_a_start_within_them};
    Suite *made = suite_create("output");
    TCase *tcase = tcase_create("output");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
