/* Jobs from submit to their end, through crashes, cancellations and a full disk. Workers: fake_engine.h. */
#include "jobs_fixture.h"

#include <pthread.h>

START_TEST(a_job_succeeds_with_gapless_events)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":20,\"ms\":4}", id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 20);
    struct kr_event_row *rows;
    ck_assert_uint_eq(events_of(id, &rows), 24);
    ck_assert_str_eq(rows[0].data, "{\"state\":\"queued\"}");
    ck_assert_str_eq(rows[1].data, "{\"state\":\"running\",\"attempt\":1}");
    ck_assert_str_eq(rows[22].data, "{\"state\":\"succeeded\"}");
    struct kr_job_row row = job_row(id);
    ck_assert_int_eq(row.attempt, 1);
    ck_assert_uint_eq(row.last_event, 24);
    ck_assert_str_eq(row.progress, "{\"evaluation\":20}");
    ck_assert_ptr_null(row.error);
    ck_assert_ptr_nonnull(strstr(rows[23].data, row.result));
    struct kr_model_row model;
    OK(kr_store_model_get(&ctx, store, id, &model));
    ck_assert_str_eq(model.document, "{\"kind\":\"fake\"}");
    ck_assert_int_eq(access(kr_printf(&ctx, "%s/y.npy", model.directory), F_OK), 0);
    FAILS(kr_jobs_wait(&ctx, jobs, "01ARZ3NDEKTSV4RRFFQ69G5FAV", 1, NULL), KR_NOT_FOUND);
    tear_down();
}
END_TEST

START_TEST(a_job_without_checkpoints_shows_its_events_at_the_end)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":7,\"every\":0}", id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 7);
    OK(submit("{\"steps\":7,\"every\":3,\"error\":\"non-finite-loss\"}", id));
    ck_assert_int_eq(wait_end(id), KR_JOB_FAILED);
    check_steps(id, 7); /* the seventh was held back and belongs to the failure */
    json_t *error = parsed(job_row(id).error);
    ck_assert_str_eq(json_string_value(json_object_get(error, "type")), "/problems/non-finite-loss");
    ck_assert_int_eq(fake_number(error, "status", 0), 422);
    json_decref(error);
    ck_assert_int_eq(count_events(id, "done", "\"state\":\"failed\",\"error\":{"), 1);
    ck_assert_int_eq(count_events(id, "state", "failed"), 1);
    tear_down();
}
END_TEST

START_TEST(a_crash_goes_on_from_the_checkpoint)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit(script("{\"steps\":%d,\"every\":3,\"crash_at\":12,\"crashes\":2,\"count\":\"%s/%s\"}", 20, "a"),
              id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 20);
    ck_assert_int_eq(count_events(id, "warning", "worker-died"), 2);
    ck_assert_int_eq(job_row(id).attempt, 3);
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 2);
    tear_down();
}
END_TEST

START_TEST(three_crashes_are_enough)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":20,\"every\":3,\"crash_at\":12,\"crashes\":99}", id));
    ck_assert_int_eq(wait_end(id), KR_JOB_FAILED);
    check_steps(id, 11);
    ck_assert_int_eq(count_events(id, "state", "\"running\""), 3);
    ck_assert_ptr_nonnull(strstr(job_row(id).error, "/problems/worker-died"));
    OK(submit("{\"steps\":2}", id)); /* others go on */
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    tear_down();
}
END_TEST

/* The count starts anew with each checkpoint: crashes at steps 1, 2, 3, .. each after a new one. */
START_TEST(a_new_checkpoint_resets_the_count)
{
    char id[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit(script("{\"steps\":%d,\"crash_after\":1,\"crashes\":5,\"count\":\"%s/%s\"}", 8, "b"), id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    check_steps(id, 8);
    ck_assert_int_eq(job_row(id).attempt, 6);
    tear_down();
}
END_TEST

START_TEST(cancel_queued_running_stubborn_and_finished)
{
    char running[KR_ID_BYTES], queued[KR_ID_BYTES], stubborn[KR_ID_BYTES];
    set_up(2, 0);
    OK(submit("{\"steps\":1000,\"ms\":20,\"every\":7}", running));
    OK(submit("{\"steps\":1}", queued));
    OK(kr_jobs_cancel(&ctx, jobs, queued));
    ck_assert_int_eq(job_row(queued).state, KR_JOB_CANCELLED); /* at once */
    struct kr_event_row *rows;
    ck_assert_uint_eq(events_of(queued, &rows), 3);
    ck_assert_str_eq(rows[2].data, "{\"state\":\"cancelled\"}");
    wait_events(running, 8);
    OK(kr_jobs_cancel(&ctx, jobs, running));
    OK(kr_jobs_cancel(&ctx, jobs, running));
    ck_assert_int_eq(wait_end(running), KR_JOB_CANCELLED);
    OK(kr_jobs_cancel(&ctx, jobs, running));
    check_steps(running, count_events(running, "step", ""));
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 0);
    OK(submit("{\"steps\":1000,\"ms\":20,\"stubborn\":true}", stubborn));
    wait_events(stubborn, 3);
    OK(kr_jobs_cancel(&ctx, jobs, stubborn));
    ck_assert_int_eq(wait_end(stubborn), KR_JOB_CANCELLED);
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 1);
    FAILS(kr_jobs_cancel(&ctx, jobs, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), KR_NOT_FOUND);
    tear_down();
}
END_TEST

