/* Models: rows come by kr_store_apply, with the job that made them, or are put by a client; their
 * directories, and reading. */
#include "store/db.h"

#include <string.h>

#define COLUMNS "name, document, created_at, directory, digest"

kr_status kr_store_model_directory(struct kr_ctx *ctx, struct kr_store *store, char id[KR_ID_BYTES],
                                   char **directory)
{
    bool made;
    kr_store_id(id);
    *directory = kr_files_path(ctx, store, "models", id);
    char *parent = kr_printf(ctx, "%s/models", store->directory);
    if (!*directory || !parent)
        return ctx->error.status;
    KR_TRY(kr_files_make(ctx, *directory, &made));
    return kr_files_sync(ctx, parent);
}

void kr_store_model_directory_drop(struct kr_store *store, const char *id)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    char *path = kr_id_valid(id) ? kr_files_path(&ctx, store, "models", id) : NULL;
    if (path)
        kr_files_remove(path);
    kr_ctx_fini(&ctx);
}

static kr_status read_row(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement, void *row)
{
    struct kr_model_row *out = row;
    KR_TRY(kr_db_columns(
        ctx, statement, 5,
        (const char **const[]){&out->name, &out->document, &out->created_at, &out->directory, &out->digest}));
    if (out->directory && !(out->directory = kr_files_path(ctx, store, "models", out->directory)))
        return ctx->error.status;
    return KR_OK;
}

/* Under the lock, like all below that take no lock. */
static kr_status find(struct kr_ctx *ctx, struct kr_store *store, const char *name, bool *found,
                      struct kr_model_row *out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_PREPARE(ctx, store, &statement, "SELECT " COLUMNS " FROM models WHERE name = ?1", kr_text(name));
    KR_TRY(kr_db_step(ctx, store, statement, found));
    return *found ? read_row(ctx, store, statement, out) : KR_OK;
}

static kr_status get(struct kr_ctx *ctx, struct kr_store *store, const char *name, struct kr_model_row *out)
{
    bool found;
    KR_TRY(find(ctx, store, name, &found, out));
    return found ? KR_OK : kr_fail(ctx, KR_NOT_FOUND, "", "there is no model \"%s\"", name);
}

/* Is this model there already? CONFLICT when its name is another one's. */
static kr_status find_same(struct kr_ctx *ctx, struct kr_store *store, const struct kr_model_row *row,
                           bool *found, struct kr_model_row *stored)
{
    KR_TRY(find(ctx, store, row->name, found, stored));
    if (*found && (!stored->digest || strcmp(stored->digest, row->digest) != 0))
        return kr_fail(ctx, KR_CONFLICT, "", "the name \"%s\" is taken by another model", row->name);
    return KR_OK;
}

kr_status kr_store_model_find(struct kr_ctx *ctx, struct kr_store *store, struct kr_model_row *row,
                              bool *found)
{
    struct kr_model_row stored = {0};
    kr_db_lock(store);
    KR_TRY(kr_db_unlock(store, find_same(ctx, store, row, found, &stored)));
    if (*found)
        *row = stored;
    return KR_OK;
}

/* In a transaction: somebody may have been faster while the weights were written. */
static kr_status insert(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                        const struct kr_model_row *row, bool *found, struct kr_model_row *stored)
{
    bool there;
    char now[KR_TIME_BYTES];
    KR_TRY(find_same(ctx, store, row, found, stored));
    if (*found)
        return KR_OK;
    kr_store_now(now);
    KR_RUN(ctx, store, "INSERT INTO models (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)", kr_text(row->name),
           kr_text(row->document), kr_text(now), kr_text(id), kr_text(row->digest));
    return find(ctx, store, row->name, &there, stored);
}

/* A row promises that its files are on the disk: they come first. */
static kr_status sync_and_insert(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                                 const struct kr_model_row *row, bool *found, struct kr_model_row *stored)
{
    char *path = kr_files_path(ctx, store, "models", id);
    KR_TRY(path ? kr_files_sync_tree(ctx, path) : ctx->error.status);
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, insert(ctx, store, id, row, found, stored));
}

kr_status kr_store_model_put(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                             struct kr_model_row *row, bool *created)
{
    struct kr_model_row stored = {0};
    bool found = false;
    kr_status status = sync_and_insert(ctx, store, id, row, &found, &stored);
    *created = status == KR_OK && !found;
    if (!*created)
        kr_store_model_directory_drop(store, id);
    KR_TRY(status);
    *row = stored;
    return KR_OK;
}

kr_status kr_store_model_get(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                             struct kr_model_row *out)
{
    kr_db_lock(store);
    return kr_db_unlock(store, get(ctx, store, name, out));
}

static const struct kr_row_form form = {sizeof(struct kr_model_row),
                                        offsetof(struct kr_model_row, created_at),
                                        offsetof(struct kr_model_row, name), read_row};

static kr_status list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page, size_t *count,
                      struct kr_model_row **rows)
{
    struct kr_cursor cursor;
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_TRY(kr_cursor_init(ctx, page, &cursor));
    KR_PREPARE(ctx, store, &statement,
               "SELECT " COLUMNS " FROM models WHERE (created_at, name) < (?1, ?2)"
               " ORDER BY created_at DESC, name DESC LIMIT ?3",
               kr_text(cursor.created_at), kr_text(cursor.key), kr_number(cursor.limit));
    return kr_page_rows(ctx, store, statement, &form, page, count, (void **)rows);
}

kr_status kr_store_model_list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page, size_t *count,
                              struct kr_model_row **rows)
{
    *count = 0;
    kr_db_lock(store);
    return kr_db_unlock(store, list(ctx, store, page, count, rows));
}

static kr_status delete_row(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                            struct kr_model_row *row)
{
    KR_TRY(get(ctx, store, name, row));
    KR_RUN(ctx, store, "DELETE FROM models WHERE name = ?1", kr_text(name));
    return KR_OK;
}

kr_status kr_store_model_delete(struct kr_ctx *ctx, struct kr_store *store, const char *name)
{
    struct kr_model_row row = {0};
    KR_TRY(kr_db_begin(ctx, store));
    KR_TRY(kr_db_end(ctx, store, delete_row(ctx, store, name, &row)));
    if (row.directory)
        kr_files_remove(row.directory);
    return KR_OK;
}
