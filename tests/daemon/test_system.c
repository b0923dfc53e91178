/* What the service says of itself, and what every path has: methods, validators, request ids. */
#include "daemon_fixture.h"

START_TEST(health)
{
    static const char *const paths[] = {"/livez", "/readyz"};
    for (int i = 0; i < 2; i++) {
        struct answer answer = get(paths[i]);
        ck_status(answer, 200);
        MEMBERS(answer.json, "status");
        ck_assert_str_eq(text_at(answer.json, "/status"), "ok");
    }
    struct answer index = get("/");
    ck_status(index, 200);
    ck_assert_str_eq(text_at(index.json, "/name"), "kriged");
    const char *name;
    json_t *link;
    json_object_foreach(at(index.json, "/links"), name, link) ck_status(get(json_string_value(link)), 200);
}
END_TEST

static void has_names(json_t *json, const char *family, const char *const *names)
{
    json_t *entries_ = at(json, family), *entry;
    size_t i;
    for (; *names; names++) {
        bool found = false;
        json_array_foreach(entries_, i, entry)
        {
            json_t *name = json_is_string(entry) ? entry : json_object_get(entry, "type");
            found |= name && strcmp(json_string_value(name), *names) == 0;
        }
        ck_assert_msg(found || find(entries_, text("/%s", *names)), "%s has no %s: %.1000s", family, *names,
                      dump(entries_));
    }
}
#define NAMES(json, family, ...) has_names(json, family, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(capabilities)
{
    struct answer answer = get("/v1/capabilities");
    ck_status(answer, 200);
    NAMES(answer.json, "/kernels", "rbf", "matern12", "matern32", "matern52", "constant", "sum", "product");
    NAMES(answer.json, "/means", "zero", "constant");
    NAMES(answer.json, "/losses", "nlpd", "mse");
    NAMES(answer.json, "/validations", "fraction", "rows");
    NAMES(answer.json, "/solvers", "auto", "cholesky", "cg", "minres", "lsmr");
    NAMES(answer.json, "/preconditioners", "auto", "none", "jacobi", "pivoted_cholesky", "nystrom");
    NAMES(answer.json, "/optimizers", "lbfgs", "adam", "gradient_descent");
    NAMES(answer.json, "/approximations", "exact", "fourier_features", "inducing");
    NAMES(answer.json, "/target_transforms", "none", "log");
    NAMES(answer.json, "/constraints", "calibration", "bias", "variance_budget", "linear");
    ck_assert_str_eq(text_at(answer.json, "/constraints/0/options/0/name"), "target");
    ck_assert_double_eq(number_at(answer.json, "/constraints/0/options/0/default"), 1);
    ck_assert_str_eq(text_at(answer.json, "/constraints/3/options/0/kind"), "values");
    ck_assert_int_eq((int)number_at(answer.json, "/limits/kernel_depth"), 32);
    ck_assert_int_eq((int)number_at(answer.json, "/limits/covariance_points"), 2000);
    ck_assert_double_gt(number_at(answer.json, "/limits/body_bytes/putDataset"), 1e6);
    struct command version = KRIGED("version");
    ck_assert_int_eq(version.status, 0);
    ck_assert_str_eq(version.out, text("kriged %s\n", text_at(answer.json, "/version")));
}
END_TEST

static void check_references(json_t *root, json_t *json)
{
    const char *name;
    json_t *value;
    size_t i;
    if (json_is_object(json))
        json_object_foreach(json, name, value)
        {
            if (strcmp(name, "$ref") == 0) {
                ck_assert_int_eq(strncmp(json_string_value(value), "#/", 2), 0);
                ck_assert_msg(find(root, json_string_value(value) + 1) != NULL, "%s leads nowhere",
                              json_string_value(value));
            }
            check_references(root, value);
        }
    else
        json_array_foreach(json, i, value) check_references(root, value);
}

/* The path with its parameters filled in. */
static char *filled(const char *path)
{
    char *made = text("%s", "");
    for (; *path; path++)
        if (*path == '{') {
            made = text("%snothing", made);
            path = strchr(path, '}');
        } else {
            made = text("%s%c", made, *path);
        }
    return made;
}

