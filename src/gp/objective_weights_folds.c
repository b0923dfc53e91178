/*
 * Folds in weight space: each is predicted from all other rows by a fit of its own (objective_weights.c): a
 * model of p weights is cheap to fit, and the closed form would need the inverse covariance within a fold, of
 * as many rows as the fold has. Cost: k times that of held-out rows, for k folds; memory: k fits, 2 p^2 + (d
 * + 4) n doubles each.
 */
#include "gp/weight_space.h"

#include "gp/objective.h"

#include <string.h>

struct weight_folds {
    struct kr_gp *gps; /* of each fold: train = the rows that are not in it */
    struct work *works;
};

/* The gp of fold f: its points are held out from the rows that it leaves. */
static kr_status rest_of(struct kr_ctx *ctx, const struct kr_gp *gp, size_t f, struct kr_gp *out)
{
    const size_t first = gp->folds.first[f], k = gp->folds.first[f + 1] - first, n = gp->train.n;
    size_t *left, *index, count = 0;
    bool *held;
    KR_ALLOC(ctx, left, n);
    KR_ALLOC(ctx, index, k);
    KR_ALLOC(ctx, held, n);
    for (size_t j = 0; j < k; j++) {
        held[gp->folds.at[first + j]] = true;
        index[j] = first + j;
    }
    for (size_t i = 0; i < n; i++)
        if (!held[i])
            left[count++] = i;
    *out = *gp;
    out->form = KR_HOLD_OUT;
    KR_TRY(kr_part_gather(ctx, &gp->train, count, left, &out->train));
    return kr_part_gather(ctx, &gp->validation, k, index, &out->validation);
}

/* Columns of m rows, one a target, and those of a fold: `k` rows from `first` on. */
static void gather(size_t targets, size_t m, size_t first, size_t k, const double *from, double *to)
{
    for (size_t t = 0; t < targets; t++)
        memcpy(to + t * k, from + t * m + first, k * sizeof *to);
}

static void scatter(size_t targets, size_t m, size_t first, size_t k, const double *from, double *to)
{
    for (size_t t = 0; t < targets; t++)
        memcpy(to + t * m + first, from + t * k, k * sizeof *to);
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_folds *folds = &w->gp->folds;
    KR_ALLOC(ctx, w->rest, 1);
    KR_ALLOC(ctx, w->rest->gps, folds->count);
    KR_ALLOC(ctx, w->rest->works, folds->count);
    for (size_t f = 0; f < folds->count; f++) {
        struct kr_gp *gp = &w->rest->gps[f];
        struct work *own = &w->rest->works[f];
        struct kr_evaluation part = {.solver = out->solver};
        KR_TRY(rest_of(ctx, w->gp, f, gp));
        *own = *w;
        own->gp = gp;
        own->n = gp->train.n;
        own->m = gp->validation.n;
        KR_ALLOC(ctx, own->mean, own->m * own->targets);
        own->variance += folds->first[f];
        KR_TRY(kr_form_weights.predict(ctx, own, &part));
        scatter(w->targets, w->m, folds->first[f], own->m, own->mean, w->mean);
        out->solver = part.solver;
        out->jitter = part.jitter > out->jitter ? part.jitter : out->jitter;
    }
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_folds *folds = &w->gp->folds;
    struct head *heads;
    double error = 0, bound = 0;
    KR_ALLOC(ctx, heads, w->nheads);
    for (size_t f = 0; f < folds->count; f++) {
        struct work *own = &w->rest->works[f];
        memcpy(heads, w->heads, w->nheads * sizeof *heads);
        for (size_t h = 0; h < w->nheads; h++) {
            KR_ALLOC(ctx, heads[h].mean_bar, own->m * own->targets);
            gather(w->targets, w->m, folds->first[f], own->m, w->heads[h].mean_bar, heads[h].mean_bar);
            heads[h].variance_bar += folds->first[f];
        }
        own->heads = heads;
        own->nheads = w->nheads;
        KR_TRY(kr_form_weights.pull(ctx, own, out));
        error += out->value_error;
        bound += out->value_bound;
    }
    if (w->loss_is_head) {
        out->value_error = error;
        out->value_bound = bound;
    }
    return KR_OK;
}

/* Of all rows together: a fit of its own. */
static kr_status evidence(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out, double *grad)
{
    struct weight_fit fit;
    KR_TRY(kr_weight_fit(ctx, w->gp, &w->gp->train, w->theta, &fit, &out->solver));
    return kr_weight_evidence(ctx, w->gp, &fit, out, grad);
}

const struct form kr_form_weights_folds = {.predict = predict, .pull = pull, .evidence = evidence};
