/* Ordinary exchanges, limits, deadlines, leaving clients and shutdown of the HTTP layer, over real sockets.
 */
#include "http_fixture.h"
#include "suite.h"

#include <curl/curl.h>
#include <fcntl.h>

struct answer {
    long status, connections;
    char *body;
    size_t length;
    char headers[4096];
};

static size_t keep_body(char *data, size_t one, size_t n, void *self)
{
    struct answer *answer = self;
    (void)one;
    answer->body = realloc(answer->body, answer->length + n + 1);
    memcpy(answer->body + answer->length, data, n);
    answer->length += n;
    answer->body[answer->length] = '\0';
    return n;
}

static size_t keep_header(char *data, size_t one, size_t n, void *self)
{
    struct answer *answer = self;
    size_t used = strlen(answer->headers);
    (void)one;
    if (used + n < sizeof answer->headers)
        strncat(answer->headers, data, n);
    return n;
}

static CURL *new_client(void)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    return curl;
}

static struct answer ask(CURL *curl, struct server *server, const char *path, const char *const *headers)
{
    struct answer answer = {0};
    struct curl_slist *list = NULL;
    char url[500];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", kr_http_port(server->http), path);
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
    CURLcode code = curl_easy_perform(curl);
    ck_assert_msg(code == CURLE_OK, "%s: %s", path, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &answer.connections);
    curl_slist_free_all(list);
    if (!answer.body)
        answer.body = calloc(1, 1);
    return answer;
}

START_TEST(plain)
{
    struct server *server = start();
    CURL *curl = new_client();
    struct answer a =
        ask(curl, server, "/a%2Fb/c%20d/?x=1+2&x=%41&flag", (const char *[]){"X-Request-Id: my.id-1", NULL});
    ck_assert_int_eq(a.status, 200);
    ck_assert_str_eq(a.body, "GET /a%2Fb/c%20d/ [a/b] [c d] [] x=1 2 x=A flag=");
    ck_assert_ptr_nonnull(strstr(a.headers, "X-Request-Id: my.id-1\r\n"));
    ck_assert_ptr_nonnull(strstr(a.headers, "X-Content-Type-Options: nosniff\r\n"));
    ck_assert_ptr_nonnull(strstr(a.headers, "Cache-Control: no-store\r\n"));
    ck_assert_ptr_nonnull(strstr(a.headers, "X-Peer: 127.0.0.1\r\n"));
    ck_assert_ptr_nonnull(strstr(a.headers, "Date: "));
    free(a.body);
    a = ask(curl, server, "/cached", (const char *[]){"X-Request-Id: not/allowed", NULL});
    ck_assert_int_eq(a.connections, 0); /* the same one */
    ck_assert_ptr_null(strstr(a.headers, "no-store"));
    ck_assert_ptr_nonnull(strstr(a.headers, "Cache-Control: max-age=60\r\n"));
    ck_assert_ptr_null(strstr(a.headers, "not/allowed"));
    free(a.body);
    a = ask(curl, server, "/", NULL);
    ck_assert_str_eq(a.body, "GET /");
    free(a.body);
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    a = ask(curl, server, "/cached", NULL);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.length, 0);
    ck_assert_ptr_nonnull(strstr(a.headers, "Content-Length: 6\r\n"));
    free(a.body);
    curl_easy_cleanup(curl);
    stop(server);
}
END_TEST

