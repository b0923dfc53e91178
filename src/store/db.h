/*
 * Inside the store: the connection under its lock, statements, directories, pages. A public function takes
 * the lock by kr_db_lock (reads) or kr_db_begin (one transaction) and gives it back with the status of what
 * it did in between:
 *
 *     KR_TRY(kr_db_begin(ctx, store));
 *     return kr_db_end(ctx, store, the_work(ctx, store, ...));
 */
#ifndef KRIGED_STORE_DB_H
#define KRIGED_STORE_DB_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

struct kr_store {
    pthread_mutex_t lock; /* around db and written */
    sqlite3 *db;
    double written;  /* kr_seconds() of the last commit, 0 = the last one failed */
    char *directory; /* absolute */
    int lock_fd;
};

/* ---- connection ---- */

kr_status kr_db_open(struct kr_ctx *ctx, struct kr_store *store) KR_MUST_CHECK;
kr_status kr_db_migrate(struct kr_ctx *ctx, struct kr_store *store) KR_MUST_CHECK;
/* The failure of the last call on the connection, as a status with SQLite's message and the file. */
kr_status kr_db_fail(struct kr_ctx *ctx, struct kr_store *store, int code) KR_MUST_CHECK;

void kr_db_lock(struct kr_store *store);
kr_status kr_db_unlock(struct kr_store *store, kr_status status) KR_MUST_CHECK;  /* passes status through */
kr_status kr_db_begin(struct kr_ctx *ctx, struct kr_store *store) KR_MUST_CHECK; /* locks, when OK */
/* Commits when status is OK, else takes everything back; unlocks. */
kr_status kr_db_end(struct kr_ctx *ctx, struct kr_store *store, kr_status status) KR_MUST_CHECK;

/* ---- statements, all under the lock ---- */

struct kr_bind {
    bool is_number;
    int64_t number;
    const char *text; /* borrowed until the statement is finalised; NULL = NULL */
};
static inline struct kr_bind kr_text(const char *text)
{
    return (struct kr_bind){.text = text};
}
static inline struct kr_bind kr_number(int64_t number)
{
    return (struct kr_bind){.is_number = true, .number = number};
}

/* Finalised when it goes out of scope: sqlite3_stmt *KR_STATEMENT s = NULL; */
#define KR_STATEMENT __attribute__((cleanup(kr_db_finalize)))
void kr_db_finalize(sqlite3_stmt **statement);

kr_status kr_db_prepare(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt **out, const char *sql,
                        size_t count, const struct kr_bind *binds) KR_MUST_CHECK;
/* *row = is there one more? */
kr_status kr_db_step(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement,
                     bool *row) KR_MUST_CHECK;
kr_status kr_db_run(struct kr_ctx *ctx, struct kr_store *store, const char *sql, size_t count,
                    const struct kr_bind *binds) KR_MUST_CHECK;

/* The same with the values of ?1, ?2, .. behind the SQL: kr_text(..) or kr_number(..). */
#define KR_BINDS(...)                                                                                        \
    sizeof((const struct kr_bind[]){__VA_ARGS__}) / sizeof(struct kr_bind), (const struct kr_bind[])         \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define KR_PREPARE(ctx, store, out, sql, ...)                                                                \
    KR_TRY(kr_db_prepare((ctx), (store), (out), (sql), KR_BINDS(__VA_ARGS__)))
#define KR_RUN(ctx, store, sql, ...) KR_TRY(kr_db_run((ctx), (store), (sql), KR_BINDS(__VA_ARGS__)))

/* A copy of a column of the present row in the arena; NULL stays NULL. */
kr_status kr_db_column(struct kr_ctx *ctx, sqlite3_stmt *statement, int column,
                       const char **out) KR_MUST_CHECK;
/* The columns from 0 on, one for each pointer. */
kr_status kr_db_columns(struct kr_ctx *ctx, sqlite3_stmt *statement, int count,
                        const char **const *out) KR_MUST_CHECK;

/* Events of a job with the ids after + 1, after + 2, .. */
kr_status kr_events_add(struct kr_ctx *ctx, struct kr_store *store, const char *job, uint64_t after,
                        const char *now, size_t count, const struct kr_event_row *events) KR_MUST_CHECK;

/* ---- directories ---- */

bool kr_id_valid(const char *id); /* has the form of kr_store_id */
/* DIR/<kind>/<id>; NULL when the arena is full. */
char *kr_files_path(struct kr_ctx *ctx, const struct kr_store *store, const char *kind, const char *id);
kr_status kr_files_make(struct kr_ctx *ctx, const char *path, bool *made) KR_MUST_CHECK;
kr_status kr_files_sync(struct kr_ctx *ctx,
                        const char *path) KR_MUST_CHECK; /* a file or the entries of a directory */
kr_status kr_files_sync_tree(struct kr_ctx *ctx, const char *path) KR_MUST_CHECK; /* and the files in it */
void kr_files_remove(const char *path); /* a directory; what is left over goes at the next open */
/* Calls visit with each directory in DIR/<kind> that has the name of an id: others are not ours. */
kr_status kr_files_each(struct kr_ctx *ctx, struct kr_store *store, const char *kind,
                        kr_status (*visit)(struct kr_ctx *ctx, struct kr_store *store, const char *kind,
                                           const char *id)) KR_MUST_CHECK;

/* ---- pages ---- */

/*
 * Lists go down by (created_at, key). A token holds the last pair that was shown, so it stays good when rows
 * come or go. The cursor is that pair, or one above everything: WHERE (created_at, key) < (?1, ?2) .. LIMIT
 * ?3.
 */
struct kr_cursor {
    char created_at[KR_TIME_BYTES];
    const char *key;
    int64_t limit; /* one more than the page holds: is there a next one? */
};
kr_status kr_cursor_init(struct kr_ctx *ctx, struct kr_page *page, struct kr_cursor *out) KR_MUST_CHECK;
/* How rows of one kind are read: where a row keeps the pair that it is listed by, and its reader. */
struct kr_row_form {
    size_t size, created_at, key; /* bytes of a row; offsets of two texts in it */
    kr_status (*read)(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement, void *row);
};
/* Reads the page of a prepared list into the arena, and its token when there is a next one. */
kr_status kr_page_rows(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement,
                       const struct kr_row_form *form, struct kr_page *page, size_t *count,
                       void **rows) KR_MUST_CHECK;

#endif
