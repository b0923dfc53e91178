/* Data sets: files first, into a directory that no row names yet, then the row. */
#include "store/db.h"

#include <string.h>

#define COLUMNS "name, digest, meta, created_at, directory"

static kr_status read_row(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement, void *row)
{
    struct kr_dataset_row *out = row;
    const char *id;
    KR_TRY(
        kr_db_columns(ctx, statement, 5,
                      (const char **const[]){&out->name, &out->digest, &out->meta, &out->created_at, &id}));
    out->directory = kr_files_path(ctx, store, "datasets", id);
    return out->directory ? KR_OK : ctx->error.status;
}

/* Under the lock. */
static kr_status find(struct kr_ctx *ctx, struct kr_store *store, const char *name, bool *found,
                      struct kr_dataset_row *out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_PREPARE(ctx, store, &statement, "SELECT " COLUMNS " FROM datasets WHERE name = ?1", kr_text(name));
    KR_TRY(kr_db_step(ctx, store, statement, found));
    return *found ? read_row(ctx, store, statement, out) : KR_OK;
}

/* Is this upload there already? CONFLICT when its name is another one's. Under the lock. */
static kr_status find_same(struct kr_ctx *ctx, struct kr_store *store, const struct kr_dataset_row *row,
                           bool *found, struct kr_dataset_row *stored)
{
    KR_TRY(find(ctx, store, row->name, found, stored));
    if (*found && strcmp(stored->digest, row->digest) != 0)
        return kr_fail(ctx, KR_CONFLICT, "", "the name \"%s\" is taken by a data set with other contents",
                       row->name);
    return KR_OK;
}

static kr_status save(struct kr_ctx *ctx, const char *directory, const struct kr_dataset *data)
{
    bool made;
    char *parent = kr_printf(ctx, "%s/..", directory);
    if (!parent)
        return ctx->error.status;
    KR_TRY(kr_files_make(ctx, directory, &made));
    KR_TRY(kr_dataset_save(ctx, data, directory));
    return kr_files_sync(ctx, parent);
}

/* In a transaction: somebody may have been faster while the files were written. */
static kr_status insert(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                        const struct kr_dataset_row *row, bool *found, struct kr_dataset_row *stored)
{
    KR_TRY(find_same(ctx, store, row, found, stored));
    if (*found)
        return KR_OK;
    char now[KR_TIME_BYTES];
    kr_store_now(now);
    KR_RUN(ctx, store, "INSERT INTO datasets (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)", kr_text(row->name),
           kr_text(row->digest), kr_text(row->meta), kr_text(now), kr_text(id));
    bool there;
    return find(ctx, store, row->name, &there, stored);
}

static kr_status save_and_insert(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                                 const char *directory, const struct kr_dataset *data,
                                 const struct kr_dataset_row *row, bool *found, struct kr_dataset_row *stored)
{
    KR_TRY(save(ctx, directory, data));
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, insert(ctx, store, id, row, found, stored));
}

kr_status kr_store_dataset_put(struct kr_ctx *ctx, struct kr_store *store, const struct kr_dataset *data,
                               struct kr_dataset_row *row, bool *created)
{
    struct kr_dataset_row stored = {0};
    bool found;
    *created = false;
    kr_db_lock(store);
    KR_TRY(kr_db_unlock(store, find_same(ctx, store, row, &found, &stored)));
    if (!found) {
        char id[KR_ID_BYTES];
        kr_store_id(id);
        char *directory = kr_files_path(ctx, store, "datasets", id);
        if (!directory)
            return ctx->error.status;
        kr_status status = save_and_insert(ctx, store, id, directory, data, row, &found, &stored);
        if (status != KR_OK || found)
            kr_files_remove(directory);
        KR_TRY(status);
        *created = !found;
    }
    *row = stored;
    return KR_OK;
}

static kr_status missing(struct kr_ctx *ctx, const char *name)
{
    return kr_fail(ctx, KR_NOT_FOUND, "", "there is no data set \"%s\"", name);
}

kr_status kr_store_dataset_get(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                               struct kr_dataset_row *out)
{
    bool found;
    kr_db_lock(store);
    KR_TRY(kr_db_unlock(store, find(ctx, store, name, &found, out)));
    return found ? KR_OK : missing(ctx, name);
}

static const struct kr_row_form form = {sizeof(struct kr_dataset_row),
                                        offsetof(struct kr_dataset_row, created_at),
                                        offsetof(struct kr_dataset_row, name), read_row};

static kr_status list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page, size_t *count,
                      struct kr_dataset_row **rows)
{
    struct kr_cursor cursor;
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_TRY(kr_cursor_init(ctx, page, &cursor));
    KR_PREPARE(ctx, store, &statement,
               "SELECT " COLUMNS " FROM datasets WHERE (created_at, name) < (?1, ?2)"
               " ORDER BY created_at DESC, name DESC LIMIT ?3",
               kr_text(cursor.created_at), kr_text(cursor.key), kr_number(cursor.limit));
    return kr_page_rows(ctx, store, statement, &form, page, count, (void **)rows);
}

kr_status kr_store_dataset_list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page,
                                size_t *count, struct kr_dataset_row **rows)
{
    *count = 0;
    kr_db_lock(store);
    return kr_db_unlock(store, list(ctx, store, page, count, rows));
}

static kr_status delete_row(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                            struct kr_dataset_row *row)
{
    bool found;
    KR_TRY(find(ctx, store, name, &found, row));
    if (!found)
        return missing(ctx, name);
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_PREPARE(ctx, store, &statement,
               "SELECT id FROM jobs WHERE (dataset = ?1 OR validation_dataset = ?1) AND finished_at IS NULL"
               " ORDER BY created_at, id LIMIT 1",
               kr_text(name));
    KR_TRY(kr_db_step(ctx, store, statement, &found));
    if (found)
        return kr_fail(ctx, KR_CONFLICT, "", "the data set \"%s\" is needed by job %s, which is not finished",
                       name, (const char *)sqlite3_column_text(statement, 0));
    KR_RUN(ctx, store, "DELETE FROM datasets WHERE name = ?1", kr_text(name));
    return KR_OK;
}

kr_status kr_store_dataset_delete(struct kr_ctx *ctx, struct kr_store *store, const char *name)
{
    struct kr_dataset_row row = {0};
    KR_TRY(kr_db_begin(ctx, store));
    KR_TRY(kr_db_end(ctx, store, delete_row(ctx, store, name, &row)));
    kr_files_remove(row.directory);
    return KR_OK;
}
