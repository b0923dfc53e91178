/* A start at the parameters of an earlier run, matched by name. O(parameters^2). */
#include "kriged/tune.h"

#include <math.h>
#include <string.h>

/* The place of a name in the list; its length when it is not there. */
static size_t find(const struct kr_values *values, const char *name)
{
    size_t i = 0;
    while (i < values->count && strcmp(values->names[i], name) != 0)
        i++;
    return i;
}

static bool is_of_kernel(const char *name)
{
    return strncmp(name, "kernel.", strlen("kernel.")) == 0;
}

/* Of a part that the earlier model may have had differently. */
static bool is_replaceable(const char *name)
{
    return strncmp(name, "mean.", strlen("mean.")) == 0 ||
           strncmp(name, "approximation.", strlen("approximation.")) == 0;
}

static const struct kr_parameter *find_parameter(const struct kr_gp *gp, const char *name)
{
    for (size_t p = 0; p < gp->parameters.count; p++)
        if (strcmp(gp->parameters.items[p].name, name) == 0)
            return &gp->parameters.items[p];
    return NULL;
}

static kr_status check(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_values *values,
                       const char *pointer)
{
    for (size_t p = 0; p < gp->parameters.count; p++)
        if (is_of_kernel(gp->parameters.items[p].name) &&
            find(values, gp->parameters.items[p].name) == values->count)
            return kr_fail(ctx, KR_INVALID, pointer,
                           "is of a kernel of another shape: it has no %.100s, which this kernel has",
                           gp->parameters.items[p].name);
    for (size_t i = 0; i < values->count; i++) {
        const struct kr_parameter *parameter = find_parameter(gp, values->names[i]);
        if (!parameter && is_of_kernel(values->names[i]))
            return kr_fail(ctx, KR_INVALID, pointer,
                           "is of a kernel of another shape: it has %.100s, which this kernel has not",
                           values->names[i]);
        if (!parameter && !is_replaceable(values->names[i]))
            return kr_fail(ctx, KR_INVALID, pointer, "this model has no hyperparameter called \"%.100s\"",
                           values->names[i]);
        if (parameter && !parameter->spec.fixed && parameter->positive && !(values->values[i] > 0))
            return kr_fail(ctx, KR_INVALID, pointer, "%.100s must be positive, got %g", values->names[i],
                           values->values[i]);
    }
    return KR_OK;
}

kr_status kr_tune_warm_start(struct kr_ctx *ctx, struct kr_gp *gp, const struct kr_values *values,
                             const char *pointer, bool *clamped)
{
    KR_TRY(check(ctx, gp, values, pointer));
    for (size_t p = 0; p < gp->parameters.count; p++) {
        const struct kr_parameter *parameter = &gp->parameters.items[p];
        const size_t i = find(values, parameter->name);
        double lower, upper;
        clamped[p] = false;
        if (i == values->count || parameter->spec.fixed)
            continue;
        kr_parameter_bounds(gp, p, &lower, &upper);
        gp->start[p] = fmin(fmax(values->values[i], lower), upper);
        clamped[p] = gp->start[p] != values->values[i];
    }
    return KR_OK;
}
