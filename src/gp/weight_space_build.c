/* The weight space of a model: its kernel without white noise, its noise, its features. */
#include "gp/weight_space.h"

#include <string.h>

kr_status kr_weight_space_build(struct kr_ctx *ctx, const struct kr_variant *approximation,
                                const struct kr_kernel *kernel, size_t noise_index,
                                const struct kr_weight_site *site, struct kr_weight_space **out)
{
    const struct kr_approximation_type *type = (const struct kr_approximation_type *)approximation->type;
    const char *pointer = kr_printf(ctx, "%s/kernel", site->pointer);
    struct kr_weight_space *space;
    size_t nwhite, *white;
    *out = NULL;
    if (!type->build)
        return KR_OK;
    if (!pointer)
        return ctx->error.status;
    KR_ALLOC(ctx, space, 1);
    space->type = type;
    KR_TRY(kr_kernel_split(ctx, kernel, pointer, &space->kernel, &nwhite, &white));
    if (!space->kernel)
        return kr_fail(ctx, KR_INVALID, pointer, "is white noise alone: there is nothing to approximate");
    KR_ALLOC(ctx, space->noise, nwhite + 1);
    space->noise[0] = noise_index;
    memcpy(space->noise + 1, white, nwhite * sizeof *white);
    space->nnoise = nwhite + 1;
    KR_TRY(type->build(ctx, approximation->options, site, space));
    *out = space;
    return KR_OK;
}

kr_status kr_gp_approximate(struct kr_ctx *ctx, struct kr_gp *gp)
{
    const struct kr_gp_spec *spec = gp->spec;
    const struct kr_weight_site site = {gp->train.x.d, &gp->train.x, "/model", &gp->parameters};
    const struct kr_solver_options *solver = &spec->solver;
    const struct kr_type *preconditioner = solver->preconditioner.type;
    struct kr_weight_space *space;
    KR_TRY(
        kr_weight_space_build(ctx, &spec->model.approximation, gp->kernel, gp->noise_index, &site, &space));
    gp->space = space;
    if (!space)
        return KR_OK;
    if (solver->type && strcmp(solver->type->name, "lsmr") != 0)
        return kr_fail(
            ctx, KR_INVALID, "/solver/type",
            "must be \"auto\" or \"lsmr\" with an approximation: it is a least-squares problem; got "
            "\"%s\"",
            solver->type->name);
    if (preconditioner && strcmp(preconditioner->name, "auto") != 0)
        return kr_fail(ctx, KR_INVALID, "/solver/preconditioner/type",
                       "must be \"auto\" with an approximation, whose Gram matrix is factorised; got \"%s\"",
                       preconditioner->name);
    return KR_OK;
}
