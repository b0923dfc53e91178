/* Jobs: adding, reading, deleting. What happens to them in between is in apply.c. */
#include "store/db.h"

#include <string.h>

#define COLUMNS                                                                                              \
    "id, created_at, started_at, finished_at, dataset, validation_dataset, request, progress, result, "      \
    "error, state, attempt, last_event"
enum { TEXTS = 10, STATE = 10, ATTEMPT, LAST_EVENT };

const char *const kr_job_state_names[] = {
#define STATE_NAME(name, text, finished) text,
    KR_JOB_STATE_TABLE(STATE_NAME)
#undef STATE_NAME
        NULL};

bool kr_job_state_finished(enum kr_job_state state)
{
    static const bool table[] = {
#define STATE_FINISHED(name, text, finished) finished,
        KR_JOB_STATE_TABLE(STATE_FINISHED)
#undef STATE_FINISHED
    };
    return table[state];
}

static kr_status read_labels(struct kr_ctx *ctx, struct kr_store *store, struct kr_job_row *out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    const char **names, **texts;
    bool row;
    KR_PREPARE(ctx, store, &statement,
               "SELECT name, text, count(*) OVER () FROM labels WHERE job = ?1 ORDER BY name",
               kr_text(out->id));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    out->nlabels = 0;
    size_t count = row ? (size_t)sqlite3_column_int64(statement, 2) : 0;
    KR_ALLOC(ctx, names, count);
    KR_ALLOC(ctx, texts, count);
    out->label_names = names;
    out->label_texts = texts;
    for (; row; out->nlabels++) {
        KR_TRY(kr_db_columns(ctx, statement, 2,
                             (const char **const[]){names + out->nlabels, texts + out->nlabels}));
        KR_TRY(kr_db_step(ctx, store, statement, &row));
    }
    return KR_OK;
}

static kr_status read_row(struct kr_ctx *ctx, struct kr_store *store, sqlite3_stmt *statement, void *row)
{
    struct kr_job_row *out = row;
    KR_TRY(kr_db_columns(ctx, statement, TEXTS,
                         (const char **const[]){&out->id, &out->created_at, &out->started_at,
                                                &out->finished_at, &out->dataset, &out->validation_dataset,
                                                &out->request, &out->progress, &out->result, &out->error}));
    const char *state;
    KR_TRY(kr_db_column(ctx, statement, STATE, &state));
    int known = 0;
    while (kr_job_state_names[known] && strcmp(kr_job_state_names[known], state) != 0)
        known++;
    if (!kr_job_state_names[known])
        return kr_fail(ctx, KR_STORAGE, "", "job %s is stored in an unknown state \"%s\"", out->id, state);
    out->state = (enum kr_job_state)known;
    out->attempt = sqlite3_column_int(statement, ATTEMPT);
    out->last_event = (uint64_t)sqlite3_column_int64(statement, LAST_EVENT);
    return read_labels(ctx, store, out);
}

static kr_status get(struct kr_ctx *ctx, struct kr_store *store, const char *id, struct kr_job_row *out)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement, "SELECT " COLUMNS " FROM jobs WHERE id = ?1", kr_text(id));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    return row ? read_row(ctx, store, statement, out)
               : kr_fail(ctx, KR_NOT_FOUND, "", "there is no job \"%s\"", id);
}

kr_status kr_store_job_get(struct kr_ctx *ctx, struct kr_store *store, const char *id, struct kr_job_row *out)
{
    kr_db_lock(store);
    return kr_db_unlock(store, get(ctx, store, id, out));
}

static kr_status check_dataset(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                               const char *pointer)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement, "SELECT 1 FROM datasets WHERE name = ?1", kr_text(name));
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    return row ? KR_OK : kr_fail(ctx, KR_NOT_FOUND, pointer, "there is no data set \"%s\"", name);
}

static kr_status add(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_row *job, size_t nevents,
                     const struct kr_event_row *events)
{
    char now[KR_TIME_BYTES];
    kr_store_now(now);
    if (job->dataset)
        KR_TRY(check_dataset(ctx, store, job->dataset, "/dataset"));
    if (job->validation_dataset)
        KR_TRY(check_dataset(ctx, store, job->validation_dataset, "/objective/validation/name"));
    KR_RUN(ctx, store,
           "INSERT INTO jobs (id, state, created_at, dataset, validation_dataset, request, last_event)"
           " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
           kr_text(job->id), kr_text(kr_job_state_names[KR_JOB_QUEUED]), kr_text(now), kr_text(job->dataset),
           kr_text(job->validation_dataset), kr_text(job->request), kr_number((int64_t)nevents));
    for (size_t i = 0; i < job->nlabels; i++)
        KR_RUN(ctx, store, "INSERT INTO labels (job, name, text) VALUES (?1, ?2, ?3)", kr_text(job->id),
               kr_text(job->label_names[i]), kr_text(job->label_texts[i]));
    return kr_events_add(ctx, store, job->id, 0, now, nevents, events);
}

