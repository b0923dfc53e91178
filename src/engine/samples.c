/*
 * The choice between exact and pathwise samples. Exact ones take as many solves as there are points, which
 * variances take anyway; pathwise ones as many as there are samples. Measured (bench_samples, 2 cores, 2000
 * rows): 2000 points 3.4 s against 0.5 s for ten samples; covariances of 4096 features are off by 0.001 (rbf)
 * to 0.008 (matern12) of the prior variance, root mean square. So exact as long as it is a matter of seconds.
 */
#include "engine/samples.h"

static kr_status check(struct kr_ctx *ctx, const struct kr_samples_spec *samples, size_t points)
{
    const size_t most = KR_MOST_REPLY_NUMBERS / points;
    if (samples->count > most)
        return kr_fail(ctx, KR_INVALID, "/samples/count",
                       "%zu samples at %zu points are more than %d numbers; wanted at most %zu samples",
                       samples->count, points, KR_MOST_REPLY_NUMBERS, most);
    if (samples->features % 2)
        return kr_fail(ctx, KR_INVALID, "/samples/features", "must be even, got %zu", samples->features);
    if (samples->method == KR_SAMPLES_EXACT && points > KR_MOST_COVARIANCE_POINTS)
        return kr_fail(ctx, KR_INVALID, "/samples/method",
                       "exact takes at most %d points, got %zu; wanted fewer, or pathwise",
                       KR_MOST_COVARIANCE_POINTS, points);
    return KR_OK;
}

static bool solves_anyway(const struct kr_predict_request *request)
{
    return request->variance || request->quantiles.count || request->covariance;
}

kr_status kr_samples_choose(struct kr_ctx *ctx, const struct kr_predict_request *request,
                            const struct kr_posterior *posterior, enum kr_samples_method *method,
                            const char **reason)
{
    const size_t points = request->x.rows, rows = posterior->x.n;
    const bool paths = kr_posterior_has_paths(posterior);
    KR_TRY(check(ctx, request->samples, points));
    *method = (enum kr_samples_method)request->samples->method;
    *reason = "as asked";
    if (*method == KR_SAMPLES_PATHWISE && !paths)
        return kr_fail(ctx, KR_INVALID, "/samples/method",
                       "pathwise needs random features, which this model's kernel has not; wanted exact");
    if (*method != KR_SAMPLES_AUTO)
        return KR_OK;
    if (points > KR_MOST_COVARIANCE_POINTS) {
        if (!paths)
            return kr_fail(ctx, KR_INVALID, "/samples",
                           "are drawn at %d points at most where the kernel has no random features, got %zu",
                           KR_MOST_COVARIANCE_POINTS, points);
        *reason = kr_printf(ctx, "%zu points; exact takes %d at most", points, KR_MOST_COVARIANCE_POINTS);
        *method = KR_SAMPLES_PATHWISE;
    } else if (solves_anyway(request) || rows * points <= KR_MOST_SAMPLE_SOLVES || !paths) {
        *reason = solves_anyway(request) ? "variances are solved for anyway" : "few points";
        if (!paths)
            *reason = "the kernel has no random features";
        *method = KR_SAMPLES_EXACT;
    } else {
        *reason = kr_printf(ctx, "solves for %zu points with %zu rows would be dear", points, rows);
        *method = KR_SAMPLES_PATHWISE;
    }
    return *reason ? KR_OK : ctx->error.status;
}
