/* categories: features of texts in models. Only kernels that compare inputs (hamming) may see them. */
#ifndef KRIGED_CATEGORIES_H
#define KRIGED_CATEGORIES_H

#include "kriged/gp.h"

/* INVALID, at the place of a kernel below `pointer`, where one that does not only compare sees a feature with
 * categories (d entries; NULL: there are none). */
kr_status kr_categories_check_kernel(struct kr_ctx *ctx, const struct kr_kernel *kernel,
                                     const struct kr_texts *categories, const char *const *feature_names,
                                     const char *pointer) KR_MUST_CHECK;

/*
 * *out: the points of `other` with its features in the order of `data` (column[k]: where feature k is), and
 * categories by the codes of `data`. INVALID at `pointer`, with the row, for one that `data` has not, and for
 * texts in one of the two where the other has numbers.
 */
kr_status kr_categories_recode(struct kr_ctx *ctx, const struct kr_dataset *data,
                               const struct kr_dataset *other, const size_t *column, const char *pointer,
                               struct kr_dataset *out) KR_MUST_CHECK;

#endif
