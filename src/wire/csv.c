/* Numbers of a reply as CSV (RFC 4180; lines end with a single line feed). */
#include "wire/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Quoted where commas, quotes or line breaks ask for it. */
static void put_name(FILE *out, const char *name)
{
    if (!name[strcspn(name, ",\"\r\n")]) {
        fputs(name, out);
        return;
    }
    putc('"', out);
    for (; *name; name++)
        fputs(*name == '"' ? "\"\"" : (const char[]){*name, 0}, out);
    putc('"', out);
}

static const json_t *cell(const struct kr_csv_column *column, size_t row)
{
    switch (column->shape) {
    case KR_CSV_BY_ROW:
        return json_array_get(json_array_get(column->values, row), column->index);
    case KR_CSV_BY_COLUMN:
        return json_array_get(json_array_get(column->values, column->index), row);
    default:
        return json_array_get(column->values, row);
    }
}

static void put_row(FILE *out, size_t row, size_t count, const struct kr_csv_column *columns)
{
    char number[WIRE_NUMBER_TEXT];
    for (size_t c = 0; c < count; c++) {
        const json_t *value = cell(&columns[c], row);
        if (c > 0)
            putc(',', out);
        if (json_is_number(value)) /* nothing for null */
            fwrite(number, 1, wire_number_text(json_number_value(value), number), out);
    }
    putc('\n', out);
}

char *kr_csv_dump(size_t rows, size_t count, const struct kr_csv_column *columns)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    for (size_t c = 0; c < count; c++) {
        if (c > 0)
            putc(',', out);
        put_name(out, columns[c].name);
    }
    putc('\n', out);
    for (size_t i = 0; i < rows; i++)
        put_row(out, i, count, columns);
    const bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
