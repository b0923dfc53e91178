/*
 * transform: changes of variables of the target. The Gaussian process is on z, the target is
 *
 *     y = g(z) + origin,     g increasing,
 *
 * so that predictions of y are those of z carried through g: densities get the factor dz/dy, quantiles are
 * mapped, means and variances are integrals. Each kind is a file that knows g and a few integrals of it
 * over a normal z; whatever losses, metrics and predictions need comes from these. By Gaussian integration
 * (Stein's identity) derivatives of E f(Z) are dE f/dmean = E f', dE f/dvariance = E f''/2.
 */
#ifndef KRIGED_TRANSFORM_H
#define KRIGED_TRANSFORM_H

#include "kriged/data.h"

extern const struct kr_registry kr_transform_registry; /* rows are struct kr_transform_type */

struct kr_transform_type {
    struct kr_type base;
    bool identity;      /* g(z) = z: predictions of y are normal */
    const char *domain; /* what a target must be, where that is not any number */
    double (*origin)(const void *options);
    /* g and its first two derivatives at z */
    void (*at)(const void *options, double z, double g[3]);
    /* z where g is w; -INFINITY where w lies below the values of g, INFINITY above */
    double (*inverse)(const void *options, double w);
    /* E[g(Z); Z <= c] and the same of the first two derivatives; c may be infinite */
    void (*below)(const void *options, double mean, double variance, double c, double out[3]);
    /* half the mean difference of two draws, E|g(Z) - g(Z')|/2, and its derivatives by mean and variance */
    void (*spread)(const void *options, double mean, double variance, double out[3]);
    /* cov(g(Z1), g(Z2)) of joint normals */
    double (*covariance)(const void *options, const double mean[2], const double variance[2],
                         double covariance);
};

/* At work: z = mean + sd s with s what the process sees (standardised); y is measured in `unit` by losses. */
struct kr_transform {
    const struct kr_transform_type *type; /* NULL: none */
    const void *options;
    double mean, sd, unit;
};

/* Does it change anything? NULL does not. */
static inline bool kr_transforms(const struct kr_transform *t)
{
    return t && t->type && !t->type->identity;
}

/* The functions above of s instead of z, for (y - origin)/unit. */
void kr_transform_at(const struct kr_transform *t, double s, double out[3]);
double kr_transform_inverse(const struct kr_transform *t, double w);
void kr_transform_below(const struct kr_transform *t, double mean, double variance, double c, double out[3]);
void kr_transform_spread(const struct kr_transform *t, double mean, double variance, double out[3]);

/* What predictions are in the target's own units: of the point that minimises the expected squared error
 * (mean), and of a quantile. */
double kr_transform_mean(const struct kr_transform *t, double mean, double variance);
double kr_transform_value(const struct kr_transform *t, double s);

/*
 * *out: the data with z in the place of y. INVALID at /model/target_transform for a target outside of the
 * domain, with its row, and for known noise variances, which are those of y. `what` is said after the row: ""
 * or " of the validation data".
 */
kr_status kr_transform_targets(struct kr_ctx *ctx, const struct kr_variant *spec,
                               const struct kr_dataset *data, const char *what,
                               struct kr_dataset *out) KR_MUST_CHECK;

/*
 * A loss of one point through a change of variables: y, mean and variance as the process sees them; errors
 * are those of the target, in t->unit. by: its derivatives by mean, variance and y.
 */
typedef double kr_transformed_loss(const void *options, const struct kr_transform *t, double y, double mean,
                                   double variance, double by[3]);

#endif
