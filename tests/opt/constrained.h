/* Problems with constraints, and the loop of kriged/nullspace.h around any optimiser. */
#ifndef KRIGED_TESTS_OPT_CONSTRAINED_H
#define KRIGED_TESTS_OPT_CONSTRAINED_H

#include "opt/dense.h"
#include "opt/problems.h"

/* c (m) and its Jacobian, column-major m x n, as dense entries. */
struct constrained {
    const char *name;
    size_t n, m;
    double (*loss)(const struct constrained *, const double *z, double *g);
    void (*constraints)(const struct constrained *, const double *z, double *c, double *J);
    double start[MOST], lower[MOST], upper[MOST];
    const double *data; /* of the problem */
};

/* How a run is made: the learning rate falls from `rate` by the factor `decay` a step. */
struct how {
    const char *optimizer;
    double rate, decay, momentum;
    size_t steps;
    struct kr_nullspace_options options;
};

/* Where it ended, and the largest |c| after each of the first steps. */
struct outcome {
    double z[MOST], f, violation, gradient, multipliers[MOST], mismatch;
    double first[8];
    size_t held, steps;
};

static inline double largest(size_t n, const double *x)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static inline const struct kr_optimizer_type *optimizer(struct kr_ctx *ctx, const struct how *how,
                                                        void **options)
{
    struct kr_variant variant;
    OK(kr_variant_init(ctx, &kr_optimizer_registry, how->optimizer, &variant));
    const struct kr_optimizer_type *type = (const struct kr_optimizer_type *)variant.type;
    ck_assert(type->takes_filter);
    *options = variant.options;
    set_option(type, variant.options, "learning_rate", how->rate);
    if (strcmp(how->optimizer, "gradient_descent") == 0)
        set_option(type, variant.options, "momentum", how->momentum);
    return type;
}

static inline struct outcome minimise(struct kr_ctx *ctx, const struct constrained *p, const struct how *how)
{
    struct outcome end = {.gradient = INFINITY};
    struct kr_nullspace_report report;
    struct kr_lstsq_report solves;
    struct kr_op J;
    double c[MOST], entries[MOST * MOST], g[MOST], g_free[MOST], proposal[MOST], next[MOST];
    void *options;
    const struct kr_optimizer_type *type = optimizer(ctx, how, &options);
    double *state = numbers(ctx, type->state_size(options, p->n));
    type->init(options, p->n, p->lower, p->upper, p->start, state);
    memcpy(end.z, p->start, sizeof end.z);
    for (end.steps = 0;; end.steps++) {
        struct kr_mark mark = kr_mark(ctx);
        end.f = p->loss(p, end.z, g);
        p->constraints(p, end.z, c, entries);
        end.violation = largest(p->m, c);
        if (end.steps < 8)
            end.first[end.steps] = end.violation;
        OK(kr_op_dense(ctx, p->m, p->n, entries, &J));
        OK(kr_nullspace_gradient(ctx, &how->options, &J, p->lower, p->upper, end.z, g, g_free,
                                 end.multipliers, &solves));
        end.gradient = largest(p->n, g_free);
        set_option(type, options, "learning_rate", how->rate * pow(how->decay, (double)end.steps));
        bool more = type->tell(options, p->n, p->lower, p->upper, state, end.z, end.f, g_free);
        if (end.steps == how->steps || (!more && end.violation < 1e-14))
            return end;
        type->ask(options, p->n, p->lower, p->upper, state, proposal);
        OK(kr_nullspace_filter(ctx, &how->options, end.steps, &J, c, p->lower, p->upper, end.z, proposal,
                               next, &report));
        memcpy(end.z, next, p->n * sizeof *next);
        end.mismatch = fmax(end.mismatch, report.mismatch);
        end.held = report.held;
        kr_release(ctx, mark);
    }
}

#endif
