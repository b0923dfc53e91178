/* CSV text at work: what its first pass found, and where its second one puts the cells. */
#ifndef KRIGED_DATA_CSV_ROWS_H
#define KRIGED_DATA_CSV_ROWS_H

#include "data/csv_reader.h"
#include "kriged/data.h"

enum { KR_CSV_POLL_ROWS = 4096 };
#define KR_CSV_NONE SIZE_MAX

struct csv {
    const char *text;
    size_t length;
    locale_t locale;
    bool header, features_only;
    size_t columns, rows;             /* rows: records without the header */
    size_t first_line;                /* line of the first record */
    const char **names;               /* of the columns; NULL without a header */
    size_t ntargets, *targets, noise; /* columns; noise may be NONE */
};

/* Where a column goes, and what it turned out to hold: features may hold texts instead of numbers. */
struct csv_column {
    double *to;
    bool feature, numbers;
    struct kr_coder *texts;
    struct kr_csv_cell first; /* text */
};

/* Pass 2, after the header: cell c of kept row i goes to columns[c].to[i]. *kept: the number of rows. */
kr_status kr_csv_read_rows(struct kr_ctx *ctx, const struct csv *csv, struct kr_csv_reader *reader,
                           bool drop_missing, struct csv_column *columns, size_t *kept) KR_MUST_CHECK;
/* The codes of texts, where there are some; out has n and d. */
kr_status kr_csv_finish_texts(struct kr_ctx *ctx, const struct csv *csv, const struct csv_column *columns,
                              struct kr_dataset *out) KR_MUST_CHECK;

#endif
