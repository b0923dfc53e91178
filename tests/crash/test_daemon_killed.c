/* kill -9 of the daemon, again and again: no event is lost or said twice, and the job ends with the bits that
 * it would have had. */
#include "events.h"

enum { KILLS = 5, STEPS_BETWEEN = 8 };

static void kill_often(const char *request)
{
    struct events *events = calloc(1, sizeof *events);
    put_concrete();
    submit(request, events->job);
    for (int k = 0; k < KILLS; k++) {
        ck_assert_int_eq(follow(events, events->nsteps + STEPS_BETWEEN, kill_service), 200);
        ck_assert_msg(events->stopped, "the job ended before it was killed %d times", KILLS);
        start_service();
    }
    ck_assert_int_eq(follow(events, 0, NULL), 200);
    ck_assert(events->done);
    ck_assert_int_eq(follow(events, 0, NULL), 204); /* after the last event there is nothing */
    assert_as_uninterrupted(events, request);
    ck_assert_uint_eq(count_events(events, "warning", "code", "small-hold-out"), 1);
    ck_assert_uint_eq(count_events(events, "warning", "code", "worker-died"), 0);
    ck_assert_uint_eq(count_events(events, "state", "state", "running"), KILLS + 1);
    ck_assert_uint_eq(count_events(events, "state", "state", "succeeded"), 1);
    forget(events);
}

START_TEST(adam_goes_on)
{
    kill_often(REQUEST(ADAM));
}
END_TEST

START_TEST(lbfgs_goes_on)
{
    kill_often(REQUEST(LBFGS));
}
END_TEST

/* Killed before anything could begin: what was accepted is there. */
START_TEST(an_accepted_job_is_there_after_a_kill)
{
    struct events *events = calloc(1, sizeof *events);
    const char *request = REQUEST("{\"type\": \"adam\", \"max_evaluations\": 3}");
    put_concrete();
    submit(request, events->job);
    kill_service();
    start_service();
    ck_assert_int_eq(follow(events, 0, NULL), 200);
    ck_assert(events->done);
    assert_as_uninterrupted(events, request);
    forget(events);
}
END_TEST

/* A finished job stays finished, and its model predicts. */
START_TEST(a_finished_job_is_not_run_again)
{
    struct events *events = calloc(1, sizeof *events);
    char path[80];
    put_concrete();
    submit(REQUEST("{\"type\": \"adam\", \"max_evaluations\": 3}"), events->job);
    follow(events, 0, NULL);
    ck_assert(events->done);
    kill_service();
    start_service();
    ck_assert_int_eq(follow(events, 0, NULL), 204);
    struct events *again = calloc(1, sizeof *again);
    memcpy(again->job, events->job, sizeof again->job);
    ck_assert_int_eq(follow(again, 0, NULL), 200);
    ck_assert_uint_eq(again->count, events->count);
    for (size_t i = 0; i < events->count; i++)
        assert_same(events->list[i].data, again->list[i].data, "event");
    snprintf(path, sizeof path, "/v1/models/%s/predict", events->job);
    json_t *reply = expect(200, "POST", path, NULL, "{\"x\": [[540, 0, 0, 162, 2.5, 1040, 676, 28]]}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "mean")), 1);
    json_decref(reply);
    forget(events);
    forget(again);
}
END_TEST

/* The contract has the model's name in the result, of the job and of the last event. */
START_TEST(a_result_names_its_model)
{
    struct events *events = calloc(1, sizeof *events);
    put_concrete();
    submit(REQUEST("{\"type\": \"adam\", \"max_evaluations\": 1}"), events->job);
    follow(events, 0, NULL);
    ck_assert(events->done);
    json_t *job = job_of(events->job), *done = events->list[events->count - 1].data;
    ck_assert_str_eq(text_at(json_object_get(job, "result"), "model"), events->job);
    ck_assert_str_eq(text_at(json_object_get(done, "result"), "model"), events->job);
    json_decref(job);
    forget(events);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {adam_goes_on, lbfgs_goes_on, an_accepted_job_is_there_after_a_kill,
                                  a_finished_job_is_not_run_again, a_result_names_its_model};
    Suite *made = suite_create("daemon_killed");
    TCase *tcase = tcase_create("daemon_killed");
    tcase_add_checked_fixture(tcase, open_service, close_service);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
