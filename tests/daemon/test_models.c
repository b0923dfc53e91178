/* Models: what a job leaves, and what it predicts. */
#include "daemon_jobs.h"

#define Z95 1.959963984540054

/* A tuned model of wave(60, 2): its job's id, which is its name. */
static const char *tuned(void)
{
    store("waves", 60, 2);
    const char *id = submit(job_on("waves"));
    succeeded(id);
    return id;
}

static struct answer predict(const char *name, json_t *request)
{
    return send_json("POST", text("/v1/models/%s/predict", name), request);
}

static json_t *predicted(const char *name, json_t *request)
{
    struct answer answer = predict(name, request);
    ck_status(answer, 200);
    return answer.json;
}

START_TEST(document)
{
    const char *id = tuned();
    struct answer model = get(text("/v1/models/%s", id)), data = get("/v1/datasets/waves");
    json_t *job = job_now(id);
    ck_status(model, 200);
    MEMBERS(model.json, "name", "created_at", "format", "version", "created_by", "dataset", "kernel", "mean",
            "noise", "target_transform", "standardize", "approximation", "parameters", "standardization",
            "loss", "metrics", "solver", "request");
    MEMBERS(at(model.json, "/dataset"), "name", "sha256", "rows", "feature_names", "target_name");
    MEMBERS(at(model.json, "/standardization"), "x_mean", "x_sd", "y_mean", "y_sd");
    ck_assert_str_eq(text_at(model.json, "/name"), id);
    ck_assert_str_eq(text_at(model.json, "/dataset/name"), "waves");
    ck_assert_str_eq(text_at(model.json, "/dataset/sha256"), text_at(data.json, "/sha256"));
    ck_assert_int_eq((int)number_at(model.json, "/dataset/rows"), 48); /* all but the test rows */
    ck_assert(json_equal(at(model.json, "/parameters"), at(job, "/result/parameters")));
    ck_assert(json_equal(at(model.json, "/metrics"), at(job, "/result/metrics")));
    ck_assert(json_equal(at(model.json, "/loss"), at(job, "/result/best_loss")));
    ck_assert(json_equal(at(model.json, "/request"), at(job, "/request")));
    ck_assert_double_eq(number_at(model.json, "/kernel/variance"),
                        number_at(job, "/result/parameters/0/value"));
    ck_assert_double_eq(number_at(model.json, "/noise/variance"),
                        number_at(job, "/result/parameters/2/value"));
    struct answer plain = get(text("/v1/models/%s?weights=false", id)),
                  full = get(text("/v1/models/%s?weights=true", id));
    ck_assert_str_eq(plain.body, model.body);
    ck_status(full, 200);
    MEMBERS(at(full.json, "/weights"), "x", "alpha");
    ck_assert_uint_eq(count_at(full.json, "/weights/x"), 48);
    ck_assert_uint_eq(count_at(full.json, "/weights/x/0"), 2);
    ck_assert_uint_eq(count_at(full.json, "/weights/alpha"), 48);
    json_t *rest = keep_json(json_deep_copy(full.json));
    json_object_del(rest, "weights");
    ck_assert(json_equal(rest, model.json));
    is_problem(get(text("/v1/models/%s?weights=yes", id)), 422, "invalid", "/weights", "weights=yes");
}
END_TEST

START_TEST(list_and_delete)
{
    const char *ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = tuned();
    struct answer list = get("/v1/models?page_size=2");
    ck_assert_uint_eq(count_at(list.json, "/models"), 2);
    MEMBERS(at(list.json, "/models/0"), "name", "created_at", "dataset", "loss");
    ck_assert_str_eq(text_at(list.json, "/models/0/name"), ids[2]);
    ck_assert_str_eq(text_at(list.json, "/models/1/name"), ids[1]);
    list = get(text("/v1/models?page_size=2&page_token=%s", text_at(list.json, "/next_page_token")));
    ck_assert_str_eq(text_at(list.json, "/models/0/name"), ids[0]);
    const int before = entries("models");
    ck_status(ask("DELETE", text("/v1/models/%s", ids[0]), NULL, 0, NULL), 204);
    ck_assert_int_eq(entries("models"), before - 1);
    is_problem(ask("DELETE", text("/v1/models/%s", ids[0]), NULL, 0, NULL), 404, "not-found", NULL,
               "a second time");
    is_problem(get(text("/v1/models/%s", ids[0])), 404, "not-found", NULL, "a deleted model");
    is_problem(get(text("/v1/models/%s?weights=true", ids[0])), 404, "not-found", NULL, "its weights");
    is_problem(predict(ids[0], json_of("{'x': [[1, 2]]}")), 404, "not-found", NULL, "its predictions");
    is_problem(predict("unknown", json_of("{'x': [[1, 2]]}")), 404, "not-found", NULL, "an unknown model");
    ck_status(get(text("/v1/jobs/%s", ids[0])), 200); /* the job stays */
    ck_status(ask("DELETE", "/v1/datasets/waves", NULL, 0, NULL), 204);
    predicted(ids[1], json_of("{'x': [[0.5, 0.5]]}")); /* a model does not need its data set */
}
END_TEST