START_TEST(openapi)
{
    struct answer answer = get("/openapi.json");
    ck_status(answer, 200);
    ck_assert_ptr_nonnull(answer.json); /* jansson refuses duplicated members */
    ck_assert_int_eq(strncmp(text_at(answer.json, "/openapi"), "3.1", 3), 0);
    check_references(answer.json, answer.json);
    const char *path, *method;
    json_t *item, *operation;
    int operations = 0;
    json_object_foreach(at(answer.json, "/paths"), path, item) json_object_foreach(item, method, operation)
    {
        char upper[8] = "";
        for (int i = 0; method[i] && i < 7; i++)
            upper[i] = (char)(method[i] - 'a' + 'A');
        if (!json_is_object(operation) || !json_object_get(operation, "responses"))
            continue;
        const bool body = json_object_get(operation, "requestBody");
        struct answer reply = ask(upper, filled(path), body ? "{}" : NULL, body ? 2 : 0,
                                  body ? HEADERS("Content-Type: application/json") : NULL);
        ck_assert_msg(!strstr(reply.body, "there is nothing at"), "%s %s: %s", upper, path, reply.body);
        ck_assert_msg(reply.status != 405 && reply.status < 500, "%s %s: %ld", upper, path, reply.status);
        const char *documented = text("%ld", reply.status);
        ck_assert_msg(json_object_get(json_object_get(operation, "responses"), documented) ||
                          json_object_get(json_object_get(operation, "responses"), "default"),
                      "%s %s: %s is not documented", upper, path, documented);
        operations++;
    }
    ck_assert_int_ge(operations, 15);
    struct command printed = KRIGED("openapi");
    json_t *offline = keep_json(json_loads(printed.out, 0, NULL));
    ck_assert(json_equal(offline, answer.json));
}
END_TEST

START_TEST(methods)
{
    static const char *const cases[][3] = {{"DELETE", "/livez", "GET, HEAD"},
                                           {"PUT", "/v1/jobs", "GET, HEAD, POST"},
                                           {"PATCH", "/v1/jobs/x", "GET, HEAD, DELETE"},
                                           {"GET", "/v1/gradients", "POST"},
                                           {"HEAD", "/v1/gradients", "POST"},
                                           {"DELETE", "/v1/jobs/x/cancel", "POST"},
                                           {"BREW", "/", "GET, HEAD"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = ask(cases[i][0], cases[i][1], NULL, 0, NULL);
        ck_assert_int_eq((int)answer.status, 405);
        ck_assert_str_eq(header_of(&answer, "Allow"), cases[i][2]);
        if (strcmp(cases[i][0], "HEAD") != 0)
            is_problem(answer, 405, "method-not-allowed", NULL, cases[i][1]);
    }
}
END_TEST

static const char *const nowhere[] = {"/nothing",
                                      "/v1",
                                      "/v1/",
                                      "/v2/jobs",
                                      "/v1/jobs/",
                                      "//v1/jobs",
                                      "/v1//jobs",
                                      "/v1/datasets/a/b",
                                      "/V1/jobs",
                                      "/v1/j%6Fbs/x/y",
                                      "/%2e%2e/%2e%2e/etc/passwd",
                                      "/v1/../livez",
                                      "/caf%C3%A9",
                                      "/v1/datasets/..%2f..%2fkriged.db",
                                      "/livez/",
                                      "/livez%00",
                                      "/%",
                                      "/%zz",
                                      "/problems/nothing"};

START_TEST(unknown_paths)
{
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        struct answer answer = get(nowhere[i]);
        ck_assert_msg(answer.status == 404 || answer.status == 400, "%s: %ld", nowhere[i], answer.status);
        is_problem(answer, (int)answer.status, answer.status == 404 ? "not-found" : "bad-request", NULL,
                   nowhere[i]);
    }
    ck_status(get("/%6Civez"), 200); /* an escape that needs none is the character itself */
    struct answer long_ = get(text("/%0*d", 7000, 0));
    ck_assert_msg(long_.status == 404 || long_.status == 414 || long_.status == 431, "status %ld",
                  long_.status);
    is_problem(get("/livez?x=1"), 422, "invalid", "/x", "query");
    is_problem(get("/v1/capabilities?verbose"), 422, "invalid", "/verbose", "query");
}
END_TEST

