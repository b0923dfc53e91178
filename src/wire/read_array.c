/* Arrays and maps of plain values. A matrix is checked for its shape before it gets memory: m x n is what a
 * body of m + n may claim. */
#include "wire/impl.h"

static kr_status read_ints(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                           const struct wire_path *path, struct kr_ints *out)
{
    out->count = json_array_size(json);
    KR_ALLOC(ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        uint64_t value = 0;
        KR_TRY(wire_read_integer(ctx, field, json_array_get(json, i), &at, &value));
        out->items[i] = value;
    }
    return KR_OK;
}

static kr_status read_numbers(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                              const struct wire_path *path, double *out)
{
    const size_t count = json_array_size(json);
    for (size_t i = 0; i < count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(wire_read_real(ctx, field, json_array_get(json, i), &at, &out[i]));
    }
    return KR_OK;
}

static kr_status read_reals(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                            const struct wire_path *path, struct kr_reals *out)
{
    out->count = json_array_size(json);
    KR_ALLOC(ctx, out->items, out->count);
    return read_numbers(ctx, field, json, path, out->items);
}

static kr_status check_rows(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path)
{
    if (json_array_size(json) == 0)
        return wire_refuse(ctx, path, "must have at least one row");
    const size_t cols = json_array_size(json_array_get(json, 0));
    for (size_t i = 0; i < json_array_size(json); i++) {
        const struct wire_path at = {path, NULL, i};
        const json_t *row = json_array_get(json, i);
        if (!json_is_array(row))
            return wire_refuse_type(ctx, &at, "an array", row);
        if (json_array_size(row) == 0)
            return wire_refuse(ctx, &at, "must have at least one number");
        if (json_array_size(row) != cols)
            return wire_refuse(ctx, &at, "must be as long as the first row: %zu numbers, got %zu", cols,
                               json_array_size(row));
    }
    return KR_OK;
}

static kr_status read_matrix(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                             const struct wire_path *path, struct kr_matrix *out)
{
    KR_TRY(check_rows(ctx, json, path));
    out->rows = json_array_size(json);
    out->cols = json_array_size(json_array_get(json, 0));
    KR_ALLOC(ctx, out->items, out->rows * out->cols);
    for (size_t i = 0; i < out->rows; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(read_numbers(ctx, field, json_array_get(json, i), &at, out->items + i * out->cols));
    }
    return KR_OK;
}

/* Cells of a row of a table; *texts comes into being with the first text. */
static kr_status read_cells(struct kr_ctx *ctx, const struct kr_field *field, const json_t *row,
                            const struct wire_path *path, size_t first, struct kr_table *out)
{
    for (size_t k = 0; k < out->cols; k++) {
        const struct wire_path at = {path, NULL, k};
        json_t *cell = json_array_get(row, k);
        if (!json_is_string(cell)) {
            if (!json_is_number(cell))
                return wire_refuse_type(ctx, &at, "a number or a text", cell);
            KR_TRY(wire_read_real(ctx, field, cell, &at, &out->items[first + k]));
            continue;
        }
        if (!out->texts)
            KR_ALLOC(ctx, out->texts, out->rows * out->cols);
        KR_TRY(wire_read_text(ctx, cell, &at, &out->texts[first + k]));
        out->items[first + k] = __builtin_nan("");
    }
    return KR_OK;
}

static kr_status read_table(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                            const struct wire_path *path, struct kr_table *out)
{
    KR_TRY(check_rows(ctx, json, path));
    *out = (struct kr_table){json_array_size(json), json_array_size(json_array_get(json, 0)), NULL, NULL};
    KR_ALLOC(ctx, out->items, out->rows * out->cols);
    for (size_t i = 0; i < out->rows; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(read_cells(ctx, field, json_array_get(json, i), &at, i * out->cols, out));
    }
    return KR_OK;
}

static kr_status read_int_lists(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                                const struct wire_path *path, struct kr_int_lists *out)
{
    out->count = json_array_size(json);
    KR_ALLOC(ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        const json_t *list = json_array_get(json, i);
        if (!json_is_array(list))
            return wire_refuse_type(ctx, &at, "an array", list);
        KR_TRY(read_ints(ctx, field, list, &at, &out->items[i]));
    }
    return KR_OK;
}

