/*
 * From a spec and a data set to a gp: rows by role, standardised copies, the kernel tree, and theta with its
 * units and bounds. O(n d) time, two copies of the data.
 */
#include "gp/objective.h"
#include "gp/roles.h"
#include "gp/weight_space.h"
#include "kriged/categories.h"

#include <math.h>

/* column[k] is the place of feature k in the data; NULL: all in order. */
static kr_status copy_part(struct kr_ctx *ctx, const struct kr_dataset *data, const size_t *column,
                           const struct kr_standardisation *scale, const struct kr_ints *rows,
                           struct kr_part *part)
{
    double *x;
    const size_t q = kr_dataset_targets(data);
    *part = (struct kr_part){.n = rows->count, .rows = rows->items, .targets = q};
    KR_ALLOC(ctx, x, rows->count * data->d);
    KR_ALLOC(ctx, part->y, rows->count * q);
    for (size_t k = 0; k < data->d; k++) {
        const double *from = data->x + (column ? column[k] : k) * data->n;
        for (size_t i = 0; i < rows->count; i++)
            x[k * rows->count + i] = (from[rows->items[i]] - scale->x_mean[k]) / scale->x_sd[k];
    }
    for (size_t t = 0; t < q; t++)
        for (size_t i = 0; i < rows->count; i++)
            part->y[t * rows->count + i] =
                (data->y[t * data->n + rows->items[i]] - scale->y_means[t]) / scale->y_sds[t];
    part->x = (struct kr_points){rows->count, data->d, rows->count, x};
    if (!data->noise_variance)
        return KR_OK;
    KR_ALLOC(ctx, part->noise, rows->count);
    for (size_t i = 0; i < rows->count; i++)
        part->noise[i] = data->noise_variance[rows->items[i]] / (scale->y_sd * scale->y_sd);
    return KR_OK;
}

/* Constants over the rows that are not test rows; where it is off the spread keeps what default bounds need.
 */
static kr_status standardise(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                             const struct kr_ints *rows, struct kr_gp *gp)
{
    struct kr_standardisation *scale = &gp->scale;
    KR_ALLOC(ctx, scale->x_mean, data->d);
    KR_ALLOC(ctx, scale->x_sd, data->d);
    KR_ALLOC(ctx, gp->x_spread, data->d);
    for (size_t k = 0; k < data->d; k++) {
        double mean, sd;
        kr_scaling(rows->count, rows->items, data->x + k * data->n, &mean, &sd);
        const bool codes = kr_dataset_categorical(data, k), scaled = spec->model.standardize.x && !codes;
        scale->x_mean[k] = scaled ? mean : 0;
        scale->x_sd[k] = scaled ? sd : 1;
        gp->x_spread[k] = scaled || codes ? 1 : sd;
    }
    KR_ALLOC(ctx, scale->y_means, gp->targets);
    KR_ALLOC(ctx, scale->y_sds, gp->targets);
    KR_ALLOC(ctx, gp->y_spread, gp->targets);
    for (size_t t = 0; t < gp->targets; t++) {
        double mean, sd;
        kr_scaling(rows->count, rows->items, data->y + t * data->n, &mean, &sd);
        scale->y_means[t] = spec->model.standardize.y ? mean : 0;
        scale->y_sds[t] = spec->model.standardize.y ? sd : 1;
        gp->y_spread[t] = spec->model.standardize.y ? 1 : sd;
    }
    scale->y_mean = scale->y_means[0];
    scale->y_sd = scale->y_sds[0];
    return KR_OK;
}

/* Losses measure a target in its own standard deviation, as they do without a transform. */
static kr_status set_transforms(struct kr_ctx *ctx, const struct kr_gp_spec *spec,
                                const struct kr_dataset *data, const struct kr_ints *rows, struct kr_gp *gp)
{
    const struct kr_variant *transform = &spec->model.target_transform;
    KR_ALLOC(ctx, gp->transforms, gp->targets);
    for (size_t t = 0; t < gp->targets; t++) {
        double mean, sd;
        kr_scaling(rows->count, rows->items, data->y + t * data->n, &mean, &sd);
        gp->transforms[t] = (struct kr_transform){(const struct kr_transform_type *)transform->type,
                                                  transform->options, gp->scale.y_means[t],
                                                  gp->scale.y_sds[t], spec->model.standardize.y ? sd : 1};
    }
    return KR_OK;
}