START_TEST(predictions)
{
    const char *id = tuned();
    json_t *x =
        json_of("{'x': [[0.1, 0.2], [0.5, 0.5], [30, -40], [0.9, 0.1]], 'quantiles': [0.025, 0.5, 0.975]}");
    json_t *noisy = predicted(id, x), *model = get(text("/v1/models/%s", id)).json;
    MEMBERS(noisy, "mean", "variance", "quantiles");
    ck_assert_uint_eq(count_at(noisy, "/mean"), 4);
    ck_assert_uint_eq(count_at(noisy, "/variance"), 4);
    ck_assert_uint_eq(count_at(noisy, "/quantiles"), 4);
    ck_assert_uint_eq(count_at(noisy, "/quantiles/0"), 3);
    json_t *smooth = predicted(id, with(x, "/observation_noise", "false"));
    const double noise = number_at(model, "/parameters/2/data_value"),
                 prior = number_at(model, "/parameters/0/data_value");
    for (int i = 0; i < 4; i++) {
        const double mean = number_at(noisy, text("/mean/%d", i)),
                     variance = number_at(noisy, text("/variance/%d", i)), sd = sqrt(variance);
        ck_assert_double_eq_tol(number_at(noisy, text("/quantiles/%d/0", i)), mean - Z95 * sd, 1e-9 * sd);
        ck_assert_double_eq_tol(number_at(noisy, text("/quantiles/%d/1", i)), mean, 1e-9 * sd);
        ck_assert_double_eq_tol(number_at(noisy, text("/quantiles/%d/2", i)), mean + Z95 * sd, 1e-9 * sd);
        ck_assert_double_eq(number_at(smooth, text("/mean/%d", i)), mean);
        ck_assert_double_eq_tol(variance - number_at(smooth, text("/variance/%d", i)), noise,
                                1e-12 + 1e-9 * noise);
    }
    /* Far away there is nothing but the prior. */
    ck_assert_double_eq_tol(number_at(noisy, "/mean/2"), number_at(model, "/standardization/y_mean"), 1e-9);
    ck_assert_double_eq_tol(number_at(smooth, "/variance/2"), prior, 1e-9 * prior);
    json_t *cheap = predicted(id, json_of("{'x': [[0.1, 0.2]], 'variance': false}"));
    MEMBERS(cheap, "mean");
    ck_assert_double_eq_tol(number_at(cheap, "/mean/0"), number_at(noisy, "/mean/0"), 1e-12);
    json_t *levels = predicted(id, json_of("{'x': [[0.1, 0.2]], 'variance': false, 'quantiles': [0.9]}"));
    MEMBERS(levels, "mean", "quantiles");
    ck_assert_double_gt(number_at(levels, "/quantiles/0/0"), number_at(levels, "/mean/0"));
}
END_TEST

