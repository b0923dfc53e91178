/* What a worker is asked: gradient, check, tune, predict, weights; and what it refuses. */
#include "fixture.h"

START_TEST(a_gradient_of_stored_data_is_that_of_inline_data)
{
    json_t *inlined, *reply, *x = json_array(), *y = json_array();
    for (size_t i = 0; i < ROWS; i++) {
        const double *from = source.data.x + i;
        json_array_append_new(x, json_pack("[f, f, f]", from[0], from[ROWS], from[2 * ROWS]));
        json_array_append_new(y, json_real(source.data.y[i]));
    }
    json_t *request = json_of("{'dataset': 'd', 'model': " PLAIN_MODEL ", " OBJECTIVE ", 'metrics': 'all'}");
    OK(message("gradient", request, "", &reply));
    ck_assert_str_eq(json_string_value(at(at(reply, "request"), "dataset")), "d");
    json_object_del(request, "dataset");
    json_object_set_new(request, "data", json_pack("{s:o, s:o}", "x", x, "y", y));
    OK(kr_engine_gradient(ctx, request, NULL, &inlined));
    keep(inlined);
    ck_assert_ptr_null(json_object_get(at(inlined, "request"), "data"));
    for (const char *const *name = (const char *const[]){"loss", "parameters", "metrics", NULL}; *name;
         name++)
        assert_same_json(at(reply, *name), at(inlined, *name));
    ck_assert_uint_eq(json_object_size(at(reply, "metrics")), 9);
    ck_assert_uint_eq(json_array_size(at(reply, "parameters")), 5);
}
END_TEST

static kr_status gradient(const char *json)
{
    json_t *reply = NULL;
    const kr_status status = kr_engine_gradient(ctx, json_of("%s", json), NULL, &reply);
    json_decref(reply);
    return status;
}
#define INLINE(data, rest)                                                                                   \
    "{'data': {" data "}, 'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'mse', "               \
    "'validation': {'type': 'rows', 'rows': [0]}}" rest "}"
#define THREE "'x': [[1], [2], [3]], 'y': [1, 2, 4]"

START_TEST(gradients_refuse_with_a_pointer)
{
    json_t *reply;
    ck_assert_int_eq(gradient(INLINE(THREE, "")), KR_OK);
    REFUSED(gradient("{'model': {'kernel': {'type': 'rbf'}}, " OBJECTIVE "}"), "/dataset");
    REFUSED(gradient(INLINE("'x': [[1], [2], [3]], 'y': [1, 2]", "")), "/data/y");
    REFUSED(gradient(INLINE("'x': [[1], [2, 3]], 'y': [1, 2]", "")), "/data/x/1");
    REFUSED(gradient(INLINE(THREE ", 'noise_variance': [1]", "")), "/data/noise_variance");
    REFUSED(gradient(INLINE(THREE ", 'noise_variance': [1, 1, -1]", "")), "/data/noise_variance/2");
    REFUSED(gradient(INLINE(THREE ", 'feature_names': ['a', 'b']", "")), "/data/feature_names");
    REFUSED(
        gradient(INLINE("'x': [[1, 2], [2, 1], [3, 3]], 'y': [1, 2, 4], 'feature_names': ['a', 'a']", "")),
        "/data/feature_names/1");
    REFUSED(gradient(INLINE(THREE, ", 'with_respect_to': ['parameters', 'z']")), "/with_respect_to/1");
    REFUSED(gradient(INLINE(THREE, ", 'metrics': 'some'")), "/metrics");
    REFUSED(gradient(INLINE(THREE, ", 'colour': 1")), "/colour");
    REFUSED(gradient(INLINE(THREE, ", 'test': {'rows': [0]}")), "/objective/validation/rows/0");
    REFUSED(gradient(INLINE(THREE, ", 'test': {'rows': [3]}")), "/test/rows/0");
    REFUSED(message("gradient", json_of("%s", INLINE(THREE, "")), "", &reply), "/data");
}
END_TEST

