/* Events of jobs: their format, replays, and many readers at a time. A restart in the middle:
 * test_restarts.c. */
#include "daemon_streams.h"

#define LINES "Accept: application/x-ndjson"

static void store_both(void)
{
    store("small", 50, 2);
    store("large", 900, 2);
}

static struct answer replay(const char *id, const char *query, const char *header)
{
    return ask("GET", text("/v1/jobs/%s/events%s", id, query), NULL, 0, header ? HEADERS(header) : NULL);
}

START_TEST(format)
{
    store_both();
    const char *id = submit(job_on("small"));
    struct answer stream = replay(id, "", NULL); /* begins before the job is through, and ends with it */
    ck_status(stream, 200);
    ck_assert_str_eq(header_of(&stream, "Content-Type"), "text/event-stream");
    ck_assert_str_eq(header_of(&stream, "Cache-Control"), "no-store");
    ck_assert_str_eq(header_of(&stream, "X-Accel-Buffering"), "no");
    ck_assert_int_eq(strncmp(stream.body, "retry: ", 7), 0);
    json_t *events = sse_events(stream.body);
    ck_sequence(events, 1, true);
    const size_t count = json_array_size(events);
    ck_assert_str_eq(text_at(events, "/0/event"), "state");
    ck_assert_str_eq(text_at(events, "/0/data/state"), "queued");
    ck_assert_str_eq(text_at(events, "/1/data/state"), "running");
    ck_assert_str_eq(text_at(events, text("/%zu/data/state", count - 2)), "succeeded");
    ck_assert_str_eq(text_at(events, text("/%zu/data/state", count - 1)), "succeeded");
    json_t *job = succeeded(id);
    ck_assert(json_equal(at(events, text("/%zu/data/result", count - 1)), at(job, "/result")));
}
END_TEST

START_TEST(steps)
{
    const char *id = submit(job_on("small"));
    json_t *job = succeeded(id), *events = sse_events(replay(id, "", NULL).body), *event;
    double best = INFINITY;
    int evaluations = 0;
    size_t i;
    json_array_foreach(events, i, event)
    {
        if (strcmp(text_at(event, "/event"), "step") != 0)
            continue;
        json_t *data = at(event, "/data");
        MEMBERS(data, "evaluation", "iteration", "restart", "loss", "best_loss", "gradient_norm",
                "parameters", "solver", "seconds");
        ck_assert_int_eq((int)number_at(data, "/evaluation"), ++evaluations);
        best = fmin(best, number_at(data, "/loss"));
        ck_assert_double_eq(number_at(data, "/best_loss"), best);
        ck_assert_double_gt(number_at(at(data, "/parameters"), "/noise.variance"), 0);
        MEMBERS(at(data, "/parameters"), "kernel.variance", "kernel.lengthscale", "noise.variance");
        MEMBERS(at(data, "/solver"), "type", "reason", "rank", "stop", "iterations", "rtol", "residual",
                "products", "single_products", "precision", "seconds");
    }
    ck_assert_int_eq(evaluations, (int)number_at(job, "/result/evaluations"));
    ck_assert_double_eq(best, number_at(job, "/result/best_loss"));
}
END_TEST

