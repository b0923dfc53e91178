/*
 * views: what the API itself takes and replies, as tables. Members that the store keeps as JSON text are
 * spliced in as they are; their tables here document them.
 */
#ifndef KRIGED_API_VIEWS_H
#define KRIGED_API_VIEWS_H

#include "engine/model.h"

#define KR_NAMED_DATA_FIELDS(F, S)                                                                           \
    F(S, TEXT, name, _, NULL, 0, 0, KR_OMIT, "name of the data set; made when absent")                       \
    KR_DATA_FIELDS(F, S)
KR_DECLARE(kr_named_data, KR_NAMED_DATA_FIELDS);

#define KR_DATASET_FIELDS(F, S)                                                                              \
    F(S, TEXT, name, _, NULL, 0, 0, 0, "name")                                                               \
    F(S, INT, rows, _, "0", 0, 1e15, 0, "data rows")                                                         \
    F(S, INT, features, _, "0", 0, 1e15, 0, "features")                                                      \
    F(S, INT, targets, _, "1", 0, 1e15, 0, "targets")                                                        \
    F(S, TEXTS, feature_names, _, NULL, 0, 0, 0, "in the order of feature indices")                          \
    F(S, TEXT, target_name, _, NULL, 0, 0, 0, "name of the target, of several the first")                    \
    F(S, TEXTS, target_names, _, NULL, 0, 0, KR_OMIT, "of several targets")                                  \
    F(S, TEXT, sha256, _, NULL, 0, 0, 0, "of the bytes uploaded, hexadecimal")                               \
    F(S, INT, bytes, _, "0", 0, 1e15, 0, "bytes uploaded")                                                   \
    F(S, TEXT, created_at, _, NULL, 0, 0, KR_OMIT, "time, UTC")                                              \
    F(S, LIST, columns, kr_column, NULL, 0, 0, 0, "features, then targets")                                  \
    F(S, TEXTS, warnings, _, NULL, 0, 0, 0,                                                                  \
      "what may spoil a fit: duplicated inputs, constant columns, extreme scales")
KR_DECLARE(kr_dataset_view, KR_DATASET_FIELDS);

#define KR_LINKS_FIELDS(F, S)                                                                                \
    F(S, TEXT, self, _, NULL, 0, 0, 0, "the job")                                                            \
    F(S, TEXT, events, _, NULL, 0, 0, 0, "its events")                                                       \
    F(S, TEXT, cancel, _, NULL, 0, 0, KR_OMIT, "POST here ends it")                                          \
    F(S, TEXT, model, _, NULL, 0, 0, KR_OMIT, "what it left")
KR_DECLARE(kr_links, KR_LINKS_FIELDS);

#define KR_PROBLEM_ENTRY_FIELDS(F, S)                                                                        \
    F(S, TEXT, pointer, _, NULL, 0, 0, 0, "JSON pointer into the request")                                   \
    F(S, TEXT, detail, _, NULL, 0, 0, 0, "what is wrong there")
KR_DECLARE(kr_problem_entry, KR_PROBLEM_ENTRY_FIELDS);
#define KR_PROBLEM_FIELDS(F, S)                                                                              \
    F(S, TEXT, type, _, NULL, 0, 0, 0, "/problems/<slug>")                                                   \
    F(S, TEXT, title, _, NULL, 0, 0, 0, "the kind of problem")                                               \
    F(S, INT, status, _, "0", 100, 599, 0, "HTTP status")                                                    \
    F(S, TEXT, detail, _, NULL, 0, 0, KR_OMIT, "what, got, wanted")                                          \
    F(S, TEXT, instance, _, NULL, 0, 0, KR_OMIT, "id of the request")                                        \
    F(S, LIST, errors, kr_problem_entry, NULL, 0, 0, KR_OMIT, "where in the request")
KR_DECLARE(kr_problem_view, KR_PROBLEM_FIELDS);

