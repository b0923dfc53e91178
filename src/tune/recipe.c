/*
 * Recipes. The numbers are measured, over 6818 fits of ten sets with n = 40 to 2000: two starts lose in none
 * and win in 5 of 30, of the evidence of few rows a third finds
 * what both miss (tune/restart.c), while of held-out rows it wins nothing on average; calibration of the
 * evidence wins from 160 rows on and harms at 40; 5 folds are as good as 2, 10 or 20; crps is the loss that
 * outliers disturb least; one hold-out needs thousands of rows.
 *
 * Priors, of weight 1/n, are lognormal: of a lengthscale, its density highest at mode sqrt(d), and of the
 * noise variance. They are for two failures where rows are few: noise that falls to its bound, which makes
 * predictions far too sure, and lengthscales that follow single rows. Chosen on sets apart from those that
 * tests/quality reports (kin8nm, kin40k, diabetes, and eight simulators and test functions, with and without
 * noise; d = 6 to 10; 22 noisy and 12 noise-free fits at each n): of the evidence at n = 40 they lower the
 * mean NLPD from 0.92 to 0.63 (without noise from -0.64 to -0.66) and CRPS by 3 %; a narrow prior on
 * lengthscales alone had the same NLPD, and 5 % more CRPS (without noise 16 %), for it keeps those of
 * irrelevant features short. At n = 80 they are even with none, and no prior on lengthscales better than one;
 * at 160 nothing matters. Losses of held-out rows overfit more and want narrower ones: nlpd of folds and crps
 * of single rows at n = 50 end 0.5 and 0.6 lower in NLPD (differences clamped to 1), at n = 100 0.06 and 0.3,
 * and crps with 3 % outliers 0.06; at n = 250 nothing. The facts that a recipe asks for cost one pass over
 * the data, O(n d + n log n).
 */
#include "kriged/recipe.h"

#include <math.h>
#include <string.h>

enum { FEW = 20 /* rows a feature */ };

static const struct kr_recipe_type evidence = {
    .base = {"evidence", "small clean data: the marginal likelihood of all rows, two starts, calibrated",
             NULL},
    .loss = "evidence",
    .starts = 2,
    .starts_of_few = 3,
    .lengthscale = {.mode = 2.7, .sd = 2, .rows_a_feature = 10},
    .noise = {.mode = 0.14, .sd = 1.5, .rows_a_feature = FEW},
    .calibrate_from = 160,
};
static const struct kr_recipe_type predictive = {
    .base = {"predictive", "some hundreds of rows and more, the model in doubt: nlpd of 5 folds, two starts",
             NULL},
    .loss = "nlpd",
    .validation = "kfold",
    .starts = 2,
    .lengthscale = {.mode = 1.6, .sd = 1, .rows_a_feature = FEW},
    .noise = {.mode = 0.14, .sd = 1, .rows_a_feature = FEW},
};
static const struct kr_recipe_type robust = {
    .base = {"robust",
             "outliers, heavy tails: crps of 5 folds, or of each row where none repeats, two starts", NULL},
    .loss = "crps",
    .validation = "kfold",
    .one_by_one = true,
    .starts = 2,
    .lengthscale = {.mode = 1.6, .sd = 1, .rows_a_feature = FEW},
    .noise = {.mode = 0.14, .sd = 1, .rows_a_feature = FEW},
};
static const struct kr_recipe_type large = {
    .base = {"large", "many thousands of rows: nlpd of one tenth of the rows, 5000 at most, held out", NULL},
    .loss = "nlpd",
    .validation = "fraction",
    .most_held_out = 5000,
    .starts = 1,
};
static const struct kr_type *const rows[] = {&evidence.base, &predictive.base, &robust.base, &large.base,
                                             NULL};
const struct kr_registry kr_recipe_registry = {"recipe", rows};

static const double HELD_OUT = 0.1;

/* What the data says. */
struct facts {
    size_t rows, features; /* rows that are not test rows */
    bool repeats, scales, known_noise;
};

static kr_status find_repeats(struct kr_ctx *ctx, const struct kr_gp *gp, bool *repeats)
{
    size_t count;
    KR_TRY(kr_gp_repeats(ctx, gp, &count));
    *repeats = count > 0;
    return KR_OK;
}

/* Of a gp that needs no loss and no choice of functions: the evidence, exact, on the rows that the spec gives
 * it. */
static kr_status look(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_dataset *held_out,
                      const struct kr_gp_spec *spec, struct facts *out)
{
    struct kr_gp_spec plain = *spec;
    struct kr_gp gp;
    bool *scales;
    const struct kr_mark mark = kr_mark(ctx);
    plain.objective.subset = NULL;
    KR_TRY(kr_variant_init(ctx, &kr_approximation_registry, "exact", &plain.model.approximation));
    KR_TRY(kr_variant_init(ctx, &kr_loss_registry, "evidence", &plain.objective.loss));
    KR_TRY(kr_gp_init_with(ctx, &plain, data, held_out, &gp));
    KR_ALLOC(ctx, scales, gp.parameters.count);
    *out = (struct facts){.rows = gp.fit.n, .features = data->d, .known_noise = gp.fit.noise};
    KR_TRY(find_repeats(ctx, &gp, &out->repeats));
    out->scales = kr_gp_scales(ctx, &gp, "", scales) == KR_OK;
    kr_ctx_clear_error(ctx); /* only a question */
    kr_release(ctx, mark);
    return KR_OK;
}

/* ---- objective ---- */

static void set_real(struct kr_variant *variant, const char *name, double value)
{
    const struct kr_schema *schema = variant->type->options;
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            *(double *)(void *)((char *)variant->options + schema->fields[i].offset) = value;
}

