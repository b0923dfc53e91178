/*
 * Prediction in weight space, from the weights w and the factor L L' = A'A + I (weight_space.c), without the
 * rows that they were fitted to:
 *
 *     mean(x) = m(x) + phi(x)'w,     C(x, z) = (L^-1 phi(x))'(L^-1 phi(z)) (+ k(x, z) - phi(x)'phi(z))
 *
 * with white noise of the kernel on the diagonal; functions phi(x)'(w + L^-T z), z ~ N(0, I). O(p d) a point
 * for the mean, O(p^2) for a variance; k points with their covariance take 2 k p + k^2 doubles and k^2 p
 * flops.
 */
#include "gp/weight_space.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { STREAM = 0x7a750000 /* and upward, one of random numbers a sample */ };

kr_status kr_weight_posterior_init(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                                   const double *theta, struct kr_posterior *out,
                                   struct kr_solve_report *report)
{
    const size_t p = gp->space->map.p;
    double *w, *L;
    struct weight_fit fit;
    KR_ALLOC(ctx, w, p * gp->targets);
    KR_ALLOC(ctx, L, p * p);
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_weight_fit(ctx, gp, part, theta, &fit, report));
    memcpy(w, fit.w, p * gp->targets * sizeof *w);
    for (size_t j = 0; j < p; j++)
        memcpy(L + j * (p + 1), fit.L + j * (p + 1), (p - j) * sizeof *L);
    kr_release(ctx, mark);
    *out = (struct kr_posterior){.kernel = gp->kernel,
                                 .mean = gp->mean,
                                 .mean_first = gp->mean_first,
                                 .noise_index = gp->noise_index,
                                 .targets = gp->targets,
                                 .mean_count = gp->mean_count,
                                 .theta = theta,
                                 .x = {.d = part->x.d},
                                 .alpha = w,
                                 .solver = &gp->spec->solver,
                                 .space = gp->space,
                                 .factor = L};
    return KR_OK;
}

kr_status kr_weight_posterior_mean(struct kr_ctx *ctx, const struct kr_posterior *p,
                                   const struct kr_points *x, double *mean)
{
    struct kr_feature_map map;
    struct kr_op op;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_features_open(ctx, &p->space->map, p->theta, &map));
    KR_TRY(kr_op_features(ctx, &map, x, NULL, &op));
    KR_TRY(kr_op_apply(ctx, &op, p->targets, p->alpha, mean));
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_weight_posterior_gradient(struct kr_ctx *ctx, const struct kr_posterior *p,
                                       const struct kr_points *x, const double *weights, double *gradient)
{
    struct kr_feature_map map;
    struct kr_op op;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_features_open(ctx, &p->space->map, p->theta, &map));
    KR_TRY(kr_op_features(ctx, &map, x, NULL, &op));
    KR_TRY(kr_features_pull_x(ctx, &op, 1, weights, p->alpha, 1, gradient));
    kr_release(ctx, mark);
    return KR_OK;
}

/* Of every two points, both triangles. */
static kr_status covariance_of(struct kr_ctx *ctx, const struct kr_posterior *p, struct kr_feature_map *map,
                               const struct kr_points *x, double *covariance)
{
    const int k = (int)x->n, q = (int)map->p;
    double *phi, *known;
    struct kr_op op, prior;
    KR_ALLOC(ctx, phi, x->n * map->p);
    KR_ALLOC(ctx, known, x->n * map->p);
    KR_TRY(kr_op_features(ctx, map, x, NULL, &op));
    KR_TRY(kr_op_fill(ctx, &op, phi));
    memset(covariance, 0, x->n * x->n * sizeof *covariance);
    if (p->space->residual) {
        KR_TRY(kr_op_kernel(ctx, p->space->kernel, p->theta, x, NULL, &prior));
        KR_TRY(kr_op_fill(ctx, &prior, covariance));
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, k, q, -1, phi, k, 1, covariance, k);
    }
    memcpy(known, phi, x->n * map->p * sizeof *phi);
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, k, q, 1, p->factor, q, known,
                k);
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, k, q, 1, known, k, 1, covariance, k);
    for (size_t i = 0; i < x->n; i++)
        for (size_t j = 0; j < i; j++)
            covariance[i * x->n + j] = covariance[j * x->n + i];
    return kr_poll(ctx);
}

kr_status kr_weight_posterior_covariance(struct kr_ctx *ctx, const struct kr_posterior *p,
                                         const struct kr_points *x, const double *noise, bool observe,
                                         double *variance, double *covariance, size_t *clamped)
{
    const double own = p->theta[p->noise_index], white = kr_weight_noise(p->space, p->theta) - own;
    struct kr_feature_map map;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_features_open(ctx, &p->space->map, p->theta, &map));
    KR_TRY(kr_weight_variance(ctx, p->space, &map, p->factor, x, variance, NULL));
    for (size_t j = 0; j < x->n; j++)
        variance[j] += white + (observe ? own + (noise ? noise[j] : 0) : 0);
    if (covariance) {
        KR_TRY(covariance_of(ctx, p, &map, x, covariance));
        for (size_t j = 0; j < x->n; j++)
            covariance[j * (x->n + 1)] = variance[j];
    }
    if (clamped)
        *clamped = 0;
    kr_release(ctx, mark);
    return KR_OK;
}

/* Weights w + L^-T z of one sample, then the noise at the points, as pathwise.c draws them: the same seed is
 * the same function, whatever points it is asked at. */
static void draw(const struct kr_posterior *p, const struct kr_points *x, const double *noise, bool observe,
                 uint64_t seed, size_t sample, double *weights, double *at_x)
{
    const size_t q = p->space->map.p;
    const double own = observe ? p->theta[p->noise_index] : 0,
                 white = kr_weight_noise(p->space, p->theta) - p->theta[p->noise_index];
    struct kr_rng rng;
    kr_rng_init(&rng, seed, STREAM + sample);
    for (size_t j = 0; j < q; j++)
        weights[j] = kr_rng_normal(&rng);
    cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, (int)q, p->factor, (int)q, weights, 1);
    for (size_t j = 0; j < q; j++)
        weights[j] += p->alpha[j];
    for (size_t j = 0; j < x->n; j++)
        at_x[j] = sqrt(fmax(white + own, 0) + (observe && noise ? noise[j] : 0)) * kr_rng_normal(&rng);
}

kr_status kr_weight_posterior_paths(struct kr_ctx *ctx, const struct kr_posterior *p,
                                    const struct kr_points *x, const double *noise, bool observe,
                                    size_t count, uint64_t seed, double *out)
{
    const size_t q = p->space->map.p;
    double *weights, *offset, *values;
    struct kr_feature_map map;
    struct kr_op op;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, weights, q * count);
    KR_ALLOC(ctx, offset, x->n);
    KR_ALLOC(ctx, values, x->n * count);
    for (size_t s = 0; s < count; s++)
        draw(p, x, noise, observe, seed, s, weights + s * q, out + s * x->n);
    KR_TRY(kr_features_open(ctx, &p->space->map, p->theta, &map));
    KR_TRY(kr_op_features(ctx, &map, x, NULL, &op));
    KR_TRY(kr_op_apply(ctx, &op, count, weights, values));
    p->mean->eval(p->theta + p->mean_first, x, offset);
    for (size_t s = 0; s < count; s++)
        for (size_t j = 0; j < x->n; j++)
            out[s * x->n + j] += offset[j] + values[s * x->n + j];
    kr_release(ctx, mark);
    return KR_OK;
}
