/* Recipes: what they fill in of a request, in jobs and gradients, and what they leave alone. */
#include "fixture.h"

/* n rows of d features; the last `repeats` rows have the inputs of the first. */
static struct kr_source rows_of(size_t n, size_t d, size_t repeats, bool noise)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    double *x = kr_alloc(ctx, n * d, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y),
           *v = kr_alloc(ctx, n, sizeof *v);
    struct kr_rng rng;
    kr_rng_init(&rng, 2, 6);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < d; k++)
            x[k * n + i] = kr_rng_normal(&rng);
        y[i] = sin(x[i]) + 0.1 * kr_rng_normal(&rng);
        v[i] = 0.01;
    }
    for (size_t k = 0; k < d; k++)
        for (size_t i = 0; i < repeats; i++)
            x[k * n + n - 1 - i] = x[k * n + i];
    return (struct kr_source){.name = "d",
                              .data = {.n = n,
                                       .d = d,
                                       .x = x,
                                       .y = y,
                                       .noise_variance = noise ? v : NULL,
                                       .feature_names = names,
                                       .target_name = "y"}};
}

static json_t *checked(const struct kr_source *data, const char *more)
{
    json_t *reply;
    OK(kr_engine_check(ctx, json_of("{'dataset': 'd'%s}", more), data, &reply));
    return keep(reply);
}

#define MODEL               ", 'model': {'kernel': {'type': 'matern52', 'ard': true}}"
#define SHOWN(json, wanted) ck_assert_str_eq(text_of(json), wanted)

/* A lognormal prior whose density is highest at `mode`, or with sd = 0 none. */
static void prior_is(json_t *parameter, double mode, double sd)
{
    const json_t *prior = json_object_get(parameter, "prior");
    ck_assert_msg(prior ? sd > 0 : sd == 0, "%s", text_of(parameter));
    if (!prior)
        return;
    ck_assert_str_eq(json_string_value(json_object_get(prior, "type")), "lognormal");
    ck_assert_double_eq(json_number_value(json_object_get(prior, "sd")), sd);
    ck_assert_double_eq_tol(json_number_value(json_object_get(prior, "mean")), log(mode) + sd * sd, 1e-14);
}

/* Of the model of a request, for d features; sd = 0: none. */
static void priors_are(json_t *shown, double mode, double sd, double noise_mode, double noise_sd)
{
    json_t *model = at(shown, "model");
    prior_is(at(at(model, "kernel"), "lengthscale"), mode, sd);
    prior_is(at(at(model, "noise"), "variance"), noise_mode, noise_sd);
}

static void recipes_are(const struct kr_source *data, const char *name, const char *objective, int starts,
                        bool priors)
{
    char more[160];
    snprintf(more, sizeof more, ", 'recipe': '%s'" MODEL, name);
    json_t *shown = checked(data, more);
    SHOWN(at(shown, "objective"), objective);
    ck_assert_str_eq(json_string_value(at(shown, "recipe")), name);
    ck_assert_int_eq((int)number(at(shown, "restarts"), "count"), starts);
    priors_are(shown, 1.6 * sqrt((double)data->data.d), priors, 0.14, priors);
    json_t *again; /* an effective request is one that says all of it */
    OK(kr_engine_check(ctx, shown, data, &again));
    assert_same_json(shown, keep(again));
}

#define KFOLD "\"validation\":{\"type\":\"kfold\",\"folds\":5,\"seed\":0},"
#define EACH  "\"validation\":{\"type\":\"leave_one_out\"},"
#define VARIANCE                                                                                             \
    "\"variance\":{\"method\":\"auto\",\"points\":32,\"neighbours\":256,\"tolerance\":0.01,\"seed\":0},"
#define NONE VARIANCE "\"calibrate\":\"none\"}"
#define LOO  VARIANCE "\"calibrate\":\"leave_one_out\"}"