static kr_status add_noise(struct kr_ctx *ctx, const struct kr_param *variance, struct kr_gp *gp)
{
    const char *pointer = "/model/noise/variance";
    if (variance->array)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must be one number, not an array; known variances of rows belong to the data set");
    const struct kr_param_value *value = &variance->values[0];
    if (value->value == 0 && !value->fixed)
        return kr_fail(ctx, KR_INVALID, pointer, "may be 0 only when fixed");
    if (value->value > 0 && value->value < 1e-30)
        return kr_fail(ctx, KR_INVALID, pointer, "must be 0 (fixed) or lie in [1e-30, 1e30], got %g",
                       value->value);
    if (value->bounded && !(value->lower > 0))
        return kr_fail(ctx, KR_INVALID, "/model/noise/variance/bounds", "must be positive, got %g",
                       value->lower);
    gp->noise_index = gp->parameters.count;
    return kr_parameters_add(ctx, &gp->parameters,
                             (struct kr_parameter){.name = kr_strdup(ctx, "noise.variance"),
                                                   .pointer = kr_strdup(ctx, pointer),
                                                   .unit = KR_UNIT_VARIANCE,
                                                   .positive = true,
                                                   .exact_unit = true,
                                                   .spec = *value});
}

/* All rows of another data set as the held-out points. */
static kr_status copy_held_out(struct kr_ctx *ctx, const struct kr_dataset *data,
                               const struct kr_dataset *held_out, const char *name, struct kr_gp *gp)
{
    const char *pointer = name ? "/objective/validation/name" : "/validation_data";
    struct kr_dataset recoded;
    size_t *column;
    struct kr_ints all = {0};
    if (!held_out)
        return kr_fail(ctx, KR_INVALID, "/objective/validation/name",
                       "is required, and the data set that it names: its rows are held out");
    KR_ALLOC(ctx, column, data->d);
    KR_TRY(kr_match_features(ctx, data, held_out, pointer, column));
    KR_TRY(kr_match_targets(ctx, data, held_out, pointer));
    KR_ALLOC(ctx, all.items, held_out->n);
    for (; all.count < held_out->n; all.count++)
        all.items[all.count] = all.count;
    if (!data->categories && !held_out->categories)
        return copy_part(ctx, held_out, column, &gp->scale, &all, &gp->validation);
    KR_TRY(kr_categories_recode(ctx, data, held_out, column, pointer, &recoded));
    return copy_part(ctx, &recoded, NULL, &gp->scale, &all, &gp->validation);
}

static kr_status copy_parts(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *given,
                            const struct kr_dataset *given_held_out, struct kr_gp *out)
{
    const struct kr_variant *transform = &spec->model.target_transform;
    struct kr_dataset transformed, other, *data = &transformed, *held_out = given_held_out ? &other : NULL;
    struct roles roles;
    const char *name;
    out->elsewhere = kr_validation_elsewhere(&spec->objective.validation, &name);
    if (held_out && !out->elsewhere)
        return kr_fail(ctx, KR_INVALID, "/validation_data",
                       "must not be given unless the validation is of type dataset");
    KR_TRY(kr_transform_targets(ctx, transform, given, "", data));
    if (held_out)
        KR_TRY(kr_transform_targets(ctx, transform, given_held_out, " of the validation data", held_out));
    KR_TRY(kr_gp_roles(ctx, spec, data, &roles));
    out->form = roles.form;
    out->folds = roles.folds;
    KR_TRY(standardise(ctx, spec, data, &roles.fit, out));
    KR_TRY(set_transforms(ctx, spec, given, &roles.fit, out));
    KR_TRY(copy_part(ctx, data, NULL, &out->scale, &roles.train, &out->train));
    KR_TRY(copy_part(ctx, data, NULL, &out->scale, &roles.validation, &out->validation));
    if (out->elsewhere)
        KR_TRY(copy_held_out(ctx, data, held_out, name, out));
    KR_TRY(copy_part(ctx, data, NULL, &out->scale, &roles.test, &out->test));
    return copy_part(ctx, data, NULL, &out->scale, &roles.fit, &out->fit);
}

