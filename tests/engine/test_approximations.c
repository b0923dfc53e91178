/* Approximations in requests, runs and model documents: the same bits wherever the weights are, after a
 * resume and from an import; inducing inputs in their place; contradictions refused at theirs. */
#include "fixture.h"

#define RQ "'alpha': {'value': 0.7, 'fixed': true}"
#define SUM                                                                                                  \
    "{'type': 'sum', 'kernels': [{'type': 'matern32', 'ard': true}, {'type': 'rational_quadratic', " RQ "}," \
    " "
#define MORE "{'type': 'white', 'variance': 0.1}]}, 'mean': {'type': 'constant'}"

static const char *const models[] = {
    "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'fourier_features', 'count': 40, 'seed': 3}}",
    "{'kernel': " SUM MORE
    ", 'approximation': {'type': 'fourier_features', 'count': 40, 'orthogonal': false}}",
    "{'kernel': " SUM MORE ", 'approximation': {'type': 'inducing', 'count': 8}}",
    "{'kernel': {'type': 'rbf', 'ard': true}, 'approximation': {'type': 'inducing', 'count': 5, 'select': "
    "'random', "
    "'tune_inputs': true}}",
    "{'kernel': {'type': 'periodic', 'period': 3}, 'standardize': {'x': false, 'y': false}, 'approximation': "
    "{'type': 'inducing', 'count': 2, 'inputs': [[1, 20, 200], [2, 30, 100]], 'tune_inputs': true}}",
};
enum { MODELS = sizeof models / sizeof models[0], TUNED = 3 };

static void assert_same_predictions(json_t *a, json_t *b)
{
    for (const char *const *name = (const char *const[]){"mean", "variance", "quantiles", NULL}; *name;
         name++)
        assert_same_json(at(a, *name), at(b, *name)); /* shortest doubles: the same text is the same bits */
}

static json_t *model_of(size_t i)
{
    return at(tune(tune_request(models[i], ", 'test': {'fraction': 0.1}")), "model");
}

START_TEST(documents_predict_the_same_bits_wherever_they_are)
{
    const char *where = new_directory("model"), *there = new_directory("import");
    char more[256], *text;
    make_data(true);
    json_t *model = model_of((size_t)_i), *read, *reply, *filled, *imported;
    text = kr_json_dump(model, false);
    OK(kr_json_parse(ctx, text, strlen(text), &read));
    free(text);
    assert_same_json(model, keep(read));
    assert_same_predictions(predict(model, NULL), predict(read, NULL));
    snprintf(more, sizeof more, "%s", where);
    OK(kr_engine_tune(ctx, tune_request(models[_i], ", 'test': {'fraction': 0.1}"), &source, NULL, more,
                      &emit, &reply));
    json_t *bare = at(keep(reply), "model");
    ck_assert_ptr_null(json_object_get(bare, "weights"));
    assert_same_predictions(predict(model, NULL), predict(bare, where));
    OK(kr_engine_model_weights(ctx, bare, where, &filled));
    assert_same_json(model, keep(filled));
    OK(kr_engine_model_import(ctx, model, there, &imported));
    assert_same_predictions(predict(model, NULL), predict(keep(imported), there));
    json_t *weights = at(model, "weights");
    ck_assert_ptr_null(json_object_get(weights, "x"));
    ck_assert_ptr_null(json_object_get(weights, "noise_variance"));
    ck_assert_uint_eq(json_array_size(at(weights, "factor")), json_array_size(at(weights, "alpha")));
}
END_TEST

/* Everything but seconds: result, warnings, model. */
START_TEST(a_run_goes_on_from_a_checkpoint)
{
    char more[sizeof last_checkpoint + 64];
    keep_step = 2;
    json_t *whole = tune(tune_request(models[_i], "")), *rest;
    snprintf(more, sizeof more, ", 'checkpoint': '%s'", last_checkpoint);
    OK(message("tune", tune_request(models[_i], ""), more, &rest));
    json_object_del(at(whole, "result"), "seconds");
    json_object_del(at(rest, "result"), "seconds");
    assert_same_json(whole, rest);
}
END_TEST

/* A document's inputs are those of the run, tuned where they were tuned, and its parameters say the same. */
START_TEST(inducing_inputs_have_their_place)
{
    json_t *reply = tune(tune_request(models[_i], "")),
           *approximation = at(at(reply, "model"), "approximation"), *inputs = at(approximation, "inputs"),
           *parameters = at(at(reply, "model"), "parameters"), *item;
    size_t index, seen = 0;
    ck_assert_uint_eq(json_array_size(inputs), (size_t)json_integer_value(at(approximation, "count")));
    json_array_foreach(parameters, index, item)
    {
        size_t i, k;
        if (sscanf(json_string_value(at(item, "name")), "approximation.inputs[%zu][%zu]", &i, &k) != 2)
            continue;
        ck_assert_double_eq(json_number_value(json_array_get(json_array_get(inputs, i), k)),
                            json_number_value(at(item, "value")));
        ck_assert(json_is_null(at(item, "data_value")));
        ck_assert(json_number_value(at(item, "gradient")) != 0 || _i == MODELS - 1);
        seen++;
    }
    ck_assert_uint_eq(seen, _i >= TUNED ? 3 * json_array_size(inputs) : 0);
}
END_TEST

START_TEST(covariances_and_samples)
{
    json_t *model = model_of((size_t)_i), *request = points(), *reply;
    json_object_set_new(request, "covariance", json_true());
    json_object_set_new(request, "gradient", json_true());
    json_object_set_new(request, "samples", json_of("{'count': 3, 'seed': 1}"));
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    keep(reply);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(json_number_value(json_array_get(json_array_get(at(reply, "covariance"), i), i)),
                            json_number_value(json_array_get(at(reply, "variance"), i)));
    ck_assert_uint_eq(json_array_size(at(reply, "samples")), 3);
    ck_assert_uint_eq(json_array_size(at(reply, "gradient")), 3);
}
END_TEST

