/*
 * The logarithm of the target, by requests: predictions are those of a model of the logarithms carried
 * through the exponential, models keep it to the last bit, and on data with errors in proportion it predicts
 * better.
 */
#include "fixture.h"

#define LOG "'target_transform': {'type': 'log', 'shift': -3}"

static const double *logarithms;

/* Targets e^z + 3, errors in proportion to their size. */
static void make_positive(void)
{
    double *z = kr_alloc(ctx, ROWS, sizeof *z), *y = kr_alloc(ctx, ROWS, sizeof *y);
    for (size_t i = 0; i < ROWS; i++) {
        z[i] = (source.data.y[i] - 55) / 6;
        y[i] = exp(z[i]) + 3;
    }
    logarithms = z;
    source.data.y = y;
}

static json_t *model_of(const char *model, const double *y)
{
    const double *before = source.data.y;
    json_t *request = json_of("{'dataset': 'd', 'model': %s, " OBJECTIVE
                              ", 'optimizer': {'type': 'lbfgs', 'max_evaluations': 0}}",
                              model);
    source.data.y = y ? y : before;
    json_t *made = at(tune(request), "model");
    source.data.y = before;
    return made;
}

static json_t *ask(json_t *model, const char *more)
{
    json_t *reply = NULL;
    OK(kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200], [1.5, 7, 310], [1.6, 8, 300]]%s}", more),
                         model, NULL, &reply));
    return keep(reply);
}

static double item(json_t *reply, const char *name, size_t i)
{
    return json_number_value(json_array_get(at(reply, name), i));
}

static double cell(json_t *reply, const char *name, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(at(reply, name), i), j));
}

static void close_to(double got, double wanted, const char *what)
{
    ck_assert_msg(fabs(got - wanted) <= 1e-9 * fmax(fabs(wanted), 1), "%s: %.17g, wanted %.17g", what, got,
                  wanted);
}

#define EVERYTHING                                                                                           \
    ", 'covariance': true, 'quantiles': [0.1, 0.5], 'samples': {'count': 4, 'seed': 2}, "                    \
    "'observation_noise': %s"

START_TEST(predictions_are_carried_through)
{
    static const char *const observed[] = {"true", "false"};
    make_positive();
    json_t *model = model_of("{'kernel': {'type': 'matern32', 'ard': true}, " LOG "}", NULL),
           *of_z = model_of(PLAIN_MODEL, logarithms);
    for (int o = 0; o < 2; o++) {
        char more[200];
        snprintf(more, sizeof more, EVERYTHING, observed[o]);
        json_t *y = ask(model, more), *z = ask(of_z, more), *alone = ask(model, ", 'variance': false");
        ck_assert_uint_eq(json_object_size(alone), 1);
        for (size_t i = 0; i < 3; i++) {
            const double mean = item(z, "mean", i), v = item(z, "variance", i), whole = exp(mean + v / 2);
            close_to(item(y, "mean", i), whole + 3, "mean");
            close_to(item(y, "variance", i), whole * whole * expm1(v), "variance");
            close_to(cell(y, "quantiles", i, 0), exp(cell(z, "quantiles", i, 0)) + 3, "quantile");
            close_to(cell(y, "quantiles", i, 1), exp(mean) + 3, "median");
            for (size_t j = 0; j < 3; j++)
                close_to(cell(y, "covariance", i, j),
                         whole * exp(item(z, "mean", j) + item(z, "variance", j) / 2) *
                             expm1(cell(z, "covariance", i, j)),
                         "covariance");
            for (size_t s = 0; s < 4; s++)
                close_to(cell(y, "samples", s, i), exp(cell(z, "samples", s, i)) + 3, "sample");
            if (o == 0)
                ck_assert_double_eq(item(alone, "mean", i), item(y, "mean", i));
        }
    }
}
END_TEST

/* By differences of the mean that the same request gives; the mean sees the variance. */
START_TEST(gradients_of_the_mean)
{
    make_positive();
    static const double x[] = {1.5, 7, 310}, steps[] = {1e-3, 1e-2, 1e-1};
    json_t *model =
        model_of("{'kernel': {'type': 'matern52', 'ard': true}, 'noise': {'variance': 0.3}, " LOG "}", NULL);
    json_t *reply;
    OK(kr_engine_predict(ctx, NULL,
                         json_of("{'x': [[1.5, 7, 310], [2, 20, 200]], 'gradient': true, 'variance': false}"),
                         model, NULL, &reply));
    keep(reply);
    ck_assert_uint_eq(json_array_size(at(reply, "gradient")), 2);
    for (int k = 0; k < COLUMNS; k++) {
        double mean[4];
        for (int side = 0; side < 4; side++) { /* -2, -1, 1, 2 steps */
            double moved[3] = {x[0], x[1], x[2]};
            json_t *there;
            moved[k] += steps[k] * (side < 2 ? side - 2 : side - 1);
            OK(kr_engine_predict(ctx, NULL,
                                 json_of("{'x': [[%.17g, %.17g, %.17g]]}", moved[0], moved[1], moved[2]),
                                 model, NULL, &there));
            mean[side] = item(keep(there), "mean", 0);
        }
        const double near = (mean[2] - mean[1]) / (2 * steps[k]), wide = (mean[3] - mean[0]) / (4 * steps[k]),
                     wanted = near + (near - wide) / 3, got = cell(reply, "gradient", 0, (size_t)k);
        ck_assert_msg(fabs(got - wanted) <= 1e-7 * fmax(fabs(wanted), 1e-3 / steps[k]),
                      "%d: %.12g, wanted %.12g", k, got, wanted);
    }
}
END_TEST

