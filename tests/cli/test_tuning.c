/* Recipes and warm starts on the command line. */
#include "command.h"

#define FEW "a,b,y\n1,2,3\n2,1,4\n3,5,9\n4,4,8\n5,9,14\n6,7,12\n7,8,16\n8,2,9\n9,6,14\n10,3,13\n"

/* The data of the events of one kind, in their order. */
static json_t *data_of(const struct command *c, const char *kind)
{
    json_t *found = json_array();
    for (const char *line = c->on_out.text; *line;) {
        const size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        json_t *event = json_of(copy);
        if (strcmp(json_string_value(json_object_get(event, "event")), kind) == 0)
            json_array_append(found, json_object_get(event, "data"));
        json_decref(event);
        free(copy);
        line += length + (line[length] == '\n');
    }
    return found;
}

static double value_of(const json_t *model, const char *name)
{
    const json_t *parameters = json_object_get(model, "parameters");
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *one = json_array_get(parameters, i);
        if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
            return json_number_value(json_object_get(one, "value"));
    }
    ck_abort_msg("there is no %s", name);
    return 0;
}

START_TEST(a_recipe_is_all_that_is_needed)
{
    struct command c =
        RUN("tune",
            file("request.json", "{'model': {'kernel': {'type': 'rbf'}}, 'recipe': 'predictive', "
                                 "'optimizer': {'type': 'lbfgs', 'max_evaluations': 9}}"),
            "--data", file("few.csv", FEW), "--model", file("model.json", NULL));
    ck_exits(c, 0);
    json_t *steps = data_of(&c, "step"), *model = json_load_file(file("model.json", NULL), 0, NULL);
    const json_t *request = json_object_get(model, "request");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(request, "objective"), "loss")),
                     "nlpd");
    ck_assert_double_eq(json_number_value(json_object_get(json_object_get(request, "restarts"), "count")), 2);
    const json_t *last = json_array_get(steps, json_array_size(steps) - 1);
    ck_assert_double_eq(json_number_value(json_object_get(last, "restart")), 2);
    json_decref(steps);
    json_decref(model);
    forget(&c);
    c = RUN("gradient", file("request.json", "{'model': {'kernel': {'type': 'rbf'}}, 'recipe': 'robust'}"),
            "--data", file("few.csv", FEW));
    ck_exits(c, 0);
    forget(&c);
    c = RUN("tune", file("request.json", "{'model': {'kernel': {'type': 'rbf'}}}"), "--data",
            file("few.csv", FEW));
    ck_exits(c, 1);
    ck_says(c.on_err, "/objective");
    forget(&c);
}
END_TEST

#define PLAIN(more)                                                                                          \
    "{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'evidence'}, 'optimizer': {'type': "       \
    "'lbfgs', 'max_evaluations': 5}" more "}"

START_TEST(a_model_is_where_another_run_starts)
{
    struct command c = RUN("tune", file("request.json", PLAIN("")), "--data", file("few.csv", FEW), "--model",
                           file("model.json", NULL));
    ck_exits(c, 0);
    forget(&c);
    json_t *model = json_load_file(file("model.json", NULL), 0, NULL);
    c = RUN("tune", file("request.json", PLAIN("")), "--data", file("few.csv", FEW), "--warm-start",
            file("model.json", NULL));
    ck_exits(c, 0);
    json_t *steps = data_of(&c, "step");
    json_t *first = json_object_get(json_array_get(steps, 0), "parameters");
    static const char *const names[] = {"kernel.variance", "kernel.lengthscale", "noise.variance"};
    for (int i = 0; i < 3; i++) {
        const double value = value_of(model, names[i]);
        ck_assert_double_eq_tol(json_number_value(json_object_get(first, names[i])), value, 1e-14 * value);
    }
    json_decref(steps);
    json_decref(model);
    forget(&c);
}
END_TEST

START_TEST(what_is_no_start_is_refused)
{
    struct command c = RUN("tune", file("request.json", PLAIN("")), "--data", file("few.csv", FEW),
                           "--warm-start", file("none.json", "{}"));
    ck_exits(c, 1);
    ck_says(c.on_err, "/warm_start");
    forget(&c);
    c = RUN("tune", file("request.json", PLAIN("")), "--data", file("few.csv", FEW), "--warm-start",
            file("absent.json", NULL));
    ck_exits(c, 1);
    forget(&c);
    c = RUN("tune", file("request.json", PLAIN(", 'warm_start': {'job': 'J'}")), "--data",
            file("few.csv", FEW));
    ck_exits(c, 1);
    ck_says(c.on_err, "/warm_start/job");
    ck_says(c.on_err, "--warm-start");
    forget(&c);
    c = RUN("gradient", file("request.json", PLAIN("")), "--warm-start", file("none.json", "{}"));
    ck_exits(c, 2);
    forget(&c);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("tuning");
    TCase *tcase = tcase_create("tuning");
    tcase_add_checked_fixture(tcase, open_directory, remove_directory);
    tcase_add_test(tcase, a_recipe_is_all_that_is_needed);
    tcase_add_test(tcase, a_model_is_where_another_run_starts);
    tcase_add_test(tcase, what_is_no_start_is_refused);
    suite_add_tcase(made, tcase);
    return made;
}
