/* Jobs: what they say of themselves, from 202 to their end. The queue is in test_queue.c, events in
 * test_events.c. */
#include "daemon_jobs.h"

#define JOB_MEMBERS                                                                                          \
    "id", "state", "created_at", "started_at", "finished_at", "attempt", "labels", "request", "progress",    \
        "result", "error", "links"
#define ALL_METRICS "rmse", "mae", "smse", "nlpd", "msll", "crps", "coverage_50", "coverage_90", "coverage_95"

START_TEST(accepted)
{
    store("small", 60, 2);
    struct answer made =
        send_json("POST", JOBS, with(job_on("small"), "/labels", "{'team': 'concrete', 'run': '1'}"));
    ck_status(made, 202);
    MEMBERS(made.json, JOB_MEMBERS);
    const char *id = text_at(made.json, "/id");
    ck_assert_int_eq((int)strlen(id), 26);
    ck_assert_str_eq(header_of(&made, "Location"), text("/v1/jobs/%s", id));
    ck_assert(json_equal(at(made.json, "/labels"), json_of("{'team': 'concrete', 'run': '1'}")));
    ck_assert_str_eq(text_at(made.json, "/links/self"), text("/v1/jobs/%s", id));
    ck_assert_str_eq(text_at(made.json, "/links/events"), text("/v1/jobs/%s/events", id));
    ck_assert(json_is_null(at(made.json, "/error")));
    ck_assert_str_eq(text_at(made.json, "/request/solver/type"), "auto");
    ck_assert_str_eq(text_at(made.json, "/request/objective/validation/type"), "fraction");
    ck_assert_double_eq(number_at(made.json, "/request/optimizer/gradient_tolerance"), 1e-5);
    succeeded(id);
}
END_TEST

START_TEST(result)
{
    store("small", 60, 2);
    const char *id = submit(job_on("small"));
    json_t *job = succeeded(id), *r = at(job, "/result");
    MEMBERS(job, JOB_MEMBERS);
    MEMBERS(r, "stop", "stop_detail", "best_loss", "parameters", "metrics", "evaluations", "seconds",
            "model");
    ck_assert_str_eq(text_at(r, "/model"), id);
    MEMBERS(at(r, "/metrics"), "initial", "validation", "test");
    MEMBERS(at(r, "/metrics/initial"), "validation", "test");
    static const char *const places[] = {"/metrics/initial/validation", "/metrics/initial/test",
                                         "/metrics/validation", "/metrics/test"};
    for (int i = 0; i < 4; i++)
        MEMBERS(at(r, places[i]), ALL_METRICS);
    ck_assert_double_gt(number_at(r, "/evaluations"), 0);
    ck_assert_double_le(number_at(r, "/evaluations"), 8);
    ck_assert_double_lt(number_at(r, "/metrics/validation/nlpd"),
                        number_at(r, "/metrics/initial/validation/nlpd"));
    ck_assert_int_eq((int)count_at(r, "/parameters"), 3);
    ck_assert_int_eq((int)number_at(job, "/attempt"), 1);
    ck_assert_str_eq(text_at(job, "/links/model"), text("/v1/models/%s", id));
    ck_assert_ptr_null(find(job, "/links/cancel"));
    ck_assert_int_le(strcmp(text_at(job, "/created_at"), text_at(job, "/started_at")), 0);
    ck_assert_int_le(strcmp(text_at(job, "/started_at"), text_at(job, "/finished_at")), 0);
    MEMBERS(at(job, "/progress"), "evaluation", "iteration", "loss", "best_loss", "gradient_norm", "seconds",
            "seconds_left");
    ck_assert_double_eq(number_at(job, "/progress/best_loss"), number_at(r, "/best_loss"));
    ck_assert_double_eq(number_at(job, "/progress/evaluation"), number_at(r, "/evaluations"));
}
END_TEST

/* The loss of the result is what a gradient says at its parameters, which is flat there when the run has
 * converged. */
START_TEST(result_is_the_gradients)
{
    store("small", 60, 2);
    json_t *request = with(job_on("small"), "/optimizer",
                           "{'type': 'lbfgs', 'max_evaluations': 200, 'gradient_tolerance': 1e-6}");
    json_t *job = succeeded(submit(request)), *r = at(job, "/result");
    json_t *asked = with(with(job_on("small"), "/optimizer", NULL), "/model/kernel/variance",
                         text("%.17g", number_at(r, "/parameters/0/value")));
    asked = with(asked, "/model/kernel/lengthscale", text("%.17g", number_at(r, "/parameters/1/value")));
    asked = with(asked, "/model/noise", text("{'variance': %.17g}", number_at(r, "/parameters/2/value")));
    struct answer there = send_json("POST", "/v1/gradients", asked);
    ck_status(there, 200);
    ck_assert_double_eq_tol(number_at(there.json, "/loss"), number_at(r, "/best_loss"), 1e-12);
    ck_assert(json_equal(at(there.json, "/metrics"), at(r, "/metrics/validation")));
    struct answer start = send_json("POST", "/v1/gradients", with(job_on("small"), "/optimizer", NULL));
    ck_assert(json_equal(at(start.json, "/metrics"), at(r, "/metrics/initial/validation")));
    ck_assert_str_eq(text_at(r, "/stop"), "gradient");
    for (int p = 0; p < 3; p++) {
        const double value = number_at(r, text("/parameters/%d/value", p));
        if (value > 1.01e-4)
            ck_assert_double_lt(fabs(value * number_at(there.json, text("/parameters/%d/gradient", p))),
                                1e-5);
    }
}
END_TEST

