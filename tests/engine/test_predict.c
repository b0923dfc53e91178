/* What predictions say of points: covariance, gradient, samples, and only what is asked. */
#include "fixture.h"

static json_t *model;

static json_t *ask(const char *json)
{
    json_t *reply = NULL;
    OK(kr_engine_predict(ctx, NULL, json_of("%s", json), model, NULL, &reply));
    return keep(reply);
}

static kr_status refused(json_t *request)
{
    json_t *reply = NULL;
    const kr_status status = kr_engine_predict(ctx, NULL, request, model, NULL, &reply);
    json_decref(reply);
    return status;
}

static double item(json_t *reply, const char *name, size_t i)
{
    json_t *found = json_array_get(at(reply, name), i);
    ck_assert_ptr_nonnull(found);
    return json_number_value(found);
}

static double cell(json_t *reply, const char *name, size_t i, size_t j)
{
    json_t *found = json_array_get(json_array_get(at(reply, name), i), j);
    ck_assert_ptr_nonnull(found);
    return json_number_value(found);
}

static void make_model(void)
{
    model = at(tune(tune_request(PLAIN_MODEL, "")), "model");
}

#define POINTS "'x': [[2, 20, 200], [1.5, 7, 310], [1.6, 8, 300]]"

START_TEST(covariance)
{
    make_model();
    json_t *noisy = ask("{" POINTS ", 'covariance': true}"),
           *smooth = ask("{" POINTS ", 'covariance': true, 'observation_noise': false}"),
           *alone = ask("{" POINTS ", 'covariance': true, 'variance': false}");
    const double sd = number(at(model, "standardization"), "y_sd"),
                 noise = number(at(model, "noise"), "variance") * sd * sd;
    ck_assert_uint_eq(json_object_size(noisy), 3);
    ck_assert_uint_eq(json_object_size(alone), 2);
    assert_same_json(at(noisy, "covariance"), at(alone, "covariance"));
    ck_assert_uint_eq(json_array_size(at(noisy, "covariance")), 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_double_eq(cell(noisy, "covariance", i, i), item(noisy, "variance", i));
        ck_assert_uint_eq(json_array_size(json_array_get(at(noisy, "covariance"), i)), 3);
        for (size_t j = 0; j < 3; j++)
            ck_assert_double_eq_tol(cell(noisy, "covariance", i, j) - cell(smooth, "covariance", i, j),
                                    i == j ? noise : 0, 1e-12 * sd * sd);
    }
    ck_assert_double_gt(cell(smooth, "covariance", 1, 2), 0.5 * cell(smooth, "covariance", 1, 1));
}
END_TEST

START_TEST(covariance_of_too_many_points_is_refused_with_the_number)
{
    make_model();
    json_t *request = json_of("{'x': [], 'covariance': true}"), *x = at(request, "x");
    for (int i = 0; i < 2001; i++)
        json_array_append_new(x, json_pack("[i, i, i]", 1, 2, i));
    REFUSED(refused(request), "/covariance");
    OK(kr_engine_predict(ctx, NULL, json_of("{" POINTS "}"), model, NULL, &x));
    keep(x);
    (void)refused(request);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "2001"));
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "2000"));
}
END_TEST

/* In the data's units: by differences of the mean that the same request gives. */
START_TEST(gradient)
{
    make_model();
    json_t *reply = ask("{" POINTS ", 'gradient': true, 'variance': false}");
    ck_assert_uint_eq(json_object_size(reply), 2);
    ck_assert_uint_eq(json_array_size(at(reply, "gradient")), 3);
    static const double steps[] = {1e-4, 1e-3, 1e-2};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            double mean[2];
            for (int side = 0; side < 2; side++) {
                json_t *moved = json_of("{" POINTS ", 'variance': false}"), *reply_there;
                json_t *row = json_array_get(at(moved, "x"), i);
                json_array_set_new(
                    row, k,
                    json_real(json_number_value(json_array_get(row, k)) + (side ? steps[k] : -steps[k])));
                OK(kr_engine_predict(ctx, NULL, moved, model, NULL, &reply_there));
                mean[side] = item(keep(reply_there), "mean", i);
            }
            const double wanted = (mean[1] - mean[0]) / (2 * steps[k]);
            ck_assert_double_eq_tol(cell(reply, "gradient", i, k), wanted,
                                    1e-5 * (fabs(wanted) + 1 / steps[k] / 1e4));
        }
}
END_TEST

