#include "fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static kr_status put(const char *name, const char *digest, struct kr_dataset_row *row, bool *created)
{
    *row = (struct kr_dataset_row){.name = name, .digest = digest, .meta = "{\"rows\":3}"};
    return kr_store_dataset_put(&ctx, store, &sample, row, created);
}

static int entries(const char *name)
{
    int count = 0;
    DIR *stream = opendir(path_of(name));
    ck_assert_ptr_nonnull(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

START_TEST(what_is_put_is_got)
{
    struct kr_dataset_row row, back;
    struct kr_dataset data = {0};
    bool created;
    OK(put("concrete", "d1", &row, &created));
    ck_assert(created);
    ck_assert_uint_eq(strlen(row.created_at), 24);
    ck_assert_int_eq(row.directory[0], '/');
    reopen();
    OK(kr_store_dataset_get(&ctx, store, "concrete", &back));
    ck_assert_str_eq(back.name, "concrete");
    ck_assert_str_eq(back.digest, "d1");
    ck_assert_str_eq(back.meta, "{\"rows\":3}");
    ck_assert_str_eq(back.created_at, row.created_at);
    ck_assert_str_eq(back.directory, row.directory);
    OK(kr_dataset_map(&ctx, back.directory, &data));
    ck_assert_mem_eq(data.x, sample_x, sizeof sample_x);
    ck_assert_mem_eq(data.y, sample_y, sizeof sample_y);
    kr_dataset_unmap(&data);
    FAILS(kr_store_dataset_get(&ctx, store, "other", &back), KR_NOT_FOUND, "", "\"other\"");
}
END_TEST

START_TEST(the_same_again_is_recognised_and_another_is_refused)
{
    struct kr_dataset_row row, again;
    bool created;
    OK(put("concrete", "d1", &row, &created));
    again = (struct kr_dataset_row){.name = "concrete", .digest = "d1", .meta = "{}"};
    OK(kr_store_dataset_put(&ctx, store, &sample, &again, &created));
    ck_assert(!created);
    ck_assert_str_eq(again.created_at, row.created_at);
    ck_assert_str_eq(again.directory, row.directory);
    ck_assert_str_eq(again.meta, "{\"rows\":3}");
    FAILS(put("concrete", "d2", &again, &created), KR_CONFLICT, "", "\"concrete\"");
    ck_assert(!created);
    ck_assert_int_eq(entries("data/datasets"), 1);
    OK(put("other", "d1", &again, &created)); /* contents may have two names */
    ck_assert(created);
}
END_TEST

START_TEST(a_dataset_goes_with_its_files_unless_a_job_needs_it)
{
    struct kr_dataset_row row, back;
    struct kr_dataset data = {0};
    bool created;
    OK(put("concrete", "d1", &row, &created));
    char *done = add_job("concrete"), *job = add_job("concrete");
    set_state(done, KR_JOB_CANCELLED);
    FAILS(kr_store_dataset_delete(&ctx, store, "concrete"), KR_CONFLICT, "", job);
    set_state(job, KR_JOB_RUNNING);
    FAILS(kr_store_dataset_delete(&ctx, store, "concrete"), KR_CONFLICT, "", job);
    set_state(job, KR_JOB_FAILED);
    OK(kr_dataset_map(&ctx, row.directory, &data));
    OK(kr_store_dataset_delete(&ctx, store, "concrete"));
    ck_assert(!exists(row.directory));
    ck_assert_mem_eq(data.y, sample_y, sizeof sample_y); /* who mapped it keeps it */
    kr_dataset_unmap(&data);
    FAILS(kr_store_dataset_get(&ctx, store, "concrete", &back), KR_NOT_FOUND, "", "concrete");
    FAILS(kr_store_dataset_delete(&ctx, store, "concrete"), KR_NOT_FOUND, "", "concrete");
    ck_assert_str_eq(get_job(job).dataset, "concrete");
    FAILS(kr_store_job_add(&ctx, store,
                           &(struct kr_job_row){.id = "x", .dataset = "concrete", .request = "{}"}, 0, NULL),
          KR_NOT_FOUND, "/dataset", "concrete");
    FAILS(kr_store_job_get(&ctx, store, "x", &(struct kr_job_row){0}), KR_NOT_FOUND, "", "\"x\"");
}
END_TEST

START_TEST(a_job_may_need_two)
{
    struct kr_dataset_row row;
    bool created;
    OK(put("train", "d1", &row, &created));
    OK(put("held", "d2", &row, &created));
    struct kr_job_row job = {.id = "01J", .dataset = "train", .validation_dataset = "held", .request = "{}"};
    OK(kr_store_job_add(&ctx, store, &job, 0, NULL));
    reopen();
    ck_assert_str_eq(get_job("01J").dataset, "train");
    ck_assert_str_eq(get_job("01J").validation_dataset, "held");
    FAILS(kr_store_dataset_delete(&ctx, store, "train"), KR_CONFLICT, "", "01J");
    FAILS(kr_store_dataset_delete(&ctx, store, "held"), KR_CONFLICT, "", "01J");
    set_state("01J", KR_JOB_SUCCEEDED);
    OK(kr_store_dataset_delete(&ctx, store, "held"));
    job.id = "02J";
    FAILS(kr_store_job_add(&ctx, store, &job, 0, NULL), KR_NOT_FOUND, "/objective/validation/name", "held");
    ck_assert_ptr_null(get_job(add_job("train")).validation_dataset);
}
END_TEST

START_TEST(a_list_goes_on_where_it_ended_while_rows_come_and_go)
{
    char name[16], wanted[16];
    struct kr_dataset_row row, *rows;
    struct kr_page page = {.size = 4};
    size_t count, seen = 0;
    bool created;
    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "d%02d", i);
        OK(put(name, "d", &row, &created));
    }
    do {
        OK(kr_store_dataset_list(&ctx, store, &page, &count, &rows));
        for (size_t i = 0; i < count; i++) {
            snprintf(wanted, sizeof wanted, "d%02d", 10 - (int)seen++);
            ck_assert_str_eq(rows[i].name, wanted);
        }
        page.token = page.next;
        OK(kr_store_dataset_delete(&ctx, store, wanted)); /* the one that the token names */
        snprintf(name, sizeof name, "e%02d", (int)seen);
        OK(put(name, "d", &row, &created));
    } while (page.next);
    ck_assert_uint_eq(seen, 11);
}
END_TEST

