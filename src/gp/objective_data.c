/*
 * Derivatives of the loss by the data. The forms and the evidence compute adjoints part by part: of the
 * training rows (inputs, targets, known variances: what weights on A say) and of the held-out points (through
 * K(X*, X), k(x*, x*) and the loss itself). Here they are collected row by row of the data set.
 *
 *     hold-out:   a row has one part            folds:   training rows have the total, of both of their parts
 */
#include "gp/objective.h"

#include <math.h>
#include <string.h>

kr_status kr_data_bar_open(struct kr_ctx *ctx, const struct kr_gp *view,
                           const struct kr_data_gradient *wanted, struct data_bar *out)
{
    const size_t n = view->train.n, m = view->validation.n, d = view->train.x.d, q = view->targets;
    *out = (struct data_bar){0};
    if (wanted->x)
        KR_ALLOC(ctx, out->x, n * d);
    if (wanted->x_validation || (wanted->x && view->form == KR_HOLD_OUT && !view->elsewhere))
        KR_ALLOC(ctx, out->held_x, m * d);
    KR_ALLOC(ctx, out->y, n * q);
    KR_ALLOC(ctx, out->noise, n);
    KR_ALLOC(ctx, out->held_y, m * q);
    KR_ALLOC(ctx, out->held_noise, m);
    return KR_OK;
}

void kr_objective_pull_diagonal(const struct work *w, size_t columns, const double *U, const double *V,
                                double alpha)
{
    for (size_t c = 0; c < columns; c++)
        for (size_t i = 0; i < w->n; i++)
            w->data->noise[i] += alpha * U[c * w->n + i] * V[c * w->n + i];
}

/* to[place[i], k] += from[i, k] for d columns; place = NULL: in order. */
static void spread(size_t count, size_t d, const size_t *place, const double *from, size_t ld, double *to)
{
    for (size_t k = 0; k < d; k++)
        for (size_t i = 0; i < count; i++)
            to[k * ld + (place ? place[i] : i)] += from[k * count + i];
}

static kr_status check_finite(struct kr_ctx *ctx, const char *name, size_t count, const double *values)
{
    for (size_t i = 0; values && i < count; i++)
        if (!isfinite(values[i]))
            return kr_fail(ctx, KR_NON_FINITE, "", "a derivative of the loss by %s is %g", name, values[i]);
    return KR_OK;
}

kr_status kr_data_bar_collect(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_gp *view,
                              const struct data_bar *bar, const struct kr_data_gradient *wanted)
{
    const struct kr_part *train = &view->train, *held = &view->validation;
    const size_t rows = gp->rows, m = gp->validation.n, d = train->x.d, q = gp->targets;
    if (wanted->x) {
        memset(wanted->x, 0, rows * d * sizeof *wanted->x);
        spread(train->n, d, train->rows, bar->x, rows, wanted->x);
        if (view->form == KR_HOLD_OUT && !view->elsewhere)
            spread(held->n, d, held->rows, bar->held_x, rows, wanted->x);
    }
    if (wanted->y) {
        memset(wanted->y, 0, rows * q * sizeof *wanted->y);
        spread(train->n, q, train->rows, bar->y, rows, wanted->y);
        if (!view->elsewhere)
            spread(held->n, q, held->rows, bar->held_y, rows, wanted->y);
    }
    if (wanted->noise) {
        memset(wanted->noise, 0, rows * sizeof *wanted->noise);
        spread(train->n, 1, train->rows, bar->noise, rows, wanted->noise);
        if (!view->elsewhere)
            spread(held->n, 1, held->rows, bar->held_noise, rows, wanted->noise);
    }
    if (wanted->x_validation) {
        memset(wanted->x_validation, 0, m * d * sizeof *wanted->x_validation);
        spread(held->n, d, view->drawn, bar->held_x, m, wanted->x_validation);
    }
    KR_TRY(check_finite(ctx, "x", rows * d, wanted->x));
    KR_TRY(check_finite(ctx, "y", rows * q, wanted->y));
    KR_TRY(check_finite(ctx, "noise_variance", rows, wanted->noise));
    return check_finite(ctx, "x_validation", m * d, wanted->x_validation);
}
