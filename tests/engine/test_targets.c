/* Several targets from requests to replies: data, gradients, models, predictions, and what is refused where.
 */
#include "engine/text.h"
#include "fixture.h"

enum { TARGETS = 2 };

/* The data set of the fixture with another target, of other units. */
static void add_target(void)
{
    static const char *const names[TARGETS] = {"y", "z"};
    struct kr_dataset *data = &source.data;
    double *y = kr_alloc(ctx, TARGETS * ROWS, sizeof *y);
    memcpy(y, data->y, ROWS * sizeof *y);
    for (size_t i = 0; i < ROWS; i++)
        y[ROWS + i] = 1000 + 30 * data->x[i] - data->x[ROWS + i] + 0.1 * data->y[i];
    data->y = y;
    data->targets = TARGETS;
    data->target_names = names;
}

/* The data set with target t alone. */
static struct kr_source alone(size_t t)
{
    struct kr_source one = source;
    one.data.y += t * ROWS;
    one.data.targets = 1;
    one.data.target_name = source.data.target_names[t];
    one.data.target_names = NULL;
    return one;
}

static json_t *gradient_of(const struct kr_source *from, json_t *request)
{
    json_t *reply;
    OK(kr_engine_gradient(ctx, keep(json_deep_copy(request)), from, &reply));
    return keep(reply);
}

static json_t *tuned(const char *model, const char *more)
{
    return at(tune(tune_request(model, more)), "model");
}

#define FEW "{'x': [[1], [2], [3], [4.5], [6]], 'y': [[1, 10], [3, 14], [2, 9], [5, 3], [4, 8]]"
static json_t *inline_request(const char *data, const char *more)
{
    return json_of(
        "{'data': %s}, 'model': {'kernel': {'type': 'rbf'}, 'standardize': {'x': false, 'y': false}}, "
        "'objective': {'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': [1, 3]}}%s}",
        data, more);
}

static void refused(const char *data, const char *pointer)
{
    json_t *reply;
    REFUSED(kr_engine_gradient(ctx, inline_request(data, ""), NULL, &reply), pointer);
}

START_TEST(rows_of_targets_arrive_inline)
{
    json_t *reply, *y;
    OK(kr_engine_gradient(
        ctx, inline_request(FEW, ", 'with_respect_to': ['y'], 'metrics': 'all', 'check': {'directions': 2}"),
        NULL, &reply));
    keep(reply);
    y = at(at(reply, "gradients"), "y");
    ck_assert_uint_eq(json_array_size(y), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(json_array_size(json_array_get(y, i)), 2);
    ck_assert_double_lt(number(at(reply, "check"), "largest_relative_error"), 1e-6);
    json_t *each = at(at(reply, "metrics"), "targets");
    ck_assert_uint_eq(json_array_size(each), 2);
    ck_assert_str_eq(json_string_value(at(json_array_get(each, 1), "name")), "y2");
    ck_assert_double_eq_tol(
        number(at(reply, "metrics"), "crps"),
        (number(json_array_get(each, 0), "crps") + number(json_array_get(each, 1), "crps")) / 2, 1e-12);
    refused(FEW ", 'target_name': 'y'", "/data/target_name");
    refused(FEW ", 'target_names': ['y']", "/data/target_names");
    refused(FEW ", 'target_names': ['y', 'y']", "/data/target_names/1");
    refused("{'x': [[1], [2]], 'y': [1, 2], 'target_name': 'y', 'target_names': ['y']", "/data/target_names");
    refused("{'x': [[1], [2]], 'y': [[1, 2], [3]]", "/data/y/1");
    refused("{'x': [[1], [2]], 'y': [[1, 2]]", "/data/y");
}
END_TEST

/* Rows of one target are one target: every reply as of plain numbers. */
START_TEST(rows_of_one_are_plain)
{
    json_t *plain, *rows;
    OK(kr_engine_gradient(ctx, inline_request("{'x': [[1], [2], [3], [4], [5]], 'y': [1, 3, 2, 5, 4]", ""),
                          NULL, &plain));
    OK(kr_engine_gradient(
        ctx, inline_request("{'x': [[1], [2], [3], [4], [5]], 'y': [[1], [3], [2], [5], [4]]", ""), NULL,
        &rows));
    json_object_del(at(keep(plain), "solver"), "seconds");
    json_object_del(at(keep(rows), "solver"), "seconds");
    assert_same_json(plain, rows);
}
END_TEST

START_TEST(loss_is_the_mean_of_single_runs)
{
    json_t *request =
        json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf', 'ard': true}, 'mean': {'type': "
                "'constant', 'value': 0.2}}, 'metrics': 'all', " OBJECTIVE "}");
    add_target();
    json_t *reply = gradient_of(&source, request), *each = at(at(reply, "metrics"), "targets");
    double loss = 0;
    for (size_t t = 0; t < TARGETS; t++) {
        const struct kr_source one = alone(t);
        json_t *single = gradient_of(&one, request);
        loss += number(single, "loss") / TARGETS;
        ck_assert_double_eq_tol(number(json_array_get(each, t), "nlpd"),
                                number(at(single, "metrics"), "nlpd"), 1e-9);
    }
    ck_assert_double_eq_tol(number(reply, "loss"), loss, 1e-10);
}
END_TEST