START_TEST(the_queue_has_a_limit)
{
    char ids[4][KR_ID_BYTES];
    set_up(1, 2);
    OK(submit("{\"steps\":1000,\"ms\":20}", ids[0]));
    wait_events(ids[0], 2);
    OK(submit("{}", ids[1]));
    OK(submit("{}", ids[2]));
    FAILS(submit("{}", ids[3]), KR_TOO_MANY_REQUESTS);
    struct kr_jobs_counts counts = kr_jobs_count(jobs);
    ck_assert_int_eq(counts.workers, 2);
    ck_assert_int_eq(counts.busy, 1);
    ck_assert_uint_eq(counts.queued, 2);
    ck_assert_uint_eq(counts.running, 1);
    OK(kr_jobs_cancel(&ctx, jobs, ids[0]));
    ck_assert_int_eq(wait_end(ids[1]), KR_JOB_SUCCEEDED);
    ck_assert_int_eq(wait_end(ids[2]), KR_JOB_SUCCEEDED);
    tear_down();
}
END_TEST

START_TEST(a_worker_gets_the_data_set)
{
    char id[KR_ID_BYTES];
    double x[] = {1, 2, 3}, y[] = {4, 5, 6};
    const char *names[] = {"depth"};
    struct kr_dataset data = {.n = 3, .d = 1, .x = x, .y = y, .feature_names = names};
    struct kr_dataset_row row = {.name = "wells", .digest = "d", .meta = "{\"rows\":3,\"scale\":0.1}"};
    bool created;
    set_up(2, 0);
    OK(kr_store_dataset_put(&ctx, store, &data, &row, &created));
    const struct kr_job_row job = {.request = "{\"steps\":1}", .dataset = "wells"};
    OK(kr_jobs_submit(&ctx, jobs, &job, id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    json_t *result = parsed(job_row(id).result), *dataset = json_object_get(result, "dataset");
    ck_assert_str_eq(json_string_value(json_object_get(dataset, "directory")), row.directory);
    ck_assert_str_eq(json_string_value(json_object_get(dataset, "name")), "wells");
    ck_assert(json_real_value(json_object_get(json_object_get(dataset, "meta"), "scale")) == 0.1);
    ck_assert_ptr_null(json_object_get(result, "validation_dataset"));
    json_decref(result);
    row = (struct kr_dataset_row){.name = "pits", .digest = "d", .meta = "{\"rows\":2}"};
    OK(kr_store_dataset_put(&ctx, store, &data, &row, &created));
    const struct kr_job_row both = {
        .request = "{\"steps\":1}", .dataset = "wells", .validation_dataset = "pits"};
    OK(kr_jobs_submit(&ctx, jobs, &both, id));
    ck_assert_int_eq(wait_end(id), KR_JOB_SUCCEEDED);
    result = parsed(job_row(id).result);
    dataset = json_object_get(result, "validation_dataset");
    ck_assert_str_eq(json_string_value(json_object_get(dataset, "directory")), row.directory);
    ck_assert_str_eq(json_string_value(json_object_get(dataset, "name")), "pits");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(dataset, "meta"), "rows")), 2);
    json_decref(result);
    const struct kr_job_row other = {.request = "{}", .dataset = "absent"};
    FAILS(kr_jobs_submit(&ctx, jobs, &other, id), KR_NOT_FOUND);
    tear_down();
}
END_TEST

START_TEST(fifty_jobs_with_three_workers)
{
    enum { JOBS = 50, STEPS = 20 };
    char ids[JOBS][KR_ID_BYTES];
    set_up(3, 0);
    for (int i = 0; i < JOBS; i++)
        OK(submit(i % 10 == 3
                      ? script("{\"steps\":%d,\"ms\":1,\"every\":4,\"crash_at\":9,\"count\":\"%s/%s\"}",
                               STEPS, kr_printf(&ctx, "n%d", i))
                      : script("{\"steps\":%d,\"ms\":1,\"every\":2}", STEPS, ""),
                  ids[i]));
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(wait_end(ids[i]), KR_JOB_SUCCEEDED);
        check_steps(ids[i], STEPS);
    }
    ck_assert_uint_eq(kr_jobs_count(jobs).worker_deaths, 5);
    tear_down();
}
END_TEST

