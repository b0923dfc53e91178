/*
 * What constraints are for, on real data: tuned for mse alone, intervals are what the start makes of them;
 * with the calibration constraint they hold, and the predictions of the mean are as good.
 */
#include "command.h"

#define POWER "clients/data/power.csv"

/* The example of clients/curl on fewer rows: 60 % of them are test rows. */
static json_t *example(void)
{
    json_t *request = json_load_file("clients/curl/calibrated.json", 0, NULL);
    ck_assert_ptr_nonnull(request);
    json_object_set_new(request, "test", json_pack("{s:f, s:i}", "fraction", 0.6, "seed", 1));
    json_object_set_new(json_object_get(request, "optimizer"), "max_evaluations", json_integer(120));
    return request;
}

/* The result of a run; takes the request. */
static json_t *result_of(json_t *request)
{
    char *text = json_dumps(request, 0);
    struct command c = RUN("tune", file("request.json", text), "--data", POWER);
    ck_exits(c, 0);
    char *line = c.on_out.text;
    for (char *at = line; (at = strchr(at, '\n')) && at[1]; at++)
        line = at + 1; /* the last line is the event "done" */
    json_t *done = json_of(line),
           *result = json_incref(json_object_get(json_object_get(done, "data"), "result"));
    ck_assert_ptr_nonnull(result);
    json_decref(done);
    json_decref(request);
    free(text);
    forget(&c);
    return result;
}

static double metric(json_t *result, const char *rows, const char *name)
{
    json_t *value = json_object_get(json_object_get(json_object_get(result, "metrics"), rows), name);
    ck_assert_msg(json_is_number(value), "there is no %s of the %s rows", name, rows);
    return json_number_value(value);
}

START_TEST(calibration_makes_intervals_right_and_keeps_the_error)
{
    json_t *with = result_of(example()), *request = example();
    json_object_del(request, "constraints");
    json_t *without = result_of(request);
    ck_assert_ptr_null(json_object_get(without, "constraint_violation"));
    ck_assert_double_le(json_number_value(json_object_get(with, "constraint_violation")), 1e-4);
    /* far off without the constraint, on rows that tuning saw and on rows that it did not */
    ck_assert_double_lt(metric(without, "validation", "coverage_95"), 0.7);
    ck_assert_double_lt(metric(without, "test", "coverage_95"), 0.7);
    ck_assert_double_ge(metric(with, "test", "coverage_95"), 0.92);
    ck_assert_double_le(metric(with, "test", "coverage_95"), 0.98);
    ck_assert_double_le(metric(with, "test", "rmse"), 1.03 * metric(without, "test", "rmse"));
    ck_assert_double_lt(metric(with, "test", "nlpd"), metric(without, "test", "nlpd") - 1);
    json_decref(with);
    json_decref(without);
}
END_TEST

START_TEST(a_searching_optimizer_is_refused)
{
    json_t *request = example();
    json_object_del(request, "optimizer");
    char *text = json_dumps(request, 0);
    struct command c = RUN("tune", file("request.json", text), "--data", POWER);
    ck_assert_int_ne(c.status, 0);
    ck_says(c.on_err, "/optimizer/type");
    ck_says(c.on_err, "adam");
    free(text);
    json_decref(request);
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("calibrated");
    TCase *tcase = tcase_create("calibrated");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_set_timeout(tcase, 90);
    tcase_add_test(tcase, calibration_makes_intervals_right_and_keeps_the_error);
    tcase_add_test(tcase, a_searching_optimizer_is_refused);
    suite_add_tcase(made, tcase);
    return made;
}