/* Their names, and what several of them rule out: known variances in units that differ. */
static kr_status take_targets(struct kr_ctx *ctx, const struct kr_gp_spec *spec,
                              const struct kr_dataset *data, const struct kr_dataset *held_out,
                              struct kr_gp *gp)
{
    const char **names;
    if (gp->targets == 1)
        return KR_OK;
    if (spec->model.standardize.y && (data->noise_variance || (held_out && held_out->noise_variance)))
        return kr_fail(ctx, KR_INVALID, "/model/standardize/y",
                       "must be false for several targets with known noise variances: one variance a row, "
                       "standardised with each target, would be several");
    KR_ALLOC(ctx, names, gp->targets);
    for (size_t t = 0; t < gp->targets; t++)
        if (!(names[t] = kr_dataset_target(ctx, data, t)))
            return ctx->error.status;
    gp->target_names = names;
    return KR_OK;
}

/* What may not see codes of categories. */
static kr_status check_categories(struct kr_ctx *ctx, const struct kr_dataset *data, const struct kr_gp *gp)
{
    if (!data->categories)
        return KR_OK;
    KR_TRY(
        kr_categories_check_kernel(ctx, gp->kernel, data->categories, data->feature_names, "/model/kernel"));
    if (gp->mean->pull_x)
        return kr_fail(ctx, KR_INVALID, "/model/mean",
                       "must not depend on the inputs where a feature has categories: %s does",
                       gp->mean->base.name);
    if (gp->space && gp->space->inputs)
        return kr_fail(ctx, KR_INVALID, "/model/approximation/tune_inputs",
                       "must be false where a feature has categories");
    return KR_OK;
}

kr_status kr_gp_init_with(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                          const struct kr_dataset *held_out, struct kr_gp *out)
{
    const struct kr_model_spec *model = &spec->model;
    struct kr_kernel *kernel;
    if (!spec->objective.loss.type)
        return kr_fail(ctx, KR_INVALID, "/objective/loss", "is required");
    *out = (struct kr_gp){.spec = spec, .rows = data->n, .targets = kr_dataset_targets(data)};
    KR_TRY(take_targets(ctx, spec, data, held_out, out));
    KR_TRY(copy_parts(ctx, spec, data, held_out, out));
    KR_TRY(kr_kernel_build(ctx, &model->kernel, data->d, data->feature_names, "/model/kernel", "kernel",
                           &out->parameters, &kernel));
    out->kernel = kernel;
    out->mean = (const struct kr_mean_type *)model->mean.type;
    out->mean_first = out->parameters.count;
    KR_TRY(out->mean->build(ctx, model->mean.options, data->d, out->targets, "/model/mean", "mean",
                            &out->parameters));
    out->mean_count = (out->parameters.count - out->mean_first) / out->targets;
    KR_TRY(add_noise(ctx, &model->noise.variance, out));
    KR_TRY(kr_gp_approximate(ctx, out));
    KR_TRY(check_categories(ctx, data, out));
    KR_TRY(kr_gp_check_variance(ctx, out));
    KR_ALLOC(ctx, out->start, out->parameters.count);
    for (size_t p = 0; p < out->parameters.count; p++) {
        out->start[p] = out->parameters.items[p].spec.value;
        KR_TRY(kr_parameter_check_prior(ctx, &out->parameters.items[p]));
    }
    return KR_OK;
}

kr_status kr_gp_init(struct kr_ctx *ctx, const struct kr_gp_spec *spec, const struct kr_dataset *data,
                     struct kr_gp *out)
{
    return kr_gp_init_with(ctx, spec, data, NULL, out);
}

struct kr_part kr_part_target(const struct kr_part *part, size_t t)
{
    struct kr_part one = *part;
    one.y = part->y ? part->y + t * part->n : NULL;
    one.targets = 1;
    return one;
}

