/* Kernels with and without their fused tiles, side by side: what fused products and pulls are tested on. */
#ifndef KRIGED_TESTS_FUSED_CASES_H
#define KRIGED_TESTS_FUSED_CASES_H

#include "checks.h"
#include "kernel/fused.h"

struct pair_of_kernels {
    struct kr_kernel *fused, *plain;
    struct kr_parameters parameters;
    double theta[32];
};

/* The same tree whose types have no fused tiles. */
static inline struct kr_kernel *without_tiles(struct kr_ctx *ctx, const struct kr_kernel *kernel)
{
    struct kr_kernel *copy = kr_alloc(ctx, 1, sizeof *copy);
    struct kr_kernel_type *type = kr_alloc(ctx, 1, sizeof *type);
    *type = *kernel->type;
    type->fused = NULL;
    *copy = *kernel;
    copy->type = type;
    copy->kernels = kr_alloc(ctx, kernel->nkernels + 1, sizeof *copy->kernels);
    for (size_t c = 0; c < kernel->nkernels; c++)
        copy->kernels[c] = without_tiles(ctx, kernel->kernels[c]);
    return copy;
}

static inline struct pair_of_kernels build_pair(struct kr_ctx *ctx, const struct kr_variant *spec)
{
    static const char *const names[FEATURES] = {"a", "b", "c"};
    struct pair_of_kernels out = {0};
    OK(kr_kernel_build(ctx, spec, FEATURES, names, "", "kernel", &out.parameters, &out.fused));
    ck_assert_uint_le(out.parameters.count, sizeof out.theta / sizeof *out.theta);
    for (size_t p = 0; p < out.parameters.count; p++)
        out.theta[p] = out.parameters.items[p].spec.value;
    out.plain = without_tiles(ctx, out.fused);
    return out;
}

/* Every kernel that has fused tiles in every shape, a product of two, of three, and sums with what has none.
 */
static inline size_t fused_cases(struct kr_ctx *ctx, struct kernel_case *out)
{
    struct kernel_case *all = kr_alloc(ctx, MOST_CASES, sizeof *all);
    const size_t available = kernel_cases(ctx, all);
    size_t count = 0;
    for (size_t c = 0; c < available; c++)
        if (((const struct kr_kernel_type *)all[c].spec.type)->fused)
            out[count++] = all[c];
    ck_assert_uint_ge(count, 12);
    const struct kr_kernel_type *sum = kernel_type("sum"), *product = kernel_type("product");
    struct kr_variant two[2] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("matern32"), 2)};
    struct kr_variant three[3] = {leaf(ctx, kernel_type("rbf"), 2), leaf(ctx, kernel_type("matern12"), 0),
                                  leaf(ctx, kernel_type("matern52"), 1)};
    struct kr_variant parts[4] = {
        leaf(ctx, kernel_type("linear"), 0), {0}, {0}, leaf(ctx, kernel_type("white"), 0)};
    composite(ctx, product, 2, two, &out[count].spec);
    snprintf(out[count++].name, sizeof out->name, "rbf * matern32");
    composite(ctx, product, 3, three, &out[count].spec);
    snprintf(out[count++].name, sizeof out->name, "rbf * matern12 * matern52");
    composite(ctx, sum, 3, three, &out[count].spec);
    snprintf(out[count++].name, sizeof out->name, "rbf + matern12 + matern52");
    parts[1] = out[count - 3].spec;
    parts[2] = two[1];
    composite(ctx, sum, 4, parts, &out[count].spec);
    snprintf(out[count++].name, sizeof out->name, "linear + rbf * matern32 + matern32 + white");
    parts[1] = leaf(ctx, kernel_type("periodic"), 0);
    composite(ctx, product, 3, parts, &out[count].spec);
    snprintf(out[count++].name, sizeof out->name, "linear * periodic * matern32");
    return count;
}

/* Points about 3, so far apart; a few numbers more than they need, so that one point may be left out. */
static inline struct kr_points points_about(struct kr_ctx *ctx, size_t n, double spread, uint64_t seed)
{
    double *x = normals(ctx, n * FEATURES + 5, seed);
    for (size_t e = 0; e < n * FEATURES; e++)
        x[e] = 3 + spread * x[e];
    return (struct kr_points){n, FEATURES, n, x};
}

#endif
