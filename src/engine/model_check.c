/*
 * Is a document one of our models? Tables have checked types and ranges of its members; here is what they owe
 * each other. A document from elsewhere is believed in nothing: each contradiction is refused at its place.
 */
#include "engine/model.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static kr_status refuse(struct kr_ctx *ctx, const char *place, size_t index, const char *why)
{
    return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/%zu", place, index), "%s", why);
}

static kr_status check_names(struct kr_ctx *ctx, const char *place, const struct kr_texts *names,
                             const char *what)
{
    for (size_t k = 0; k < names->count; k++)
        for (size_t j = 0; j <= k; j++)
            if (j == k ? !names->items[k][0] : strcmp(names->items[j], names->items[k]) == 0)
                return refuse(ctx, place, k,
                              j == k ? "must not be empty"
                                     : kr_printf(ctx, "is the name of another %s already", what));
    return KR_OK;
}

static kr_status check_source(struct kr_ctx *ctx, const struct kr_model_source *source)
{
    KR_TRY(check_names(ctx, "/dataset/feature_names", &source->feature_names, "feature"));
    if (source->sha256 && (strlen(source->sha256) != 64 || strspn(source->sha256, "0123456789abcdef") != 64))
        return kr_fail(ctx, KR_INVALID, "/dataset/sha256",
                       "must be 64 hexadecimal digits, or null, got \"%.80s\"", source->sha256);
    return KR_OK;
}

/* Sorted texts: so all are different, and each has its code. */
static kr_status check_order(struct kr_ctx *ctx, const struct kr_texts *texts, size_t item)
{
    if (!texts->count || texts->count > KR_MOST_CATEGORIES)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/dataset/categories/%zu/categories", item),
                       "must be 1 to %d texts, got %zu", KR_MOST_CATEGORIES, texts->count);
    for (size_t c = 1; c < texts->count; c++)
        if (strcmp(texts->items[c - 1], texts->items[c]) >= 0)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/dataset/categories/%zu/categories/%zu", item, c),
                           "must come after the text before it, in the order of bytes");
    return KR_OK;
}

kr_status kr_model_categories(struct kr_ctx *ctx, const struct kr_model_document *document,
                              const struct kr_texts **out)
{
    const struct kr_list *list = &document->dataset.categories;
    const struct kr_feature_categories *items = list->items;
    const struct kr_texts *names = &document->dataset.feature_names;
    struct kr_texts *by_feature;
    *out = NULL;
    if (!list->count)
        return KR_OK;
    KR_ALLOC(ctx, by_feature, names->count);
    for (size_t i = 0; i < list->count; i++) {
        size_t k = 0;
        while (k < names->count && strcmp(names->items[k], items[i].feature) != 0)
            k++;
        if (k == names->count || by_feature[k].count)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/dataset/categories/%zu/feature", i),
                           "must be a feature, once, got \"%.64s\"", items[i].feature);
        KR_TRY(check_order(ctx, &items[i].categories, i));
        by_feature[k] = items[i].categories;
    }
    *out = by_feature;
    return KR_OK;
}

/* Inputs that come with the document, those of a feature with `count` categories. */
static kr_status check_inputs(struct kr_ctx *ctx, const struct kr_matrix *x, size_t k, size_t count)
{
    for (size_t i = 0; i < x->rows && k < x->cols; i++) {
        const double code = x->items[i * x->cols + k];
        if (!(code >= 0 && code < (double)count && code == floor(code)))
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/weights/x/%zu/%zu", i, k),
                           "must be the code of a category, from 0 below %zu, got %.17g", count, code);
    }
    return KR_OK;
}

kr_status kr_model_check_codes(struct kr_ctx *ctx, const struct kr_model_document *document,
                               const struct kr_texts *categories)
{
    const struct kr_model_standardisation *scale = &document->standardization;
    for (size_t k = 0; categories && k < document->dataset.feature_names.count; k++) {
        if (!categories[k].count)
            continue;
        if (k < scale->x_mean.count && scale->x_mean.items[k] != 0)
            return refuse(ctx, "/standardization/x_mean", k, "must be 0: the feature has categories");
        if (k < scale->x_sd.count && scale->x_sd.items[k] != 1)
            return refuse(ctx, "/standardization/x_sd", k, "must be 1: the feature has categories");
        if (document->weights)
            KR_TRY(check_inputs(ctx, &document->weights->x, k, categories[k].count));
    }
    return KR_OK;
}

