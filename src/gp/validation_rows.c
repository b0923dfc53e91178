/* rows: the caller says which rows are held out. */
#include "kriged/gp.h"

#define KR_VALIDATION_ROWS_FIELDS(F, S) F(S, INTS, rows, _, NULL, 0, 1e15, KR_REQUIRED, "data rows, from 0")
KR_DECLARE(kr_validation_rows_options, KR_VALIDATION_ROWS_FIELDS);
KR_DEFINE(kr_validation_rows_options, KR_VALIDATION_ROWS_FIELDS, "explicit rows");

static const struct kr_ints *explicit_rows(const void *options)
{
    return &((const struct kr_validation_rows_options *)options)->rows;
}

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, size_t *fold)
{
    const struct kr_ints *given = explicit_rows(options);
    for (size_t i = 0; i < given->count; i++) {
        size_t row = given->items[i];
        const char *at = kr_printf(ctx, "%s/rows/%zu", pointer, i);
        if (row >= rows->data->n)
            return kr_fail(ctx, KR_INVALID, at, "must be a data row below %zu, got %zu", rows->data->n, row);
        if (rows->is_test[row])
            return kr_fail(ctx, KR_INVALID, at, "row %zu is also a test row", row);
        if (fold[row])
            return kr_fail(ctx, KR_INVALID, at, "names row %zu a second time", row);
        fold[row] = 1;
    }
    return KR_OK;
}

extern const struct kr_validation_type kr_validation_rows;
const struct kr_validation_type kr_validation_rows = {
    {"rows", "explicit rows", &kr_validation_rows_options_schema}, KR_HOLD_OUT, explicit_rows, select_rows};
