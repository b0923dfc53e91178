/* The daemon is ended while it works, and started again on the same data directory. Each test has a daemon of
 * its own. */
#include "daemon_raw.h"
#include "daemon_streams.h"

/* Ends in some seconds by itself. */
static json_t *medium_job(void)
{
    return with(long_job_on("large"), "/optimizer/max_evaluations", "40");
}

static struct answer all_events(const char *id)
{
    struct answer answer = get(text("/v1/jobs/%s/events", id));
    ck_status(answer, 200);
    return answer;
}

static struct answer remove_job(const char *id)
{
    return ask("DELETE", text("/v1/jobs/%s", id), NULL, 0, NULL);
}

static void ends_well(double seconds)
{
    const double start = now();
    ck_assert_int_eq(end_daemon(), 0);
    ck_assert_msg(now() - start < seconds, "it took %.1f s to end", now() - start);
}

START_TEST(stream_across_a_restart)
{
    start_daemon();
    store("large", 900, 2);
    const char *id = submit(medium_job()), *path = text("/v1/jobs/%s/events", id);
    struct streams *streams = streams_new();
    struct stream *before = follow(streams, path, NULL),
                  *lines = follow(streams, path, "Accept: application/x-ndjson");
    READ_UNTIL(10, streams, count_events(said(before)) >= 6);
    const double start = now();
    kill(the_daemon.pid, SIGTERM);
    READ_UNTIL(10, streams, before->ended && lines->ended); /* closed by the daemon, in order */
    ck_assert_int_eq(wait_exit(the_daemon.pid, 10 - (now() - start)), 0);
    close(the_daemon.out);
    ck_assert_int_eq(before->code, CURLE_OK);
    ck_assert_int_eq(lines->code, CURLE_OK);
    json_t *seen = sse_events(said(before));
    ck_sequence(seen, 1, false);
    const int count = (int)json_array_size(seen);
    start_again();
    struct stream *after = follow(streams, path, text("Last-Event-ID: %d", count));
    READ_UNTIL(30, streams, after->ended);
    json_t *job = succeeded(id), *rest = sse_events(said(after));
    ck_sequence(rest, count + 1, true);
    ck_assert_double_eq(number_at(job, "/result/evaluations"), 40);
    struct answer whole = all_events(id);
    ck_sequence(sse_events(whole.body), 1, true);
    const char *suffix = whole.body; /* what was seen before and after is the whole, byte for byte */
    for (int i = 0; i <= count; i++)
        suffix = next_event(suffix + (i > 0 ? 4 : 0));
    ck_assert_str_eq(next_event(said(after)), suffix);
    ck_assert_int_eq(strncmp(whole.body, said(before), (size_t)(suffix - whole.body)), 0);
    streams_end(streams);
    ends_well(10);
    remove_directory();
}
END_TEST

/* A run that was interrupted ends with the bits of one that was not. */
START_TEST(same_result)
{
    start_daemon();
    store("large", 900, 2);
    const char *whole = submit(medium_job());
    json_t *one = succeeded(whole);
    const char *id = submit(medium_job());
    EVENTUALLY(10, has_steps(id));
    ends_well(10);
    start_again();
    json_t *two = succeeded(id);
    static const char *const members[] = {"/result/best_loss", "/result/parameters", "/result/metrics",
                                          "/result/evaluations"};
    for (int i = 0; i < 4; i++)
        ck_assert_msg(json_equal(at(one, members[i]), at(two, members[i])), "%s: %s\nwanted %s", members[i],
                      dump(at(two, members[i])), dump(at(one, members[i])));
    ck_assert_int_eq((int)number_at(two, "/attempt"), 1); /* a restart does not count */
    ends_well(10);
    remove_directory();
}
END_TEST

