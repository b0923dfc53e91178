/* Gradient requests that are refused, and evaluations that fail: type, place, numbers; the daemon is
 * unharmed. */
#include "daemon_fixture.h"

#define GRADIENTS "/v1/gradients"

static json_t *request_of(int n)
{
    json_t *made = json_of("{'model': {'kernel': {'type': 'rbf'}}, 'objective': {'loss': 'nlpd', "
                           "'validation': {'type': 'fraction'}}}");
    json_object_set(made, "data", wave(n, 2, 21));
    return made;
}

static const struct {
    const char *place, *value, *pointer; /* value = NULL: the member is left out; pointer = NULL: place */
} refusals[] = {
    {"/model", NULL, NULL},
    {"/model", "3", NULL},
    {"/model/kernel", NULL, NULL},
    {"/model/kernel/type", NULL, NULL},
    {"/model/kernel/type", "'gauss'", NULL},
    {"/model/kernel/type", "7", NULL},
    {"/model/kernel/variance", "0", NULL},
    {"/model/kernel/variance", "1e31", NULL},
    {"/model/kernel/variance", "[1, 1]", NULL},
    {"/model/kernel/lengthscale", "[1, 2, 3]", NULL},
    {"/model/kernel/lengthscale", "[]", NULL},
    {"/model/kernel/lengthscale", "-1", NULL},
    {"/model/kernel/lengthscale", "0", NULL},
    {"/model/kernel/lengthscale", "1e-31", NULL},
    {"/model/kernel/lengthscale", "'1'", NULL},
    {"/model/kernel/lengthscale", "[1, -1]", "/model/kernel/lengthscale/1"},
    {"/model/kernel/lengthscale", "{'fixed': true}", "/model/kernel/lengthscale/value"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bound': [0.1, 2]}", "/model/kernel/lengthscale/bound"},
    {"/model/kernel/lengthscale", "{'value': 1, 'bounds': [2, 0.1]}", "/model/kernel/lengthscale/bounds"},
    {"/model/kernel/ard", "1", NULL},
    {"/model/kernel/period", "1", NULL},
    {"/model/kernel/features", "['x1', 'x3']", "/model/kernel/features/1"},
    {"/model/kernel/features", "[0, 2]", "/model/kernel/features/1"},
    {"/model/kernel/features", "[1, 1]", "/model/kernel/features/1"},
    {"/model/kernel", "{'type': 'sum'}", "/model/kernel/kernels"},
    {"/model/kernel", "{'type': 'sum', 'kernels': []}", "/model/kernel/kernels"},
    {"/model/kernel", "{'type': 'sum', 'kernels': [{'type': 'rbf'}, {'type': 'x'}]}",
     "/model/kernel/kernels/1/type"},
    {"/model/mean", "{'type': 'quadratic'}", "/model/mean/type"},
    {"/model/mean", "{'type': 'zero', 'value': 1}", "/model/mean/value"},
    {"/model/noise", "{'variance': 0}", "/model/noise/variance"},
    {"/model/noise", "{'variance': -0.1}", "/model/noise/variance"},
    {"/model/noise", "{'variance': {'value': 0, 'fixed': false}}", "/model/noise/variance"},
    {"/model/standardize", "{'x': 'yes'}", "/model/standardize/x"},
    {"/model/approximation", "{'type': 'none'}", "/model/approximation/type"},
    {"/objective", NULL, NULL},
    {"/objective/loss", NULL, NULL},
    {"/objective/loss", "'likelihood'", NULL},
    {"/objective/validation", NULL, NULL},
    {"/objective/validation", "{'type': 'half'}", "/objective/validation/type"},
    {"/objective/validation", "{'type': 'fraction', 'fraction': 0}", "/objective/validation/fraction"},
    {"/objective/validation", "{'type': 'fraction', 'fraction': 1}", "/objective/validation/fraction"},
    {"/objective/validation", "{'type': 'fraction', 'seed': -1}", "/objective/validation/seed"},
    {"/objective/validation", "{'type': 'fraction', 'seed': 0.5}", "/objective/validation/seed"},
    {"/objective/validation", "{'type': 'rows', 'rows': [1, 40]}", "/objective/validation/rows/1"},
    {"/objective/validation", "{'type': 'rows', 'rows': [1, -1]}", "/objective/validation/rows/1"},
    {"/objective/validation", "{'type': 'rows', 'rows': [1, 2.5]}", "/objective/validation/rows/1"},
    {"/objective/validation", "{'type': 'rows', 'rows': [3, 1, 3]}", "/objective/validation/rows/2"},
    {"/objective/validation", "{'type': 'rows', 'rows': []}", ""},
    {"/objective/validation", "{'type': 'rows'}", "/objective/validation/rows"},
    {"/test", "{'rows': [0, 40]}", "/test/rows/1"},
    {"/test", "{'fraction': 1.5}", "/test/fraction"},
    {"/test", "{'rows': [0], 'fraction': 0.5}", "/test"},
    {"/test", "{}", "/test"},
    {"/solver", "{'type': 'lu'}", "/solver/type"},
    {"/solver", "{'rtol': 0}", "/solver/rtol"},
    {"/solver", "{'rtol': 1}", "/solver/rtol"},
    {"/solver", "{'preconditioner': {'type': 'magic'}}", "/solver/preconditioner/type"},
    {"/solver", "{'max_iterations': -1}", "/solver/max_iterations"},
    {"/solver", "{'max_iterations': 1.5}", "/solver/max_iterations"},
    {"/solver", "{'seconds': 0}", "/solver/seconds"},
    {"/metrics", "'some'", NULL},
    {"/with_respect_to", "['parameters', 'z']", "/with_respect_to/1"},
    {"/with_respect_to", "'parameters'", NULL},
    {"/optimizer", "{'type': 'lbfgs'}", NULL},
    {"/data", NULL, "/dataset"},
    {"/data/x/5/1", "'a'", NULL},
    {"/data/x/5", "[1]", NULL},
    {"/data/y/39", "null", NULL},
};

START_TEST(refused)
{
    json_t *request = request_of(40);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const char *pointer = refusals[i].pointer ? refusals[i].pointer : refusals[i].place;
        json_t *base = refusals[i].value ? request : with(request, refusals[i].place, "0");
        char *what = text("%s = %s", refusals[i].place, refusals[i].value ? refusals[i].value : "nothing");
        is_problem(send_json("POST", GRADIENTS, with(base, refusals[i].place, refusals[i].value)), 422,
                   "invalid", *pointer ? pointer : NULL, what);
    }
    ck_status(send_json("POST", GRADIENTS, request), 200);
}
END_TEST

