/* Model documents: made by a tuning run, opened for prediction. */
#include "engine/model.h"
#include "kriged/categories.h"
#include "wire/wire.h"

#include <string.h>

KR_DEFINE(kr_feature_categories, KR_FEATURE_CATEGORIES_FIELDS, "a feature of texts");
KR_DEFINE(kr_model_source, KR_MODEL_SOURCE_FIELDS, "what a model was tuned on");
KR_DEFINE(kr_model_standardisation, KR_STANDARDISATION_FIELDS, "constants of a standardisation");
KR_DEFINE(kr_model_weights, KR_MODEL_WEIGHTS_FIELDS, "inputs and solved weights");
KR_DEFINE(kr_model_document, KR_MODEL_DOCUMENT_FIELDS, "a tuned model");

/* What takes the place of the inputs in files: the factor of an approximation, column by column. */
static struct kr_points stored(const struct kr_posterior *posterior)
{
    const size_t p = posterior->space ? posterior->space->map.p : 0;
    return posterior->space ? (struct kr_points){p, p, p, posterior->factor} : posterior->x;
}

/* alpha takes the place of the target. */
static kr_status save_weights(struct kr_ctx *ctx, const struct kr_posterior *posterior, const char *directory)
{
    const struct kr_points x = stored(posterior);
    const struct kr_dataset data = {.n = x.n,
                                    .d = x.d,
                                    .x = x.x,
                                    .y = posterior->alpha,
                                    .targets = posterior->targets,
                                    .noise_variance = posterior->noise};
    return kr_dataset_save(ctx, &data, directory);
}

static kr_status weights_of(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                            struct kr_model_weights **out)
{
    const struct kr_points x = stored(posterior);
    double *rows, *alpha;
    KR_ALLOC(ctx, *out, 1);
    KR_TRY(kr_transpose(ctx, x.d, x.n, x.x, &rows));
    KR_TRY(kr_transpose(ctx, posterior->targets, x.n, posterior->alpha, &alpha));
    const struct kr_matrix matrix = {x.n, x.d, rows};
    (*out)->alpha = (struct kr_matrix){x.n, posterior->targets, alpha};
    *(posterior->space ? &(*out)->factor : &(*out)->x) = matrix;
    if (posterior->noise)
        (*out)->noise_variance = (struct kr_reals){x.n, (double *)posterior->noise};
    return KR_OK;
}

/* The request's model with tuned values, read back into a document. */
static kr_status set_model(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                           const json_t *request, struct kr_model_document *document)
{
    struct kr_model_spec spec;
    json_t *whole = kr_model_with_inputs(request, gp), *tuned = kr_model_tuned(whole, &gp->parameters, theta);
    kr_status status = tuned ? kr_wire_read(ctx, &kr_model_spec_schema, tuned, "/model", &spec)
                             : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the model");
    json_decref(tuned);
    json_decref(whole);
    KR_TRY(status);
    document->kernel = spec.kernel;
    document->mean = spec.mean;
    document->noise = spec.noise;
    document->target_transform = spec.target_transform;
    document->standardize = spec.standardize;
    document->approximation = spec.approximation;
    return KR_OK;
}

static kr_status set_categories(struct kr_ctx *ctx, const struct kr_dataset *data, struct kr_list *out)
{
    struct kr_feature_categories *items;
    if (!data->categories)
        return KR_OK;
    KR_ALLOC(ctx, items, data->d);
    out->items = items;
    for (size_t k = 0; k < data->d; k++)
        if (kr_dataset_categorical(data, k))
            items[out->count++] = (struct kr_feature_categories){data->feature_names[k], data->categories[k]};
    return KR_OK;
}

