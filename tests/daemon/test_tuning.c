/* How jobs are set up and judged: recipes, restarts, priors, calibration, warm starts. */
#include "daemon_streams.h"

static json_t *recipe_job(const char *recipe)
{
    return json_of(
        "{'dataset': 'small', 'model': {'kernel': {'type': 'matern52', 'ard': true}}, 'recipe': '%s', "
        "'test': {'rows': [0, 7, 11]}, 'optimizer': {'type': 'lbfgs', 'max_evaluations': 30}}",
        recipe);
}

/* The events of a finished job, a line of JSON each. */
static json_t *lines_of(const char *id)
{
    json_t *all = keep_json(json_array());
    for (char *line = events_of(id, "Accept: application/x-ndjson").body; line && *line;) {
        char *end = strchr(line, '\n');
        const size_t length = end ? (size_t)(end - line) : strlen(line);
        json_array_append_new(all, json_loadb(line, length, 0, NULL));
        line += length + (end != NULL);
    }
    return all;
}

START_TEST(a_recipe_is_a_request_filled_in)
{
    store("small", 60, 2);
    json_t *job = succeeded(submit(recipe_job("predictive")));
    ck_assert_str_eq(text_at(job, "/request/recipe"), "predictive");
    ck_assert_str_eq(text_at(job, "/request/objective/loss"), "nlpd");
    ck_assert_str_eq(text_at(job, "/request/objective/validation/type"), "kfold");
    ck_assert_str_eq(text_at(job, "/request/objective/calibrate"), "none");
    ck_assert_double_eq(number_at(job, "/request/restarts/count"), 2);
    json_t *lines = lines_of(text_at(job, "/id"));
    int first = 0, second = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *line = json_array_get(lines, i);
        if (strcmp(text_at(line, "/event"), "step") != 0)
            continue;
        const int restart = (int)number_at(line, "/data/restart");
        ck_assert(restart == 1 || restart == 2);
        first += restart == 1;
        second += restart == 2;
        ck_assert(restart == 2 || second == 0);
    }
    ck_assert_int_ge(first, 1);
    ck_assert_int_ge(second, 1);
    ck_assert_double_eq(number_at(job, "/result/evaluations"), first + second);
    ck_assert_int_le(first + second, 30);
    ck_assert(number_at(job, "/result/restart") >= 1 && number_at(job, "/result/restart") <= 2);
    /* the effective request does the same without the recipe's name */
    json_t *again = succeeded(submit(with(at(job, "/request"), "/recipe", NULL)));
    ck_assert_int_eq(json_equal(at(again, "/result/parameters"), at(job, "/result/parameters")), 1);
}
END_TEST

START_TEST(gradients_take_recipes)
{
    store("small", 60, 2);
    json_t *request = with(with(recipe_job("robust"), "/optimizer", NULL), "/test", NULL);
    struct answer answer = send_json("POST", "/v1/gradients", request);
    ck_status(answer, 200);
    ck_assert_str_eq(text_at(answer.json, "/request/objective/loss"), "crps");
    is_problem(send_json("POST", "/v1/gradients", with(request, "/recipe", NULL)), 422, "invalid",
               "/objective", "neither recipe nor loss");
    is_problem(send_json("POST", "/v1/gradients", with(request, "/recipe", "'best'")), 422, "invalid",
               "/recipe", "an unknown recipe");
}
END_TEST

START_TEST(priors_and_calibration_show_in_the_result)
{
    store("small", 60, 2);
    json_t *request =
        with(job_on("small"), "/model/noise",
             "{'variance': {'value': 0.1, 'prior': {'type': 'gamma', 'shape': 2, 'rate': 10}}}");
    json_t *job = succeeded(submit(with(request, "/objective/calibrate", "'leave_one_out'")));
    ck_assert_double_gt(number_at(job, "/result/calibration"), 0);
    ck_assert(json_is_number(at(job, "/result/penalty")));
    ck_assert_str_eq(text_at(job, "/request/model/noise/variance/prior/type"), "gamma");
    struct answer model = get(text("/v1/models/%s", text_at(job, "/id")));
    ck_status(model, 200);
    ck_assert_int_eq(json_equal(at(model.json, "/parameters"), at(job, "/result/parameters")), 1);
    is_problem(send_json("POST", JOBS,
                         with(request, "/model/noise/variance/prior",
                              "{'type': 'uniform', 'lower': 0.2, 'upper': 1}")),
               422, "invalid", "/model/noise/variance", "a start outside of its prior");
    job = succeeded(submit(job_on("small")));
    ck_assert_ptr_null(find(job, "/result/penalty"));
    ck_assert_ptr_null(find(job, "/result/calibration"));
    ck_assert_ptr_null(find(job, "/result/restart"));
}
END_TEST

