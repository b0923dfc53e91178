/* Points, options and replies of predictions as text. */
#include "engine/text.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* columns[k]: the column that the header calls by the name of feature k. */
static kr_status find_columns(struct kr_ctx *ctx, const struct kr_dataset *data, const json_t *features,
                              size_t *columns)
{
    for (size_t k = 0; k < json_array_size(features); k++) {
        const char *name = json_string_value(json_array_get(features, k));
        columns[k] = data->d;
        for (size_t c = 0; c < data->d; c++)
            if (name && strcmp(data->feature_names[c], name) == 0)
                columns[k] = c;
        if (columns[k] == data->d)
            return kr_fail(ctx, KR_INVALID, "", "the data has no column \"%.64s\", which the model needs",
                           name ? name : "");
    }
    return KR_OK;
}

/* Without a header columns are features in the model's order. */
static kr_status count_columns(struct kr_ctx *ctx, const struct kr_dataset *data, size_t d, size_t *columns)
{
    if (data->d != d)
        return kr_fail(ctx, KR_INVALID, "", "got %zu columns without names, wanted %zu, one for each feature",
                       data->d, d);
    for (size_t k = 0; k < d; k++)
        columns[k] = k;
    return KR_OK;
}

static kr_status out_of_memory(struct kr_ctx *ctx)
{
    return kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the points");
}

static kr_status rows_of(struct kr_ctx *ctx, const struct kr_dataset *data, size_t d, const size_t *columns,
                         json_t *x)
{
    for (size_t i = 0; i < data->n; i++) {
        json_t *row = json_array();
        if (json_array_append_new(x, row) != 0)
            return out_of_memory(ctx);
        for (size_t k = 0; k < d; k++) {
            const double value = data->x[columns[k] * data->n + i];
            json_t *cell = kr_dataset_categorical(data, columns[k])
                               ? json_string(data->categories[columns[k]].items[(size_t)value])
                               : json_real(value);
            if (json_array_append_new(row, cell) != 0)
                return out_of_memory(ctx);
        }
    }
    return KR_OK;
}

kr_status kr_points_from_csv(struct kr_ctx *ctx, const char *text, size_t length, bool drop_missing,
                             const json_t *features, json_t **x)
{
    const struct kr_csv_options options = {.features_only = true, .drop_missing = drop_missing};
    const size_t d = json_array_size(features);
    struct kr_mark mark = kr_mark(ctx);
    struct kr_dataset data;
    size_t *columns;
    KR_ALLOC(ctx, columns, d + 1);
    KR_TRY(kr_dataset_from_csv(ctx, text, length, &options, &data, NULL));
    KR_TRY(kr_csv_has_header(text, length) ? find_columns(ctx, &data, features, columns)
                                           : count_columns(ctx, &data, d, columns));
    *x = json_array();
    kr_status status = *x ? rows_of(ctx, &data, d, columns, *x) : out_of_memory(ctx);
    if (status != KR_OK)
        json_decref(*x);
    kr_release(ctx, mark);
    return status;
}

static json_t *number_of(const char *word, size_t length)
{
    char *after;
    const double value = strtod(word, &after);
    return length && after == word + length ? json_real(value) : json_stringn(word, length);
}

static json_t *integer_of(const char *word)
{
    char *after;
    errno = 0;
    const long long value = strtoll(word, &after, 10);
    return *word >= '0' && *word <= '9' && !*after && errno == 0 ? json_integer(value) : json_string(word);
}

static json_t *levels_of(const char *word)
{
    json_t *levels = json_array();
    for (;; word++) {
        const size_t length = strcspn(word, ",");
        json_array_append_new(levels, number_of(word, length));
        word += length;
        if (!*word)
            return levels;
    }
}

void kr_predict_option(json_t *request, const char *name, const char *word)
{
    const bool count = strcmp(name, "samples") == 0, method = strcmp(name, "samples_method") == 0;
    if (strcmp(name, "quantiles") == 0) {
        json_object_set_new(request, name, levels_of(word));
    } else if (count || method || strcmp(name, "seed") == 0) {
        json_t *samples = json_object_get(request, "samples");
        if (!samples) {
            samples = json_object();
            json_object_set_new(request, "samples", samples);
        }
        json_object_set_new(samples,
                            count    ? "count"
                            : method ? "method"
                                     : name,
                            method ? json_string(word) : integer_of(word));
    } else if (strcmp(name, "target") == 0) {
        json_object_set_new(request, name, integer_of(word));
    } else {
        const bool yes = strcmp(word, "true") == 0, no = strcmp(word, "false") == 0;
        json_object_set_new(request, name, yes || no ? json_boolean(yes) : json_string(word));
    }
}