static kr_status read_texts(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                            struct kr_texts *out)
{
    out->count = json_array_size(json);
    KR_ALLOC(ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++) {
        const struct wire_path at = {path, NULL, i};
        KR_TRY(wire_read_text(ctx, json_array_get(json, i), &at, &out->items[i]));
    }
    return KR_OK;
}

static kr_status read_map(struct kr_ctx *ctx, json_t *json, const struct wire_path *path, struct kr_map *out)
{
    const char *name;
    json_t *value;
    size_t i = 0;
    KR_ALLOC(ctx, out->names, json_object_size(json));
    KR_ALLOC(ctx, out->texts, json_object_size(json));
    json_object_foreach(json, name, value)
    {
        const struct wire_path at = {path, name, 0};
        if (!(out->names[i] = kr_strdup(ctx, name)))
            return ctx->error.status;
        KR_TRY(wire_read_text(ctx, value, &at, &out->texts[i]));
        out->count = ++i;
    }
    return KR_OK;
}

static kr_status read_values(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                             const struct wire_path *path, struct kr_values *out)
{
    const char *name, **names;
    double *values;
    json_t *value;
    size_t i = 0;
    KR_ALLOC(ctx, names, json_object_size(json));
    KR_ALLOC(ctx, values, json_object_size(json));
    json_object_foreach(json, name, value)
    {
        const struct wire_path at = {path, name, 0};
        if (!(names[i] = kr_strdup(ctx, name)))
            return ctx->error.status;
        values[i] = __builtin_nan(""); /* what is written as null, where no range wants a number */
        if (!json_is_null(value) || wire_has_range(field))
            KR_TRY(wire_read_real(ctx, field, value, &at, &values[i]));
        i++;
    }
    *out = (struct kr_values){i, names, values};
    return KR_OK;
}

/* One column may come as plain numbers. */
static kr_status read_vectors(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                              const struct wire_path *path, struct kr_matrix *out)
{
    struct kr_reals column;
    if (json_is_array(json_array_get(json, 0)))
        return read_matrix(ctx, field, json, path, out);
    KR_TRY(read_reals(ctx, field, json, path, &column));
    *out = (struct kr_matrix){column.count, 1, column.items};
    return KR_OK;
}

static kr_status read_scalars(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                              const struct wire_path *path, struct kr_reals *out)
{
    if (json_is_array(json))
        return read_reals(ctx, field, json, path, out);
    out->count = 1;
    KR_ALLOC(ctx, out->items, 1);
    return wire_read_real(ctx, field, json, path, out->items);
}

kr_status wire_read_array(struct kr_ctx *ctx, const struct kr_field *field, json_t *json,
                          const struct wire_path *path, void *out)
{
    const bool object = field->kind == KR_KIND_MAP || field->kind == KR_KIND_VALUES;
    if (field->kind == KR_KIND_SCALARS)
        return read_scalars(ctx, field, json, path, out);
    if (object ? !json_is_object(json) : !json_is_array(json))
        return wire_refuse_type(ctx, path, object ? "an object" : "an array", json);
    switch (field->kind) {
    case KR_KIND_INTS:
        return read_ints(ctx, field, json, path, out);
    case KR_KIND_INT_LISTS:
        return read_int_lists(ctx, field, json, path, out);
    case KR_KIND_REALS:
        return read_reals(ctx, field, json, path, out);
    case KR_KIND_MATRIX:
        return read_matrix(ctx, field, json, path, out);
    case KR_KIND_VECTORS:
        return read_vectors(ctx, field, json, path, out);
    case KR_KIND_TABLE:
        return read_table(ctx, field, json, path, out);
    case KR_KIND_TEXTS:
        return read_texts(ctx, json, path, out);
    case KR_KIND_MAP:
        return read_map(ctx, json, path, out);
    default:
        return read_values(ctx, field, json, path, out);
    }
}