static const char *warm(const char *id)
{
    return text("{'job': '%s'}", id);
}

START_TEST(a_warm_start_needs_its_job_once)
{
    store("small", 60, 2);
    json_t *one = succeeded(submit(job_on("small")));
    const char *id = text_at(one, "/id");
    json_t *request = with(job_on("small"), "/warm_start", warm(id));
    json_t *two = succeeded(submit(request));
    ck_assert_str_eq(text_at(two, "/request/warm_start/job"), id);
    json_t *parameters = at(one, "/result/parameters");
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        json_t *parameter = json_array_get(parameters, i);
        ck_assert_double_eq(
            number_at(two, text("/request/warm_start/parameters/%s", text_at(parameter, "/name"))),
            number_at(parameter, "/value"));
    }
    ck_assert_double_le(number_at(two, "/result/best_loss"), number_at(one, "/result/best_loss"));
    /* with its values beside it the request does not ask for the job any more */
    ck_status(ask("DELETE", text(JOBS "/%s", id), NULL, 0, NULL), 204);
    is_problem(send_json("POST", JOBS, request), 422, "invalid", "/warm_start/job", "a job that is gone");
    json_t *again = succeeded(submit(at(two, "/request")));
    ck_assert_int_eq(json_equal(at(again, "/result/parameters"), at(two, "/result/parameters")), 1);
}
END_TEST

START_TEST(warm_starts_that_are_refused)
{
    store("small", 60, 2);
    store("large", 900, 2);
    const char *id = text_at(succeeded(submit(job_on("small"))), "/id"),
               *running = submit(long_job_on("large"));
    json_t *request = job_on("small");
    is_problem(send_json("POST", JOBS, with(request, "/warm_start", warm(running))), 422, "invalid",
               "/warm_start/job", "a job that runs");
    cancel(running);
    finished(running);
    is_problem(send_json("POST", JOBS, with(request, "/warm_start", warm(running))), 422, "invalid",
               "/warm_start/job", "a cancelled job");
    is_problem(send_json("POST", JOBS, with(request, "/warm_start", "{'job': 'none'}")), 422, "invalid",
               "/warm_start/job", "no job");
    is_problem(send_json("POST", JOBS, with(request, "/warm_start", "{}")), 422, "invalid", "/warm_start",
               "nothing");
    is_problem(send_json("POST", JOBS,
                         with(with(request, "/warm_start", warm(id)), "/model/kernel",
                              "{'type': 'rbf', 'ard': true}")),
               422, "invalid", "/warm_start/job", "another kernel");
    is_problem(send_json("POST", JOBS,
                         with(with(request, "/warm_start", warm(id)), "/model/standardize",
                              "{'x': true, 'y': false}")),
               422, "invalid", "/warm_start", "other units");
}
END_TEST

START_TEST(capabilities_list_them)
{
    static const char *const families[] = {"priors", "schedules", "recipes", "calibrations"};
    struct answer answer = get("/v1/capabilities");
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_ge(count_at(answer.json, text("/%s", families[i])), 2);
        ck_assert(json_is_string(at(answer.json, text("/%s/0/doc", families[i]))));
    }
    ck_assert_str_eq(text_at(answer.json, "/priors/1/type"), "lognormal");
    ck_assert_str_eq(text_at(answer.json, "/recipes/0/type"), "evidence");
}
END_TEST

DAEMON_SUITE("tuning", a_recipe_is_a_request_filled_in, gradients_take_recipes,
             priors_and_calibration_show_in_the_result, a_warm_start_needs_its_job_once,
             warm_starts_that_are_refused, capabilities_list_them)
