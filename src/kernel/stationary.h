/*
 * Stationary kernels: k(x, z) = variance * g(r^2), r^2 = sum_k (x_k - z_k)^2 / l_k^2 over the kernel's
 * features.
 *
 * A kernel file says what g is (profile.h), includes this file and writes KR_STATIONARY(name, doc): tiles,
 * fused products, gradients, ARD, options and JSON follow. Parameters: variance, lengthscale (one, or one a
 * feature). Before it come random features, by
 *
 *     static double spectrum(const struct kr_kernel *kernel, const double *theta, struct kr_rng *rng);
 *
 * a draw of s, so that s times a standard normal vector is distributed as the spectral density of g.
 *
 *     dk/dvariance = g,   dk/dl_k = -2 variance g'(r^2) (x_k - z_k)^2 / l_k^3,
 *     dk/dx_k = 2 variance g'(r^2) (x_k - z_k) / l_k^2
 *
 * In these tiles differences are squared directly, not expanded into products: near points keep all their
 * digits. Cost of an m x n tile: m n (3 d + g) flops for the values, m n (6 d + g) for the pull; no memory
 * beyond two rows of a tile. They are the specification of the fused ones (fused_tile.h).
 */
#ifndef KERNEL_STATIONARY_H
#define KERNEL_STATIONARY_H

#ifdef KR_PROFILE
#include "kernel/profile.h"
#endif
#include "kernel/vmath.h"
#include "kriged/kernel.h"

#include <math.h>

#define KR_STATIONARY_FIELDS(F, S)                                                                           \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "value at distance 0 (target's units squared)")            \
    F(S, PARAM, lengthscale, _, "1", 1e-30, 1e30, 0,                                                         \
      "distance over which values decorrelate; an array gives one a feature")                                \
    F(S, BOOL, ard, _, "false", 0, 0, 0, "one lengthscale a feature, all starting at the given value")       \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_stationary_options, KR_STATIONARY_FIELDS);

extern const struct kr_kernel_parameter kr_stationary_parameters[2];

static inline __attribute__((always_inline)) void stationary_row(const struct kr_kernel *kernel,
                                                                 const double *lengths,
                                                                 const struct kr_tile *tile, size_t i,
                                                                 double *r2)
{
    for (size_t j = 0; j < tile->n; j++)
        r2[j] = 0;
    for (size_t k = 0; k < kernel->nfeatures; k++) {
        size_t feature = kernel->features[k];
        double inverse = 1 / lengths[kernel->entries[1] == 1 ? 0 : k], x = tile->x[feature * tile->ldx + i];
        const double *z = tile->z + feature * tile->ldz;
        for (size_t j = 0; j < tile->n; j++) {
            double t = (x - z[j]) * inverse;
            r2[j] += t * t;
        }
    }
}

/* sum_j G_j (x_k - z_jk)^2 for one feature. */
static inline __attribute__((always_inline)) double stationary_moment(const struct kr_tile *tile, size_t i,
                                                                      size_t feature, const double *G)
{
    const double *z = tile->z + feature * tile->ldz;
    double x = tile->x[feature * tile->ldx + i], sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < tile->n; j++)
        sum += G[j] * (x - z[j]) * (x - z[j]);
    return sum;
}

/* sum_j G_j (x_k - z_jk) for one feature. */
static inline __attribute__((always_inline)) double stationary_pull(const struct kr_tile *tile, size_t i,
                                                                    size_t feature, const double *G)
{
    const double *z = tile->z + feature * tile->ldz;
    double x = tile->x[feature * tile->ldx + i], sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < tile->n; j++)
        sum += G[j] * (x - z[j]);
    return sum;
}

