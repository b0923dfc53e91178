/*
 * objective.subset: a seeded draw, without repetition, of the held-out points that an evaluation looks at.
 * With folds of more than one point, whole folds are drawn until there are as many points as wanted. A mean
 * over a draw is unbiased for the mean over all points (of folds of unequal sizes: up to the share of one
 * fold).
 */
#include "gp/objective.h"

#include <string.h>

enum { SUBSET_STREAM = 1000 /* and upward, one stream a draw */ };

kr_status kr_part_gather(struct kr_ctx *ctx, const struct kr_part *from, size_t count, const size_t *index,
                         struct kr_part *out)
{
    size_t *rows;
    double *x;
    *out = (struct kr_part){.n = count, .targets = from->targets};
    KR_ALLOC(ctx, rows, count);
    KR_ALLOC(ctx, x, count * from->x.d);
    KR_ALLOC(ctx, out->y, count * from->targets);
    if (from->noise)
        KR_ALLOC(ctx, out->noise, count);
    for (size_t j = 0; j < count; j++) {
        rows[j] = from->rows[index[j]];
        for (size_t t = 0; t < from->targets; t++)
            out->y[t * count + j] = from->y[t * from->n + index[j]];
        if (from->noise)
            out->noise[j] = from->noise[index[j]];
        for (size_t k = 0; k < from->x.d; k++)
            x[k * count + j] = from->x.x[k * from->x.ld + index[j]];
    }
    out->rows = rows;
    out->x = (struct kr_points){count, from->x.d, count, x};
    return KR_OK;
}

/* Whole folds in their shuffled order, until `wanted` points are there. */
static kr_status draw_folds(struct kr_ctx *ctx, const struct kr_folds *from, const size_t *order,
                            size_t wanted, size_t *index, struct kr_folds *out)
{
    size_t count = 0;
    KR_ALLOC(ctx, out->first, from->count + 1);
    KR_ALLOC(ctx, out->at, from->first[from->count]);
    for (out->count = 0; out->count < from->count && count < wanted; out->count++) {
        const size_t f = order[out->count];
        for (size_t j = from->first[f]; j < from->first[f + 1]; j++) {
            out->at[count] = from->at[j];
            index[count++] = j;
        }
        out->first[out->count + 1] = count;
    }
    return KR_OK;
}

kr_status kr_gp_subset(struct kr_ctx *ctx, const struct kr_gp *gp, struct kr_gp *out)
{
    const struct kr_subset_spec *subset = gp->spec->objective.subset;
    const size_t m = gp->validation.n, choices = gp->form == KR_FOLDS ? gp->folds.count : m;
    size_t *order, *index;
    struct kr_rng rng;
    *out = *gp;
    if (!subset || gp->draw == KR_WHOLE || subset->count >= m)
        return KR_OK;
    KR_ALLOC(ctx, order, choices);
    KR_ALLOC(ctx, index, m);
    for (size_t i = 0; i < choices; i++)
        order[i] = i;
    kr_rng_init(&rng, subset->seed, SUBSET_STREAM + gp->draw);
    kr_rng_shuffle(&rng, choices, order);
    size_t count = subset->count;
    if (gp->form == KR_FOLDS) {
        KR_TRY(draw_folds(ctx, &gp->folds, order, subset->count, index, &out->folds));
        count = out->folds.first[out->folds.count];
    } else {
        memcpy(index, order, count * sizeof *index);
    }
    out->drawn = index;
    return kr_part_gather(ctx, &gp->validation, count, index, &out->validation);
}