START_TEST(tokens_and_sizes_are_checked)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "01KZZZZZZZZZZZZZZZZZZZZZZZ",
                                      "2026-01-31T09:26:53.589Z",
                                      "2026-01-31T09:26:53.589Z~",
                                      "2026-01-31T09:26:53.589Z~a b",
                                      "2026-01-31T09:26:53.589Z!a",
                                      "2026-01-31T09:26:5x.589Z~a"};
    struct kr_dataset_row *rows;
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kr_page page = {.size = 1, .token = bad[i]};
        FAILS(kr_store_dataset_list(&ctx, store, &page, &count, &rows), KR_INVALID, "/page_token", "token");
        ck_assert_uint_eq(count, 0);
    }
    FAILS(kr_store_dataset_list(&ctx, store, &(struct kr_page){0}, &count, &rows), KR_INVALID, "/page_size",
          "0");
    struct kr_page page = {.size = 5};
    OK(kr_store_dataset_list(&ctx, store, &page, &count, &rows));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(page.next);
}
END_TEST

enum { RACERS = 4 };
struct racer {
    pthread_t thread;
    char digest[8];
    kr_status status;
    bool created;
};

static void *race(void *self)
{
    struct racer *racer = self;
    struct kr_ctx own;
    kr_ctx_init(&own, 0);
    struct kr_dataset_row row = {.name = "raced", .digest = racer->digest, .meta = "{}"};
    racer->status = kr_store_dataset_put(&own, store, &sample, &row, &racer->created);
    kr_ctx_fini(&own);
    return NULL;
}

/* The number that made it, and of the others the number that found it there. */
static void run_race(bool same, int *made, int *found)
{
    struct racer racers[RACERS] = {0};
    *made = *found = 0;
    for (int i = 0; i < RACERS; i++) {
        snprintf(racers[i].digest, sizeof racers[i].digest, "%d", same ? 0 : i);
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        *made += racers[i].status == KR_OK && racers[i].created;
        *found += racers[i].status == KR_OK && !racers[i].created;
        ck_assert(racers[i].status == KR_OK || racers[i].status == KR_CONFLICT);
    }
    ck_assert_int_eq(entries("data/datasets"), 1);
    OK(kr_store_dataset_delete(&ctx, store, "raced"));
    ck_assert_int_eq(entries("data/datasets"), 0);
}

START_TEST(one_of_several_threads_wins)
{
    int made, found;
    for (int i = 0; i < 10; i++) {
        run_race(true, &made, &found);
        ck_assert_int_eq(made, 1);
        ck_assert_int_eq(found, RACERS - 1);
        run_race(false, &made, &found);
        ck_assert_int_eq(made, 1);
        ck_assert_int_eq(found, 0);
    }
}
END_TEST

START_TEST(nothing_stays_of_a_dataset_that_does_not_fit)
{
    enum { ROWS = 1 << 20 };
    double *x = kr_alloc(&ctx, ROWS, sizeof *x);
    struct kr_dataset big = {.n = ROWS, .d = 1, .x = x, .y = x};
    struct kr_dataset_row row = {.name = "big", .digest = "d", .meta = "{}"};
    struct rlimit before, small;
    bool created;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){4 << 20, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    kr_status status = kr_store_dataset_put(&ctx, store, &big, &row, &created);
    setrlimit(RLIMIT_FSIZE, &before);
    FAILS(status, KR_STORAGE, "", "x.npy");
    ck_assert(!created);
    ck_assert_int_eq(entries("data/datasets"), 0);
    OK(kr_store_dataset_put(&ctx, store, &big, &row, &created));
    ck_assert(created);
}
END_TEST

STORE_SUITE("datasets", what_is_put_is_got, the_same_again_is_recognised_and_another_is_refused,
            a_dataset_goes_with_its_files_unless_a_job_needs_it, a_job_may_need_two,
            a_list_goes_on_where_it_ended_while_rows_come_and_go, tokens_and_sizes_are_checked,
            one_of_several_threads_wins, nothing_stays_of_a_dataset_that_does_not_fit)