START_TEST(joint_predictions)
{
    const char *id = tuned();
    json_t *reply = predicted(id, json_of("{'x': [[0.1, 0.2], [0.15, 0.25], [0.9, 0.1]], 'covariance': true, "
                                          "'gradient': true, 'observation_noise': false}"));
    MEMBERS(reply, "mean", "variance", "covariance", "gradient");
    ck_assert_uint_eq(count_at(reply, "/covariance"), 3);
    ck_assert_uint_eq(count_at(reply, "/covariance/2"), 3);
    ck_assert_uint_eq(count_at(reply, "/gradient"), 3);
    ck_assert_uint_eq(count_at(reply, "/gradient/0"), 2);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq(number_at(reply, text("/covariance/%d/%d", i, i)),
                            number_at(reply, text("/variance/%d", i)));
        for (int j = 0; j < i; j++)
            ck_assert_double_eq(number_at(reply, text("/covariance/%d/%d", i, j)),
                                number_at(reply, text("/covariance/%d/%d", j, i)));
    }
    /* Along the gradient the mean rises as it says. */
    json_t *there = predicted(id, json_of("{'x': [[0.1001, 0.2], [0.1, 0.2001]], 'variance': false}"));
    for (int k = 0; k < 2; k++)
        ck_assert_double_eq_tol(number_at(there, text("/mean/%d", k)) - number_at(reply, "/mean/0"),
                                1e-4 * number_at(reply, text("/gradient/0/%d", k)), 1e-6);
    json_t *drawn = predicted(id, json_of("{'x': [[0.1, 0.2], [0.3, 0.4]], 'variance': false, 'samples': "
                                          "{'count': 3, 'seed': 9}}"));
    MEMBERS(drawn, "mean", "samples", "samples_method", "samples_reason", "samples_jitter");
    ck_assert_uint_eq(count_at(drawn, "/samples"), 3);
    ck_assert_uint_eq(count_at(drawn, "/samples/0"), 2);
    ck_assert_str_eq(text_at(drawn, "/samples_method"), "exact");
    drawn =
        predicted(id, json_of("{'x': [[0.1, 0.2], [0.3, 0.4]], 'variance': false, 'samples': {'count': 3, "
                              "'method': 'pathwise', 'features': 128}}"));
    MEMBERS(drawn, "mean", "samples", "samples_method", "samples_reason");
    ck_assert_str_eq(text_at(drawn, "/samples_method"), "pathwise");
    json_t *many = json_of("{'x': [], 'covariance': true}");
    for (int i = 0; i < 2001; i++)
        json_array_append_new(at(many, "/x"), json_pack("[f, i]", 0.001 * i, 1));
    is_problem(predict(id, many), 422, "invalid", "/covariance", "2001 points");
}
END_TEST

/* A model of other units predicts the same in those units. */
START_TEST(units)
{
    json_t *data = wave(40, 2, 5), *scaled = keep_json(json_deep_copy(data)), *row;
    size_t i;
    json_array_foreach(at(scaled, "/x"), i, row)
    {
        json_array_set_new(row, 0, json_real(1000 * number_at(row, "/0") + 5));
        json_array_set_new(at(scaled, "/y"), i, json_real(-30 * number_at(data, text("/y/%zu", i)) + 7));
    }
    ck_status(send_json("PUT", "/v1/datasets/plain", data), 201);
    ck_status(send_json("PUT", "/v1/datasets/scaled", scaled), 201);
    json_t *one = with(job_on("plain"), "/optimizer/max_evaluations", "0"),
           *two = with(one, "/dataset", "'scaled'");
    const char *first = submit(one), *second = submit(two);
    succeeded(first);
    succeeded(second);
    json_t *p = predicted(first, json_of("{'x': [[0.3, 0.4]]}")),
           *q = predicted(second, json_of("{'x': [[305, 0.4]]}"));
    ck_assert_double_eq_tol(number_at(q, "/mean/0"), -30 * number_at(p, "/mean/0") + 7, 1e-8);
    ck_assert_double_eq_tol(number_at(q, "/variance/0"), 900 * number_at(p, "/variance/0"), 1e-7);
}
END_TEST

