/* fraction: a seeded draw of the rows that are not test rows; identical inputs stay on one side. */
#include "kriged/gp.h"

#define KR_VALIDATION_FRACTION_FIELDS(F, S)                                                                  \
    F(S, REAL, fraction, _, "0.2", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX,                                          \
      "share of the rows that are not test rows: max(1, round(fraction n)) of them")                         \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the draw")
KR_DECLARE(kr_validation_fraction_options, KR_VALIDATION_FRACTION_FIELDS);
KR_DEFINE(kr_validation_fraction_options, KR_VALIDATION_FRACTION_FIELDS, "a seeded fraction of the rows");

enum { STREAM = 2 /* of random numbers; the draw of test rows uses 1 */ };

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, bool *taken)
{
    const struct kr_validation_fraction_options *o = options;
    const char *at = kr_printf(ctx, "%s/fraction", pointer);
    return kr_split_fraction(ctx, rows->npool, rows->pool, rows->group, o->fraction, o->seed, STREAM, at,
                             taken);
}

extern const struct kr_validation_type kr_validation_fraction;
const struct kr_validation_type kr_validation_fraction = {
    {"fraction", "a seeded fraction of the rows; identical inputs stay together",
     &kr_validation_fraction_options_schema},
    NULL,
    select_rows,
};
