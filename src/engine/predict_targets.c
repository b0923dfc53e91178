/*
 * Several targets at once: with the standardised mean mu_t and the variance v that all of them share,
 *
 *     mean = y_mean_t + y_sd_t mu_t,     variance = y_sd_t^2 v,     quantile = mean + y_sd_t sqrt(v) z,
 *
 * each then through the target transform, in rows of one entry a target. O(n d) a point and target, and one
 * solve a point for all variances.
 */
#include "engine/predict_targets.h"
#include "engine/predict.h"

#include <math.h>
#include <string.h>

static kr_status refuse_one(struct kr_ctx *ctx, const char *pointer, size_t targets)
{
    return kr_fail(ctx, KR_INVALID, pointer,
                   "is of one target, and this model has %zu: say which by `target`", targets);
}

static kr_status refuse(struct kr_ctx *ctx, const struct kr_predict_request *request, size_t targets)
{
    const size_t most = KR_MOST_REPLY_NUMBERS / request->x.rows;
    if (request->covariance)
        return refuse_one(ctx, "/covariance", targets);
    if (request->samples)
        return refuse_one(ctx, "/samples", targets);
    if (request->gradient)
        return refuse_one(ctx, "/gradient", targets);
    if (request->quantiles.count * targets > most)
        return kr_fail(ctx, KR_INVALID, "/quantiles",
                       "%zu levels of %zu targets at %zu points are more than %d numbers",
                       request->quantiles.count, targets, request->x.rows, KR_MOST_REPLY_NUMBERS);
    return KR_OK;
}

static kr_status matrix(struct kr_ctx *ctx, size_t rows, size_t cols, struct kr_matrix *out)
{
    *out = (struct kr_matrix){rows, cols, NULL};
    KR_ALLOC(ctx, out->items, rows * cols);
    return KR_OK;
}

/* The reply about target t alone, from n standardised means and variances (NULL: not computed). */
static kr_status of_target(struct kr_ctx *ctx, const struct kr_reals *levels, const struct kr_model *model,
                           size_t t, size_t n, const double *mean, const double *variance,
                           struct kr_predict_reply *out)
{
    const struct kr_model_document *document = &model->document;
    const double shift = document->standardization.y_mean.items[t],
                 sd = document->standardization.y_sd.items[t];
    const struct kr_variant *spec = &document->target_transform;
    const struct kr_transform transform = {(const void *)spec->type, spec->options, 0, 1, 1};
    double *own;
    *out = (struct kr_predict_reply){0};
    KR_TRY(matrix(ctx, n, 1, &out->mean));
    for (size_t i = 0; i < n; i++)
        out->mean.items[i] = shift + sd * mean[i];
    if (!variance)
        return KR_OK;
    KR_TRY(matrix(ctx, n, 1, &out->variance));
    KR_TRY(matrix(ctx, n, levels->count, &out->quantiles));
    KR_ALLOC(ctx, own, n);
    for (size_t i = 0; i < n; i++) {
        own[i] = out->variance.items[i] = variance[i] * sd * sd;
        for (size_t l = 0; l < levels->count; l++)
            out->quantiles.items[i * levels->count + l] =
                out->mean.items[i] + sqrt(own[i]) * kr_normal_quantile(levels->items[l]);
    }
    if (kr_transforms(&transform))
        kr_predict_transform(&transform, n, own, out);
    return KR_OK;
}

/* The columns of one target into those of all. NON_FINITE. */
static kr_status place(struct kr_ctx *ctx, const struct kr_matrix *from, size_t t, const char *what,
                       struct kr_matrix *to)
{
    for (size_t i = 0; i < from->rows; i++)
        for (size_t c = 0; c < from->cols; c++) {
            const double value = from->items[i * from->cols + c];
            if (!isfinite(value))
                return kr_fail(ctx, KR_NON_FINITE, kr_printf(ctx, "/x/%zu", i),
                               "the %s at this point is not finite", what);
            to->items[i * to->cols + t * from->cols + c] = value;
        }
    return KR_OK;
}

/* Rows of all targets. */
static kr_status gather(struct kr_ctx *ctx, const struct kr_predict_request *request,
                        const struct kr_model *model, size_t n, const double *mean, const double *variance,
                        struct kr_predict_reply *reply)
{
    const size_t q = model->posterior.targets, levels = request->quantiles.count;
    KR_TRY(matrix(ctx, n, q, &reply->mean));
    if (request->variance)
        KR_TRY(matrix(ctx, n, q, &reply->variance));
    if (levels)
        KR_TRY(matrix(ctx, n, q * levels, &reply->quantiles));
    for (size_t t = 0; t < q; t++) {
        struct kr_predict_reply one;
        const struct kr_mark mark = kr_mark(ctx);
        KR_TRY(of_target(ctx, &request->quantiles, model, t, n, mean + t * n, variance, &one));
        KR_TRY(place(ctx, &one.mean, t, "prediction", &reply->mean));
        if (request->variance)
            KR_TRY(place(ctx, &one.variance, t, "variance", &reply->variance));
        if (levels)
            KR_TRY(place(ctx, &one.quantiles, t, "quantile", &reply->quantiles));
        kr_release(ctx, mark);
    }
    return KR_OK;
}

kr_status kr_predict_targets(struct kr_ctx *ctx, const struct kr_predict_request *request,
                             const struct kr_model *model, const struct kr_points *x,
                             struct kr_predict_reply *reply, struct kr_solve_report *report)
{
    const struct kr_transform transform = kr_model_transform(&model->document);
    double *mean, *variance = NULL;
    KR_TRY(refuse(ctx, request, model->posterior.targets));
    KR_ALLOC(ctx, mean, x->n * model->posterior.targets);
    KR_TRY(kr_posterior_predict(ctx, &model->posterior, x, NULL, false, mean, NULL, report));
    if (request->variance || request->quantiles.count || kr_transforms(&transform)) {
        KR_ALLOC(ctx, variance, x->n);
        KR_TRY(kr_posterior_covariance(ctx, &model->posterior, x, NULL, request->observation_noise, variance,
                                       NULL, &reply->clamped_variances, report));
        KR_TRY(kr_require_converged(ctx, model->posterior.solver, report));
    }
    return gather(ctx, request, model, x->n, mean, variance, reply);
}
