/* text: predictions without JSON: points as CSV, options as words, replies as CSV. */
#ifndef KRIGED_ENGINE_TEXT_H
#define KRIGED_ENGINE_TEXT_H

#include "kriged/data.h"

#include <jansson.h>

/*
 * Rows of CSV as the "x" of a prediction, for a model with these features (an array of names). Columns are
 * found by their names, others left alone; without a header all are taken in order and must be as many.
 * INVALID for a feature that no column has. New reference.
 */
kr_status kr_points_from_csv(struct kr_ctx *ctx, const char *text, size_t length, bool drop_missing,
                             const json_t *features, json_t **x) KR_MUST_CHECK;

/*
 * Sets an option of a prediction from a word: "true" or "false", quantiles "0.05,0.95", "samples" (their
 * count), "seed" and "samples_method" of them. What is none stays a text, for the table to refuse with its
 * pointer. "target": a number is an index.
 */
void kr_predict_option(json_t *request, const char *name, const char *word);

/*
 * A reply, one line a point: mean, variance, q<level>.., covariance_<point>.., sample_<i>..,
 * gradient_<feature>...; of several targets mean_<target>.., variance_<target>.., and for each target
 * q<level>_<target>... `model`: its document. On the heap; NULL without memory.
 */
char *kr_predict_csv(struct kr_ctx *ctx, const json_t *request, const json_t *reply, const json_t *model);

#endif
