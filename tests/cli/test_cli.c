/* tune, gradient and predict on the command line. */
#include "command.h"

/* Lines of a run: every one JSON; `done` is the last. Members "seconds" are taken out. */
static size_t read_events(const char *text, json_t **events)
{
    *events = json_array();
    while (*text) {
        const size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);
        json_array_append_new(*events, json_of(line));
        free(line);
        text += length + (text[length] == '\n');
    }
    return json_array_size(*events);
}

static void drop_seconds(json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(json))
        json_object_del(json, "seconds");
    json_object_foreach(json, key, value) drop_seconds(value);
    json_array_foreach(json, i, value) drop_seconds(value);
}

static const char *text_at(json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    ck_assert_msg(text != NULL, "there is no %s", name);
    return text;
}

static double number_at(json_t *json, const char *name)
{
    ck_assert_msg(json_is_number(json_object_get(json, name)), "there is no number %s", name);
    return json_number_value(json_object_get(json, name));
}

START_TEST(tune_prints_events_and_writes_a_model)
{
    json_t *events, *event, *done = NULL, *data;
    size_t i, steps = 0, warnings = 0;
    struct command c = RUN("tune", file("request.json", REQUEST(SHORT)), "--data", CONCRETE, "--model",
                           file("model.json", NULL));
    ck_exits(c, 0);
    ck_assert_str_eq(c.on_err.text, "");
    const size_t count = read_events(c.on_out.text, &events);
    json_array_foreach(events, i, event)
    {
        const char *kind = text_at(event, "event");
        data = json_object_get(event, "data");
        ck_assert(json_is_object(data));
        if (strcmp(kind, "step") == 0)
            ck_assert_double_eq(number_at(data, "evaluation"), (double)++steps);
        else if (strcmp(kind, "warning") == 0)
            warnings += text_at(data, "code") != NULL && text_at(data, "detail") != NULL;
        else if (i + 1 == count && strcmp(kind, "done") == 0)
            done = data;
        else
            ck_abort_msg("an event %s", kind);
    }
    ck_assert_uint_eq(steps, 4);
    ck_assert_uint_ge(warnings, 1);
    ck_assert_ptr_nonnull(done);
    ck_assert_str_eq(text_at(done, "state"), "succeeded");
    ck_assert_str_eq(text_at(json_object_get(done, "result"), "stop"), "evaluations");
    json_decref(events);
    forget(&c);
    json_t *model = json_load_file(file("model.json", NULL), 0, NULL);
    ck_assert_ptr_nonnull(model);
    ck_assert_str_eq(text_at(json_object_get(model, "dataset"), "name"), "concrete");
    ck_assert_str_eq(text_at(json_object_get(model, "dataset"), "target_name"), "strength");
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(model, "weights"), "alpha")), 515);
    json_decref(model);
}
END_TEST

/* A model of few rows, for predictions. */
static const char *small_model(void)
{
    struct command c =
        RUN("tune",
            file("small.json",
                 "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'nlpd', 'validation': "
                 "{'type': 'rows', 'rows': [1, 4]}}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 3}}"),
            "--data", file("small.csv", "a,b,y\n1,2,3\n2,1,4\n3,5,9\n4,4,8\n5,9,14\n6,7,12\n7,8,16\n"),
            "--model", file("small-model.json", NULL));
    ck_exits(c, 0);
    forget(&c);
    return file("small-model.json", NULL);
}

static json_t *predicted(struct command *c, size_t points)
{
    ck_exits(*c, 0);
    json_t *json = json_of(c->on_out.text);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "mean")), points);
    forget(c);
    return json;
}

START_TEST(predict_prints_what_was_asked_for)
{
    const char *model = small_model(), *points = file("points.csv", "a,b\n1,2\n2.5,3\n");
    struct command c = RUN("predict", model, "--data", points, "--quantiles", "0.05,0.5,0.95");
    json_t *all = predicted(&c, 2), *other;
    ck_assert_uint_eq(json_array_size(json_object_get(all, "variance")), 2);
    json_t *row = json_array_get(json_object_get(all, "quantiles"), 1);
    ck_assert_uint_eq(json_array_size(row), 3);
    ck_assert_double_lt(json_number_value(json_array_get(row, 0)), json_number_value(json_array_get(row, 2)));
    c = RUN("predict", model, "--data", points, "--no-variance");
    other = predicted(&c, 2);
    ck_assert_uint_eq(json_object_size(other), 1);
    ck_assert_int_eq(json_equal(json_object_get(other, "mean"), json_object_get(all, "mean")), 1);
    json_decref(other);
    c = RUN("predict", model, "--data", file("more.csv", "y,b,extra,a\n0,2,1,1\n0,3,1,2.5\n"));
    other = predicted(&c, 2); /* columns by name, whatever else is there */
    ck_assert_int_eq(json_equal(json_object_get(other, "mean"), json_object_get(all, "mean")), 1);
    json_decref(other);
    c = RUN("predict", model, "--data", file("bare.csv", "1,2\n2.5,3\n"));
    other = predicted(&c, 2);
    ck_assert_int_eq(json_equal(json_object_get(other, "mean"), json_object_get(all, "mean")), 1);
    json_decref(other);
    json_decref(all);
}
END_TEST

