/*
 * CSV text to a data set, in two passes over the text: the first finds the header, the number of rows and
 * ragged lines, so that the second can put each number where it stays. Memory: the numbers, 8 bytes each, and
 * the names.
 */
#include "kriged/data.h"

#include "data/csv_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256 };

/* A lone column often is a table with other separators. */
static kr_status refuse_one_column(struct kr_ctx *ctx, const struct kr_csv_cell *cell)
{
    const char *hint = "";
    if (memchr(cell->text, ';', cell->length))
        hint = "; cells are separated by commas, not by semicolons";
    else if (memchr(cell->text, '\t', cell->length))
        hint = "; cells are separated by commas, not by tabs";
    return kr_fail(ctx, KR_INVALID, "", "got one column, wanted at least a feature and a target%s", hint);
}

static kr_status measure_record(struct kr_ctx *ctx, struct csv *csv, struct kr_csv_reader *reader, bool first)
{
    struct kr_csv_cell cell;
    size_t line = reader->line, cells = 0;
    double value;
    do {
        KR_TRY(kr_csv_next(ctx, reader, &cell));
        cells++;
        if (first && kr_csv_value(&cell, csv->locale, &value) == KR_CSV_NUMBER)
            csv->header = false;
    } while (!cell.last);
    if (first) {
        csv->columns = cells;
        csv->first_line = line;
        return cells == 1 && !csv->features_only ? refuse_one_column(ctx, &cell) : KR_OK;
    }
    if (cells == csv->columns)
        return KR_OK;
    return kr_fail(ctx, KR_MALFORMED, "", "line %zu: got %zu cell%s, wanted %zu as in line %zu", line, cells,
                   cells == 1 ? "" : "s", csv->columns, csv->first_line);
}