extern const char *const kr_job_state_names[];
#define KR_JOB_FIELDS(F, S)                                                                                  \
    F(S, TEXT, id, _, NULL, 0, 0, 0, "ULID")                                                                 \
    F(S, CHOICE, state, kr_job_state, "queued", 0, 0, 0, "where it stands")                                  \
    F(S, TEXT, created_at, _, NULL, 0, 0, 0, "time, UTC")                                                    \
    F(S, TEXT, started_at, _, NULL, 0, 0, KR_NULL, "of the first attempt")                                   \
    F(S, TEXT, finished_at, _, NULL, 0, 0, KR_NULL, "when it succeeded, failed or was cancelled")            \
    F(S, INT, attempt, _, "0", 0, 1e9, 0,                                                                    \
      "worker processes that took it up, without those that a restart of the daemon ended")                  \
    F(S, MAP, labels, _, NULL, 0, 0, 0, "as given")                                                          \
    F(S, OPTIONAL, request, kr_tune_request, NULL, 0, 0, KR_NULL, "effective, defaults included")            \
    F(S, OPTIONAL, progress, kr_progress, NULL, 0, 0, KR_NULL, "of the last step")                           \
    F(S, OPTIONAL, result, kr_tune_result, NULL, 0, 0, KR_NULL, "of a succeeded job")                        \
    F(S, OPTIONAL, error, kr_problem_view, NULL, 0, 0, KR_NULL, "of a failed job")                           \
    F(S, OBJECT, links, kr_links, NULL, 0, 0, 0, "paths")
KR_DECLARE(kr_job_view, KR_JOB_FIELDS);

#define KR_NEXT_PAGE_FIELD(F, S)                                                                             \
    F(S, TEXT, next_page_token, _, NULL, 0, 0, KR_OMIT, "for ?page_token=; absent on the last page")
#define KR_DATASET_PAGE_FIELDS(F, S)                                                                         \
    F(S, LIST, datasets, kr_dataset_view, NULL, 0, 0, 0, "newest first")                                     \
    KR_NEXT_PAGE_FIELD(F, S)
KR_DECLARE(kr_dataset_page, KR_DATASET_PAGE_FIELDS);
#define KR_JOB_PAGE_FIELDS(F, S)                                                                             \
    F(S, LIST, jobs, kr_job_view, NULL, 0, 0, 0, "newest first")                                             \
    KR_NEXT_PAGE_FIELD(F, S)
KR_DECLARE(kr_job_page, KR_JOB_PAGE_FIELDS);
#define KR_MODEL_ENTRY_FIELDS(F, S)                                                                          \
    F(S, TEXT, name, _, NULL, 0, 0, 0, "name: the id of its job, or that of its import")                     \
    F(S, TEXT, created_at, _, NULL, 0, 0, 0, "time, UTC")                                                    \
    F(S, OBJECT, dataset, kr_model_source, NULL, 0, 0, 0, "what it was tuned on")                            \
    F(S, REAL, loss, _, NULL, -1e308, 1e308, KR_NULL, "lowest loss of the run")
KR_DECLARE(kr_model_entry, KR_MODEL_ENTRY_FIELDS);
#define KR_MODEL_PAGE_FIELDS(F, S)                                                                           \
    F(S, LIST, models, kr_model_entry, NULL, 0, 0, 0, "newest first")                                        \
    KR_NEXT_PAGE_FIELD(F, S)
KR_DECLARE(kr_model_page, KR_MODEL_PAGE_FIELDS);

#define KR_HEALTH_FIELDS(F, S) F(S, TEXT, status, _, NULL, 0, 0, 0, "\"ok\"")
KR_DECLARE(kr_health_view, KR_HEALTH_FIELDS);

#define KR_EVENT_FIELDS(F, S)                                                                                \
    F(S, INT, id, _, "0", 1, 1e15, 0, "counts from 1 in each job")                                           \
    F(S, TEXT, event, _, NULL, 0, 0, 0, "state, step, warning or done")                                      \
    F(S, TEXT, created_at, _, NULL, 0, 0, 0, "time, UTC")                                                    \
    F(S, JSON, data, _, NULL, 0, 0, 0,                                                                       \
      "step: see the table of steps; warning: code, detail, parameter; state: state; done: state, result "   \
      "or error")
KR_DECLARE(kr_event_view, KR_EVENT_FIELDS);

#endif