static const char *const models[] = {
    "{'kernel': {'type': 'matern32', 'ard': true}}",
    "{'kernel': {'type': 'rbf'}, 'mean': {'type': 'constant', 'value': 0.1}}",
    "{'kernel': {'type': 'rbf'}, 'mean': {'type': 'linear', 'coefficients': [0.1, {'value': 0.2, 'fixed': "
    "true}, "
    "0.3], 'value': [0.1, -0.1]}}",
    "{'kernel': {'type': 'rbf'}, 'mean': {'type': 'linear'}, 'approximation': {'type': 'inducing', 'count': "
    "9, "
    "'tune_inputs': true}}",
    "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'fourier_features', 'count': 20}, 'standardize': "
    "{'x': "
    "true, 'y': false}}",
    "{'kernel': {'type': 'rbf', 'ard': true}, 'target_transform': {'type': 'log', 'shift': 1}}",
};

/* Through a document, and through the files of an import. */
START_TEST(models_predict_each_target)
{
    const char *where = new_directory("import");
    add_target();
    json_t *model = tuned(models[_i], ""), *sent, *stored_as, *again;
    assert_same_json(at(at(model, "dataset"), "target_names"), json_of("['y', 'z']"));
    json_t *all = predict(model, NULL), *request;
    for (size_t t = 0; t < TARGETS; t++) {
        json_t *one;
        request = points();
        json_object_set(request, "target", t ? keep(json_string("z")) : keep(json_integer(0)));
        OK(kr_engine_predict(ctx, NULL, request, model, NULL, &one));
        keep(one);
        for (size_t i = 0; i < 3; i++) {
            const double mean = json_number_value(json_array_get(at(one, "mean"), i));
            ck_assert_double_eq_tol(json_number_value(json_array_get(json_array_get(at(all, "mean"), i), t)),
                                    mean, 1e-9 * fabs(mean));
            const double v = json_number_value(json_array_get(at(one, "variance"), i));
            ck_assert_double_eq_tol(
                json_number_value(json_array_get(json_array_get(at(all, "variance"), i), t)), v, 1e-9 * v);
            for (size_t l = 0; l < 3; l++)
                ck_assert_double_eq_tol(
                    json_number_value(json_array_get(json_array_get(at(all, "quantiles"), i), 3 * t + l)),
                    json_number_value(json_array_get(json_array_get(at(one, "quantiles"), i), l)),
                    1e-9 * fabs(mean));
        }
    }
    sent = json_of("{'op': 'import', 'directory': '%s'}", where);
    json_object_set(sent, "model", model);
    OK(kr_engine_run(ctx, sent, &emit, NULL, &stored_as));
    keep(stored_as);
    assert_same_json(all, predict(stored_as, where));
    OK(kr_engine_model_weights(ctx, stored_as, where, &again));
    assert_same_json(model, keep(again));
}
END_TEST

/* What a tuned model says of its values is what it has: they are the start of another run. */
START_TEST(a_model_starts_another_run)
{
    add_target();
    json_t *model = tuned(models[2], ""), *request, *reply;
    ck_assert_uint_eq(json_array_size(at(at(model, "mean"), "coefficients")), TARGETS * COLUMNS);
    request = json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf'}}, " OBJECTIVE "}");
    json_object_set(at(request, "model"), "kernel", at(model, "kernel"));
    json_object_set(at(request, "model"), "mean", at(model, "mean"));
    json_object_set(at(request, "model"), "noise", at(model, "noise"));
    reply = gradient_of(&source, request);
    ck_assert_double_eq_tol(number(reply, "loss"), number(model, "loss"), 1e-9);
    request = tune_request("{'kernel': {'type': 'rbf'}, 'mean': {'type': 'linear'}}", "");
    OK(kr_engine_warm_start(ctx, request, model));
    json_object_set(request, "optimizer", json_of("{'type': 'lbfgs', 'max_evaluations': 1}"));
    ck_assert_double_eq_tol(number(at(tune(request), "result"), "best_loss"), number(model, "loss"), 1e-9);
}
END_TEST

START_TEST(what_is_of_one_target_asks_for_it)
{
    static const char *const options[] = {"'covariance': true", "'gradient': true",
                                          "'samples': {'count': 2}"};
    static const char *const pointers[] = {"/covariance", "/gradient", "/samples"};
    add_target();
    json_t *model = tuned(models[0], ""), *reply;
    for (int i = 0; i < 3; i++) {
        json_t *request = json_of("{'x': [[2, 20, 200]], %s}", options[i]);
        REFUSED(kr_engine_predict(ctx, NULL, request, model, NULL, &reply), pointers[i]);
        json_object_set(request, "target", keep(json_string("y")));
        OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
        ck_assert_ptr_nonnull(json_object_get(keep(reply), pointers[i] + 1));
    }
    REFUSED(kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]], 'target': 2}"), model, NULL, &reply),
            "/target");
    REFUSED(
        kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]], 'target': 'x'}"), model, NULL, &reply),
        "/target");
}
END_TEST