/* Functions of random features go through it too. */
START_TEST(pathwise_samples)
{
    make_positive();
    const char *more = ", 'samples': {'count': 3, 'seed': 2, 'method': 'pathwise', 'features': 200}";
    json_t *y = ask(model_of("{'kernel': {'type': 'matern32', 'ard': true}, " LOG "}", NULL), more),
           *z = ask(model_of(PLAIN_MODEL, logarithms), more);
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < 3; i++)
            close_to(cell(y, "samples", s, i), exp(cell(z, "samples", s, i)) + 3, "sample");
}
END_TEST

static const char *const models[] = {
    "{'kernel': {'type': 'matern32', 'ard': true}, " LOG "}",
    "{'kernel': {'type': 'rbf'}, 'standardize': {'x': true, 'y': false}, 'target_transform': {'type': "
    "'log'}}",
    "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'count': 8}, " LOG "}",
};

START_TEST(an_import_predicts_the_same_bits)
{
    const char *where = new_directory("import");
    make_positive();
    json_t *model = at(tune(tune_request(models[_i], "")), "model"), *sent, *stored_as = NULL;
    ck_assert_str_eq(json_string_value(at(at(model, "target_transform"), "type")), "log");
    sent = json_of("{'op': 'import', 'directory': '%s'}", where);
    json_object_set(sent, "model", model);
    OK(kr_engine_run(ctx, sent, &emit, NULL, &stored_as));
    keep(stored_as);
    assert_same_json(predict(model, NULL), predict(stored_as, where));
    assert_same_json(at(model, "target_transform"), at(stored_as, "target_transform"));
}
END_TEST

/* Errors in proportion to the target: the density is better, and the intervals cover. */
START_TEST(it_improves_what_it_is_for)
{
    make_positive();
    double nlpd[2], crps[2];
    for (int l = 0; l < 2; l++) {
        json_t *request =
            json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf'}%s}, 'objective': {'loss': "
                    "'evidence'}, 'test': {'fraction': 0.4}, 'optimizer': {'type': 'lbfgs', "
                    "'max_evaluations': 60}}",
                    l ? ", " LOG : "");
        json_t *scores = at(at(at(tune(request), "result"), "metrics"), "test");
        nlpd[l] = number(scores, "nlpd");
        crps[l] = number(scores, "crps");
    }
    ck_assert_msg(nlpd[1] < nlpd[0] - 0.5, "nlpd %g with, %g without", nlpd[1], nlpd[0]);
    ck_assert_msg(crps[1] < crps[0], "crps %g with, %g without", crps[1], crps[0]);
}
END_TEST

