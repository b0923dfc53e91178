/* leave_one_out: every row is predicted from all others. No options; objective.subset takes a part of the
 * rows. */
#include "kriged/gp.h"

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, size_t *fold)
{
    (void)ctx, (void)options, (void)pointer;
    for (size_t i = 0; i < rows->npool; i++)
        fold[rows->pool[i]] = i + 1;
    return KR_OK;
}

extern const struct kr_validation_type kr_validation_leave_one_out;
const struct kr_validation_type kr_validation_leave_one_out = {
    {"leave_one_out", "every row predicted from all others, in closed form", NULL},
    KR_FOLDS,
    NULL,
    select_rows,
};
