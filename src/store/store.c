/* Opening and closing: the directory, its lock, the database, and what a crash left over. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The process id is for the message only; the lock is flock's, and goes with the process. */
static kr_status take_lock(struct kr_ctx *ctx, struct kr_store *store)
{
    char *path = kr_printf(ctx, "%s/lock", store->directory), holder[16] = "";
    if (!path)
        return ctx->error.status;
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return kr_fail(ctx, KR_STORAGE, "", "%s cannot be opened: %m", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return kr_fail(ctx, KR_STORAGE, "", "%s cannot be locked: %m", path);
        (void)!read(store->lock_fd, holder, sizeof holder - 1);
        return kr_fail(ctx, KR_CONFLICT, "", "the data directory %s is in use by another kriged (process %d)",
                       store->directory, atoi(holder));
    }
    if (ftruncate(store->lock_fd, 0) == 0)
        dprintf(store->lock_fd, "%d\n", (int)getpid());
    return KR_OK;
}

static kr_status make_directories(struct kr_ctx *ctx, struct kr_store *store, const char *directory)
{
    bool made, any = false;
    KR_TRY(kr_files_make(ctx, directory, &made));
    store->directory = realpath(directory, NULL);
    if (!store->directory)
        return kr_fail(ctx, KR_STORAGE, "", "the directory %s cannot be found: %m", directory);
    char *parent = kr_printf(ctx, "%s/..", store->directory);
    if (!parent)
        return ctx->error.status;
    if (made)
        KR_TRY(kr_files_sync(ctx, parent));
    KR_TRY(take_lock(ctx, store));
    for (const char *const *kind = (const char *const[]){"datasets", "models", NULL}; *kind; kind++) {
        char *path = kr_printf(ctx, "%s/%s", store->directory, *kind);
        KR_TRY(path ? kr_files_make(ctx, path, &made) : ctx->error.status);
        any |= made;
    }
    return any ? kr_files_sync(ctx, store->directory) : KR_OK;
}

static kr_status refuse(struct kr_ctx *ctx, struct kr_store *store, const char *kind, const char *id)
{
    return kr_fail(
        ctx, KR_CONFLICT, "",
        "%s/kriged.db is missing, but %s/%s is there: put the database back, or use another directory",
        store->directory, kind, id);
}

/* Without its database a directory full of data would look like leftovers. */
static kr_status keep_orphans(struct kr_ctx *ctx, struct kr_store *store)
{
    struct stat info;
    char *path = kr_printf(ctx, "%s/kriged.db", store->directory);
    if (!path)
        return ctx->error.status;
    if (stat(path, &info) == 0)
        return KR_OK;
    KR_TRY(kr_files_each(ctx, store, "datasets", refuse));
    return kr_files_each(ctx, store, "models", refuse);
}

static kr_status remove_leftover(struct kr_ctx *ctx, struct kr_store *store, const char *kind, const char *id)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement,
               strcmp(kind, "models") == 0 ? "SELECT 1 FROM models WHERE directory = ?1"
                                           : "SELECT 1 FROM datasets WHERE directory = ?1",
               kr_text(id));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    char *path = kr_files_path(ctx, store, kind, id);
    if (!path)
        return ctx->error.status;
    if (!row)
        kr_files_remove(path);
    return KR_OK;
}

static kr_status open_all(struct kr_ctx *ctx, struct kr_store *store, const char *directory)
{
    KR_TRY(make_directories(ctx, store, directory));
    KR_TRY(keep_orphans(ctx, store));
    KR_TRY(kr_db_open(ctx, store));
    KR_TRY(kr_db_migrate(ctx, store));
    KR_TRY(kr_files_each(ctx, store, "datasets", remove_leftover));
    return kr_files_each(ctx, store, "models", remove_leftover);
}

kr_status kr_store_open(struct kr_ctx *ctx, const char *directory, struct kr_store **out)
{
    *out = NULL;
    struct kr_store *store = calloc(1, sizeof *store);
    if (!store)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no %zu bytes left", sizeof *store);
    store->lock_fd = -1;
    pthread_mutex_init(&store->lock, NULL);
    kr_status status = open_all(ctx, store, directory);
    if (status == KR_OK)
        *out = store;
    else
        kr_store_close(store);
    return status;
}

void kr_store_close(struct kr_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd); /* only now: the database is closed */
    pthread_mutex_destroy(&store->lock);
    free(store->directory);
    free(store);
}

static kr_status write_check(struct kr_ctx *ctx, struct kr_store *store)
{
    char now[KR_TIME_BYTES];
    kr_store_now(now);
    KR_RUN(ctx, store,
           "INSERT INTO checks (id, at) VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = excluded.at",
           kr_text(now));
    return KR_OK;
}

/* A commit in the last second is proof enough: whoever asks often must not cost a sync each time. */
kr_status kr_store_check(struct kr_ctx *ctx, struct kr_store *store)
{
    kr_db_lock(store);
    bool fresh = store->written > 0 && kr_seconds() - store->written < 1;
    KR_TRY(kr_db_unlock(store, KR_OK));
    if (fresh)
        return KR_OK;
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, write_check(ctx, store));
}

static kr_status count_one(struct kr_ctx *ctx, struct kr_store *store, const char *sql, const char *value,
                           uint64_t *out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_TRY(
        kr_db_prepare(ctx, store, &statement, sql, value ? 1 : 0, (const struct kr_bind[]){kr_text(value)}));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    *out = (uint64_t)sqlite3_column_int64(statement, 0);
    return KR_OK;
}

static kr_status count_all(struct kr_ctx *ctx, struct kr_store *store, struct kr_store_counts *out)
{
    KR_TRY(count_one(ctx, store, "SELECT count(*) FROM datasets", NULL, &out->datasets));
    KR_TRY(count_one(ctx, store, "SELECT count(*) FROM models", NULL, &out->models));
    for (int state = 0; kr_job_state_names[state]; state++)
        KR_TRY(count_one(ctx, store, "SELECT count(*) FROM jobs WHERE state = ?1", kr_job_state_names[state],
                         &out->jobs[state]));
    return KR_OK;
}

kr_status kr_store_count(struct kr_ctx *ctx, struct kr_store *store, struct kr_store_counts *out)
{
    kr_db_lock(store);
    return kr_db_unlock(store, count_all(ctx, store, out));
}
