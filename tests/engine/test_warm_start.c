/* Starts at the parameters of an earlier model. */
#include "fixture.h"

#define TUNED(model, more)                                                                                   \
    json_of("{'dataset': 'd', 'model': " model ", " OBJECTIVE                                                \
            ", 'optimizer': {'type': 'lbfgs', 'max_evaluations': 4}" more "}")
#define ISOTROPIC "{'kernel': {'type': 'rbf'}, 'mean': {'type': 'constant'}}"

static json_t *values_of(json_t *parameters)
{
    json_t *values = keep(json_object());
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        json_t *one = json_array_get(parameters, i);
        json_object_set(values, json_string_value(at(one, "name")), at(one, "value"));
    }
    return values;
}

static json_t *first_step; /* parameters */

static void see_first(struct kr_emit *self, const char *kind, json_t *data, json_t *progress,
                      json_t *checkpoint)
{
    if (strcmp(kind, "step") == 0 && !first_step)
        first_step = keep(json_incref(at(data, "parameters")));
    listen_to(self, kind, data, progress, checkpoint);
}

static json_t *run(json_t *request)
{
    struct kr_emit watching = {see_first};
    json_t *reply;
    first_step = NULL;
    OK(kr_engine_tune(ctx, request, &source, NULL, NULL, &watching, &reply));
    return keep(reply);
}

static json_t *start_from(json_t *request, json_t *model)
{
    OK(kr_engine_warm_start(ctx, request, model));
    return request;
}

static void assert_same_values(json_t *got, json_t *wanted)
{
    const char *name;
    json_t *value;
    json_object_foreach(got, name, value) ck_assert_double_eq_tol(
        json_number_value(value), number(wanted, name), 1e-14 * fabs(json_number_value(value)));
}

START_TEST(it_goes_on_where_the_other_ended)
{
    json_t *earlier = run(TUNED(ISOTROPIC, "")), *model = at(earlier, "model"),
           *values = values_of(at(model, "parameters"));
    ck_assert(number(values, "kernel.lengthscale") != 1);
    json_t *later = run(start_from(TUNED(ISOTROPIC, ""), model));
    assert_same_values(first_step, values);
    ck_assert_double_le(number(at(later, "result"), "best_loss"), number(at(earlier, "result"), "best_loss"));
    /* the request of the model is as written, with the values that it started from beside it */
    json_t *request = at(at(later, "model"), "request");
    ck_assert_double_eq(number(at(at(request, "model"), "kernel"), "lengthscale"), 1);
    assert_same_json(at(at(request, "warm_start"), "parameters"), values);
    /* and is all that another run needs */
    json_t *again = run(request);
    json_object_del(at(again, "result"), "seconds");
    json_object_del(at(later, "result"), "seconds");
    assert_same_json(at(again, "result"), at(later, "result"));
}
END_TEST

START_TEST(a_checkpoint_goes_on_without_the_other)
{
    json_t *earlier = run(TUNED(ISOTROPIC, "")), *request, *whole, *rest;
    request = start_from(TUNED(ISOTROPIC, ""), at(earlier, "model"));
    OK(kr_engine_check(ctx, request, &source, &request));
    keep(request);
    nsteps = 0;
    keep_step = 2;
    whole = run(request);
    json_t *checkpoint = keep(json_string(last_checkpoint));
    OK(kr_engine_tune(ctx, request, &source, checkpoint, NULL, &emit, &rest));
    keep(rest);
    assert_same_json(at(at(rest, "result"), "parameters"), at(at(whole, "result"), "parameters"));
}
END_TEST

START_TEST(fixed_values_and_bounds_are_kept)
{
    json_t *model =
        json_of("{'standardize': {'x': true, 'y': true}, 'parameters': [{'name': 'kernel.variance', "
                "'value': 3}, {'name': 'kernel.lengthscale', 'value': 5}, {'name': 'mean.value', "
                "'value': 0.5}, {'name': 'approximation.inputs[0][0]', 'value': 1}, {'name': "
                "'noise.variance', 'value': 0.25}]}");
    nwarnings = 0;
    run(start_from(TUNED("{'kernel': {'type': 'matern32', 'variance': {'value': 1, 'fixed': true}, "
                         "'lengthscale': {'value': 1, 'bounds': [0.5, 2]}}}",
                         ", 'test': {'rows': [1]}"),
                   model));
    ck_assert_double_eq(number(first_step, "kernel.variance"), 1);
    ck_assert_double_eq_tol(number(first_step, "kernel.lengthscale"), 2, 1e-14);
    ck_assert_double_eq_tol(number(first_step, "noise.variance"), 0.25, 1e-14);
    ck_assert_ptr_null(json_object_get(first_step, "mean.value")); /* this mean is zero */
    ck_assert_uint_ge(nwarnings, 2);                               /* small-hold-out, and: */
}
END_TEST

