/*
 * Kernels of a sum over features: k(x, z) = v g(s; a), s = sum_k t(x_k, z_k; p_k) over the kernel's features.
 *
 * A kernel file says which parameters it has, in the order of theta,
 *
 *     PAIRWISE_VARIANCE   1: v comes first, one number; 0: v = 1
 *     PAIRWISE_FEATURE    0 to 2 parameters p of each feature, one number for all or one a feature
 *     PAIRWISE_SHAPE      1: a, one number, comes last
 *
 * defines four branch-free inline functions,
 *
 *     double term(double x, double z, const double *p);                    t
 *     void term_slopes(.., double *by_p, double *by_x);                    dt/dp (PAIRWISE_FEATURE), dt/dx
 *     void profile(const struct kr_kernel *, double s, double a, double *g);
 *     void profile_slopes(.., double *g, double *by_s, double *by_a);
 *
 * and then writes KR_PAIRWISE(name) for eval, pull and pull_x. Cost of an m x n tile: m n (d t + g) for the
 * values, and m n d (PAIRWISE_FEATURE + 1) slopes more for a pull; no memory beyond rows of a tile.
 */
#ifndef KERNEL_PAIRWISE_H
#define KERNEL_PAIRWISE_H

#include "kriged/kernel.h"

#include <math.h>

#define KR_INLINE_MATH static inline __attribute__((always_inline))

/* t = (x - z)^2/p^2, the term of r^2. */
KR_INLINE_MATH double distance_term(double x, double z, const double *p)
{
    double t = (x - z) / p[0];
    return t * t;
}

KR_INLINE_MATH void distance_term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    double t = (x - z) / p[0];
    by_p[0] = -2 * t * t / p[0];
    *by_x = 2 * t / p[0];
}

KR_INLINE_MATH double integer_power(double base, size_t exponent)
{
    double out = 1;
    for (; exponent > 0; exponent--)
        out *= base;
    return out;
}

/* Parameters of feature k. */
KR_INLINE_MATH void pairwise_feature(const struct kr_kernel *kernel, const double *theta, size_t k, double *p)
{
    const double *at = theta + kernel->first + PAIRWISE_VARIANCE;
    for (int q = 0; q < PAIRWISE_FEATURE; q++) {
        const size_t entries = kernel->entries[PAIRWISE_VARIANCE + q];
        p[q] = at[entries == 1 ? 0 : k];
        at += entries;
    }
}

/* Where the derivative by parameter q of feature k goes. */
KR_INLINE_MATH double *pairwise_slot(const struct kr_kernel *kernel, double *grad, int q, size_t k)
{
    double *at = grad + kernel->first + PAIRWISE_VARIANCE;
    for (int before = 0; before < q; before++)
        at += kernel->entries[PAIRWISE_VARIANCE + before];
    return at + (kernel->entries[PAIRWISE_VARIANCE + q] == 1 ? 0 : k);
}

KR_INLINE_MATH double pairwise_variance(const struct kr_kernel *kernel, const double *theta)
{
    return PAIRWISE_VARIANCE ? theta[kernel->first] : 1;
}

KR_INLINE_MATH double pairwise_shape(const struct kr_kernel *kernel, const double *theta)
{
    return PAIRWISE_SHAPE ? theta[kernel->first + kernel->nparams - 1] : 0;
}

#define KR_PAIRWISE_ROW(kernel, theta, tile, i, s)                                                           \
    do {                                                                                                     \
        for (size_t j = 0; j < tile->n; j++)                                                                 \
            s[j] = 0;                                                                                        \
        for (size_t k = 0; k < kernel->nfeatures; k++) {                                                     \
            double p[2];                                                                                     \
            const double x = tile->x[kernel->features[k] * tile->ldx + i],                                   \
                         *z = tile->z + kernel->features[k] * tile->ldz;                                     \
            pairwise_feature(kernel, theta, k, p);                                                           \
            for (size_t j = 0; j < tile->n; j++)                                                             \
                s[j] += term(x, z[j], p);                                                                    \
        }                                                                                                    \
    } while (0)

