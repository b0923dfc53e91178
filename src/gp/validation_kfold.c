/*
 * kfold: folds of rows, each predicted from the rest. Drawn: groups are shuffled, then each goes to the fold
 * that has fewest rows (the first of these), so that sizes differ by at most the largest group. Or given.
 */
#include "gp/roles.h"

#define KR_VALIDATION_KFOLD_FIELDS(F, S)                                                                     \
    F(S, INT, folds, _, "5", 2, 1e6, 0, "how many folds are drawn")                                          \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")                                     \
    F(S, GROUPS, groups, _, NULL, 0, 0, KR_OMIT,                                                             \
      "rows kept together: those that agree in a feature, or in an integer given for each data row")         \
    F(S, INT_LISTS, rows, _, NULL, 0, 1e15, KR_OMIT,                                                         \
      "the folds themselves instead: disjoint lists of data rows, from 0; other rows only train")
KR_DECLARE(kr_validation_kfold_options, KR_VALIDATION_KFOLD_FIELDS);
KR_DEFINE(kr_validation_kfold_options, KR_VALIDATION_KFOLD_FIELDS, "folds of rows");

static kr_status take_given(struct kr_ctx *ctx, const struct kr_int_lists *lists, const struct kr_rows *rows,
                            const char *pointer, size_t *fold)
{
    for (size_t f = 0; f < lists->count; f++) {
        if (lists->items[f].count == 0)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/rows/%zu", pointer, f),
                           "must hold out at least one row");
        for (size_t i = 0; i < lists->items[f].count; i++) {
            const size_t row = lists->items[f].items[i];
            const char *at = kr_printf(ctx, "%s/rows/%zu/%zu", pointer, f, i);
            if (row >= rows->data->n)
                return kr_fail(ctx, KR_INVALID, at, "must be a data row below %zu, got %zu", rows->data->n,
                               row);
            if (rows->is_test[row])
                return kr_fail(ctx, KR_INVALID, at, "row %zu is also a test row", row);
            if (fold[row])
                return kr_fail(ctx, KR_INVALID, at, "row %zu is in fold %zu already", row, fold[row] - 1);
            fold[row] = f + 1;
        }
    }
    return KR_OK;
}

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, size_t *fold)
{
    const struct kr_validation_kfold_options *o = options;
    const size_t *group;
    if (o->rows.count)
        return take_given(ctx, &o->rows, rows, pointer, fold);
    KR_TRY(kr_rows_grouped(ctx, rows, &o->groups, pointer, &group));
    return kr_split_folds(ctx, rows->npool, rows->pool, group, o->folds, o->seed,
                          kr_printf(ctx, "%s/folds", pointer), fold);
}

extern const struct kr_validation_type kr_validation_kfold;
const struct kr_validation_type kr_validation_kfold = {
    {"kfold", "folds of rows, each predicted from the rest, in closed form",
     &kr_validation_kfold_options_schema},
    KR_FOLDS,
    NULL,
    select_rows,
};
