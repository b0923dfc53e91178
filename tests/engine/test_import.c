/* Models that come from elsewhere: the same predictions to the bit, and a pointer to whatever is wrong. */
#include "fixture.h"

#include <unistd.h>

static json_t *exported(const char *kernel)
{
    json_t *model = at(tune(tune_request(kernel, "")), "model");
    json_object_set_new(model, "name", json_string("01J"));
    json_object_set_new(model, "created_at", json_string("2026-01-31T09:26:53.589Z"));
    return model;
}

static kr_status import(json_t *document, const char *where, json_t **out)
{
    json_t *sent = json_of("{'op': 'import', 'directory': '%s'}", where);
    json_object_set(sent, "model", document);
    *out = NULL;
    const kr_status status = kr_engine_run(ctx, sent, &emit, NULL, out);
    if (*out)
        keep(*out);
    return status;
}

static const char *const models[] = {
    PLAIN_MODEL,
    "{'kernel': {'type': 'sum', 'kernels': [{'type': 'rational_quadratic', 'features': ['b', 0], 'alpha': "
    "{'value': 0.7, 'fixed': true}}, {'type': 'linear', 'ard': true}, {'type': 'white', 'variance': 0.1}]}, "
    "'mean': {'type': 'constant', 'value': 0.25}, 'standardize': {'x': false, 'y': false}}",
};

START_TEST(an_import_predicts_the_same_bits)
{
    const char *where = new_directory("import");
    make_data(true); /* with known noise */
    json_t *model = exported(models[_i]), *stored_as, *again;
    OK(import(model, where, &stored_as));
    ck_assert_ptr_null(json_object_get(stored_as, "weights"));
    ck_assert_ptr_null(json_object_get(stored_as, "name"));
    ck_assert_ptr_null(json_object_get(stored_as, "created_at"));
    assert_same_json(predict(model, NULL), predict(stored_as, where));
    OK(kr_engine_model_weights(ctx, stored_as, where, &again));
    keep(again);
    json_object_del(model, "name");
    json_object_del(model, "created_at");
    assert_same_json(model, again); /* nothing is lost on the way */
}
END_TEST

static const struct {
    const char *place, *value, *pointer; /* value NULL: the member is left out */
} wrong[] = {
    {"/format", "'gp'", "/format"},
    {"/format", NULL, "/format"},
    {"/version", "2", "/version"},
    {"/version", NULL, "/version"},
    {"/colour", "1", "/colour"},
    {"/name", "7", "/name"},
    {"/dataset", NULL, "/dataset"},
    {"/dataset/name", "7", "/dataset/name"},
    {"/dataset/sha256", "'abc'", "/dataset/sha256"},
    {"/dataset/rows", "47", "/dataset/rows"},
    {"/dataset/feature_names", "['a', 'b', 'a']", "/dataset/feature_names/2"},
    {"/dataset/feature_names", "['a', '', 'c']", "/dataset/feature_names/1"},
    {"/dataset/feature_names", "['a', 'b']", "/kernel/lengthscale"},
    {"/kernel/type", "'wave'", "/kernel/type"},
    {"/kernel/lengthscale", "[1, 2]", "/kernel/lengthscale"},
    {"/kernel/lengthscale", "[1, 2, -3]", "/kernel/lengthscale/2"},
    {"/kernel/variance", "0", "/kernel/variance"},
    {"/kernel/features", "['a', 'z', 'c']", "/kernel/features/1"},
    {"/kernel/phase", "1", "/kernel/phase"},
    {"/mean", "{'type': 'constant', 'value': [1, 2]}", "/mean/value"},
    {"/mean", "{'type': 'quadratic'}", "/mean/type"},
    {"/noise/variance", "[1, 2]", "/noise/variance"},
    {"/noise/variance", "-1", "/noise/variance"},
    {"/approximation", "{'type': 'guess'}", "/approximation/type"},
    {"/parameters", "[{'name': 'kernel.variance', 'value': 1}]", "/parameters"},
    {"/parameters/1/name", "'kernel.lengthscale[1]'", "/parameters/1/name"},
    {"/parameters/1/value", "0.125", "/parameters/1/value"},
    {"/parameters/1/value", "null", "/parameters/1/value"},
    {"/parameters/1/data_value", "0.125", "/parameters/1/data_value"},
    {"/parameters/1/data_value", "null", "/parameters/1/data_value"},
    {"/parameters/1/fixed", "true", "/parameters/1/fixed"},
    {"/standardization/x_mean", "[1, 1]", "/standardization/x_mean"},
    {"/standardization/x_sd", "[1, 1]", "/standardization/x_sd"},
    {"/standardization/x_sd", "[1, 0, 1]", "/standardization/x_sd/1"},
    {"/standardization/x_sd", NULL, "/standardization/x_sd"},
    {"/standardization/y_sd", "0", "/standardization/y_sd"},
    {"/standardization/y_mean", "'m'", "/standardization/y_mean"},
    {"/standardize", "{'x': false}", "/standardization/x_mean/0"},
    {"/standardize", "{'y': false}", "/standardization/y_mean"},
    {"/loss", "'low'", "/loss"},
    {"/metrics/test/rmse", "-1", "/metrics/test/rmse"},
    {"/solver/rtol", "2", "/solver/rtol"},
    {"/request", "[]", "/request"},
    {"/weights", NULL, "/weights"},
    {"/weights/x", "[[1]]", "/weights/x"},
    {"/weights/x", "[[1, 2, 3], [1, 2]]", "/weights/x/1"},
    {"/weights/x", "[[1, 2, 3]]", "/weights/alpha"},
    {"/weights/x", "[]", "/weights/x"},
    {"/weights/alpha", "[1]", "/weights/alpha"},
    {"/weights/alpha/7", "'one'", "/weights/alpha/7"},
    {"/weights/noise_variance", "[1]", "/weights/noise_variance"},
    {"/weights/noise_variance", NULL, NULL}, /* fine: not every model knows any */
    {"/weights/beta", "[1]", "/weights/beta"},
};

