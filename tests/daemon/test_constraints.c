/* Constraints of jobs over HTTP: what is refused, what events and results say, and that they are met. */
#include "daemon_streams.h"

static json_t *constrained_job(const char *constraints)
{
    json_t *job = with(with(job_on("small"), "/objective/loss", "'mse'"), "/optimizer",
                       "{'type': 'adam', 'max_evaluations': 40}");
    return constraints ? with(job, "/constraints", constraints) : job;
}

START_TEST(met)
{
    store("small", 60, 2);
    json_t *request = constrained_job("[{'type': 'calibration'}, {'type': 'linear', 'coefficients': "
                                      "{'kernel.lengthscale': 1}, 'value': -1}]");
    const char *id = submit(request);
    json_t *job = succeeded(id), *r = at(job, "/result"), *event, *last = NULL;
    size_t i, steps = 0;
    /* the effective request, with what was left out */
    ck_assert_double_eq(number_at(job, "/request/constraints/0/target"), 1);
    ck_assert_double_eq(number_at(job, "/request/projection/gamma"), 1);
    ck_assert_double_eq(number_at(job, "/request/projection/tolerance"), 1e-4);
    MEMBERS(r, "stop", "stop_detail", "best_loss", "parameters", "constraints", "constraint_violation",
            "metrics", "evaluations", "seconds", "model");
    MEMBERS(at(r, "/constraints"), "calibration", "linear");
    ck_assert_double_le(number_at(r, "/constraint_violation"), 1e-4);
    ck_assert_double_le(fabs(number_at(r, "/parameters/1/value") - exp(-1)), 1e-4);
    json_t *events = sse_events(ask("GET", text(JOBS "/%s/events", id), NULL, 0, NULL).body);
    json_array_foreach(events, i, event)
    {
        if (strcmp(text_at(event, "/event"), "step") != 0)
            continue;
        last = at(event, "/data");
        MEMBERS(last, "evaluation", "iteration", "restart", "loss", "best_loss", "gradient_norm",
                "constraints", "constraint_violation", "parameters", "solver", "seconds");
        const double calibration = number_at(last, "/constraints/calibration"),
                     linear = number_at(last, "/constraints/linear");
        ck_assert_double_eq(number_at(last, "/constraint_violation"), fmax(fabs(calibration), fabs(linear)));
        steps++;
    }
    ck_assert_double_eq((double)steps, number_at(r, "/evaluations"));
    ck_assert_double_eq(number_at(job, "/progress/constraint_violation"),
                        number_at(last, "/constraint_violation"));
    ck_assert_double_eq(number_at(get(text("/v1/models/%s", id)).json, "/request/constraints/1/value"), -1);
}
END_TEST

START_TEST(none)
{
    store("small", 60, 2);
    json_t *job = succeeded(submit(constrained_job("[]")));
    ck_assert_ptr_null(find(job, "/request/constraints"));
    ck_assert_ptr_null(find(job, "/request/projection"));
    ck_assert_ptr_null(find(job, "/result/constraint_violation"));
    ck_assert_ptr_null(find(job, "/progress/constraint_violation"));
}
END_TEST

START_TEST(not_met)
{
    store("small", 60, 2);
    const char *id = submit(
        with(constrained_job("[{'type': 'linear', 'coefficients': {'noise.variance': 1}, 'value': -4}]"),
             "/model/noise", "{'variance': {'value': 0.1, 'bounds': [0.05, 0.2]}}"));
    json_t *job = succeeded(id);
    ck_assert_double_gt(number_at(job, "/result/constraint_violation"), 0.5);
    ck_assert_ptr_nonnull(strstr(text_at(job, "/result/stop_detail"), "no point met the constraints"));
    ck_assert_ptr_nonnull(
        strstr(ask("GET", text(JOBS "/%s/events", id), NULL, 0, NULL).body, "constraints-not-met"));
}
END_TEST

static const struct {
    const char *place, *value, *pointer;
} refusals[] = {
    {"/constraints", "{}", "/constraints"},
    {"/constraints", "[{}]", "/constraints/0/type"},
    {"/constraints", "[{'type': 'bias'}, {'type': 'symmetry'}]", "/constraints/1/type"},
    {"/constraints", "[{'type': 'bias', 'target': 1}]", "/constraints/0/target"},
    {"/constraints", "[{'type': 'calibration', 'target': 0}]", "/constraints/0/target"},
    {"/constraints", "[{'type': 'calibration'}, {'type': 'calibration', 'target': 2}]",
     "/constraints/1/type"},
    {"/constraints", "[{'type': 'linear'}]", "/constraints/0/coefficients"},
    {"/constraints", "[{'type': 'linear', 'coefficients': {}}]", "/constraints/0/coefficients"},
    {"/constraints", "[{'type': 'linear', 'coefficients': {'kernel.variance': null}}]",
     "/constraints/0/coefficients/kernel.variance"},
    {"/constraints", "[{'type': 'linear', 'coefficients': {'a/b': 1}}]", "/constraints/0/coefficients/a~1b"},
    {"/constraints",
     "[{'type': 'bias'}, {'type': 'calibration'}, {'type': 'variance_budget'}, "
     "{'type': 'linear', 'coefficients': {'noise.variance': 1}}]",
     "/constraints"},
    {"/optimizer", "{'type': 'lbfgs'}", "/optimizer/type"},
    {"/optimizer", NULL, "/optimizer/type"}, /* the default searches */
    {"/projection", "{'gamma': 0}", "/projection/gamma"},
    {"/projection", "{'gama': 1}", "/projection/gama"},
};

START_TEST(refused)
{
    store("small", 60, 2);
    json_t *base = constrained_job("[{'type': 'calibration'}]");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char *what = text("%s = %s", refusals[i].place, refusals[i].value ? refusals[i].value : "nothing");
        is_problem(send_json("POST", JOBS, with(base, refusals[i].place, refusals[i].value)), 422, "invalid",
                   refusals[i].pointer, what);
    }
    is_problem(send_json("POST", JOBS, with(constrained_job(NULL), "/projection", "{}")), 422, "invalid",
               "/projection", "a projection of nothing");
    is_problem(send_json("POST", "/v1/gradients",
                         with(with(base, "/optimizer", NULL), "/constraints", "[{'type': 'bias'}]")),
               422, "invalid", "/constraints", "a gradient");
}
END_TEST

DAEMON_SUITE("constraints", met, none, not_met, refused)