START_TEST(problems)
{
    static const char *const slugs[] = {"not-positive-definite",
                                        "solver-not-converged",
                                        "non-finite-loss",
                                        "memory-limit",
                                        "time-limit",
                                        "invalid",
                                        "malformed",
                                        "conflict",
                                        "too-large",
                                        "worker-died",
                                        "not-found"};
    for (size_t i = 0; i < sizeof slugs / sizeof slugs[0]; i++) {
        struct answer answer = get(text("/problems/%s", slugs[i]));
        ck_status(answer, 200);
        ck_assert_str_eq(text_at(answer.json, "/type"), text("/problems/%s", slugs[i]));
        ck_assert_double_ge(number_at(answer.json, "/status"), 400);
    }
}
END_TEST

START_TEST(validators)
{
    ck_status(send_json("PUT", "/v1/datasets/tagged", wave(4, 1, 1)), 201);
    static const char *const paths[] = {"/v1/datasets/tagged", "/v1/datasets",     "/v1/jobs",
                                        "/v1/models",          "/v1/capabilities", "/openapi.json"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct answer first = get(paths[i]);
        const char *tag = header_of(&first, "ETag");
        ck_assert_msg(tag && tag[0] == '"' && tag[strlen(tag) - 1] == '"', "%s: ETag %s", paths[i],
                      tag ? tag : "missing");
        struct answer same = ask("GET", paths[i], NULL, 0, HEADERS(text("If-None-Match: %s", tag)));
        ck_status(same, 304);
        ck_assert_uint_eq(same.length, 0);
        ck_assert_str_eq(header_of(&same, "ETag"), tag);
        ck_status(ask("GET", paths[i], NULL, 0, HEADERS(text("If-None-Match: \"x\", W/%s", tag))), 304);
        ck_status(ask("GET", paths[i], NULL, 0, HEADERS("If-None-Match: *")), 304);
        ck_status(ask("GET", paths[i], NULL, 0, HEADERS("If-None-Match: \"other\"")), 200);
        struct answer head = ask("HEAD", paths[i], NULL, 0, NULL);
        ck_status(head, 200);
        ck_assert_uint_eq(head.length, 0);
        ck_assert_str_eq(header_of(&head, "ETag"), tag);
        ck_assert_str_eq(header_of(&head, "Content-Length"), text("%zu", first.length));
        ck_assert_str_eq(header_of(&head, "Content-Type"), "application/json");
    }
    struct answer before = get("/v1/datasets");
    ck_status(send_json("PUT", "/v1/datasets/tagged-2", wave(4, 1, 2)), 201);
    ck_status(
        ask("GET", "/v1/datasets", NULL, 0, HEADERS(text("If-None-Match: %s", header_of(&before, "ETag")))),
        200);
    struct answer missing = ask("HEAD", "/v1/datasets/none", NULL, 0, NULL);
    ck_status(missing, 404);
    ck_assert_uint_eq(missing.length, 0);
}
END_TEST

START_TEST(request_ids)
{
    struct answer own = ask("GET", "/livez", NULL, 0, HEADERS("X-Request-Id: abc-123.XYZ"));
    ck_assert_str_eq(header_of(&own, "X-Request-Id"), "abc-123.XYZ");
    struct answer refused = ask("GET", "/none", NULL, 0, HEADERS("X-Request-Id: abc-124"));
    is_problem(refused, 404, "not-found", NULL, "its own id");
    ck_assert_str_eq(text_at(refused.json, "/instance"), "abc-124");
    struct answer one = get("/livez"), two = get("/livez");
    ck_assert_str_ne(header_of(&one, "X-Request-Id"), header_of(&two, "X-Request-Id"));
    static const char *const bad[] = {"X-Request-Id: a b", "X-Request-Id: <script>",
                                      "X-Request-Id: \xc3\xa9"};
    for (int i = 0; i < 3; i++) { /* what could break a log line is not repeated */
        struct answer answer = ask("GET", "/livez", NULL, 0, HEADERS(bad[i]));
        ck_assert(answer.status == 200 || answer.status == 400);
        ck_assert_str_ne(header_of(&answer, "X-Request-Id"), bad[i] + strlen("X-Request-Id: "));
    }
}
END_TEST

DAEMON_SUITE("system", health, capabilities, openapi, methods, unknown_paths, problems, validators,
             request_ids)
