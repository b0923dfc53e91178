/*
 * model: what a tuning run leaves, as a document that predicts without the data set. The weights alpha = (K +
 * noise)^-1 (y - m) and the inputs they belong to are .npy files beside it, or members of it.
 */
#ifndef KRIGED_ENGINE_MODEL_H
#define KRIGED_ENGINE_MODEL_H

#include "engine/engine.h"
#include "engine/request.h"

#define KR_MODEL_FORMAT "kriged-model"
enum { KR_MODEL_VERSION = 1 };

#define KR_FEATURE_CATEGORIES_FIELDS(F, S)                                                                   \
    F(S, TEXT, feature, _, NULL, 0, 0, KR_REQUIRED, "name of the feature")                                   \
    F(S, TEXTS, categories, _, NULL, 0, 0, KR_REQUIRED, "its texts, in the order of their codes, from 0")
KR_DECLARE(kr_feature_categories, KR_FEATURE_CATEGORIES_FIELDS);

#define KR_MODEL_SOURCE_FIELDS(F, S)                                                                         \
    F(S, TEXT, name, _, NULL, 0, 0, KR_NULL, "name of the data set")                                         \
    F(S, TEXT, sha256, _, NULL, 0, 0, KR_NULL, "of the bytes uploaded")                                      \
    F(S, INT, rows, _, "0", 0, 1e15, 0, "rows that the model conditions on: all but the test rows")          \
    F(S, TEXTS, feature_names, _, NULL, 0, 0, KR_REQUIRED, "features, in the order of points to predict at") \
    F(S, LIST, categories, kr_feature_categories, NULL, 0, 0, KR_OMIT, "of features that have texts")        \
    F(S, TEXT, target_name, _, "y", 0, 0, 0, "target, of several the first")                                 \
    F(S, TEXTS, target_names, _, NULL, 0, 0, KR_OMIT, "of several targets")
KR_DECLARE(kr_model_source, KR_MODEL_SOURCE_FIELDS);

#define KR_STANDARDISATION_FIELDS(F, S)                                                                      \
    F(S, REALS, x_mean, _, NULL, -1e308, 1e308, KR_REQUIRED, "subtracted from each feature")                 \
    F(S, REALS, x_sd, _, NULL, 0, 1e308, KR_REQUIRED | KR_OPEN_MIN, "then divides it")                       \
    F(S, SCALARS, y_mean, _, NULL, -1e308, 1e308, KR_REQUIRED,                                               \
      "subtracted from the (transformed) target, each of several")                                           \
    F(S, SCALARS, y_sd, _, NULL, 0, 1e308, KR_REQUIRED | KR_OPEN_MIN, "then divides it")
KR_DECLARE(kr_model_standardisation, KR_STANDARDISATION_FIELDS);

#define KR_MODEL_WEIGHTS_FIELDS(F, S)                                                                        \
    F(S, MATRIX, x, _, NULL, -1e308, 1e308, KR_OMIT,                                                         \
      "inputs, standardised, a row each; absent with an approximation")                                      \
    F(S, VECTORS, alpha, _, NULL, -1e308, 1e308, KR_REQUIRED,                                                \
      "(K + noise)^-1 (y - mean), standardised units; of an approximation the weights of its features; of "  \
      "several targets a row of them each")                                                                  \
    F(S, MATRIX, factor, _, NULL, -1e308, 1e308, KR_OMIT,                                                    \
      "of an approximation: lower Cholesky factor of the inverse covariance of these weights, a row each")   \
    F(S, REALS, noise_variance, _, NULL, 0, 1e308, KR_OMIT, "known noise variances, standardised units")
KR_DECLARE(kr_model_weights, KR_MODEL_WEIGHTS_FIELDS);

