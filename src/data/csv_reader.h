/* Cells of CSV text, one after the other, without copying. */
#ifndef KRIGED_DATA_CSV_READER_H
#define KRIGED_DATA_CSV_READER_H

#include "kriged/base.h"

#include <locale.h>

struct kr_csv_reader {
    const char *at, *end;
    size_t line, column; /* where `at` is, from 1; columns count cells */
};

struct kr_csv_cell {
    const char *text; /* between the quotes, doubled quotes still doubled; blanks around it left out */
    size_t length;
    size_t line, column; /* where it begins, from 1 */
    bool quoted;
    bool last; /* the record ends with it */
};

enum kr_csv_value {
    KR_CSV_NUMBER,
    KR_CSV_MISSING,  /* empty, NA or NaN */
    KR_CSV_INFINITE, /* inf, or beyond the range of double */
    KR_CSV_TEXT
};

void kr_csv_open(struct kr_csv_reader *reader, const char *text, size_t length);
/* Moves to the next record, over blank lines; false when there is none. */
bool kr_csv_record(struct kr_csv_reader *reader);
/* The next cell of the record; MALFORMED for quotes that do not match. */
kr_status kr_csv_next(struct kr_ctx *ctx, struct kr_csv_reader *reader,
                      struct kr_csv_cell *cell) KR_MUST_CHECK;

/* Decimal notation of the C locale; `value` is set for a NUMBER only. */
enum kr_csv_value kr_csv_value(const struct kr_csv_cell *cell, locale_t c_locale, double *value);
/* The cell as a text of its own, quotes undoubled. NULL when the arena is exhausted. */
char *kr_csv_text(struct kr_ctx *ctx, const struct kr_csv_cell *cell);

/* Length of the UTF-8 sequence at `text`, 0 when it is none. */
size_t kr_utf8_length(const char *text, const char *end);
/* `text` for a message: at most 40 bytes, whole characters, "?" for what cannot be printed. */
enum { KR_SHOWN = 48 };
const char *kr_shown(const char *text, size_t length, char buffer[KR_SHOWN]);

#endif
