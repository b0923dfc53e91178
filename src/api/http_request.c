/*
 * The life of a request: its line, the checks when the headers are there, its body, the queue, a request
 * thread. A refusal in the first call is sent without reading the body, and libmicrohttpd then closes the
 * connection: bytes that follow are never served.
 */
#include "api/http_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWALLOW_EXTRA                                                                                        \
    ((uint64_t)1 << 20) /* read beyond the limit of a chunked body so that a 413 can be sent */

void *http_request_line(void *self, const char *uri, struct MHD_Connection *mhd)
{
    struct kr_http *http = self;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_request *request = calloc(1, sizeof *request);
    char *target = strdup(uri);
    if (!request || !target || !info || !info->socket_context) {
        free(request);
        free(target);
        return NULL;
    }
    request->mhd = mhd;
    request->connection = info->socket_context;
    request->raw_uri = uri;
    request->raw_length = strlen(uri);
    request->target = target;
    request->view.http = http;
    request->view.id = request->id;
    request->view.method = request->view.path = request->view.body = "";
    request->view.peer = request->connection->peer;
    snprintf(request->id, sizeof request->id, "%08x-%llx", http->id_prefix,
             (unsigned long long)__atomic_add_fetch(&http->id_counter, 1, __ATOMIC_RELAXED));
    http_set_phase(http, request->connection, PHASE_HEADERS, http->config.header_seconds);
    return request;
}

/* Bytes of all bodies together; false when that would be too much. */
static bool account(struct kr_http *http, size_t less, size_t more)
{
    bool fits;
    pthread_mutex_lock(&http->lock);
    size_t bytes = http->body_bytes - less + more;
    fits = more <= less || !http->config.body_memory || bytes <= http->config.body_memory;
    if (fits)
        http->body_bytes = bytes;
    pthread_mutex_unlock(&http->lock);
    return fits;
}

static void drop_body(struct kr_http *http, struct http_request *request)
{
    if (request->body)
        account(http, request->capacity, 0);
    free(request->body);
    request->body = NULL;
    request->capacity = 0;
    request->view.body = "";
    request->view.length = 0;
}

static kr_status append_body(struct kr_http *http, struct http_request *request, const char *data,
                             size_t size, struct kr_error *error)
{
    struct kr_http_request *view = &request->view;
    if (size > request->limit - view->length)
        return http_refuse(error, KR_TOO_LARGE, "the body may have %zu bytes", request->limit);
    if (view->length + size + 1 > request->capacity) {
        size_t capacity = request->capacity ? 2 * request->capacity : 16384;
        size_t most = (request->has_length ? (size_t)request->content_length : request->limit) + 1;
        if (capacity < view->length + size + 1)
            capacity = view->length + size + 1;
        if (capacity > most)
            capacity = most;
        if (!account(http, request->capacity, capacity))
            return http_refuse(error, KR_UNAVAILABLE, "too many large requests are under way");
        char *body = realloc(request->body, capacity);
        if (!body) {
            account(http, capacity, request->capacity);
            return http_refuse(error, KR_UNAVAILABLE, "out of memory");
        }
        request->body = body;
        request->capacity = capacity;
        view->body = body;
    }
    memcpy(request->body + view->length, data, size);
    view->length += size;
    request->body[view->length] = '\0';
    return KR_OK;
}

static kr_status check_body(struct kr_http *http, struct http_request *request, struct kr_error *error)
{
    const struct kr_http_config *config = &http->config;
    const struct kr_http_request *view = &request->view;
    const char *method = view->method;
    bool required = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    request->limit = config->body_limit;
    if (config->max_body)
        request->limit =
            config->max_body(http->self, method, view->path, kr_http_header(view, "Content-Type"), &required);
    if (request->limit > SIZE_MAX / 4)
        request->limit = SIZE_MAX / 4;
    if (required && !request->has_length && !request->chunked)
        return http_refuse(error, KR_LENGTH_REQUIRED, "%.20s needs a Content-Length or chunks", method);
    if (request->content_length > request->limit)
        return http_refuse(error, KR_TOO_LARGE, "the body may have %zu bytes, got a Content-Length of %llu",
                           request->limit, (unsigned long long)request->content_length);
    if (config->body_memory && request->content_length > config->body_memory)
        return http_refuse(error, KR_TOO_LARGE, "all bodies together may have %zu bytes",
                           config->body_memory);
    return KR_OK;
}

static kr_status check_head(struct kr_http *http, struct http_request *request, const char *method,
                            const char *version, struct kr_error *error)
{
    bool http11 = strcmp(version, "HTTP/1.0") != 0;
    KR_TRY(http_read_headers(request, method, version, error));
    request->view.head = strcmp(method, "HEAD") == 0;
    request->view.method = request->view.head ? "GET" : method;
    KR_TRY(http_check_host(request, http11, http->config.loopback_hosts_only, error));
    KR_TRY(http_read_framing(request, http11, error));
    KR_TRY(http_read_target(request, error));
    if (http->closing)
        return http_refuse(error, KR_UNAVAILABLE, "the server is closing");
    return check_body(http, request, error);
}

/* Sends a refusal. A client that is still sending its body would lose it to a reset, so its socket is
 * drained. */
