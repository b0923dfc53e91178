/* Gradients by the data over HTTP, their check, and validation by another data set, in gradients and jobs. */
#include "daemon_jobs.h"

#define GRADIENTS "/v1/gradients"

/* A data set of CSV whose features are called a and b, in that order or the other one. */
static void store_csv(const char *name, int n, uint64_t seed, bool turned)
{
    json_t *data = wave(n, 2, seed);
    char *csv = keep(malloc(64 * (size_t)n + 64)), *end = csv + sprintf(csv, turned ? "b,a,y\n" : "a,b,y\n");
    for (int i = 0; i < n; i++)
        end += sprintf(end, "%.17g,%.17g,%.17g\n", number_at(data, text("/x/%d/%d", i, turned)),
                       number_at(data, text("/x/%d/%d", i, !turned)), number_at(data, text("/y/%d", i)));
    const struct answer made = send_text("PUT", text("/v1/datasets/%s", name), "text/csv", csv);
    ck_assert_msg(made.status == 201 || made.status == 200, "%s", made.body);
}

static json_t *raw_request(void)
{
    json_t *made =
        json_of("{'model': {'kernel': {'type': 'matern52', 'lengthscale': [0.6, 0.9]}, 'mean': {'type': "
                "'constant', 'value': 0.1}, 'standardize': {'x': false, 'y': false}}, 'objective': "
                "{'loss': 'nlpd', 'validation': {'type': 'fraction'}}}");
    json_object_set(made, "data", wave(30, 2, 11));
    return made;
}

static json_t *gradient(json_t *request)
{
    struct answer answer = send_json("POST", GRADIENTS, request);
    ck_status(answer, 200);
    return answer.json;
}

static double loss_with(json_t *request, const char *pointer, double by)
{
    const double value = number_at(request, pointer) + by;
    return number_at(gradient(with(request, pointer, text("%.17g", value))), "/loss");
}

START_TEST(by_the_data)
{
    static const char *const validations[] = {"{'type': 'fraction'}", "{'type': 'kfold', 'folds': 4}",
                                              "{'type': 'leave_one_out'}"};
    const double h = 1e-5;
    for (int v = 0; v < 3; v++) {
        json_t *plain = with(raw_request(), "/objective/validation", validations[v]),
               *reply = gradient(with(plain, "/with_respect_to",
                                      "['parameters', 'x', 'y', 'x_validation', 'noise_variance']"));
        MEMBERS(at(reply, "/gradients"), "x", "y", "x_validation", "noise_variance");
        ck_assert_uint_eq(count_at(reply, "/gradients/x"), 30);
        ck_assert_uint_eq(count_at(reply, "/gradients/x/0"), 2);
        ck_assert_uint_eq(count_at(reply, "/gradients/y"), 30);
        ck_assert_uint_eq(count_at(reply, "/gradients/noise_variance"), 30);
        ck_assert_uint_eq(count_at(reply, "/gradients/x_validation"), v == 0 ? 6 : 30);
        for (int i = 0; i < 30; i += 11) {
            const char *x = text("/data/x/%d/1", i), *y = text("/data/y/%d", i);
            ck_assert_double_eq_tol(number_at(reply, text("/gradients/x/%d/1", i)),
                                    (loss_with(plain, x, h) - loss_with(plain, x, -h)) / (2 * h), 1e-7);
            ck_assert_double_eq_tol(number_at(reply, text("/gradients/y/%d", i)),
                                    (loss_with(plain, y, h) - loss_with(plain, y, -h)) / (2 * h), 1e-7);
        }
    }
}
END_TEST

