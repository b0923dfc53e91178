/* Loss, gradients and metrics against numbers of an independent program (tests/oracle), for every solver. */
#include "calls.h"
#include "engine/session.h"

static const double tolerance = 1e-6;

static json_t *cases(void)
{
    static json_t *read;
    json_error_t error;
    if (!read)
        read = json_load_file("tests/oracle/cases.json", 0, &error);
    ck_assert_msg(read != NULL, "tests/oracle/cases.json: line %d: %s", error.line, error.text);
    json_t *list = json_object_get(read, "cases");
    ck_assert_uint_gt(json_array_size(list), 0);
    return list;
}

static void assert_close(double got, double wanted, double scale, const char *name, const char *what,
                         const char *solver)
{
    ck_assert_msg(fabs(got - wanted) <= tolerance * scale,
                  "%s by %s: %s is %.17g, wanted %.17g, off by %.2g of %.2g", name, solver, what, got, wanted,
                  fabs(got - wanted), tolerance * scale);
}

static json_t *gradient(const json_t *one, const char *solver)
{
    json_t *request = keep(json_deep_copy(json_object_get(one, "request"))), *reply;
    json_object_set(request, "data", json_object_get(one, "data"));
    if (json_object_get(one, "validation_data"))
        json_object_set(request, "validation_data", json_object_get(one, "validation_data"));
    json_object_set(request, "solver", json_of("{'type': '%s', 'rtol': 1e-12}", solver));
    json_object_set(request, "metrics", keep(json_string("all")));
    kr_status status = kr_engine_gradient(ctx, request, NULL, &reply);
    ck_assert_msg(status == KR_OK, "%s by %s: %s %s", json_string_value(json_object_get(one, "name")), solver,
                  ctx->error.pointer, ctx->error.detail);
    return keep(reply);
}

static void compare_gradients(json_t *one, json_t *reply, const char *name, const char *solver)
{
    json_t *wanted = at(one, "gradients"), *parameters = at(reply, "parameters"), *entry, *value;
    const char *key;
    double largest = 0;
    size_t i;
    json_object_foreach(wanted, key, value) largest = fmax(largest, fabs(json_number_value(value)));
    ck_assert_uint_eq(json_array_size(parameters), json_object_size(wanted));
    json_array_foreach(parameters, i, entry)
    {
        key = json_string_value(at(entry, "name"));
        value = json_object_get(wanted, key);
        ck_assert_msg(value != NULL, "%s: the oracle knows no %s", name, key);
        assert_close(number(entry, "gradient"), json_number_value(value), largest, name, key, solver);
    }
}

/* Numbers in arrays, each to the largest of the whole. */
static void compare_arrays(json_t *got, json_t *wanted, double scale, const char *name, const char *what,
                           const char *by)
{
    size_t i;
    json_t *entry;
    if (!json_is_array(wanted)) {
        assert_close(json_number_value(got), json_number_value(wanted), scale, name, what, by);
        return;
    }
    ck_assert_uint_eq(json_array_size(got), json_array_size(wanted));
    json_array_foreach(wanted, i, entry) compare_arrays(json_array_get(got, i), entry, scale, name, what, by);
}

static double largest(json_t *wanted)
{
    double most = fabs(json_number_value(wanted));
    size_t i;
    json_t *entry;
    json_array_foreach(wanted, i, entry) most = fmax(most, largest(entry));
    return most;
}

static void compare_by_data(json_t *one, json_t *reply, const char *name, const char *solver)
{
    json_t *wanted;
    const char *key;
    json_object_foreach(json_object_get(one, "by_data"), key, wanted)
        compare_arrays(at(at(reply, "gradients"), key), wanted, largest(wanted), name, key, solver);
}

/* Without a factor the evidence is an estimate; an approximation is for lsmr alone, which then has one. */
static bool takes(const json_t *one, const char *solver)
{
    const struct kr_solver_type *type = (const void *)kr_registry_find(&kr_solver_registry, solver);
    const json_t *request = json_object_get(one, "request"),
                 *objective = json_object_get(request, "objective");
    const char *loss = json_string_value(json_object_get(objective, "loss"));
    if (json_object_get(json_object_get(request, "model"), "approximation"))
        return strcmp(solver, "lsmr") == 0;
    return !type || type->logdet || !loss || strcmp(loss, "evidence") != 0;
}

