/* Uploads that are refused: status, place, and nothing half-written. */
#include "daemon_raw.h"

#define JSON_TYPE "application/json"
#define CSV_TYPE  "text/csv"

static const struct refused {
    const char *type, *query, *body;
    int status;
    const char *slug, *pointer; /* NULL: none is wanted */
    const char *detail;         /* said in detail, or NULL */
} refusals[] = {
    {JSON_TYPE, "", "", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "x", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[1]], \"y\": [1]", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[1]], \"y\": [1]} {}", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[1,]], \"y\": [1]}", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[01]], \"y\": [1]}", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[NaN]], \"y\": [1]}", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{'x': [[1]], 'y': [1]}", 400, "malformed", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"target_name\": \"\xff\"}", 400, "malformed", NULL,
     NULL},
    {JSON_TYPE, "", "[]", 422, "invalid", "", NULL},
    {JSON_TYPE, "", "null", 422, "invalid", "", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"x\": [[1],[2]]}", 400, "malformed", NULL,
     "line 1, column"},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"z\": 1}", 422, "invalid", "/z", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"a/b~\": 1}", 422, "invalid", "/a~1b~0", NULL},
    {JSON_TYPE, "", "{\"y\": [1,2]}", 422, "invalid", "/x", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]]}", 422, "invalid", "/y", NULL},
    {JSON_TYPE, "", "{\"x\": 3, \"y\": [1,2]}", 422, "invalid", "/x", NULL},
    {JSON_TYPE, "", "{\"x\": [1, 2], \"y\": [1,2]}", 422, "invalid", "/x/0", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[\"2\"]], \"y\": [1,2]}", 422, "invalid", "/x/1/0", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[null]], \"y\": [1,2]}", 422, "invalid", "/x/1/0", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[true]], \"y\": [1,2]}", 422, "invalid", "/x/1/0", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,\"2\"]}", 422, "invalid", "/y/1", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": {\"a\": 1}}", 422, "invalid", "/y", NULL},
    {JSON_TYPE, "", "{\"x\": [[1,2],[3,4],[5,6],[7]], \"y\": [1,2,3,4]}", 422, "invalid", "/x/3", NULL},
    {JSON_TYPE, "", "{\"x\": [[1,2],[3,4],[5,6,7]], \"y\": [1,2,3]}", 422, "invalid", "/x/2", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2],[3]], \"y\": [1,2]}", 422, "invalid", "/y", "3"},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2,3]}", 422, "invalid", "/y", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[1e999]], \"y\": [1,2]}", 400, "malformed", NULL, "line 1, column"},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,-1e999]}", 400, "malformed", NULL, "line 1, column"},
    {JSON_TYPE, "", "{\"x\": [], \"y\": []}", 422, "invalid", "/x", NULL},
    {JSON_TYPE, "", "{\"x\": [[],[]], \"y\": [1,2]}", 422, "invalid", NULL, NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"noise_variance\": [0.1]}", 422, "invalid",
     "/noise_variance", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"noise_variance\": [0.1,-1]}", 422, "invalid",
     "/noise_variance/1", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"feature_names\": [\"a\",\"b\"]}", 422, "invalid",
     "/feature_names", NULL},
    {JSON_TYPE, "", "{\"x\": [[1,2],[2,3]], \"y\": [1,2], \"feature_names\": [\"a\",\"a\"]}", 422, "invalid",
     "/feature_names/1", NULL},
    {JSON_TYPE, "", "{\"x\": [[1],[2]], \"y\": [1,2], \"target_name\": 3}", 422, "invalid", "/target_name",
     NULL},
    {JSON_TYPE, "?target=a", "{\"x\": [[1],[2]], \"y\": [1,2]}", 422, "invalid", "/target", NULL},
    {JSON_TYPE, "?colour=red", "{\"x\": [[1],[2]], \"y\": [1,2]}", 422, "invalid", "/colour", NULL},
    {CSV_TYPE, "", "", 422, "invalid", NULL, "empty"},
    {CSV_TYPE, "", "a,b,y\n", 422, "invalid", NULL, "row"},
    {CSV_TYPE, "", "a,y\n1,2\n3,nan\n", 422, "invalid", NULL, "line 3, column 2 (\"y\")"},
    {CSV_TYPE, "", "a,y\n1,2\n,4\n", 422, "invalid", NULL, "line 3, column 1 (\"a\")"},
    {CSV_TYPE, "?missing=reject", "a,y\n1,2\nNA,4\n", 422, "invalid", NULL, "line 3, column 1"},
    {CSV_TYPE, "", "a,y\n1,2\n3,inf\n", 422, "invalid", NULL, "line 3, column 2"},
    {CSV_TYPE, "", "a,y\n1,2\n3,1e999\n", 422, "invalid", NULL, "line 3, column 2"},
    {CSV_TYPE, "", "a,y\n1,2\n3,x\n", 400, "malformed", NULL, "line 3, column 2"},
    {CSV_TYPE, "", "a,b,y\n1,2,3\n4,5\n", 400, "malformed", NULL, "line 3"},
    {CSV_TYPE, "", "a,b,y\n1,2,3\n4,5,6,7\n", 400, "malformed", NULL, "line 3"},
    {CSV_TYPE, "", "a,y\n1,\"2\n", 400, "malformed", NULL, "line 2"},
    {CSV_TYPE, "", "a\n1\n2\n", 422, "invalid", NULL, "one column"},
    {CSV_TYPE, "", "a,a,y\n1,2,3\n", 422, "invalid", NULL, "\"a\""},
    {CSV_TYPE, "?target=z", "a,y\n1,2\n3,4\n", 422, "invalid", NULL, "\"z\""},
    {CSV_TYPE, "?target=2", "a,y\n1,2\n3,4\n", 422, "invalid", NULL, "2"},
    {CSV_TYPE, "?noise_variance=z", "a,b,y\n1,2,3\n3,4,5\n", 422, "invalid", NULL, "\"z\""},
    {CSV_TYPE, "?noise_variance=b", "a,b,y\n1,-2,3\n3,4,5\n", 422, "invalid", NULL, "line 2, column 2"},
    {CSV_TYPE, "?noise_variance=y&target=y", "a,b,y\n1,2,3\n3,4,5\n", 422, "invalid", NULL, "both"},
    {CSV_TYPE, "?missing=keep", "a,y\n1,2\n", 422, "invalid", "/missing", "keep"},
    {CSV_TYPE, "?missing=drop", "a,y\nNA,2\n", 422, "invalid", NULL, NULL},
    {CSV_TYPE, "?missing=drop&missing=reject", "a,y\n1,2\n", 422, "invalid", "/missing", NULL},
    {CSV_TYPE, "?colour=red", "a,y\n1,2\n", 422, "invalid", "/colour", NULL},
    {"text/plain", "", "a,y\n1,2\n", 415, "unsupported-media-type", NULL, "text/csv"},
    {"application/jsonx", "", "{\"x\": [[1],[2]], \"y\": [1,2]}", 415, "unsupported-media-type", NULL,
     "application/json"},
};

