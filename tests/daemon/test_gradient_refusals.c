/* POST /v1/gradients: every refusal says where and why, and the daemon goes on. */
#include "daemon_fixture.h"

static json_t *base(void)
{
    json_t *request = json_of("{'model': {'kernel': {'type': 'rbf', 'lengthscale': 0.7}, 'noise': "
                              "{'variance': 0.1}, 'mean': {'type':"
                              "'zero'}, 'standardize': {}}, 'objective': {'loss': 'nlpd', 'validation': "
                              "{'type': 'rows', 'rows': [1, 2]}},"
                              "'solver': {}}");
    json_object_set(request, "data", wave(20, 2, 3));
    return request;
}

/* The good request with one member set (NULL: taken away). */
static const struct refused {
    const char *where, *value;
    const char *pointer;
} refusals[] = {
    {"/model", NULL, "/model"},
    {"/model", "3", "/model"},
    {"/model/kernel", NULL, "/model/kernel"},
    {"/model/kernel", "'rbf'", "/model/kernel"},
    {"/model/kernel", "{}", "/model/kernel/type"},
    {"/model/kernel/type", "'rbg'", "/model/kernel/type"},
    {"/model/kernel/type", "7", "/model/kernel/type"},
    {"/model/kernel/lengthscales", "1", "/model/kernel/lengthscales"},
    {"/model/kernel/lengthscale", "-1", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "0", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "1e31", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "1e-31", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "'1'", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "[1, 2, 3]", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "[1]", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "[]", "/model/kernel/lengthscale"},
    {"/model/kernel/lengthscale", "[1, -2]", "/model/kernel/lengthscale/1"},
    {"/model/kernel/lengthscale", "{'value': -1}", "/model/kernel/lengthscale/value"},
    {"/model/kernel/lengthscale", "{'value': 1, 'fix': true}", "/model/kernel/lengthscale/fix"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bounds': [2, 3, 4]}", "/model/kernel/lengthscale/bounds"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bounds': [3, 2]}", "/model/kernel/lengthscale/bounds"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bounds': [-1, 2]}", "/model/kernel/lengthscale/bounds/0"},
    {"/model/kernel/variance", "0", "/model/kernel/variance"},
    {"/model/kernel/ard", "1", "/model/kernel/ard"},
    {"/model/kernel/period", "1", "/model/kernel/period"},
    {"/model/kernel/features", "['x1', 'x3']", "/model/kernel/features/1"},
    {"/model/kernel/features", "[0, 2]", "/model/kernel/features/1"},
    {"/model/kernel/features", "[1, 1]", "/model/kernel/features/1"},
    {"/model/kernel", "{'type': 'sum', 'kernels': []}", "/model/kernel/kernels"},
    {"/model/kernel", "{'type': 'sum'}", "/model/kernel/kernels"},
    {"/model/kernel", "{'type': 'sum', 'kernels': [{'type': 'rbf'}, {'type': 'x'}]}",
     "/model/kernel/kernels/1/type"},
    {"/model/noise/variance", "0", "/model/noise/variance"},
    {"/model/noise/variance", "-0.1", "/model/noise/variance"},
    {"/model/noise/variance", "[0.1, 0.2]", "/model/noise/variance"},
    {"/model/noise/variance", "{'value': 0, 'fixed': false}", "/model/noise/variance"},
    {"/model/mean", "{'type': 'quartic'}", "/model/mean/type"},
    {"/model/mean", "{'type': 'zero', 'value': 1}", "/model/mean/value"},
    {"/model/standardize", "{'x': 1}", "/model/standardize/x"},
    {"/model/approximation", "{'type': 'magic'}", "/model/approximation/type"},
    {"/objective", NULL, "/objective"},
    {"/objective/loss", NULL, "/objective/loss"},
    {"/objective/loss", "'msq'", "/objective/loss"},
    {"/objective/loss", "{}", "/objective/loss"},
    {"/objective/validation", NULL, "/objective/validation"},
    {"/objective/validation", "{'type': 'all'}", "/objective/validation/type"},
    {"/objective/validation", "{'type': 'rows'}", "/objective/validation/rows"},
    {"/objective/validation/rows", "[]", "/objective/validation"},
    {"/objective/validation/rows", "[1, 20]", "/objective/validation/rows/1"},
    {"/objective/validation/rows", "[1, -1]", "/objective/validation/rows/1"},
    {"/objective/validation/rows", "[1, 1.5]", "/objective/validation/rows/1"},
    {"/objective/validation/rows", "[3, 4, 3]", "/objective/validation/rows/2"},
    {"/objective/validation", "{'type': 'fraction', 'fraction': 0}", "/objective/validation/fraction"},
    {"/objective/validation", "{'type': 'fraction', 'fraction': 1}", "/objective/validation/fraction"},
    {"/objective/validation", "{'type': 'fraction', 'seed': -1}", "/objective/validation/seed"},
    {"/objective/validation", "{'type': 'fraction', 'seed': 1.5}", "/objective/validation/seed"},
    {"/test", "{'rows': [4, 2]}", "/objective/validation/rows/1"},
    {"/test", "{'rows': [4, 20]}", "/test/rows/1"},
    {"/test", "{'rows': [4, 4]}", "/test/rows/1"},
    {"/test", "{}", "/test"},
    {"/test", "{'rows': [0], 'fraction': 0.5}", "/test"},
    {"/test", "{'fraction': 2}", "/test/fraction"},
    {"/solver", "{'type': 'qr'}", "/solver/type"},
    {"/solver", "{'rtol': 0}", "/solver/rtol"},
    {"/solver", "{'seconds': 0}", "/solver/seconds"},
    {"/solver", "{'max_iterations': -1}", "/solver/max_iterations"},
    {"/solver", "{'memory_bytes': 10}", "/solver/memory_bytes"},
    {"/solver", "{'preconditioner': {'type': 'magic'}}", "/solver/preconditioner/type"},
    {"/solver", "{'preconditioner': {'type': 'nystrom', 'rank': -1}}", "/solver/preconditioner/rank"},
    {"/solver", "{'preconditioner': {'type': 'nystrom', 'select': 'best'}}", "/solver/preconditioner/select"},
    {"/solver", "{'preconditioner': {'type': 'nystrom', 'seed': 0.5}}", "/solver/preconditioner/seed"},
    {"/solver", "{'preconditioner': {'type': 'pivoted_cholesky', 'rank': 2e6}}",
     "/solver/preconditioner/rank"},
    {"/solver", "{'preconditioner': {'type': 'pivoted_cholesky', 'select': 'uniform'}}",
     "/solver/preconditioner/select"},
    {"/solver", "{'preconditioner': {'type': 'jacobi', 'rank': 3}}", "/solver/preconditioner/rank"},
    {"/data", NULL, "/dataset"},
    {"/data", "{'x': [[1], [2], [3]], 'y': [1, 2]}", "/data/y"},
    {"/data", "{'x': [[1], [2], [3, 4]], 'y': [1, 2, 3]}", "/data/x/2"},
    {"/data/x/3", "[1, 'a']", "/data/x/3/1"},
    {"/data/z", "1", "/data/z"},
    {"/dataset", "3", "/dataset"},
    {"/with_respect_to", "['z']", "/with_respect_to/0"},
    {"/with_respect_to", "['parameters', 'z']", "/with_respect_to/1"},
    {"/with_respect_to", "'parameters'", "/with_respect_to"},
    {"/metrics", "'some'", "/metrics"},
    {"/optimizer", "{'type': 'lbfgs'}", "/optimizer"},
    {"/colour", "'red'", "/colour"},
};

