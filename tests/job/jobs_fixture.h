/* A store and its jobs in a directory of their own, and what the tests of both ask of them. */
#ifndef KRIGED_TESTS_JOB_JOBS_FIXTURE_H
#define KRIGED_TESTS_JOB_JOBS_FIXTURE_H

#include "fake_engine.h"
#include "job/job.h"
#include "suite.h"
#include "wire/wire.h"

#include <ftw.h>
#include <stdio.h>

static char directory[64];
static struct kr_ctx ctx;
static struct kr_store *store;
static struct kr_jobs *jobs;

#define OK(expression)                                                                                       \
    do {                                                                                                     \
        kr_status ok_status = (expression);                                                                  \
        ck_assert_msg(ok_status == KR_OK, "%s: %s: %s", #expression, kr_status_slug(ok_status),              \
                      ctx.error.detail);                                                                     \
    } while (0)
#define FAILS(expression, wanted)                                                                            \
    do {                                                                                                     \
        kr_status fails_status = (expression);                                                               \
        ck_assert_msg(fails_status == (wanted), "%s: %s: %s", #expression, kr_status_slug(fails_status),     \
                      ctx.error.detail);                                                                     \
        ck_assert_int_eq(ctx.error.status, (wanted));                                                        \
        kr_ctx_clear_error(&ctx);                                                                            \
    } while (0)

static void print_line(void *self, const char *line)
{
    (void)self;
    if (getenv("KR_TEST_LOG"))
        fprintf(stderr, "%s\n", line);
}

static inline void open_jobs(int workers, size_t queue)
{
    const struct kr_jobs_config config = {.store = store,
                                          .workers = workers,
                                          .threads = 1,
                                          .queue = queue,
                                          .cancel_seconds = 0.5,
                                          .call_seconds = 0.5,
                                          .log = print_line};
    OK(kr_jobs_open(&ctx, &config, &jobs));
}

static inline void close_jobs(double seconds)
{
    kr_jobs_close(jobs, seconds);
    jobs = NULL;
}

static inline void set_up(int workers, size_t queue)
{
    strcpy(directory, "/tmp/kriged-jobs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    kr_ctx_init(&ctx, 0);
    OK(kr_store_open(&ctx, directory, &store));
    open_jobs(workers, queue);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static inline void tear_down(void)
{
    close_jobs(5);
    kr_store_close(store);
    kr_ctx_fini(&ctx);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline kr_status submit(const char *script, char id[KR_ID_BYTES])
{
    const struct kr_job_row row = {.request = script};
    return kr_jobs_submit(&ctx, jobs, &row, id);
}

static inline struct kr_job_row job_row(const char *id)
{
    struct kr_job_row row;
    OK(kr_store_job_get(&ctx, store, id, &row));
    return row;
}

static inline enum kr_job_state wait_end(const char *id)
{
    OK(kr_jobs_wait(&ctx, jobs, id, 15, NULL));
    return job_row(id).state;
}

static inline void wait_events(const char *id, uint64_t count)
{
    for (int i = 0; job_row(id).last_event < count; i++) {
        ck_assert_int_lt(i, 1500);
        sleep_ms(10);
    }
}

static inline size_t events_of(const char *id, struct kr_event_row **rows)
{
    size_t count;
    OK(kr_store_events(&ctx, store, id, 0, 100000, &count, rows));
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq((*rows)[i].id, i + 1);
    return count;
}

static inline json_t *parsed(const char *text)
{
    ck_assert_ptr_nonnull(text);
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(json != NULL, "%s", text);
    return json;
}

/* Every step from 1 to `steps` once and in order; the last event is `done`. */
static inline void check_steps(const char *id, int steps)
{
    struct kr_event_row *rows;
    size_t count = events_of(id, &rows);
    int seen = 0;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].kind, "step") != 0)
            continue;
        json_t *data = parsed(rows[i].data);
        seen++;
        sum = sum / 3 + seen;
        ck_assert_int_eq(fake_number(data, "evaluation", 0), seen);
        ck_assert(json_real_value(json_object_get(data, "sum")) == sum);
        json_decref(data);
    }
    ck_assert_int_eq(seen, steps);
    ck_assert_str_eq(rows[count - 1].kind, "done");
    ck_assert_str_eq(rows[count - 2].kind, "state");
}

/* How often an event whose data contains `part` was stored. */
static inline int count_events(const char *id, const char *kind, const char *part)
{
    struct kr_event_row *rows;
    size_t count = events_of(id, &rows);
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcmp(rows[i].kind, kind) == 0 && strstr(rows[i].data, part);
    return found;
}

static inline char *script(const char *format, int steps, const char *count_file)
{
    return kr_printf(&ctx, format, steps, directory, count_file);
}

#endif
