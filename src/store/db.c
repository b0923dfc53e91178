/* The connection, its lock, and statements with bound values. */
#include "store/db.h"

#include <string.h>

enum { BUSY_MILLISECONDS = 5000 };

/* A uniqueness that the tables keep is a conflict of the caller; other broken constraints are our own
 * mistakes. */
static kr_status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE ? KR_CONFLICT
                                                                                        : KR_INTERNAL;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
        return KR_INTERNAL;
    case SQLITE_NOMEM:
        return KR_MEMORY_LIMIT;
    default:
        return KR_STORAGE;
    }
}

kr_status kr_db_fail(struct kr_ctx *ctx, struct kr_store *store, int code)
{
    return kr_fail(ctx, status_of(code), "", "the database %s/kriged.db: %s", store->directory,
                   store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
}

kr_status kr_db_open(struct kr_ctx *ctx, struct kr_store *store)
{
    char *path = kr_printf(ctx, "%s/kriged.db", store->directory);
    if (!path)
        return ctx->error.status;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &store->db, flags, NULL);
    if (code != SQLITE_OK)
        return kr_db_fail(ctx, store, code);
    sqlite3_busy_timeout(store->db, BUSY_MILLISECONDS); /* a backup may hold the file for a moment */
    KR_RUN(ctx, store, "PRAGMA synchronous = FULL");
    KR_RUN(ctx, store, "PRAGMA foreign_keys = ON");
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement, "PRAGMA journal_mode = WAL");
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    if (!row || strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        return kr_fail(ctx, KR_STORAGE, "", "the database %s cannot have a write-ahead log here", path);
    return KR_OK;
}

void kr_db_lock(struct kr_store *store)
{
    pthread_mutex_lock(&store->lock);
}

kr_status kr_db_unlock(struct kr_store *store, kr_status status)
{
    pthread_mutex_unlock(&store->lock);
    return status;
}

kr_status kr_db_begin(struct kr_ctx *ctx, struct kr_store *store)
{
    kr_db_lock(store);
    kr_status status = kr_db_run(ctx, store, "BEGIN IMMEDIATE", 0, NULL);
    return status == KR_OK ? KR_OK : kr_db_unlock(store, status);
}

kr_status kr_db_end(struct kr_ctx *ctx, struct kr_store *store, kr_status status)
{
    bool wanted = status == KR_OK;
    if (wanted)
        status = kr_db_run(ctx, store, "COMMIT", 0, NULL);
    if (status == KR_OK)
        store->written = kr_seconds();
    else if (wanted || status == KR_STORAGE)
        store->written = 0;
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return kr_db_unlock(store, status);
}

void kr_db_finalize(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}

kr_status kr_db_prepare(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt **out, const char *sql,
                        size_t count, const struct kr_bind *binds)
{
    int code = sqlite3_prepare_v2(store->db, sql, -1, out, NULL);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = binds[i].is_number ? sqlite3_bind_int64(*out, (int)i + 1, binds[i].number)
                                  : sqlite3_bind_text(*out, (int)i + 1, binds[i].text, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? KR_OK : kr_db_fail(ctx, store, code);
}

kr_status kr_db_step(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement, bool *row)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    return *row || code == SQLITE_DONE ? KR_OK : kr_db_fail(ctx, store, code);
}

kr_status kr_db_run(struct kr_ctx *ctx, struct kr_store *store, const char *sql, size_t count,
                    const struct kr_bind *binds)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_TRY(kr_db_prepare(ctx, store, &statement, sql, count, binds));
    for (bool row = true; row;)
        KR_TRY(kr_db_step(ctx, store, statement, &row));
    return KR_OK;
}

kr_status kr_db_column(struct kr_ctx *ctx, sqlite3_stmt *statement, int column, const char **out)
{
    *out = NULL;
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return KR_OK;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (!text)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for a stored text");
    *out = kr_strdup(ctx, text);
    return *out ? KR_OK : ctx->error.status;
}

kr_status kr_db_columns(struct kr_ctx *ctx, sqlite3_stmt *statement, int count, const char **const *out)
{
    for (int i = 0; i < count; i++)
        KR_TRY(kr_db_column(ctx, statement, i, out[i]));
    return KR_OK;
}
