/* Feature maps of every kernel of the conformance cases, at a theta, and their rows one by one. */
#ifndef KRIGED_TESTS_OP_FEATURE_SETTINGS_H
#define KRIGED_TESTS_OP_FEATURE_SETTINGS_H

#include "checks.h"
#include "kriged/features.h"

enum { POINTS = KR_TILE + 21, INDUCING = 17, MOST_THETA = 128, COUNT = 24 };

static struct kr_ctx context, *ctx;
static struct kr_dataset data;

/* A map at theta: the kernel's parameters, the noise, and the inducing inputs where they are tuned. */
struct setting {
    const struct kr_kernel *kernel;
    struct kr_parameters parameters;
    double theta[MOST_THETA];
    size_t count, noise_index;
    struct kr_points x, z;
    struct kr_feature_map map, open;
    struct kr_noise noise;
};

static inline void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    data = small_data(ctx, POINTS + INDUCING, true, 3);
}

static inline void teardown(void)
{
    kr_ctx_fini(ctx);
}

static inline void build(const struct kr_variant *spec, struct setting *s)
{
    struct kr_kernel *whole;
    size_t nwhite, *white;
    memset(s, 0, sizeof *s);
    OK(kr_kernel_build(ctx, spec, FEATURES, data.feature_names, "/model/kernel", "kernel", &s->parameters,
                       &whole));
    OK(kr_kernel_split(ctx, whole, "/model/kernel", &s->kernel, &nwhite, &white));
    for (size_t p = 0; p < s->parameters.count; p++) {
        s->theta[p] = s->parameters.items[p].spec.value;
        s->parameters.items[p].spec.fixed = true;
    }
    s->noise_index = s->parameters.count;
    s->theta[s->noise_index] = 0.3;
    s->count = s->noise_index + 1;
    s->noise = (struct kr_noise){1, &s->noise_index, data.noise_variance};
    s->x = (struct kr_points){POINTS, FEATURES, data.n, data.x};
    s->z = (struct kr_points){INDUCING, FEATURES, data.n, data.x + POINTS};
}

static inline bool fourier(const struct kr_variant *spec, struct setting *s)
{
    struct kr_fourier_options options;
    OK(kr_schema_init(ctx, &kr_fourier_options_schema, &options));
    options.count = COUNT;
    build(spec, s);
    if (!s->kernel)
        return false;
    if (kr_features_fourier(ctx, &options, s->kernel, FEATURES, &s->parameters, "/model", &s->map) != KR_OK) {
        ck_assert_int_eq(ctx->error.status, KR_INVALID);
        kr_ctx_clear_error(ctx);
        return false;
    }
    OK(kr_features_open(ctx, &s->map, s->theta, &s->open));
    return true;
}

static inline bool inducing(const struct kr_variant *spec, bool tuned, struct setting *s)
{
    build(spec, s);
    if (!s->kernel)
        return false;
    for (size_t j = 0; tuned && j < INDUCING; j++)
        for (size_t k = 0; k < FEATURES; k++)
            s->theta[s->count + j * FEATURES + k] = s->z.x[k * s->z.ld + j];
    OK(kr_features_inducing(ctx, s->kernel, &s->z, tuned, s->count, &s->map));
    s->count += tuned ? INDUCING * FEATURES : 0;
    ck_assert_uint_le(s->count, MOST_THETA);
    OK(kr_features_open(ctx, &s->map, s->theta, &s->open));
    return true;
}

/* Phi by the definition: of one row at a time. */
static inline double *entries(struct setting *s, bool noise)
{
    double *A = kr_alloc(ctx, POINTS * s->map.p, sizeof *A), *row = kr_alloc(ctx, s->map.p, sizeof *row);
    for (size_t i = 0; i < POINTS; i++) {
        const struct kr_points point = {1, FEATURES, data.n, data.x + i};
        const double scale = noise ? 1 / sqrt(0.3 + data.noise_variance[i]) : 1;
        struct kr_op op;
        OK(kr_op_features(ctx, &s->open, &point, NULL, &op));
        OK(kr_op_fill(ctx, &op, row));
        for (size_t j = 0; j < s->map.p; j++)
            A[j * POINTS + i] = scale * row[j];
    }
    return A;
}

static inline size_t cases(struct kernel_case **out)
{
    *out = kr_alloc(ctx, MOST_CASES, sizeof **out);
    return kernel_cases(ctx, *out);
}

static inline double *symmetric(size_t p, uint64_t seed)
{
    double *N = normals(ctx, p * p, seed);
    for (size_t j = 0; j < p; j++)
        for (size_t i = 0; i < j; i++)
            N[j + i * p] = N[i + j * p];
    return N;
}

static inline void rbf_and_linear(struct kr_variant *spec)
{
    struct kr_variant parts[4] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("linear"), 0),
                                  leaf(ctx, kernel_type("matern52"), 2), leaf(ctx, kernel_type("white"), 0)};
    composite(ctx, kernel_type("sum"), 4, parts, spec);
}

#endif