START_TEST(what_was_clamped_is_said_once)
{
    json_t *model = json_of("{'parameters': [{'name': 'kernel.variance', 'value': 3}, {'name': "
                            "'kernel.lengthscale', 'value': 5}, {'name': 'noise.variance', 'value': 0.25}]}");
    run(start_from(
        json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf', 'lengthscale': {'value': 1, "
                "'bounds': [0.5, 2]}}, 'noise': {'variance': {'value': 0.1, 'fixed': true}}}, " OBJECTIVE
                ", 'optimizer': {'type': 'lbfgs', 'max_evaluations': 0}}"),
        model));
    ck_assert_ptr_nonnull(strstr(last_warning, "no-test-rows"));
    ck_assert_uint_eq(nwarnings, 3); /* clamped, small-hold-out, no-test-rows */
}
END_TEST

START_TEST(restarts_start_from_the_request)
{
    json_t *model = json_of("{'parameters': [{'name': 'kernel.variance', 'value': 3}, {'name': "
                            "'kernel.lengthscale', 'value': 5}, {'name': 'noise.variance', 'value': 0.25}]}");
    json_t *request = start_from(
               TUNED("{'kernel': {'type': 'rbf', 'lengthscale': 1.5}}", ", 'restarts': {'count': 2}"), model),
           *reply;
    OK(kr_engine_tune(ctx, request, &source, NULL, NULL, &emit, &reply));
    keep(reply);
    ck_assert_double_eq_tol(
        number(at(at(at(keep(json_incref(at(reply, "model"))), "request"), "warm_start"), "parameters"),
               "kernel.lengthscale"),
        5, 1e-15);
}
END_TEST

START_TEST(refusals_have_a_pointer)
{
    json_t *ard =
               json_of("{'parameters': [{'name': 'kernel.variance', 'value': 3}, {'name': "
                       "'kernel.lengthscale[0]', 'value': 5}, {'name': 'noise.variance', 'value': 0.25}]}"),
           *raw = json_of("{'standardize': {'x': true, 'y': false}, 'parameters': []}"), *reply, *request;
    request = start_from(TUNED(ISOTROPIC, ""), ard);
    REFUSED(kr_engine_check(ctx, request, &source, &reply), "/warm_start/parameters");
    request = start_from(TUNED(ISOTROPIC, ", 'warm_start': {'job': 'J'}"), ard);
    REFUSED(kr_engine_check(ctx, request, &source, &reply), "/warm_start/job");
    REFUSED(kr_engine_warm_start(ctx, TUNED(ISOTROPIC, ""), raw), "/warm_start");
    REFUSED(kr_engine_warm_start(ctx, TUNED(ISOTROPIC, ""), json_of("{}")), "/warm_start");
    REFUSED(
        kr_engine_warm_start(ctx, TUNED(ISOTROPIC, ""),
                             json_of("{'target_transform': {'type': 'log', 'shift': 0}, 'parameters': []}")),
        "/warm_start");
    REFUSED(kr_engine_warm_start(
                ctx, TUNED(ISOTROPIC, ", 'warm_start': {'parameters': {'kernel.variance': 1}}"), ard),
            "/warm_start/parameters");
    static const struct {
        const char *warm, *pointer;
    } rows[] = {
        {"{}", "/warm_start"},
        {"{'job': 'J'}", "/warm_start/job"},
        {"{'parameters': {}}", "/warm_start"},
        {"{'parameters': {'kernel.variance': 1}}", "/warm_start/parameters"},
        {"{'parameters': {'kernel.variance': 1, 'kernel.lengthscale': 2, 'kernel.period': 1}}",
         "/warm_start/parameters"},
        {"{'parameters': {'kernel.variance': 1, 'kernel.lengthscale': 2, 'means.value': 1}}",
         "/warm_start/parameters"},
        {"{'parameters': {'kernel.variance': 1, 'kernel.lengthscale': -2}}", "/warm_start/parameters"},
        {"{'parameters': {'kernel.variance': 1, 'kernel.lengthscale': null}}",
         "/warm_start/parameters/kernel.lengthscale"},
        {"{'parameters': {'kernel.variance': 1, 'kernel.lengthscale': 1}, 'model': 'm'}",
         "/warm_start/model"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request = TUNED(ISOTROPIC, "");
        json_object_set(request, "warm_start", json_of("%s", rows[i].warm));
        REFUSED(kr_engine_check(ctx, request, &source, &reply), rows[i].pointer);
    }
    request =
        TUNED(ISOTROPIC, ", 'warm_start': {'parameters': {'kernel.variance': 1, 'kernel.lengthscale': 2}}");
    OK(kr_engine_check(ctx, request, &source, &reply)); /* mean and noise keep the request's values */
    keep(reply);
}
END_TEST

ENGINE_SUITE("warm_start", it_goes_on_where_the_other_ended, a_checkpoint_goes_on_without_the_other,
             fixed_values_and_bounds_are_kept, what_was_clamped_is_said_once, restarts_start_from_the_request,
             refusals_have_a_pointer)