START_TEST(checked)
{
    json_t *request = with(with(raw_request(), "/with_respect_to", "['x', 'y', 'noise_variance']"), "/check",
                           "{'type': 'finite_difference', 'directions': 3, 'seed': 5}"),
           *check = at(gradient(request), "/check");
    MEMBERS(check, "directions", "largest_relative_error", "step");
    ck_assert_uint_eq(count_at(check, "/directions"), 3);
    MEMBERS(at(check, "/directions/0"), "analytic", "numeric", "relative_error");
    ck_assert_double_lt(number_at(check, "/largest_relative_error"), 1e-6);
    ck_assert(json_equal(check, at(gradient(request), "/check")));
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *member, *value, *pointer;
    } rows[] = {
        {"/with_respect_to", "['z']", "/with_respect_to/0"},
        {"/with_respect_to", "['x', 'x']", "/with_respect_to/1"},
        {"/check", "{'directions': -1}", "/check/directions"},
        {"/check", "{'kind': 'finite_difference'}", "/check/kind"},
        {"/validation_data", "{'x': [[1, 2]], 'y': [1]}", "/validation_data"},
        {"/objective/validation", "{'type': 'dataset'}", "/objective/validation/name"},
        {"/objective/validation", "{'type': 'dataset', 'name': 5}", "/objective/validation/name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        is_problem(send_json("POST", GRADIENTS, with(raw_request(), rows[i].member, rows[i].value)), 422,
                   "invalid", rows[i].pointer, rows[i].value);
    json_t *standardised = with(with(raw_request(), "/model/standardize", NULL), "/with_respect_to", "['x']");
    is_problem(send_json("POST", GRADIENTS, standardised), 422, "invalid", "/model/standardize",
               "standardised");
    json_t *absent = with(raw_request(), "/objective/validation", "{'type': 'dataset', 'name': 'absent'}");
    is_problem(send_json("POST", GRADIENTS, absent), 404, "not-found", "/objective/validation/name",
               "absent");
}
END_TEST

/* Stored and inline, in the same order of columns or not: the same numbers. */
START_TEST(held_out_elsewhere)
{
    store_csv("train", 40, 3, false);
    store_csv("held", 15, 4, true);
    json_t *stored =
               json_of("{'dataset': 'train', 'model': {'kernel': {'type': 'rbf', 'ard': true}}, 'objective': "
                       "{'loss': 'nlpd', 'validation': {'type': 'dataset', 'name': 'held'}}}"),
           *reply = gradient(stored), *inlined = with(stored, "/dataset", NULL);
    ck_assert_str_eq(text_at(reply, "/request/objective/validation/name"), "held");
    inlined = with(inlined, "/objective/validation/name", NULL);
    json_object_set(inlined, "data", wave(40, 2, 3));
    json_object_set(inlined, "validation_data", wave(15, 2, 4));
    json_t *same = gradient(inlined);
    ck_assert(json_equal(at(same, "/parameters"), at(reply, "/parameters")));
    ck_assert_double_eq(number_at(same, "/loss"), number_at(reply, "/loss"));
    ck_assert_ptr_null(find(same, "/request/validation_data"));
    ck_assert_ptr_null(find(same, "/request/data"));
    store_csv("train", 40, 3, false);
    store("numbers", 15, 3);
    is_problem(send_json("POST", GRADIENTS, with(stored, "/objective/validation/name", "'numbers'")), 422,
               "invalid", "/objective/validation/name", "other features");
}
END_TEST

START_TEST(jobs_with_two_data_sets)
{
    store_csv("train", 40, 3, false);
    store_csv("held", 15, 4, true);
    json_t *job = with(with(job_on("train"), "/objective/validation", "{'type': 'dataset', 'name': 'held'}"),
                       "/test", NULL),
           *result = at(succeeded(submit(job)), "/result");
    ck_assert_double_lt(number_at(result, "/metrics/validation/nlpd"),
                        number_at(result, "/metrics/initial/validation/nlpd"));
    ck_assert_double_eq(
        number_at(get(text("/v1/models/%s", text_at(result, "/model"))).json, "/dataset/rows"), 40);
    is_problem(send_json("POST", JOBS, with(job, "/objective/validation/name", "'absent'")), 404, "not-found",
               "/objective/validation/name", "absent");
    is_problem(send_json("POST", JOBS, with(job, "/objective/validation/name", NULL)), 422, "invalid",
               "/objective/validation/name", "no name");
    store("numbers", 15, 3);
    is_problem(send_json("POST", JOBS, with(job, "/objective/validation/name", "'numbers'")), 422, "invalid",
               "/objective/validation/name", "other features");
    const char *id =
        submit(with(long_job_on("train"), "/objective/validation", "{'type': 'dataset', 'name': 'held'}"));
    is_problem(ask("DELETE", "/v1/datasets/held", NULL, 0, NULL), 409, "conflict", NULL, "needed");
    EVENTUALLY(20, has_steps(id));
    is_problem(ask("DELETE", "/v1/datasets/held", NULL, 0, NULL), 409, "conflict", NULL, "needed");
    is_problem(ask("DELETE", "/v1/datasets/train", NULL, 0, NULL), 409, "conflict", NULL, "needed");
    cancelled(id);
    ck_status(ask("DELETE", "/v1/datasets/held", NULL, 0, NULL), 204);
}
END_TEST

DAEMON_SUITE("data gradients", by_the_data, checked, refused, held_out_elsewhere, jobs_with_two_data_sets)
