/*
 * /v1/jobs/{id}/events: a stream that reads the store after the last event it has sent. It keeps no events of
 * its own, so a slow reader costs nothing; it is woken after each commit.
 */
#include "api/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_AT_A_TIME = 64 };

struct events {
    struct kr_api *api;
    struct kr_http_stream *stream; /* set once; read by wake */
    struct kr_subscription *subscription;
    char job[KR_ID_BYTES];
    uint64_t after;
    bool lines, begun; /* NDJSON instead of server-sent events; has the first chunk been made? */
};

static void wake(void *self)
{
    struct events *events = self;
    struct kr_http_stream *stream = __atomic_load_n(&events->stream, __ATOMIC_ACQUIRE);
    if (stream)
        kr_http_stream_wake(stream);
}

static void closed(void *self)
{
    struct events *events = self;
    kr_jobs_unsubscribe(events->subscription);
    free(events);
}

static void print_event(FILE *out, const struct events *events, const struct kr_event_row *row)
{
    if (events->lines)
        fprintf(out, "{\"id\":%llu,\"event\":\"%s\",\"created_at\":\"%s\",\"data\":%s}\n",
                (unsigned long long)row->id, row->kind, row->created_at, row->data);
    else
        fprintf(out, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)row->id, row->kind, row->data);
}

/* Prints what is new; true when nothing will follow. */
static bool print_news(struct kr_ctx *ctx, struct events *events, FILE *out)
{
    struct kr_event_row *rows;
    size_t count;
    if (kr_store_events(ctx, events->api->store, events->job, events->after, EVENTS_AT_A_TIME, &count,
                        &rows) != KR_OK)
        return true; /* deleted, or a store that fails: the client comes back */
    for (size_t i = 0; i < count; i++) {
        print_event(out, events, &rows[i]);
        events->after = rows[i].id;
        if (strcmp(rows[i].kind, "done") == 0)
            return true;
    }
    return false;
}

static void pull(void *self, struct kr_http_chunk *chunk)
{
    struct events *events = self;
    struct kr_ctx ctx;
    size_t length;
    FILE *out = open_memstream(&chunk->bytes, &length);
    if (!out) {
        chunk->end = true;
        return;
    }
    kr_ctx_init(&ctx, 0);
    if (!events->begun && !events->lines)
        fputs("retry: 1000\n\n", out);
    events->begun = true;
    chunk->end = print_news(&ctx, events, out);
    if (chunk->closing && !chunk->end && !events->lines)
        fputs(": the server is shutting down; come back with Last-Event-ID\n\n", out);
    fclose(out);
    chunk->length = length;
    kr_ctx_fini(&ctx);
    if (length == 0) {
        free(chunk->bytes);
        chunk->bytes = NULL;
    }
}

/* Last-Event-ID, which a reconnecting client sends beside the address it began with, goes before ?after=. */
static kr_status read_after(struct kr_exchange *x, uint64_t *after)
{
    const char *header = kr_http_header(x->request, "Last-Event-ID"),
               *query = kr_http_query(x->request, "after");
    const char *text = header && *header ? header : query;
    *after = 0;
    if (!text)
        return KR_OK;
    if (!*text || strlen(text) > 15 || strspn(text, "0123456789") != strlen(text))
        return kr_fail(x->ctx, KR_INVALID, text == query ? "/after" : "",
                       "%s must be the id of an event, got \"%.40s\"",
                       text == query ? "after" : "Last-Event-ID", text);
    *after = strtoull(text, NULL, 10);
    return KR_OK;
}

static kr_status open_stream(struct kr_exchange *x, uint64_t after, bool lines)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for another stream");
    events->api = x->api;
    events->after = after;
    events->lines = lines;
    snprintf(events->job, sizeof events->job, "%s", x->params[0]);
    if (kr_jobs_subscribe(x->ctx, x->api->jobs, events->job, wake, events, &events->subscription) != KR_OK) {
        free(events);
        return x->ctx->error.status;
    }
    const struct kr_http_stream_options options = {
        .pull = pull, .closed = closed, .self = events, .heartbeat = lines ? NULL : ": still here\n\n"};
    struct kr_http_stream *stream = kr_http_stream_new(x->request->http, &options);
    if (!stream) {
        closed(events);
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "there are too many streams");
    }
    __atomic_store_n(&events->stream, stream, __ATOMIC_RELEASE);
    x->reply->stream = stream;
    x->reply->status = 200;
    x->reply->content_type = lines ? KR_NDJSON_MEDIA : KR_SSE_MEDIA;
    kr_http_reply_header(x->reply, "X-Accel-Buffering", "no");
    return KR_OK;
}

kr_status kr_handle_job_events(struct kr_exchange *x)
{
    const char *accept = kr_http_header(x->request, "Accept");
    struct kr_job_row row;
    uint64_t after;
    KR_TRY(read_after(x, &after));
    KR_TRY(kr_store_job_get(x->ctx, x->api->store, x->params[0], &row));
    if (after > row.last_event)
        return kr_fail(x->ctx, KR_INVALID, "", "the job has no event %llu yet: its last is %llu",
                       (unsigned long long)after, (unsigned long long)row.last_event);
    if (kr_job_state_finished(row.state) && after == row.last_event) {
        x->reply->status = 204;
        return KR_OK;
    }
    return open_stream(x, after, kr_accepts(accept, KR_NDJSON_MEDIA) > kr_accepts(accept, KR_SSE_MEDIA));
}
