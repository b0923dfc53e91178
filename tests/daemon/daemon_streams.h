/* Event streams of the daemon: read by libcurl, one or many at a time, and taken apart. */
#ifndef KRIGED_TESTS_DAEMON_STREAMS_H
#define KRIGED_TESTS_DAEMON_STREAMS_H

#include "daemon_jobs.h"

struct stream {
    CURL *curl;
    struct curl_slist *list;
    struct growing head, content;
    bool ended; /* by the daemon */
    long status;
    CURLcode code;
};

/* Several streams that are read together. */
struct streams {
    CURLM *multi;
    int count;
    struct stream items[64];
};

static UNUSED struct streams *streams_new(void)
{
    struct streams *streams = keep(calloc(1, sizeof *streams));
    streams->multi = curl_multi_init();
    return streams;
}

/* `header` is one more header line, or NULL. */
static UNUSED struct stream *follow(struct streams *streams, const char *path, const char *header)
{
    struct stream *stream = &streams->items[streams->count++];
    ck_assert_int_le(streams->count, 64);
    stream->curl = curl_easy_init();
    if (header)
        stream->list = curl_slist_append(NULL, header);
    curl_easy_setopt(stream->curl, CURLOPT_URL, text("%s%s", the_daemon.base, path));
    curl_easy_setopt(stream->curl, CURLOPT_HTTPHEADER, stream->list);
    curl_easy_setopt(stream->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEDATA, &stream->content);
    curl_easy_setopt(stream->curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(stream->curl, CURLOPT_HEADERDATA, &stream->head);
    curl_easy_setopt(stream->curl, CURLOPT_PRIVATE, stream);
    curl_multi_add_handle(streams->multi, stream->curl);
    return stream;
}

/* Reads all of them for a moment; the number of those that go on. */
static UNUSED int read_streams(struct streams *streams)
{
    int running, left;
    CURLMsg *message;
    curl_multi_poll(streams->multi, NULL, 0, 20, NULL);
    curl_multi_perform(streams->multi, &running);
    while ((message = curl_multi_info_read(streams->multi, &left)))
        if (message->msg == CURLMSG_DONE) {
            struct stream *stream;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&stream);
            curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &stream->status);
            stream->code = message->data.result;
            stream->ended = true;
        }
    return running;
}

#define READ_UNTIL(seconds, streams, condition)                                                              \
    do {                                                                                                     \
        const double until_ = now() + (seconds);                                                             \
        while (!(condition) && now() < until_)                                                               \
            read_streams(streams);                                                                           \
        ck_assert_msg(condition, "never: %s", #condition);                                                   \
    } while (0)

static UNUSED void leave(struct streams *streams, struct stream *stream)
{
    curl_multi_remove_handle(streams->multi, stream->curl);
    curl_easy_cleanup(stream->curl);
    curl_slist_free_all(stream->list);
    stream->curl = NULL;
}

/* Closes what is still open; what was read stays. */
static UNUSED void streams_end(struct streams *streams)
{
    for (int i = 0; i < streams->count; i++) {
        if (streams->items[i].curl)
            leave(streams, &streams->items[i]);
        collected(&streams->items[i].head);
        collected(&streams->items[i].content);
    }
    curl_multi_cleanup(streams->multi);
}

static UNUSED const char *said(const struct stream *stream)
{
    return stream->content.bytes ? stream->content.bytes : "";
}

/* Where the next event begins (past comments and retry:), or the end. */
static const char *next_event(const char *at)
{
    while (*at && strncmp(at, "id: ", 4) != 0) {
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return at;
}

/* Whole events in a stream of server-sent events. */
static UNUSED int count_events(const char *content)
{
    int count = 0;
    for (const char *at = next_event(content), *end; *at && (end = strstr(at, "\n\n"));
         at = next_event(end + 2))
        count++;
    return count;
}

/*
 * The events as [{"id", "event", "data"}], and that each is exactly the lines id, event, data and an empty
 * one; between them comments and retry: only.
 */
static UNUSED json_t *sse_events(const char *content)
{
    json_t *events = keep_json(json_array());
    while (*content) {
        unsigned long long id;
        char kind[32];
        int used = 0;
        const size_t line = strcspn(content, "\n");
        if (*content == ':' || *content == '\n' || strncmp(content, "retry: ", 7) == 0) {
            content += line + 1;
            continue;
        }
        ck_assert_msg(sscanf(content, "id: %llu\nevent: %31[a-z]\ndata: %n", &id, kind, &used) == 2 &&
                          used > 0,
                      "no event: %.200s", content);
        content += used;
        const size_t length = strcspn(content, "\n");
        ck_assert_msg(strncmp(content + length, "\n\n", 2) == 0, "no empty line after: %.200s", content);
        json_t *data = json_loadb(content, length, 0, NULL);
        ck_assert_msg(data != NULL, "no JSON: %.200s", content);
        json_array_append_new(
            events, json_pack("{s:I, s:s, s:o}", "id", (json_int_t)id, "event", kind, "data", data));
        content += length + 2;
    }
    return events;
}

/* Ids count from `first` without a gap; done is the last one and no other. */
static UNUSED void ck_sequence(json_t *events, int first, bool done)
{
    const size_t count = json_array_size(events);
    for (size_t i = 0; i < count; i++) {
        json_t *event = json_array_get(events, i);
        const char *kind = text_at(event, "/event");
        ck_assert_int_eq((int)number_at(event, "/id"), first + (int)i);
        ck_assert_msg(is_member((const char *const[]){"state", "step", "warning", "done", NULL}, kind),
                      "event %s", kind);
        ck_assert_msg((strcmp(kind, "done") == 0) == (done && i + 1 == count), "%s is event %zu of %zu", kind,
                      i + 1, count);
    }
}

#endif
