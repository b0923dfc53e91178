/* The constraints of a request on a gp: names, and what can be refused before any work. */
#include "kriged/gp.h"

#include <string.h>

static bool comes_twice(const struct kr_variants *specs, size_t i)
{
    for (size_t j = 0; j < specs->count; j++)
        if (j != i && specs->items[j].type == specs->items[i].type)
            return true;
    return false;
}

static size_t first_of_type(const struct kr_variants *specs, size_t i)
{
    size_t first = 0;
    while (specs->items[first].type != specs->items[i].type)
        first++;
    return first;
}

/* A function of theta says at the start what it depends on; one of the predictions depends on all of it. */
static kr_status require_influence(struct kr_ctx *ctx, const struct kr_gp *gp,
                                   const struct kr_gp_constraint *constraint, const char *pointer)
{
    double *grad, value;
    bool depends = !constraint->type->of_theta;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, grad, gp->parameters.count);
    if (constraint->type->of_theta)
        KR_TRY(constraint->type->of_theta(ctx, constraint->options, gp, gp->start, &value, grad));
    for (size_t p = 0; p < gp->parameters.count; p++)
        depends |= grad[p] != 0 && !gp->parameters.items[p].spec.fixed;
    kr_release(ctx, mark);
    return depends ? KR_OK
                   : kr_fail(ctx, KR_INVALID, pointer,
                             "%.100s depends on fixed hyperparameters only: no step can meet it",
                             constraint->name);
}

/* A condition on predictions needs some, and the same ones throughout a run. */
static kr_status require_points(struct kr_ctx *ctx, const struct kr_gp *gp,
                                const struct kr_gp_constraint *constraint, const char *pointer)
{
    const struct kr_subset_spec *subset = gp->spec->objective.subset;
    if (!constraint->type->of_held_out)
        return KR_OK;
    if (!gp->validation.n)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "%.100s is a condition on held-out rows: give objective.validation", constraint->name);
    if (subset && subset->fresh)
        return kr_fail(ctx, KR_INVALID, "/objective/subset/fresh",
                       "must be false beside the constraint %.100s: one that changes with every draw cannot "
                       "be met",
                       constraint->name);
    return KR_OK;
}

static kr_status add(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_variants *specs, size_t i,
                     const char *pointer, struct kr_gp_constraint *out)
{
    const struct kr_variant *spec = &specs->items[i];
    const struct kr_constraint_type *type = (const struct kr_constraint_type *)spec->type;
    const char *at = kr_printf(ctx, "%s/%zu", pointer, i);
    const size_t first = first_of_type(specs, i);
    *out = (struct kr_gp_constraint){type, spec->options,
                                     comes_twice(specs, i) ? kr_printf(ctx, "%s[%zu]", type->base.name, i)
                                                           : type->base.name};
    if (!at || !out->name)
        return ctx->error.status;
    if (first < i && !type->repeats)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/type", at),
                       "%s may be asked for once, and is constraint %zu already", type->base.name, first);
    KR_TRY(require_points(ctx, gp, out, at));
    if (type->check)
        KR_TRY(type->check(ctx, spec->options, gp, at));
    return require_influence(ctx, gp, out, at);
}

kr_status kr_gp_constrain(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_variants *specs,
                          const char *pointer, struct kr_gp_constraints *out)
{
    size_t open = 0;
    *out = (struct kr_gp_constraints){.count = specs->count};
    KR_ALLOC(ctx, out->items, specs->count);
    for (size_t p = 0; p < gp->parameters.count; p++)
        open += !gp->parameters.items[p].spec.fixed;
    for (size_t i = 0; i < specs->count; i++) {
        KR_TRY(add(ctx, gp, specs, i, pointer, &out->items[i]));
        out->needs_variance |= out->items[i].type->needs_variance ||
                               (out->items[i].type->transformed && kr_transforms(gp->transforms));
    }
    if (specs->count > open)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "%zu constraints are more than the %zu hyperparameters that are free", specs->count,
                       open);
    return KR_OK;
}