static const struct refused {
    const char *body;
    int status;
    const char *slug, *pointer;
} refusals[] = {
    {"{}", 422, "invalid", "/x"},
    {"[]", 422, "invalid", ""},
    {"", 400, "malformed", NULL},
    {"{\"x\": [[1, 2]]", 400, "malformed", NULL},
    {"{\"x\": []}", 422, "invalid", "/x"},
    {"{\"x\": [[]]}", 422, "invalid", NULL},
    {"{\"x\": [1, 2]}", 422, "invalid", "/x/0"},
    {"{\"x\": [[1]]}", 422, "invalid", "/x"},
    {"{\"x\": [[1, 2, 3]]}", 422, "invalid", "/x"},
    {"{\"x\": [[1, 2], [1]]}", 422, "invalid", "/x/1"},
    {"{\"x\": [[1, \"2\"]]}", 422, "invalid", "/x/0/1"},
    {"{\"x\": [[1, null]]}", 422, "invalid", "/x/0/1"},
    {"{\"x\": [[1, 2]], \"quantiles\": [0]}", 422, "invalid", "/quantiles/0"},
    {"{\"x\": [[1, 2]], \"quantiles\": [0.5, 1]}", 422, "invalid", "/quantiles/1"},
    {"{\"x\": [[1, 2]], \"quantiles\": 0.5}", 422, "invalid", "/quantiles"},
    {"{\"x\": [[1, 2]], \"variance\": 1}", 422, "invalid", "/variance"},
    {"{\"x\": [[1, 2]], \"observation_noise\": \"no\"}", 422, "invalid", "/observation_noise"},
    {"{\"x\": [[1, 2]], \"covariance\": \"full\"}", 422, "invalid", "/covariance"},
    {"{\"x\": [[1, 2]], \"samples\": {\"count\": 0}}", 422, "invalid", "/samples/count"},
    {"{\"x\": [[1, 2]], \"gradient\": []}", 422, "invalid", "/gradient"},
    {"{\"x\": [[1, 2]], \"colour\": 1}", 422, "invalid", "/colour"},
};

START_TEST(refused)
{
    const char *id = tuned();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refused *r = &refusals[i];
        struct answer answer =
            send_text("POST", text("/v1/models/%s/predict", id), "application/json", r->body);
        is_problem(answer, r->status, r->slug, r->pointer, r->body);
    }
    struct answer type = send_text("POST", text("/v1/models/%s/predict", id), "text/plain", "1,2");
    is_problem(type, 415, "unsupported-media-type", NULL, "text/plain");
    predicted(id, json_of("{'x': [[1, 2]]}"));
}
END_TEST

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* The document with its weights predicts anywhere, and the same. */
START_TEST(command_line)
{
    const char *id = tuned(), *model = text("%s/model.json", the_daemon.directory),
               *points = text("%s/points.csv", the_daemon.directory);
    write_file(model, get(text("/v1/models/%s?weights=true", id)).body);
    write_file(points, "x1,x2\n0.1,0.2\n0.5,0.5\n0.9,0.125\n");
    json_t *served =
        predicted(id, json_of("{'x': [[0.1, 0.2], [0.5, 0.5], [0.9, 0.125]], 'quantiles': [0.05, 0.95]}"));
    struct command command = KRIGED("predict", model, "--data", points, "--quantiles", "0.05,0.95");
    ck_assert_msg(command.status == 0, "status %d: %s", command.status, command.err);
    json_t *here = json_of("%s", command.out);
    ck_assert_msg(json_equal(here, served), "%s\nwanted %s", command.out, dump(served));
    /* Columns are found by their names. */
    write_file(points, "x2,other,x1\n0.2,7,0.1\n");
    command = KRIGED("predict", model, "--data", points, "--no-variance");
    ck_assert_msg(command.status == 0, "status %d: %s", command.status, command.err);
    json_t *first = json_of("%s", command.out);
    MEMBERS(first, "mean");
    ck_assert_double_eq_tol(number_at(first, "/mean/0"), number_at(served, "/mean/0"), 1e-12);
    write_file(points, "x2,other,z\n0.2,7,0.1\n");
    command = KRIGED("predict", model, "--data", points);
    ck_assert_int_eq(command.status, 1);
    ck_assert_ptr_nonnull(strstr(command.err, "x1"));
    write_file(points, "x1,x2\n0.1,0.2\n");
    write_file(model, get(text("/v1/models/%s", id)).body); /* without its weights it cannot */
    command = KRIGED("predict", model, "--data", points);
    ck_assert_int_eq(command.status, 1);
    ck_assert_ptr_nonnull(strstr(command.err, "weights"));
}
END_TEST

DAEMON_SUITE("models", document, list_and_delete, predictions, joint_predictions, units, refused,
             command_line)
