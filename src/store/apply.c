/*
 * What happens to jobs: changes, events, checkpoints and the models that come out, many in one transaction,
 * since each transaction costs a sync.
 */
#include "store/db.h"

kr_status kr_events_add(struct kr_ctx *ctx, struct kr_store *store, const char *job, uint64_t after,
                        const char *now, size_t count, const struct kr_event_row *events)
{
    for (size_t i = 0; i < count; i++)
        KR_RUN(ctx, store, "INSERT INTO events (job, id, kind, data, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
               kr_text(job), kr_number((int64_t)(after + i + 1)), kr_text(events[i].kind),
               kr_text(events[i].data), kr_text(now));
    return KR_OK;
}

/* *finished: of the job as it is now. */
static kr_status update(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_change *change,
                        const char *now, uint64_t *last, bool *finished)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    const char *state = change->state < 0 ? NULL : kr_job_state_names[change->state];
    bool starts = change->state == KR_JOB_RUNNING,
         ends = state && kr_job_state_finished((enum kr_job_state)change->state), row;
    KR_PREPARE(
        ctx, store, &statement,
        "UPDATE jobs SET state = coalesce(?2, state), started_at = coalesce(started_at, ?3),"
        " finished_at = coalesce(finished_at, ?4), attempt = coalesce(?5, attempt),"
        " progress = coalesce(?6, progress), result = coalesce(?7, result), error = coalesce(?8, error),"
        " last_event = last_event + ?9 WHERE id = ?1 RETURNING last_event, finished_at",
        kr_text(change->id), kr_text(state), kr_text(starts ? now : NULL), kr_text(ends ? now : NULL),
        change->attempt < 0 ? kr_text(NULL) : kr_number(change->attempt), kr_text(change->progress),
        kr_text(change->result), kr_text(change->error), kr_number((int64_t)change->nevents));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    if (!row)
        return kr_fail(ctx, KR_NOT_FOUND, "", "there is no job \"%s\"", change->id);
    *last = (uint64_t)sqlite3_column_int64(statement, 0);
    *finished = sqlite3_column_type(statement, 1) !=
                SQLITE_NULL; /* 3.40 evaluates IS NOT NULL in RETURNING wrongly */
    return kr_db_step(ctx, store, statement, &row);
}

static kr_status apply_one(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_change *change,
                           const char *now, uint64_t *last)
{
    bool finished = false;
    KR_TRY(update(ctx, store, change, now, last, &finished));
    KR_TRY(
        kr_events_add(ctx, store, change->id, *last - change->nevents, now, change->nevents, change->events));
    if (finished)
        KR_RUN(ctx, store, "DELETE FROM checkpoints WHERE job = ?1", kr_text(change->id));
    else if (change->checkpoint)
        KR_RUN(ctx, store,
               "INSERT INTO checkpoints (job, data) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET data = "
               "excluded.data",
               kr_text(change->id), kr_text(change->checkpoint));
    if (change->model)
        KR_RUN(ctx, store,
               "INSERT INTO models (name, document, created_at, directory) VALUES (?1, ?2, ?3, ?4)",
               kr_text(change->id), kr_text(change->model), kr_text(now), kr_text(change->model_id));
    return KR_OK;
}

static kr_status apply_all(struct kr_ctx *ctx, struct kr_store *store, size_t count,
                           const struct kr_job_change *changes, uint64_t *last)
{
    char now[KR_TIME_BYTES];
    kr_store_now(now);
    for (size_t i = 0; i < count; i++)
        KR_TRY(apply_one(ctx, store, &changes[i], now, &last[i]));
    return KR_OK;
}

kr_status kr_store_apply(struct kr_ctx *ctx, struct kr_store *store, size_t count,
                         const struct kr_job_change *changes, uint64_t *last)
{
    for (size_t i = 0; i < count;
         i++) /* a row promises that its files are on the disk; slow, so before the lock */
        if (changes[i].model && changes[i].model_id) {
            char *path = kr_files_path(ctx, store, "models", changes[i].model_id);
            KR_TRY(path ? kr_files_sync_tree(ctx, path) : ctx->error.status);
        }
    if (count == 0)
        return KR_OK;
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, apply_all(ctx, store, count, changes, last));
}

static kr_status read_events(struct kr_ctx *ctx, struct kr_store *store, const char *job, int64_t after,
                             int64_t limit, size_t *count, struct kr_event_row **rows)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement,
               "SELECT kind, data, created_at, id, count(*) OVER () FROM"
               " (SELECT * FROM events WHERE job = ?1 AND id > ?2 ORDER BY id LIMIT ?3) ORDER BY id",
               kr_text(job), kr_number(after), kr_number(limit));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    KR_ALLOC(ctx, *rows, row ? (size_t)sqlite3_column_int64(statement, 4) : 0);
    for (; row; ++*count) {
        struct kr_event_row *event = *rows + *count;
        KR_TRY(kr_db_columns(ctx, statement, 3,
                             (const char **const[]){&event->kind, &event->data, &event->created_at}));
        event->id = (uint64_t)sqlite3_column_int64(statement, 3);
        KR_TRY(kr_db_step(ctx, store, statement, &row));
    }
    return KR_OK;
}

kr_status kr_store_events(struct kr_ctx *ctx, struct kr_store *store, const char *job, uint64_t after,
                          size_t limit, size_t *count, struct kr_event_row **rows)
{
    *count = 0;
    kr_db_lock(store);
    return kr_db_unlock(store, read_events(ctx, store, job, after > INT64_MAX ? INT64_MAX : (int64_t)after,
                                           limit > INT64_MAX ? INT64_MAX : (int64_t)limit, count, rows));
}

static kr_status read_checkpoint(struct kr_ctx *ctx, struct kr_store *store, const char *job, char **out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    const char *text = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement, "SELECT data FROM checkpoints WHERE job = ?1", kr_text(job));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    if (row)
        KR_TRY(kr_db_column(ctx, statement, 0, &text));
    *out = (char *)text;
    return KR_OK;
}

kr_status kr_store_checkpoint(struct kr_ctx *ctx, struct kr_store *store, const char *job, char **out)
{
    *out = NULL;
    kr_db_lock(store);
    return kr_db_unlock(store, read_checkpoint(ctx, store, job, out));
}
