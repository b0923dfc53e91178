/* Interactive requests: served beside jobs, cancelled when their client leaves, lost with their worker only.
 */
#include "jobs_fixture.h"

#include <pthread.h>

static kr_status call_in(struct kr_ctx *own, const char *text, const _Atomic int *client_left, json_t **reply)
{
    json_t *message = json_loads(text, 0, NULL);
    kr_status status = kr_jobs_call(own, jobs, message, client_left, reply);
    json_decref(message);
    return status;
}

static kr_status call(const char *text, const _Atomic int *client_left, json_t **reply)
{
    return call_in(&ctx, text, client_left, reply);
}

static void *leave_soon(void *flag)
{
    sleep_ms(100);
    *(_Atomic int *)flag = 1;
    return NULL;
}

/* Seconds until a call whose client leaves after 0.1 s has returned. */
static double abandoned(const char *text)
{
    _Atomic int left = 0;
    pthread_t thread;
    json_t *reply;
    double before = kr_seconds();
    pthread_create(&thread, NULL, leave_soon, (void *)&left);
    FAILS(call(text, &left, &reply), KR_CANCELLED);
    ck_assert_ptr_null(reply);
    pthread_join(thread, NULL);
    return kr_seconds() - before;
}

START_TEST(a_call_returns_the_reply)
{
    json_t *reply;
    set_up(2, 0);
    for (int i = 0; i < 20; i++) {
        OK(call("{\"op\":\"gradient\",\"echo\":{\"deep\":[[[0.1]]],\"text\":\"a\\nb\"}}", NULL, &reply));
        ck_assert_str_eq(json_string_value(json_object_get(json_object_get(reply, "echo"), "text")), "a\nb");
        json_decref(reply);
    }
    FAILS(call("{\"op\":\"gradient\",\"error\":\"not-positive-definite\"}", NULL, &reply),
          KR_NOT_POSITIVE_DEFINITE);
    OK(call("{}", NULL, &reply));
    json_decref(reply);
    ck_assert_uint_eq(kr_jobs_count(jobs).calls, 0);
    ck_assert_int_eq(kr_jobs_count(jobs).busy, 0);
    tear_down();
}
END_TEST

START_TEST(a_long_message_goes_both_ways)
{
    enum { SIZE = 5000000 };
    char *text = malloc(SIZE + 1);
    json_t *reply;
    memset(text, 'z', SIZE);
    text[SIZE] = '\0';
    set_up(2, 0);
    json_t *message = json_pack("{s:s, s:s}", "op", "gradient", "echo", text);
    OK(kr_jobs_call(&ctx, jobs, message, NULL, &reply));
    ck_assert_str_eq(json_string_value(json_object_get(reply, "echo")), text);
    json_decref(message);
    json_decref(reply);
    free(text);
    tear_down();
}
END_TEST

START_TEST(a_client_that_leaves_cancels)
{
    json_t *reply;
    set_up(2, 0);
    ck_assert_double_lt(abandoned("{\"op\":\"gradient\",\"ms\":60000}"), 2.0);
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 0);
    ck_assert_double_lt(abandoned("{\"op\":\"gradient\",\"ms\":60000,\"stubborn\":true}"), 3.0);
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 1);
    OK(call("{\"op\":\"gradient\"}", NULL, &reply));
    json_decref(reply);
    ctx.deadline = kr_seconds() + 0.1;
    FAILS(call("{\"op\":\"gradient\",\"ms\":60000}", NULL, &reply), KR_TIME_LIMIT);
    ctx.deadline = 0;
    tear_down();
}
END_TEST

START_TEST(a_dead_worker_costs_its_call_only)
{
    json_t *reply;
    set_up(2, 0);
    for (int i = 0; i < 3; i++) {
        FAILS(call("{\"op\":\"gradient\",\"crash\":true}", NULL, &reply), KR_WORKER_DIED);
        OK(call("{\"op\":\"gradient\"}", NULL, &reply));
        json_decref(reply);
    }
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 3);
    tear_down();
}
END_TEST

