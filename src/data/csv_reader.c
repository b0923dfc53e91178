/*
 * The grammar of RFC 4180, with three allowances: lines may end with LF, CRLF or CR, a byte-order mark may
 * come first, and blanks around a cell do not count.
 */
#include "data/csv_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void kr_csv_open(struct kr_csv_reader *reader, const char *text, size_t length)
{
    *reader = (struct kr_csv_reader){text, text + length, 1, 1};
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader->at += 3;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static void skip_line_end(struct kr_csv_reader *reader)
{
    if (reader->at[0] == '\r' && reader->end - reader->at > 1 && reader->at[1] == '\n')
        reader->at++;
    reader->at++;
    reader->line++;
}

bool kr_csv_record(struct kr_csv_reader *reader)
{
    reader->column = 1;
    for (;;) {
        const char *p = reader->at;
        while (p < reader->end && is_blank(*p))
            p++;
        if (p == reader->end)
            return false;
        if (!is_line_end(*p))
            return true;
        reader->at = p;
        skip_line_end(reader);
    }
}

static kr_status read_quoted(struct kr_ctx *ctx, struct kr_csv_reader *reader, struct kr_csv_cell *cell)
{
    const char *p = ++reader->at;
    cell->quoted = true;
    cell->text = p;
    while (p < reader->end && (*p != '"' || (reader->end - p > 1 && p[1] == '"'))) {
        if (*p == '"')
            p++;
        if (*p == '\n' || (*p == '\r' && p + 1 < reader->end && p[1] != '\n'))
            reader->line++;
        p++;
    }
    if (p >= reader->end)
        return kr_fail(ctx, KR_MALFORMED, "",
                       "line %zu, column %zu: the quote that opens this cell is never closed", cell->line,
                       cell->column);
    cell->length = (size_t)(p - cell->text);
    for (p++; p < reader->end && is_blank(*p); p++)
        ;
    reader->at = p;
    if (p < reader->end && *p != ',' && !is_line_end(*p))
        return kr_fail(
            ctx, KR_MALFORMED, "",
            "line %zu, column %zu: text follows the closing quote; wanted a comma or the end of the line "
            "(a quote inside a quoted cell is doubled)",
            reader->line, cell->column);
    return KR_OK;
}

static kr_status read_plain(struct kr_ctx *ctx, struct kr_csv_reader *reader, struct kr_csv_cell *cell)
{
    const char *p = reader->at;
    cell->text = p;
    for (; p < reader->end && *p != ',' && !is_line_end(*p); p++)
        if (*p == '"')
            return kr_fail(ctx, KR_MALFORMED, "",
                           "line %zu, column %zu: a quote inside a cell that is not quoted; "
                           "wanted the whole cell in quotes and inner quotes doubled",
                           cell->line, cell->column);
    reader->at = p;
    while (p > cell->text && is_blank(p[-1]))
        p--;
    cell->length = (size_t)(p - cell->text);
    return KR_OK;
}

kr_status kr_csv_next(struct kr_ctx *ctx, struct kr_csv_reader *reader, struct kr_csv_cell *cell)
{
    *cell = (struct kr_csv_cell){.line = reader->line, .column = reader->column++};
    while (reader->at < reader->end && is_blank(*reader->at))
        reader->at++;
    if (reader->at < reader->end && *reader->at == '"')
        KR_TRY(read_quoted(ctx, reader, cell));
    else
        KR_TRY(read_plain(ctx, reader, cell));
    cell->last = reader->at == reader->end || *reader->at != ',';
    if (!cell->last)
        reader->at++;
    else if (reader->at < reader->end)
        skip_line_end(reader);
    return KR_OK;
}

enum kr_csv_value kr_csv_value(const struct kr_csv_cell *cell, locale_t c_locale, double *value)
{
    const char *text = cell->text;
    size_t length = cell->length;
    while (length && is_blank(*text))
        text++, length--;
    while (length && is_blank(text[length - 1]))
        length--;
    char copy[512], *end;
    if (length == 0)
        return KR_CSV_MISSING;
    if (length >= sizeof copy)
        return KR_CSV_TEXT;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const char *word = copy + (*copy == '-' || *copy == '+');
    if (strcasecmp(copy, "na") == 0 || strcasecmp(word, "nan") == 0)
        return KR_CSV_MISSING;
    if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        return KR_CSV_INFINITE;
    /* strtod reads more than decimal notation: hexadecimal, nan(...), leading white space of any kind. */
    if (strspn(copy, "0123456789+-.eE") != length)
        return KR_CSV_TEXT;
    double number = strtod_l(copy, &end, c_locale);
    if (end != copy + length)
        return KR_CSV_TEXT;
    if (!isfinite(number))
        return KR_CSV_INFINITE;
    *value = number;
    return KR_CSV_NUMBER;
}

char *kr_csv_text(struct kr_ctx *ctx, const struct kr_csv_cell *cell)
{
    char *copy = kr_alloc(ctx, cell->length + 1, 1), *to = copy;
    if (!copy)
        return NULL;
    for (size_t i = 0; i < cell->length; i++) {
        *to++ = cell->text[i];
        if (cell->quoted && cell->text[i] == '"')
            i++;
    }
    return copy;
}

size_t kr_utf8_length(const char *text, const char *end)
{
    unsigned char c = (unsigned char)*text;
    size_t length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (length > (size_t)(end - text))
        return 0;
    for (size_t i = 1; i < length; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    unsigned char second = length > 1 ? (unsigned char)text[1] : 0;
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
        (c == 0xf4 && second > 0x8f))
        return 0;
    return length;
}

const char *kr_shown(const char *text, size_t length, char buffer[KR_SHOWN])
{
    const char *end = text + length;
    size_t used = 0;
    while (text < end) {
        size_t bytes = kr_utf8_length(text, end), step = bytes ? bytes : 1;
        if (used + step > KR_SHOWN - 8) {
            memcpy(buffer + used, "...", 3);
            used += 3;
            break;
        }
        if (bytes == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            buffer[used] = '?';
        else
            memcpy(buffer + used, text, bytes);
        used += step;
        text += step;
    }
    buffer[used] = '\0';
    return buffer;
}
