/*
 * store: what must survive. SQLite (write-ahead log, full sync) for data sets, jobs, events, checkpoints and
 * models; beside it one directory of .npy files for each data set and model. The only part that includes
 * sqlite3.h.
 *
 *     DIR/lock                one daemon at a time
 *     DIR/kriged.db           rows
 *     DIR/datasets/<id>/      x.npy, y.npy, noise.npy
 *     DIR/models/<id>/        x.npy, y.npy (the solved weights)
 *
 * Every function may be called from any thread (one lock inside). Everything returned lives in the context's
 * arena. JSON is text here: nobody in this layer looks inside. Times are RFC 3339, UTC, milliseconds.
 */
#ifndef KRIGED_STORE_H
#define KRIGED_STORE_H

#include "kriged/data.h"

struct kr_store;

/* Makes the directory when absent, locks it (CONFLICT when another daemon has it), creates or migrates the
 * tables, removes directories without a row (what a crash left half-written). CONFLICT also for a database
 * of a newer version, and for data whose database is missing: those are never removed. */
kr_status kr_store_open(struct kr_ctx *ctx, const char *directory, struct kr_store **out) KR_MUST_CHECK;
void kr_store_close(struct kr_store *store); /* NULL is fine */
/* Can it be written now? STORAGE when not: what /readyz asks. */
kr_status kr_store_check(struct kr_ctx *ctx, struct kr_store *store) KR_MUST_CHECK;

enum { KR_ID_BYTES = 27, KR_TIME_BYTES = 25 };
/* A ULID: sorts by time, also within one millisecond of one process. */
void kr_store_id(char id[KR_ID_BYTES]);
void kr_store_now(char time[KR_TIME_BYTES]); /* 2026-01-31T09:26:53.589Z */

/* A page of a list, newest first: `token` = what the last page gave, NULL = from the newest. */
struct kr_page {
    size_t size;
    const char *token;
    char *next; /* out; NULL at the end */
};

/* ---- data sets: immutable ---- */

struct kr_dataset_row {
    const char *name;
    const char *digest; /* of bytes and reading options: the same upload again is recognised by it */
    const char *meta;   /* JSON, what GET replies */
    const char *created_at;
    const char *directory; /* absolute; kr_dataset_map reads it */
};
/*
 * Writes and syncs the files, then the row (name, digest, meta given; created_at and directory are filled
 * in). *created = false with the stored row when name and digest are there already; CONFLICT when the name
 * has another digest. Nothing half-written stays: files first into a directory without a row, removed on
 * failure.
 */
kr_status kr_store_dataset_put(struct kr_ctx *ctx, struct kr_store *store, const struct kr_dataset *data,
                               struct kr_dataset_row *row, bool *created) KR_MUST_CHECK;
kr_status kr_store_dataset_get(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                               struct kr_dataset_row *out) KR_MUST_CHECK; /* NOT_FOUND */
kr_status kr_store_dataset_list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page,
                                size_t *count, struct kr_dataset_row **rows) KR_MUST_CHECK;
/* CONFLICT, naming a job, while an unfinished job needs it. Row first, then the files (who mapped them keeps
 * them). */
kr_status kr_store_dataset_delete(struct kr_ctx *ctx, struct kr_store *store, const char *name) KR_MUST_CHECK;

/* ---- jobs ---- */

/* S(enum suffix, name, finished) */
#define KR_JOB_STATE_TABLE(S)                                                                                \
    S(QUEUED, "queued", false)                                                                               \
    S(RUNNING, "running", false)                                                                             \
    S(PAUSED, "paused", false)                                                                               \
    S(SUCCEEDED, "succeeded", true)                                                                          \
    S(FAILED, "failed", true)                                                                                \
    S(CANCELLED, "cancelled", true)
enum kr_job_state {
#define KR_JOB_STATE_ENUM(name, text, finished) KR_JOB_##name,
    KR_JOB_STATE_TABLE(KR_JOB_STATE_ENUM)
#undef KR_JOB_STATE_ENUM
};
extern const char *const kr_job_state_names[]; /* NULL-terminated */
bool kr_job_state_finished(enum kr_job_state state);

struct kr_job_row {
    const char *id;
    enum kr_job_state state;
    const char *created_at, *started_at, *finished_at; /* NULL = not yet */
    int attempt;                                       /* from 1 once started */
    const char *dataset, *validation_dataset;          /* names, NULL = none */
    size_t nlabels;
    const char *const *label_names, *const *label_texts;
    const char *request, *progress, *result, *error; /* JSON or NULL */
    uint64_t last_event;                             /* id of its newest event, 0 = none */
};

struct kr_event_row {
    uint64_t id; /* from 1 in each job */
    const char *kind, *data, *created_at;
};

