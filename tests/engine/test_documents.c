/* Model documents: they predict the same wherever their weights are, and hold every tuned value in its place.
 */
#include "fixture.h"

static void assert_same_predictions(json_t *a, json_t *b)
{
    for (const char *const *name = (const char *const[]){"mean", "variance", "quantiles", NULL}; *name;
         name++)
        assert_same_json(at(a, *name), at(b, *name)); /* shortest doubles: the same text is the same bits */
}

static const char *const models[] = {
    PLAIN_MODEL,
    "{'kernel': {'type': 'rbf', 'lengthscale': [{'value': 1, 'fixed': true}, 2, {'value': 3, 'bounds': [0.5, "
    "40]}]}, "
    "'mean': {'type': 'constant', 'value': {'value': 0.25, 'bounds': [-3, 3]}}}",
    "{'kernel': {'type': 'sum', 'kernels': [{'type': 'product', 'kernels': [{'type': 'rbf', 'features': "
    "['b', 0]}, "
    "{'type': 'matern52', 'ard': true, 'variance': {'value': 1, 'fixed': true}}]}, {'type': 'constant'}, "
    "{'type': 'matern12', 'features': ['c']}]}, 'standardize': {'x': true, 'y': false}}",
};
enum { MODELS = sizeof models / sizeof models[0] };

START_TEST(a_document_as_text_predicts_the_same_bits)
{
    json_t *model = at(tune(tune_request(models[_i], ", 'test': {'fraction': 0.1}")), "model"), *read;
    char *text = kr_json_dump(model, _i % 2);
    OK(kr_json_parse(ctx, text, strlen(text), &read));
    free(text);
    assert_same_json(model, keep(read));
    assert_same_predictions(predict(model, NULL), predict(read, NULL));
}
END_TEST

START_TEST(weights_in_a_directory_predict_the_same_bits)
{
    const char *where = new_directory("model");
    char more[256];
    json_t *reply, *model = at(tune(tune_request(models[_i], "")), "model"), *filled;
    snprintf(more, sizeof more, ", 'model_directory': '%s'", where);
    OK(message("tune", tune_request(models[_i], ""), more, &reply));
    json_t *bare = at(reply, "model");
    ck_assert_ptr_null(json_object_get(bare, "weights"));
    assert_same_predictions(predict(model, NULL), predict(bare, where));
    OK(kr_engine_model_weights(ctx, bare, where, &filled));
    keep(filled);
    assert_same_json(at(model, "weights"), at(filled, "weights"));
    assert_same_predictions(predict(model, NULL), predict(filled, NULL));
    json_t *sent = json_of("{'op': 'predict', 'directory': '%s'}", where), *said;
    json_object_set(sent, "model", bare);
    json_object_set(sent, "request", points());
    OK(kr_engine_run(ctx, sent, &emit, NULL, &said));
    assert_same_predictions(predict(model, NULL), keep(said));
    json_object_set(sent, "op", keep(json_string("weights")));
    OK(kr_engine_run(ctx, sent, &emit, NULL, &said));
    assert_same_json(filled, keep(said));
}
END_TEST

START_TEST(known_noise_goes_with_the_weights)
{
    const char *where = new_directory("model");
    make_data(true);
    json_t *model = at(tune(tune_request(PLAIN_MODEL, "")), "model"), *reply;
    ck_assert_uint_eq(json_array_size(at(at(model, "weights"), "noise_variance")), ROWS);
    OK(kr_engine_tune(ctx, tune_request(PLAIN_MODEL, ""), &source, NULL, where, &emit, &reply));
    assert_same_predictions(predict(model, NULL), predict(at(keep(reply), "model"), where));
}
END_TEST

/* ---- tuned values in their places ---- */

/* The value of a parameter by name, from the result. */
static double tuned_value(json_t *reply, const char *name)
{
    json_t *entry;
    size_t i;
    json_array_foreach(at(at(reply, "result"), "parameters"), i,
                       entry) if (strcmp(json_string_value(at(entry, "name")), name) ==
                                  0) return number(entry, "value");
    ck_abort_msg("there is no %s", name);
    return 0;
}

