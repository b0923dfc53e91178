/* Gradients: right, the same by every way, and told with all that belongs to them. Their refusals are in
 * test_evaluations.c. */
#include "daemon_fixture.h"

#define GRADIENTS "/v1/gradients"

/* A request with its data inline. */
static json_t *request_of(int n, int d, const char *model)
{
    json_t *made =
        json_of("{'model': %s, 'objective': {'loss': 'nlpd', 'validation': {'type': 'fraction'}}}", model);
    json_object_set(made, "data", wave(n, d, 11));
    return made;
}

static const char rbf[] = "{'kernel': {'type': 'rbf'}}";
static const char rich[] =
    "{'kernel': {'type': 'sum', 'kernels': [{'type': 'matern52', 'variance': 0.7, 'lengthscale': [0.8, 1.3]},"
    " {'type': 'product', 'kernels': [{'type': 'rbf', 'lengthscale': 2, 'features': ['x2']},"
    " {'type': 'constant', 'variance': 0.4}]}]}, 'mean': {'type': 'constant', 'value': 0.2},"
    " 'noise': {'variance': 0.05}}";

static json_t *gradient(json_t *request)
{
    struct answer answer = send_json("POST", GRADIENTS, request);
    ck_status(answer, 200);
    return answer.json;
}

START_TEST(members)
{
    json_t *reply = gradient(request_of(60, 2, rbf));
    MEMBERS(reply, "loss", "value_error", "value_bound", "penalty", "parameters", "metrics",
            "clamped_variances", "solver", "request");
    MEMBERS(at(reply, "/solver"), "type", "reason", "rank", "stop", "iterations", "rtol", "residual",
            "products", "single_products", "precision", "seconds");
    ck_assert_str_eq(text_at(reply, "/solver/type"), "cholesky");
    ck_assert_str_eq(text_at(reply, "/solver/stop"), "rtol");
    ck_assert_double_lt(number_at(reply, "/solver/residual"), 1e-8);
    ck_assert_double_eq(number_at(reply, "/penalty"), 0);
    ck_assert_int_eq((int)count_at(reply, "/parameters"), 3);
    for (int p = 0; p < 3; p++)
        MEMBERS(at(reply, text("/parameters/%d", p)), "name", "value", "data_value", "gradient", "fixed");
    ck_assert_str_eq(text_at(reply, "/parameters/0/name"), "kernel.variance");
    ck_assert_str_eq(text_at(reply, "/parameters/1/name"), "kernel.lengthscale");
    ck_assert_str_eq(text_at(reply, "/parameters/2/name"), "noise.variance");
    ck_assert_double_eq(number_at(reply, "/parameters/2/value"), 0.1);
}
END_TEST

/* The defaults of the contract; the data does not come back. */
START_TEST(effective_request)
{
    json_t *reply = gradient(request_of(60, 2, rbf)), *shown = at(reply, "/request");
    ck_assert_ptr_null(find(shown, "/data"));
    ck_assert(json_equal(
        at(shown, "/model"),
        json_of("{'kernel': {'type': 'rbf', 'variance': 1.0, 'lengthscale': 1.0, 'ard': false},"
                "'mean': {'type': 'zero'}, 'noise': {'variance': 0.1}, 'target_transform': {'type': 'none'},"
                "'standardize': {'x': true, 'y': true}, 'approximation': {'type': 'exact'}}")));
    ck_assert(json_equal(
        at(shown, "/objective"),
        json_of(
            "{'loss': 'nlpd', 'validation': {'type': 'fraction', "
            "'fraction': 0.2, 'seed': 0}, 'variance': {'method': 'auto', 'points': 32, 'neighbours': 256, "
            "'tolerance': 0.01, 'seed': 0}, 'calibrate': 'none'}")));
    ck_assert_str_eq(text_at(shown, "/solver/type"), "auto");
    ck_assert_str_eq(text_at(shown, "/solver/preconditioner/type"), "auto");
    ck_assert_str_eq(text_at(shown, "/metrics"), "auto");
    json_t *again = keep_json(json_deep_copy(shown)); /* what is shown can be asked again, to the same bits */
    json_object_set(again, "data", wave(60, 2, 11));
    ck_assert(json_equal(at(gradient(again), "/parameters"), at(reply, "/parameters")));
}
END_TEST

