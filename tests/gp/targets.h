/* Data of several targets, and each of them in a data set of its own. */
#ifndef KRIGED_TESTS_GP_TARGETS_H
#define KRIGED_TESTS_GP_TARGETS_H

#include "../conform/objectives.h"

enum { TARGETS = 3, N = 60 };

static struct kr_ctx context, *ctx;
static struct kr_dataset data, alone[TARGETS];
static struct kr_gp_spec spec;

/* Targets of several units, and each in a data set of its own. */
static inline void make_data(bool noise)
{
    static const char *const names[TARGETS] = {"first", "second", "third"};
    double *y = kr_alloc(ctx, N * TARGETS, sizeof *y);
    data = small_data(ctx, N, noise, 5);
    for (size_t t = 0; t < TARGETS; t++) {
        const struct kr_dataset other = small_data(ctx, N, noise, 5 + t);
        for (size_t i = 0; i < N; i++)
            y[t * N + i] = (t == 1 ? 100 : 1) *
                           (0.5 * other.y[i] + cos((double)t * data.x[i]) + 0.1 * (double)t * data.x[N + i]);
        alone[t] = data;
        alone[t].y = y + t * N;
        alone[t].target_name = names[t];
    }
    data.y = y;
    data.targets = TARGETS;
    data.target_names = names;
}

/* Parameters of a mean: one value for all targets, or its own for each (t = TARGETS: of all). */
static inline void set_mean(const char *name, size_t t)
{
    OK(kr_variant_init(ctx, &kr_mean_registry, name, &spec.model.mean));
    if (strcmp(name, "zero") == 0)
        return;
    const bool linear = strcmp(name, "linear") == 0;
    struct kr_param *options = spec.model.mean.options, *value = options + linear;
    const size_t first = t == TARGETS ? 0 : t, count = t == TARGETS ? TARGETS : 1;
    value->array = t == TARGETS;
    value->count = count;
    value->values = kr_alloc(ctx, count, sizeof *value->values);
    for (size_t c = 0; c < count; c++)
        value->values[c].value = 0.1 * (double)(first + c) - 0.2;
    if (!linear)
        return;
    options->array = true;
    options->count = count * FEATURES;
    options->values = kr_alloc(ctx, count * FEATURES, sizeof *options->values);
    for (size_t c = 0; c < count * FEATURES; c++)
        options->values[c].value = 0.05 * (double)(first * FEATURES + c);
}

static inline void approximate(const char *name)
{
    OK(kr_variant_init(ctx, &kr_approximation_registry, name, &spec.model.approximation));
    if (strcmp(name, "fourier_features") == 0)
        ((struct kr_fourier_options *)spec.model.approximation.options)->count = 24;
    if (strcmp(name, "inducing") == 0)
        ((struct kr_inducing_options *)spec.model.approximation.options)->count = 12;
    spec.solver.type =
        kr_registry_find(&kr_solver_registry, strcmp(name, "exact") == 0 ? "cholesky" : "auto");
}

static inline void validate(const char *name)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, name, &spec.objective.validation));
    if (strcmp(name, "forward") == 0) {
        struct {
            double fraction;
            struct kr_features by;
        } *options = spec.objective.validation.options;
        ck_assert_uint_eq(spec.objective.validation.type->options->size, sizeof *options);
        options->by = (struct kr_features){1, kr_alloc(ctx, 1, sizeof(struct kr_feature))};
    }
}

static inline void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("linear"), 0)},
                      kernel;
    composite(ctx, kernel_type("sum"), 2, parts, &kernel);
    make_data(false);
    make_spec(ctx, &kernel, "nlpd", "cholesky", "zero", &spec);
}

static inline void teardown(void)
{
    kr_ctx_fini(ctx);
}
static const char *const forms[] = {"rows", "fraction", "forward", "kfold", "leave_one_out"};

#endif