/* For every id k: what comes after it is the end of the whole stream, byte for byte. */
START_TEST(replays)
{
    const char *id = submit(job_on("small"));
    succeeded(id);
    struct answer whole = replay(id, "", NULL), lines = replay(id, "", LINES);
    const int count = count_events(whole.body);
    const char *suffix = next_event(whole.body), *line = lines.body;
    ck_assert_str_eq(header_of(&lines, "Content-Type"), "application/x-ndjson");
    for (int k = 0; k < count; k++) {
        struct answer by_header = replay(id, "", text("Last-Event-ID: %d", k)),
                      by_query = replay(id, text("?after=%d", k), NULL);
        ck_status(by_header, 200);
        ck_assert_str_eq(next_event(by_header.body), suffix);
        ck_assert_str_eq(by_query.body, by_header.body);
        ck_assert_str_eq(replay(id, text("?after=%d", k), LINES).body, line);
        struct answer header_first = replay(id, "?after=0", text("Last-Event-ID: %d", k));
        ck_assert_str_eq(header_first.body, by_header.body);
        suffix = next_event(suffix + 4);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_str_eq(suffix, "");
    ck_assert_str_eq(line, "");
    struct answer nothing = replay(id, "", text("Last-Event-ID: %d", count));
    ck_status(nothing, 204);
    ck_assert_uint_eq(nothing.length, 0);
    ck_status(replay(id, text("?after=%d", count), LINES), 204);
}
END_TEST

START_TEST(lines)
{
    const char *id = submit(job_on("small"));
    succeeded(id);
    json_t *events = sse_events(replay(id, "", NULL).body);
    struct answer answer = replay(id, "", LINES);
    const char *line = answer.body;
    for (size_t i = 0; i < json_array_size(events); i++, line = strchr(line, '\n') + 1) {
        json_t *one = json_loadb(line, strcspn(line, "\n"), 0, NULL);
        ck_assert_ptr_nonnull(one);
        keep_json(one);
        MEMBERS(one, "id", "event", "created_at", "data");
        static const char *const members[] = {"/id", "/event", "/data"};
        for (int k = 0; k < 3; k++)
            ck_assert(json_equal(at(one, members[k]), at(events, text("/%zu%s", i, members[k]))));
    }
    ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(refusals)
{
    const char *id = submit(job_on("small"));
    succeeded(id);
    const int count = count_events(replay(id, "", NULL).body);
    is_problem(replay(id, "", "Accept: text/html"), 406, "not-acceptable", NULL, "text/html");
    is_problem(replay(id, "", "Accept: application/json"), 406, "not-acceptable", NULL, "application/json");
    ck_status(replay(id, "", "Accept: */*"), 200);
    struct answer both = replay(id, "", "Accept: text/event-stream;q=0.1, application/x-ndjson");
    ck_assert_str_eq(header_of(&both, "Content-Type"),
                     "application/x-ndjson"); /* the one that the client would rather have */
    static const char *const bad[] = {"x", "-1", "1.5", "1e1", "99999999999999999999", "0x1", "1 2"};
    for (int i = 0; i < 7; i++)
        is_problem(replay(id, "", text("Last-Event-ID: %s", bad[i])), 422, "invalid", NULL, bad[i]);
    is_problem(replay(id, "", text("Last-Event-ID: %d", count + 1)), 422, "invalid", NULL, "beyond the last");
    is_problem(replay(id, "?after=x", NULL), 422, "invalid", "/after", "after=x");
    is_problem(replay(id, "?after=", NULL), 422, "invalid", "/after", "after=");
    is_problem(replay(id, "?before=1", NULL), 422, "invalid", "/before", "unknown parameter");
    is_problem(replay("01ARZ3NDEKTSV4RRFFQ69G5FAV", "", NULL), 404, "not-found", NULL, "unknown job");
    is_problem(replay("nothing", "", NULL), 404, "not-found", NULL, "no id");
    struct answer posted = send_text("POST", text("/v1/jobs/%s/events", id), "application/json", "{}");
    is_problem(posted, 405, "method-not-allowed", NULL, "POST");
}
END_TEST

START_TEST(fifty_readers)
{
    enum { READERS = 50 };
    const char *id = submit(long_job_on("large")), *path = text("/v1/jobs/%s/events", id);
    struct streams *streams = streams_new();
    EVENTUALLY(10, has_steps(id));
    for (int i = 0; i < READERS; i++)
        follow(streams, path, i % 5 == 4 ? LINES : NULL);
    READ_UNTIL(10, streams, count_events(said(&streams->items[0])) >= 5);
    struct answer between = get("/readyz");
    ck_status(between, 200); /* streams take no thread each */
    ck_status(cancel(id), 202);
    READ_UNTIL(20, streams, read_streams(streams) == 0);
    struct answer whole = replay(id, "", NULL), lines_ = replay(id, "", LINES);
    ck_sequence(sse_events(whole.body), 1, true);
    for (int i = 0; i < READERS; i++) {
        struct stream *stream = &streams->items[i];
        ck_assert_int_eq(stream->code, CURLE_OK);
        ck_assert_int_eq((int)stream->status, 200);
        ck_assert_str_eq(said(stream), i % 5 == 4 ? lines_.body : whole.body);
    }
    streams_end(streams);
}
END_TEST

/* Steps come while the job runs, not all at its end. */
START_TEST(live)
{
    const char *id = submit(long_job_on("large"));
    struct streams *streams = streams_new();
    struct stream *stream = follow(streams, text("/v1/jobs/%s/events", id), NULL);
    READ_UNTIL(10, streams, count_events(said(stream)) >= 6);
    ck_assert(!stream->ended);
    ck_assert(is_running(id));
    const int seen = count_events(said(stream));
    leave(streams, stream);
    struct stream *rest = follow(streams, text("/v1/jobs/%s/events", id), text("Last-Event-ID: %d", seen));
    READ_UNTIL(10, streams, count_events(said(rest)) >= 3);
    ck_status(cancel(id), 202);
    READ_UNTIL(20, streams, rest->ended);
    ck_sequence(sse_events(said(rest)), seen + 1, true);
    streams_end(streams);
}
END_TEST

START_TEST(readers_that_leave)
{
    const char *id = submit(long_job_on("large")), *path = text("/v1/jobs/%s/events", id);
    EVENTUALLY(10, has_steps(id));
    for (int round = 0; round < 10; round++) {
        struct streams *streams = streams_new();
        for (int i = 0; i < 5; i++)
            follow(streams, path, NULL);
        READ_UNTIL(10, streams, count_events(said(&streams->items[4])) >= 1);
        streams_end(streams);
    }
    ck_assert(is_running(id));
    struct streams *streams = streams_new();
    struct stream *last = follow(streams, path, NULL);
    READ_UNTIL(10, streams, count_events(said(last)) >= 3);
    cancelled(id);
    READ_UNTIL(10, streams, last->ended);
    ck_sequence(sse_events(said(last)), 1, true);
    streams_end(streams);
    ck_status(get("/readyz"), 200);
}
END_TEST

/* A stream of a job that waits begins at once and goes on when its turn comes. */
START_TEST(queued)
{
    const char *first = submit(long_job_on("large")), *second = submit(job_on("small"));
    struct streams *streams = streams_new();
    struct stream *stream = follow(streams, text("/v1/jobs/%s/events", second), NULL);
    READ_UNTIL(5, streams, count_events(said(stream)) == 1);
    cancelled(first);
    READ_UNTIL(10, streams, stream->ended);
    ck_sequence(sse_events(said(stream)), 1, true);
    ck_assert_str_eq(said(stream), replay(second, "", NULL).body);
    streams_end(streams);
}
END_TEST

DAEMON_SUITE("events", format, steps, replays, lines, refusals, fifty_readers, live, readers_that_leave,
             queued)