START_TEST(they_fill_in_what_is_measured_best)
{
    const struct kr_source few = rows_of(79, 8, 0, false), many = rows_of(200, 8, 0, false),
                           again = rows_of(200, 8, 3, false);
    recipes_are(&few, "predictive", "{\"loss\":\"nlpd\"," KFOLD NONE, 2, true);
    recipes_are(&many, "predictive", "{\"loss\":\"nlpd\"," KFOLD NONE, 2, false);
    recipes_are(&few, "robust", "{\"loss\":\"crps\"," EACH NONE, 2, true);
    recipes_are(&again, "robust", "{\"loss\":\"crps\"," KFOLD NONE, 2, false);
    json_t *evidence = checked(&few, ", 'recipe': 'evidence'" MODEL);
    ck_assert_str_eq(json_string_value(at(at(evidence, "objective"), "loss")), "evidence");
    ck_assert_ptr_null(json_object_get(at(evidence, "objective"), "validation"));
    ck_assert_str_eq(json_string_value(at(at(evidence, "objective"), "calibrate")), "none");
    ck_assert_int_eq((int)number(at(evidence, "restarts"), "count"), 3);
    evidence = checked(&many, ", 'recipe': 'evidence'" MODEL);
    ck_assert_str_eq(json_string_value(at(at(evidence, "objective"), "calibrate")), "leave_one_out");
    ck_assert_int_eq((int)number(at(evidence, "restarts"), "count"), 2);
}
END_TEST

/* Where rows are few, of what is standardised, and of noise that is not known already. */
START_TEST(priors_where_rows_are_few)
{
    const struct kr_source few = rows_of(79, 8, 0, false), more = rows_of(80, 8, 0, false),
                           most = rows_of(159, 8, 0, false), many = rows_of(160, 8, 0, false),
                           noisy = rows_of(79, 8, 0, true);
    priors_are(checked(&few, ", 'recipe': 'evidence'" MODEL), 2.7 * sqrt(8), 2, 0.14, 1.5);
    priors_are(checked(&more, ", 'recipe': 'evidence'" MODEL), 0, 0, 0.14, 1.5);
    priors_are(checked(&most, ", 'recipe': 'evidence'" MODEL), 0, 0, 0.14, 1.5);
    priors_are(checked(&many, ", 'recipe': 'evidence'" MODEL), 0, 0, 0, 0);
    priors_are(checked(&most, ", 'recipe': 'predictive'" MODEL), 1.6 * sqrt(8), 1, 0.14, 1);
    priors_are(checked(&many, ", 'recipe': 'predictive'" MODEL), 0, 0, 0, 0);
    priors_are(checked(&noisy, ", 'recipe': 'evidence'" MODEL), 2.7 * sqrt(8), 2, 0, 0);
    priors_are(checked(&few,
                       ", 'recipe': 'evidence', 'model': {'kernel': {'type': 'rbf'}, 'standardize': {'x': "
                       "false}}"),
               0, 0, 0.14, 1.5);
    priors_are(checked(&few,
                       ", 'recipe': 'evidence', 'model': {'kernel': {'type': 'rbf'}, 'standardize': {'y': "
                       "false}}"),
               2.7 * sqrt(8), 2, 0, 0);
}
END_TEST