START_TEST(csv_has_columns_for_each)
{
    add_target();
    json_t *model = tuned(models[0], ""), *reply,
           *request = json_of("{'x': [[2, 20, 200]], 'quantiles': [0.1, 0.9]}");
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    char *text = kr_predict_csv(ctx, request, keep(reply), model);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(strtok(text, "\n"), "mean_y,mean_z,variance_y,variance_z,q0.1_y,q0.9_y,q0.1_z,q0.9_z");
    char *cell = strtok(NULL, "\n");
    for (size_t c = 0; c < 8; c++, cell += strcspn(cell, ",") + 1) {
        json_t *row = json_array_get(at(reply, c < 2 ? "mean" : c < 4 ? "variance" : "quantiles"), 0);
        ck_assert_double_eq(strtod(cell, NULL),
                            json_number_value(json_array_get(row, c < 4 ? c % 2 : c - 4)));
    }
    free(text);
    kr_predict_option(request, "target", "z");
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    text = kr_predict_csv(ctx, request, keep(reply), model);
    ck_assert_str_eq(strtok(text, "\n"), "mean,variance,q0.1,q0.9");
    free(text);
    kr_predict_option(request, "target", "1");
    ck_assert(json_is_integer(at(request, "target")));
}
END_TEST

static const struct {
    const char *place, *member, *value, *pointer;
} wrong[] = {
    {"dataset", "target_names", "['y']", "/dataset/target_names"},
    {"dataset", "target_names", "['y', 'y']", "/dataset/target_names/1"},
    {"dataset", "target_names", "['y', '']", "/dataset/target_names/1"},
    {"standardization", "y_sd", "1", "/standardization/y_sd"},
    {"standardization", "y_sd", "[1, 0]", "/standardization/y_sd/1"},
    {"standardization", "y_mean", "[]", "/standardization/y_mean"},
    {"mean", "value", "[1]", "/mean/value"},
    {"mean", "coefficients", "[1, 2, 3, 4]", "/mean/coefficients"},
    {"weights", "alpha", "[1, 2]", "/weights/alpha"},
    {"weights", "alpha", "[[1, 2, 3]]", "/weights/alpha"},
    {"standardize", "y", "false", "/standardization/y_mean"},
};

START_TEST(documents_are_checked)
{
    add_target();
    json_t *model = tuned(models[2], ""), *out;
    const char *where = new_directory("import");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *spoilt = keep(json_deep_copy(model)),
               *sent = json_of("{'op': 'import', 'directory': '%s'}", where);
        json_object_set(at(spoilt, wrong[i].place), wrong[i].member,
                        json_array_get(json_of("[%s]", wrong[i].value), 0));
        json_object_set(sent, "model", spoilt);
        REFUSED(kr_engine_run(ctx, sent, &emit, NULL, &out), wrong[i].pointer);
    }
}
END_TEST

/* A worker finds the names where the daemon keeps them. */
START_TEST(stored_data_have_several_targets)
{
    add_target();
    OK(kr_dataset_save(ctx, &source.data, new_directory("several")));
    json_t *sent = json_of(
               "{'op': 'gradient', 'dataset': {'name': 'd', 'directory': '%s', 'meta': {'feature_names': "
               "['a', 'b', 'c'], 'target_name': 'y', 'target_names': ['y', 'z']}}}",
               below("several")),
           *request = json_of("{'dataset': 'd', 'model': " PLAIN_MODEL ", " OBJECTIVE "}"), *reply;
    json_object_set(sent, "request", request);
    OK(kr_engine_run(ctx, sent, &emit, NULL, &reply));
    ck_assert_double_eq_tol(number(keep(reply), "loss"), number(gradient_of(&source, request), "loss"),
                            1e-13);
    json_object_del(at(at(sent, "dataset"), "meta"), "target_names");
    ck_assert_int_eq(kr_engine_run(ctx, sent, &emit, NULL, &reply), KR_INTERNAL);
    kr_ctx_clear_error(ctx);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {rows_of_targets_arrive_inline,
                                  rows_of_one_are_plain,
                                  loss_is_the_mean_of_single_runs,
                                  a_model_starts_another_run,
                                  what_is_of_one_target_asks_for_it,
                                  csv_has_columns_for_each,
                                  documents_are_checked,
                                  stored_data_have_several_targets};
    Suite *made = suite_create("targets");
    TCase *tcase = tcase_create("targets");
    tcase_add_checked_fixture(tcase, open_data, close_data);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, models_predict_each_target, 0, sizeof models / sizeof models[0]);
    suite_add_tcase(made, tcase);
    return made;
}