START_TEST(a_model_that_the_store_refuses_fails_its_job_only)
{
    char id[KR_ID_BYTES], other[KR_ID_BYTES];
    uint64_t last;
    set_up(3, 0);
    OK(submit("{\"steps\":10,\"ms\":20}", id));
    OK(submit("{\"steps\":10,\"ms\":20}", other));
    const struct kr_job_change taken = {.id = id, .state = -1, .attempt = -1, .model = "{}"};
    OK(kr_store_apply(&ctx, store, 1, &taken, &last));
    ck_assert_int_eq(wait_end(id), KR_JOB_FAILED);
    ck_assert_int_eq(wait_end(other), KR_JOB_SUCCEEDED);
    check_steps(id, 10);
    check_steps(other, 10);
    ck_assert_int_eq(count_events(id, "done", ""), 1);
    tear_down();
}
END_TEST

/* A watcher may only see what is stored: it reads the store as far as the newest event, in its wake. */
struct watch {
    pthread_mutex_t lock;
    char id[KR_ID_BYTES];
    uint64_t seen;
    int wakes, late;
    bool over;
};

static void look(void *self)
{
    struct watch *watch = self;
    struct kr_ctx own;
    struct kr_event_row *rows;
    size_t count = 0;
    kr_ctx_init(&own, 0);
    pthread_mutex_lock(&watch->lock);
    if (kr_store_events(&own, store, watch->id, watch->seen, 1000, &count, &rows) == KR_OK)
        for (size_t i = 0; i < count; i++)
            watch->late += rows[i].id != ++watch->seen;
    watch->late += count == 0 || watch->over;
    watch->wakes++;
    pthread_mutex_unlock(&watch->lock);
    kr_ctx_fini(&own);
}

/* The last wake may come a little after the end of a wait. */
static void wait_seen(struct watch *watch, uint64_t count)
{
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&watch->lock);
        bool enough = watch->seen >= count;
        pthread_mutex_unlock(&watch->lock);
        if (enough)
            return;
        sleep_ms(10);
    }
}

START_TEST(subscribers_are_woken_after_the_commit)
{
    struct watch first = {.lock = PTHREAD_MUTEX_INITIALIZER}, second = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct kr_subscription *one, *two;
    set_up(2, 0);
    OK(submit("{\"steps\":50,\"ms\":10}", first.id));
    memcpy(second.id, first.id, sizeof second.id);
    OK(kr_jobs_subscribe(&ctx, jobs, first.id, look, &first, &one));
    OK(kr_jobs_subscribe(&ctx, jobs, second.id, look, &second, &two));
    wait_events(first.id, 20);
    kr_jobs_unsubscribe(two);
    pthread_mutex_lock(&second.lock);
    second.over = true;
    pthread_mutex_unlock(&second.lock);
    ck_assert_int_eq(wait_end(first.id), KR_JOB_SUCCEEDED);
    wait_seen(&first, 54);
    kr_jobs_unsubscribe(one);
    ck_assert_int_eq(first.late, 0);
    ck_assert_int_eq(second.late, 0);
    ck_assert_uint_eq(first.seen, 54);
    ck_assert_int_ge(first.wakes, 4); /* half a second, a commit every 100 ms at most */
    ck_assert_int_le(first.wakes, 12);
    kr_jobs_unsubscribe(NULL);
    tear_down();
}
END_TEST

/* The limit on file sizes stands for a full disk. No assertion while it holds: the test framework writes
 * files, too. */
START_TEST(a_full_disk_loses_nothing)
{
    struct watch watch = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct kr_subscription *subscription;
    struct rlimit limit, full;
    char other[KR_ID_BYTES];
    set_up(2, 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    OK(submit("{\"steps\":30,\"ms\":10}", watch.id));
    OK(kr_jobs_subscribe(&ctx, jobs, watch.id, look, &watch, &subscription));
    wait_events(watch.id, 8);
    full = limit;
    full.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &full);
    sleep_ms(1000); /* it ends meanwhile, unheard */
    kr_status refused = submit("{}", other);
    pthread_mutex_lock(&watch.lock);
    uint64_t seen = watch.seen;
    pthread_mutex_unlock(&watch.lock);
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(refused, KR_STORAGE);
    kr_ctx_clear_error(&ctx);
    ck_assert_uint_lt(seen, 33);
    ck_assert_int_eq(wait_end(watch.id), KR_JOB_SUCCEEDED);
    check_steps(watch.id, 30);
    wait_seen(&watch, 34);
    ck_assert_uint_eq(watch.seen, 34);
    ck_assert_int_eq(watch.late, 0);
    kr_jobs_unsubscribe(subscription);
    tear_down();
}
END_TEST

SUITE("jobs", a_job_succeeds_with_gapless_events, a_job_without_checkpoints_shows_its_events_at_the_end,
      a_crash_goes_on_from_the_checkpoint, three_crashes_are_enough, a_new_checkpoint_resets_the_count,
      cancel_queued_running_stubborn_and_finished, the_queue_has_a_limit, a_worker_gets_the_data_set,
      fifty_jobs_with_three_workers, a_model_that_the_store_refuses_fails_its_job_only,
      subscribers_are_woken_after_the_commit, a_full_disk_loses_nothing)