/* Numbers by name, and of several targets a list of the same. */
static void compare_metrics(json_t *metrics, json_t *wanted, const char *name, const char *solver)
{
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value)
    {
        json_t *got = at(metrics, key);
        const double of = json_number_value(value);
        if (json_is_number(value))
            assert_close(json_number_value(got), of, fmax(1e-3, fabs(of)), name, key, solver);
        else if (json_is_string(value))
            ck_assert_str_eq(json_string_value(got), json_string_value(value));
        else
            ck_assert_uint_eq(json_array_size(got), json_array_size(value));
        for (size_t t = 0; t < json_array_size(value); t++)
            compare_metrics(json_array_get(got, t), json_array_get(value, t), name, solver);
    }
}

static void compare(json_t *one, const char *solver)
{
    const char *name = json_string_value(at(one, "name"));
    json_t *reply = gradient(one, solver), *metrics = at(reply, "metrics");
    const double loss = number(one, "loss");
    assert_close(number(reply, "loss"), loss, fmax(1e-3, fabs(loss)), name, "loss", solver);
    if (json_object_get(one, "penalty"))
        assert_close(number(reply, "penalty"), number(one, "penalty"), 1, name, "penalty", solver);
    compare_gradients(one, reply, name, solver);
    compare_by_data(one, reply, name, solver);
    ck_assert_uint_eq(json_object_size(metrics), json_object_size(at(one, "metrics")));
    compare_metrics(metrics, at(one, "metrics"), name, solver);
}

START_TEST(every_case_by_every_solver)
{
    json_t *one;
    size_t i;
    json_array_foreach(cases(), i, one)
    {
        for (const struct kr_type *const *row = kr_solver_registry.rows; *row; row++) {
            begin();
            if (takes(one, (*row)->name))
                compare(one, (*row)->name);
            end();
        }
    }
}
END_TEST

/* Is there an object {"type": name} below `json`? */
static bool mentions(const json_t *json, const char *name)
{
    const char *type = json_string_value(json_object_get(json, "type")), *key;
    json_t *value;
    size_t i;
    if (type && strcmp(type, name) == 0)
        return true;
    json_object_foreach((json_t *)json, key, value) if (mentions(value, name)) return true;
    json_array_foreach(json, i, value) if (mentions(value, name)) return true;
    return false;
}

static bool some_case(const char *member, const char *name)
{
    json_t *one;
    size_t i;
    json_array_foreach(cases(), i, one)
    {
        const json_t *request = at(one, "request");
        const json_t *place = strcmp(member, "loss") == 0
                                  ? json_object_get(json_object_get(request, "objective"), "loss")
                                  : json_object_get(json_object_get(request, "model"), member);
        if (json_is_string(place) ? strcmp(json_string_value(place), name) == 0 : mentions(place, name))
            return true;
    }
    return false;
}

START_TEST(every_kernel_mean_loss_and_approximation_has_a_case)
{
    for (const struct kr_type *const *row = kr_approximation_registry.rows; *row; row++)
        if (strcmp((*row)->name, "exact") != 0) /* the default */
            ck_assert_msg(some_case("approximation", (*row)->name), "no case has %s", (*row)->name);
    for (const struct kr_type *const *row = kr_kernel_registry.rows; *row; row++)
        ck_assert_msg(some_case("kernel", (*row)->name), "no case has the kernel %s", (*row)->name);
    for (const struct kr_type *const *row = kr_loss_registry.rows; *row; row++)
        ck_assert_msg(some_case("loss", (*row)->name), "no case has the loss %s", (*row)->name);
    for (const struct kr_type *const *row = kr_transform_registry.rows; *row; row++)
        if (strcmp((*row)->name, "none") != 0) /* the default */
            ck_assert_msg(some_case("target_transform", (*row)->name), "no case has %s", (*row)->name);
    for (const struct kr_type *const *row = kr_mean_registry.rows; *row; row++)
        if (strcmp((*row)->name, "zero") != 0) /* the default */
            ck_assert_msg(some_case("mean", (*row)->name), "no case has the mean %s", (*row)->name);
}
END_TEST

static void ignore(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress, json_t *checkpoint)
{
    (void)emit;
    (void)kind;
    json_decref(data);
    json_decref(progress);
    json_decref(checkpoint);
}

static void take_data(json_t *one, const char *member, struct kr_dataset *out)
{
    struct kr_data in;
    OK(kr_wire_read(ctx, &kr_data_schema, at(one, member), "", &in));
    OK(kr_data_take(ctx, &in, "", out));
}