#define KR_STATIONARY(kernel_name, text)                                                                     \
    KR_CLONES static void eval(const struct kr_kernel *kernel, const double *theta,                          \
                               const struct kr_tile *tile, double *K, double *scratch)                       \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double r2[KR_TILE];                                                                                  \
        const double factor = profile_factor(0);                                                             \
        const double variance = theta[kernel->first], *lengths = theta + kernel->first + 1;                  \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            double *row = K + i * tile->n;                                                                   \
            stationary_row(kernel, lengths, tile, i, r2);                                                    \
            for (size_t j = 0; j < tile->n; j++) {                                                           \
                double g, slope, by_shape;                                                                   \
                profile_64_0(factor *r2[j], 0, 0, &g, &slope, &by_shape);                                    \
                row[j] = variance * g;                                                                       \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    KR_CLONES static void pull(const struct kr_kernel *kernel, const double *theta,                          \
                               const struct kr_tile *tile, const double *W, double *grad, double *scratch)   \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double r2[KR_TILE], G[KR_TILE];                                                                      \
        const double factor = profile_factor(0);                                                             \
        const double variance = theta[kernel->first], *lengths = theta + kernel->first + 1;                  \
        double *grad_lengths = grad + kernel->first + 1;                                                     \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            const double *weights = W + i * tile->n;                                                         \
            double values = 0;                                                                               \
            stationary_row(kernel, lengths, tile, i, r2);                                                    \
            _Pragma("omp simd reduction(+ : values)") for (size_t j = 0; j < tile->n; j++)                   \
            {                                                                                                \
                double g, slope, by_shape;                                                                   \
                profile_64_0(factor *r2[j], 0, 0, &g, &slope, &by_shape);                                    \
                values += weights[j] * g;                                                                    \
                G[j] = weights[j] * variance * factor * slope;                                               \
            }                                                                                                \
            grad[kernel->first] += values;                                                                   \
            for (size_t k = 0; k < kernel->nfeatures; k++) {                                                 \
                size_t p = kernel->entries[1] == 1 ? 0 : k;                                                  \
                double l = lengths[p];                                                                       \
                grad_lengths[p] -= 2 * stationary_moment(tile, i, kernel->features[k], G) / (l * l * l);     \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    KR_CLONES static void pull_x(const struct kr_kernel *kernel, const double *theta,                        \
                                 const struct kr_tile *tile, const double *W, double *grad_x, size_t ld,     \
                                 double *scratch)                                                            \
    {                                                                                                        \
        (void)scratch;                                                                                       \
        double r2[KR_TILE], G[KR_TILE];                                                                      \
        const double factor = profile_factor(0);                                                             \
        const double variance = theta[kernel->first], *lengths = theta + kernel->first + 1;                  \
        for (size_t i = 0; i < tile->m; i++) {                                                               \
            stationary_row(kernel, lengths, tile, i, r2);                                                    \
            for (size_t j = 0; j < tile->n; j++) {                                                           \
                double g, slope, by_shape;                                                                   \
                profile_64_0(factor *r2[j], 0, 0, &g, &slope, &by_shape);                                    \
                G[j] = W[i * tile->n + j] * 2 * variance * factor * slope;                                   \
            }                                                                                                \
            for (size_t k = 0; k < kernel->nfeatures; k++) {                                                 \
                double l = lengths[kernel->entries[1] == 1 ? 0 : k];                                         \
                grad_x[kernel->features[k] * ld + i] +=                                                      \
                    stationary_pull(tile, i, kernel->features[k], G) / (l * l);                              \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    const struct kr_kernel_type kr_kernel_##kernel_name = {                                                  \
        .base = {#kernel_name, text, &kr_stationary_options_schema},                                         \
        .nparameters = 2,                                                                                    \
        .parameters = kr_stationary_parameters,                                                              \
        .features = offsetof(struct kr_stationary_options, features),                                        \
        .ard = offsetof(struct kr_stationary_options, ard),                                                  \
        .kernels = -1,                                                                                       \
        .eval = eval,                                                                                        \
        .pull = pull,                                                                                        \
        .pull_x = pull_x,                                                                                    \
        .fused = &fused,                                                                                     \
        .feature_kind = KR_FEATURES_SPECTRAL,                                                                \
        .spectrum = spectrum,                                                                                \
    }

#endif
