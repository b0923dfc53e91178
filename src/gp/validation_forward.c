/* forward: the last rows in the order of a feature, usually time: what a forecast is judged by. O(n log n).
 */
#include "kriged/gp.h"

#include <math.h>
#include <stdlib.h>

#define KR_VALIDATION_FORWARD_FIELDS(F, S)                                                                   \
    F(S, REAL, fraction, _, "0.2", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX,                                          \
      "share of the rows that are not test rows: max(1, round(fraction n)) of them, the last")               \
    F(S, FEATURE, by, _, NULL, 0, 0, KR_REQUIRED,                                                            \
      "the feature that orders the rows, by name or index; rows that tie keep their order")
KR_DECLARE(kr_validation_forward_options, KR_VALIDATION_FORWARD_FIELDS);
KR_DEFINE(kr_validation_forward_options, KR_VALIDATION_FORWARD_FIELDS,
          "the last rows in the order of a feature");

struct placed {
    double value;
    size_t row;
};

static int compare(const void *a, const void *b)
{
    const struct placed *p = a, *q = b;
    if (p->value != q->value)
        return p->value < q->value ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

static kr_status select_rows(struct kr_ctx *ctx, const void *options, const struct kr_rows *rows,
                             const char *pointer, size_t *fold)
{
    const struct kr_validation_forward_options *o = options;
    const double share = round(o->fraction * (double)rows->npool);
    const size_t wanted = share > 1 ? (size_t)share : 1;
    struct placed *order;
    size_t feature;
    KR_TRY(kr_feature_find(ctx, o->by.items, rows->data->d, rows->data->feature_names,
                           kr_printf(ctx, "%s/by", pointer), &feature));
    KR_ALLOC(ctx, order, rows->npool);
    for (size_t i = 0; i < rows->npool; i++)
        order[i] = (struct placed){rows->data->x[feature * rows->data->n + rows->pool[i]], rows->pool[i]};
    qsort(order, rows->npool, sizeof *order, compare);
    for (size_t i = 0; i < wanted && i < rows->npool; i++)
        fold[order[rows->npool - 1 - i].row] = 1;
    return KR_OK;
}

extern const struct kr_validation_type kr_validation_forward;
const struct kr_validation_type kr_validation_forward = {
    {"forward", "the last rows in the order of a feature: forecasts", &kr_validation_forward_options_schema},
    KR_HOLD_OUT,
    NULL,
    select_rows,
};
