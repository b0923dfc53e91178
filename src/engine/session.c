/* Data from bodies, limits of requests. */
#include "engine/session.h"

#include <string.h>

static kr_status name_features(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                               const char **names)
{
    const size_t d = in->x.cols;
    if (in->feature_names.count && in->feature_names.count != d)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/feature_names", pointer),
                       "must name each of %zu features, got %zu", d, in->feature_names.count);
    for (size_t k = 0; k < d; k++) {
        names[k] = in->feature_names.count ? in->feature_names.items[k] : kr_printf(ctx, "x%zu", k + 1);
        if (!names[k])
            return ctx->error.status;
        for (size_t j = 0; j < k; j++)
            if (strcmp(names[j], names[k]) == 0)
                return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/feature_names/%zu", pointer, k),
                               "\"%.64s\" is the name of feature %zu already", names[k], j);
    }
    return KR_OK;
}

static kr_status one_a_row(struct kr_ctx *ctx, const struct kr_reals *values, size_t rows,
                           const char *pointer, const char *name)
{
    if (values->count == rows)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/%s", pointer, name),
                   "must have one entry for each of %zu rows, got %zu", rows, values->count);
}

kr_status kr_data_take(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                       struct kr_dataset *out)
{
    const char **names;
    double *x;
    KR_TRY(one_a_row(ctx, &in->y, in->x.rows, pointer, "y"));
    if (in->noise_variance.count)
        KR_TRY(one_a_row(ctx, &in->noise_variance, in->x.rows, pointer, "noise_variance"));
    KR_ALLOC(ctx, names, in->x.cols);
    KR_TRY(name_features(ctx, in, pointer, names));
    KR_TRY(kr_transpose(ctx, in->x.rows, in->x.cols, in->x.items, &x));
    *out = (struct kr_dataset){.n = in->x.rows,
                               .d = in->x.cols,
                               .x = x,
                               .y = in->y.items,
                               .noise_variance = in->noise_variance.count ? in->noise_variance.items : NULL,
                               .feature_names = names,
                               .target_name = in->target_name ? in->target_name : "y"};
    return KR_OK;
}

void kr_session_limits(struct kr_ctx *ctx, const struct kr_solver_options *solver)
{
    if (solver->memory_bytes && (!ctx->budget || solver->memory_bytes < ctx->budget))
        ctx->budget = solver->memory_bytes;
}

kr_status kr_session_fill(struct kr_ctx *ctx, const json_t *request, const struct kr_type *recipe,
                          const struct kr_source *source, bool constrained, struct kr_gp_spec *spec,
                          struct kr_restarts **restarts)
{
    const bool given = json_object_get(request, "objective") != NULL;
    if (!recipe && !given)
        return kr_fail(ctx, KR_INVALID, "/objective", "is required, or a recipe");
    return kr_recipe_fill(ctx, (const struct kr_recipe_type *)recipe, &source->data, source->held_out,
                          constrained, spec, restarts);
}
