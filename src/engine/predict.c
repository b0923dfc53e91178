/* Predictions of a model: JSON in, JSON out. */
#include "engine/model.h"
#include "wire/wire.h"

#include <math.h>

/* Rows in the data's units to standardised points. */
static kr_status standardise(struct kr_ctx *ctx, const struct kr_model *model, const struct kr_matrix *rows,
                             struct kr_points *out)
{
    const struct kr_model_standardisation *scale = &model->document.standardization;
    double *x;
    if (rows->cols != model->d)
        return kr_fail(ctx, KR_INVALID, "/x", "must have one column for each of %zu features, got %zu",
                       model->d, rows->cols);
    KR_TRY(kr_transpose(ctx, rows->rows, rows->cols, rows->items, &x));
    for (size_t k = 0; k < model->d; k++)
        for (size_t i = 0; i < rows->rows; i++)
            x[k * rows->rows + i] = (x[k * rows->rows + i] - scale->x_mean.items[k]) / scale->x_sd.items[k];
    *out = (struct kr_points){rows->rows, model->d, rows->rows, x};
    return KR_OK;
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

static kr_status predict(struct kr_ctx *ctx, const struct kr_predict_request *request,
                         const struct kr_model *model, json_t **reply)
{
    const size_t n = request->x.rows;
    const double shift = model->document.standardization.y_mean, scale = model->document.standardization.y_sd;
    struct kr_solve_report report = {0};
    struct kr_predict_reply out = {0};
    struct kr_points x;
    double *mean, *variance = NULL;
    KR_TRY(standardise(ctx, model, &request->x, &x));
    KR_ALLOC(ctx, mean, n);
    if (request->variance || request->quantiles.count)
        KR_ALLOC(ctx, variance, n);
    KR_TRY(kr_posterior_predict(ctx, &model->posterior, &x, NULL, request->observation_noise, mean, variance,
                                &report));
    KR_TRY(kr_require_converged(ctx, model->posterior.solver, &report));
    for (size_t i = 0; i < n; i++) {
        mean[i] = shift + scale * mean[i];
        if (variance)
            variance[i] *= scale * scale;
        if (!isfinite(mean[i]) || (variance && !isfinite(variance[i])))
            return kr_fail(ctx, KR_NON_FINITE, kr_printf(ctx, "/x/%zu", i),
                           "the prediction at this point is not finite");
    }
    out.mean = (struct kr_reals){n, mean};
    if (request->variance)
        out.variance = (struct kr_reals){n, variance};
    if (request->quantiles.count)
        KR_TRY(quantiles(ctx, &request->quantiles, n, mean, variance, &out.quantiles));
    *reply = kr_wire_write(&kr_predict_reply_schema, &out);
    return *reply ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the reply");
}

kr_status kr_engine_predict(struct kr_ctx *ctx, json_t *request, const json_t *document,
                            const char *directory, json_t **reply)
{
    struct kr_predict_request wanted;
    struct kr_model model;
    KR_TRY(kr_wire_read(ctx, &kr_predict_request_schema, request, "", &wanted));
    KR_TRY(kr_model_open(ctx, document, directory, &model));
    kr_status status = predict(ctx, &wanted, &model, reply);
    kr_dataset_unmap(&model.mapping);
    return status;
}