#define KR_PAIRWISE(name)                                                                                    \
    static void name##_eval(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, \
                            double *K, double *scratch)                                                      \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double s[KR_TILE];                                                                                   \
        const double variance = pairwise_variance(kernel, theta), shape = pairwise_shape(kernel, theta);     \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            KR_PAIRWISE_ROW(kernel, theta, tile, i, s);                                                      \
            for (size_t j = 0; j < tile->n; j++) {                                                           \
                double g;                                                                                    \
                profile(kernel, s[j], shape, &g);                                                            \
                K[i * tile->n + j] = variance * g;                                                           \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    /* G = W v dg/ds for row i; adds the derivatives by v and a to those. */                                 \
    static void name##_slopes(const struct kr_kernel *kernel, const double *theta,                           \
                              const struct kr_tile *tile, size_t i, const double *W, double *G,              \
                              double *by_variance, double *by_shape)                                         \
    {                                                                                                        \
        double s[KR_TILE];                                                                                   \
        const double variance = pairwise_variance(kernel, theta), shape = pairwise_shape(kernel, theta);     \
        KR_PAIRWISE_ROW(kernel, theta, tile, i, s);                                                          \
        for (size_t j = 0; j < tile->n; j++) {                                                               \
            double g, by_s, by_a;                                                                            \
            const double w = W[i * tile->n + j];                                                             \
            profile_slopes(kernel, s[j], shape, &g, &by_s, &by_a);                                           \
            *by_variance += w * g;                                                                           \
            *by_shape += w * variance * by_a;                                                                \
            G[j] = w * variance * by_s;                                                                      \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, \
                            const double *W, double *grad, double *scratch)                                  \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double G[KR_TILE], by_variance = 0, by_shape = 0;                                                    \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            name##_slopes(kernel, theta, tile, i, W, G, &by_variance, &by_shape);                            \
            for (size_t k = 0; PAIRWISE_FEATURE > 0 && k < kernel->nfeatures; k++) {                         \
                double p[2], by_p[2], by_x, sum[2] = {0, 0};                                                 \
                const double x = tile->x[kernel->features[k] * tile->ldx + i],                               \
                             *z = tile->z + kernel->features[k] * tile->ldz;                                 \
                pairwise_feature(kernel, theta, k, p);                                                       \
                for (size_t j = 0; j < tile->n; j++) {                                                       \
                    term_slopes(x, z[j], p, by_p, &by_x);                                                    \
                    for (int q = 0; q < PAIRWISE_FEATURE; q++)                                               \
                        sum[q] += G[j] * by_p[q];                                                            \
                }                                                                                            \
                for (int q = 0; q < PAIRWISE_FEATURE; q++)                                                   \
                    *pairwise_slot(kernel, grad, q, k) += sum[q];                                            \
            }                                                                                                \
        }                                                                                                    \
        if (PAIRWISE_VARIANCE)                                                                               \
            grad[kernel->first] += by_variance;                                                              \
        if (PAIRWISE_SHAPE)                                                                                  \
            grad[kernel->first + kernel->nparams - 1] += by_shape;                                           \
    }                                                                                                        \
    static void name##_pull_x(const struct kr_kernel *kernel, const double *theta,                           \
                              const struct kr_tile *tile, const double *W, double *grad_x, size_t ld,        \
                              double *scratch)                                                               \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double G[KR_TILE], by_variance = 0, by_shape = 0;                                                    \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            name##_slopes(kernel, theta, tile, i, W, G, &by_variance, &by_shape);                            \
            for (size_t k = 0; k < kernel->nfeatures; k++) {                                                 \
                double p[2], by_p[2], by_x, sum = 0;                                                         \
                const double x = tile->x[kernel->features[k] * tile->ldx + i],                               \
                             *z = tile->z + kernel->features[k] * tile->ldz;                                 \
                pairwise_feature(kernel, theta, k, p);                                                       \
                for (size_t j = 0; j < tile->n; j++) {                                                       \
                    term_slopes(x, z[j], p, by_p, &by_x);                                                    \
                    sum += G[j] * by_x;                                                                      \
                }                                                                                            \
                grad_x[kernel->features[k] * ld + i] += sum;                                                 \
            }                                                                                                \
        }                                                                                                    \
    }

#endif
