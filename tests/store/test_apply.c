#include "fixture.h"

#include <pthread.h>

static size_t events_of(const char *id, uint64_t after, size_t limit, struct kr_event_row **rows)
{
    size_t count;
    OK(kr_store_events(&ctx, store, id, after, limit, &count, rows));
    return count;
}

static char *checkpoint_of(const char *id)
{
    char *text;
    OK(kr_store_checkpoint(&ctx, store, id, &text));
    return text;
}

START_TEST(events_are_numbered_in_each_job)
{
    struct kr_event_row events[] = {{.kind = "step", .data = "a"}, {.kind = "step", .data = "b"}}, *rows;
    struct kr_job_change changes[3];
    uint64_t last[3];
    char *one = add_job(NULL), *two = add_job(NULL);
    for (int i = 0; i < 3; i++) {
        changes[i] = no_change(i == 1 ? two : one);
        changes[i].events = events;
        changes[i].nevents = i == 1 ? 1 : 2;
    }
    OK(kr_store_apply(&ctx, store, 3, changes, last));
    ck_assert_uint_eq(last[0], 2);
    ck_assert_uint_eq(last[1], 1);
    ck_assert_uint_eq(last[2], 4); /* the same job again in one transaction */
    ck_assert_uint_eq(apply(no_change(two)), 1);
    reopen();
    changes[1].nevents = 2;
    ck_assert_uint_eq(apply(changes[1]), 3);
    ck_assert_uint_eq(get_job(one).last_event, 4);
    ck_assert_uint_eq(events_of(one, 1, 2, &rows), 2);
    ck_assert_uint_eq(rows[0].id, 2);
    ck_assert_str_eq(rows[0].data, "b");
    ck_assert_uint_eq(rows[1].id, 3);
    ck_assert_str_eq(rows[1].data, "a");
    ck_assert_uint_eq(strlen(rows[1].created_at), 24);
    ck_assert_uint_eq(events_of(one, 0, SIZE_MAX, &rows), 4);
    ck_assert_uint_eq(events_of(one, 4, 9, &rows), 0);
    ck_assert_uint_eq(events_of(one, UINT64_MAX, 9, &rows), 0);
    ck_assert_uint_eq(events_of(one, 0, 0, &rows), 0);
    OK(kr_store_apply(&ctx, store, 0, NULL, NULL));
}
END_TEST

START_TEST(one_failure_takes_all_back)
{
    struct kr_event_row event = {.kind = "step", .data = "{}"}, *rows;
    uint64_t last[2];
    char *id = add_job(NULL);
    struct kr_job_change changes[] = {no_change(id), no_change("missing")};
    changes[0].state = KR_JOB_RUNNING;
    changes[0].attempt = 7;
    changes[0].progress = "{}";
    changes[0].checkpoint = "c";
    changes[0].nevents = 1;
    changes[0].events = &event;
    FAILS(kr_store_apply(&ctx, store, 2, changes, last), KR_NOT_FOUND, "", "missing");
    struct kr_job_row row = get_job(id);
    ck_assert_int_eq(row.state, KR_JOB_QUEUED);
    ck_assert_int_eq(row.attempt, 0);
    ck_assert_ptr_null(row.started_at);
    ck_assert_ptr_null(row.progress);
    ck_assert_uint_eq(row.last_event, 0);
    ck_assert_uint_eq(events_of(id, 0, 9, &rows), 0);
    ck_assert_ptr_null(checkpoint_of(id));
    ck_assert_uint_eq(apply(changes[0]), 1); /* alone it goes, and is numbered from 1 */
}
END_TEST

START_TEST(the_newest_checkpoint_is_kept_until_the_end)
{
    char *id = add_job(NULL);
    struct kr_job_change change = no_change(id);
    ck_assert_ptr_null(checkpoint_of(id));
    change.checkpoint = "one";
    apply(change);
    change.checkpoint = "two";
    apply(change);
    apply(no_change(id));
    reopen();
    ck_assert_str_eq(checkpoint_of(id), "two");
    change.checkpoint = "three";
    change.state = KR_JOB_FAILED;
    change.error = "{\"status\":500}";
    apply(change);
    ck_assert_ptr_null(checkpoint_of(id));
    ck_assert_str_eq(get_job(id).error, "{\"status\":500}");
    change.state = -1;
    apply(change);
    ck_assert_ptr_null(checkpoint_of(id)); /* nobody would take it up */
}
END_TEST

enum { WRITERS = 4, ROUNDS = 40, EVENTS = 3 };
struct writer {
    pthread_t thread;
    const char *id;
    uint64_t last;
    kr_status status;
};

static void *write_events(void *self)
{
    struct writer *writer = self;
    struct kr_ctx own;
    kr_ctx_init(&own, 0);
    struct kr_event_row events[EVENTS], *rows;
    for (int i = 0; i < EVENTS; i++)
        events[i] = (struct kr_event_row){.kind = "step", .data = writer->id};
    struct kr_job_change change = no_change(writer->id);
    change.checkpoint = writer->id;
    change.nevents = EVENTS;
    change.events = events;
    for (int i = 0; i < ROUNDS && writer->status == KR_OK; i++) {
        size_t count = 0;
        writer->status = kr_store_apply(&own, store, 1, &change, &writer->last);
        if (writer->status == KR_OK)
            writer->status =
                kr_store_events(&own, store, writer->id, writer->last - EVENTS, 99, &count, &rows);
        if (writer->status == KR_OK && count != EVENTS)
            writer->status = KR_INTERNAL;
    }
    kr_ctx_fini(&own);
    return NULL;
}

START_TEST(threads_do_not_mix_their_jobs)
{
    struct writer writers[WRITERS] = {0};
    struct kr_event_row *rows;
    for (int i = 0; i < WRITERS; i++)
        writers[i].id = add_job(NULL);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_events, &writers[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(writers[i].status, KR_OK);
        ck_assert_uint_eq(writers[i].last, EVENTS * ROUNDS);
        ck_assert_uint_eq(events_of(writers[i].id, 0, SIZE_MAX, &rows), EVENTS * ROUNDS);
        for (size_t k = 0; k < EVENTS * ROUNDS; k++) {
            ck_assert_uint_eq(rows[k].id, k + 1);
            ck_assert_str_eq(rows[k].data, writers[i].id);
        }
        ck_assert_str_eq(checkpoint_of(writers[i].id), writers[i].id);
    }
}
END_TEST

STORE_SUITE("apply", events_are_numbered_in_each_job, one_failure_takes_all_back,
            the_newest_checkpoint_is_kept_until_the_end, threads_do_not_mix_their_jobs)