START_TEST(bodies)
{
    struct server *server = start();
    CURL *curl = new_client();
    size_t size = (size_t)20 << 20;
    char *big = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        big[i] = (char)(i * 2654435761u >> 13);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "hello");
    struct answer a = ask(curl, server, "/echo", NULL);
    ck_assert_str_eq(a.body, "hello");
    free(a.body);
    a = ask(curl, server, "/echo", (const char *[]){"Transfer-Encoding: chunked", NULL});
    ck_assert_str_eq(a.body, "hello");
    ck_assert_ptr_nonnull(strstr(a.headers, "Connection: close"));
    free(a.body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, big);
    a = ask(curl, server, "/echo", (const char *[]){"Content-Type: application/big", NULL});
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.length, size);
    ck_assert_int_eq(memcmp(a.body, big, size), 0);
    free(a.body);
    /* Refused before, in the middle of, and without sending the body. */
    int handled = server->handled;
    a = ask(curl, server, "/echo", (const char *[]){"Expect:", NULL});
    ck_assert_int_eq(a.status, 413);
    free(a.body);
    a = ask(curl, server, "/echo", (const char *[]){"Expect: 100-continue", NULL});
    ck_assert_int_eq(a.status, 413);
    ck_assert_ptr_null(strstr(a.headers, "100 Continue"));
    free(a.body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)500000);
    a = ask(curl, server, "/echo", (const char *[]){"Transfer-Encoding: chunked", "Expect:", NULL});
    ck_assert_int_eq(a.status, 413);
    free(a.body);
    ck_assert_int_eq(server->handled, handled);
    free(big);
    curl_easy_cleanup(curl);
    stop(server);
}
END_TEST