START_TEST(predict_prints_joint_predictions)
{
    const char *model = small_model(), *points = file("points.csv", "a,b\n1,2\n2.5,3\n");
    struct command c = RUN("predict", model, "--data", points, "--covariance", "--gradient", "--samples", "3",
                           "--seed", "7", "--no-noise");
    json_t *all = predicted(&c, 2);
    ck_assert_uint_eq(json_object_size(all), 8);
    ck_assert_uint_eq(json_array_size(json_object_get(all, "covariance")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(all, "gradient")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(all, "samples")), 3);
    c = RUN("predict", model, "--data", points, "--samples", "3", "--seed", "7", "--no-noise",
            "--no-variance", "--csv");
    ck_exits(c, 0);
    ck_assert_str_eq(c.on_err.text, "");
    ck_assert_int_eq(strncmp(c.on_out.text, "mean,sample_1,sample_2,sample_3\n", 32), 0);
    const char *line = c.on_out.text;
    for (size_t i = 0; i < 2; i++) {
        char *at = strchr(line, '\n') + 1;
        line = at;
        ck_assert_double_eq(strtod(at, &at),
                            json_number_value(json_array_get(json_object_get(all, "mean"), i)));
        for (size_t s = 0; s < 3; s++)
            ck_assert_double_eq(
                strtod(at + 1, &at),
                json_number_value(json_array_get(json_array_get(json_object_get(all, "samples"), s), i)));
        ck_assert_int_eq(*at, '\n');
    }
    forget(&c);
    json_decref(all);
    c = RUN("predict", model, "--data", points, "--samples", "3", "--samples-method", "pathwise");
    all = predicted(&c, 2);
    ck_assert_str_eq(text_at(all, "samples_method"), "pathwise");
    json_decref(all);
}
END_TEST

START_TEST(predict_refuses_points_without_a_feature)
{
    const char *model = small_model();
    struct command c = RUN("predict", model, "--data", file("points.csv", "a,c,d\n1,2,3\n"));
    ck_exits(c, 1);
    ck_says(c.on_err, "\"b\"");
    ck_assert_str_eq(c.on_out.text, "");
    forget(&c);
    c = RUN("predict", model, "--data", file("points.csv", "a,b\n1,2\n"), "--quantiles", "0.5,1.5");
    ck_exits(c, 1);
    ck_says(c.on_err, "/quantiles/1");
    forget(&c);
    c = RUN("predict", model, "--data", file("points.csv", "a,c\n1,2\n")); /* as many, but not these */
    ck_exits(c, 1);
    ck_says(c.on_err, "\"b\"");
    forget(&c);
    c = RUN("predict", model, "--data", file("points.csv", "a,b\n1,2\n"), "--samples", "few");
    ck_exits(c, 1);
    ck_says(c.on_err, "/samples/count");
    forget(&c);
    c = RUN("predict", file("no-model.json", "{'format': 'other'}"), "--data", file("points.csv", NULL));
    ck_exits(c, 1);
    forget(&c);
}
END_TEST

/* Words that are no numbers must not be taken for nothing. */
START_TEST(predict_refuses_levels_that_are_no_numbers)
{
    static const char *const levels[] = {"a", "0.5,b", "0.5;0.9", "0.1,,0.9", ""};
    const char *model = small_model(), *points = file("points.csv", "a,b\n1,2\n");
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        struct command c = RUN("predict", model, "--data", points, "--quantiles", levels[i]);
        ck_assert_msg(c.status == 1 || c.status == 2, "--quantiles \"%s\": exit status %d, says %s",
                      levels[i], c.status, c.on_out.text);
        forget(&c);
    }
}
END_TEST

START_TEST(gradient_prints_its_reply)
{
    struct command c = RUN("gradient", file("gradient.json", GRADIENT), "--data", CONCRETE);
    ck_exits(c, 0);
    json_t *json = json_of(c.on_out.text);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "parameters")), 10);
    number_at(json, "loss");
    ck_assert_str_eq(text_at(json_object_get(json, "request"), "dataset"), "concrete");
    json_decref(json);
    forget(&c);
    const char *inlined =
        file("inline.json", "{'data': {'x': [[1], [2], [3.5], [4]], 'y': [1, 2, 3, 3]}, 'model': {'kernel': "
                            "{'type': 'rbf'}}, 'objective': {'loss': 'mse', 'validation': {'type': 'rows', "
                            "'rows': [1]}}}");
    c = RUN("gradient", inlined);
    ck_exits(c, 0);
    struct command d = run((const char *const[]){"gradient", "-", NULL}, inlined);
    ck_exits(d, 0);
    json_t *a = json_of(c.on_out.text), *b = json_of(d.on_out.text);
    drop_seconds(a);
    drop_seconds(b);
    ck_assert_int_eq(json_equal(a, b), 1);
    json_decref(a);
    json_decref(b);
    forget(&c);
    forget(&d);
}
END_TEST