START_TEST(pointers)
{
    json_t *good = base();
    struct answer fine = send_json("POST", "/v1/gradients", good);
    ck_status(fine, 200);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refused *r = &refusals[i];
        struct answer refused = send_json("POST", "/v1/gradients", with(good, r->where, r->value));
        is_problem(refused, 422, "invalid", r->pointer,
                   text("%s = %s", r->where, r->value ? r->value : "nothing"));
    }
    struct answer again = send_json("POST", "/v1/gradients", good);
    ck_status(again, 200);
    ck_assert(json_equal(at(again.json, "/loss"), at(fine.json, "/loss")));
}
END_TEST

START_TEST(bodies)
{
    static const char path[] = "/v1/gradients", json[] = "application/json";
    is_problem(send_text("POST", path, json, "{"), 400, "malformed", NULL, "broken");
    is_problem(send_text("POST", path, json, "[1]"), 422, "invalid", "", "an array");
    is_problem(send_text("POST", path, json, "{\"model\": {}, \"model\": {}}"), 400, "malformed", NULL,
               "twice");
    is_problem(send_text("POST", path, "text/csv", "a,b\n1,2\n"), 415, "unsupported-media-type", NULL, "CSV");
    is_problem(send_text("POST", "/v1/gradients?pretty=1", json, "{}"), 422, "invalid", "/pretty", "a query");
}
END_TEST

