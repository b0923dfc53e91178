/*
 * Predictions through a change of variables: of z (its own units) in, of the target out. With g and origin of
 * the model's transform
 *
 *     mean = E g(Z) + origin,     (co)variance = cov(g(Z), g(Z')),     quantiles and samples: g + origin
 *
 * Point by point; pairs for a covariance. The median is the quantile 0.5.
 */
#include "engine/predict.h"

void kr_predict_transform(const struct kr_transform *t, size_t n, const double *variance,
                          struct kr_predict_reply *reply)
{
    double *mean = reply->mean.items;
    const struct kr_matrix *C = &reply->covariance;
    for (size_t e = 0; e < C->rows * C->cols; e++) {
        const double means[2] = {mean[e / n], mean[e % n]}, variances[2] = {variance[e / n], variance[e % n]};
        C->items[e] = t->type->covariance(t->options, means, variances, C->items[e]);
    }
    for (size_t i = 0; i < reply->variance.rows; i++) {
        const double means[2] = {mean[i], mean[i]}, variances[2] = {variance[i], variance[i]};
        reply->variance.items[i] = t->type->covariance(t->options, means, variances, variance[i]);
    }
    for (size_t e = 0; e < reply->quantiles.rows * reply->quantiles.cols; e++)
        reply->quantiles.items[e] = kr_transform_value(t, reply->quantiles.items[e]);
    for (size_t e = 0; e < reply->samples.rows * reply->samples.cols; e++)
        reply->samples.items[e] = kr_transform_value(t, reply->samples.items[e]);
    for (size_t i = 0; i < n; i++)
        mean[i] = kr_transform_mean(t, mean[i], variance[i]);
}