/* Noise of nothing, at the rows themselves: rounding makes half of the variances negative. */
START_TEST(clamped_variances_are_counted)
{
    model =
        at(tune(tune_request("{'kernel': {'type': 'matern12'}, 'noise': {'variance': {'value': 0, 'fixed': "
                             "true}}}",
                             "")),
           "model");
    json_t *request = json_object(), *reply, *x = json_array();
    keep(request);
    for (size_t i = 0; i < ROWS; i++) {
        const double *from = source.data.x + i;
        json_array_append_new(x, json_pack("[f, f, f]", from[0], from[ROWS], from[2 * ROWS]));
    }
    json_object_set_new(request, "x", x);
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    const double clamped = number(keep(reply), "clamped_variances");
    ck_assert(clamped >= 1 && clamped <= ROWS);
    size_t zeros = 0;
    for (size_t i = 0; i < ROWS; i++)
        zeros += item(reply, "variance", i) == 0;
    ck_assert_uint_ge(zeros, (size_t)clamped);
}
END_TEST

/* Mean and covariance of many samples, within five standard errors of those of the same reply. */
static void check_samples(json_t *reply, size_t count, size_t n)
{
    ck_assert_uint_eq(json_array_size(at(reply, "samples")), count);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double first = 0, second = 0;
            for (size_t s = 0; s < count; s++) {
                const double a = cell(reply, "samples", s, i) - item(reply, "mean", i),
                             b = cell(reply, "samples", s, j) - item(reply, "mean", j);
                first += a / (double)count;
                second += a * b / (double)count;
            }
            const double ii = cell(reply, "covariance", i, i), jj = cell(reply, "covariance", j, j),
                         ij = cell(reply, "covariance", i, j);
            ck_assert_double_eq_tol(first, 0, 5 * sqrt(ii / (double)count));
            ck_assert_double_eq_tol(second, ij, 5 * sqrt((ii * jj + ij * ij) / (double)count));
        }
}

START_TEST(samples_follow_mean_and_covariance)
{
    make_model();
    for (int noise = 0; noise < 2; noise++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{" POINTS
                 ", 'covariance': true, 'observation_noise': %s, 'samples': {'count': 4000, 'seed': "
                 "%d}}",
                 noise ? "true" : "false", 5 + noise);
        json_t *reply = ask(text);
        check_samples(reply, 4000, 3);
        ck_assert_str_eq(json_string_value(at(reply, "samples_method")), "exact");
        ck_assert_double_eq(number(reply, "samples_jitter"), 0);
    }
}
END_TEST

START_TEST(samples_are_their_seeds)
{
    make_model();
    json_t *five = ask("{" POINTS ", 'samples': {'count': 5, 'seed': 3}}"),
           *two = ask("{" POINTS ", 'variance': false, 'samples': {'count': 2, 'seed': 3}}"),
           *other = ask("{" POINTS ", 'samples': {'count': 5, 'seed': 4}}"),
           *zero = ask("{" POINTS ", 'samples': {'count': 1}}"),
           *again = ask("{" POINTS ", 'samples': {'count': 1, 'seed': 0}}");
    ck_assert_uint_eq(json_object_size(five), 6);
    ck_assert_uint_eq(json_object_size(two), 5);
    for (size_t s = 0; s < 2; s++)
        assert_same_json(json_array_get(at(five, "samples"), s), json_array_get(at(two, "samples"), s));
    ck_assert(!json_equal(at(five, "samples"), at(other, "samples")));
    assert_same_json(zero, again);
}
END_TEST

/* Nearly the same point many times (copies to the bit may factorise by luck) has one value of the function,
 * and as many of observations. */
START_TEST(repeated_points_need_jitter_and_it_is_told)
{
    enum { TIMES = 40 };
    make_model();
    json_t *request = json_of("{'x': [], 'observation_noise': false, 'samples': {'count': 3}}"), *reply;
    for (int i = 0; i < TIMES; i++)
        json_array_append_new(at(request, "x"), json_pack("[f, f, f]", 2.0 + 1e-9 * i, 20.0, 200.0));
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    const double variance = item(keep(reply), "variance", 0), jitter = number(reply, "samples_jitter");
    ck_assert(jitter > 0 && jitter < 1e-9 * variance);
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 1; i < TIMES; i++)
            ck_assert_double_eq_tol(cell(reply, "samples", s, 0), cell(reply, "samples", s, i),
                                    20 * sqrt(jitter));
    json_object_set(request, "observation_noise", json_true());
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    ck_assert_double_eq(number(keep(reply), "samples_jitter"), 0);
}
END_TEST

static json_t *many_points(int count, const char *samples)
{
    json_t *request = json_of("{'x': [], 'variance': false, 'samples': %s}", samples), *x = at(request, "x");
    for (int i = 0; i < count; i++)
        json_array_append_new(x, json_pack("[f, i, i]", 0.01 * i, 2, i % 7));
    return request;
}

