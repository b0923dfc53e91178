/*
 * dataset: the held-out points are all rows of another data set, read with the training set's
 * standardisation. Its features are found by their names, in any order; where one of the two sets came
 * without names (x1, x2, ..), by position.
 */
#include "gp/roles.h"

#include <stdio.h>
#include <string.h>

#define KR_VALIDATION_DATASET_FIELDS(F, S)                                                                   \
    F(S, TEXT, name, _, NULL, 0, 0, KR_OMIT,                                                                 \
      "name of a stored data set with the same features; absent where the request brings validation_data")
KR_DECLARE(kr_validation_dataset_options, KR_VALIDATION_DATASET_FIELDS);
KR_DEFINE(kr_validation_dataset_options, KR_VALIDATION_DATASET_FIELDS, "the rows of another data set");

extern const struct kr_validation_type kr_validation_dataset;
const struct kr_validation_type kr_validation_dataset = {
    {"dataset", "all rows of another data set, read with the training set's standardisation",
     &kr_validation_dataset_options_schema},
    KR_HOLD_OUT,
    NULL,
    NULL,
};

bool kr_validation_elsewhere(const struct kr_variant *validation, const char **name)
{
    const struct kr_validation_dataset_options *options = validation->options;
    if (validation->type != &kr_validation_dataset.base)
        return false;
    *name = options->name;
    return true;
}

/* Are the features called x1, x2, ..? */
static bool unnamed(const struct kr_dataset *data)
{
    char name[32];
    for (size_t k = 0; k < data->d; k++) {
        snprintf(name, sizeof name, "x%zu", k + 1);
        if (strcmp(data->feature_names[k], name) != 0)
            return false;
    }
    return true;
}

static size_t column_of(const struct kr_dataset *data, const char *name)
{
    size_t k = 0;
    while (k < data->d && strcmp(data->feature_names[k], name) != 0)
        k++;
    return k;
}

kr_status kr_match_features(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_dataset *other,
                            const char *pointer, size_t *column)
{
    const bool by_position = data->d == other->d && (unnamed(data) || unnamed(other));
    for (size_t k = 0; k < data->d; k++) {
        column[k] = column_of(other, data->feature_names[k]);
        if (column[k] == other->d && !by_position)
            return kr_fail(ctx, KR_INVALID, pointer,
                           "must have the features of the data set: it has no \"%.64s\"",
                           data->feature_names[k]);
    }
    for (size_t c = 0; other->d > data->d && c < other->d; c++)
        if (column_of(data, other->feature_names[c]) == data->d)
            return kr_fail(ctx, KR_INVALID, pointer,
                           "must have the features of the data set and no others: it has \"%.64s\"",
                           other->feature_names[c]);
    bool found = true;
    for (size_t k = 0; k < data->d; k++)
        found &= column[k] < other->d;
    for (size_t k = 0; k < data->d && !found; k++)
        column[k] = k;
    return KR_OK;
}

/* Called y1, y2, ..? */
static bool unnamed_targets(const struct kr_dataset *data)
{
    char name[32];
    for (size_t t = 0; t < kr_dataset_targets(data); t++) {
        snprintf(name, sizeof name, "y%zu", t + 1);
        if (!data->target_names || strcmp(data->target_names[t], name) != 0)
            return false;
    }
    return true;
}

kr_status kr_match_targets(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_dataset *other,
                           const char *pointer)
{
    const size_t q = kr_dataset_targets(data);
    if (kr_dataset_targets(other) != q)
        return kr_fail(ctx, KR_INVALID, pointer, "must have the %zu targets of the data set, got %zu", q,
                       kr_dataset_targets(other));
    if (q == 1 || unnamed_targets(data) || unnamed_targets(other))
        return KR_OK;
    for (size_t t = 0; t < q; t++)
        if (strcmp(data->target_names[t], other->target_names[t]) != 0)
            return kr_fail(
                ctx, KR_INVALID, pointer,
                "must have the targets of the data set in its order: number %zu is \"%.64s\" there "
                "and \"%.64s\" here",
                t, data->target_names[t], other->target_names[t]);
    return KR_OK;
}
