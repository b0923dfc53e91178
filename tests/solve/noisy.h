/* Gram matrices with noise, and every preconditioner in every shape. */
#ifndef KRIGED_TESTS_SOLVE_NOISY_H
#define KRIGED_TESTS_SOLVE_NOISY_H

#include "systems.h"

/* Every row, those with options in every shape. */
static const struct shape {
    const char *name;
    size_t rank;
    enum kr_nystrom_select select;
    bool low_rank;
} shapes[] = {
    {"none", 0, KR_NYSTROM_UNIFORM, false},
    {"jacobi", 0, KR_NYSTROM_UNIFORM, false},
    {"pivoted_cholesky", 0, KR_NYSTROM_UNIFORM, true},
    {"nystrom", 0, KR_NYSTROM_UNIFORM, true},
    {"nystrom", 0, KR_NYSTROM_PROJECTION, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static inline struct kr_variant variant_of(struct kr_ctx *ctx, const struct shape *shape, size_t rank)
{
    struct kr_variant variant;
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, shape->name, &variant));
    if (strcmp(shape->name, "pivoted_cholesky") == 0)
        ((struct kr_pivoted_cholesky_options *)variant.options)->rank = rank;
    if (strcmp(shape->name, "nystrom") == 0)
        *(struct kr_nystrom_options *)variant.options =
            (struct kr_nystrom_options){.rank = rank, .select = (int)shape->select, .seed = 3};
    return variant;
}

/* K + noise I + known variances, of n points. */
struct noisy {
    size_t n;
    double theta[3];
    struct kr_op gram, op;
    double *A; /* filled, both triangles */
};

static inline void make_noisy(struct kr_ctx *ctx, const char *kernel_name, size_t n, double noise, bool known,
                              struct noisy *s)
{
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_dataset data = small_data(ctx, n, true, 3);
    struct kr_points x = {n, FEATURES, n, data.x};
    struct kr_variant spec;
    OK(kr_variant_init(ctx, &kr_kernel_registry, kernel_name, &spec));
    *s = (struct noisy){.n = n, .theta = {1.3, 4, noise}};
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    OK(kr_op_kernel(ctx, kernel, s->theta, &x, NULL, &s->gram));
    OK(kr_op_shift(ctx, &s->gram, s->theta, 2, known ? data.noise_variance : NULL, &s->op));
    s->A = kr_alloc(ctx, n * n, sizeof *s->A);
    OK(kr_op_fill(ctx, &s->op, s->A));
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < j; i++)
            s->A[i + j * n] = s->A[j + i * n];
}

#endif