START_TEST(repeatable)
{
    store("small", 60, 2);
    static const char *const optimizers[] = {"{'type': 'lbfgs', 'max_evaluations': 20}",
                                             "{'type': 'adam', 'max_evaluations': 20}",
                                             "{'type': 'gradient_descent', 'max_evaluations': 20}"};
    for (int i = 0; i < 3; i++) {
        json_t *request = with(job_on("small"), "/optimizer", optimizers[i]);
        json_t *one = at(succeeded(submit(request)), "/result"),
               *other = at(succeeded(submit(request)), "/result");
        static const char *const same[] = {"/best_loss", "/parameters", "/metrics", "/evaluations", "/stop"};
        for (size_t k = 0; k < sizeof same / sizeof same[0]; k++)
            ck_assert_str_eq(dump(at(one, same[k])), dump(at(other, same[k])));
    }
}
END_TEST

START_TEST(score_only)
{
    store("small", 60, 2);
    json_t *request = with(job_on("small"), "/optimizer", "{'type': 'lbfgs', 'max_evaluations': 0}");
    const char *id = submit(request);
    json_t *r = at(succeeded(id), "/result");
    ck_assert_double_eq(number_at(r, "/parameters/1/value"), 1);
    ck_assert_double_eq(number_at(r, "/parameters/2/value"), 0.1);
    ck_assert(json_equal(at(r, "/metrics/initial/test"), at(r, "/metrics/test")));
    ck_assert_double_eq(number_at(r, "/metrics/validation/nlpd"),
                        number_at(r, "/metrics/initial/validation/nlpd"));
    ck_status(get(text("/v1/models/%s", id)), 200);
}
END_TEST

START_TEST(all_fixed)
{
    store("small", 60, 2);
    json_t *request = with(job_on("small"), "/model",
                           "{'kernel': {'type': 'rbf', 'variance': {'value': 2, 'fixed': true}, "
                           "'lengthscale': {'value': 0.5, 'fixed': true}},"
                           "'noise': {'variance': {'value': 0.05, 'fixed': true}}}");
    const char *id = submit(request);
    json_t *r = at(succeeded(id), "/result");
    ck_assert_double_eq(number_at(r, "/parameters/0/value"), 2);
    ck_assert_double_eq(number_at(r, "/parameters/1/value"), 0.5);
    ck_assert_double_eq(number_at(r, "/parameters/2/value"), 0.05);
    ck_assert_str_ne(text_at(r, "/stop_detail"), "");
    ck_assert(json_equal(at(r, "/metrics/initial/test"), at(r, "/metrics/test")));
    ck_status(get(text("/v1/models/%s", id)), 200);
    json_t *some = with(request, "/model/kernel/variance", "1");
    r = at(succeeded(submit(some)), "/result");
    ck_assert_double_ne(number_at(r, "/parameters/0/value"), 1);
    ck_assert_double_eq(number_at(r, "/parameters/1/value"), 0.5);
}
END_TEST