/* Sets (or removes) what the pointer names. */
static void spoil(json_t *json, const char *pointer, const char *value)
{
    char token[64];
    for (;;) {
        const size_t length = strcspn(++pointer, "/");
        snprintf(token, sizeof token, "%.*s", (int)length, pointer);
        pointer += length;
        if (!*pointer)
            break;
        json = json_is_array(json) ? json_array_get(json, strtoul(token, NULL, 10)) : at(json, token);
    }
    if (!value)
        json_object_del(json, token);
    else if (json_is_array(json))
        json_array_set(json, strtoul(token, NULL, 10), at(json_of("{'v': %s}", value), "v"));
    else
        json_object_set(json, token, at(json_of("{'v': %s}", value), "v"));
}

START_TEST(every_wrong_member_is_named)
{
    const char *where = new_directory("import");
    json_t *model = exported(PLAIN_MODEL), *out;
    json_object_set_new(at(model, "metrics"), "test", json_object());
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *broken = keep(json_deep_copy(model));
        spoil(broken, wrong[i].place, wrong[i].value);
        if (wrong[i].pointer) {
            REFUSED(import(broken, where, &out), wrong[i].pointer);
            ck_assert_ptr_null(out);
            ck_assert_int_eq(rmdir(where), 0); /* nothing was written */
        } else {
            OK(import(broken, where, &out));
            remove(below("import/x.npy"));
            remove(below("import/y.npy"));
            ck_assert_int_eq(rmdir(where), 0);
        }
        ck_assert_int_eq(mkdir(where, 0700), 0);
    }
    REFUSED(import(json_of("{}"), where, &out), "/format");
    REFUSED(import(json_of("[]"), where, &out), "");
}
END_TEST

START_TEST(weights_that_cannot_be_written)
{
    json_t *model = exported(PLAIN_MODEL), *out;
    ck_assert_int_eq(import(model, "/nowhere", &out), KR_STORAGE);
    ck_assert_ptr_null(out);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("import");
    TCase *tcase = tcase_create("import");
    tcase_add_checked_fixture(tcase, open_data, close_data);
    tcase_add_loop_test(tcase, an_import_predicts_the_same_bits, 0, 2);
    tcase_add_test(tcase, every_wrong_member_is_named);
    tcase_add_test(tcase, weights_that_cannot_be_written);
    suite_add_tcase(made, tcase);
    return made;
}