/* 24 rows, 200 unseen ones: without priors the noise falls to its bound and predictions are far too sure. */
START_TEST(few_rows_are_not_overfitted)
{
    const char *const how[] = {"'recipe': 'evidence'",
                               "'objective': {'loss': 'evidence'}, 'restarts': {'count': 2}",
                               "'recipe': 'predictive'",
                               "'objective': {'loss': 'nlpd', 'validation': {'type': 'kfold'}}, 'restarts': "
                               "{'count': 2}",
                               "'recipe': 'robust'",
                               "'objective': {'loss': 'crps', 'validation': {'type': 'leave_one_out'}}, "
                               "'restarts': {'count': 2}"};
    const struct kr_source data = rows_of(224, 8, 0, false);
    double nlpd[6];
    json_t *unseen = json_array(), *reply;
    for (int i = 24; i < 224; i++)
        json_array_append_new(unseen, json_integer(i));
    for (size_t i = 0; i < 6; i++) {
        json_t *request = json_of("{'dataset': 'd', %s" MODEL "}", how[i]);
        json_object_set_new(request, "test", json_pack("{s:O}", "rows", unseen));
        OK(kr_engine_tune(ctx, request, &data, NULL, NULL, &emit, &reply));
        nlpd[i] = number(at(at(at(keep(reply), "result"), "metrics"), "test"), "nlpd");
    }
    for (size_t i = 0; i < 6; i += 2)
        ck_assert_msg(nlpd[i] < nlpd[i + 1] - 0.1, "%s: %g, %s: %g", how[i], nlpd[i], how[i + 1],
                      nlpd[i + 1]);
    json_decref(unseen);
}
END_TEST

START_TEST(test_rows_do_not_count)
{
    const struct kr_source data = rows_of(161, 8, 0, false);
    json_t *shown = checked(&data, ", 'recipe': 'evidence', 'test': {'rows': [3, 4]}" MODEL);
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "none"); /* 159 */
    shown = checked(&data, ", 'recipe': 'evidence', 'test': {'rows': [3]}" MODEL);
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "leave_one_out"); /* 160 */
    const struct kr_source again = rows_of(60, 2, 1, false);
    shown = checked(&again, ", 'recipe': 'robust', 'test': {'rows': [59]}" MODEL); /* the only repeat */
    ck_assert_str_eq(json_string_value(at(at(at(shown, "objective"), "validation"), "type")),
                     "leave_one_out");
}
END_TEST

START_TEST(large_holds_out_a_tenth_and_5000_at_most)
{
    const struct kr_source some = rows_of(300, 2, 0, false);
    recipes_are(&some, "large",
                "{\"loss\":\"nlpd\",\"validation\":{\"type\":\"fraction\",\"fraction\":0.1,\"seed\":0}," NONE,
                1, false);
    const struct kr_source many = rows_of(80000, 1, 0, false);
    json_t *reply;
    OK(kr_engine_check(ctx,
                       json_of("{'dataset': 'd', 'recipe': 'large', 'solver': {'type': 'cg'}, 'objective': "
                               "{'loss': 'mse'}" MODEL "}"),
                       &many, &reply));
    ck_assert_double_eq(number(at(at(keep(reply), "objective"), "validation"), "fraction"), 0.0625);
}
END_TEST

START_TEST(what_a_request_says_stays)
{
    const struct kr_source few = rows_of(200, 8, 3, false);
    json_t *shown =
        checked(&few, ", 'recipe': 'evidence', 'restarts': {'count': 4}, 'objective': {'calibrate': 'none', "
                      "'loss': 'mae', 'validation': {'type': 'fraction', 'fraction': 0.25}}" MODEL);
    SHOWN(at(shown, "objective"), "{\"loss\":\"mae\",\"validation\":{\"type\":\"fraction\",\"fraction\":0.25,"
                                  "\"seed\":0}," NONE);
    ck_assert_int_eq((int)number(at(shown, "restarts"), "count"), 4);
    /* priors, and fixed values */
    const struct kr_source small = rows_of(30, 8, 0, false);
    shown = checked(
        &small, ", 'recipe': 'predictive', 'model': {'kernel': {'type': 'sum', 'kernels': [{'type': 'rbf', "
                "'lengthscale': {'value': 1, 'prior': {'type': 'gamma', 'shape': 2, 'rate': 1}}}, {'type': "
                "'matern32', 'lengthscale': {'value': 2, 'fixed': true}}, {'type': 'matern12', 'features': "
                "['c', 'a']}]}}");
    json_t *kernels = at(at(at(shown, "model"), "kernel"), "kernels");
    SHOWN(at(json_array_get(kernels, 0), "lengthscale"),
          "{\"value\":1.0,\"fixed\":false,\"prior\":{\"type\":\"gamma\",\"shape\":2.0,\"rate\":1.0}}");
    SHOWN(at(json_array_get(kernels, 1), "lengthscale"), "{\"value\":2.0,\"fixed\":true}");
    prior_is(at(json_array_get(kernels, 2), "lengthscale"), 1.6 * sqrt(2), 1); /* of the features it sees */
    SHOWN(at(json_array_get(kernels, 2), "variance"), "1.0");
    shown = checked(&small,
                    ", 'recipe': 'predictive', 'model': {'kernel': {'type': 'rbf'}, 'noise': {'variance': "
                    "{'value': 0.01, 'fixed': true}}}");
    SHOWN(at(at(at(shown, "model"), "noise"), "variance"), "{\"value\":0.01,\"fixed\":true}");
    /* the evidence needs no validation whatever the recipe */
    shown = checked(&small, ", 'recipe': 'predictive', 'objective': {'loss': 'evidence'}" MODEL);
    ck_assert_ptr_null(json_object_get(at(shown, "objective"), "validation"));
}
END_TEST

