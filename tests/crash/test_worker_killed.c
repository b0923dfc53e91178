/* kill -9 of workers: a job goes on elsewhere with the same bits, a call fails alone, the daemon lives. */
#include "events.h"

#include <pthread.h>

static void kill_busy_worker(void)
{
    const pid_t pid = busy_worker();
    kill(pid, SIGKILL);
    EVENTUALLY(5, !alive(pid));
}

static void assert_daemon_lives(void)
{
    ck_assert(alive(service.pid));
    json_decref(expect(200, "GET", "/livez", NULL, NULL));
    pid_t pids[MOST_WORKERS];
    EVENTUALLY(8, workers(pids) == 2);
    EVENTUALLY(8, status_of("GET", "/readyz") == 200);
}

START_TEST(the_job_goes_on_in_another_worker)
{
    struct events *events = calloc(1, sizeof *events);
    const char *request = REQUEST(ADAM);
    put_concrete();
    submit(request, events->job);
    follow(events, 10, kill_busy_worker);
    ck_assert(events->stopped);
    follow(events, 0, NULL);
    ck_assert(events->done);
    assert_as_uninterrupted(events, request);
    json_t *job = job_of(events->job);
    ck_assert_double_eq(number_at(job, "attempt"), 2);
    json_decref(job);
    ck_assert_uint_eq(count_events(events, "warning", "code", "worker-died"), 1);
    ck_assert_uint_eq(count_events(events, "state", "state", "running"), 2);
    ck_assert_uint_eq(count_events(events, "state", "reason", "worker-died"), 1);
    assert_daemon_lives();
    forget(events);
}
END_TEST

/* Each death with a checkpoint since the last one: as often as it takes. */
START_TEST(deaths_with_progress_between_them_do_not_count)
{
    struct events *events = calloc(1, sizeof *events);
    const char *request = REQUEST(ADAM);
    put_concrete();
    submit(request, events->job);
    for (int k = 1; k <= 4; k++) {
        follow(events, events->nsteps + 6, kill_busy_worker);
        ck_assert_msg(events->stopped, "the job ended before %d deaths", k);
    }
    follow(events, 0, NULL);
    ck_assert(events->done);
    assert_as_uninterrupted(events, request);
    ck_assert_uint_eq(count_events(events, "warning", "code", "worker-died"), 4);
    forget(events);
}
END_TEST

/* An evaluation of minutes: nothing can be saved between deaths. */
#define SLOW_PART                                                                                            \
    "\"dataset\": \"concrete\", \"model\": {\"kernel\": {\"type\": \"matern32\", \"ard\": true}, "           \
    "\"noise\": "                                                                                            \
    "{\"variance\": 1e-3}}, \"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": \"fraction\"}}, " \
    "\"solver\": {\"type\": \"lsmr\", \"rtol\": 1e-12}"

START_TEST(three_deaths_without_progress_fail_the_job)
{
    struct events *events = calloc(1, sizeof *events);
    put_concrete();
    submit("{" SLOW_PART ", \"optimizer\": {\"type\": \"adam\"}}", events->job);
    for (int k = 0; k < 3; k++)
        kill_busy_worker();
    follow(events, 0, NULL);
    ck_assert(events->done);
    ck_assert_uint_eq(events->nsteps, 0);
    json_t *job = job_of(events->job), *error = json_object_get(job, "error");
    ck_assert_str_eq(text_at(job, "state"), "failed");
    ck_assert_str_eq(text_at(error, "type"), "/problems/worker-died");
    ck_assert_ptr_nonnull(strstr(text_at(error, "detail"), "3 times"));
    ck_assert_double_eq(number_at(job, "attempt"), 3);
    ck_assert(json_is_null(json_object_get(job, "result")));
    json_decref(job);
    ck_assert_uint_eq(count_events(events, "warning", "code", "worker-died"), 2);
    ck_assert_uint_eq(count_events(events, "state", "state", "failed"), 1);
    assert_daemon_lives();
    forget(events);
}
END_TEST

/* A gradient of minutes, asked in a thread of its own. */
static void *ask_slowly(void *self)
{
    struct answer *answer = self;
    *answer = ask("POST", "/v1/gradients", NULL, "{" SLOW_PART "}");
    return NULL;
}

START_TEST(a_call_on_a_killed_worker_gets_503)
{
    struct answer answer = {0};
    pthread_t thread;
    put_concrete();
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_slowly, &answer), 0);
    kill_busy_worker();
    pthread_join(thread, NULL);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(text_at(answer.json, "type"), "/problems/worker-died");
    ck_assert_double_eq(number_at(answer.json, "status"), 503);
    json_decref(answer.json);
    assert_daemon_lives();
}
END_TEST

START_TEST(a_call_is_not_touched_by_the_death_of_a_job)
{
    struct events *events = calloc(1, sizeof *events);
    const char *request = REQUEST(ADAM);
    put_concrete();
    submit(request, events->job);
    follow(events, 4, kill_busy_worker);
    for (int k = 0; k < 3; k++)
        json_decref(expect(200, "POST", "/v1/gradients", NULL,
                           "{\"data\": {\"x\": [[1], [2], [3], [4]], \"y\": [1, 2, 3, 3]}, \"model\": "
                           "{\"kernel\": {\"type\": "
                           "\"rbf\"}}, \"objective\": {\"loss\": \"mse\", \"validation\": {\"type\": "
                           "\"rows\", \"rows\": [1]}}}"));
    follow(events, 0, NULL);
    ck_assert(events->done);
    assert_as_uninterrupted(events, request);
    forget(events);
}
END_TEST

/* A worker that dies while it waits is replaced. */
START_TEST(idle_workers_are_replaced)
{
    pid_t before[MOST_WORKERS], after[MOST_WORKERS];
    const size_t count = workers(before);
    ck_assert_uint_eq(count, 2);
    for (size_t i = 0; i < count; i++)
        kill(before[i], SIGKILL);
    for (size_t i = 0; i < count; i++)
        EVENTUALLY(5, !alive(before[i]));
    assert_daemon_lives();
    workers(after);
    for (size_t i = 0; i < count; i++)
        ck_assert(after[i] != before[0] && after[i] != before[1]);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_job_goes_on_in_another_worker,           deaths_with_progress_between_them_do_not_count,
        three_deaths_without_progress_fail_the_job,  a_call_on_a_killed_worker_gets_503,
        a_call_is_not_touched_by_the_death_of_a_job, idle_workers_are_replaced};
    Suite *made = suite_create("worker_killed");
    TCase *tcase = tcase_create("worker_killed");
    tcase_add_checked_fixture(tcase, open_service, close_service);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
