/*
 * arc_cosine: the infinitely wide network with one layer of rectified units. With a = (1, x_k/l_k), b = (1,
 * z_k/l_k) and t the angle between them,
 *
 *     k = v |a||b|/pi (sin t + (pi - t) cos t),      cos t = a.b/(|a||b|), clamped to [-1, 1]
 *
 * Written in p = a.b, A = |a|^2, B = |b|^2:  dk/dp = v (pi - t)/pi,  dk/dA = v sin t |b|/(2 pi |a|). Cost of
 * an m x n tile: m n (2 d + 60) flops. Source: Cho and Saul 2009, order 1.
 */
#include "kernel/stationary.h"

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_stationary_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_stationary_options, lengthscale), KR_UNIT_LENGTH, true, 0, 0},
};

static double length_of(const struct kr_kernel *kernel, const double *theta, size_t k)
{
    return theta[kernel->first + 1 + (kernel->entries[1] == 1 ? 0 : k)];
}

/* |a|^2 of point i of a set */
static double squared_norm(const struct kr_kernel *kernel, const double *theta, const double *x, size_t ld,
                           size_t i)
{
    double sum = 1;
    for (size_t k = 0; k < kernel->nfeatures; k++) {
        double entry = x[kernel->features[k] * ld + i] / length_of(kernel, theta, k);
        sum += entry * entry;
    }
    return sum;
}

/* a.b of point i with all columns, and |b|^2 of those. */
static void products(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                     size_t i, double *p)
{
    for (size_t j = 0; j < tile->n; j++)
        p[j] = 1;
    for (size_t k = 0; k < kernel->nfeatures; k++) {
        const double l = length_of(kernel, theta, k), x = tile->x[kernel->features[k] * tile->ldx + i] / l,
                     *z = tile->z + kernel->features[k] * tile->ldz;
        for (size_t j = 0; j < tile->n; j++)
            p[j] += x * (z[j] / l);
    }
}

/* g = |a||b|/pi (sin t + (pi - t) cos t) and its derivatives by p, A and B. */
static void profile(double p, double A, double B, double *g, double *by_p, double *by_A, double *by_B)
{
    const double size = sqrt(A * B), cosine = fmin(fmax(p / size, -1), 1),
                 sine = sqrt((1 - cosine) * (1 + cosine)), rest = M_PI - acos(cosine);
    *g = size / M_PI * (sine + rest * cosine);
    *by_p = rest / M_PI;
    *by_A = sine * size / (2 * M_PI * A);
    *by_B = sine * size / (2 * M_PI * B);
}

static void eval(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, double *K,
                 double *scratch)
{
    (void)scratch;
    double p[KR_TILE], B[KR_TILE];
    for (size_t j = 0; j < tile->n; j++)
        B[j] = squared_norm(kernel, theta, tile->z, tile->ldz, j);
    for (size_t i = 0; i < tile->m; i++) {
        const double A = squared_norm(kernel, theta, tile->x, tile->ldx, i);
        products(kernel, theta, tile, i, p);
        for (size_t j = 0; j < tile->n; j++) {
            double g, by_p, by_A, by_B;
            profile(p[j], A, B[j], &g, &by_p, &by_A, &by_B);
            K[i * tile->n + j] = theta[kernel->first] * g;
        }
    }
}

/* The weights of row i on p and B (n each) and on A, v included; adds the derivative by v. */
static double weigh(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile, size_t i,
                    const double *W, const double *B, double *on_p, double *on_B, double *by_variance)
{
    double p[KR_TILE], on_A = 0;
    const double A = squared_norm(kernel, theta, tile->x, tile->ldx, i), v = theta[kernel->first];
    products(kernel, theta, tile, i, p);
    for (size_t j = 0; j < tile->n; j++) {
        double g, by_p, by_A, by_B;
        const double w = W[i * tile->n + j];
        profile(p[j], A, B[j], &g, &by_p, &by_A, &by_B);
        *by_variance += w * g;
        on_p[j] = w * v * by_p;
        on_B[j] = w * v * by_B;
        on_A += w * v * by_A;
    }
    return on_A;
}

static void pull(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                 const double *W, double *grad, double *scratch)
{
    (void)scratch;
    double B[KR_TILE], on_p[KR_TILE], on_B[KR_TILE];
    for (size_t j = 0; j < tile->n; j++)
        B[j] = squared_norm(kernel, theta, tile->z, tile->ldz, j);
    for (size_t i = 0; i < tile->m; i++) {
        const double on_A = weigh(kernel, theta, tile, i, W, B, on_p, on_B, grad + kernel->first);
        for (size_t k = 0; k < kernel->nfeatures; k++) {
            const double l = length_of(kernel, theta, k),
                         x = tile->x[kernel->features[k] * tile->ldx + i] / l,
                         *z = tile->z + kernel->features[k] * tile->ldz;
            double sum = on_A * x * x;
            for (size_t j = 0; j < tile->n; j++)
                sum += on_p[j] * x * (z[j] / l) + on_B[j] * (z[j] / l) * (z[j] / l);
            grad[kernel->first + 1 + (kernel->entries[1] == 1 ? 0 : k)] -= 2 * sum / l;
        }
    }
}

static void pull_x(const struct kr_kernel *kernel, const double *theta, const struct kr_tile *tile,
                   const double *W, double *grad_x, size_t ld, double *scratch)
{
    (void)scratch;
    double B[KR_TILE], on_p[KR_TILE], on_B[KR_TILE], by_variance = 0;
    for (size_t j = 0; j < tile->n; j++)
        B[j] = squared_norm(kernel, theta, tile->z, tile->ldz, j);
    for (size_t i = 0; i < tile->m; i++) {
        const double on_A = weigh(kernel, theta, tile, i, W, B, on_p, on_B, &by_variance);
        for (size_t k = 0; k < kernel->nfeatures; k++) {
            const double l = length_of(kernel, theta, k), *z = tile->z + kernel->features[k] * tile->ldz;
            double sum = 2 * on_A * tile->x[kernel->features[k] * tile->ldx + i];
            for (size_t j = 0; j < tile->n; j++)
                sum += on_p[j] * z[j];
            grad_x[kernel->features[k] * ld + i] += sum / (l * l);
        }
    }
}

const struct kr_kernel_type kr_kernel_arc_cosine = {
    .base = {"arc_cosine", "an infinitely wide layer of rectified units: piecewise linear trends, any slope",
             &kr_stationary_options_schema},
    .nparameters = 2,
    .parameters = parameters,
    .features = offsetof(struct kr_stationary_options, features),
    .ard = offsetof(struct kr_stationary_options, ard),
    .kernels = -1,
    .unitless = true,
    .eval = eval,
    .pull = pull,
    .pull_x = pull_x,
};