kr_status kr_store_job_add(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_row *job,
                           size_t nevents, const struct kr_event_row *events)
{
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, add(ctx, store, job, nevents, events));
}

/* Only the conditions that are asked for, so that each has its index. All six parameters stay in the text. */
static kr_status prepare_list(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_filter *filter,
                              const struct kr_cursor *cursor, sqlite3_stmt **statement)
{
    const char *state = filter->state < 0 ? NULL : kr_job_state_names[filter->state];
    char *sql = kr_printf(
        ctx,
        "SELECT " COLUMNS " FROM jobs WHERE (created_at, id) < (?1, ?2) AND %s AND %s"
        " ORDER BY created_at DESC, id DESC LIMIT ?3",
        state ? "state = ?4" : "?4 IS NULL",
        filter->label_name
            ? "EXISTS (SELECT 1 FROM labels WHERE job = jobs.id AND name = ?5 AND (?6 IS NULL OR text = ?6))"
            : "?5 IS NULL AND ?6 IS NULL");
    if (!sql)
        return ctx->error.status;
    KR_PREPARE(ctx, store, statement, sql, kr_text(cursor->created_at), kr_text(cursor->key),
               kr_number(cursor->limit), kr_text(state), kr_text(filter->label_name),
               kr_text(filter->label_name ? filter->label_text : NULL));
    return KR_OK;
}

static const struct kr_row_form form = {sizeof(struct kr_job_row), offsetof(struct kr_job_row, created_at),
                                        offsetof(struct kr_job_row, id), read_row};

static kr_status list(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_filter *filter,
                      struct kr_page *page, size_t *count, struct kr_job_row **rows)
{
    struct kr_cursor cursor;
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    KR_TRY(kr_cursor_init(ctx, page, &cursor));
    KR_TRY(prepare_list(ctx, store, filter, &cursor, &statement));
    return kr_page_rows(ctx, store, statement, &form, page, count, (void **)rows);
}

kr_status kr_store_job_list(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_filter *filter,
                            struct kr_page *page, size_t *count, struct kr_job_row **rows)
{
    static const struct kr_job_filter any = {.state = -1};
    *count = 0;
    kr_db_lock(store);
    return kr_db_unlock(store, list(ctx, store, filter ? filter : &any, page, count, rows));
}

static kr_status unfinished(struct kr_ctx *ctx, struct kr_store *store, size_t *count, char ***ids)
{
    sqlite3_stmt *KR_STATEMENT statement = NULL;
    bool row;
    KR_PREPARE(ctx, store, &statement,
               "SELECT id, count(*) OVER () FROM jobs WHERE finished_at IS NULL ORDER BY created_at, id");
    KR_TRY(kr_db_step(ctx, store, statement, &row));
    KR_ALLOC(ctx, *ids, row ? (size_t)sqlite3_column_int64(statement, 1) : 0);
    for (; row; ++*count) {
        const char *id;
        KR_TRY(kr_db_column(ctx, statement, 0, &id));
        (*ids)[*count] = (char *)id;
        KR_TRY(kr_db_step(ctx, store, statement, &row));
    }
    return KR_OK;
}

kr_status kr_store_job_unfinished(struct kr_ctx *ctx, struct kr_store *store, size_t *count, char ***ids)
{
    *count = 0;
    kr_db_lock(store);
    return kr_db_unlock(store, unfinished(ctx, store, count, ids));
}

static kr_status delete_finished(struct kr_ctx *ctx, struct kr_store *store, const char *id)
{
    struct kr_job_row job;
    KR_TRY(get(ctx, store, id, &job));
    if (!kr_job_state_finished(job.state))
        return kr_fail(ctx, KR_CONFLICT, "", "job %s is %s: only a finished job can be deleted", id,
                       kr_job_state_names[job.state]);
    KR_RUN(ctx, store, "DELETE FROM jobs WHERE id = ?1", kr_text(id)); /* what belongs to it goes along */
    return KR_OK;
}

kr_status kr_store_job_delete(struct kr_ctx *ctx, struct kr_store *store, const char *id)
{
    KR_TRY(kr_db_begin(ctx, store));
    return kr_db_end(ctx, store, delete_finished(ctx, store, id));
}