kr_status kr_model_make(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                        const struct kr_source *source, const json_t *request,
                        const struct kr_tune_result *result, const char *directory, json_t **out)
{
    const struct kr_dataset *data = &source->data;
    struct kr_solve_report report = {0};
    struct kr_posterior posterior;
    struct kr_model_document document = {
        .format = KR_MODEL_FORMAT,
        .version = KR_MODEL_VERSION,
        .created_by = "kriged " KR_VERSION,
        .dataset = {source->name,
                    source->sha256,
                    gp->fit.n,
                    {data->d, (const char **)data->feature_names},
                    {0},
                    data->target_name,
                    {gp->targets > 1 ? gp->targets : 0, (const char **)gp->target_names}},
        .parameters = result->parameters,
        .standardization = {{data->d, gp->scale.x_mean},
                            {data->d, gp->scale.x_sd},
                            {gp->targets, gp->scale.y_means},
                            {gp->targets, gp->scale.y_sds}},
        .loss = result->best_loss,
        .metrics = result->metrics,
        .solver = gp->spec->solver,
        .request = (json_t *)request,
    };
    KR_TRY(set_model(ctx, gp, theta, request, &document));
    KR_TRY(set_categories(ctx, data, &document.dataset.categories));
    KR_TRY(kr_posterior_init(ctx, gp, &gp->fit, theta, &posterior, &report));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &report));
    if (directory)
        KR_TRY(save_weights(ctx, &posterior, directory));
    else
        KR_TRY(weights_of(ctx, &posterior, &document.weights));
    *out = kr_wire_write(&kr_model_document_schema, &document);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the model");
}

/* The kernel tree and theta of a document's values. */
static kr_status build(struct kr_ctx *ctx, const struct kr_model_document *document, struct kr_model *model)
{
    struct kr_posterior *p = &model->posterior;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_weight_space *space;
    double *theta;
    KR_TRY(kr_kernel_build(ctx, &document->kernel, model->d, document->dataset.feature_names.items, "/kernel",
                           "kernel", &parameters, &kernel));
    p->kernel = kernel;
    KR_TRY(kr_model_categories(ctx, document, &model->categories));
    KR_TRY(kr_model_check_codes(ctx, document, model->categories));
    KR_TRY(kr_categories_check_kernel(ctx, kernel, model->categories, document->dataset.feature_names.items,
                                      "/kernel"));
    p->mean = (const struct kr_mean_type *)document->mean.type;
    p->mean_first = parameters.count;
    KR_TRY(kr_model_check_targets(ctx, document));
    p->targets = document->standardization.y_mean.count;
    KR_TRY(p->mean->build(ctx, document->mean.options, model->d, p->targets, "/mean", "mean", &parameters));
    p->mean_count = (parameters.count - p->mean_first) / p->targets;
    p->noise_index = parameters.count;
    if (document->noise.variance.array)
        return kr_fail(ctx, KR_INVALID, "/noise/variance", "must be one number, not an array");
    KR_TRY(kr_parameters_add(ctx, &parameters,
                             (struct kr_parameter){.name = kr_strdup(ctx, "noise.variance"),
                                                   .pointer = kr_strdup(ctx, "/noise/variance"),
                                                   .unit = KR_UNIT_VARIANCE,
                                                   .positive = true,
                                                   .exact_unit = true,
                                                   .spec = document->noise.variance.values[0]}));
    KR_TRY(kr_weight_space_build(ctx, &document->approximation, kernel, p->noise_index,
                                 &(struct kr_weight_site){model->d, NULL, "", &parameters}, &space));
    p->space = space;
    KR_ALLOC(ctx, theta, parameters.count);
    for (size_t i = 0; i < parameters.count; i++)
        theta[i] = parameters.items[i].spec.value;
    p->theta = theta;
    return kr_model_check(ctx, document, &parameters, p);
}

/* The inputs, or the factor of an approximation. */
static void take(struct kr_posterior *p, struct kr_points x)
{
    p->x = p->space ? (struct kr_points){0} : x;
    p->factor = p->space ? x.x : NULL;
}

static kr_status take_weights(struct kr_ctx *ctx, const struct kr_model_document *document,
                              struct kr_posterior *p)
{
    const struct kr_model_weights *weights = document->weights;
    const struct kr_matrix *matrix = p->space ? &weights->factor : &weights->x;
    double *x, *alpha;
    KR_TRY(kr_model_check_weights(ctx, document, weights, p));
    KR_TRY(kr_transpose(ctx, matrix->rows, matrix->cols, matrix->items, &x));
    take(p, (struct kr_points){matrix->rows, matrix->cols, matrix->rows, x});
    KR_TRY(kr_transpose(ctx, weights->alpha.rows, weights->alpha.cols, weights->alpha.items, &alpha));
    p->alpha = alpha;
    p->noise = weights->noise_variance.count ? weights->noise_variance.items : NULL;
    return KR_OK;
}