START_TEST(lengths)
{
    struct server *server = start();
    ck_assert_int_eq(status_of(exchange(server, "POST /echo HTTP/1.1\r\n" HOST "\r\n", true)), 411);
    ck_assert_int_eq(status_of(exchange(server, "POST /cancel HTTP/1.1\r\n" HOST "\r\n", false)), 200);
    ck_assert_int_eq(
        status_of(exchange(server, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", false)), 200);
    char *text = exchange(
        server, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", false);
    ck_assert_int_eq(status_of(text), 100);
    ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 200"));
    ck_assert_ptr_nonnull(strstr(text, "abc"));
    /* Pipelined requests are served in order, also after a body. */
    text = exchange(server,
                    "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET("/served") GET("/x/y"),
                    false);
    ck_assert_int_eq(server->served, 1);
    ck_assert_ptr_nonnull(strstr(text, "abc"));
    ck_assert_ptr_nonnull(strstr(text, "GET /x/y [x] [y]"));
    stop(server);
}
END_TEST

START_TEST(deadlines)
{
    struct server *server =
        start_with((struct kr_http_config){.header_seconds = 0.4, .body_seconds = 0.6, .idle_seconds = 1});
    static char text[4096];
    int fd = dial(server);
    double begin = kr_seconds();
    const char *slow =
        "GET /served HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    bool ended = false;
    for (const char *c = slow; *c && !ended; c++) {
        send(fd, c, 1, MSG_NOSIGNAL);
        ended = take(fd, text, sizeof text, NULL, 0.03);
    }
    ck_assert(ended);
    ck_assert_double_lt(kr_seconds() - begin, 1.5);
    close(fd);
    fd = dial(server);
    begin = kr_seconds();
    put(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n");
    for (ended = false; !ended && kr_seconds() < begin + 3;) {
        send(fd, "b", 1, MSG_NOSIGNAL);
        ended = take(fd, text, sizeof text, NULL, 0.08);
    }
    ck_assert(ended);
    ck_assert_double_lt(kr_seconds() - begin, 2);
    close(fd);
    fd = dial(server);
    put(fd, GET("/served"));
    begin = kr_seconds();
    ck_assert(take(fd, text, sizeof text, NULL, 4)); /* idle after the reply */
    ck_assert_double_gt(kr_seconds() - begin, 0.7);
    ck_assert_int_eq(status_of(text), 200);
    close(fd);
    ck_assert_int_eq(server->served, 1);
    stop(server);
}
END_TEST

START_TEST(client_leaves)
{
    struct server *server = start();
    int fd = dial(server);
    put(fd, GET("/wait"));
    EVENTUALLY(server->handled == 1);
    nap(0.2);
    ck_assert_int_eq(server->left, 0);
    close(fd);
    EVENTUALLY(server->left == 1);
    EVENTUALLY(kr_http_counts(server->http).connections == 0);
    stop(server);
}
END_TEST

START_TEST(queue_is_bounded)
{
    struct server *server = start_with((struct kr_http_config){.request_threads = 2, .queue = 3});
    int fds[8], refused = 0;
    static char text[8][2000];
    server->hold = 1;
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(server);
        put(fds[i], GET("/hold"));
        if (i == 1)
            EVENTUALLY(server->held == 2);
    }
    EVENTUALLY(kr_http_counts(server->http).queued == 3);
    nap(0.1);
    server->hold = 0;
    for (int i = 0; i < 8; i++) {
        take(fds[i], text[i], sizeof *text, "\r\n\r\n", 3);
        if (status_of(text[i]) == 503) {
            refused++;
            ck_assert_ptr_nonnull(strstr(text[i], "Retry-After: "));
        } else {
            ck_assert_int_eq(status_of(text[i]), 200);
        }
        close(fds[i]);
    }
    ck_assert_int_eq(refused, 3);
    stop(server);
}
END_TEST

static void *close_server(void *self)
{
    kr_http_close(((struct server *)self)->http);
    return NULL;
}

START_TEST(closing_finishes_requests)
{
    struct server *server = start();
    static char text[4096];
    pthread_t closer;
    int busy = dial(server), idle = dial(server), late = dial(server);
    server->hold = 1;
    put(busy, GET("/hold"));
    EVENTUALLY(server->held == 1);
    put(late, "GET /served HT");
    put(idle, GET("/served"));
    take(idle, text, sizeof text, "served", 2);
    pthread_create(&closer, NULL, close_server, server);
    ck_assert(take(idle, text, sizeof text, NULL, 2));
    put(late, "TP/1.1\r\n" HOST "\r\n");
    take(late, text, sizeof text, NULL, 2);
    ck_assert_int_eq(status_of(text), 503);
    server->hold = 0;
    ck_assert(take(busy, text, sizeof text, NULL, 3));
    ck_assert_int_eq(status_of(text), 200);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    pthread_join(closer, NULL);
    ck_assert_int_eq(server->served, 1);
    close(busy);
    close(idle);
    close(late);
}
END_TEST

START_TEST(closing_loses_patience)
{
    struct server *server = start_with((struct kr_http_config){.close_seconds = 0.3});
    int fd = dial(server);
    double begin;
    put(fd, GET("/wait"));
    EVENTUALLY(server->handled == 1);
    begin = kr_seconds();
    stop(server);
    ck_assert_double_lt(kr_seconds() - begin, 1.5);
    ck_assert_int_eq(server->left, 1);
    close(fd);
}
END_TEST

/* A child process must inherit nothing of the server. */
START_TEST(descriptors_are_private)
{
    bool before[256] = {false};
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    struct server *server = start();
    int mine = dial(server);
    EVENTUALLY(kr_http_counts(server->http).connections == 1);
    for (int fd = 0; fd < 256; fd++)
        if (!before[fd] && fd != mine && fcntl(fd, F_GETFD) >= 0)
            ck_assert_msg(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d would be inherited", fd);
    close(mine);
    stop(server);
    for (int fd = 0; fd < 256; fd++)
        ck_assert_msg(before[fd] == (fcntl(fd, F_GETFD) >= 0), "descriptor %d leaked", fd);
}
END_TEST

START_TEST(port_in_use)
{
    struct server *server = start();
    struct kr_ctx ctx;
    struct kr_http *other = NULL;
    struct kr_http_config config = {.port = kr_http_port(server->http)};
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_http_open(&ctx, &config, handle, server, &other), KR_UNAVAILABLE);
    ck_assert_ptr_null(other);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "in use"));
    kr_ctx_fini(&ctx);
    stop(server);
}
END_TEST

Suite *suite(void)
{
    Suite *all = suite_create("http");
    TCase *c = tcase_create("exchanges");
    curl_global_init(CURL_GLOBAL_ALL);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, plain);
    tcase_add_test(c, bodies);
    tcase_add_test(c, lengths);
    tcase_add_test(c, deadlines);
    tcase_add_test(c, client_leaves);
    tcase_add_test(c, queue_is_bounded);
    tcase_add_test(c, closing_finishes_requests);
    tcase_add_test(c, closing_loses_patience);
    tcase_add_test(c, descriptors_are_private);
    tcase_add_test(c, port_in_use);
    suite_add_tcase(all, c);
    return all;
}
