/*
 * What an attacker or a careless script sends to the real daemon, and how it starts: requests that a proxy in
 * front could have read another way are refused, and what follows them on the connection is never served.
 */
#include "daemon_raw.h"

#define HEAD_OF(method, path) method " " path " HTTP/1.1\r\n" RAW_HOST
/* Would store a data set, if it were served. */
#define SMUGGLED                                                                                             \
    "PUT /v1/datasets/smuggled HTTP/1.1\r\n" RAW_HOST                                                        \
    "Content-Type: text/csv\r\nContent-Length: 12\r\n\r\na,y\n1,2\n3,4\n"

static const char *const smuggling[] = {
    /* Two ideas of where the body ends. */
    HEAD_OF("POST", "/v1/gradients") "Content-Type: application/json\r\nContent-Length: "
                                     "5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD_OF("POST",
            "/v1/gradients") "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: 2, 2\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: +2\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: 0x2\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length: -1\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Content-Length : 2\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Transfer-Encoding: identity\r\n\r\n{}" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD_OF(
        "POST",
        "/v1/gradients") "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    HEAD_OF("POST", "/v1/gradients") "Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n" SMUGGLED,
    "POST /v1/gradients HTTP/1.0\r\n" RAW_HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    /* Line ends and continuations. */
    "GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n" RAW_HOST "X-A: b\n\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\n\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n" RAW_HOST "X-A: b\r\n c: d\r\n\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n" RAW_HOST "X-A: b\rX-C: d\r\n\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n" RAW_HOST "No colon here\r\n\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n" RAW_HOST RAW_HOST "\r\n" SMUGGLED,
    "GET /livez HTTP/1.1\r\n\r\n" SMUGGLED,
    "GET  /livez HTTP/1.1\r\n" RAW_HOST "\r\n" SMUGGLED,
};

START_TEST(no_smuggling)
{
    const int directories = entries("datasets");
    for (size_t i = 0; i < sizeof smuggling / sizeof smuggling[0]; i++) {
        char *got = exchange(smuggling[i], 5);
        ck_assert_msg(raw_status(got) == 400, "wanted 400 for:\n%s\ngot: %s", smuggling[i], got);
        ck_assert_msg(!strstr(got + 1, "HTTP/1.1 "), "a second answer to:\n%s\ngot: %s", smuggling[i], got);
    }
    is_problem(get("/v1/datasets/smuggled"), 404, "not-found", NULL, "smuggled");
    ck_assert_int_eq(entries("datasets"), directories);
}
END_TEST

/* A body refused early is not read as the next request. */
START_TEST(refused_bodies)
{
    static const char *const heads[] = {"PUT /v1/datasets/x HTTP/1.1\r\n" RAW_HOST
                                        "Content-Type: text/csv\r\nContent-Length: 4000000000000\r\n\r\n",
                                        "POST /v1/jobs HTTP/1.1\r\n" RAW_HOST
                                        "Content-Type: application/json\r\nContent-Length: 9000000\r\n\r\n",
                                        "POST /v1/gradients HTTP/1.1\r\n" RAW_HOST
                                        "Content-Type: application/json\r\n\r\n"};
    static const int wanted[] = {413, 413, 411};
    for (int i = 0; i < 3; i++) {
        char *got = exchange(text("%s%s", heads[i], SMUGGLED), 5);
        ck_assert_int_eq(raw_status(got), wanted[i]);
        ck_assert_ptr_null(strstr(got + 1, "HTTP/1.1 "));
    }
    is_problem(get("/v1/datasets/smuggled"), 404, "not-found", NULL, "smuggled");
}
END_TEST

/* Honest pipelining is served, in order; a chunked body too. */
START_TEST(pipelines)
{
    char *got = exchange(HEAD_OF("GET", "/livez") "\r\n" HEAD_OF("GET", "/v1/none") "\r\n" HEAD_OF(
                             "GET", "/") "Connection: close\r\n\r\n",
                         5);
    const char *first = strstr(got, "HTTP/1.1 200"), *second = strstr(got, "HTTP/1.1 404"),
               *third = second ? strstr(second, "HTTP/1.1 200") : NULL;
    ck_assert_msg(first == got && second && third, "%s", got);
    got = exchange(HEAD_OF("PUT", "/v1/datasets/chunked") "Content-Type: text/csv\r\nTransfer-Encoding: "
                                                          "chunked\r\nConnection: close\r\n\r\n"
                                                          "5\r\na,y\n1\r\n7;x=y\r\n,2\n3,4\n\r\n0\r\n\r\n",
                   5);
    ck_assert_int_eq(raw_status(got), 201);
    ck_assert_int_eq((int)number_at(get("/v1/datasets/chunked").json, "/rows"), 2);
}
END_TEST

