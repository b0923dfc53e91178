/* Categories in bodies, stored descriptions and models. */
#ifndef KRIGED_ENGINE_CATEGORIES_H
#define KRIGED_ENGINE_CATEGORIES_H

#include "kriged/data.h"

#include <jansson.h>

/* Of a body's rows: codes in the place of texts in x (feature-major), and the categories (NULL where all are
 * numbers). INVALID below `pointer` for numbers and texts in one column, and texts that are no categories. */
kr_status kr_categories_take(struct kr_ctx *ctx, const struct kr_table *rows, const char *pointer, double *x,
                             const struct kr_texts **out) KR_MUST_CHECK;
/* Of points of a model with these categories (NULL: none): codes in x. INVALID, at the cell, for a text that
 * is none of them, a text among numbers, a number among texts. */
kr_status kr_categories_find(struct kr_ctx *ctx, const struct kr_table *rows, const char *pointer,
                             const struct kr_texts *categories, const char *const *feature_names,
                             double *x) KR_MUST_CHECK;
/* From the columns of a stored description; NULL where none has any. */
kr_status kr_categories_stored(struct kr_ctx *ctx, const json_t *columns, size_t d,
                               const struct kr_texts **out) KR_MUST_CHECK;

#endif