START_TEST(names_and_order)
{
    static const char *const names[] = {"kernel.kernels[0].variance",
                                        "kernel.kernels[0].lengthscale[0]",
                                        "kernel.kernels[0].lengthscale[1]",
                                        "kernel.kernels[1].kernels[0].variance",
                                        "kernel.kernels[1].kernels[0].lengthscale",
                                        "kernel.kernels[1].kernels[1].variance",
                                        "mean.value",
                                        "noise.variance"};
    json_t *reply = gradient(request_of(60, 2, rich));
    const size_t count = sizeof names / sizeof names[0];
    ck_assert_uint_eq(count_at(reply, "/parameters"), count);
    for (size_t p = 0; p < count; p++)
        ck_assert_str_eq(text_at(reply, text("/parameters/%zu/name", p)), names[p]);
    json_t *fixed = with(request_of(60, 2, rbf), "/model/kernel/lengthscale", "{'value': 2, 'fixed': true}");
    json_t *parameters = at(gradient(fixed), "/parameters");
    ck_assert(json_is_true(at(parameters, "/1/fixed")));
    ck_assert(json_is_false(at(parameters, "/0/fixed")));
    json_t *ard = with(request_of(60, 2, rbf), "/model/kernel/ard", "true");
    ck_assert_str_eq(text_at(gradient(ard), "/parameters/2/name"), "kernel.lengthscale[1]");
}
END_TEST

START_TEST(metrics)
{
    json_t *request = request_of(60, 2, rbf);
    static const char *const rest[] = {"nlpd", "msll", "crps", "coverage_50", "coverage_90", "coverage_95"};
    MEMBERS(at(gradient(request), "/metrics"), "rmse", "mae", "smse", "nlpd", "msll", "crps", "coverage_50",
            "coverage_90", "coverage_95");
    request = with(request, "/objective/loss", "'mse'");
    json_t *few = gradient(request), *all = gradient(with(request, "/metrics", "'all'"));
    MEMBERS(at(few, "/metrics"), "rmse", "mae", "smse");
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        number_at(all, text("/metrics/%s", rest[i]));
    ck_assert(json_equal(at(few, "/parameters/1"), at(all, "/parameters/1")));
    ck_assert_double_eq(number_at(few, "/metrics/rmse"), number_at(all, "/metrics/rmse"));
}
END_TEST

/* The same rows inline, stored as JSON, stored as CSV: the same bits. */
START_TEST(inline_and_stored)
{
    json_t *request = request_of(50, 2, rich), *data = at(request, "/data"), *row;
    char *csv = text("x1,x2,y\n");
    size_t i;
    json_array_foreach(at(data, "/x"), i, row) csv =
        text("%s%.17g,%.17g,%.17g\n", csv, number_at(row, "/0"), number_at(row, "/1"),
             number_at(data, text("/y/%zu", i)));
    ck_status(send_json("PUT", "/v1/datasets/g-json", data), 201);
    ck_status(send_text("PUT", "/v1/datasets/g-csv", "text/csv", csv), 201);
    json_t *bare = with(request, "/data", NULL), *wanted = gradient(request);
    json_t *json = gradient(with(bare, "/dataset", "'g-json'")),
           *stored = gradient(with(bare, "/dataset", "'g-csv'"));
    static const char *const same[] = {"/loss", "/value_error", "/value_bound", "/parameters", "/metrics"};
    for (size_t k = 0; k < sizeof same / sizeof same[0]; k++) {
        ck_assert_str_eq(dump(at(json, same[k])), dump(at(wanted, same[k])));
        ck_assert_str_eq(dump(at(stored, same[k])), dump(at(wanted, same[k])));
    }
    ck_assert_str_eq(text_at(json, "/request/dataset"), "g-json");
}
END_TEST

static double loss_at(json_t *request, const char *pointer, double value)
{
    return number_at(gradient(with(request, pointer, text("%.17g", value))), "/loss");
}

/* Central differences with two steps, extrapolated, of a number in the request. */
static void ck_derivative(json_t *request, const char *pointer, int parameter)
{
    const double value = number_at(request, pointer), h = 2e-3 * fabs(value);
    const double coarse =
                     (loss_at(request, pointer, value + h) - loss_at(request, pointer, value - h)) / (2 * h),
                 fine =
                     (loss_at(request, pointer, value + h / 2) - loss_at(request, pointer, value - h / 2)) /
                     h,
                 wanted = (4 * fine - coarse) / 3,
                 got = number_at(gradient(request), text("/parameters/%d/gradient", parameter));
    ck_assert_msg(fabs(got - wanted) <= 1e-6 * fabs(wanted) + 1e-10, "%s: %.12g, by differences %.12g",
                  pointer, got, wanted);
}

START_TEST(differences)
{
    static const char *const places[] = {"/model/kernel/kernels/0/variance",
                                         "/model/kernel/kernels/0/lengthscale/0",
                                         "/model/kernel/kernels/0/lengthscale/1",
                                         NULL,
                                         "/model/kernel/kernels/1/kernels/0/lengthscale",
                                         "/model/kernel/kernels/1/kernels/1/variance",
                                         "/model/mean/value",
                                         "/model/noise/variance"};
    static const char *const losses[] = {"'nlpd'", "'mse'"};
    for (int l = 0; l < 2; l++) {
        json_t *one = with(request_of(60, 2, rich), "/objective/loss", losses[l]);
        for (int p = 0; p < 8; p++)
            if (places[p])
                ck_derivative(one, places[p], p);
        json_t *other = with(request_of(60, 3,
                                        "{'kernel': {'type': 'matern32', 'variance': 1.5, 'lengthscale': "
                                        "0.9}, 'noise': {'variance': 0.2}}"),
                             "/objective/loss", losses[l]);
        ck_derivative(other, "/model/kernel/lengthscale", 1);
        ck_derivative(other, "/model/noise/variance", 2);
    }
}
END_TEST