static int status_for_host(const char *host)
{
    return raw_status(
        exchange(text("GET /livez HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host), 5));
}

/* A page in a browser whose name resolves to 127.0.0.1 does not get in. */
START_TEST(hosts)
{
    static const char *const good[] = {"127.0.0.1", "localhost", "LOCALHOST:8080",
                                       "[::1]",     "[::1]:80",  "127.0.0.1:65535"};
    static const char *const bad[] = {"evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1:8080x",
                                      "0.0.0.0",
                                      "10.0.0.1",
                                      "[::2]",
                                      "localhost:80:80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(status_for_host(good[i]) == 200, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(status_for_host(bad[i]) == 403, "%s: %d", bad[i], status_for_host(bad[i]));
    struct answer answer = ask("GET", "/v1/datasets", NULL, 0, HEADERS("Host: evil.example"));
    is_problem(answer, 403, "forbidden", NULL, "evil.example");
    answer = ask("PUT", "/v1/datasets/evil", "a,y\n1,2\n3,4\n", 12,
                 HEADERS("Host: evil.example", "Content-Type: text/csv"));
    is_problem(answer, 403, "forbidden", NULL, "evil.example");
    is_problem(get("/v1/datasets/evil"), 404, "not-found", NULL, "evil");
}
END_TEST

/* Bytes that are no HTTP at all, and headers without end. */
START_TEST(garbage)
{
    static const char *const bytes[] = {"\x16\x03\x01\x02\x01\x01\x01",
                                        "\r\n\r\n\r\n",
                                        "GET\r\n\r\n",
                                        "GET /livez\r\n\r\n",
                                        "GET /livez HTTP/9.9\r\n" RAW_HOST "\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        bool ended;
        const int fd = dial();
        put(fd, bytes[i]);
        char *got = take(fd, NULL, 0.3, &ended);
        close(fd);
        ck_assert_msg(raw_status(got) != 200, "%s", got);
    }
    struct answer many = ask("GET", "/livez", NULL, 0, HEADERS(text("X-Long: %0*d", 100000, 0)));
    ck_assert_msg(many.status == 431 || many.status == 413 || many.status == 400, "status %ld", many.status);
    ck_status(get("/readyz"), 200);
}
END_TEST

/* ---- how it starts
 * ----------------------------------------------------------------------------------------------- */

#define says(command, wanted, word)                                                                          \
    do {                                                                                                     \
        ck_assert_msg((command).status == (wanted), "status %d: %s", (command).status, (command).err);       \
        ck_assert_msg(strstr((command).err, word) != NULL, "wanted %s: %s", word, (command).err);            \
        ck_assert_str_eq((command).out, "");                                                                 \
    } while (0)

START_TEST(refused_starts)
{
    const char *other = text("%s/other", the_daemon.directory);
    struct command twice = KRIGED("serve", "--listen", "127.0.0.1:0", "--data-dir", the_daemon.directory);
    says(twice, 1, the_daemon.directory); /* which directory, and that it is in use */
    ck_status(get("/readyz"), 200);
    ck_status(send_json("PUT", "/v1/datasets/still-mine", wave(4, 1, 1)), 201);
    struct command open = KRIGED("serve", "--listen", "0.0.0.0:0", "--data-dir", other);
    says(open, 1, "--insecure");
    struct command taken =
        KRIGED("serve", "--listen", text("127.0.0.1:%d", the_daemon.port), "--data-dir", other);
    says(taken, 1, text("%d", the_daemon.port));
    struct command nowhere = KRIGED("serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/none/kriged");
    says(nowhere, 1, "/proc/none/kriged");
    static const char *const usage[][3] = {{"--colour", "red", "--colour"},
                                           {"--listen", "here", "--listen"},
                                           {"--listen", "127.0.0.1:x", "--listen"},
                                           {"--listen", "127.0.0.1:65536", "--listen"},
                                           {"--workers", "0", "--workers"},
                                           {"--threads", "two", "--threads"},
                                           {"--data", "x.csv", "--data"}};
    for (size_t i = 0; i < sizeof usage / sizeof usage[0]; i++) {
        struct command command = KRIGED("serve", usage[i][0], usage[i][1]);
        says(command, 2, usage[i][2]);
    }
    struct command unknown = KRIGED("service");
    says(unknown, 2, "service");
}
END_TEST

DAEMON_SUITE("hostile", no_smuggling, refused_bodies, pipelines, hosts, garbage, refused_starts)
