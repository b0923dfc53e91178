/* Which rows a seeded split keeps together: those with identical inputs, and those of a group of the request.
 */
#include "gp/roles.h"

#include <string.h>

kr_status kr_rows_grouped(struct kr_ctx *ctx, const struct kr_rows *rows, const struct kr_groups *groups,
                          const char *pointer, const size_t **out)
{
    const struct kr_dataset *data = rows->data;
    const char *at = kr_printf(ctx, "%s/groups", pointer);
    size_t *joined, feature;
    double *label;
    *out = rows->group;
    if (!groups->feature.count && !groups->labels.count)
        return KR_OK;
    KR_ALLOC(ctx, joined, data->n);
    KR_ALLOC(ctx, label, data->n);
    memcpy(joined, rows->group, data->n * sizeof *joined);
    *out = joined;
    if (groups->feature.count) {
        KR_TRY(kr_feature_find(ctx, groups->feature.items, data->d, data->feature_names, at, &feature));
        return kr_groups_join(ctx, data->n, data->x + feature * data->n, joined);
    }
    if (groups->labels.count != data->n)
        return kr_fail(ctx, KR_INVALID, at, "must have one label for each of %zu data rows, got %zu", data->n,
                       groups->labels.count);
    for (size_t i = 0; i < data->n; i++)
        label[i] = (double)groups->labels.items[i];
    return kr_groups_join(ctx, data->n, label, joined);
}
