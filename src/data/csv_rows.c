/*
 * The second pass over CSV text: numbers to where they stay, texts of features to codes of categories, and
 * what is neither refused by line and column. A feature is of texts when its first cell is one; then all must
 * be.
 */
#include "data/csv_rows.h"

#include <stdio.h>
#include <string.h>

/* "line 3, column 2 ("age"): "x" " of a cell, for messages. */
static const char *place_of(struct kr_ctx *ctx, const struct csv *csv, const struct kr_csv_cell *cell)
{
    char got[KR_SHOWN], shown[KR_SHOWN];
    const char *name = csv->names ? csv->names[cell->column - 1] : NULL;
    kr_shown(cell->text, cell->length, got);
    if (!name)
        return kr_printf(ctx, "line %zu, column %zu: \"%s\"", cell->line, cell->column, got);
    return kr_printf(ctx, "line %zu, column %zu (\"%s\"): \"%s\"", cell->line, cell->column,
                     kr_shown(name, strlen(name), shown), got);
}

static kr_status refuse_cell(struct kr_ctx *ctx, const struct csv *csv, const struct kr_csv_cell *cell,
                             enum kr_csv_value kind)
{
    char name[KR_SHOWN + 8] = "", got[KR_SHOWN], shown[KR_SHOWN];
    const char *column = csv->names ? csv->names[cell->column - 1] : NULL;
    if (column)
        snprintf(name, sizeof name, " (\"%s\")", kr_shown(column, strlen(column), shown));
    kr_shown(cell->text, cell->length, got);
    if (kind == KR_CSV_MISSING)
        return kr_fail(ctx, KR_INVALID, "",
                       "line %zu, column %zu%s: the value is missing (\"%s\"); wanted a number "
                       "(or ask that rows with missing values be dropped)",
                       cell->line, cell->column, name, got);
    if (kind == KR_CSV_INFINITE)
        return kr_fail(ctx, KR_INVALID, "",
                       "line %zu, column %zu%s: \"%s\" is not finite; wanted a finite number", cell->line,
                       cell->column, name, got);
    if (kind == KR_CSV_NUMBER)
        return kr_fail(ctx, KR_INVALID, "",
                       "line %zu, column %zu%s: the noise variance is %s; wanted at least 0", cell->line,
                       cell->column, name, got);
    bool hint = !csv->header && cell->line == csv->first_line;
    return kr_fail(ctx, KR_MALFORMED, "", "line %zu, column %zu%s: \"%s\" is not a number%s", cell->line,
                   cell->column, name, got,
                   hint ? "; the first line is taken for data, because it holds a number" : "");
}

static kr_status code_text(struct kr_ctx *ctx, const struct csv *csv, const struct kr_csv_cell *cell,
                           struct csv_column *column, size_t i)
{
    const char *wrong, *text = cell->text;
    size_t length = cell->length;
    if (!column->texts) {
        KR_TRY(kr_coder_new(ctx, &column->texts));
        column->first = *cell;
    }
    if (cell->quoted && memchr(text, '"', length)) {
        if (!(text = kr_csv_text(ctx, cell)))
            return ctx->error.status;
        length = strlen(text);
    }
    KR_TRY(kr_coder_code(ctx, column->texts, text, length, &wrong, &column->to[i]));
    return wrong ? kr_fail(ctx, KR_INVALID, "", "%s %s", place_of(ctx, csv, cell), wrong) : KR_OK;
}

/* A text on the first line, and numbers below: a header that holds a number. */
static kr_status refuse_number(struct kr_ctx *ctx, const struct csv *csv, const struct kr_csv_cell *cell,
                               const struct csv_column *column)
{
    if (!csv->header && column->first.line == csv->first_line)
        return refuse_cell(ctx, csv, &column->first, KR_CSV_TEXT);
    return kr_fail(ctx, KR_INVALID, "",
                   "%s is a number, and line %zu has a text in this column; wanted numbers in every row, or "
                   "texts, which are categories",
                   place_of(ctx, csv, cell), column->first.line);
}

/* Cell c of row i. */
static kr_status take_cell(struct kr_ctx *ctx, const struct csv *csv, const struct kr_csv_cell *cell,
                           struct csv_column *column, size_t i, bool drop_missing, bool *missing)
{
    const enum kr_csv_value kind = kr_csv_value(cell, csv->locale, &column->to[i]);
    if (kind == KR_CSV_TEXT && column->feature && !column->numbers)
        return code_text(ctx, csv, cell, column, i);
    if (kind == KR_CSV_MISSING && drop_missing) {
        *missing = true;
        return KR_OK;
    }
    if (kind == KR_CSV_NUMBER && column->texts)
        return refuse_number(ctx, csv, cell, column);
    if (kind != KR_CSV_NUMBER || (cell->column - 1 == csv->noise && column->to[i] < 0))
        return refuse_cell(ctx, csv, cell, kind);
    column->numbers = true;
    return KR_OK;
}

kr_status kr_csv_read_rows(struct kr_ctx *ctx, const struct csv *csv, struct kr_csv_reader *reader,
                           bool drop_missing, struct csv_column *columns, size_t *kept)
{
    size_t i = 0;
    struct kr_csv_cell cell;
    for (size_t row = 0; kr_csv_record(reader); row++) {
        bool missing = false;
        if (row % KR_CSV_POLL_ROWS == 0)
            KR_TRY(kr_poll(ctx));
        for (size_t c = 0; c < csv->columns; c++) {
            KR_TRY(kr_csv_next(ctx, reader, &cell));
            KR_TRY(take_cell(ctx, csv, &cell, &columns[c], i, drop_missing, &missing));
        }
        i += !missing;
    }
    *kept = i;
    if (i == 0)
        return kr_fail(ctx, KR_INVALID, "",
                       "every row has a missing value; wanted at least one complete row");
    return KR_OK;
}

kr_status kr_csv_finish_texts(struct kr_ctx *ctx, const struct csv *csv, const struct csv_column *columns,
                              struct kr_dataset *out)
{
    struct kr_texts *categories = NULL;
    for (size_t c = 0, k = 0; c < csv->columns; c++) {
        if (columns[c].texts) {
            if (!categories)
                KR_ALLOC(ctx, categories, out->d);
            KR_TRY(kr_coder_finish(ctx, columns[c].texts, out->n, columns[c].to, &categories[k]));
        }
        k += columns[c].feature;
    }
    out->categories = categories;
    return KR_OK;
}