static kr_status map_weights(struct kr_ctx *ctx, const char *directory, struct kr_model *model)
{
    struct kr_dataset *data = &model->mapping;
    if (!directory)
        return kr_fail(ctx, KR_INVALID, "/weights", "is required: this model came without its weights");
    KR_TRY(kr_dataset_map(ctx, directory, data));
    const struct kr_weight_space *space = model->posterior.space;
    const size_t columns = data->d, wanted = space ? space->map.p : model->d;
    take(&model->posterior, (struct kr_points){data->n, data->d, data->n, data->x});
    model->posterior.alpha = data->y;
    model->posterior.noise = data->noise_variance;
    const size_t targets = data->targets;
    if (columns == wanted && targets == model->posterior.targets && (!space || data->n == wanted))
        return KR_OK;
    kr_dataset_unmap(data);
    return kr_fail(ctx, KR_INTERNAL, "",
                   "the weights have %zu columns and are of %zu targets, the model has %zu features and %zu "
                   "targets",
                   columns, targets, wanted, model->posterior.targets);
}

struct kr_transform kr_model_transform(const struct kr_model_document *document)
{
    const struct kr_variant *transform = &document->target_transform;
    return (struct kr_transform){(const struct kr_transform_type *)transform->type, transform->options,
                                 document->standardization.y_mean.items[0],
                                 document->standardization.y_sd.items[0], 1};
}

kr_status kr_model_open(struct kr_ctx *ctx, const json_t *json, const char *directory, struct kr_model *out)
{
    struct kr_model_document *document = &out->document;
    memset(out, 0, sizeof *out);
    KR_TRY(kr_wire_read(ctx, &kr_model_document_schema, (json_t *)json, "", document));
    out->d = document->dataset.feature_names.count;
    KR_TRY(build(ctx, document, out));
    KR_TRY(document->weights ? take_weights(ctx, document, &out->posterior)
                             : map_weights(ctx, directory, out));
    out->posterior.solver = &document->solver;
    return KR_OK;
}

kr_status kr_model_target(struct kr_ctx *ctx, const struct kr_model *model, const struct kr_feature *target,
                          struct kr_model *out)
{
    const struct kr_model_source *source = &model->document.dataset;
    const struct kr_texts *names = &source->target_names;
    const size_t q = model->posterior.targets;
    size_t t = 0;
    if (target->name)
        while (t < q && strcmp(q > 1 ? names->items[t] : source->target_name, target->name) != 0)
            t++;
    else
        t = target->index;
    if (t >= q)
        return kr_fail(
            ctx, KR_INVALID, "/target", "must be one of the model's %zu targets, by name or index, got %s", q,
            target->name ? kr_printf(ctx, "\"%.64s\"", target->name) : kr_printf(ctx, "%zu", target->index));
    *out = *model;
    out->posterior = kr_posterior_target(&model->posterior, t);
    out->document.standardization.y_mean =
        (struct kr_reals){1, model->document.standardization.y_mean.items + t};
    out->document.standardization.y_sd = (struct kr_reals){1, model->document.standardization.y_sd.items + t};
    return KR_OK;
}

kr_status kr_engine_model_weights(struct kr_ctx *ctx, const json_t *model, const char *directory,
                                  json_t **out)
{
    struct kr_model opened;
    KR_TRY(kr_model_open(ctx, model, directory, &opened));
    kr_status status = KR_OK;
    if (!opened.document.weights)
        status = weights_of(ctx, &opened.posterior, &opened.document.weights);
    *out = status == KR_OK ? kr_wire_write(&kr_model_document_schema, &opened.document) : NULL;
    kr_dataset_unmap(&opened.mapping);
    KR_TRY(status);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the model");
}

kr_status kr_engine_model_import(struct kr_ctx *ctx, const json_t *model, const char *directory, json_t **out)
{
    struct kr_model opened;
    KR_TRY(kr_model_open(ctx, model, NULL, &opened));
    KR_TRY(save_weights(ctx, &opened.posterior, directory));
    opened.document.weights = NULL;
    opened.document.name = opened.document.created_at = NULL;
    *out = kr_wire_write(&kr_model_document_schema, &opened.document);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the model");
}