struct kr_gp kr_gp_target(const struct kr_gp *gp, size_t t)
{
    struct kr_gp one = *gp;
    one.targets = 1;
    one.target_names = gp->target_names ? gp->target_names + t : NULL;
    one.mean_first += t * gp->mean_count;
    one.transforms = gp->transforms ? gp->transforms + t : NULL;
    one.scale.y_means += t;
    one.scale.y_sds += t;
    one.scale.y_mean = *one.scale.y_means;
    one.scale.y_sd = *one.scale.y_sds;
    one.y_spread += t;
    one.train = kr_part_target(&gp->train, t);
    one.validation = kr_part_target(&gp->validation, t);
    one.test = kr_part_target(&gp->test, t);
    one.fit = kr_part_target(&gp->fit, t);
    return one;
}

double kr_parameter_data_value(const struct kr_gp *gp, size_t index, double value)
{
    const struct kr_parameter *parameter = &gp->parameters.items[index];
    const bool mean = gp->targets > 1 && index >= gp->mean_first && index < gp->noise_index;
    const size_t t = mean ? (index - gp->mean_first) / gp->mean_count : 0;
    const double y_sd = t ? gp->scale.y_sds[t] : gp->scale.y_sd;
    if (!parameter->exact_unit)
        return NAN;
    switch (parameter->unit) {
    case KR_UNIT_VARIANCE:
        for (size_t u = 1; u < gp->targets; u++)
            if (gp->scale.y_sds[u] != y_sd)
                return NAN; /* one variance for targets of several units */
        return value * y_sd * y_sd;
    case KR_UNIT_TARGET:
        return value * y_sd + (t ? gp->scale.y_means[t] : gp->scale.y_mean);
    case KR_UNIT_LENGTH:
        break;
    default:
        return value;
    }
    double sd = gp->scale.x_sd[parameter->features[0]];
    for (size_t k = 1; k < parameter->nfeatures; k++)
        if (gp->scale.x_sd[parameter->features[k]] != sd)
            return NAN; /* one lengthscale for features of several units */
    return value * sd;
}

kr_status kr_gp_repeats(struct kr_ctx *ctx, const struct kr_gp *gp, size_t *count)
{
    const struct kr_dataset rows = {.n = gp->fit.n, .d = gp->fit.x.d, .x = gp->fit.x.x};
    const struct kr_mark mark = kr_mark(ctx);
    size_t *group;
    KR_ALLOC(ctx, group, rows.n);
    KR_TRY(kr_dataset_groups(ctx, &rows, group));
    *count = 0;
    for (size_t i = 0; i < rows.n; i++)
        *count += group[i] != i;
    kr_release(ctx, mark);
    return KR_OK;
}

static void default_bounds(const struct kr_gp *gp, const struct kr_parameter *parameter, double *lower,
                           double *upper)
{
    *lower = parameter->upper > 0 ? parameter->lower : -INFINITY;
    *upper = parameter->upper > 0 ? parameter->upper : INFINITY;
    if (parameter->unit == KR_UNIT_VARIANCE) {
        double least = INFINITY, most = 0;
        for (size_t t = 0; t < gp->targets; t++) {
            least = fmin(least, gp->y_spread[t]);
            most = fmax(most, gp->y_spread[t]);
        }
        *lower = 1e-4 * least * least;
        *upper = 1e4 * most * most;
    }
    if (parameter->unit == KR_UNIT_LENGTH) {
        double least = INFINITY, most = 0;
        for (size_t k = 0; k < parameter->nfeatures; k++) {
            least = fmin(least, gp->x_spread[parameter->features[k]]);
            most = fmax(most, gp->x_spread[parameter->features[k]]);
        }
        *lower = 1e-2 * least;
        *upper = 1e4 * most;
    }
}

void kr_parameter_bounds(const struct kr_gp *gp, size_t index, double *lower, double *upper)
{
    const struct kr_parameter *parameter = &gp->parameters.items[index];
    if (parameter->spec.bounded) {
        *lower = parameter->spec.lower;
        *upper = parameter->spec.upper;
    } else {
        default_bounds(gp, parameter, lower, upper);
    }
    kr_parameter_follow_prior(parameter, lower, upper);
}
