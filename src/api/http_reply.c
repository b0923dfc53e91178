/*
 * From a reply to libmicrohttpd's response: the headers that every reply has, problem documents, who owns the
 * body.
 */
#include "api/http_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool kr_http_reply_header(struct kr_http_reply *reply, const char *name, const char *format, ...)
{
    char *value;
    va_list arguments;
    if (reply->header_count == KR_HTTP_REPLY_HEADERS)
        return false;
    va_start(arguments, format);
    int length = vasprintf(&value, format, arguments);
    va_end(arguments);
    if (length < 0)
        return false;
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count++].value = value;
    return true;
}

void kr_http_reply_problem(const struct kr_http_request *request, const struct kr_error *error,
                           struct kr_http_reply *reply)
{
    const struct kr_http *http = request->http;
    free(reply->body);
    reply->body = NULL;
    reply->length = 0;
    reply->status = kr_status_http(error->status);
    if (http->config.problem) {
        reply->content_type = "application/problem+json";
        reply->body = http->config.problem(http->self, error, request->id, &reply->length);
    } else {
        int length = asprintf(&reply->body, "%s: %s\n", kr_status_slug(error->status), error->detail);
        reply->content_type = "text/plain; charset=utf-8";
        if (length < 0)
            reply->body = NULL;
        reply->length = length < 0 ? 0 : (size_t)length;
    }
    if (reply->status == 429 || reply->status == 503)
        kr_http_reply_header(reply, "Retry-After", "1");
}

void http_reply_fini(struct kr_http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
    for (int i = 0; i < reply->header_count; i++)
        free(reply->headers[i].value);
    reply->header_count = 0;
    if (reply->stream)
        http_stream_release(reply->stream);
    reply->stream = NULL;
}

static bool add_headers(struct kr_http *http, const struct http_request *request,
                        struct MHD_Response *response)
{
    const struct kr_http_reply *reply = &request->reply;
    bool cached = false, fine = true;
    for (int i = 0; i < reply->header_count; i++) {
        cached |= strcasecmp(reply->headers[i].name, "Cache-Control") == 0;
        if (MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value) != MHD_YES)
            http_log(http, "a reply header was left out: %s", reply->headers[i].name);
    }
    fine &= MHD_add_response_header(response, "X-Request-Id", request->id) == MHD_YES;
    fine &= MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
    if (!cached)
        fine &= MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES;
    if (reply->content_type)
        fine &= MHD_add_response_header(response, "Content-Type", reply->content_type) == MHD_YES;
    /* libmicrohttpd also takes chunks with bare LF ends: nothing is served after a chunked body. */
    if (reply->close || request->chunked || http->closing)
        fine &= MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    return fine;
}

static struct MHD_Response *new_response(struct kr_http_reply *reply)
{
    struct MHD_Response *response;
    if (reply->stream)
        return http_stream_response(reply->stream);
    if (!reply->body)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    response = MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
    if (response)
        reply->body = NULL;
    return response;
}

/* On a thread of libmicrohttpd. MHD_NO makes it close the connection. */
enum MHD_Result http_send(struct kr_http *http, struct http_request *request)
{
    struct kr_http_reply *reply = &request->reply;
    struct kr_http_stream *stream = reply->stream;
    enum MHD_Result result = MHD_NO;
    if (reply->status < 200 || reply->status > 599)
        reply->status = 500;
    struct MHD_Response *response = new_response(reply);
    request->state = STATE_SENT;
    if (!response)
        return MHD_NO;
    reply->stream = NULL; /* the response releases it */
    if (stream && !request->view.head && reply->status != 204 && reply->status != 304)
        http_stream_attach(stream, request->mhd, request->connection);
    else
        http_set_phase(http, request->connection, PHASE_REPLY, http->config.body_seconds);
    if (add_headers(http, request, response))
        result = MHD_queue_response(request->mhd, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}