START_TEST(data_sets)
{
    ck_status(send_json("PUT", "/v1/datasets/there", wave(20, 2, 3)), 201);
    json_t *good = base(), *bare = with(good, "/data", NULL);
    struct answer unknown = send_json("POST", "/v1/gradients", with(bare, "/dataset", "'nowhere'"));
    is_problem(unknown, 404, "not-found", "/dataset", "unknown");
    struct answer hostile = send_json("POST", "/v1/gradients", with(bare, "/dataset", "'../datasets'"));
    ck_assert(hostile.status == 404 || hostile.status == 422);
    struct answer both = send_json("POST", "/v1/gradients", with(good, "/dataset", "'there'"));
    ck_assert_int_eq((int)both.status, 422);
    const char *pointer = text_at(both.json, "/errors/0/pointer");
    ck_assert(strcmp(pointer, "/data") == 0 || strcmp(pointer, "/dataset") == 0);
    is_problem(both, 422, "invalid", pointer, "both");
    ck_status(send_json("POST", "/v1/gradients", with(bare, "/dataset", "'there'")), 200);
    struct answer named = send_json("POST", "/v1/gradients", with(good, "/dataset", "'nowhere'"));
    ck_assert(named.status == 404 || named.status == 422);
}
END_TEST

static char *nested(int depth)
{
    char *kernel = text("{'type': 'rbf'}");
    for (int i = 1; i < depth; i++)
        kernel = text("{'type': 'sum', 'kernels': [%s]}", kernel);
    return kernel;
}

START_TEST(depth)
{
    json_t *good = base();
    ck_status(send_json("POST", "/v1/gradients", with(good, "/model/kernel", nested(32))), 200);
    struct answer deep = send_json("POST", "/v1/gradients", with(good, "/model/kernel", nested(33)));
    is_problem(deep, 422, "invalid", NULL, "33");
    ck_assert_int_eq(strncmp(text_at(deep.json, "/errors/0/pointer"), "/model/kernel", 13), 0);
    ck_assert_ptr_nonnull(strstr(text_at(deep.json, "/detail"), "32"));
    struct answer deeper = send_json("POST", "/v1/gradients", with(good, "/model/kernel", nested(200)));
    ck_assert_msg(deeper.status == 422 || deeper.status == 400, "%s", deeper.body);
    char *wide = text("{'type': 'rbf'}");
    for (int i = 0; i < 12; i++) /* 4096 leaves */
        wide = text("{'type': 'sum', 'kernels': [%s, %s]}", wide, wide);
    struct answer many = send_json("POST", "/v1/gradients", with(good, "/model/kernel", wide));
    is_problem(many, 422, "invalid", NULL, "4096 kernels");
}
END_TEST

START_TEST(too_few_rows)
{
    json_t *good = base();
    json_t *three = with(good, "/data", "{'x': [[1], [2], [3]], 'y': [1, 2, 4]}");
    ck_status(send_json("POST", "/v1/gradients", with(three, "/objective/validation/rows", "[0]")), 200);
    struct answer one = send_json("POST", "/v1/gradients", three);
    is_problem(one, 422, "invalid", "/objective/validation", "one training row");
    struct answer two = send_json("POST", "/v1/gradients", with(three, "/data", "{'x': [[1]], 'y': [1]}"));
    is_problem(two, 422, "invalid", NULL, "one row");
    struct answer equal =
        send_json("POST", "/v1/gradients",
                  with(with(good, "/data", "{'x': [[1], [1], [1], [1]], 'y': [1, 2, 4, 5]}"),
                       "/objective/validation", "{'type': 'fraction'}"));
    is_problem(equal, 422, "invalid", NULL, "one group of equal rows cannot be split");
}
END_TEST