/* The list and the directories are what they were. */
static void unharmed(const char *list, int directories, const char *what)
{
    ck_assert_msg(strcmp(get("/v1/datasets").body, list) == 0, "the list has changed after: %s", what);
    ck_assert_msg(entries("datasets") == directories, "a directory has stayed after: %s", what);
}

START_TEST(bodies)
{
    ck_status(send_json("PUT", "/v1/datasets/stays", wave(4, 2, 1)), 201);
    const char *list = get("/v1/datasets").body;
    const int directories = entries("datasets");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refused *r = &refusals[i];
        char *what = text("%s %s", r->query, r->body), *path = text("/v1/datasets/bad%s", r->query);
        struct answer answer = send_text("PUT", path, r->type, r->body);
        is_problem(answer, r->status, r->slug, r->pointer, what);
        ck_assert_msg(!r->detail || strstr(text_at(answer.json, "/detail"), r->detail), "%s: wanted %s: %s",
                      what, r->detail, answer.body);
        unharmed(list, directories, what);
        answer = send_text("POST", text("/v1/datasets%s", r->query), r->type, r->body);
        is_problem(answer, r->status, r->slug, r->pointer, what);
        unharmed(list, directories, what);
    }
}
END_TEST

START_TEST(encodings_and_methods)
{
    const char *list = get("/v1/datasets").body;
    const int directories = entries("datasets");
    static const char csv[] = "a,y\n1,2\n3,4\n";
    struct answer zipped = ask("PUT", "/v1/datasets/zip", csv, strlen(csv),
                               HEADERS("Content-Type: text/csv", "Content-Encoding: gzip"));
    is_problem(zipped, 415, "unsupported-media-type", NULL, "gzip");
    struct answer accept = ask("PUT", "/v1/datasets/html", csv, strlen(csv),
                               HEADERS("Content-Type: text/csv", "Accept: text/html"));
    is_problem(accept, 406, "not-acceptable", NULL, "text/html");
    unharmed(list, directories, "Accept: text/html");
    struct answer patch = send_text("PATCH", "/v1/datasets/x", "application/json", "{}");
    is_problem(patch, 405, "method-not-allowed", NULL, "PATCH");
    const char *allow = header_of(&patch, "Allow");
    ck_assert_ptr_nonnull(allow);
    ck_assert_str_eq(allow, "GET, HEAD, PUT, DELETE");
    unharmed(list, directories, "PATCH");
    struct answer identity =
        ask("PUT", "/v1/datasets/plain", csv, strlen(csv),
            HEADERS("Content-Type: TEXT/CSV; header=present", "Content-Encoding: identity"));
    ck_status(identity, 201);
    ck_status(ask("DELETE", "/v1/datasets/plain", NULL, 0, NULL), 204);
}
END_TEST