static void serves_beside_jobs(int workers)
{
    char ids[4][KR_ID_BYTES];
    json_t *reply;
    set_up(workers, 0);
    for (int i = 0; i < 4; i++)
        OK(submit("{\"steps\":100000,\"ms\":10}", ids[i]));
    wait_events(ids[0], 3);
    for (int i = 0; i < 5; i++) {
        double before = kr_seconds();
        OK(call("{\"op\":\"gradient\"}", NULL, &reply));
        ck_assert_double_lt(kr_seconds() - before, 1.0);
        json_decref(reply);
    }
    ck_assert_int_eq((int)kr_jobs_count(jobs).running, workers > 1 ? workers - 1 : 1);
    close_jobs(5);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(job_row(ids[i]).state, KR_JOB_QUEUED);
    tear_down();
}

START_TEST(calls_are_served_while_jobs_fill_the_workers)
{
    serves_beside_jobs(1);
    serves_beside_jobs(2);
    serves_beside_jobs(3);
}
END_TEST

/* ---- many callers ---- */

struct caller {
    pthread_t thread;
    const char *text;
    _Atomic int left;
    kr_status status;
};

static void *call_once(void *argument)
{
    struct caller *caller = argument;
    struct kr_ctx own;
    json_t *reply;
    kr_ctx_init(&own, 0);
    caller->status = call_in(&own, caller->text, &caller->left, &reply);
    json_decref(reply);
    kr_ctx_fini(&own);
    return NULL;
}

static void call_from_threads(struct caller *callers, int count, const char *text)
{
    for (int i = 0; i < count; i++) {
        callers[i] = (struct caller){.text = text};
        pthread_create(&callers[i].thread, NULL, call_once, &callers[i]);
    }
}

static void wait_calls(size_t calls, int busy)
{
    for (int i = 0; kr_jobs_count(jobs).calls < calls || kr_jobs_count(jobs).busy < busy; i++) {
        ck_assert_int_lt(i, 300);
        sleep_ms(10);
    }
}

START_TEST(calls_wait_in_a_short_line)
{
    enum { RUNNING = 2, COUNT = RUNNING + 64 };
    struct caller callers[COUNT];
    json_t *reply;
    set_up(2, 0);
    call_from_threads(callers, RUNNING, "{\"op\":\"gradient\",\"ms\":60000}");
    wait_calls(RUNNING, RUNNING); /* else the last ones find the line full */
    call_from_threads(callers + RUNNING, COUNT - RUNNING, "{\"op\":\"gradient\",\"ms\":60000}");
    wait_calls(COUNT, RUNNING);
    FAILS(call("{\"op\":\"gradient\"}", NULL, &reply), KR_TOO_MANY_REQUESTS);
    for (int i = 0; i < COUNT; i++)
        callers[i].left = 1;
    for (int i = 0; i < COUNT; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].status, KR_CANCELLED);
    }
    call_from_threads(callers, 60, "{\"op\":\"gradient\",\"ms\":4}");
    for (int i = 0; i < 60; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].status, KR_OK);
    }
    tear_down();
}
END_TEST

START_TEST(open_calls_may_finish_in_a_drain)
{
    struct caller callers[4];
    json_t *reply;
    set_up(2, 0);
    call_from_threads(callers, 4, "{\"op\":\"gradient\",\"ms\":200}");
    sleep_ms(100);
    kr_jobs_drain(jobs);
    FAILS(call("{\"op\":\"gradient\"}", NULL, &reply), KR_UNAVAILABLE);
    close_jobs(10);
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].status, KR_OK);
    }
    open_jobs(2, 0);
    call_from_threads(callers, 4, "{\"op\":\"gradient\",\"ms\":60000}");
    sleep_ms(100);
    double before = kr_seconds();
    close_jobs(0.2); /* patience ends */
    ck_assert_double_lt(kr_seconds() - before, 2.0);
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].status, KR_UNAVAILABLE);
    }
    tear_down();
}
END_TEST

SUITE("calls", a_call_returns_the_reply, a_long_message_goes_both_ways, a_client_that_leaves_cancels,
      a_dead_worker_costs_its_call_only, calls_are_served_while_jobs_fill_the_workers,
      calls_wait_in_a_short_line, open_calls_may_finish_in_a_drain)
