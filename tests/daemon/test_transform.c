/* The logarithm of the target through the service: jobs, models, predictions in JSON and CSV, refusals. */
#include "daemon_jobs.h"

#include <math.h>

enum { N = 40 };

/* wave(N, 2) with e^y - 1 as the target. */
static json_t *positive(void)
{
    json_t *data = wave(N, 2, 31), *y = json_array();
    for (int i = 0; i < N; i++)
        json_array_append_new(y, json_real(expm1(number_at(data, text("/y/%d", i)))));
    json_object_set_new(data, "y", y);
    return data;
}

static json_t *job(const char *dataset, const char *transform)
{
    return with(job_on(dataset), "/model",
                text("{'kernel': {'type': 'rbf'}, 'target_transform': %s}", transform));
}

#define LOG "{'type': 'log', 'shift': 1}"

START_TEST(predictions_are_of_the_target)
{
    ck_status(send_json("PUT", "/v1/datasets/positive", positive()), 201);
    const char *id = submit(job("positive", LOG));
    json_t *done = succeeded(id), *model = get(text("/v1/models/%s?weights=true", id)).json;
    ck_assert_double_eq(number_at(done, "/request/model/target_transform/shift"), 1);
    ck_assert_str_eq(text_at(model, "/target_transform/type"), "log");
    ck_assert(isfinite(number_at(done, "/result/metrics/test/crps")));
    const char *path = text("/v1/models/%s/predict", id);
    json_t *points = json_of(
        "{'x': [[0.3, 0.4], [0.7, 0.1]], 'quantiles': [0.1586552539314571, 0.5, 0.8413447460685429]}");
    struct answer answer = send_json("POST", path, points);
    ck_status(answer, 200);
    for (int i = 0; i < 2; i++) { /* lognormal: the deviation of the logarithm from two quantiles */
        const double low = log1p(number_at(answer.json, text("/quantiles/%d/0", i))),
                     middle = log1p(number_at(answer.json, text("/quantiles/%d/1", i))),
                     high = log1p(number_at(answer.json, text("/quantiles/%d/2", i))), sd = (high - low) / 2;
        ck_assert_double_eq_tol(high - middle, middle - low, 1e-8);
        ck_assert_double_eq_tol(number_at(answer.json, text("/mean/%d", i)), expm1(middle + sd * sd / 2),
                                1e-6);
        ck_assert_double_eq_tol(number_at(answer.json, text("/variance/%d", i)),
                                exp(2 * middle + sd * sd) * expm1(sd * sd), 1e-6);
    }
    struct answer csv = send_text("POST", text("%s?quantiles=0.5", path), "text/csv", "0.3,0.4\n0.7,0.1\n");
    double mean, variance, median;
    ck_status(csv, 200);
    ck_assert_int_eq(sscanf(csv.body, "mean,variance,q0.5 %lf,%lf,%lf", &mean, &variance, &median), 3);
    ck_assert(mean == number_at(answer.json, "/mean/0") &&
              variance == number_at(answer.json, "/variance/0") &&
              median == number_at(answer.json, "/quantiles/0/1"));
    ck_status(send_json("PUT", "/v1/models/copy", model), 201);
    ck_assert_str_eq(send_json("POST", "/v1/models/copy/predict", points).body, answer.body);
    struct answer slope = send_json("POST", path, json_of("{'x': [[1, 2]], 'gradient': true}"));
    ck_assert_int_eq((int)count_at(slope.json, "/gradient/0"), 2);
}
END_TEST

START_TEST(refused)
{
    ck_status(send_json("PUT", "/v1/datasets/positive-2", positive()), 201);
    is_problem(send_json("POST", JOBS, job("positive-2", "{'type': 'log', 'shift': -0.5}")), 422, "invalid",
               "/model/target_transform", "a target below the shift");
    is_problem(send_json("POST", JOBS, job("positive-2", "{'type': 'root'}")), 422, "invalid",
               "/model/target_transform/type", "another transform");
    const char *id = submit(job("positive-2", LOG));
    succeeded(id);
    is_problem(send_json("POST", JOBS, with(job_on("positive-2"), "/warm_start", text("{'job': '%s'}", id))),
               422, "invalid", "/warm_start", "a start in other units");
    succeeded(submit(with(job("positive-2", LOG), "/warm_start", text("{'job': '%s'}", id))));
}
END_TEST

DAEMON_SUITE("target transform", predictions_are_of_the_target, refused)