#define KR_MODEL_DOCUMENT_FIELDS(F, S)                                                                       \
    F(S, TEXT, name, _, NULL, 0, 0, KR_OMIT,                                                                 \
      "name of the model: the id of its job, or that of its import, whatever is given here")                 \
    F(S, TEXT, created_at, _, NULL, 0, 0, KR_OMIT, "time, UTC; of an import, its own")                       \
    F(S, TEXT, format, _, NULL, 0, 0, KR_REQUIRED, "\"kriged-model\"")                                       \
    F(S, INT, version, _, NULL, 1, 1, KR_REQUIRED, "of the format")                                          \
    F(S, TEXT, created_by, _, NULL, 0, 0, KR_OMIT, "program and version")                                    \
    F(S, OBJECT, dataset, kr_model_source, NULL, 0, 0, KR_REQUIRED, "what it was tuned on")                  \
    KR_MODEL_FIELDS(F, S)                                                                                    \
    F(S, LIST, parameters, kr_parameter_report, NULL, 0, 0, 0, "tuned hyperparameters, in both units")       \
    F(S, OBJECT, standardization, kr_model_standardisation, NULL, 0, 0, KR_REQUIRED,                         \
      "constants of the standardisation")                                                                    \
    F(S, REAL, loss, _, NULL, -1e308, 1e308, KR_NULL, "lowest loss of the run, before any calibration")      \
    F(S, OBJECT, metrics, kr_tune_metrics, NULL, 0, 0, 0, "scores before and after tuning")                  \
    F(S, OBJECT, solver, kr_solver_options, NULL, 0, 0, 0, "how linear systems are solved")                  \
    F(S, JSON, request, _, NULL, 0, 0, KR_OMIT, "the effective request of the job")                          \
    F(S, OPTIONAL, weights, kr_model_weights, NULL, 0, 0, KR_OMIT,                                           \
      "inputs and solved weights, when asked for")
KR_DECLARE(kr_model_document, KR_MODEL_DOCUMENT_FIELDS);

/* Conditions on all rows but the test rows and writes document and weights; `request` is the effective one.
 */
kr_status kr_model_make(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                        const struct kr_source *source, const json_t *request,
                        const struct kr_tune_result *result, const char *directory,
                        json_t **document) KR_MUST_CHECK;

/* A document made ready to predict. Memory from the arena; kr_dataset_unmap(&mapping) after use. */
struct kr_model {
    struct kr_model_document document;
    size_t d;
    const struct kr_texts *categories; /* d, none where a feature is of numbers; NULL: all are */
    struct kr_posterior posterior;     /* works on standardised points */
    struct kr_dataset mapping;
};
/* INVALID with a pointer into the document when it is not a model of this format. */
kr_status kr_model_open(struct kr_ctx *ctx, const json_t *document, const char *directory,
                        struct kr_model *out) KR_MUST_CHECK;

/* From what the posterior predicts to the units of the target, of several the first. */
struct kr_transform kr_model_transform(const struct kr_model_document *document);

/* The model of one target, of those that it has; borrows from it. INVALID at /target for none of them. */
kr_status kr_model_target(struct kr_ctx *ctx, const struct kr_model *model, const struct kr_feature *target,
                          struct kr_model *out) KR_MUST_CHECK;

/* The categories of a document by feature. INVALID below /dataset/categories for features that are not there
 * or come twice, and texts that are not in the order of codes. */
kr_status kr_model_categories(struct kr_ctx *ctx, const struct kr_model_document *document,
                              const struct kr_texts **out) KR_MUST_CHECK;

/* Codes are not standardised, and each is one: in the constants and the inputs. */
kr_status kr_model_check_codes(struct kr_ctx *ctx, const struct kr_model_document *document,
                               const struct kr_texts *categories) KR_MUST_CHECK;

/* What members of a document owe each other; INVALID with the pointer of the one that does not fit. */
kr_status kr_model_check(struct kr_ctx *ctx, const struct kr_model_document *document,
                         const struct kr_parameters *parameters,
                         const struct kr_posterior *posterior) KR_MUST_CHECK;
/* How many targets, by the members that say it. */
kr_status kr_model_check_targets(struct kr_ctx *ctx, const struct kr_model_document *document) KR_MUST_CHECK;
kr_status kr_model_check_weights(struct kr_ctx *ctx, const struct kr_model_document *document,
                                 const struct kr_model_weights *weights,
                                 const struct kr_posterior *posterior) KR_MUST_CHECK;

/* Of an effective request its "model", with the inducing inputs of the gp, where it has some, as members. */
json_t *kr_model_with_inputs(const json_t *request, const struct kr_gp *gp);
/* The part of an effective request that is a model, with theta in the place of its values. */
json_t *kr_model_tuned(const json_t *request, const struct kr_parameters *parameters, const double *theta);

#endif