static kr_status fill_objective(struct kr_ctx *ctx, const struct kr_recipe_type *recipe,
                                const struct facts *facts, struct kr_objective_spec *objective)
{
    if (!objective->loss.type)
        KR_TRY(kr_variant_init(ctx, &kr_loss_registry, recipe->loss, &objective->loss));
    const bool holds_out = ((const struct kr_loss_type *)objective->loss.type)->eval != NULL;
    if (objective->validation.type || !recipe->validation || !holds_out)
        return KR_OK;
    const char *name = recipe->one_by_one && !facts->repeats ? "leave_one_out" : recipe->validation;
    KR_TRY(kr_variant_init(ctx, &kr_validation_registry, name, &objective->validation));
    if (recipe->most_held_out)
        set_real(&objective->validation, "fraction",
                 fmin(HELD_OUT, (double)recipe->most_held_out / (double)facts->rows));
    return KR_OK;
}

/* ---- priors ---- */

/* Where the density of a lognormal is highest: exp(mean - sd^2). */
static kr_status add_prior(struct kr_ctx *ctx, const struct kr_recipe_prior *prior, double scale,
                           struct kr_param_value *value)
{
    if (value->fixed || value->prior.type)
        return KR_OK;
    KR_TRY(kr_variant_init(ctx, &kr_prior_registry, "lognormal", &value->prior));
    set_real(&value->prior, "mean", log(prior->mode * scale) + prior->sd * prior->sd);
    set_real(&value->prior, "sd", prior->sd);
    return KR_OK;
}

/* Lengthscales, those of distances, in the whole tree; d is the number of features that their kernel sees. */
static kr_status add_lengthscales(struct kr_ctx *ctx, const struct kr_recipe_prior *prior, size_t d,
                                  const struct kr_variant *kernel)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)kernel->type;
    char *options = kernel->options;
    const struct kr_features *seen = type->features < 0 ? NULL : (void *)(options + type->features);
    const struct kr_variants *children = type->kernels < 0 ? NULL : (void *)(options + type->kernels);
    for (size_t p = 0; p < type->nparameters; p++) {
        struct kr_param *parameter = (void *)(options + type->parameters[p].offset);
        if (type->parameters[p].unit != KR_UNIT_LENGTH ||
            strcmp(type->parameters[p].name, "lengthscale") != 0)
            continue;
        for (size_t k = 0; k < parameter->count; k++)
            KR_TRY(add_prior(ctx, prior, sqrt((double)(seen && seen->count ? seen->count : d)),
                             &parameter->values[k]));
    }
    for (size_t c = 0; children && c < children->count; c++)
        KR_TRY(add_lengthscales(ctx, prior, d, &children->items[c]));
    return KR_OK;
}

static bool wanted(const struct kr_recipe_prior *prior, const struct facts *facts)
{
    return facts->rows < prior->rows_a_feature * facts->features;
}

/* They are in units of standardised data, so only of what is standardised; noise that is partly known may
 * well be 0 beyond that. */
static kr_status fill_priors(struct kr_ctx *ctx, const struct kr_recipe_type *recipe,
                             const struct facts *facts, struct kr_model_spec *model)
{
    if (wanted(&recipe->lengthscale, facts) && model->standardize.x)
        KR_TRY(add_lengthscales(ctx, &recipe->lengthscale, facts->features, &model->kernel));
    if (!wanted(&recipe->noise, facts) || !model->standardize.y || facts->known_noise)
        return KR_OK;
    for (size_t k = 0; k < model->noise.variance.count; k++)
        KR_TRY(add_prior(ctx, &recipe->noise, 1, &model->noise.variance.values[k]));
    return KR_OK;
}

/* ---- the whole ---- */

static kr_status fill(struct kr_ctx *ctx, const struct kr_recipe_type *recipe, const struct kr_dataset *data,
                      const struct kr_dataset *held_out, bool constrained, struct kr_gp_spec *spec,
                      struct kr_restarts **restarts)
{
    struct facts facts;
    KR_TRY(look(ctx, data, held_out, spec, &facts));
    KR_TRY(fill_objective(ctx, recipe, &facts, &spec->objective));
    KR_TRY(fill_priors(ctx, recipe, &facts, &spec->model));
    if (recipe->calibrate_from && facts.rows >= recipe->calibrate_from && facts.scales && !constrained &&
        !spec->objective.calibrate)
        spec->objective.calibrate = kr_registry_find(&kr_calibration_registry, "leave_one_out");
    if (!restarts || *restarts)
        return KR_OK;
    KR_ALLOC(ctx, *restarts, 1);
    KR_TRY(kr_schema_init(ctx, &kr_restarts_schema, *restarts));
    const bool few = facts.rows < FEW * facts.features;
    (*restarts)->count = few && recipe->starts_of_few ? recipe->starts_of_few : recipe->starts;
    return KR_OK;
}

kr_status kr_recipe_fill(struct kr_ctx *ctx, const struct kr_recipe_type *recipe,
                         const struct kr_dataset *data, const struct kr_dataset *held_out, bool constrained,
                         struct kr_gp_spec *spec, struct kr_restarts **restarts)
{
    if (recipe)
        KR_TRY(fill(ctx, recipe, data, held_out, constrained, spec, restarts));
    if (!spec->objective.loss.type)
        return kr_fail(ctx, KR_INVALID, "/objective/loss", "is required, or a recipe");
    if (!spec->objective.calibrate)
        spec->objective.calibrate = kr_registry_find(&kr_calibration_registry, "none");
    if (!restarts || *restarts)
        return KR_OK;
    KR_ALLOC(ctx, *restarts, 1);
    return kr_schema_init(ctx, &kr_restarts_schema, *restarts);
}