/* Rows of another file are held out, its columns in another order; the request need not name them. */
START_TEST(validation_data)
{
    const char *train = file("train.csv", "a,b,y\n1,2,3\n2,1,4\n3,5,9\n4,4,8\n5,9,14\n6,7,12\n7,8,16\n"),
               *held = file("held.csv", "b,a,y\n3,1.5,5\n6,4.5,11\n"),
               *request = file("by-file.json", "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': "
                                               "'nlpd', 'validation': {'type': 'dataset'}}}"),
               *job = file("run.json", "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'nlpd', "
                                       "'validation': {'type': 'dataset'}}, 'optimizer': {'type': 'lbfgs', "
                                       "'max_evaluations': 3}}");
    struct command c = RUN("gradient", request, "--data", train, "--validation-data", held);
    ck_exits(c, 0);
    json_t *reply = json_of(c.on_out.text),
           *validation =
               json_object_get(json_object_get(json_object_get(reply, "request"), "objective"), "validation");
    ck_assert_str_eq(text_at(validation, "name"), "held");
    const double loss = number_at(reply, "loss");
    json_decref(reply);
    forget(&c);
    const char *same = file("same.csv", "a,b,y\n1.5,3,5\n4.5,6,11\n");
    c = RUN("gradient", request, "--data", train, "--validation-data", same);
    reply = json_of(c.on_out.text);
    ck_assert_double_eq(number_at(reply, "loss"), loss);
    json_decref(reply);
    forget(&c);
    const char *to = file("by-file-model.json", NULL);
    c = RUN("tune", job, "--data", train, "--validation-data", held, "--model", to);
    ck_exits(c, 0);
    forget(&c);
    json_t *model = json_load_file(to, 0, NULL);
    ck_assert_double_eq(number_at(json_object_get(model, "dataset"), "rows"), 7);
    json_decref(model);
    c = RUN("tune", job, "--data", train);
    ck_exits(c, 1);
    ck_says(c.on_err, "/objective/validation/name");
    forget(&c);
    c = RUN("gradient", request, "--data", train, "--validation-data", file("b.csv", "a,c,y\n1,2,3\n"));
    ck_exits(c, 1);
    ck_says(c.on_err, "\"b\"");
    forget(&c);
    c = RUN("gradient",
            file("rows.json", "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'mse', "
                              "'validation': {'type': 'rows', 'rows': [0]}}}"),
            "--data", train, "--validation-data", held);
    ck_exits(c, 1);
    ck_says(c.on_err, "/validation_data");
    forget(&c);
}
END_TEST

START_TEST(the_number_of_threads_does_not_change_a_bit)
{
    const char *request = file("request.json", REQUEST(SHORT));
    json_t *events[2], *models[2];
    for (int k = 0; k < 2; k++) {
        const char *model = file(k ? "two.json" : "one.json", NULL);
        struct command c =
            RUN("tune", request, "--data", CONCRETE, "--model", model, "--threads", k ? "2" : "1");
        ck_exits(c, 0);
        read_events(c.on_out.text, &events[k]);
        drop_seconds(events[k]);
        models[k] = json_load_file(model, 0, NULL);
        forget(&c);
    }
    ck_assert_int_eq(json_equal(events[0], events[1]), 1);
    ck_assert_int_eq(json_equal(models[0], models[1]), 1);
    for (int k = 0; k < 2; k++) {
        json_decref(events[k]);
        json_decref(models[k]);
    }
}
END_TEST

START_TEST(an_interrupt_ends_a_run_quickly)
{
    static const int signals[] = {SIGINT, SIGTERM};
    const char *request = file(
        "long.json", "{'model': {'kernel': {'type': 'matern32', 'ard': true}}, 'objective': {'loss': 'nlpd', "
                     "'validation': {'type': 'fraction'}}, 'optimizer': {'type': 'adam', 'max_evaluations': "
                     "100000, 'patience': 100000, 'gradient_tolerance': 0}}");
    struct command c = start((const char *const[]){"tune", request, "--data", CONCRETE, NULL}, NULL);
    listen_to(&c, "\"step\"", 30);
    const double began = now();
    kill(c.pid, signals[_i]);
    finish(&c, 20);
    ck_assert_double_lt(now() - began, 5);
    ck_exits(c, 1);
    ck_says(c.on_err, "cancelled");
    ck_assert_ptr_null(strstr(c.on_out.text, "\"done\""));
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("cli");
    TCase *tcase = tcase_create("cli");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_add_test(tcase, tune_prints_events_and_writes_a_model);
    tcase_add_test(tcase, predict_prints_what_was_asked_for);
    tcase_add_test(tcase, predict_prints_joint_predictions);
    tcase_add_test(tcase, predict_refuses_points_without_a_feature);
    tcase_add_test(tcase, predict_refuses_levels_that_are_no_numbers);
    tcase_add_test(tcase, gradient_prints_its_reply);
    tcase_add_test(tcase, validation_data);
    tcase_add_test(tcase, the_number_of_threads_does_not_change_a_bit);
    tcase_add_loop_test(tcase, an_interrupt_ends_a_run_quickly, 0, 2);
    suite_add_tcase(made, tcase);
    return made;
}