/* Stores a new queued job (id, data sets, labels, request given) with its first events. NOT_FOUND at
 * "/dataset" or "/objective/validation/name" when a data set is gone. */
kr_status kr_store_job_add(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_row *job,
                           size_t nevents, const struct kr_event_row *events) KR_MUST_CHECK;
kr_status kr_store_job_get(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                           struct kr_job_row *out) KR_MUST_CHECK;
struct kr_job_filter {
    int state;                           /* -1 = any */
    const char *label_name, *label_text; /* NULL = any */
};
kr_status kr_store_job_list(struct kr_ctx *ctx, struct kr_store *store, const struct kr_job_filter *filter,
                            struct kr_page *page, size_t *count, struct kr_job_row **rows) KR_MUST_CHECK;
/* Ids of the jobs that are not finished, oldest first: what a restart takes up. */
kr_status kr_store_job_unfinished(struct kr_ctx *ctx, struct kr_store *store, size_t *count,
                                  char ***ids) KR_MUST_CHECK;
/* With its events and checkpoint; its model stays. CONFLICT unless finished. */
kr_status kr_store_job_delete(struct kr_ctx *ctx, struct kr_store *store, const char *id) KR_MUST_CHECK;

/* What happened to one job; NULL members leave things as they are. Times of state changes are set here. */
struct kr_job_change {
    const char *id;
    int state;   /* -1 = unchanged */
    int attempt; /* -1 = unchanged */
    const char *progress, *result, *error;
    const char *checkpoint; /* text; replaces the last one; dropped when the job finishes */
    size_t nevents;
    const struct kr_event_row *events; /* kind and data; ids are given here */
    const char *model;                 /* JSON document of the model called like the job */
    const char *model_id;              /* its directory, from kr_store_model_directory */
};
/* All changes in ONE transaction; last[i] = newest event id of changes[i]'s job. What is returned as OK is on
 * the disk. */
kr_status kr_store_apply(struct kr_ctx *ctx, struct kr_store *store, size_t count,
                         const struct kr_job_change *changes, uint64_t *last) KR_MUST_CHECK;
/* Events of a job with id > after, oldest first, at most `limit`. */
kr_status kr_store_events(struct kr_ctx *ctx, struct kr_store *store, const char *job, uint64_t after,
                          size_t limit, size_t *count, struct kr_event_row **rows) KR_MUST_CHECK;
/* The checkpoint's text, NULL when there is none. */
kr_status kr_store_checkpoint(struct kr_ctx *ctx, struct kr_store *store, const char *job,
                              char **out) KR_MUST_CHECK;

/* ---- models ---- */

struct kr_model_row {
    const char *name, *document, *created_at, *directory; /* directory: absolute */
    const char *digest; /* of a model that was put: the same again is recognised by it; NULL: a job made it */
};
/* A fresh id and its directory (made, absolute path in *directory) for a worker to write weights into;
 * removed at the next open unless a model takes it. */
kr_status kr_store_model_directory(struct kr_ctx *ctx, struct kr_store *store, char id[KR_ID_BYTES],
                                   char **directory) KR_MUST_CHECK;
void kr_store_model_directory_drop(struct kr_store *store, const char *id); /* when no model took it */
/*
 * Stores the model `row` (name, document, digest given; created_at and directory are filled in) whose weights
 * are in the directory `id`, from kr_store_model_directory. *created = false with the stored row when name
 * and digest are there already; CONFLICT when the name is another model's. The directory is dropped unless
 * the model takes it.
 */
kr_status kr_store_model_put(struct kr_ctx *ctx, struct kr_store *store, const char *id,
                             struct kr_model_row *row, bool *created) KR_MUST_CHECK;
/* The question alone, before the weights are written: *found, the stored row, CONFLICT. */
kr_status kr_store_model_find(struct kr_ctx *ctx, struct kr_store *store, struct kr_model_row *row,
                              bool *found) KR_MUST_CHECK;
kr_status kr_store_model_get(struct kr_ctx *ctx, struct kr_store *store, const char *name,
                             struct kr_model_row *out) KR_MUST_CHECK;
kr_status kr_store_model_list(struct kr_ctx *ctx, struct kr_store *store, struct kr_page *page, size_t *count,
                              struct kr_model_row **rows) KR_MUST_CHECK;
kr_status kr_store_model_delete(struct kr_ctx *ctx, struct kr_store *store, const char *name) KR_MUST_CHECK;

struct kr_store_counts {
    uint64_t datasets, jobs[6], models;
};
kr_status kr_store_count(struct kr_ctx *ctx, struct kr_store *store,
                         struct kr_store_counts *out) KR_MUST_CHECK;

#endif