START_TEST(what_is_stored_stays)
{
    static const char *const paths[] = {"/v1/datasets", "/v1/jobs", "/v1/models"};
    const char *bodies[4];
    start_daemon();
    store("small", 50, 2);
    store("large", 900, 2);
    const char *done = submit(with(job_on("small"), "/labels", "{'a': 'b'}"));
    succeeded(done);
    const char *cancelled_ = submit(job_on("large"));
    cancel(cancelled_);
    finished(cancelled_);
    for (int i = 0; i < 3; i++)
        bodies[i] = get(paths[i]).body;
    bodies[3] = all_events(done).body;
    const char *running = submit(long_job_on("large")), *queued = submit(job_on("small"));
    EVENTUALLY(10, has_steps(running));
    ends_well(10);
    start_again();
    ck_assert_str_eq(get("/v1/datasets").body, bodies[0]);
    ck_assert_str_eq(all_events(done).body, bodies[3]);
    EVENTUALLY(10, is_running(running));
    ck_assert_str_eq(text_at(job_now(queued), "/state"), "queued");
    cancelled(running);
    succeeded(queued);
    ck_sequence(sse_events(all_events(running).body), 1, true);
    ck_status(remove_job(running), 204);
    ck_status(remove_job(queued), 204);
    ck_assert_str_eq(get("/v1/jobs").body, bodies[1]);
    ck_assert_int_eq(raw_status(exchange("GET /livez HTTP/1.1\r\n" RAW_HOST "Connection: close\r\n\r\n", 5)),
                     200);
    ends_well(10);
    remove_directory();
}
END_TEST

/* Not even a kill loses what was accepted. */
START_TEST(killed)
{
    start_daemon();
    store("large", 900, 2);
    const char *id = submit(medium_job()),
               *queued = submit(with(job_on("large"), "/optimizer/max_evaluations", "2"));
    struct streams *streams = streams_new();
    struct stream *before = follow(streams, text("/v1/jobs/%s/events", id), NULL);
    READ_UNTIL(10, streams, count_events(said(before)) >= 6);
    kill(the_daemon.pid, SIGKILL);
    ck_assert_int_eq(wait_exit(the_daemon.pid, 5), 128 + SIGKILL);
    close(the_daemon.out);
    READ_UNTIL(5, streams, before->ended);
    const int count = count_events(said(before));
    start_again();
    succeeded(id);
    succeeded(queued);
    struct answer whole = all_events(id);
    ck_sequence(sse_events(whole.body), 1, true);
    const char *suffix = whole.body; /* what was shown before is stored */
    for (int i = 0; i <= count; i++)
        suffix = next_event(suffix + (i > 0 ? 4 : 0));
    ck_assert_int_eq(strncmp(whole.body, said(before), (size_t)(suffix - whole.body)), 0);
    streams_end(streams);
    ends_well(10);
    remove_directory();
}
END_TEST

/* With requests under way and idle connections. */
START_TEST(busy_end)
{
    start_daemon();
    store("large", 900, 2);
    const char *id = submit(long_job_on("large"));
    const int idle = dial(), half = dial(), waiting = dial();
    put(half, "PUT /v1/datasets/half HTTP/1.1\r\n" RAW_HOST
              "Content-Type: text/csv\r\nContent-Length: 100\r\n\r\na,y\n1,2\n");
    put(waiting, text("GET /v1/jobs/%s HTTP/1.1\r\n" RAW_HOST "Prefer: wait=60\r\n\r\n", id));
    EVENTUALLY(10, is_running(id));
    ends_well(10);
    close(idle);
    close(half);
    close(waiting);
    remove_directory();
}
END_TEST

START_TEST(second_signal)
{
    start_daemon();
    store("large", 900, 2);
    submit(long_job_on("large"));
    kill(the_daemon.pid, SIGTERM);
    kill(the_daemon.pid, SIGTERM);
    const int status = wait_exit(the_daemon.pid, 5); /* at once, or the first one was quick enough */
    ck_assert_msg(status == 0 || status == 128 + SIGTERM, "status %d", status);
    close(the_daemon.out);
    start_again();
    ck_status(get("/readyz"), 200);
    ends_well(10);
    remove_directory();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        stream_across_a_restart, same_result, what_is_stored_stays, killed, busy_end, second_signal};
    Suite *made = suite_create("restarts");
    TCase *tcase = tcase_create("restarts");
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
