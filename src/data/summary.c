/*
 * What an upload should tell its owner: moments of each column and, in words, what will make tuning hard.
 * Cost: a few passes over the n (d + q) numbers of d features and q
 * targets.
 */
#include "kriged/data.h"

#include "data/columns.h"

#include <math.h>

KR_DEFINE(kr_column, KR_COLUMN_FIELDS, "One column of a data set");

/* More warnings than a person reads are only counted. */
enum { MOST_WARNINGS = 50 };

static const double SMALL_SD = 1e-8, LARGE_SD = 1e8;
/* Below this sd / |mean| the differences between values keep fewer than about five digits. */
static const double RELATIVE_SD = 1e-11;

struct warnings {
    struct kr_texts *texts;
    size_t unsaid;
    bool failed;
};

/* Takes a text of the arena; NULL is an exhausted arena. */
static void warn(struct warnings *warnings, const char *text)
{
    if (!text)
        warnings->failed = true;
    else if (warnings->texts->count < MOST_WARNINGS)
        warnings->texts->items[warnings->texts->count++] = text;
    else
        warnings->unsaid++;
}

static const char *name_target(struct kr_ctx *ctx, const struct kr_dataset *data, size_t t)
{
    return kr_dataset_targets(data) == 1
               ? "the target"
               : kr_printf(ctx, "target \"%s\"", data->target_names ? data->target_names[t] : "");
}

static const double *column(const struct kr_dataset *data, size_t k)
{
    return k < data->d ? data->x + k * data->n : data->y + (k - data->d) * data->n;
}

static void warn_scale(struct kr_ctx *ctx, const struct kr_column *c, const char *who,
                       struct warnings *warnings)
{
    if (c->min == c->max)
        warn(warnings, kr_printf(ctx, "%s is constant", who));
    else if (c->sd < SMALL_SD || c->sd > LARGE_SD)
        warn(warnings,
             kr_printf(ctx,
                       "%s has an extreme scale (sd %.3g): keep standardisation on, or choose other units",
                       who, c->sd));
    else if (c->sd < RELATIVE_SD * fabs(c->mean))
        warn(warnings,
             kr_printf(ctx,
                       "%s differs only in its last digits (mean %.3g, sd %.3g): subtract a constant from it",
                       who, c->mean, c->sd));
}

static bool same_column(size_t n, const double *a, const double *b)
{
    for (size_t i = 0; i < n; i++)
        if (kr_number_bits(a[i]) != kr_number_bits(b[i]))
            return false;
    return true;
}

/* Each column is compared with the earlier ones of the same hash; constant ones have their own warning. */
static kr_status warn_identical(struct kr_ctx *ctx, const struct kr_dataset *data,
                                const struct kr_column *columns, struct warnings *warnings)
{
    uint64_t *hash;
    const size_t count = data->d + kr_dataset_targets(data);
    KR_ALLOC(ctx, hash, count);
    for (size_t k = 0; k < count; k++) {
        if (columns[k].min == columns[k].max)
            continue;
        for (size_t i = 0; i < data->n; i++)
            hash[k] = kr_hash_number(hash[k], column(data, k)[i]);
        for (size_t j = 0; j < k; j++) {
            if (hash[j] != hash[k] || !same_column(data->n, column(data, j), column(data, k)))
                continue;
            if (k < data->d || j >= data->d)
                warn(warnings,
                     kr_printf(ctx, "%s \"%s\" and \"%s\" are identical",
                               k < data->d ? "features" : "targets", columns[j].name, columns[k].name));
            else
                warn(warnings, kr_printf(ctx, "feature \"%s\" is identical to %s", columns[j].name,
                                         name_target(ctx, data, k - data->d)));
            break;
        }
    }
    return KR_OK;
}

static kr_status warn_repeats(struct kr_ctx *ctx, const struct kr_dataset *data, struct warnings *warnings)
{
    struct kr_mark mark = kr_mark(ctx);
    size_t *group, repeats = 0;
    KR_ALLOC(ctx, group, data->n);
    KR_TRY(kr_dataset_groups(ctx, data, group));
    for (size_t i = 0; i < data->n; i++)
        repeats += group[i] != i;
    kr_release(ctx, mark);
    if (repeats)
        warn(warnings, kr_printf(ctx, "%zu row%s the inputs of an earlier row", repeats,
                                 repeats == 1 ? " repeats" : "s repeat"));
    return KR_OK;
}

kr_status kr_dataset_summary(struct kr_ctx *ctx, const struct kr_dataset *data, struct kr_summary *out)
{
    struct kr_column *columns;
    struct warnings warnings = {&out->warnings, 0, false};
    *out = (struct kr_summary){0};
    const size_t count = data->d + kr_dataset_targets(data);
    KR_ALLOC(ctx, columns, count);
    KR_ALLOC(ctx, out->warnings.items, MOST_WARNINGS + 1);
    out->columns = (struct kr_list){count, columns};
    KR_TRY(warn_repeats(ctx, data, &warnings));
    for (size_t k = 0; k < count; k++) {
        KR_TRY(kr_poll(ctx));
        struct kr_moments m = kr_moments(data->n, NULL, column(data, k));
        const char *name = k < data->d ? data->feature_names[k] : kr_dataset_target(ctx, data, k - data->d);
        columns[k] = (struct kr_column){name, {0}, m.min, m.max, m.mean, m.sd};
        if (k < data->d && kr_dataset_categorical(data, k))
            columns[k].categories = data->categories[k];
        const char *who =
            k < data->d ? kr_printf(ctx, "feature \"%s\"", name) : name_target(ctx, data, k - data->d);
        if (!name || !who)
            return ctx->error.status;
        warn_scale(ctx, &columns[k], who, &warnings);
    }
    KR_TRY(warn_identical(ctx, data, columns, &warnings));
    if (warnings.unsaid) {
        size_t last = out->warnings.count++;
        out->warnings.items[last] = kr_printf(ctx, "%zu more warnings are not shown", warnings.unsaid);
        warnings.failed |= !out->warnings.items[last];
    }
    return warnings.failed ? ctx->error.status : KR_OK;
}