START_TEST(lengths)
{
    const char *list = get("/v1/datasets").body;
    const int directories = entries("datasets");
    char *missing =
        exchange("PUT /v1/datasets/none HTTP/1.1\r\n" RAW_HOST "Content-Type: text/csv\r\n\r\n", 5);
    ck_assert_int_eq(raw_status(missing), 411);
    ck_assert_ptr_nonnull(strstr(missing, "/problems/length-required"));
    const double start = now();
    char *huge = exchange("PUT /v1/datasets/huge HTTP/1.1\r\n" RAW_HOST
                          "Content-Type: text/csv\r\nContent-Length: 4000000000000\r\n\r\n",
                          5);
    ck_assert_int_eq(raw_status(huge), 413); /* at once: no byte of the body was sent */
    ck_assert_ptr_nonnull(strstr(huge, "/problems/too-large"));
    char *job = exchange("POST /v1/jobs HTTP/1.1\r\n" RAW_HOST
                         "Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
                         5);
    ck_assert_int_eq(raw_status(job), 413);
    ck_assert_double_lt(now() - start, 2);
    unharmed(list, directories, "lengths");
}
END_TEST

/* An upload that is broken off leaves nothing. */
START_TEST(broken_off)
{
    const char *list = get("/v1/datasets").body;
    const int directories = entries("datasets");
    for (int i = 0; i < 5; i++) {
        const int fd = dial();
        put(fd, "PUT /v1/datasets/half HTTP/1.1\r\n" RAW_HOST
                "Content-Type: text/csv\r\nContent-Length: 100\r\n\r\na,y\n1,2\n3,4\n");
        nap(0.02);
        close(fd);
    }
    nap(0.1);
    unharmed(list, directories, "a broken upload");
    is_problem(get("/v1/datasets/half"), 404, "not-found", NULL, "half");
}
END_TEST

/* Deep nesting, a long number, many members: refused or read, never a crash. */
START_TEST(unkind_bodies)
{
    const char *list = get("/v1/datasets").body;
    const int directories = entries("datasets");
    const size_t depth = 200000;
    char *deep = keep(calloc(depth + 16, 1));
    memcpy(deep, "{\"x\":", 5);
    memset(deep + 5, '[', depth);
    struct answer nested = send_text("PUT", "/v1/datasets/deep", JSON_TYPE, deep);
    ck_assert_msg(nested.status == 400 || nested.status == 422, "status %ld", nested.status);
    char *digits = keep(calloc(depth + 64, 1));
    memcpy(digits, "{\"x\":[[1],[2]],\"y\":[1,0.", 25);
    memset(digits + 25, '9', depth);
    strcat(digits, "e]}");
    struct answer number = send_text("PUT", "/v1/datasets/number", JSON_TYPE, digits);
    is_problem(number, 400, "malformed", NULL, "a long number without its exponent");
    static const char hole[] = "{\"x\":[[1],[2]],\0\"y\":[1,2]}";
    struct answer zero =
        ask("PUT", "/v1/datasets/zero", hole, sizeof hole - 1, HEADERS("Content-Type: application/json"));
    is_problem(zero, 400, "malformed", NULL, "a zero byte");
    unharmed(list, directories, "unkind bodies");
    ck_status(get("/readyz"), 200);
}
END_TEST

DAEMON_SUITE("uploads", bodies, encodings_and_methods, lengths, broken_off, unkind_bodies)