/* Pass 1. */
static kr_status measure(struct kr_ctx *ctx, struct csv *csv)
{
    struct kr_csv_reader reader;
    size_t records = 0;
    kr_csv_open(&reader, csv->text, csv->length);
    csv->header = true;
    for (; kr_csv_record(&reader); records++) {
        if (records % KR_CSV_POLL_ROWS == 0)
            KR_TRY(kr_poll(ctx));
        KR_TRY(measure_record(ctx, csv, &reader, records == 0));
    }
    if (records == 0)
        return kr_fail(ctx, KR_INVALID, "", "the CSV text is empty; wanted at least one row of numbers");
    csv->rows = records - csv->header;
    if (csv->rows == 0)
        return kr_fail(ctx, KR_INVALID, "",
                       "the CSV text has a header but no rows; wanted at least one row of numbers");
    return KR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

/* Equal names become neighbours after sorting pointers to the names. */
static kr_status check_unique(struct kr_ctx *ctx, const struct csv *csv)
{
    struct kr_mark mark = kr_mark(ctx);
    const char *const **sorted;
    char shown[KR_SHOWN];
    KR_ALLOC(ctx, sorted, csv->columns);
    for (size_t c = 0; c < csv->columns; c++)
        sorted[c] = &csv->names[c];
    qsort(sorted, csv->columns, sizeof *sorted, compare_names);
    for (size_t c = 1; c < csv->columns; c++) {
        size_t a = (size_t)(sorted[c - 1] - csv->names), b = (size_t)(sorted[c] - csv->names);
        if (strcmp(csv->names[a], csv->names[b]) == 0)
            return kr_fail(ctx, KR_INVALID, "",
                           "line %zu: columns %zu and %zu are both called \"%s\"; wanted names that differ",
                           csv->first_line, (a < b ? a : b) + 1, (a < b ? b : a) + 1,
                           kr_shown(csv->names[a], strlen(csv->names[a]), shown));
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* Line breaks are fine: spreadsheets put them into quoted headers. */
static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\n' && c != '\r') || c == 0x7f;
}

static kr_status check_name(struct kr_ctx *ctx, const struct kr_csv_cell *cell)
{
    const char *end = cell->text + cell->length, *wrong = NULL;
    if (cell->length == 0)
        wrong = "the column has no name";
    else if (cell->length > NAME_BYTES)
        wrong = "the name of the column is longer than 256 bytes";
    size_t step = 1;
    for (const char *p = cell->text; p < end && !wrong; p += step) {
        step = kr_utf8_length(p, end);
        if (step == 0)
            wrong = "the name of the column is not UTF-8";
        else if (is_control((unsigned char)*p))
            wrong = "the name of the column has a control character";
    }
    if (!wrong)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, "",
                   "line %zu, column %zu: %s; the first line is the header, because it holds no number",
                   cell->line, cell->column, wrong);
}

static kr_status read_header(struct kr_ctx *ctx, struct csv *csv, struct kr_csv_reader *reader)
{
    struct kr_csv_cell cell;
    KR_ALLOC(ctx, csv->names, csv->columns);
    kr_csv_record(reader);
    for (size_t c = 0; c < csv->columns; c++) {
        KR_TRY(kr_csv_next(ctx, reader, &cell));
        KR_TRY(check_name(ctx, &cell));
        csv->names[c] = kr_csv_text(ctx, &cell);
        if (!csv->names[c])
            return ctx->error.status;
    }
    return check_unique(ctx, csv);
}

/* A header's name first, else a decimal index. */
static kr_status find_column(struct kr_ctx *ctx, const struct csv *csv, const char *role, const char *wanted,
                             size_t *out)
{
    char shown[KR_SHOWN];
    for (size_t c = 0; csv->names && c < csv->columns; c++)
        if (strcmp(csv->names[c], wanted) == 0) {
            *out = c;
            return KR_OK;
        }
    size_t length = strlen(wanted);
    kr_shown(wanted, length, shown);
    if (length > 0 && length < 10 && strspn(wanted, "0123456789") == length) {
        *out = strtoul(wanted, NULL, 10);
        if (*out < csv->columns)
            return KR_OK;
        return kr_fail(ctx, KR_INVALID, "", "%s: got column %s, wanted an index from 0 to %zu%s", role, shown,
                       csv->columns - 1, csv->names ? " or a name of the header" : "");
    }
    if (!csv->names)
        return kr_fail(ctx, KR_INVALID, "",
                       "%s: got \"%s\", but the text has no header; wanted a column index from 0 to %zu",
                       role, shown, csv->columns - 1);
    return kr_fail(ctx, KR_INVALID, "",
                   "%s: the header has no column \"%s\"; wanted one of its names or an index from 0 to %zu",
                   role, shown, csv->columns - 1);
}

/* Which target column c is; ntargets where it is none. */
static size_t target_at(const struct csv *csv, size_t c)
{
    size_t t = 0;
    while (t < csv->ntargets && csv->targets[t] != c)
        t++;
    return t;
}

/* A column that the header calls by the whole text, else every name or index between commas. */
static kr_status find_targets(struct kr_ctx *ctx, struct csv *csv, const char *wanted)
{
    bool whole = !strchr(wanted, ',');
    for (size_t c = 0; csv->names && c < csv->columns; c++)
        whole |= strcmp(csv->names[c], wanted) == 0;
    char *copy = kr_strdup(ctx, wanted);
    if (!copy)
        return ctx->error.status;
    for (char *at = copy, *end; at; at = end) {
        size_t c, t;
        end = whole ? NULL : strchr(at, ',');
        if (end)
            *end++ = 0;
        KR_TRY(find_column(ctx, csv, "target", at, &c));
        if ((t = target_at(csv, c)) < csv->ntargets)
            return kr_fail(ctx, KR_INVALID, "", "target: column %zu is target %zu already; wanted others", c,
                           t);
        csv->targets[csv->ntargets++] = c;
    }
    return KR_OK;
}

static kr_status choose_columns(struct kr_ctx *ctx, struct csv *csv, const struct kr_csv_options *options)
{
    csv->noise = KR_CSV_NONE;
    if (options->features_only)
        return KR_OK;
    if (options->noise_variance)
        KR_TRY(find_column(ctx, csv, "noise_variance", options->noise_variance, &csv->noise));
    KR_ALLOC(ctx, csv->targets, csv->columns);
    if (options->target)
        KR_TRY(find_targets(ctx, csv, options->target));
    else
        csv->targets[csv->ntargets++] = csv->columns - 1 - (csv->noise == csv->columns - 1);
    if (target_at(csv, csv->noise) < csv->ntargets)
        return kr_fail(ctx, KR_INVALID, "",
                       "column %zu is both the target and the noise variance; wanted two columns",
                       csv->noise);
    if (csv->noise != KR_CSV_NONE && csv->columns == 2)
        return kr_fail(ctx, KR_INVALID, "",
                       "got no feature: one column is the target and the other the noise variance; wanted a "
                       "third column");
    if (csv->ntargets + (csv->noise != KR_CSV_NONE) == csv->columns)
        return kr_fail(ctx, KR_INVALID, "", "got no feature: every column is a target or a noise variance");
    return KR_OK;
}

static kr_status name_targets(struct kr_ctx *ctx, const struct csv *csv, struct kr_dataset *out)
{
    const char **names;
    if (csv->ntargets)
        out->target_name = csv->names ? csv->names[csv->targets[0]] : csv->ntargets == 1 ? "y" : "y1";
    out->targets = csv->ntargets;
    if (csv->ntargets < 2)
        return KR_OK;
    KR_ALLOC(ctx, names, csv->ntargets);
    for (size_t t = 0; t < csv->ntargets; t++)
        if (!(names[t] = csv->names ? csv->names[csv->targets[t]] : kr_printf(ctx, "y%zu", t + 1)))
            return ctx->error.status;
    out->target_names = names;
    return KR_OK;
}

static kr_status name_columns(struct kr_ctx *ctx, const struct csv *csv, struct kr_dataset *out)
{
    const char **names;
    KR_ALLOC(ctx, names, out->d);
    for (size_t c = 0, k = 0; c < csv->columns; c++) {
        if (target_at(csv, c) < csv->ntargets || c == csv->noise)
            continue;
        names[k] = csv->names ? csv->names[c] : kr_printf(ctx, "x%zu", k + 1);
        if (!names[k++])
            return ctx->error.status;
    }
    out->feature_names = names;
    return name_targets(ctx, csv, out);
}

static kr_status from_csv(struct kr_ctx *ctx, struct csv *csv, const struct kr_csv_options *options,
                          struct kr_dataset *out, size_t *dropped)
{
    struct kr_csv_reader reader;
    struct csv_column *columns;
    double *x, *y = NULL, *noise = NULL;
    KR_TRY(measure(ctx, csv));
    kr_csv_open(&reader, csv->text, csv->length);
    if (csv->header)
        KR_TRY(read_header(ctx, csv, &reader));
    KR_TRY(choose_columns(ctx, csv, options));
    const size_t q = csv->ntargets, d = csv->columns - q - (csv->noise != KR_CSV_NONE), n = csv->rows;
    size_t kept = 0;
    KR_ALLOC(ctx, columns, csv->columns);
    KR_ALLOC(ctx, x, d * n); /* no overflow: the text holds more than d n bytes */
    if (q)
        KR_ALLOC(ctx, y, n * q);
    if (csv->noise != KR_CSV_NONE)
        KR_ALLOC(ctx, noise, n);
    for (size_t c = 0, k = 0; c < csv->columns; c++) {
        const size_t t = target_at(csv, c);
        columns[c].feature = t == q && c != csv->noise;
        columns[c].to = t < q ? y + n * t : c == csv->noise ? noise : x + n * k++;
    }
    KR_TRY(kr_csv_read_rows(ctx, csv, &reader, options->drop_missing, columns, &kept));
    *out = (struct kr_dataset){.n = kept, .d = d, .x = x, .y = y, .noise_variance = noise};
    KR_TRY(kr_csv_finish_texts(ctx, csv, columns, out));
    for (size_t k = 1; k < d && kept < n; k++)
        memmove(x + k * kept, x + k * n, kept * sizeof *x);
    for (size_t t = 1; t < q && kept < n; t++)
        memmove(y + t * kept, y + t * n, kept * sizeof *y);
    if (dropped)
        *dropped = n - kept;
    return name_columns(ctx, csv, out);
}

kr_status kr_dataset_from_csv(struct kr_ctx *ctx, const char *text, size_t length,
                              const struct kr_csv_options *options, struct kr_dataset *out, size_t *dropped)
{
    struct csv csv = {.text = text,
                      .length = length,
                      .features_only = options->features_only,
                      .locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (!csv.locale)
        return kr_fail(ctx, KR_INTERNAL, "", "the C locale cannot be loaded");
    kr_status status = from_csv(ctx, &csv, options, out, dropped);
    freelocale(csv.locale);
    return status;
}

bool kr_csv_has_header(const char *text, size_t length)
{
    struct kr_csv_reader reader;
    struct kr_csv_cell cell;
    struct kr_ctx ctx;
    double value;
    bool header = true;
    const locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    kr_ctx_init(&ctx, 0);
    kr_csv_open(&reader, text, length);
    for (bool more = kr_csv_record(&reader); more && header;) {
        more = kr_csv_next(&ctx, &reader, &cell) == KR_OK && !cell.last;
        header = ctx.error.status == KR_OK && kr_csv_value(&cell, locale, &value) != KR_CSV_NUMBER;
    }
    kr_ctx_fini(&ctx);
    freelocale(locale);
    return header;
}
