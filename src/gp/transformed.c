/*
 * Losses and constraints through a change of variables y = g(z), z = mean + sd s with s what the process
 * predicts. In units of the target, g_s(s) = g(z)/unit:
 *
 *     a density of s           -log p(y) = -log p(s) + log g_s'(s),     d/ds of it besides: g_s''/g_s'
 *     other losses             mean of a function of one point, loss_<name>.c
 *     the evidence             a density of the training targets, over their number: + mean log g_s'(s_i)
 *     derivatives by y         those by s times ds/dy = 1/g_s'(s)
 *
 * What the forms add to derivatives by a held-out target is right for functions of s - mean, -mean_bar; here
 * is the rest. O(m). Source: the change of variables of densities; for Gaussian processes Snelson, Rasmussen
 * and Ghahramani 2004 (Warped Gaussian processes).
 */
#include "gp/objective.h"

#include <math.h>

/* Of a density: its own value, and its factor. */
static void of_density(const struct head *h, const struct kr_transform *t, const struct scoring *p)
{
    h->eval(h->options, p->m, p->y, p->mean, p->variance, p->value, p->mean_bar, p->variance_bar);
    for (size_t j = 0; j < p->m; j++) {
        double g[3];
        kr_transform_at(t, p->y[j], g);
        *p->value += log(g[1]) / (double)p->m;
        if (p->y_bar)
            p->y_bar[j] = g[2] / g[1] / (double)p->m;
    }
}

static void of_points(const struct head *h, const struct kr_transform *t, const struct scoring *p)
{
    double sum = 0;
    for (size_t j = 0; j < p->m; j++) {
        double by[3];
        sum += h->transformed(h->options, t, p->y[j], p->mean[j], p->variance[j], by);
        p->mean_bar[j] = by[0] / (double)p->m;
        p->variance_bar[j] = by[1] / (double)p->m;
        if (p->y_bar)
            p->y_bar[j] = (by[0] + by[2]) / (double)p->m;
    }
    *p->value = sum / (double)p->m;
}

void kr_transformed_eval(const struct head *h, const struct kr_transform *t, const struct scoring *p)
{
    if (h->density)
        of_density(h, t, p);
    else if (h->transformed)
        of_points(h, t, p);
    else
        h->eval(h->options, p->m, p->y, p->mean, p->variance, p->value, p->mean_bar, p->variance_bar);
}

void kr_transformed_pull_targets(struct work *w, const double *y_bar)
{
    const bool folds = w->gp->form == KR_FOLDS; /* whose rows train as well */
    const double share = 1 / (double)w->targets;
    double *out = folds ? w->data->y : w->data->held_y;
    for (size_t t = 0; t < w->targets; t++)
        for (size_t j = 0; j < w->m; j++)
            out[folds ? t * w->n + w->gp->folds.at[j] : t * w->m + j] += share * y_bar[t * w->m + j];
}

void kr_transformed_evidence(struct work *w, struct kr_evaluation *out)
{
    const double share = 1 / (double)(w->n * w->targets);
    for (size_t i = 0; i < w->n * w->targets; i++) {
        double g[3];
        kr_transform_at(&w->gp->transforms[i / w->n], w->gp->train.y[i], g);
        out->loss += share * log(g[1]);
        if (w->data)
            w->data->y[i] += share * g[2] / g[1];
    }
}

static void collect(const struct kr_gp *gp, const struct kr_part *part, double *y)
{
    for (size_t i = 0; i < part->n * gp->targets; i++) {
        double g[3];
        kr_transform_at(&gp->transforms[i / part->n], part->y[i], g);
        y[i / part->n * gp->rows + part->rows[i % part->n]] /= g[1];
    }
}

void kr_transformed_collect(const struct kr_gp *gp, double *y)
{
    collect(gp, &gp->train, y);
    if (gp->form == KR_HOLD_OUT && !gp->elsewhere)
        collect(gp, &gp->validation, y);
}
