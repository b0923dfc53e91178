/* Data from bodies, limits of requests. */
#include "engine/session.h"
#include "engine/categories.h"

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

/* Sets the names, and how many there are. */
static kr_status name_targets(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                              struct kr_dataset *out)
{
    const size_t q = in->y.cols;
    const struct kr_texts *given = &in->target_names;
    const char **names, *at = kr_printf(ctx, "%s/target_names", pointer);
    if (given->count && in->target_name)
        return kr_fail(ctx, KR_INVALID, at, "must not stand beside target_name");
    if (given->count && given->count != q)
        return kr_fail(ctx, KR_INVALID, at, "must name each of %zu targets, got %zu", q, given->count);
    if (q > 1 && in->target_name)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/target_name", pointer),
                       "names one target, and there are %zu: wanted target_names", q);
    KR_ALLOC(ctx, names, q);
    for (size_t t = 0; t < q; t++) {
        names[t] = given->count ? given->items[t] : q > 1 ? kr_printf(ctx, "y%zu", t + 1) : "y";
        if (!names[t])
            return ctx->error.status;
        for (size_t u = 0; u < t; u++)
            if (strcmp(names[u], names[t]) == 0)
                return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/%zu", at, t),
                               "\"%.64s\" is the name of target %zu already", names[t], u);
    }
    out->targets = q;
    out->target_name = in->target_name ? in->target_name : names[0];
    out->target_names = q > 1 ? names : NULL;
    return KR_OK;
}

static kr_status one_a_row(struct kr_ctx *ctx, size_t count, size_t rows, const char *pointer,
                           const char *name)
{
    if (count == rows)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/%s", pointer, name),
                   "must have one entry for each of %zu rows, got %zu", rows, count);
}

kr_status kr_data_take(struct kr_ctx *ctx, const struct kr_data *in, const char *pointer,
                       struct kr_dataset *out)
{
    const struct kr_texts *categories;
    const char **names;
    double *x, *y;
    KR_TRY(one_a_row(ctx, in->y.rows, in->x.rows, pointer, "y"));
    if (in->noise_variance.count)
        KR_TRY(one_a_row(ctx, in->noise_variance.count, in->x.rows, pointer, "noise_variance"));
    KR_ALLOC(ctx, names, in->x.cols);
    KR_TRY(name_features(ctx, in, pointer, names));
    KR_TRY(kr_transpose(ctx, in->x.rows, in->x.cols, in->x.items, &x));
    KR_TRY(kr_transpose(ctx, in->y.rows, in->y.cols, in->y.items, &y));
    KR_TRY(kr_categories_take(ctx, &in->x, kr_printf(ctx, "%s/x", pointer), x, &categories));
    *out = (struct kr_dataset){.n = in->x.rows,
                               .d = in->x.cols,
                               .x = x,
                               .y = y,
                               .noise_variance = in->noise_variance.count ? in->noise_variance.items : NULL,
                               .feature_names = names,
                               .categories = categories};
    return name_targets(ctx, in, pointer, out);
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