START_TEST(priors_are_told_apart_from_the_loss)
{
    static const char with[] =
        "{'data': {" THREE "}, 'model': {'kernel': {'type': 'rbf', 'lengthscale': {'value': 2, 'prior': "
        "{'type': 'normal', 'mean': 1, "
        "'sd': 0.5}}}}, 'objective': {'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': [0]}}}",
                      without[] = "{'data': {" THREE
                                  "}, 'model': {'kernel': {'type': 'rbf', 'lengthscale': 2}}, 'objective': "
                                  "{'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': [0]}}}";
    json_t *a, *b;
    OK(kr_engine_gradient(ctx, json_of("%s", with), NULL, &a));
    OK(kr_engine_gradient(ctx, json_of("%s", without), NULL, &b));
    keep(a), keep(b);
    ck_assert_double_eq_tol(number(a, "penalty"), 2 + log(0.5) + 0.5 * log(2 * M_PI), 1e-14);
    ck_assert_double_eq(number(b, "penalty"), 0);
    ck_assert_double_eq(number(a, "loss"), number(b, "loss"));
    assert_same_json(at(a, "parameters"), at(b, "parameters"));
    const json_t *shown = at(at(at(at(a, "request"), "model"), "kernel"), "lengthscale");
    ck_assert_str_eq(text_of(shown),
                     "{\"value\":2.0,\"fixed\":false,\"prior\":{\"type\":\"normal\",\"mean\":1.0,"
                     "\"sd\":0.5}}");
    REFUSED(
        gradient(
            "{'data': {" THREE "}, 'model': {'kernel': {'type': 'rbf'}, 'noise': {'variance': {'value': 1, "
            "'prior': {'type': 'uniform', 'lower': 2, 'upper': 3}}}}, 'objective': {'loss': 'evidence'}}"),
        "/model/noise/variance");
}
END_TEST

START_TEST(a_check_says_what_a_run_would_do)
{
    json_t *reply, *model;
    OK(message("check", tune_request(PLAIN_MODEL, ""), "", &reply));
    model = at(reply, "model");
    ck_assert(json_is_true(at(at(model, "standardize"), "x")));
    ck_assert_double_eq(number(at(model, "noise"), "variance"), 0.1);
    ck_assert_int_eq(json_integer_value(at(at(reply, "optimizer"), "patience")), 20);
    ck_assert_str_eq(json_string_value(at(at(reply, "solver"), "type")), "auto");
    ck_assert_str_eq(text_of(at(reply, "restarts")), "{\"count\":1,\"seed\":0}");
    json_t *again;
    OK(message("check", reply, "", &again)); /* its own request is one it takes, and the same */
    assert_same_json(reply, again);
    ck_assert_uint_eq(nsteps, 0);
}
END_TEST

START_TEST(checks_refuse_with_a_pointer)
{
    static const struct {
        const char *model, *more, *pointer;
    } rows[] = {
        {"{'kernel': {'type': 'rbf', 'lengthscale': 1e6}}", "", "/model/kernel/lengthscale"},
        {"{'kernel': {'type': 'rbf', 'lengthscale': [1, 2]}}", "", "/model/kernel/lengthscale"},
        {"{'kernel': {'type': 'rbf', 'lengthscale': {'value': 3, 'bounds': [1, 2]}}}", "",
         "/model/kernel/lengthscale/value"},
        {"{'kernel': {'type': 'rbf', 'features': ['a', 'z']}}", "", "/model/kernel/features/1"},
        {"{'kernel': {'type': 'rbf', 'features': [0, 3]}}", "", "/model/kernel/features/1"},
        {"{'kernel': {'type': 'spline'}}", "", "/model/kernel/type"},
        {"{'kernel': {'type': 'sum', 'kernels': []}}", "", "/model/kernel/kernels"},
        {"{'kernel': {'type': 'rbf'}, 'noise': {'variance': 0}}", "", "/model/noise/variance"},
        {PLAIN_MODEL, ", 'test': {'rows': [48]}", "/test/rows/0"},
        {PLAIN_MODEL, ", 'labels': {'team': 1}", "/labels/team"},
        {PLAIN_MODEL, ", 'solver': {'type': 'gauss'}", "/solver/type"},
        {PLAIN_MODEL, ", 'solver': {'rtol': 2}", "/solver/rtol"},
        {PLAIN_MODEL, ", 'constraints': [{'type': 'bias'}]", "/optimizer/type"},
        {PLAIN_MODEL, ", 'constraints': [{'type': 'balance'}]", "/constraints/0/type"},
        {PLAIN_MODEL, ", 'projection': {'gamma': 0.5}", "/projection"},
    };
    json_t *reply;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        REFUSED(message("check", tune_request(rows[i].model, rows[i].more), "", &reply), rows[i].pointer);
        REFUSED(message("tune", tune_request(rows[i].model, rows[i].more), "", &reply), rows[i].pointer);
    }
    ck_assert_uint_eq(nsteps, 0);
}
END_TEST

START_TEST(a_check_knows_the_memory)
{
    json_t *reply;
    ctx->budget = ctx->used + 30000;
    ck_assert_int_eq(message("check", tune_request(PLAIN_MODEL, ""), "", &reply), KR_MEMORY_LIMIT);
    ck_assert(ctx->error.detail[0]);
}
END_TEST