static enum MHD_Result refuse_now(struct kr_http *http, struct http_request *request,
                                  const struct kr_error *error, bool early)
{
    struct kr_http_reply *reply = &request->reply;
    http_reply_fini(reply);
    memset(reply, 0, sizeof *reply);
    kr_http_reply_problem(&request->view, error, reply);
    if (early) {
        reply->close = true;
        http_linger(http, request->connection->fd);
    }
    return http_send(http, request);
}

static enum MHD_Result first_call(struct kr_http *http, struct http_request *request, const char *method,
                                  const char *version)
{
    struct kr_error error;
    if (check_head(http, request, method, version, &error) != KR_OK)
        return refuse_now(http, request, &error, true);
    request->state = STATE_BODY;
    http_set_phase(http, request->connection, PHASE_BODY, http->config.body_seconds);
    return MHD_YES;
}

/* No reply can be queued between two pieces of a body: a refusal waits for its end, and that not for ever. */
static enum MHD_Result take_piece(struct kr_http *http, struct http_request *request, const char *data,
                                  size_t *size)
{
    if (request->refused.status == KR_OK &&
        append_body(http, request, data, *size, &request->refused) != KR_OK)
        drop_body(http, request);
    if (request->refused.status != KR_OK) {
        request->swallowed += *size;
        if (request->swallowed > request->limit + SWALLOW_EXTRA)
            return MHD_NO;
    }
    *size = 0;
    return MHD_YES;
}

/* The connection is suspended before a thread can see the request: its resume must not come first. */
static enum MHD_Result enqueue(struct kr_http *http, struct http_request *request)
{
    struct http_connection *connection = request->connection;
    struct kr_error error;
    bool room;
    if (request->refused.status != KR_OK)
        return refuse_now(http, request, &request->refused, true);

    pthread_mutex_lock(&http->lock);
    connection->phase = PHASE_BUSY;
    connection->deadline = 0;
    connection->request = request;
    http->request_count++;
    pthread_mutex_unlock(&http->lock);

    pthread_mutex_lock(&http->queue_lock);
    room = http->queue_count < http->config.queue;
    if (room) {
        request->state = STATE_QUEUED;
        MHD_suspend_connection(request->mhd);
        http->queue[(http->queue_first + http->queue_count++) % http->config.queue] = request;
        pthread_cond_signal(&http->queue_ready);
    }
    pthread_mutex_unlock(&http->queue_lock);
    if (room)
        return MHD_YES;
    pthread_mutex_lock(&http->lock);
    connection->request = NULL;
    http->request_count--;
    pthread_mutex_unlock(&http->lock);
    http_refuse(&error, KR_UNAVAILABLE, "too many requests are waiting");
    return refuse_now(http, request, &error, false);
}

enum MHD_Result http_access(void *self, struct MHD_Connection *mhd, const char *url, const char *method,
                            const char *version, const char *data, size_t *size, void **context)
{
    struct kr_http *http = self;
    struct http_request *request = *context;
    (void)mhd;
    (void)url;
    if (!request)
        return MHD_NO;
    switch (request->state) {
    case STATE_LINE:
        return first_call(http, request, method, version);
    case STATE_BODY:
        return *size > 0 ? take_piece(http, request, data, size) : enqueue(http, request);
    case STATE_REPLIED:
        return http_send(http, request);
    case STATE_QUEUED:
    case STATE_SENT:
        break;
    }
    return MHD_YES;
}

void http_completed(void *self, struct MHD_Connection *mhd, void **context,
                    enum MHD_RequestTerminationCode how)
{
    struct kr_http *http = self;
    struct http_request *request = *context;
    (void)mhd;
    (void)how;
    *context = NULL;
    if (!request)
        return;
    http_set_phase(http, request->connection, PHASE_IDLE, http->config.idle_seconds);
    drop_body(http, request);
    http_reply_fini(&request->reply);
    free(request->target);
    free(request->path);
    free(request->headers);
    free(request);
}

static void serve(struct kr_http *http, struct http_request *request)
{
    struct http_connection *connection = request->connection;
    http->handler(http->self, &request->view, &request->reply);
    drop_body(http, request);

    pthread_mutex_lock(&http->lock);
    connection->phase = PHASE_REPLY;
    connection->deadline = kr_seconds() + http->config.body_seconds;
    connection->request = NULL;
    http->request_count--;
    request->state = STATE_REPLIED;
    pthread_mutex_unlock(&http->lock);
    MHD_resume_connection(request->mhd); /* from here on the request may be gone */
}

void *http_request_thread(void *self)
{
    struct kr_http *http = self;
    pthread_mutex_lock(&http->queue_lock);
    for (;;) {
        while (http->queue_count == 0 && !http->queue_stop)
            pthread_cond_wait(&http->queue_ready, &http->queue_lock);
        if (http->queue_count == 0)
            break;
        struct http_request *request = http->queue[http->queue_first];
        http->queue_first = (http->queue_first + 1) % http->config.queue;
        http->queue_count--;
        pthread_mutex_unlock(&http->queue_lock);
        serve(http, request);
        pthread_mutex_lock(&http->queue_lock);
    }
    pthread_mutex_unlock(&http->queue_lock);
    return NULL;
}