/* Recipes, folds, calibration and a start at the parameters of another model see nothing new. */
START_TEST(whole_runs)
{
    static const char *const more[] = {
        "'recipe': 'predictive', 'optimizer': {'type': 'lbfgs', 'max_evaluations': 4}",
        "'objective': {'loss': 'mse', 'validation': {'type': 'leave_one_out'}, 'calibrate': "
        "'leave_one_out'}, "
        "'optimizer': {'type': 'lbfgs', 'max_evaluations': 4}",
        "'objective': {'loss': 'crps', 'validation': {'type': 'kfold', 'folds': 4}}, 'constraints': "
        "[{'type': 'bias'}, "
        "{'type': 'calibration'}], 'optimizer': {'type': 'adam', 'max_evaluations': 60}",
        "'objective': {'loss': 'huber', 'validation': {'type': 'forward', 'fraction': 0.3, 'by': 0}}, "
        "'warm_start': "
        "{'parameters': {'kernel.variance': 2, 'kernel.lengthscale': 1.5, 'noise.variance': 0.3}}, "
        "'optimizer': "
        "{'type': 'gradient_descent', 'max_evaluations': 4}",
    };
    make_positive();
    json_t *reply =
               tune(json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf'}, " LOG "}, %s}", more[_i])),
           *result = at(reply, "result"), *metrics = at(at(result, "metrics"), "validation");
    ck_assert(isfinite(number(metrics, "rmse")) && isfinite(number(metrics, "nlpd")));
    ck_assert(number(result, "best_loss") == number(result, "best_loss"));
    if (_i == 1)
        ck_assert(number(result, "calibration") > 0);
    if (_i == 2)
        ck_assert_msg(number(result, "constraint_violation") < 1e-2, "%g",
                      number(result, "constraint_violation"));
    ck_assert_uint_eq(json_array_size(at(predict(at(reply, "model"), NULL), "mean")), 3);
}
END_TEST

static kr_status gradient(const char *rest, json_t **reply)
{
    json_t *request = json_of("{'data': {'x': [[1], [2], [3], [4], [5.5]], 'y': [1, 4, 2, 8, 5]%s", rest);
    *reply = NULL;
    const kr_status status = kr_engine_gradient(ctx, request, NULL, reply);
    if (*reply)
        keep(*reply);
    return status;
}

#define ROWS_HELD "'objective': {'loss': 'nlpd', 'validation': {'type': 'rows', 'rows': [1, 3]}}"

START_TEST(what_does_not_go_is_refused_at_its_place)
{
    static const struct {
        const char *rest, *pointer;
    } wrong[] = {
        {"}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'root'}}, " ROWS_HELD "}",
         "/model/target_transform/type"},
        {"}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'log', 'base': 2}}, " ROWS_HELD
         "}",
         "/model/target_transform/base"},
        {"}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'none', 'shift': "
         "2}}, " ROWS_HELD "}",
         "/model/target_transform/shift"},
        {"}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'log', 'shift': "
         "-1}}, " ROWS_HELD "}",
         "/model/target_transform"},
        {", 'noise_variance': [1, 1, 1, 1, 1]}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': "
         "{'type': "
         "'log'}}, " ROWS_HELD "}",
         "/model/target_transform"},
        {"}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'log'}, 'standardize': {'x': "
         "false, "
         "'y': false}}, " ROWS_HELD ", 'with_respect_to': ['noise_variance']}",
         "/model/target_transform"},
    };
    json_t *reply;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        REFUSED(gradient(wrong[i].rest, &reply), wrong[i].pointer);
    (void)gradient(wrong[3].rest, &reply);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "row 0"));
    kr_ctx_clear_error(ctx);
    make_positive();
    json_t *model = model_of(
        "{'kernel': {'type': 'rbf'}, 'approximation': {'type': 'inducing', 'count': 6}, " LOG "}", NULL);
    REFUSED(
        kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]], 'gradient': true}"), model, NULL, &reply),
        "/gradient");
    model = model_of("{'kernel': {'type': 'rbf'}, " LOG "}", NULL);
    json_t *known = json_array();
    for (size_t i = 0; i < json_array_size(at(at(model, "weights"), "alpha")); i++)
        json_array_append_new(known, json_real(1));
    json_object_set_new(at(model, "weights"), "noise_variance", known);
    REFUSED(kr_engine_predict(ctx, NULL, json_of("{'x': [[2, 20, 200]]}"), model, NULL, &reply),
            "/weights/noise_variance");
}
END_TEST

START_TEST(derivatives_by_targets_are_checked)
{
    json_t *reply;
    OK(gradient("}, 'model': {'kernel': {'type': 'rbf'}, 'target_transform': {'type': 'log', 'shift': 0.5}, "
                "'standardize': "
                "{'x': false, 'y': false}}, " ROWS_HELD
                ", 'with_respect_to': ['x', 'y', 'x_validation'], 'check': {'type': 'finite_difference'}}",
                &reply));
    ck_assert_uint_eq(json_array_size(at(at(reply, "gradients"), "y")), 5);
    ck_assert(number(at(reply, "check"), "largest_relative_error") < 1e-6);
    ck_assert_double_eq(number(at(at(at(reply, "request"), "model"), "target_transform"), "shift"), 0.5);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("target transform");
    TCase *tcase = tcase_create("target transform");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_data, close_data);
    tcase_add_test(tcase, predictions_are_carried_through);
    tcase_add_test(tcase, gradients_of_the_mean);
    tcase_add_test(tcase, pathwise_samples);
    tcase_add_loop_test(tcase, an_import_predicts_the_same_bits, 0, 3);
    tcase_add_test(tcase, it_improves_what_it_is_for);
    tcase_add_loop_test(tcase, whole_runs, 0, 4);
    tcase_add_test(tcase, what_does_not_go_is_refused_at_its_place);
    tcase_add_test(tcase, derivatives_by_targets_are_checked);
    suite_add_tcase(made, tcase);
    return made;
}
