/* Predictions of a model: JSON in, JSON out. Only what is asked for is computed. */
#include "engine/predict.h"
#include "engine/categories.h"
#include "engine/kept.h"
#include "engine/predict_targets.h"
#include "engine/samples.h"
#include "kriged/differentiate.h"
#include "wire/wire.h"

#include <math.h>
#include <string.h>

/* One request at work: its points standardised, its reply in the data's units. */
struct predicting {
    const struct kr_predict_request *request;
    const struct kr_model *model;
    struct kr_points x;
    enum kr_samples_method method; /* of samples, where they are wanted */
    double *variance;              /* of the (transformed) target in its units, where it was computed */
    struct kr_solve_report report;
    struct kr_predict_reply reply;
};

/* Rows in the data's units to standardised points. */
static kr_status standardise(struct kr_ctx *ctx, const struct kr_model *model, const struct kr_table *rows,
                             struct kr_points *out)
{
    const struct kr_model_standardisation *scale = &model->document.standardization;
    double *x;
    if (rows->cols != model->d)
        return kr_fail(ctx, KR_INVALID, "/x", "must have one column for each of %zu features, got %zu",
                       model->d, rows->cols);
    KR_TRY(kr_transpose(ctx, rows->rows, rows->cols, rows->items, &x));
    KR_TRY(kr_categories_find(ctx, rows, "/x", model->categories, model->document.dataset.feature_names.items,
                              x));
    for (size_t k = 0; k < model->d; k++)
        for (size_t i = 0; i < rows->rows; i++)
            x[k * rows->rows + i] = (x[k * rows->rows + i] - scale->x_mean.items[k]) / scale->x_sd.items[k];
    *out = (struct kr_points){rows->rows, model->d, rows->rows, x};
    return KR_OK;
}

/* What would be too large for a reply. */
static kr_status check_size(struct kr_ctx *ctx, const struct kr_predict_request *request)
{
    const size_t n = request->x.rows;
    if (request->covariance && n > KR_MOST_COVARIANCE_POINTS)
        return kr_fail(ctx, KR_INVALID, "/covariance",
                       "of %zu points has %zu numbers; wanted at most %d points at a time", n, n * n,
                       KR_MOST_COVARIANCE_POINTS);
    return KR_OK;
}

/* What became of `count` numbers, `each` of a point. */
static kr_status check_finite(struct kr_ctx *ctx, size_t count, size_t each, const double *values,
                              const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return kr_fail(ctx, KR_NON_FINITE, kr_printf(ctx, "/x/%zu", i / each),
                           "the %s at this point is not finite", what);
    return KR_OK;
}

static kr_status predict_mean(struct kr_ctx *ctx, struct predicting *w)
{
    const struct kr_model_standardisation *scale = &w->model->document.standardization;
    const size_t n = w->x.n;
    double *mean;
    KR_ALLOC(ctx, mean, n);
    KR_TRY(kr_posterior_predict(ctx, &w->model->posterior, &w->x, NULL, false, mean, NULL, &w->report));
    for (size_t i = 0; i < n; i++)
        mean[i] = scale->y_mean.items[0] + scale->y_sd.items[0] * mean[i];
    w->reply.mean = (struct kr_matrix){n, 1, mean};
    return check_finite(ctx, n, 1, mean, "prediction");
}

static kr_status quantiles(struct kr_ctx *ctx, const struct kr_reals *levels, size_t n, const double *mean,
                           const double *variance, struct kr_matrix *out)
{
    *out = (struct kr_matrix){n, levels->count, NULL};
    KR_ALLOC(ctx, out->items, n * levels->count);
    for (size_t i = 0; i < n; i++)
        for (size_t q = 0; q < levels->count; q++)
            out->items[i * levels->count + q] =
                mean[i] + sqrt(variance[i]) * kr_normal_quantile(levels->items[q]);
    return KR_OK;
}

/* By the covariance of the points, whose memory they take. */
static kr_status sample_exactly(struct kr_ctx *ctx, struct predicting *w, double *covariance)
{
    const struct kr_samples_spec *wanted = w->request->samples;
    const size_t n = w->x.n;
    double *out;
    KR_ALLOC(ctx, out, wanted->count * n);
    KR_TRY(kr_normal_samples(ctx, n, w->reply.mean.items, covariance, wanted->count, wanted->seed, out,
                             &w->reply.samples_jitter));
    w->reply.samples = (struct kr_matrix){wanted->count, n, out};
    return KR_OK;
}

