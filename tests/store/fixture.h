/* A store in a directory of its own, made and removed around each test. */
#ifndef KRIGED_TESTS_STORE_FIXTURE_H
#define KRIGED_TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include "suite.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kr_ctx ctx;
static struct kr_store *store;
static char directory[512];

static const double sample_x[] = {1, 2, 3, 4, 5, 6}, sample_y[] = {-1, -2, -3};
static const struct kr_dataset sample = {.n = 3, .d = 2, .x = sample_x, .y = sample_y};

#define OK(call)                                                                                             \
    do {                                                                                                     \
        kr_status status_ = (call);                                                                          \
        ck_assert_msg(status_ == KR_OK, "%s: %s", kr_status_slug(status_), ctx.error.detail);                \
    } while (0)
/* Fails with this status, at this pointer, saying this. */
#define FAILS(call, wanted, at, says)                                                                        \
    do {                                                                                                     \
        kr_status status_ = (call);                                                                          \
        ck_assert_msg(status_ == (wanted), "%s: %s", kr_status_slug(status_), ctx.error.detail);             \
        ck_assert_str_eq(ctx.error.pointer, at);                                                             \
        ck_assert_msg(strstr(ctx.error.detail, says) != NULL, "\"%s\" is not in: %s", says,                  \
                      ctx.error.detail);                                                                     \
        kr_ctx_clear_error(&ctx);                                                                            \
    } while (0)

static inline char *path_of(const char *name)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static inline void reopen(void)
{
    kr_store_close(store);
    store = NULL;
    OK(kr_store_open(&ctx, path_of("data"), &store));
}

static inline void setup(void)
{
    const char *base = getenv("TMPDIR");
    kr_ctx_init(&ctx, 0);
    snprintf(directory, sizeof directory, "%s/kriged-store-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    reopen();
}

static inline int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static inline void teardown(void)
{
    kr_store_close(store);
    store = NULL;
    kr_ctx_fini(&ctx);
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A queued job without anything; its id. */
static inline char *add_job(const char *dataset)
{
    char *id = kr_alloc(&ctx, KR_ID_BYTES, 1);
    kr_store_id(id);
    OK(kr_store_job_add(&ctx, store, &(struct kr_job_row){.id = id, .dataset = dataset, .request = "{}"}, 0,
                        NULL));
    return id;
}

static inline struct kr_job_row get_job(const char *id)
{
    struct kr_job_row row = {0};
    OK(kr_store_job_get(&ctx, store, id, &row));
    return row;
}

/* A change that leaves all as it is. */
static inline struct kr_job_change no_change(const char *id)
{
    return (struct kr_job_change){.id = id, .state = -1, .attempt = -1};
}

static inline uint64_t apply(struct kr_job_change change)
{
    uint64_t last = 0;
    OK(kr_store_apply(&ctx, store, 1, &change, &last));
    return last;
}

static inline uint64_t set_state(const char *id, enum kr_job_state state)
{
    struct kr_job_change change = no_change(id);
    change.state = (int)state;
    return apply(change);
}

/* Defines suite() of tests that each get a fresh store. */
#define STORE_SUITE(name, ...)                                                                               \
    Suite *suite(void)                                                                                       \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        Suite *made = suite_create(name);                                                                    \
        TCase *tcase = tcase_create(name);                                                                   \
        tcase_add_checked_fixture(tcase, setup, teardown);                                                   \
        tcase_set_timeout(tcase, 60);                                                                        \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)                                          \
            tcase_add_test(tcase, tests[i]);                                                                 \
        suite_add_tcase(made, tcase);                                                                        \
        return made;                                                                                         \
    }

#endif