START_TEST(solvers_agree)
{
    static const char *const solvers[] = {
        "{'type': 'cg', 'rtol': 1e-10}",
        "{'type': 'cg', 'rtol': 1e-10, 'preconditioner': {'type': 'none'}}",
        "{'type': 'cg', 'rtol': 1e-10, 'preconditioner': {'type': 'jacobi'}}",
        "{'type': 'cg', 'rtol': 1e-10, 'preconditioner': {'type': 'pivoted_cholesky', 'rank': 20}}",
        "{'type': 'cg', 'rtol': 1e-10, 'preconditioner': {'type': 'nystrom', 'rank': 20, 'seed': 7}}",
        "{'type': 'cg', 'rtol': 1e-10, 'preconditioner': {'type': 'nystrom', 'rank': 20, 'select': "
        "'projection'}}"};
    json_t *request = with(request_of(200, 2, rich), "/solver", "{'type': 'cholesky'}");
    json_t *direct = gradient(request);
    double largest = 0, without = 0;
    ck_assert_str_eq(text_at(direct, "/solver/type"), "cholesky");
    for (int p = 0; p < 8; p++)
        largest = fmax(largest, fabs(number_at(direct, text("/parameters/%d/gradient", p))));
    for (size_t i = 0; i < sizeof solvers / sizeof *solvers; i++) {
        json_t *iterative = gradient(with(request, "/solver", solvers[i]));
        ck_assert_str_eq(text_at(iterative, "/solver/type"), "cg");
        ck_assert_double_gt(number_at(iterative, "/solver/iterations"), 1);
        ck_assert_double_gt(number_at(iterative, "/solver/products"),
                            number_at(iterative, "/solver/iterations"));
        ck_assert_double_le(number_at(iterative, "/solver/residual"), 1e-10);
        ck_assert_double_eq_tol(number_at(iterative, "/loss"), number_at(direct, "/loss"),
                                1e-6 * fabs(number_at(direct, "/loss")));
        for (int p = 0; p < 8; p++)
            ck_assert_double_eq_tol(number_at(iterative, text("/parameters/%d/gradient", p)),
                                    number_at(direct, text("/parameters/%d/gradient", p)), 1e-6 * largest);
        if (i == 0)
            continue;
        ck_assert_str_eq(text_at(iterative, "/solver/preconditioner"),
                         text_at(iterative, "/request/solver/preconditioner/type"));
        ck_assert_int_eq((int)number_at(iterative, "/solver/rank"), i > 2 ? 20 : 0);
        if (i == 1)
            without = number_at(iterative, "/solver/iterations");
        if (i > 2)
            ck_assert_double_le(number_at(iterative, "/solver/iterations"), without);
    }
}
END_TEST

/* The same question gives the same bits, whichever worker answers. */
START_TEST(repeatable)
{
    json_t *request = request_of(150, 2, rich), *first = gradient(request);
    for (int i = 0; i < 6; i++) {
        json_t *other = gradient(request);
        ck_assert_str_eq(dump(at(other, "/parameters")), dump(at(first, "/parameters")));
        ck_assert_str_eq(dump(at(other, "/metrics")), dump(at(first, "/metrics")));
    }
}
END_TEST

/* Known noise of rows, explicit rows, test rows: another split is another loss; rows without a role do not
 * exist. */
START_TEST(roles)
{
    json_t *request =
        with(request_of(40, 1, rbf), "/objective/validation", "{'type': 'rows', 'rows': [0, 7, 39]}");
    const double loss = number_at(gradient(request), "/loss");
    ck_assert_double_ne(
        number_at(gradient(with(request, "/objective/validation/rows", "[0, 7, 38]")), "/loss"), loss);
    ck_assert_double_ne(number_at(gradient(with(request, "/test", "{'rows': [3, 4, 5, 6]}")), "/loss"), loss);
    json_t *noisy = with(request, "/data/noise_variance", dump(json_object_get(wave(40, 1, 1), "y")));
    json_t *noise = at(noisy, "/data/noise_variance");
    for (size_t i = 0; i < 40; i++)
        json_array_set_new(noise, i, json_real(i < 20 ? 0.5 : 0.01));
    ck_assert_double_ne(number_at(gradient(noisy), "/loss"), loss);
}
END_TEST

DAEMON_SUITE("gradients", members, effective_request, names_and_order, metrics, inline_and_stored,
             differences, solvers_agree, repeatable, roles)
