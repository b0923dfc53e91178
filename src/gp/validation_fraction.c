/* fraction: a seeded draw of the rows that are not test rows; identical inputs stay on one side. */
#include "gp/roles.h"

#define KR_VALIDATION_FRACTION_FIELDS(F, S)                                                                  \
    F(S, REAL, fraction, _, "0.2", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX,                                          \
      "share of the rows that are not test rows: max(1, round(fraction n)) of them")                         \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")                                     \
    F(S, GROUPS, groups, _, NULL, 0, 0, KR_OMIT,                                                             \
      "rows kept together: those that agree in a feature, or in an integer given for each data row")
KR_DECLARE(kr_validation_fraction_options, KR_VALIDATION_FRACTION_FIELDS);
KR_DEFINE(kr_validation_fraction_options, KR_VALIDATION_FRACTION_FIELDS, "a seeded fraction of the rows");

enum { STREAM = 2 /* of random numbers; the draw of test rows uses 1 */ };

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, size_t *fold)
{
    const struct kr_validation_fraction_options *o = options;
    const size_t *group;
    const char *at = kr_printf(ctx, "%s/fraction", pointer);
    bool *taken;
    KR_ALLOC(ctx, taken, rows->data->n);
    KR_TRY(kr_rows_grouped(ctx, rows, &o->groups, pointer, &group));
    KR_TRY(kr_split_fraction(ctx, rows->npool, rows->pool, group, o->fraction, o->seed, STREAM, at, taken));
    for (size_t row = 0; row < rows->data->n; row++)
        fold[row] = taken[row];
    return KR_OK;
}

extern const struct kr_validation_type kr_validation_fraction;
const struct kr_validation_type kr_validation_fraction = {
    {"fraction", "a seeded fraction of the rows; identical inputs stay together",
     &kr_validation_fraction_options_schema},
    KR_HOLD_OUT,
    NULL,
    select_rows,
};