static const struct {
    const char *place, *value, *pointer;
} refusals[] = {
    {"/dataset", NULL, "/dataset"},
    {"/dataset", "7", "/dataset"},
    {"/objective", NULL, "/objective"},
    {"/objective/validation", "{'type': 'rows', 'rows': [0, 60]}", "/objective/validation/rows/1"},
    {"/test", "{'rows': [60]}", "/test/rows/0"},
    {"/model/kernel/lengthscale", "1e-3", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "[1, 2e4]", "/model/kernel/lengthscale/1"},
    {"/model/kernel/variance", "1e5", "/model/kernel/variance"},
    {"/model/kernel/lengthscale", "[1, 1, 1]", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bounds': [2, 3]}", "/model/kernel/lengthscale/value"},
    {"/model/noise", "{'variance': 1e-5}", "/model/noise/variance"},
    {"/model/noise", "{'variance': 0}", "/model/noise/variance"},
    {"/optimizer", "{'type': 'newton'}", "/optimizer/type"},
    {"/optimizer", "{'type': 'lbfgs', 'learning_rate': 1}", "/optimizer/learning_rate"},
    {"/optimizer", "{'type': 'adam', 'learning_rate': 0}", "/optimizer/learning_rate"},
    {"/optimizer", "{'type': 'lbfgs', 'max_evaluations': -1}", "/optimizer/max_evaluations"},
    {"/optimizer", "{'type': 'lbfgs', 'patience': 0}", "/optimizer/patience"},
    {"/labels", "{'team': 7}", "/labels/team"},
    {"/labels", "{'': 'x'}", "/labels"},
    {"/metrics", "'all'", "/metrics"},
    {"/solver", "{'type': 'cholesky', 'memory_bytes': 1}", "/solver/memory_bytes"},
};

START_TEST(refused)
{
    store("small", 60, 2);
    const char *before = get(JOBS).body;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char *what = text("%s = %s", refusals[i].place, refusals[i].value ? refusals[i].value : "nothing");
        is_problem(send_json("POST", JOBS, with(job_on("small"), refusals[i].place, refusals[i].value)), 422,
                   "invalid", refusals[i].pointer, what);
        ck_assert_msg(strcmp(get(JOBS).body, before) == 0, "a job was made by: %s", what);
    }
    is_problem(send_json("POST", JOBS, job_on("nowhere")), 404, "not-found", "/dataset",
               "an unknown data set");
    is_problem(send_text("POST", JOBS, "application/json", "{"), 400, "malformed", NULL, "broken");
    ck_assert_str_eq(get(JOBS).body, before);
    /* What lies outside the default bounds is right where bounds are given. */
    succeeded(
        submit(with(job_on("small"), "/model/kernel/lengthscale", "{'value': 5e-3, 'bounds': [1e-3, 10]}")));
}
END_TEST

/* A covariance that cannot be factorised at the start fails the job with its own type. */
START_TEST(failed)
{
    json_t *data = wave(30, 1, 33);
    for (int i = 0; i < 30; i++)
        data = with(data, text("/x/%d/0", i), text("%d", i % 10));
    ck_status(send_json("PUT", "/v1/datasets/repeated", data), 201);
    json_t *request = with(job_on("repeated"), "/model/noise", "{'variance': {'value': 0, 'fixed': true}}");
    request = with(with(request, "/solver", "{'type': 'cholesky'}"), "/objective/validation",
                   "{'type': 'rows', 'rows': [0, 1]}");
    const char *id = submit(with(request, "/test", NULL));
    json_t *job = finished(id);
    ck_assert_str_eq(text_at(job, "/state"), "failed");
    ck_assert(json_is_null(at(job, "/result")));
    ck_assert_str_eq(text_at(job, "/error/type"), "/problems/not-positive-definite");
    ck_assert_str_ne(text_at(job, "/error/title"), "");
    ck_assert_str_ne(text_at(job, "/error/detail"), "");
    ck_assert_int_eq((int)number_at(job, "/error/status"), 422);
    ck_assert_ptr_null(find(job, "/links/model"));
    is_problem(get(text("/v1/models/%s", id)), 404, "not-found", NULL, "its model");
    const char *events = events_of(id, NULL).body,
               *state = strstr(events, "event: state\ndata: {\"state\":\"failed\"}"),
               *done = strstr(events, "event: done\ndata: {\"state\":\"failed\"");
    ck_assert_msg(state && done && state < done, "%s", events);
    ck_assert_ptr_nonnull(strstr(done, "/problems/not-positive-definite"));
    ck_status(ask("DELETE", "/v1/datasets/repeated", NULL, 0, NULL), 204); /* nothing needs it any more */
}
END_TEST

START_TEST(deleted)
{
    store("small", 60, 2);
    const char *id = submit(job_on("small"));
    succeeded(id);
    struct answer gone = ask("DELETE", text(JOBS "/%s", id), NULL, 0, NULL);
    ck_status(gone, 204);
    is_problem(get(text(JOBS "/%s", id)), 404, "not-found", NULL, "the job");
    is_problem(get(text(JOBS "/%s/events", id)), 404, "not-found", NULL, "its events");
    is_problem(ask("DELETE", text(JOBS "/%s", id), NULL, 0, NULL), 404, "not-found", NULL, "again");
    ck_status(get(text("/v1/models/%s", id)), 200); /* its model stays */
    static const char *const none[] = {"01J00000000000000000000000", "x", "..%2f..", "%00"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct answer unknown = get(text(JOBS "/%s", none[i]));
        ck_assert_msg(unknown.status == 404 || unknown.status == 400, "%s: %ld", none[i], unknown.status);
    }
    is_problem(cancel(none[0]), 404, "not-found", NULL, "cancel");
}
END_TEST

DAEMON_SUITE("jobs", accepted, result, result_is_the_gradients, repeatable, score_only, all_fixed, refused,
             failed, deleted)