#define CALIBRATED                                                                                           \
    "{'dataset': 'd', 'model': " PLAIN_MODEL ", 'objective': {'loss': 'mse', 'validation': {'type': "        \
    "'fraction', 'fraction': 0.5}}, 'constraints': [{'type': 'calibration'}], 'optimizer': {'type': "        \
    "'adam', 'max_evaluations': 5}}"

START_TEST(a_check_shows_how_constraints_are_kept)
{
    json_t *reply, *again;
    OK(message("check", json_of(CALIBRATED), "", &reply));
    ck_assert_double_eq(number(json_array_get(at(reply, "constraints"), 0), "target"), 1);
    ck_assert_double_eq(number(at(reply, "projection"), "tolerance"), 1e-4);
    OK(message("check", reply, "", &again));
    assert_same_json(reply, again);
}
END_TEST

START_TEST(a_constrained_run_goes_on_from_a_checkpoint)
{
    json_t *reply, *whole, *rest;
    char *more;
    keep_step = 3;
    OK(message("tune", json_of(CALIBRATED), "", &reply));
    whole = reply;
    ck_assert_int_ge(asprintf(&more, ", 'checkpoint': '%s'", last_checkpoint), 0);
    keep_step = nsteps = 0;
    OK(message("tune", json_of(CALIBRATED), more, &rest));
    free(more);
    ck_assert_uint_eq(nsteps, 2);
    json_object_del(at(whole, "result"), "seconds");
    json_object_del(at(rest, "result"), "seconds");
    assert_same_json(whole, rest);
}
END_TEST

START_TEST(a_run_by_message_is_the_run_in_memory)
{
    json_t *reply, *here;
    OK(message("tune", tune_request(PLAIN_MODEL, ""), "", &reply));
    ck_assert_uint_eq(nsteps, 6);
    ck_assert_uint_ge(nwarnings, 1);
    here = tune(tune_request(PLAIN_MODEL, ""));
    json_object_del(at(reply, "result"), "seconds");
    json_object_del(at(here, "result"), "seconds");
    assert_same_json(reply, here);
    ck_assert_str_eq(json_string_value(at(at(at(reply, "model"), "dataset"), "sha256")), SHA256);
}
END_TEST

START_TEST(a_run_goes_on_from_a_checkpoint)
{
    json_t *whole = tune(tune_request(PLAIN_MODEL, "")), *rest;
    char more[sizeof last_checkpoint + 64];
    nsteps = 0;
    keep_step = 2;
    tune(tune_request(PLAIN_MODEL, ""));
    snprintf(more, sizeof more, ", 'checkpoint': '%s'", last_checkpoint);
    nsteps = 0;
    OK(message("tune", tune_request(PLAIN_MODEL, ""), more, &rest));
    ck_assert_uint_eq(nsteps, 4);
    json_object_del(at(whole, "result"), "seconds");
    json_object_del(at(rest, "result"), "seconds");
    assert_same_json(whole, rest);
    ck_assert_int_eq(
        message("tune", tune_request(PLAIN_MODEL, ""), ", 'checkpoint': '0000000000000000'", &rest),
        KR_INTERNAL);
}
END_TEST

START_TEST(messages_that_make_no_sense)
{
    json_t *reply = NULL;
    ck_assert_int_eq(kr_engine_run(ctx, json_of("{'op': 'dance'}"), &emit, NULL, &reply), KR_INTERNAL);
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_engine_run(ctx, json_of("{}"), &emit, NULL, &reply), KR_INTERNAL);
    kr_ctx_clear_error(ctx);
    json_t *sent = json_of("{'op': 'tune', 'request': {}}");
    REFUSED(kr_engine_run(ctx, sent, &emit, NULL, &reply), "/dataset");
    json_object_set_new(sent, "dataset", json_pack("{s:s, s:s}", "name", "d", "directory", "/nowhere"));
    ck_assert_int_eq(kr_engine_run(ctx, sent, &emit, NULL, &reply), KR_STORAGE);
    ck_assert_ptr_null(reply);
}
END_TEST