/* Numerical trouble has types of its own. */
START_TEST(not_positive_definite)
{
    json_t *request = with(with(base(), "/model/noise/variance", "{'value': 0, 'fixed': true}"), "/solver",
                           "{'type': 'cholesky'}");
    static const int rows[][2] = {{0, 3}, {4, 5}, {7, 19}, {18, 19}};
    for (int i = 0; i < 4; i++) {
        json_t *twins = with(with(request, text("/data/x/%d", rows[i][0]), "[0.5, 0.5]"),
                             text("/data/x/%d", rows[i][1]), "[0.5, 0.5]");
        char *what = text("rows %d and %d are equal", rows[i][0], rows[i][1]);
        struct answer refused = send_json("POST", "/v1/gradients", twins);
        is_problem(refused, 422, "not-positive-definite", NULL, what);
        ck_assert_ptr_nonnull(strpbrk(text_at(refused.json, "/detail"), "0123456789"));
    }
    ck_status(get("/problems/not-positive-definite"), 200);
}
END_TEST

/* All rows alike: conjugate gradients break down and say so; no NaN reaches the user. */
START_TEST(breakdown_of_cg)
{
    json_t *request = with(with(base(), "/model/noise/variance", "{'value': 0, 'fixed': true}"), "/solver",
                           "{'type': 'cg'}");
    for (int i = 0; i < 20; i++)
        request = with(request, text("/data/x/%d", i), "[1, 1]");
    struct answer broken = send_json("POST", "/v1/gradients", request);
    ck_status(broken, 422);
    ck_assert_msg(!strstr(broken.body, "nan"), "%s", broken.body);
    ck_assert_msg(strstr(broken.body, "/problems/not-positive-definite") ||
                      strstr(broken.body, "/problems/solver-not-converged"),
                  "%s", broken.body);
}
END_TEST

START_TEST(memory_limit)
{
    json_t *request = with(base(), "/solver", "{'type': 'cholesky', 'memory_bytes': 1000000}");
    json_object_set(request, "data", wave(1000, 2, 5));
    const double start = now();
    struct answer refused = send_json("POST", "/v1/gradients", request);
    is_problem(refused, 422, "memory-limit", NULL, "1000 rows in 1 MB");
    ck_assert_double_lt(now() - start, 2);
    ck_assert_msg(strstr(text_at(refused.json, "/detail"), "1000000") ||
                      strstr(text_at(refused.json, "/detail"), "MB") ||
                      strstr(text_at(refused.json, "/detail"), "MiB"),
                  "no numbers: %s", refused.body);
}
END_TEST

START_TEST(time_limit)
{
    json_t *request = with(base(), "/solver", "{'type': 'cg', 'seconds': 1e-6}");
    json_object_set(request, "data", wave(2000, 2, 5));
    struct answer refused = send_json("POST", "/v1/gradients", request);
    is_problem(refused, 422, "time-limit", NULL, "a microsecond");
    struct answer direct =
        send_json("POST", "/v1/gradients", with(request, "/solver", "{'type': 'cholesky', 'seconds': 1e-6}"));
    is_problem(direct, 422, "time-limit", NULL, "a microsecond, cholesky");
}
END_TEST

START_TEST(not_converged)
{
    json_t *request =
        with(base(), "/solver", "{'type': 'cg', 'max_iterations': 1, 'preconditioner': {'type': 'none'}}");
    json_object_set(request, "data", wave(100, 2, 5));
    struct answer refused = send_json("POST", "/v1/gradients", request);
    is_problem(refused, 422, "solver-not-converged", NULL, "one iteration");
    ck_assert_ptr_nonnull(strpbrk(text_at(refused.json, "/detail"), "0123456789"));
}
END_TEST

START_TEST(extremes)
{
    /* Hyperparameters at the ends of their range: a number or a problem, never a bare 500. */
    static const char *const values[] = {"1e-30", "1e30", "1e-12", "1e12"};
    static const char *const where[] = {"/model/kernel/lengthscale", "/model/kernel/variance",
                                        "/model/noise/variance"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            struct answer answer = send_json("POST", "/v1/gradients", with(base(), where[i], values[k]));
            ck_assert_msg(answer.status == 200 || (answer.status == 422 && strstr(answer.body, "/problems/")),
                          "%s = %s: %ld %s", where[i], values[k], answer.status, answer.body);
            if (answer.status == 200)
                ck_assert(isfinite(number_at(answer.json, "/loss")));
        }
    ck_status(get("/readyz"), 200);
}
END_TEST

DAEMON_SUITE("gradient_refusals", pointers, bodies, data_sets, depth, too_few_rows, not_positive_definite,
             breakdown_of_cg, memory_limit, time_limit, not_converged, extremes)