/* A run that stops before its first step. */
static json_t *tune(json_t *one, json_t *request)
{
    struct kr_emit emit = {ignore};
    struct kr_source source = {0};
    struct kr_dataset held_out;
    json_t *reply;
    take_data(one, "data", &source.data);
    if (json_object_get(one, "validation_data")) {
        take_data(one, "validation_data", &held_out);
        source.held_out = &held_out;
    }
    json_object_del(request, "with_respect_to");
    json_object_set(request, "dataset", keep(json_string("inline")));
    json_object_set(request, "optimizer", json_of("{'type': 'lbfgs', 'max_evaluations': 0}"));
    kr_status status = kr_engine_tune(ctx, request, &source, NULL, NULL, &emit, &reply);
    ck_assert_msg(status == KR_OK, "%s: %s %s", json_string_value(at(one, "name")), ctx->error.pointer,
                  ctx->error.detail);
    return keep(reply);
}

/* What a run that stops before its first step says of the test rows, given all others. */
static void compare_test(json_t *one)
{
    json_t *request = keep(json_deep_copy(at(one, "request")));
    const char *name = json_string_value(at(one, "name"));
    json_t *metrics = at(at(at(tune(one, request), "result"), "metrics"), "test");
    compare_metrics(metrics, at(one, "test"), name, "a tuning run");
}

START_TEST(calibrations_are_alike)
{
    json_t *one;
    size_t i, compared = 0;
    json_array_foreach(cases(), i, one)
    {
        if (!json_object_get(one, "calibration"))
            continue;
        begin();
        json_t *request = keep(json_deep_copy(at(one, "request")));
        const double wanted = number(one, "calibration");
        assert_close(number(at(tune(one, request), "result"), "calibration"), wanted, wanted,
                     json_string_value(at(one, "name")), "calibration", "a tuning run");
        end();
        compared++;
    }
    ck_assert_uint_ge(compared, 2);
}
END_TEST

START_TEST(every_prior_has_a_case)
{
    for (const struct kr_type *const *row = kr_prior_registry.rows; *row; row++) {
        json_t *one;
        size_t i;
        bool found = false;
        json_array_foreach(cases(), i, one) found |=
            json_object_get(one, "penalty") && mentions(at(at(one, "request"), "model"), (*row)->name);
        ck_assert_msg(found, "no case has the prior %s", (*row)->name);
    }
}
END_TEST

/* The model that a run without a step leaves. */
static json_t *model_of(json_t *one)
{
    json_t *request = keep(json_deep_copy(at(one, "request")));
    json_object_set(request, "solver", json_of("{'rtol': 1e-13}"));
    return at(tune(one, request), "model");
}

static void compare_joint(json_t *one)
{
    const char *name = json_string_value(at(one, "name")), *key;
    json_t *request = json_of("{'covariance': true, 'gradient': true, 'observation_noise': false}"), *reply,
           *wanted, *covariance = at(at(one, "joint"), "covariance");
    json_object_set(request, "x", at(one, "points"));
    OK(kr_engine_predict(ctx, NULL, request, model_of(one), NULL, &reply));
    keep(reply);
    json_object_foreach(at(one, "joint"), key, wanted)
        compare_arrays(at(reply, key), wanted, largest(wanted), name, key, "a model");
    for (size_t i = 0; i < json_array_size(covariance); i++)
        assert_close(json_number_value(json_array_get(at(reply, "variance"), i)),
                     json_number_value(json_array_get(json_array_get(covariance, i), i)), largest(covariance),
                     name, "variance", "a model");
}

START_TEST(models_predict_alike)
{
    json_t *one;
    size_t i, compared = 0;
    json_array_foreach(cases(), i, one)
    {
        if (!json_object_get(one, "joint"))
            continue;
        begin();
        compare_joint(one);
        end();
        compared++;
    }
    ck_assert_uint_gt(compared, 20);
}
END_TEST

START_TEST(test_rows_are_scored_alike)
{
    json_t *one;
    size_t i, scored = 0;
    json_array_foreach(cases(), i, one)
    {
        if (json_object_size(json_object_get(one, "test")) == 0)
            continue;
        begin();
        compare_test(one);
        end();
        scored++;
    }
    ck_assert_uint_gt(scored, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("oracle");
    TCase *tcase = tcase_create("oracle");
    tcase_set_timeout(tcase, 180); /* on a busy machine */
    tcase_add_test(tcase, every_case_by_every_solver);
    tcase_add_test(tcase, every_kernel_mean_loss_and_approximation_has_a_case);
    tcase_add_test(tcase, calibrations_are_alike);
    tcase_add_test(tcase, every_prior_has_a_case);
    tcase_add_test(tcase, test_rows_are_scored_alike);
    tcase_add_test(tcase, models_predict_alike);
    suite_add_tcase(made, tcase);
    return made;
}
