/*
 * data: tables of numbers, before any model sees them.
 *
 *   dataset   n rows of d features and one target or several, from CSV text, arrays or a mapped .npy pair
 *   summary   per-column min, max, mean, sd and the warnings that an upload deserves
 *   groups    which rows have identical inputs
 *   split     seeded draws of rows that keep such groups together
 *   scaling   standardisation constants
 */
#ifndef KRIGED_DATA_H
#define KRIGED_DATA_H

#include "kriged/fields.h"

/* Rows are data rows, from 0; features are counted without the target, from 0. */
struct kr_dataset {
    size_t n, d;
    const double *x;                   /* feature-major: x[k * n + i] is feature k of row i */
    const double *y;                   /* n targets; of several, y[t * n + i] is target t of row i */
    const double *noise_variance;      /* n known variances in the target's units squared, or NULL */
    const char *const *feature_names;  /* d names, unique */
    const char *target_name;           /* of several, the first one's */
    void *mapping;                     /* set when x and y are mapped files: kr_dataset_unmap */
    size_t targets;                    /* 0 counts as 1 */
    const char *const *target_names;   /* of several, unique; NULL where there is one */
    const struct kr_texts *categories; /* d: the texts that a feature's codes stand for, none of numbers;
                                          NULL: all are numbers */
};

/* Does feature k hold the codes of categories? */
static inline bool kr_dataset_categorical(const struct kr_dataset *data, size_t k)
{
    return data->categories && data->categories[k].count;
}

static inline size_t kr_dataset_targets(const struct kr_dataset *data)
{
    return data->targets ? data->targets : 1;
}

/* A copy in the arena of the name of target t; NULL when the arena is full. */
char *kr_dataset_target(struct kr_ctx *ctx, const struct kr_dataset *data, size_t t);

/* ---- categories ---- */

/*
 * A column of texts is kept as codes 0, 1, .. of its texts in the order of their bytes (UTF-8). A coder is
 * fed the texts cell by cell and gives provisional codes; finish makes those of n cells final. *wrong (NULL
 * where all is well) says in words why a text is no category: too long, not UTF-8, or one too many.
 */
enum { KR_MOST_CATEGORIES = 1000, KR_CATEGORY_BYTES = 256 };
struct kr_coder;
kr_status kr_coder_new(struct kr_ctx *ctx, struct kr_coder **out) KR_MUST_CHECK;
kr_status kr_coder_code(struct kr_ctx *ctx, struct kr_coder *coder, const char *text, size_t length,
                        const char **wrong, double *code) KR_MUST_CHECK;
kr_status kr_coder_finish(struct kr_ctx *ctx, const struct kr_coder *coder, size_t n, double *codes,
                          struct kr_texts *out) KR_MUST_CHECK;
/* The code of a text; false where it is none of the categories. */
bool kr_category_find(const struct kr_texts *categories, const char *text, double *code);

/* ---- CSV ---- */

struct kr_csv_options {
    const char *target;         /* a name, an index as text, or several with commas between; NULL = last
                                   column not otherwise named */
    const char *noise_variance; /* a name or index as text; NULL = none */
    bool drop_missing;          /* rows with an empty, NA or NaN cell are dropped instead of refused */
    bool features_only; /* every column is a feature: points to predict at. y and target_name stay NULL */
};

/*
 * CSV (RFC 4180: quotes, CRLF; a UTF-8 byte-order mark is skipped; no trailing empty line needed). The first
 * line is a header when none of its cells is a number; otherwise features are named x1.. and the target y.
 * A feature whose cells are texts, none of them a number, is one of categories; NA and NaN are missing there
 * too. Errors name line and column ("line 7, column 3 (\"age\"): ..."): MALFORMED for ragged or unreadable
 * text, INVALID for non-finite numbers, numbers among texts, unknown columns, fewer than 1 feature or 1 row,
 * negative noise variances. *dropped, when not NULL, receives the number of rows dropped. All memory from the
 * arena.
 */
kr_status kr_dataset_from_csv(struct kr_ctx *ctx, const char *text, size_t length,
                              const struct kr_csv_options *options, struct kr_dataset *out,
                              size_t *dropped) KR_MUST_CHECK;

/* Is the first line a header? What cannot be read has none, and kr_dataset_from_csv says why. */
bool kr_csv_has_header(const char *text, size_t length);

