/*
 * A server with a small handler in this process, a raw client, and a hub of streams for the tests of the HTTP
 * layer. Included by one test program each: everything is static.
 */
#ifndef KRIGED_TESTS_HTTP_FIXTURE_H
#define KRIGED_TESTS_HTTP_FIXTURE_H

#include "api/http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNUSED    __attribute__((unused))
#define HOST      "Host: 127.0.0.1\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

struct test_stream {
    struct kr_http_stream *stream;
    _Atomic int pulled, closed; /* calls */
    _Atomic int due;            /* events to be sent */
    int event;                  /* bytes of one; 0: a short text */
    _Atomic bool done;
    struct test_stream *next;
};

struct server {
    struct kr_ctx ctx;
    struct kr_http *http;
    _Atomic int served;     /* requests for /served */
    _Atomic int handled;    /* all requests */
    _Atomic int left;       /* a /wait saw its client leave */
    _Atomic int held, hold; /* /hold waits while hold is set */
    _Atomic size_t longest; /* body seen */
    pthread_mutex_t hub;    /* what kriged's event hub does: wakes and closed() exclude each other */
    struct test_stream *_Atomic streams;
};

static UNUSED void nap(double seconds)
{
    usleep((useconds_t)(seconds * 1e6));
}

#define EVENTUALLY(condition)                                                                                \
    do {                                                                                                     \
        double until_ = kr_seconds() + 5;                                                                    \
        while (!(condition) && kr_seconds() < until_)                                                        \
            nap(0.005);                                                                                      \
        ck_assert_msg(condition, "never: %s", #condition);                                                   \
    } while (0)

static void stream_pull(void *self, struct kr_http_chunk *chunk)
{
    struct test_stream *mine = self;
    mine->pulled++;
    if (chunk->closing) {
        chunk->bytes = strdup("data: bye\n\n");
        chunk->length = strlen(chunk->bytes);
    } else if (mine->due > 0) {
        mine->due--;
        if (mine->event) {
            chunk->length = (size_t)mine->event;
            chunk->bytes = malloc(chunk->length);
            memset(chunk->bytes, 'e', chunk->length);
        } else {
            chunk->bytes = strdup("data: tick\n\n");
            chunk->length = strlen(chunk->bytes);
        }
    } else {
        chunk->end = mine->done;
    }
}

static struct server the_server;

static void stream_closed(void *self)
{
    struct test_stream *mine = self;
    pthread_mutex_lock(&the_server.hub);
    mine->closed++;
    mine->stream = NULL;
    pthread_mutex_unlock(&the_server.hub);
}

static void open_stream(struct server *server, struct kr_http_request *request, struct kr_http_reply *reply)
{
    struct test_stream *mine = calloc(1, sizeof *mine);
    const char *size = kr_http_query(request, "size"), *due = kr_http_query(request, "due");
    struct kr_http_stream_options options = {stream_pull, stream_closed, mine, ": keep-alive\n\n"};
    mine->event = size ? atoi(size) : 0;
    mine->due = due ? atoi(due) : 0;
    pthread_mutex_lock(&server->hub);
    reply->stream = mine->stream = kr_http_stream_new(server->http, &options);
    if (mine->stream) {
        mine->next = server->streams;
        server->streams = mine;
        reply->status = 200;
        reply->content_type = "text/event-stream";
    } else {
        struct kr_error error = {.status = KR_UNAVAILABLE};
        kr_http_reply_problem(request, &error, reply);
        free(mine);
    }
    pthread_mutex_unlock(&server->hub);
}

static UNUSED void publish(struct server *server, int events, bool done)
{
    pthread_mutex_lock(&server->hub);
    for (struct test_stream *s = server->streams; s; s = s->next) {
        s->due += events;
        s->done = done;
        if (s->stream)
            kr_http_stream_wake(s->stream);
    }
    pthread_mutex_unlock(&server->hub);
}

static UNUSED int closed_streams(struct server *server)
{
    int count = 0;
    pthread_mutex_lock(&server->hub);
    for (struct test_stream *s = server->streams; s; s = s->next)
        count += s->closed;
    pthread_mutex_unlock(&server->hub);
    return count;
}

static void say(struct kr_http_reply *reply, const char *text, size_t length)
{
    reply->status = 200;
    reply->content_type = "text/plain";
    reply->body = malloc(length + 1);
    memcpy(reply->body, text, length);
    reply->length = length;
}

static void describe(struct kr_http_request *request, struct kr_http_reply *reply)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "%s %s", request->method, request->path);
    for (int i = 0; i < request->segment_count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " [%s]", request->segments[i]);
    for (int i = 0; i < request->query_count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %s=%s", request->query[i].name,
                      request->query[i].value);
    say(reply, text, (size_t)n);
    kr_http_reply_header(reply, "X-Peer", "%s", request->peer);
}