static kr_status use_covariance(struct kr_ctx *ctx, struct predicting *w, double *covariance)
{
    const double y_sd = w->model->document.standardization.y_sd.items[0];
    const size_t n = w->x.n;
    for (size_t e = 0; e < n * n; e++)
        covariance[e] *= y_sd * y_sd;
    KR_TRY(check_finite(ctx, n * n, n, covariance, "covariance"));
    const bool drawn = w->method == KR_SAMPLES_EXACT;
    if (w->request->covariance && drawn) {
        double *shown;
        KR_ALLOC(ctx, shown, n * n);
        memcpy(shown, covariance, n * n * sizeof *shown);
        w->reply.covariance = (struct kr_matrix){n, n, shown};
    } else if (w->request->covariance) {
        w->reply.covariance = (struct kr_matrix){n, n, covariance};
    }
    return drawn ? sample_exactly(ctx, w, covariance) : KR_OK;
}

static kr_status predict_variance(struct kr_ctx *ctx, struct predicting *w)
{
    const struct kr_predict_request *request = w->request;
    const double y_sd = w->model->document.standardization.y_sd.items[0];
    const size_t n = w->x.n;
    double *variance, *covariance = NULL;
    KR_ALLOC(ctx, variance, n);
    if (request->covariance || w->method == KR_SAMPLES_EXACT)
        KR_ALLOC(ctx, covariance, n * n);
    KR_TRY(kr_posterior_covariance(ctx, &w->model->posterior, &w->x, NULL, request->observation_noise,
                                   variance, covariance, &w->reply.clamped_variances, &w->report));
    KR_TRY(kr_require_converged(ctx, w->model->posterior.solver, &w->report));
    for (size_t i = 0; i < n; i++)
        variance[i] *= y_sd * y_sd;
    KR_TRY(check_finite(ctx, n, 1, variance, "variance"));
    w->variance = variance;
    if (request->variance)
        w->reply.variance = (struct kr_matrix){n, 1, variance};
    if (request->quantiles.count)
        KR_TRY(quantiles(ctx, &request->quantiles, n, w->reply.mean.items, variance, &w->reply.quantiles));
    return covariance ? use_covariance(ctx, w, covariance) : KR_OK;
}

static kr_status sample_paths(struct kr_ctx *ctx, struct predicting *w)
{
    const struct kr_model_standardisation *scale = &w->model->document.standardization;
    const struct kr_samples_spec *wanted = w->request->samples;
    const size_t k = w->x.n;
    double *out;
    KR_ALLOC(ctx, out, wanted->count * k);
    KR_TRY(kr_posterior_paths(ctx, &w->model->posterior, &w->x, NULL, w->request->observation_noise,
                              wanted->features, wanted->count, wanted->seed, out, &w->report));
    KR_TRY(kr_require_converged(ctx, w->model->posterior.solver, &w->report));
    for (size_t e = 0; e < wanted->count * k; e++)
        out[e] = scale->y_mean.items[0] + scale->y_sd.items[0] * out[e];
    w->reply.samples = (struct kr_matrix){wanted->count, k, out};
    for (size_t s = 0; s < wanted->count; s++)
        KR_TRY(check_finite(ctx, k, 1, out + s * k, "sample"));
    return KR_OK;
}

/* From that of the transformed mean: d E g(Z) = E g' dmean + E g''/2 dvariance. Before the mean is
 * transformed. */
static kr_status transform_gradient(struct kr_ctx *ctx, struct predicting *w, double *by_feature)
{
    const struct kr_model_standardisation *scale = &w->model->document.standardization;
    const struct kr_variant *spec = &w->model->document.target_transform;
    const struct kr_transform t = {(const void *)spec->type, spec->options, 0, 1, 1};
    const size_t n = w->x.n, d = w->x.d;
    const double y_sd = scale->y_sd.items[0];
    double *by_variance;
    if (!kr_transforms(&t))
        return KR_OK;
    KR_ALLOC(ctx, by_variance, n * d);
    KR_TRY(kr_posterior_variance_gradient(ctx, &w->model->posterior, &w->x, by_variance, &w->report));
    KR_TRY(kr_require_converged(ctx, w->model->posterior.solver, &w->report));
    for (size_t i = 0; i < n; i++) {
        double expected[3];
        kr_transform_below(&t, w->reply.mean.items[i], w->variance[i], INFINITY, expected);
        for (size_t k = 0; k < d; k++)
            by_feature[k * n + i] = expected[1] * by_feature[k * n + i] + 0.5 * expected[2] *
                                                                              by_variance[k * n + i] * y_sd *
                                                                              y_sd / scale->x_sd.items[k];
    }
    return KR_OK;
}

/* d mean/dx by rows: the chain rule through both standardisations. */
static kr_status predict_gradient(struct kr_ctx *ctx, struct predicting *w)
{
    const struct kr_model_standardisation *scale = &w->model->document.standardization;
    const size_t n = w->x.n, d = w->x.d;
    double *by_feature, *rows;
    KR_ALLOC(ctx, by_feature, n * d);
    KR_TRY(kr_posterior_gradient(ctx, &w->model->posterior, &w->x, by_feature));
    for (size_t k = 0; k < d; k++)
        for (size_t i = 0; i < n; i++)
            by_feature[k * n + i] *= scale->y_sd.items[0] / scale->x_sd.items[k];
    KR_TRY(transform_gradient(ctx, w, by_feature));
    KR_TRY(kr_transpose(ctx, d, n, by_feature, &rows));
    w->reply.gradient = (struct kr_matrix){n, d, rows};
    return check_finite(ctx, n * d, d, rows, "gradient");
}

