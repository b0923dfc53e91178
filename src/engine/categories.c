/* Texts of features on their way in: rows of bodies, points to predict at, descriptions of data sets. */
#include "engine/categories.h"

#include <stdlib.h>
#include <string.h>

static const char *text_at(const struct kr_table *rows, size_t i, size_t k)
{
    return rows->texts ? rows->texts[i * rows->cols + k] : NULL;
}

static char *cell(struct kr_ctx *ctx, const char *pointer, size_t i, size_t k)
{
    return kr_printf(ctx, "%s/%zu/%zu", pointer, i, k);
}

/* Column k, whose first cell is a text. */
static kr_status code_column(struct kr_ctx *ctx, const struct kr_table *rows, size_t k, const char *pointer,
                             double *x, struct kr_texts *out)
{
    struct kr_coder *coder;
    KR_TRY(kr_coder_new(ctx, &coder));
    for (size_t i = 0; i < rows->rows; i++) {
        const char *text = text_at(rows, i, k), *wrong;
        if (!text)
            return kr_fail(
                ctx, KR_INVALID, cell(ctx, pointer, i, k),
                "is a number, and the rows before have texts in this column; wanted numbers in every row, "
                "or texts, which are categories");
        KR_TRY(kr_coder_code(ctx, coder, text, strlen(text), &wrong, &x[i]));
        if (wrong)
            return kr_fail(ctx, KR_INVALID, cell(ctx, pointer, i, k), "%s", wrong);
    }
    return kr_coder_finish(ctx, coder, rows->rows, x, out);
}

kr_status kr_categories_take(struct kr_ctx *ctx, const struct kr_table *rows, const char *pointer, double *x,
                             const struct kr_texts **out)
{
    struct kr_texts *categories;
    *out = NULL;
    if (!rows->texts)
        return KR_OK;
    KR_ALLOC(ctx, categories, rows->cols);
    for (size_t k = 0; k < rows->cols; k++) {
        if (text_at(rows, 0, k)) {
            KR_TRY(code_column(ctx, rows, k, pointer, x + k * rows->rows, &categories[k]));
            continue;
        }
        for (size_t i = 1; i < rows->rows; i++)
            if (text_at(rows, i, k))
                return kr_fail(ctx, KR_INVALID, cell(ctx, pointer, i, k),
                               "must be a number, as in the rows before, got \"%.64s\"", text_at(rows, i, k));
    }
    *out = categories;
    return KR_OK;
}

static kr_status refuse_unknown(struct kr_ctx *ctx, const char *pointer, const char *text,
                                const struct kr_texts *known, const char *name)
{
    return kr_fail(ctx, KR_INVALID, pointer,
                   "must be one of the %zu categories of \"%.64s\" (\"%.64s\"%s), got %s", known->count, name,
                   known->items[0], known->count > 1 ? ", .." : "",
                   text ? kr_printf(ctx, "\"%.64s\"", text) : "a number");
}

kr_status kr_categories_find(struct kr_ctx *ctx, const struct kr_table *rows, const char *pointer,
                             const struct kr_texts *categories, const char *const *feature_names, double *x)
{
    for (size_t k = 0; k < rows->cols; k++) {
        const bool coded = categories && categories[k].count;
        for (size_t i = 0; (coded || rows->texts) && i < rows->rows; i++) {
            const char *text = text_at(rows, i, k);
            if (coded && (!text || !kr_category_find(&categories[k], text, &x[k * rows->rows + i])))
                return refuse_unknown(ctx, cell(ctx, pointer, i, k), text, &categories[k], feature_names[k]);
            if (!coded && text)
                return kr_fail(ctx, KR_INVALID, cell(ctx, pointer, i, k),
                               "must be a number: \"%.64s\" has no categories, got \"%.64s\"",
                               feature_names[k], text);
        }
    }
    return KR_OK;
}

kr_status kr_categories_stored(struct kr_ctx *ctx, const json_t *columns, size_t d,
                               const struct kr_texts **out)
{
    struct kr_texts *categories = NULL;
    *out = NULL;
    for (size_t k = 0; k < d; k++) {
        const json_t *texts = json_object_get(json_array_get(columns, k), "categories");
        if (!texts)
            continue;
        if (!categories)
            KR_ALLOC(ctx, categories, d);
        categories[k].count = json_array_size(texts);
        KR_ALLOC(ctx, categories[k].items, categories[k].count);
        for (size_t c = 0; c < categories[k].count; c++)
            categories[k].items[c] = json_string_value(json_array_get(texts, c));
    }
    *out = categories;
    return KR_OK;
}