START_TEST(samples_refuse_with_a_pointer)
{
    static const struct {
        const char *samples, *pointer;
    } rows[] = {
        {"{}", "/samples/count"},
        {"{'count': 0}", "/samples/count"},
        {"{'count': 1.5}", "/samples/count"},
        {"{'count': 3, 'seed': -1}", "/samples/seed"},
        {"{'count': 3, 'sed': 1}", "/samples/sed"},
        {"{'count': 1333334}", "/samples/count"},
        {"{'count': 3, 'method': 'quick'}", "/samples/method"},
        {"{'count': 3, 'features': 7}", "/samples/features"},
        {"{'count': 3, 'features': 0}", "/samples/features"},
        {"[1]", "/samples"},
    };
    make_model();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        REFUSED(refused(json_of("{" POINTS ", 'samples': %s}", rows[i].samples)), rows[i].pointer);
    json_t *many = many_points(2001, "{'count': 1, 'method': 'exact'}");
    REFUSED(refused(many), "/samples/method");
    model = at(tune(tune_request("{'kernel': {'type': 'product', 'kernels': [{'type': 'rbf'}, {'type': "
                                 "'matern32'}]}}",
                                 "")),
               "model");
    REFUSED(refused(many_points(2001, "{'count': 1}")), "/samples");
    REFUSED(refused(json_of("{" POINTS ", 'samples': {'count': 1, 'method': 'pathwise'}}")),
            "/samples/method");
}
END_TEST

static void check_method(json_t *request, const char *method, const char *reason)
{
    json_t *reply;
    OK(kr_engine_predict(ctx, NULL, request, model, NULL, &reply));
    keep(reply);
    ck_assert_str_eq(json_string_value(at(reply, "samples_method")), method);
    ck_assert_msg(strstr(json_string_value(at(reply, "samples_reason")), reason) != NULL, "%s: %s", reason,
                  json_string_value(at(reply, "samples_reason")));
    ck_assert_int_eq(json_object_get(reply, "samples_jitter") != NULL, strcmp(method, "exact") == 0);
}

START_TEST(the_method_is_chosen_and_told)
{
    make_model();
    check_method(json_of("{" POINTS ", 'samples': {'count': 2}}"), "exact", "variances");
    check_method(json_of("{" POINTS ", 'samples': {'count': 2}, 'variance': false}"), "exact", "few points");
    check_method(json_of("{" POINTS ", 'samples': {'count': 2, 'method': 'exact'}}"), "exact", "as asked");
    check_method(json_of("{" POINTS ", 'samples': {'count': 2, 'method': 'pathwise'}}"), "pathwise",
                 "as asked");
    check_method(many_points(2001, "{'count': 2, 'features': 64}"), "pathwise", "2001 points");
    model = at(tune(tune_request("{'kernel': {'type': 'periodic'}}", "")), "model");
    check_method(json_of("{" POINTS ", 'samples': {'count': 2}}"), "exact", "no random features");
}
END_TEST

/* In the data's units, over seeds: each has functions of its own. */
START_TEST(paths_follow_mean_and_covariance)
{
    enum { SEEDS = 40, COUNT = 40 };
    ctx->threads = 1;
    make_model();
    json_t *exact = ask("{" POINTS ", 'covariance': true}");
    double first[SEEDS], second[SEEDS];
    for (size_t seed = 0; seed < SEEDS; seed++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{" POINTS
                 ", 'variance': false, 'samples': {'count': %d, 'seed': %zu, 'method': 'pathwise', "
                 "'features': 128}}",
                 COUNT, seed);
        json_t *reply = ask(text);
        first[seed] = second[seed] = 0;
        for (size_t s = 0; s < COUNT; s++) {
            const double a = cell(reply, "samples", s, 1) - item(exact, "mean", 1),
                         b = cell(reply, "samples", s, 2) - item(exact, "mean", 2);
            first[seed] += a / COUNT;
            second[seed] += a * b / COUNT;
        }
    }
    for (int moment = 0; moment < 2; moment++) {
        const double *values = moment ? second : first, wanted = moment ? cell(exact, "covariance", 1, 2) : 0;
        double mean = 0, square = 0;
        for (size_t s = 0; s < SEEDS; s++)
            mean += values[s] / SEEDS;
        for (size_t s = 0; s < SEEDS; s++)
            square += (values[s] - mean) * (values[s] - mean) / (SEEDS - 1);
        ck_assert_double_eq_tol(mean, wanted, 5 * sqrt(square / SEEDS));
        ck_assert_double_gt(square, 0);
    }
}
END_TEST

ENGINE_SUITE("predict", covariance, covariance_of_too_many_points_is_refused_with_the_number, gradient,
             clamped_variances_are_counted, samples_follow_mean_and_covariance, samples_are_their_seeds,
             repeated_points_need_jitter_and_it_is_told, samples_refuse_with_a_pointer,
             the_method_is_chosen_and_told, paths_follow_mean_and_covariance)