START_TEST(both_roles)
{
    json_t *request = with(request_of(40), "/objective/validation", "{'type': 'rows', 'rows': [1, 2]}");
    is_problem(send_json("POST", GRADIENTS, with(request, "/test", "{'rows': [9, 2]}")), 422, "invalid",
               "/objective/validation/rows/1", "a row with two roles");
    is_problem(send_json("POST", GRADIENTS,
                         with(request_of(2), "/objective/validation", "{'type': 'rows', 'rows': [0]}")),
               422, "invalid", NULL, "one training row");
}
END_TEST

START_TEST(sources)
{
    json_t *request = request_of(40), *bare = with(request, "/data", NULL);
    is_problem(send_json("POST", GRADIENTS, with(bare, "/dataset", "'nowhere'")), 404, "not-found",
               "/dataset", "unknown");
    is_problem(send_json("POST", GRADIENTS, with(bare, "/dataset", "'../../etc'")), 404, "not-found",
               "/dataset", "a path");
    ck_status(send_json("PUT", "/v1/datasets/here", wave(20, 2, 22)), 201);
    is_problem(send_json("POST", GRADIENTS, with(request, "/dataset", "'here'")), 422, "invalid", "/data",
               "both");
    ck_status(send_json("POST", GRADIENTS, with(bare, "/dataset", "'here'")), 200);
}
END_TEST

START_TEST(bodies)
{
    is_problem(send_text("POST", GRADIENTS, "application/json", "{"), 400, "malformed", NULL, "broken");
    is_problem(send_text("POST", GRADIENTS, "application/json", "[1]"), 422, "invalid", "", "an array");
    is_problem(send_text("POST", GRADIENTS, "application/json", "{\"model\": {}, \"model\": {}}"), 400,
               "malformed", NULL, "twice");
    is_problem(send_text("POST", GRADIENTS, "text/csv", "a,b\n1,2\n"), 415, "unsupported-media-type", NULL,
               "CSV");
    is_problem(send_text("POST", GRADIENTS "?pretty=1", "application/json", "{}"), 422, "invalid", "/pretty",
               "a query");
}
END_TEST