static kr_status check_count(struct kr_ctx *ctx, const char *pointer, size_t count, size_t wanted,
                             const char *what)
{
    if (count == wanted)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, pointer, "must have one entry for each of %zu %s, got %zu", wanted, what,
                   count);
}

/* Constants of what is not standardised change nothing. */
static kr_status check_scale(struct kr_ctx *ctx, const struct kr_model_document *document, size_t d)
{
    const struct kr_model_standardisation *scale = &document->standardization;
    KR_TRY(check_count(ctx, "/standardization/x_mean", scale->x_mean.count, d, "features"));
    KR_TRY(check_count(ctx, "/standardization/x_sd", scale->x_sd.count, d, "features"));
    for (size_t k = 0; k < d && !document->standardize.x; k++) {
        if (scale->x_mean.items[k] != 0)
            return refuse(ctx, "/standardization/x_mean", k, "must be 0 where standardize.x is false");
        if (scale->x_sd.items[k] != 1)
            return refuse(ctx, "/standardization/x_sd", k, "must be 1 where standardize.x is false");
    }
    for (size_t t = 0; t < scale->y_mean.count && !document->standardize.y; t++) {
        if (scale->y_mean.items[t] != 0)
            return kr_fail(ctx, KR_INVALID, "/standardization/y_mean",
                           "must be 0 where standardize.y is false");
        if (scale->y_sd.items[t] != 1)
            return kr_fail(ctx, KR_INVALID, "/standardization/y_sd",
                           "must be 1 where standardize.y is false");
    }
    return KR_OK;
}

kr_status kr_model_check_targets(struct kr_ctx *ctx, const struct kr_model_document *document)
{
    const struct kr_texts *names = &document->dataset.target_names;
    const size_t q = document->standardization.y_mean.count;
    if (q == 0)
        return kr_fail(ctx, KR_INVALID, "/standardization/y_mean", "must have an entry for each target");
    KR_TRY(check_count(ctx, "/standardization/y_sd", document->standardization.y_sd.count, q, "targets"));
    if (q > 1 || names->count)
        KR_TRY(check_count(ctx, "/dataset/target_names", names->count, q, "targets"));
    return check_names(ctx, "/dataset/target_names", names, "target");
}

static kr_status check_data_value(struct kr_ctx *ctx, const struct kr_gp *gp, size_t p,
                                  const struct kr_parameter_report *said)
{
    const double wanted = kr_parameter_data_value(gp, p, said->value);
    if (isfinite(wanted) ? fabs(said->data_value - wanted) <= 1e-12 * fabs(wanted) : isnan(said->data_value))
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/parameters/%zu/data_value", p),
                   "must be %.17g (null where that is no number), got %.17g", wanted, said->data_value);
}

/* The list tells of the same values again; one that is left out tells nothing. */
static kr_status check_parameters(struct kr_ctx *ctx, const struct kr_list *list, const struct kr_gp *gp,
                                  const double *theta)
{
    const struct kr_parameters *parameters = &gp->parameters;
    const struct kr_parameter_report *said = list->items;
    if (list->count == 0)
        return KR_OK;
    KR_TRY(check_count(ctx, "/parameters", list->count, parameters->count, "hyperparameters"));
    for (size_t p = 0; p < parameters->count; p++) {
        const char *name = parameters->items[p].name;
        if (!said[p].name || strcmp(said[p].name, name) != 0)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/parameters/%zu/name", p),
                           "must be \"%.100s\", the next hyperparameter of the model, got \"%.60s\"", name,
                           said[p].name ? said[p].name : "");
        if (!(said[p].value == theta[p]))
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/parameters/%zu/value", p),
                           "must be %.17g, the value of %.100s in the model, got %.17g", theta[p], name,
                           said[p].value);
        KR_TRY(check_data_value(ctx, gp, p, &said[p]));
        if (said[p].fixed != parameters->items[p].spec.fixed)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/parameters/%zu/fixed", p),
                           "must be as %.100s is in the model", name);
    }
    return KR_OK;
}