START_TEST(one_lengthscale_for_ard_becomes_an_array)
{
    json_t *reply = tune(tune_request("{'kernel': {'type': 'rbf', 'ard': true, 'lengthscale': 1.5}}", ""));
    json_t *kernel = at(at(reply, "model"), "kernel"), *lengths = at(kernel, "lengthscale");
    ck_assert_uint_eq(json_array_size(lengths), COLUMNS);
    for (size_t k = 0; k < COLUMNS; k++) {
        char name[64];
        snprintf(name, sizeof name, "kernel.lengthscale[%zu]", k);
        ck_assert_double_eq(json_number_value(json_array_get(lengths, k)), tuned_value(reply, name));
    }
    ck_assert_double_ne(json_number_value(json_array_get(lengths, 0)),
                        json_number_value(json_array_get(lengths, 1)));
}
END_TEST

START_TEST(one_detailed_lengthscale_for_ard_keeps_its_details)
{
    json_t *reply = tune(tune_request(
        "{'kernel': {'type': 'rbf', 'ard': true, 'lengthscale': {'value': 1.5, 'bounds': [0.5, 9]}}}", ""));
    json_t *lengths = at(at(at(reply, "model"), "kernel"), "lengthscale"), *entry;
    size_t k;
    ck_assert_uint_eq(json_array_size(lengths), COLUMNS);
    json_array_foreach(lengths, k, entry)
    {
        char name[64];
        snprintf(name, sizeof name, "kernel.lengthscale[%zu]", k);
        ck_assert_double_eq(number(entry, "value"), tuned_value(reply, name));
        ck_assert_double_eq(json_number_value(json_array_get(at(entry, "bounds"), 1)), 9);
    }
}
END_TEST

START_TEST(objects_keep_fixed_and_bounds)
{
    json_t *reply = tune(tune_request(models[1], "")), *model = at(reply, "model");
    json_t *lengths = at(at(model, "kernel"), "lengthscale"), *first = json_array_get(lengths, 0);
    ck_assert_double_eq(number(first, "value"), 1);
    ck_assert(json_is_true(at(first, "fixed")));
    ck_assert_double_eq(json_number_value(json_array_get(lengths, 1)),
                        tuned_value(reply, "kernel.lengthscale[1]"));
    ck_assert_double_eq(number(json_array_get(lengths, 2), "value"),
                        tuned_value(reply, "kernel.lengthscale[2]"));
    ck_assert_double_eq(json_number_value(json_array_get(at(json_array_get(lengths, 2), "bounds"), 0)), 0.5);
    ck_assert_double_eq(number(at(at(model, "mean"), "value"), "value"), tuned_value(reply, "mean.value"));
    ck_assert_double_eq(number(at(model, "noise"), "variance"), tuned_value(reply, "noise.variance"));
    ck_assert_double_ne(number(at(model, "noise"), "variance"), 0.1);
}
END_TEST

START_TEST(a_nested_kernel_keeps_its_shape)
{
    json_t *reply = tune(tune_request(models[2], "")), *kernel = at(at(reply, "model"), "kernel");
    json_t *product = json_array_get(at(kernel, "kernels"), 0),
           *inner = json_array_get(at(product, "kernels"), 1);
    ck_assert_str_eq(json_string_value(at(product, "type")), "product");
    assert_same_json(at(json_array_get(at(product, "kernels"), 0), "features"), json_of("['b', 0]"));
    ck_assert_double_eq(number(at(inner, "variance"), "value"), 1);
    ck_assert_double_eq(json_number_value(json_array_get(at(inner, "lengthscale"), 2)),
                        tuned_value(reply, "kernel.kernels[0].kernels[1].lengthscale[2]"));
    ck_assert_double_eq(number(json_array_get(at(kernel, "kernels"), 1), "variance"),
                        tuned_value(reply, "kernel.kernels[1].variance"));
    ck_assert_double_eq(number(json_array_get(at(kernel, "kernels"), 2), "lengthscale"),
                        tuned_value(reply, "kernel.kernels[2].lengthscale"));
}
END_TEST