/* ---- replies ---- */

struct table {
    struct kr_ctx *ctx;
    size_t count;
    struct kr_csv_column *columns;
};

/* Adds `count` columns of a member; their names are prefix and a number, or prefix and a text of `names`. */
static void add(struct table *table, const json_t *reply, const char *member, enum kr_csv_shape shape,
                size_t count, const char *prefix, const json_t *names)
{
    const json_t *values = json_object_get(reply, member);
    for (size_t i = 0; values && i < count; i++) {
        const json_t *name = json_array_get(names, i);
        char number[32];
        snprintf(number, sizeof number, "%zu", i + 1);
        char *level = json_is_number(name) ? kr_json_dump(name, false) : NULL;
        const char *suffix = json_is_string(name) ? json_string_value(name) : level ? level : number;
        table->columns[table->count++] = (struct kr_csv_column){
            kr_printf(table->ctx, "%s%s", prefix, shape == KR_CSV_PLAIN ? "" : suffix), values, shape, i};
        free(level);
    }
}

/* "mean_<target>" and the like, of every target. */
static void add_targets(struct table *table, const json_t *reply, const json_t *levels, const json_t *names)
{
    const size_t q = json_array_size(names);
    add(table, reply, "mean", KR_CSV_BY_ROW, q, "mean_", names);
    add(table, reply, "variance", KR_CSV_BY_ROW, q, "variance_", names);
    const json_t *values = json_object_get(reply, "quantiles");
    for (size_t i = 0, count = json_array_size(levels); values && i < q * count; i++) {
        char *level = kr_json_dump(json_array_get(levels, i % count), false);
        table->columns[table->count++] =
            (struct kr_csv_column){kr_printf(table->ctx, "q%s_%s", level ? level : "",
                                             json_string_value(json_array_get(names, i / count))),
                                   values, KR_CSV_BY_ROW, i};
        free(level);
    }
}

char *kr_predict_csv(struct kr_ctx *ctx, const json_t *request, const json_t *reply, const json_t *model)
{
    const json_t *levels = json_object_get(request, "quantiles"), *source = json_object_get(model, "dataset"),
                 *features = json_object_get(source, "feature_names"),
                 *names = json_object_get(source, "target_names"), *mean = json_object_get(reply, "mean");
    const bool several = json_is_array(json_array_get(mean, 0));
    const size_t points = json_array_size(mean), d = json_array_size(features), q = json_array_size(levels),
                 samples = json_array_size(json_object_get(reply, "samples")),
                 covariances = json_array_size(json_object_get(reply, "covariance"));
    struct table table = {.ctx = ctx};
    struct kr_mark mark = kr_mark(ctx);
    const size_t targets = several ? json_array_size(names) : 1;
    table.columns = kr_alloc(ctx, (2 + q) * targets + covariances + samples + d, sizeof *table.columns);
    if (!table.columns)
        return NULL;
    if (several) {
        add_targets(&table, reply, levels, names);
    } else {
        add(&table, reply, "mean", KR_CSV_PLAIN, 1, "mean", NULL);
        add(&table, reply, "variance", KR_CSV_PLAIN, 1, "variance", NULL);
        add(&table, reply, "quantiles", KR_CSV_BY_ROW, q, "q", levels);
    }
    add(&table, reply, "covariance", KR_CSV_BY_ROW, covariances, "covariance_", NULL);
    add(&table, reply, "samples", KR_CSV_BY_COLUMN, samples, "sample_", NULL);
    add(&table, reply, "gradient", KR_CSV_BY_ROW, d, "gradient_", features);
    char *text = ctx->error.status == KR_OK ? kr_csv_dump(points, table.count, table.columns) : NULL;
    kr_release(ctx, mark);
    return text;
}