START_TEST(what_cannot_be_calibrated_is_not)
{
    const struct kr_source noisy = rows_of(200, 2, 0, true), plain = rows_of(200, 2, 0, false);
    json_t *shown = checked(&noisy, ", 'recipe': 'evidence'" MODEL);
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "none");
    shown = checked(&plain,
                    ", 'recipe': 'evidence', 'model': {'kernel': {'type': 'rbf', 'variance': {'value': 1, "
                    "'fixed': true}}}");
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "none");
    shown = checked(&plain, ", 'recipe': 'evidence', 'optimizer': {'type': 'adam'}, 'constraints': [{'type': "
                            "'linear', 'coefficients': {'noise.variance': 1}}]" MODEL);
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "none");
    shown = checked(&plain,
                    ", 'recipe': 'evidence', 'model': {'kernel': {'type': 'rbf'}, 'approximation': {'type': "
                    "'fourier_features', 'count': 32}}");
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "leave_one_out");
    json_t *reply;
    REFUSED(kr_engine_check(ctx,
                            json_of("{'dataset': 'd', 'recipe': 'evidence', 'objective': {'calibrate': "
                                    "'leave_one_out'}" MODEL "}"),
                            &noisy, &reply),
            "/objective/calibrate");
}
END_TEST

START_TEST(without_one_the_loss_is_required)
{
    json_t *reply;
    const struct kr_source data = rows_of(40, 2, 0, false);
    REFUSED(kr_engine_check(ctx, json_of("{'dataset': 'd'" MODEL "}"), &data, &reply), "/objective");
    REFUSED(kr_engine_check(ctx, json_of("{'dataset': 'd', 'objective': {}" MODEL "}"), &data, &reply),
            "/objective/loss");
    REFUSED(kr_engine_check(
                ctx, json_of("{'dataset': 'd', 'objective': {'validation': {'type': 'kfold'}}" MODEL "}"),
                &data, &reply),
            "/objective/loss");
    REFUSED(kr_engine_check(ctx, json_of("{'dataset': 'd', 'recipe': 'best'" MODEL "}"), &data, &reply),
            "/recipe");
    REFUSED(kr_engine_check(
                ctx, json_of("{'dataset': 'd', 'objective': {'loss': 'nlpd', 'calibrate': 'yes'}" MODEL "}"),
                &data, &reply),
            "/objective/calibrate");
    json_t *shown = checked(&data, ", 'objective': {'loss': 'evidence'}" MODEL);
    ck_assert_str_eq(json_string_value(at(at(shown, "objective"), "calibrate")), "none");
    ck_assert_int_eq((int)number(at(shown, "restarts"), "count"), 1);
    ck_assert_ptr_null(json_object_get(shown, "recipe"));
}
END_TEST