static void handle(void *self, struct kr_http_request *request, struct kr_http_reply *reply)
{
    struct server *server = self;
    const char *route = request->segment_count ? request->segments[0] : "";
    server->handled++;
    if (request->length > server->longest)
        server->longest = request->length;
    if (strcmp(route, "echo") == 0) {
        say(reply, request->body, request->length);
    } else if (strcmp(route, "served") == 0) {
        server->served++;
        say(reply, "served", 6);
    } else if (strcmp(route, "stream") == 0) {
        open_stream(server, request, reply);
    } else if (strcmp(route, "wait") == 0) {
        for (int i = 0; i < 1000 && !request->client_left; i++)
            nap(0.005);
        server->left += request->client_left;
        say(reply, "waited", 6);
    } else if (strcmp(route, "hold") == 0) {
        server->held++;
        while (server->hold)
            nap(0.005);
        say(reply, "held", 4);
    } else if (strcmp(route, "cached") == 0) {
        say(reply, "cached", 6);
        kr_http_reply_header(reply, "Cache-Control", "max-age=60");
    } else {
        describe(request, reply);
    }
}

static size_t limit(void *self, const char *method, const char *path, const char *type, bool *required)
{
    (void)self;
    (void)method;
    if (strncmp(path, "/cancel", 7) == 0) {
        *required = false;
        return 0;
    }
    return type && strcmp(type, "application/big") == 0 ? (size_t)64 << 20 : 100000;
}

static void silent_log(void *self, const char *line)
{
    (void)self;
    if (getenv("HTTP_TEST_LOG"))
        fprintf(stderr, "%s\n", line);
}

static UNUSED struct server *start_with(struct kr_http_config config)
{
    struct server *server = &the_server;
    memset(server, 0, sizeof *server);
    kr_ctx_init(&server->ctx, 0);
    pthread_mutex_init(&server->hub, NULL);
    config.max_body = limit;
    config.log = silent_log;
    ck_assert_msg(kr_http_open(&server->ctx, &config, handle, server, &server->http) == KR_OK, "%s",
                  server->ctx.error.detail);
    ck_assert_int_gt(kr_http_port(server->http), 0);
    return server;
}

static UNUSED struct server *start(void)
{
    return start_with((struct kr_http_config){.loopback_hosts_only = true, .close_seconds = 3});
}

static UNUSED void stop(struct server *server)
{
    kr_http_close(server->http);
    for (struct test_stream *s = server->streams, *next; s; s = next) {
        next = s->next;
        ck_assert_int_eq(s->closed, 1);
        free(s);
    }
    kr_ctx_fini(&server->ctx);
    pthread_mutex_destroy(&server->hub);
}

static int dial_with(struct server *server, int receive_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)kr_http_port(server->http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static UNUSED int dial(struct server *server)
{
    return dial_with(server, 0);
}

static UNUSED void put(int fd, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

/* Reads until the end, `until` was seen, or `seconds` passed. True at the end of the connection. */
static UNUSED bool take(int fd, char *text, size_t size, const char *until, double seconds)
{
    size_t length = 0;
    double limit_at = kr_seconds() + seconds;
    text[0] = '\0';
    while (length + 1 < size && kr_seconds() < limit_at && !(until && strstr(text, until))) {
        struct pollfd in = {.fd = fd, .events = POLLIN};
        if (poll(&in, 1, 20) <= 0)
            continue;
        ssize_t n = recv(fd, text + length, size - 1 - length, 0);
        if (n <= 0)
            return true;
        length += (size_t)n;
        text[length] = '\0';
    }
    return false;
}

/* One exchange on a fresh connection, which the server has to end within two seconds if `ends`. */
static UNUSED char *exchange(struct server *server, const char *request, bool ends)
{
    static char text[65536];
    int fd = dial(server);
    put(fd, request);
    bool ended = take(fd, text, sizeof text, NULL, ends ? 2 : 0.3);
    ck_assert_msg(ended == ends, "connection %s after: %s", ended ? "ended" : "still open", text);
    close(fd);
    return text;
}

static UNUSED int status_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? atoi(reply + 9) : -1;
}

#endif
