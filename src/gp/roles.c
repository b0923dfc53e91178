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
    if (validation && validation->explicit_rows) {
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

/* The rows of each fold, fold after fold, and their places among the rows that train. */
static kr_status list_folds(struct kr_ctx *ctx, size_t n, const size_t *fold, struct roles *out)
{
    struct kr_folds *folds = &out->folds;
    size_t *next, held_out = 0, place = 0;
    for (size_t row = 0; row < n; row++) {
        held_out += fold[row] > 0;
        folds->count = fold[row] > folds->count ? fold[row] : folds->count;
    }
    KR_ALLOC(ctx, folds->first, folds->count + 1);
    KR_ALLOC(ctx, folds->at, held_out);
    KR_ALLOC(ctx, out->validation.items, held_out);
    KR_ALLOC(ctx, next, folds->count + 1);
    for (size_t row = 0; row < n; row++)
        if (fold[row])
            folds->first[fold[row]]++;
    for (size_t f = 0; f < folds->count; f++)
        next[f] = folds->first[f + 1] += folds->first[f];
    for (size_t f = folds->count; f-- > 0;)
        next[f] = folds->first[f];
    for (size_t row = 0; row < n; row++) {
        if (place < out->fit.count && out->fit.items[place] == row) {
            if (fold[row]) {
                const size_t j = next[fold[row] - 1]++;
                out->validation.items[j] = row;
                folds->at[j] = place;
            }
            place++;
        }
    }
    out->validation.count = held_out;
    out->train = out->fit;
    return KR_OK;
}

/* Whatever a fold leaves must still train. */
static kr_status check_folds(struct kr_ctx *ctx, const struct roles *roles, const char *pointer)
{
    for (size_t f = 0; f < roles->folds.count; f++) {
        const size_t size = roles->folds.first[f + 1] - roles->folds.first[f];
        if (roles->fit.count < size + 2)
            return kr_fail(ctx, KR_INVALID, pointer,
                           "fold %zu holds %zu of %zu rows out: at least two must be left to train", f, size,
                           roles->fit.count);
    }
    return KR_OK;
}

static kr_status hold_out(struct kr_ctx *ctx, const struct kr_dataset *data, const size_t *fold,
                          const bool *is_test, const char *pointer, struct roles *out)
{
    bool *is_validation;
    KR_ALLOC(ctx, is_validation, data->n);
    for (size_t row = 0; row < data->n; row++)
        is_validation[row] = fold[row] > 0;
    KR_TRY(list(ctx, data->n, is_validation, true, NULL, &out->validation));
    KR_TRY(list(ctx, data->n, is_validation, false, is_test, &out->train));
    if (out->train.count < 2)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must leave at least two training rows: %zu rows, %zu for tests, %zu held out",
                       data->n, out->test.count, out->validation.count);
    return KR_OK;
}

/* All that is not a test row trains. */
static kr_status hold_out_elsewhere(struct kr_ctx *ctx, struct roles *out)
{
    out->train = out->fit;
    if (out->fit.count < 2)
        return kr_fail(ctx, KR_INVALID, "/test", "must leave at least two training rows, got %zu",
                       out->fit.count);
    return KR_OK;
}

/* Evidence without a validation. */
static kr_status hold_nothing_out(struct kr_ctx *ctx, const struct kr_gp_spec *spec, struct roles *out)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)spec->objective.loss.type;
    if (loss->eval)
        return kr_fail(ctx, KR_INVALID, "/objective/validation",
                       "is required: %s is a loss of rows that are held out", loss->base.name);
    return hold_out_elsewhere(ctx, out);
}

kr_status kr_gp_roles(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                      struct roles *out)
{
    const struct kr_variant *validation = &spec->objective.validation;
    const struct kr_validation_type *type = (const struct kr_validation_type *)validation->type;
    const char *pointer = "/objective/validation";
    bool *is_test;
    size_t *group, *fold;
    *out = (struct roles){.form = type ? type->form : KR_HOLD_OUT};
    KR_ALLOC(ctx, is_test, data->n);
    KR_ALLOC(ctx, fold, data->n);
    KR_ALLOC(ctx, group, data->n);
    KR_TRY(kr_dataset_groups(ctx, data, group));
    KR_TRY(take_test(ctx, spec, data->n, group, is_test));
    KR_TRY(list(ctx, data->n, is_test, true, NULL, &out->test));
    KR_TRY(list(ctx, data->n, is_test, false, NULL, &out->fit));
    if (!type)
        return hold_nothing_out(ctx, spec, out);
    if (!type->select)
        return hold_out_elsewhere(ctx, out);
    struct kr_rows rows = {data, out->fit.count, out->fit.items, is_test, group};
    KR_TRY(type->select(ctx, validation->options, &rows, pointer, fold));
    if (type->form == KR_FOLDS)
        KR_TRY(list_folds(ctx, data->n, fold, out));
    else
        KR_TRY(hold_out(ctx, data, fold, is_test, pointer, out));
    if (out->validation.count < 1)
        return kr_fail(ctx, KR_INVALID, pointer, "must hold out at least one row, got none");
    return check_folds(ctx, out, pointer);
}