/* The gradient of a recipe is that of the effective request. */
START_TEST(gradients_know_them)
{
    json_t *reply, *again;
    const struct kr_source data = rows_of(40, 5, 0, false);
    OK(kr_engine_gradient(ctx, json_of("{'dataset': 'd', 'recipe': 'predictive'" MODEL "}"), &data, &reply));
    keep(reply);
    ck_assert(number(reply, "penalty") != 0);
    OK(kr_engine_gradient(ctx, at(reply, "request"), &data, &again));
    keep(again);
    assert_same_json(at(reply, "request"), at(again, "request"));
    assert_same_json(at(reply, "parameters"), at(again, "parameters"));
    ck_assert_double_eq(number(reply, "loss"), number(again, "loss"));
    REFUSED(kr_engine_gradient(ctx, json_of("{'dataset': 'd'" MODEL "}"), &data, &again), "/objective");
}
END_TEST

START_TEST(a_whole_run_follows_its_recipe)
{
    const struct kr_source data = rows_of(170, 3, 0, false);
    json_t *reply, *result, *model;
    OK(kr_engine_tune(ctx,
                      json_of("{'dataset': 'd', 'recipe': 'evidence', 'test': {'rows': [0, 9]}, 'optimizer': "
                              "{'type': 'lbfgs', 'max_evaluations': 40}" MODEL "}"),
                      &data, NULL, NULL, &emit, &reply));
    keep(reply);
    result = at(reply, "result");
    model = at(reply, "model");
    const double s = number(result, "calibration");
    ck_assert(s > 0.2 && s < 5 && s != 1);
    ck_assert_uint_le((size_t)number(result, "evaluations"), 40);
    ck_assert_str_eq(json_string_value(at(at(at(model, "request"), "objective"), "calibrate")),
                     "leave_one_out");
    assert_same_json(at(model, "parameters"), at(result, "parameters"));
    json_t *predicted;
    OK(kr_engine_predict(ctx, NULL, json_of("{'x': [[0, 0, 0]]}"), model, NULL, &predicted));
    keep(predicted);
}
END_TEST

/* A calibrated value beyond its bounds stays in a model that can be opened, with bounds that reach it. */
START_TEST(a_model_keeps_a_value_beyond_its_bounds)
{
    const struct kr_source data = rows_of(60, 1, 0, false);
    json_t *reply, *model, *predicted;
    OK(kr_engine_tune(ctx,
                      json_of("{'dataset': 'd', 'model': {'kernel': {'type': 'rbf', 'variance': {'value': 1, "
                              "'bounds': [0.999, 1.001]}}}, 'objective': {'loss': 'evidence', 'calibrate': "
                              "'leave_one_out'}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 10}}"),
                      &data, NULL, NULL, &emit, &reply));
    model = at(keep(reply), "model");
    json_t *variance = at(at(model, "kernel"), "variance"), *bounds = at(variance, "bounds");
    const double value = number(variance, "value"), low = json_number_value(json_array_get(bounds, 0)),
                 high = json_number_value(json_array_get(bounds, 1));
    ck_assert(value < 0.999 || value > 1.001);
    ck_assert(low <= value && value <= high && low <= 0.999 && high >= 1.001);
    OK(kr_engine_predict(ctx, NULL, json_of("{'x': [[0.3]]}"), model, NULL, &predicted));
    keep(predicted);
}
END_TEST

ENGINE_SUITE("recipes", they_fill_in_what_is_measured_best, priors_where_rows_are_few,
             few_rows_are_not_overfitted, test_rows_do_not_count, large_holds_out_a_tenth_and_5000_at_most,
             what_a_request_says_stays, what_cannot_be_calibrated_is_not, without_one_the_loss_is_required,
             gradients_know_them, a_whole_run_follows_its_recipe, a_model_keeps_a_value_beyond_its_bounds)