static const struct {
    const char *model, *pointer;
} refused[] = {
    {"{'kernel': {'type': 'periodic'}, 'approximation': {'type': 'fourier_features'}}", "/model/kernel/type"},
    {"{'kernel': {'type': 'rational_quadratic'}, 'approximation': {'type': 'fourier_features'}}",
     "/model/kernel/alpha"},
    {"{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'fourier_features', 'count': 7}}",
     "/model/approximation/count"},
    {"{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'fourier_features', 'select': 'kmeans'}}",
     "/model/approximation/select"},
    {"{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'count': 2000}}",
     "/model/approximation/count"},
    {"{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'inputs': [[1, 2]]}}",
     "/model/approximation/inputs"},
    {"{'kernel': {'type': 'white'}, 'approximation': {'type': 'inducing', 'count': 2}}", "/model/kernel"},
};

START_TEST(requests_refuse_with_a_pointer)
{
    json_t *reply;
    ck_assert_int_eq(kr_engine_check(ctx, tune_request(refused[_i].model, ""), &source, &reply), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, refused[_i].pointer);
    kr_ctx_clear_error(ctx);
}
END_TEST

static void wrong(json_t *model, const char *member, const char *value, const char *pointer)
{
    json_t *changed = keep(json_deep_copy(model)), *weights = at(changed, "weights"), *reply;
    json_object_set_new(weights, member, json_incref(json_of("%s", value)));
    ck_assert_int_eq(kr_engine_predict(ctx, NULL, points(), changed, NULL, &reply), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, pointer);
    kr_ctx_clear_error(ctx);
}

START_TEST(documents_that_contradict_themselves)
{
    json_t *model = model_of(TUNED), *exact = at(tune(tune_request(PLAIN_MODEL, "")), "model"), *reply;
    wrong(model, "alpha", "[1, 2]", "/weights/alpha");
    wrong(model, "factor", "[[1, 0], [1, 1]]", "/weights/factor");
    wrong(model, "factor",
          "[[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]",
          "/weights/factor/2");
    wrong(model, "x", "[[1, 2, 3]]", "/weights/x");
    wrong(model, "noise_variance", "[1]", "/weights/noise_variance");
    wrong(exact, "factor", "[[1]]", "/weights/factor");
    json_object_del(at(exact, "weights"), "x");
    ck_assert_int_eq(kr_engine_predict(ctx, NULL, points(), exact, NULL, &reply), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/weights/x");
    kr_ctx_clear_error(ctx);
    json_object_del(at(model, "approximation"), "inputs");
    ck_assert_int_eq(kr_engine_predict(ctx, NULL, points(), model, NULL, &reply), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/approximation/inputs");
}
END_TEST

/* The same input twice: told in a gradient and warned of in a run. */
START_TEST(jitter_is_told)
{
    static const char twice[] = "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'inputs': "
                                "[[0, 0, 0], [0, 0, 0]]}}";
    json_t *reply, *request = json_of("{'dataset': 'd', 'model': %s, " OBJECTIVE "}", twice);
    OK(message("gradient", request, "", &reply));
    ck_assert_double_eq(json_number_value(at(reply, "jitter")), 1e-10);
    json_t *run = tune_request(twice, "");
    json_object_set(run, "optimizer", json_of("{'type': 'lbfgs', 'max_evaluations': 1}"));
    tune(run);
    ck_assert_ptr_nonnull(strstr(last_warning, "inducing inputs needed 1e-10"));
}
END_TEST

/* Tuned by the evidence, then scaled: errors of single rows are as large as predicted. */
START_TEST(a_run_may_be_calibrated)
{
    json_t *reply =
        tune(json_of("{'dataset': 'd', 'model': %s, 'objective': {'loss': 'evidence', 'calibrate': "
                     "'leave_one_out'}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 3}}",
                     models[_i]));
    json_t *check = json_of("{'dataset': 'd', 'objective': {'loss': 'mse', 'validation': {'type': "
                            "'leave_one_out'}}, 'optimizer': {'type': 'adam', 'max_evaluations': 0}, "
                            "'constraints': [{'type': 'calibration'}]}"),
           *part = json_object(), *model = at(reply, "model");
    for (const char *const *name =
             (const char *const[]){"kernel", "mean", "noise", "standardize", "approximation", NULL};
         *name; name++)
        json_object_set(part, *name, at(model, *name));
    json_object_set_new(check, "model", part);
    json_t *scored = at(tune(check), "result");
    ck_assert_double_eq_tol(number(scored, "constraint_violation"), 0, 1e-9);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("approximations");
    TCase *tcase = tcase_create("approximations");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_data, close_data);
    tcase_add_loop_test(tcase, documents_predict_the_same_bits_wherever_they_are, 0, MODELS);
    tcase_add_loop_test(tcase, a_run_goes_on_from_a_checkpoint, 0, MODELS);
    tcase_add_loop_test(tcase, inducing_inputs_have_their_place, 2, MODELS);
    tcase_add_loop_test(tcase, covariances_and_samples, 0, MODELS);
    tcase_add_loop_test(tcase, requests_refuse_with_a_pointer, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, documents_that_contradict_themselves);
    tcase_add_loop_test(tcase, a_run_may_be_calibrated, 0, MODELS);
    tcase_add_test(tcase, jitter_is_told);
    suite_add_tcase(made, tcase);
    return made;
}
