/* Events of a job as a client collects them over several connections; and what they must add up to. */
#ifndef KRIGED_TESTS_CRASH_EVENTS_H
#define KRIGED_TESTS_CRASH_EVENTS_H

#include "service.h"

enum { MOST_EVENTS = 2000, MOST_PENDING = 1 << 18 };

struct event {
    unsigned long id;
    char kind[16];
    json_t *data;
};

struct events {
    char job[40];
    size_t count, nsteps;
    struct event list[MOST_EVENTS];
    bool done;
    size_t stop_after; /* steps after which `on_stop` is called and the connection given up; 0 = never */
    void (*on_stop)(void);
    bool stopped;
    char pending[MOST_PENDING]; /* of one connection: what is not a whole event yet */
    size_t npending;
};

static void take_event(struct events *events, const char *block)
{
    struct event event = {0};
    const char *data = strstr(block, "data: ");
    if (sscanf(block, "id: %lu\nevent: %15s", &event.id, event.kind) != 2)
        return; /* a comment, or the line about retries */
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_lt(events->count, MOST_EVENTS);
    ck_assert_msg(event.id == events->count + 1, "event %lu follows event %zu", event.id, events->count);
    event.data = json_loads(data + strlen("data: "), 0, NULL);
    ck_assert_msg(event.data != NULL, "no JSON: %s", data);
    events->list[events->count++] = event;
    events->nsteps += strcmp(event.kind, "step") == 0;
    events->done |= strcmp(event.kind, "done") == 0;
    if (events->stop_after && events->nsteps >= events->stop_after && !events->stopped && !events->done) {
        events->stopped = true;
        if (events->on_stop)
            events->on_stop();
    }
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct events *events = self;
    ck_assert_uint_lt(events->npending + size * count, MOST_PENDING);
    memcpy(events->pending + events->npending, bytes, size * count);
    events->npending += size * count;
    events->pending[events->npending] = '\0';
    for (char *end; !events->stopped && (end = strstr(events->pending, "\n\n"));) {
        *end = '\0';
        take_event(events, events->pending);
        events->npending -= (size_t)(end + 2 - events->pending);
        memmove(events->pending, end + 2, events->npending + 1);
    }
    return events->stopped ? 0 : size * count;
}

/* Reads on from the last event until the stream ends, or `stop_after` steps are there. The status of the
 * reply. */
static UNUSED long follow(struct events *events, size_t stop_after, void (*on_stop)(void))
{
    char url[160], header[64];
    long status = 0;
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    CURL *curl = curl_easy_init();
    events->stop_after = stop_after;
    events->on_stop = on_stop;
    events->stopped = false;
    events->npending = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/jobs/%s/events", service.port, events->job);
    if (events->count) {
        snprintf(header, sizeof header, "Last-Event-ID: %zu", events->count);
        headers = curl_slist_append(headers, header);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 50L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, events);
    curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return status;
}

static UNUSED void forget(struct events *events)
{
    for (size_t i = 0; i < events->count; i++)
        json_decref(events->list[i].data);
    free(events);
}

static UNUSED void drop_seconds(json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(json))
        json_object_del(json, "seconds");
    json_object_foreach(json, key, value) drop_seconds(value);
    json_array_foreach(json, i, value) drop_seconds(value);
}

/* Numbers as text that keeps every bit. */
static UNUSED void assert_same(const json_t *a, const json_t *b, const char *what)
{
    char *left = json_dumps(a, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(17)),
         *right = json_dumps(b, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    ck_assert_msg(left && right && strcmp(left, right) == 0, "%s: %.1500s is not %.1500s", what,
                  left ? left : "nothing", right ? right : "nothing");
    free(left);
    free(right);
}

/* The same request on the command line: {"steps": [..], "result": {..}}, times left out. */
static UNUSED json_t *uninterrupted(const char *request)
{
    char path[128], command[512], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/reference.json", service.directory);
    FILE *out = fopen(path, "w");
    fputs(request, out);
    fclose(out);
    snprintf(command, sizeof command, "'%s' tune %s --data clients/data/concrete.csv --threads 1", binary(),
             path);
    FILE *in = popen(command, "r");
    json_t *steps = json_array(), *result = NULL;
    while (getline(&line, &room, in) > 0) {
        json_t *event = json_loads(line, 0, NULL), *data = json_object_get(event, "data");
        ck_assert_ptr_nonnull(data);
        if (strcmp(text_at(event, "event"), "step") == 0)
            json_array_append(steps, data);
        if (strcmp(text_at(event, "event"), "done") == 0)
            result = json_incref(json_object_get(data, "result"));
        json_decref(event);
    }
    free(line);
    ck_assert_int_eq(pclose(in), 0);
    remove(path);
    ck_assert_ptr_nonnull(result);
    json_t *both = json_pack("{s:o, s:o}", "steps", steps, "result", result);
    drop_seconds(both);
    return both;
}

/* Steps in order, each once, with the bits of the run that nobody interrupted; a job that succeeded with its
 * result. */
static UNUSED void assert_as_uninterrupted(struct events *events, const char *request)
{
    json_t *reference = uninterrupted(request), *steps = json_object_get(reference, "steps"),
           *job = job_of(events->job);
    size_t step = 0;
    for (size_t i = 0; i < events->count; i++) {
        if (strcmp(events->list[i].kind, "step") != 0)
            continue;
        drop_seconds(events->list[i].data);
        ck_assert_double_eq(number_at(events->list[i].data, "evaluation"), (double)step + 1);
        assert_same(events->list[i].data, json_array_get(steps, step++), "step");
    }
    ck_assert_uint_eq(step, json_array_size(steps));
    ck_assert_str_eq(text_at(job, "state"), "succeeded");
    json_t *result = json_object_get(job, "result"), *done = events->list[events->count - 1].data;
    json_object_del(result, "model"); /* the command line leaves a file instead */
    json_object_del(json_object_get(done, "result"), "model");
    drop_seconds(result);
    drop_seconds(done);
    assert_same(result, json_object_get(reference, "result"), "result");
    assert_same(json_object_get(done, "result"), json_object_get(reference, "result"),
                "result of the last event");
    json_decref(job);
    json_decref(reference);
}

/* How many events of that kind have a member `name` of that text. */
static UNUSED size_t count_events(const struct events *events, const char *kind, const char *name,
                                  const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < events->count; i++) {
        const char *got = json_string_value(json_object_get(events->list[i].data, name));
        count += strcmp(events->list[i].kind, kind) == 0 && got && strcmp(got, text) == 0;
    }
    return count;
}

/* Rows are left out where the sanitizers make every evaluation slow. */
#ifdef __SANITIZE_ADDRESS__
#define TEST_FRACTION "0.5"
#else
#define TEST_FRACTION "0.1"
#endif

#define REQUEST(optimizer)                                                                                   \
    "{\"dataset\": \"concrete\", \"model\": {\"kernel\": {\"type\": \"matern32\", \"ard\": true}}, "         \
    "\"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.2}}, "     \
    "\"test\": {\"fraction\": " TEST_FRACTION "}, \"optimizer\": " optimizer "}"
#define ADAM  "{\"type\": \"adam\", \"max_evaluations\": 80, \"patience\": 80}"
#define LBFGS "{\"type\": \"lbfgs\", \"max_evaluations\": 60, \"patience\": 60, \"gradient_tolerance\": 0}"

#endif
