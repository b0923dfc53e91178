/* Several targets through the service: data sets, gradients, jobs, models, predictions in JSON and CSV. */
#include "daemon_jobs.h"

enum { N = 40 };

/* wave(N, 2) with a second target of other units. */
static json_t *two(void)
{
    json_t *data = wave(N, 2, 31), *y = json_array();
    for (int i = 0; i < N; i++)
        json_array_append_new(y, json_pack("[f, f]", number_at(data, text("/y/%d", i)),
                                           100 + 20 * number_at(data, text("/x/%d/0", i)) -
                                               number_at(data, text("/x/%d/1", i))));
    json_object_set_new(data, "y", y);
    return data;
}

/* With target t alone. */
static json_t *alone(int t)
{
    json_t *data = two(), *y = json_array();
    for (int i = 0; i < N; i++)
        json_array_append(y, at(data, text("/y/%d/%d", i, t)));
    json_object_set_new(data, "y", y);
    return data;
}

static const char *as_csv(void)
{
    json_t *data = two();
    char *csv = text("first,x1,second,x2\n");
    for (int i = 0; i < N; i++)
        csv = text("%s%.17g,%.17g,%.17g,%.17g\n", csv, number_at(data, text("/y/%d/0", i)),
                   number_at(data, text("/x/%d/0", i)), number_at(data, text("/y/%d/1", i)),
                   number_at(data, text("/x/%d/1", i)));
    return csv;
}

START_TEST(data_sets_say_what_they_have)
{
    json_t *data = two();
    struct answer made = send_json("PUT", "/v1/datasets/two", data);
    ck_status(made, 201);
    ck_assert_int_eq((int)number_at(made.json, "/targets"), 2);
    ck_assert_int_eq((int)number_at(made.json, "/features"), 2);
    ck_assert_int_eq((int)count_at(made.json, "/columns"), 4);
    ck_assert_str_eq(text_at(made.json, "/target_names/1"), "y2");
    ck_assert_str_eq(text_at(made.json, "/columns/3/name"), "y2");
    json_object_set(data, "target_names", json_of("['u', 'v']"));
    json_object_set(data, "name", json_of("'named'"));
    struct answer posted = send_json("POST", "/v1/datasets", data);
    ck_status(posted, 201);
    ck_assert_str_eq(text_at(posted.json, "/target_names/0"), "u");
    is_problem(send_json("PUT", "/v1/datasets/bad", with(data, "/target_names", "['u']")), 422, "invalid",
               "/name", "PUT knows no name");
    json_object_del(data, "name");
    is_problem(send_json("PUT", "/v1/datasets/bad", with(data, "/target_names", "['u']")), 422, "invalid",
               "/target_names", "one name of two");
    struct answer csv = send_text("PUT", "/v1/datasets/csv?target=first,second", "text/csv", as_csv());
    ck_status(csv, 201);
    ck_assert_int_eq((int)number_at(csv.json, "/targets"), 2);
    ck_assert_str_eq(text_at(csv.json, "/feature_names/1"), "x2");
    ck_assert_str_eq(text_at(csv.json, "/target_names/1"), "second");
    is_problem(send_text("PUT", "/v1/datasets/csv?target=second,first", "text/csv", as_csv()), 409,
               "conflict", NULL, "another order");
}
END_TEST

static json_t *gradient_on(json_t *data, const char *more)
{
    json_t *request =
        json_of("{'model': {'kernel': {'type': 'rbf', 'ard': true}}, 'objective': {'loss': 'crps', "
                "'validation': {'type': 'kfold', 'folds': 4}}%s}",
                more);
    if (data)
        json_object_set(request, "data", data);
    struct answer answer = send_json("POST", "/v1/gradients", request);
    ck_status(answer, 200);
    return answer.json;
}