/* From the transformed target to the target. */
static kr_status transform(struct kr_ctx *ctx, struct predicting *w)
{
    const struct kr_model_document *document = &w->model->document;
    const struct kr_transform t = {(const struct kr_transform_type *)document->target_transform.type,
                                   document->target_transform.options, 0, 1, 1};
    struct kr_predict_reply *reply = &w->reply;
    const size_t n = w->x.n;
    if (reply->variance.rows)
        KR_ALLOC(ctx, reply->variance.items, n);
    kr_predict_transform(&t, n, w->variance, reply);
    KR_TRY(check_finite(ctx, n, 1, reply->mean.items, "prediction"));
    KR_TRY(check_finite(ctx, reply->variance.rows, 1, reply->variance.items, "variance"));
    KR_TRY(check_finite(ctx, reply->covariance.rows * n, n, reply->covariance.items, "covariance"));
    KR_TRY(check_finite(ctx, reply->quantiles.rows * reply->quantiles.cols, reply->quantiles.cols,
                        reply->quantiles.items, "quantile"));
    for (size_t s = 0; s < reply->samples.rows; s++)
        KR_TRY(check_finite(ctx, n, 1, reply->samples.items + s * n, "sample"));
    return KR_OK;
}

static kr_status choose_method(struct kr_ctx *ctx, struct predicting *w)
{
    if (!w->request->samples)
        return KR_OK;
    KR_TRY(kr_samples_choose(ctx, w->request, &w->model->posterior, &w->method, &w->reply.samples_reason));
    w->reply.samples_method = kr_samples_method_names[w->method];
    return KR_OK;
}

static kr_status write(struct kr_ctx *ctx, const struct kr_predict_reply *reply, json_t **out)
{
    *out = kr_wire_write(&kr_predict_reply_schema, reply);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the reply");
}

static kr_status predict_targets(struct kr_ctx *ctx, struct predicting *w, json_t **reply)
{
    KR_TRY(kr_predict_targets(ctx, w->request, w->model, &w->x, &w->reply, &w->report));
    return write(ctx, &w->reply, reply);
}

static kr_status predict(struct kr_ctx *ctx, const struct kr_predict_request *request,
                         const struct kr_model *model, json_t **reply)
{
    struct predicting w = {.request = request, .model = model, .reply.samples_jitter = NAN};
    struct kr_model one;
    if (request->target.count) {
        KR_TRY(kr_model_target(ctx, model, request->target.items, &one));
        w.model = model = &one;
    }
    const struct kr_transform t = kr_model_transform(&model->document);
    const bool transforms = kr_transforms(&t);
    KR_TRY(check_size(ctx, request));
    KR_TRY(standardise(ctx, model, &request->x, &w.x));
    if (model->posterior.targets > 1)
        return predict_targets(ctx, &w, reply);
    KR_TRY(choose_method(ctx, &w));
    KR_TRY(predict_mean(ctx, &w));
    if (request->variance || request->quantiles.count || request->covariance ||
        w.method == KR_SAMPLES_EXACT || transforms)
        KR_TRY(predict_variance(ctx, &w));
    if (w.method == KR_SAMPLES_PATHWISE)
        KR_TRY(sample_paths(ctx, &w));
    if (request->gradient)
        KR_TRY(predict_gradient(ctx, &w));
    if (transforms)
        KR_TRY(transform(ctx, &w));
    return write(ctx, &w.reply, reply);
}

/* Does more than the mean's products? */
static bool solves(const struct kr_predict_request *request)
{
    return request->variance || request->quantiles.count || request->covariance || request->samples;
}

kr_status kr_engine_predict(struct kr_ctx *ctx, struct kr_kept *kept, json_t *request, const json_t *document,
                            const char *directory, json_t **reply)
{
    struct kr_predict_request wanted;
    struct kr_model model;
    const struct kr_model *open = &model;
    KR_TRY(kr_wire_read(ctx, &kr_predict_request_schema, request, "", &wanted));
    if (kept && directory)
        return kr_kept_open(ctx, kept, document, directory, solves(&wanted), &open) == KR_OK
                   ? predict(ctx, &wanted, open, reply)
                   : ctx->error.status;
    KR_TRY(kr_model_open(ctx, document, directory, &model));
    kr_status status = predict(ctx, &wanted, &model, reply);
    kr_dataset_unmap(&model.mapping);
    return status;
}
