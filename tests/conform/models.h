/*
 * What the conformance suites walk: every kernel of the registry in every shape that its row allows, small
 * problems with known randomness, and central differences.
 */
#ifndef KRIGED_TESTS_MODELS_H
#define KRIGED_TESTS_MODELS_H

#include "../suite.h"
#include "kriged/gp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CASES = 64, FEATURES = 3 };

/* One kernel spec; its options live in the arena. */
struct kernel_case {
    char name[96];
    struct kr_variant spec;
};

/* Sanitizers look for other mistakes than wrong digits: of every so many derivatives they see one. */
#ifdef __SANITIZE_ADDRESS__
enum { EVERY_SO_MANY = 5 };
#else
enum { EVERY_SO_MANY = 1 };
#endif

#define OK(expression) ck_assert_msg((expression) == KR_OK, "%s: %s", #expression, ctx->error.detail)

static inline void *member(void *options, ptrdiff_t offset)
{
    return (char *)options + offset;
}

/* A leaf with uneven parameters: shape 0 shared, 1 one entry a feature, 2 the last and first feature only. */
static inline struct kr_variant leaf(struct kr_ctx *ctx, const struct kr_kernel_type *type, int shape)
{
    struct kr_variant spec;
    OK(kr_variant_init(ctx, &kr_kernel_registry, type->base.name, &spec));
    size_t nfeatures = FEATURES;
    if (shape == 2) {
        struct kr_features *features = member(spec.options, type->features);
        features->count = nfeatures = 2;
        features->items = kr_alloc(ctx, 2, sizeof *features->items);
        features->items[0].index = FEATURES - 1;
        features->items[1].index = 0;
    }
    for (size_t p = 0; p < type->nparameters; p++) {
        struct kr_param *param = member(spec.options, (ptrdiff_t)type->parameters[p].offset);
        if (shape > 0 && type->parameters[p].per_feature) {
            param->array = true;
            param->count = nfeatures;
            param->values = kr_alloc(ctx, nfeatures, sizeof *param->values);
        }
        for (size_t k = 0; k < param->count; k++)
            param->values[k].value = 0.8 + 0.3 * (double)p + 0.25 * (double)k;
    }
    return spec;
}

static inline void composite(struct kr_ctx *ctx, const struct kr_kernel_type *type, size_t count,
                             const struct kr_variant *children, struct kr_variant *out)
{
    OK(kr_variant_init(ctx, &kr_kernel_registry, type->base.name, out));
    struct kr_variants *list = member(out->options, type->kernels);
    list->count = count;
    list->items = kr_alloc(ctx, count, sizeof *children);
    memcpy(list->items, children, count * sizeof *children);
}

static inline const struct kr_kernel_type *kernel_type(const char *name)
{
    return (const struct kr_kernel_type *)kr_registry_find(&kr_kernel_registry, name);
}

/* Every row of the registry; composites get leaves, and once a composite of the other kind. */
static inline size_t kernel_cases(struct kr_ctx *ctx, struct kernel_case *cases)
{
    size_t count = 0;
    for (const struct kr_type *const *row = kr_kernel_registry.rows; *row; row++) {
        const struct kr_kernel_type *type = (const struct kr_kernel_type *)*row;
        if (type->kernels < 0) {
            int shapes = type->features < 0 ? 1 : type->ard < 0 ? 2 : 3;
            for (int shape = 0; shape < shapes; shape++, count++) {
                snprintf(cases[count].name, sizeof cases[count].name, "%s shape %d", type->base.name, shape);
                cases[count].spec = leaf(ctx, type, shape);
            }
            continue;
        }
        const char *other = strcmp(type->base.name, "sum") == 0 ? "product" : "sum";
        struct kr_variant parts[3] = {
            leaf(ctx, kernel_type("rbf"), 2), leaf(ctx, kernel_type("matern32"), 1), {NULL, NULL}};
        snprintf(cases[count].name, sizeof cases[count].name, "%s of two", type->base.name);
        composite(ctx, type, 2, parts, &cases[count++].spec);
        struct kr_variant inner[2] = {leaf(ctx, kernel_type("matern52"), 1),
                                      leaf(ctx, kernel_type("constant"), 0)};
        composite(ctx, kernel_type(other), 2, inner, &parts[2]);
        snprintf(cases[count].name, sizeof cases[count].name, "%s with a %s inside", type->base.name, other);
        composite(ctx, type, 3, parts, &cases[count++].spec);
    }
    ck_assert_uint_le(count, MOST_CASES);
    return count;
}

/* A smooth function of three features with noise, not standardised on purpose. */
static inline struct kr_dataset small_data(struct kr_ctx *ctx, size_t n, bool noise, uint64_t seed)
{
    static const char *const names[FEATURES] = {"a", "b", "c"};
    struct kr_dataset data = {.n = n, .d = FEATURES, .feature_names = names, .target_name = "y"};
    double *x = kr_alloc(ctx, n * FEATURES, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y),
           *v = kr_alloc(ctx, n, sizeof *v);
    struct kr_rng rng;
    kr_rng_init(&rng, seed, 99);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < FEATURES; k++)
            x[k * n + i] = (1 + 2 * (double)k) * kr_rng_normal(&rng) + (double)k;
        y[i] = 3 + sin(x[i]) + 0.2 * x[n + i] + 0.05 * x[2 * n + i] * x[i] + 0.2 * kr_rng_normal(&rng);
        v[i] = 0.02 + 0.05 * kr_rng_uniform(&rng);
    }
    data.x = x;
    data.y = y;
    data.noise_variance = noise ? v : NULL;
    return data;
}

/* f' at x by Richardson's extrapolation of central differences: error O(h^4) f^(5), h relative to |x| or 1.
 */
typedef double function_of_one(void *self, double x);
static inline double derivative(function_of_one *f, void *self, double x)
{
    const double h = 2e-4 * (fabs(x) > 0.1 ? fabs(x) : 0.1);
    double wide = (f(self, x + 2 * h) - f(self, x - 2 * h)) / (4 * h),
           near = (f(self, x + h) - f(self, x - h)) / (2 * h);
    return near + (near - wide) / 3;
}

/* |got - wanted| within `relative` of the largest entry of the vector that it belongs to. */
#define CLOSE(got, wanted, scale, relative, ...)                                                             \
    do {                                                                                                     \
        double got_ = (got), wanted_ = (wanted), allowed_ = (relative)*fmax((scale), 1e-300);                \
        char text_[256];                                                                                     \
        snprintf(text_, sizeof text_, __VA_ARGS__);                                                          \
        ck_assert_msg(fabs(got_ - wanted_) <= allowed_, "%s: got %.17g, wanted %.17g, off by %.2g of %.2g",  \
                      text_, got_, wanted_, fabs(got_ - wanted_), allowed_);                                 \
    } while (0)

#endif