START_TEST(gradients_are_means)
{
    ck_status(send_text("PUT", "/v1/datasets/csv-2?target=first,second", "text/csv", as_csv()), 201);
    json_t *both = gradient_on(two(), ""), *stored = gradient_on(NULL, ", 'dataset': 'csv-2'"),
           *one = gradient_on(alone(0), ""), *other = gradient_on(alone(1), "");
    ck_assert_double_eq_tol(number_at(both, "/loss"),
                            (number_at(one, "/loss") + number_at(other, "/loss")) / 2, 1e-10);
    ck_assert_double_eq_tol(number_at(stored, "/loss"), number_at(both, "/loss"), 1e-12);
    for (int p = 0; p < 4; p++) {
        const char *slope = text("/parameters/%d/gradient", p);
        ck_assert_double_eq_tol(number_at(both, slope), (number_at(one, slope) + number_at(other, slope)) / 2,
                                1e-8);
    }
    ck_assert_str_eq(text_at(stored, "/metrics/targets/1/name"), "second");
    ck_assert_double_eq_tol(number_at(both, "/metrics/targets/1/rmse"), number_at(other, "/metrics/rmse"),
                            1e-8);
}
END_TEST

static const char *prediction(const char *name)
{
    struct answer answer = send_json("POST", text("/v1/models/%s/predict", name),
                                     json_of("{'x': [[0.1, 0.2], [0.5, 0.5]], 'quantiles': [0.05, 0.95]}"));
    ck_status(answer, 200);
    return answer.body;
}

static struct answer in_csv(const char *name, const char *query)
{
    static const char points[] = "x1,x2\n0.1,0.2\n0.5,0.5\n";
    return ask("POST", text("/v1/models/%s/predict%s", name, query), points, strlen(points),
               HEADERS("Content-Type: text/csv", "Accept: */*"));
}

START_TEST(a_job_leaves_a_model_of_all)
{
    ck_status(send_json("PUT", "/v1/datasets/two-2", two()), 201);
    const char *id =
        submit(with(job_on("two-2"), "/model", "{'kernel': {'type': 'rbf'}, 'mean': {'type': 'constant'}}"));
    json_t *job = succeeded(id), *model;
    ck_assert_int_eq((int)count_at(job, "/result/metrics/test/targets"), 2);
    ck_assert_int_eq((int)count_at(job, "/result/metrics/initial/validation/targets"), 2);
    struct answer full = get(text("/v1/models/%s?weights=true", id));
    ck_status(full, 200);
    model = full.json;
    ck_assert_int_eq((int)count_at(model, "/standardization/y_sd"), 2);
    ck_assert_int_eq((int)count_at(model, "/weights/alpha/0"), 2);
    ck_assert_int_eq((int)count_at(model, "/mean/value"), 2);
    ck_status(send_json("PUT", "/v1/models/mine", model), 201);
    ck_assert_str_eq(prediction("mine"), prediction(id)); /* to the last bit */
    struct answer again = get("/v1/models/mine?weights=true");
    ck_assert(json_equal(at(again.json, "/weights"), at(model, "/weights")));
    json_t *said = json_of("%s", prediction(id));
    ck_assert_int_eq((int)count_at(said, "/mean/1"), 2);
    ck_assert_int_eq((int)count_at(said, "/variance/1"), 2);
    ck_assert_int_eq((int)count_at(said, "/quantiles/1"), 4);
    struct answer csv = in_csv(id, "?quantiles=0.05");
    ck_status(csv, 200);
    ck_assert_str_eq(text("%.*s", (int)strcspn(csv.body, "\n"), csv.body),
                     "mean_y1,mean_y2,variance_y1,variance_y2,q0.05_y1,q0.05_y2");
    csv = in_csv(id, "?target=y2&gradient=true");
    ck_status(csv, 200);
    ck_assert_str_eq(text("%.*s", (int)strcspn(csv.body, "\n"), csv.body),
                     "mean,variance,gradient_x1,gradient_x2");
    is_problem(in_csv(id, "?gradient=true"), 422, "invalid", "/gradient", "of which target?");
    is_problem(in_csv(id, "?target=y3"), 422, "invalid", "/target", "no such target");
}
END_TEST

DAEMON_SUITE("targets", data_sets_say_what_they_have, gradients_are_means, a_job_leaves_a_model_of_all)