kr_status kr_model_check(struct kr_ctx *ctx, const struct kr_model_document *document,
                         const struct kr_parameters *parameters, const struct kr_posterior *posterior)
{
    if (strcmp(document->format, KR_MODEL_FORMAT) != 0)
        return kr_fail(ctx, KR_INVALID, "/format", "must be \"" KR_MODEL_FORMAT "\", got \"%.40s\"",
                       document->format);
    KR_TRY(check_source(ctx, &document->dataset));
    KR_TRY(check_scale(ctx, document, document->dataset.feature_names.count));
    if (document->request && !json_is_object((const json_t *)document->request))
        return kr_fail(ctx, KR_INVALID, "/request", "must be an object");
    const struct kr_model_standardisation *scale = &document->standardization;
    const struct kr_gp gp = {.parameters = *parameters,
                             .targets = posterior->targets,
                             .mean_first = posterior->mean_first,
                             .mean_count = posterior->mean_count,
                             .noise_index = posterior->noise_index,
                             .scale = {scale->x_mean.items, scale->x_sd.items, scale->y_mean.items[0],
                                       scale->y_sd.items[0], scale->y_mean.items, scale->y_sd.items}};
    return check_parameters(ctx, &document->parameters, &gp, posterior->theta);
}

static kr_status check_factor(struct kr_ctx *ctx, const struct kr_model_weights *weights, size_t p)
{
    const struct kr_matrix *factor = &weights->factor;
    if (weights->x.rows)
        return kr_fail(ctx, KR_INVALID, "/weights/x", "must not be given with an approximation");
    if (weights->noise_variance.count)
        return kr_fail(ctx, KR_INVALID, "/weights/noise_variance", "must not be given with an approximation");
    KR_TRY(check_count(ctx, "/weights/alpha", weights->alpha.rows, p, "features of the approximation"));
    if (factor->rows != p || factor->cols != p)
        return kr_fail(
            ctx, KR_INVALID, "/weights/factor",
            "must have a row and a column for each of %zu features of the approximation, got %zu x %zu", p,
            factor->rows, factor->cols);
    for (size_t i = 0; i < p; i++)
        if (!(factor->items[i * (p + 1)] > 0))
            return refuse(ctx, "/weights/factor", i, "must have a positive entry on the diagonal");
    return KR_OK;
}

kr_status kr_model_check_weights(struct kr_ctx *ctx, const struct kr_model_document *document,
                                 const struct kr_model_weights *weights, const struct kr_posterior *posterior)
{
    if (weights->alpha.rows && weights->alpha.cols != posterior->targets)
        return kr_fail(ctx, KR_INVALID, "/weights/alpha", "must have %zu columns, one a target, got %zu",
                       posterior->targets, weights->alpha.cols);
    if (posterior->space)
        return check_factor(ctx, weights, posterior->space->map.p);
    const struct kr_transform transform = kr_model_transform(document);
    if (!weights->x.rows)
        return kr_fail(ctx, KR_INVALID, "/weights/x", "is required");
    if (weights->factor.rows)
        return kr_fail(ctx, KR_INVALID, "/weights/factor", "must not be given with an exact covariance");
    const size_t n = weights->x.rows, d = document->dataset.feature_names.count;
    if (weights->noise_variance.count && kr_transforms(&transform))
        return kr_fail(ctx, KR_INVALID, "/weights/noise_variance",
                       "must not be given with a target transform");
    if (weights->x.cols != d)
        return kr_fail(ctx, KR_INVALID, "/weights/x", "must have %zu columns, got %zu", d, weights->x.cols);
    KR_TRY(check_count(ctx, "/weights/alpha", weights->alpha.rows, n, "inputs"));
    if (weights->noise_variance.count)
        KR_TRY(check_count(ctx, "/weights/noise_variance", weights->noise_variance.count, n, "inputs"));
    if (document->dataset.rows != n)
        return kr_fail(ctx, KR_INVALID, "/dataset/rows", "must be %zu, the number of inputs, got %zu", n,
                       document->dataset.rows);
    return KR_OK;
}
