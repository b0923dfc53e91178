/*
 * engine: gradients, tuning and predictions from JSON to JSON: what a worker runs for the daemon, and the
 * command line in its own process.
 */
#ifndef KRIGED_ENGINE_ENGINE_H
#define KRIGED_ENGINE_ENGINE_H

#include "engine/worker.h"
#include "kriged/data.h"

/* Data with what models remember of it. */
struct kr_source {
    const char *name, *sha256; /* NULL where it has none */
    struct kr_dataset data;
    const struct kr_dataset *held_out; /* the data set that validation `dataset` names; NULL = none */
};

/* Bytes that one of `workers` processes may use: its share of nine tenths of the machine's (or cgroup's)
 * memory. */
size_t kr_engine_budget(int workers);

/* `source` = NULL, or one whose data has no rows: the data is inline. *reply as kr_gradient_reply. */
kr_status kr_engine_gradient(struct kr_ctx *ctx, json_t *request, const struct kr_source *source,
                             json_t **reply) KR_MUST_CHECK;
/* Puts the parameters of an earlier model (a document, or {"parameters", "standardize", "target_transform"}
 * of one) into the request's warm_start. INVALID at /warm_start where they would be in other units, or values
 * stand there already. */
kr_status kr_engine_warm_start(struct kr_ctx *ctx, json_t *request, const json_t *earlier) KR_MUST_CHECK;
/* Everything that can be refused before a job is queued; *effective: the request with its defaults. */
kr_status kr_engine_check(struct kr_ctx *ctx, json_t *request, const struct kr_source *source,
                          json_t **effective) KR_MUST_CHECK;
/*
 * A whole tuning run. *reply: {"result": kr_tune_result, "model": document}. Weights go into
 * `model_directory` as .npy files, or, when it is NULL, into the document. `checkpoint`: of an earlier step
 * event, or NULL.
 */
kr_status kr_engine_tune(struct kr_ctx *ctx, json_t *request, const struct kr_source *source,
                         const json_t *checkpoint, const char *model_directory, struct kr_emit *emit,
                         json_t **reply) KR_MUST_CHECK;
/* `model`: a document; `directory`: where its weights are, NULL = in the document; `kept`: what stays open
 * for the next prediction, or NULL. *reply as kr_predict_reply. */
struct kr_kept;
kr_status kr_engine_predict(struct kr_ctx *ctx, struct kr_kept *kept, json_t *request, const json_t *model,
                            const char *directory, json_t **reply) KR_MUST_CHECK;
/* The document with "weights": {"x", "alpha", "noise_variance"?} read from the directory: a model that
 * predicts anywhere. */
kr_status kr_engine_model_weights(struct kr_ctx *ctx, const json_t *model, const char *directory,
                                  json_t **out) KR_MUST_CHECK;

/*
 * A document from elsewhere, with its weights: checked as a whole, the weights written into the (empty)
 * directory. *out: the document as it is kept, without weights, name and time. INVALID with the pointer of
 * whatever is wrong.
 */
kr_status kr_engine_model_import(struct kr_ctx *ctx, const json_t *model, const char *directory,
                                 json_t **out) KR_MUST_CHECK;

/*
 * One message of a worker (job.h has the protocol), a kr_engine_fn; `self` is a struct kr_kept or NULL:
 *
 *     "gradient", "check"   {"request", "dataset": {"name", "directory", "meta"}?, "validation_dataset"?}
 *                           check: also "warm_start"?: {"parameters", "standardize", "target_transform"} of
 * an earlier job "tune"                {"request", "dataset", "validation_dataset"?, "model_directory",
 * "checkpoint"?} "predict", "weights"  {"request"?, "model", "directory"} "import"              {"model",
 * "directory"}
 */
kr_status kr_engine_run(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit, void *self,
                        json_t **reply);

#endif
