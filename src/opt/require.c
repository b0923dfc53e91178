/* The first entry that is not what it must be, whatever the number of threads. */
#include "opt/require.h"

#include "opt/bounds.h"

kr_status kr_require_finite(struct kr_ctx *ctx, const char *what, size_t count, const double *x)
{
    size_t first = count;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(min : first) if (count > 32768)
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]) && i < first)
            first = i;
    if (first == count)
        return KR_OK;
    return kr_fail(ctx, KR_NON_FINITE, "", "%s[%zu] must be finite, got %g", what, first, x[first]);
}

kr_status kr_require_box(struct kr_ctx *ctx, size_t n, const double *lower, const double *upper)
{
    size_t first = n;
    if (!lower && !upper)
        return KR_OK;
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(min : first) if (n > 32768)
    for (size_t i = 0; i < n; i++)
        if (!(kr_lower(lower, i) <= kr_upper(upper, i)) && i < first)
            first = i;
    if (first == n)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, "", "lower[%zu] = %g must not be above upper[%zu] = %g", first,
                   kr_lower(lower, first), first, kr_upper(upper, first));
}