/*
 * A directory with x.npy (d x n: one feature after the other, float64, C order), y.npy (n; of several targets
 * targets x n, one after the other) and, when present,
 * noise.npy (n): NPY format 1.0, little-endian. Save writes and syncs the files into an existing empty
 * directory, and the directory; map opens them read-only without copying and checks shapes against file sizes
 * (IO trouble: STORAGE; damage: INTERNAL). Names are not in the files: feature_names and target_name stay as
 * the caller sets them.
 */
kr_status kr_dataset_save(struct kr_ctx *ctx, const struct kr_dataset *data,
                          const char *directory) KR_MUST_CHECK;
kr_status kr_dataset_map(struct kr_ctx *ctx, const char *directory, struct kr_dataset *out) KR_MUST_CHECK;
void kr_dataset_unmap(struct kr_dataset *data);

/* Row-major rows x cols to feature-major in the arena: the order in which JSON and CSV give and tiles want.
 */
kr_status kr_transpose(struct kr_ctx *ctx, size_t rows, size_t cols, const double *in,
                       double **out) KR_MUST_CHECK;

/* What PUT /v1/datasets replies about each column (features, then targets), and its warnings in words. */
#define KR_COLUMN_FIELDS(F, S)                                                                               \
    F(S, TEXT, name, _, NULL, 0, 0, 0, "name of the column")                                                 \
    F(S, TEXTS, categories, _, NULL, 0, 0, KR_OMIT,                                                          \
      "of a feature of texts: them, in the order of their codes, from 0; the numbers beside are of codes")   \
    F(S, REAL, min, _, NULL, -1e308, 1e308, 0, "smallest value")                                             \
    F(S, REAL, max, _, NULL, -1e308, 1e308, 0, "largest value")                                              \
    F(S, REAL, mean, _, NULL, -1e308, 1e308, 0, "mean")                                                      \
    F(S, REAL, sd, _, NULL, 0, 1e308, 0, "population standard deviation (divided by n)")
KR_DECLARE(kr_column, KR_COLUMN_FIELDS);
struct kr_summary {
    struct kr_list columns; /* struct kr_column */
    struct kr_texts
        warnings; /* duplicated inputs, constant or identical columns, extreme scales, constant target */
};
kr_status kr_dataset_summary(struct kr_ctx *ctx, const struct kr_dataset *data,
                             struct kr_summary *out) KR_MUST_CHECK;

/* group[i] = the first row with the same inputs as row i (bitwise, with -0 = 0). O(n d + n log n). */
kr_status kr_dataset_groups(struct kr_ctx *ctx, const struct kr_dataset *data, size_t *group) KR_MUST_CHECK;

/*
 * Joins groups: afterwards rows that shared a group or that have the same label are in one, named by its
 * first row. label: n numbers, compared by their bits (-0 = 0). O(n log n).
 */
kr_status kr_groups_join(struct kr_ctx *ctx, size_t n, const double *label, size_t *group) KR_MUST_CHECK;

/*
 * A seeded draw of max(1, round(fraction * npool)) of the pool's rows, groups (by group[row]) kept whole:
 * shuffled groups are taken while they fit, so the count is met exactly whenever enough single rows are
 * there; when nothing fits, the smallest group is taken. Sets taken[row] = true. INVALID, at `pointer`, when
 * nothing would be left in the pool.
 */
kr_status kr_split_fraction(struct kr_ctx *ctx, size_t npool, const size_t *pool, const size_t *group,
                            double fraction, uint64_t seed, uint64_t stream, const char *pointer,
                            bool *taken) KR_MUST_CHECK;

/* Seeded folds of the pool's rows, groups kept whole and sizes as even as that allows: fold[row] = 1 ..
 * folds. INVALID, at `pointer`, for fewer groups than folds. */
kr_status kr_split_folds(struct kr_ctx *ctx, size_t npool, const size_t *pool, const size_t *group,
                         size_t folds, uint64_t seed, const char *pointer, size_t *fold) KR_MUST_CHECK;

/* Mean and population standard deviation (1 where it is 0 or not finite) of values[rows[i]]. */
void kr_scaling(size_t nrows, const size_t *rows, const double *values, double *mean, double *sd);

#endif