START_TEST(predictions_refuse_with_a_pointer)
{
    json_t *model = at(tune(tune_request(PLAIN_MODEL, "")), "model"), *reply = NULL, *broken;
#define PREDICT(text, document) kr_engine_predict(ctx, NULL, json_of(text), document, NULL, &reply)
    REFUSED(PREDICT("{}", model), "/x");
    REFUSED(PREDICT("{'x': [[1, 2]]}", model), "/x");
    REFUSED(PREDICT("{'x': [[1, 2, 3], [1, 2]]}", model), "/x/1");
    REFUSED(PREDICT("{'x': [[1, 2, 'three']]}", model), "/x/0/2");
    REFUSED(PREDICT("{'x': [[1, 2, 3]], 'quantiles': [0.5, 1]}", model), "/quantiles/1");
    REFUSED(PREDICT("{'x': [[1, 2, 3]], 'samples': 3}", model), "/samples");
    static const struct {
        const char *path[3], *value, *pointer;
    } rows[] = {
        {{"format"}, "{'v': 'gp'}", "/format"},
        {{"version"}, "{'v': 2}", "/version"},
        {{"noise", "variance"}, "{'v': [1, 2]}", "/noise/variance"},
        {{"standardization", "x_sd"}, "{'v': [1, 1]}", "/standardization/x_sd"},
        {{"standardization", "x_sd"}, "{'v': [1, 0, 1]}", "/standardization/x_sd/1"},
        {{"weights", "alpha"}, "{'v': [1]}", "/weights/alpha"},
        {{"weights", "noise_variance"}, "{'v': [1]}", "/weights/noise_variance"},
        {{"weights", "x"}, "{'v': [[1]]}", "/weights/x"},
        {{"kernel", "features"}, "{'v': ['z']}", "/kernel/features/0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        broken = keep(json_deep_copy(model));
        json_t *parent = rows[i].path[1] ? at(broken, rows[i].path[0]) : broken;
        json_object_set(parent, rows[i].path[1] ? rows[i].path[1] : rows[i].path[0],
                        at(json_of("%s", rows[i].value), "v"));
        REFUSED(PREDICT("{'x': [[1, 2, 3]]}", broken), rows[i].pointer);
    }
    broken = keep(json_deep_copy(model));
    json_object_del(broken, "weights");
    REFUSED(PREDICT("{'x': [[1, 2, 3]]}", broken), "/weights");
    REFUSED(PREDICT("{'x': [[1, 2, 3]]}", json_of("{}")), "/format");
}
END_TEST

START_TEST(a_prediction_says_what_was_asked_for)
{
    json_t *model = at(tune(tune_request(PLAIN_MODEL, "")), "model"), *all = predict(model, NULL), *reply;
    ck_assert_uint_eq(json_array_size(at(all, "mean")), 3);
    ck_assert_uint_eq(json_array_size(at(all, "variance")), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(at(all, "quantiles"), i);
        const double mean = json_number_value(json_array_get(at(all, "mean"), i)),
                     sd = sqrt(json_number_value(json_array_get(at(all, "variance"), i)));
        ck_assert_double_eq_tol(json_number_value(json_array_get(row, 0)), mean - 1.6448536269514722 * sd,
                                1e-9);
        ck_assert_double_eq_tol(json_number_value(json_array_get(row, 1)), mean, 1e-9);
        ck_assert_double_eq_tol(json_number_value(json_array_get(row, 2)), mean + 1.6448536269514722 * sd,
                                1e-9);
    }
    OK(kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]], 'variance': false}"), model, NULL,
                         &reply));
    keep(reply);
    ck_assert_uint_eq(json_object_size(reply), 1);
    ck_assert_double_eq(json_number_value(json_array_get(at(reply, "mean"), 0)),
                        json_number_value(json_array_get(at(all, "mean"), 0)));
    OK(kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]], 'observation_noise': false}"), model, NULL,
                         &reply));
    keep(reply);
    const double noise = number(at(model, "noise"), "variance"),
                 sd = number(at(model, "standardization"), "y_sd");
    ck_assert_double_eq_tol(json_number_value(json_array_get(at(all, "variance"), 0)) -
                                json_number_value(json_array_get(at(reply, "variance"), 0)),
                            noise * sd * sd, 1e-9 * sd * sd);
}
END_TEST

ENGINE_SUITE("engine", a_gradient_of_stored_data_is_that_of_inline_data, gradients_refuse_with_a_pointer,
             priors_are_told_apart_from_the_loss, a_check_says_what_a_run_would_do,
             checks_refuse_with_a_pointer, a_check_knows_the_memory, a_check_shows_how_constraints_are_kept,
             a_constrained_run_goes_on_from_a_checkpoint, a_run_by_message_is_the_run_in_memory,
             a_run_goes_on_from_a_checkpoint, messages_that_make_no_sense, predictions_refuse_with_a_pointer,
             a_prediction_says_what_was_asked_for)