/* A kernel of sums in sums, `depth` deep with its leaf. */
static struct answer nested(int depth)
{
    char *kernel = text("{'type': 'rbf'}");
    for (int i = 1; i < depth; i++)
        kernel = text("{'type': 'sum', 'kernels': [%s]}", kernel);
    return send_json("POST", GRADIENTS, with(request_of(40), "/model/kernel", kernel));
}

START_TEST(kernel_depth)
{
    ck_status(nested(16), 200);
    const struct answer fits = nested(32), deeper = nested(33);
    ck_status(fits, 200);
    is_problem(deeper, 422, "invalid", NULL, "33 deep");
    ck_assert_int_eq(strncmp(text_at(deeper.json, "/errors/0/pointer"), "/model/kernel/kernels/0", 23), 0);
}
END_TEST

/* Repeated rows without noise: the matrix is singular. */
START_TEST(not_positive_definite)
{
    json_t *request = with(request_of(40), "/model/noise", "{'variance': {'value': 0, 'fixed': true}}");
    request = with(with(request, "/solver", "{'type': 'cholesky'}"), "/objective/validation",
                   "{'type': 'rows', 'rows': [0, 1]}");
    request = with(request, "/data/x/12", dump(at(request, "/data/x/30")));
    struct answer singular = send_json("POST", GRADIENTS, request);
    is_problem(singular, 422, "not-positive-definite", NULL, "cholesky");
    ck_assert_ptr_nonnull(strstr(text_at(singular.json, "/detail"), "38 rows"));
    ck_status(send_json("POST", GRADIENTS, with(request, "/model/noise", "{'variance': 0.1}")), 200);
    struct answer iterative = send_json("POST", GRADIENTS, with(request, "/solver", "{'type': 'cg'}"));
    if (iterative.status != 200)
        ck_assert_msg(strstr(iterative.body, "/problems/not-positive-definite") ||
                          strstr(iterative.body, "/problems/solver-not-converged"),
                      "%s", iterative.body);
}
END_TEST

/* All rows alike: conjugate gradients break down, and say so; no NaN reaches the user. */
START_TEST(breakdown_of_cg)
{
    json_t *request = with(request_of(10), "/model/noise", "{'variance': {'value': 0, 'fixed': true}}");
    request = with(with(request, "/solver", "{'type': 'cg'}"), "/objective/validation",
                   "{'type': 'rows', 'rows': [0, 1]}");
    for (int i = 0; i < 10; i++)
        request = with(request, text("/data/x/%d", i), "[1, 1]");
    struct answer broken = send_json("POST", GRADIENTS, request);
    ck_status(broken, 422);
    ck_assert_msg(strstr(broken.body, "/problems/not-positive-definite") ||
                      strstr(broken.body, "/problems/solver-not-converged"),
                  "%s", broken.body);
    ck_assert_msg(!strstr(broken.body, "nan"), "%s", broken.body);
}
END_TEST

START_TEST(limits)
{
    json_t *large = request_of(1500);
    struct answer memory =
        send_json("POST", GRADIENTS, with(large, "/solver", "{'type': 'cholesky', 'memory_bytes': 1000000}"));
    is_problem(memory, 422, "memory-limit", "/solver/memory_bytes", "memory");
    ck_assert_ptr_nonnull(strstr(text_at(memory.json, "/detail"), "1200 training"));
    ck_assert_ptr_nonnull(strstr(text_at(memory.json, "/detail"), "MiB"));
    is_problem(send_json("POST", GRADIENTS, with(large, "/solver", "{'seconds': 0.0001}")), 422, "time-limit",
               NULL, "seconds");
    struct answer slow = send_json("POST", GRADIENTS,
                                   with(large, "/solver", "{'type': 'cg', 'rtol': 1e-12, 'seconds': 0.02}"));
    is_problem(slow, 422, "time-limit", NULL, "seconds with cg");
    ck_assert_double_lt(slow.seconds, 5);
    struct answer few =
        send_json("POST", GRADIENTS, with(request_of(40), "/solver", "{'type': 'cg', 'max_iterations': 1}"));
    is_problem(few, 422, "solver-not-converged", NULL, "one iteration");
    ck_assert_ptr_nonnull(strstr(text_at(few.json, "/detail"), "1 iteration"));
    ck_status(send_json("POST", GRADIENTS, request_of(40)), 200);
}
END_TEST

DAEMON_SUITE("evaluations", refused, both_roles, sources, bodies, kernel_depth, not_positive_definite,
             breakdown_of_cg, limits)
