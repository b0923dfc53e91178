/*
 * Every row gets one role. Test rows come first: explicit, or drawn among the rows that are not explicit
 * validation rows. Then the validation chooses among the rest, and what remains trains. Draws keep rows with
 * identical inputs together.
 */
#include "gp/roles.h"

#include <string.h>

enum { TEST_STREAM = 1 /* of random numbers; validation draws use 2 */ };

static kr_status list(struct kr_ctx *ctx, size_t n, const bool *taken, bool wanted, const bool *barred,
                      struct kr_ints *out)
{
    KR_ALLOC(ctx, out->items, n);
    out->count = 0;
    for (size_t i = 0; i < n; i++)
        if (taken[i] == wanted && !(barred && barred[i]))
            out->items[out->count++] = i;
    return KR_OK;
}

static kr_status take_rows(struct kr_ctx *ctx, size_t n, const struct kr_ints *rows, bool *taken)
{
    for (size_t i = 0; i < rows->count; i++) {
        size_t row = rows->items[i];
        if (row >= n)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/test/rows/%zu", i),
                           "must be a data row below %zu, got %zu", n, row);
        if (taken[row])
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/test/rows/%zu", i),
                           "names row %zu a second time", row);
        taken[row] = true;
    }
    return KR_OK;
}

/* Rows that the validation names itself are not offered to the draw of test rows. */
static kr_status draw_test(struct kr_ctx *ctx, const struct kr_gp_spec *spec, size_t n, const size_t *group,
                           bool *taken)
{
    const struct kr_validation_type *validation = (const void *)spec->objective.validation.type;
    bool *reserved;
    struct kr_ints pool = {0};
    KR_ALLOC(ctx, reserved, n);
    if (validation->explicit_rows) {
        const struct kr_ints *rows = validation->explicit_rows(spec->objective.validation.options);
        for (size_t i = 0; i < rows->count; i++)
            if (rows->items[i] < n)
                reserved[rows->items[i]] = true;
    }
    KR_TRY(list(ctx, n, reserved, false, NULL, &pool));
    return kr_split_fraction(ctx, pool.count, pool.items, group, spec->test->fraction, spec->test->seed,
                             TEST_STREAM, "/test/fraction", taken);
}

static kr_status take_test(struct kr_ctx *ctx, const struct kr_gp_spec *spec, size_t n, const size_t *group,
                           bool *taken)
{
    const struct kr_test_spec *test = spec->test;
    if (!test)
        return KR_OK;
    bool drawn = test->fraction == test->fraction; /* not NaN: given */
    if (drawn == (test->rows.count > 0))
        return kr_fail(ctx, KR_INVALID, "/test", "must have either rows (at least one) or fraction");
    return drawn ? draw_test(ctx, spec, n, group, taken) : take_rows(ctx, n, &test->rows, taken);
}

kr_status kr_gp_roles(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                      struct roles *out)
{
    const struct kr_variant *validation = &spec->objective.validation;
    const char *pointer = "/objective/validation";
    bool *is_test, *is_validation;
    size_t *group;
    KR_ALLOC(ctx, is_test, data->n);
    KR_ALLOC(ctx, is_validation, data->n);
    KR_ALLOC(ctx, group, data->n);
    KR_TRY(kr_dataset_groups(ctx, data, group));
    KR_TRY(take_test(ctx, spec, data->n, group, is_test));
    KR_TRY(list(ctx, data->n, is_test, true, NULL, &out->test));
    KR_TRY(list(ctx, data->n, is_test, false, NULL, &out->fit));
    struct kr_rows rows = {data->n, out->fit.count, out->fit.items, is_test, group};
    KR_TRY(((const struct kr_validation_type *)validation->type)
               ->select(ctx, validation->options, &rows, pointer, is_validation));
    KR_TRY(list(ctx, data->n, is_validation, true, NULL, &out->validation));
    KR_TRY(list(ctx, data->n, is_validation, false, is_test, &out->train));
    if (out->validation.count < 1)
        return kr_fail(ctx, KR_INVALID, pointer, "must hold out at least one row, got none");
    if (out->train.count < 2)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must leave at least two training rows: %zu rows, %zu for tests, %zu held out",
                       data->n, out->test.count, out->validation.count);
    return KR_OK;
}