/* The tuned model as a start: its first evaluation is the best one of the run that left it. */
START_TEST(a_tuned_model_starts_where_it_ended)
{
    json_t *reply = tune(tune_request(models[_i], "")), *model = at(reply, "model"), *part = json_object(),
           *again;
    for (const char *const *name = (const char *const[]){"kernel", "mean", "noise", "standardize", NULL};
         *name; name++)
        json_object_set(part, *name, at(model, *name));
    json_t *request = tune_request("{}", "");
    json_object_set_new(request, "model", part);
    json_object_del(request, "optimizer");
    OK(message("gradient", request, "", &again));
    ck_assert_double_eq_tol(number(again, "loss"), number(at(reply, "result"), "best_loss"), 1e-12);
}
END_TEST

/* kr_model_tuned alone: every value of theta goes where its pointer says, and nothing else changes. */
START_TEST(values_go_where_their_pointers_say)
{
    struct kr_tune_request request;
    struct kr_gp gp;
    json_t *checked;
    double theta[16];
    OK(kr_engine_check(ctx, tune_request(models[2], ""), &source, &checked));
    OK(kr_wire_read(ctx, &kr_tune_request_schema, keep(checked), "", &request));
    const struct kr_gp_spec spec = {request.model, request.objective, request.test, request.solver};
    OK(kr_gp_init(ctx, &spec, &source.data, &gp));
    ck_assert_uint_le(gp.parameters.count, 16);
    for (size_t p = 0; p < gp.parameters.count; p++)
        theta[p] = 1 + (double)p;
    json_t *before = keep(json_deep_copy(checked)),
           *model = keep(kr_model_tuned(checked, &gp.parameters, theta));
    assert_same_json(before, checked);
    json_object_set(checked, "model", model);
    struct kr_gp tuned;
    OK(kr_wire_read(ctx, &kr_tune_request_schema, checked, "", &request));
    const struct kr_gp_spec tuned_spec = {request.model, request.objective, request.test, request.solver};
    OK(kr_gp_init(ctx, &tuned_spec, &source.data, &tuned));
    ck_assert_uint_eq(tuned.parameters.count, gp.parameters.count);
    for (size_t p = 0; p < gp.parameters.count; p++) {
        ck_assert_double_eq(tuned.start[p], theta[p]);
        ck_assert_int_eq(tuned.parameters.items[p].spec.fixed, gp.parameters.items[p].spec.fixed);
    }
}
END_TEST

/* A value that ends on its bound is a value within its bounds, whatever the logarithm does to it. */
START_TEST(a_run_that_ends_at_a_bound_leaves_a_model)
{
    int tried = 0;
    for (int k = 0; k < 200 && tried < 4; k++) {
        const double high = 0.15 + 0.00031 * k;
        char model[256];
        if (exp(log(high)) <= high)
            continue;
        snprintf(model, sizeof model,
                 "{'kernel': {'type': 'rbf', 'lengthscale': {'value': 0.12, 'bounds': [0.01, %.17g]}}}",
                 high);
        json_t *reply = tune(tune_request(model, ""));
        ck_assert_double_eq_tol(tuned_value(reply, "kernel.lengthscale"), high, 1e-12);
        predict(at(reply, "model"), NULL);
        tried++;
    }
    ck_assert_int_eq(tried, 4);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("documents");
    TCase *tcase = tcase_create("documents");
    tcase_add_checked_fixture(tcase, open_data, close_data);
    tcase_add_loop_test(tcase, a_document_as_text_predicts_the_same_bits, 0, MODELS);
    tcase_add_loop_test(tcase, weights_in_a_directory_predict_the_same_bits, 0, MODELS);
    tcase_add_test(tcase, known_noise_goes_with_the_weights);
    tcase_add_test(tcase, one_lengthscale_for_ard_becomes_an_array);
    tcase_add_test(tcase, one_detailed_lengthscale_for_ard_keeps_its_details);
    tcase_add_test(tcase, objects_keep_fixed_and_bounds);
    tcase_add_test(tcase, a_nested_kernel_keeps_its_shape);
    tcase_add_loop_test(tcase, a_tuned_model_starts_where_it_ended, 0, MODELS);
    tcase_add_test(tcase, values_go_where_their_pointers_say);
    tcase_add_test(tcase, a_run_that_ends_at_a_bound_leaves_a_model);
    suite_add_tcase(made, tcase);
    return made;
}
