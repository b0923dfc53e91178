/*
 * Points and vectors in panels, O(n d) and O(n k). Coordinates are centred by the mean of one set and scaled
 * by sqrt(2 |factor|)/lengthscale, so that |x - z|^2/2 = |factor| r^2 = |s|. Expanded into products its error
 * is about 3 eps |x|^2/2, and that of g the kernel's steepness times this: expanded where that is below 2e-6
 * (single) or 2e-14 (double), for each pair of panels by itself; else differences are squared, whose
 * coordinates are rounded to eps |x|. Beyond |x| = 45 (single) or 1000 (double) that is too coarse as well.
 */
#include "op/fused.h"

#include <math.h>
#include <string.h>

static const double expand_up_to[2] = {48, 11}, near[2] = {5e5, 1e3};

bool kr_fused_near(double largest, bool single)
{
    return largest <= near[single];
}

static void store(void *at, size_t index, bool single, double value)
{
    if (single)
        ((float *)at)[index] = (float)value;
    else
        ((double *)at)[index] = value;
}

kr_status kr_fused_packing(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                           bool single, const struct kr_points *centre, struct kr_packing *out)
{
    const struct kr_fused *fused = kernel->type->fused;
    const double *lengths = theta + kernel->first + 1;
    const double shape = kernel->type->nparameters > 2 ? theta[kernel->first + kernel->nparams - 1] : 0;
    const double factor = fused->factor(shape);
    *out = (struct kr_packing){.kernel = kernel,
                               .single = single,
                               .shape = shape,
                               .sign = factor < 0 ? -1 : 1,
                               .variance = theta[kernel->first],
                               .expand = expand_up_to[single] / fused->steepness(shape, kernel->nfeatures)};
    KR_ALLOC(ctx, out->scale, kernel->nfeatures);
    KR_ALLOC(ctx, out->centre, kernel->nfeatures);
    for (size_t k = 0; k < kernel->nfeatures; k++) {
        const double *x = centre->x + kernel->features[k] * centre->ld;
        double sum = 0;
        for (size_t i = 0; i < centre->n; i++)
            sum += x[i];
        out->centre[k] = sum / (double)centre->n;
        out->scale[k] = sqrt(2 * fabs(factor)) / lengths[kernel->entries[1] == 1 ? 0 : k];
    }
    return KR_OK;
}

/* Panel p: coordinates, then norms of what was stored. */
static void pack_panel(const struct kr_packing *packing, const struct kr_points *points, size_t p,
                       struct kr_packed *out)
{
    const size_t first = p * KR_PANEL, left = points->n - first, m = left < KR_PANEL ? left : KR_PANEL;
    double squares[KR_PANEL] = {0}, largest = 0;
    for (size_t k = 0; k < out->d; k++) {
        const double *x = points->x + packing->kernel->features[k] * points->ld + first,
                     centre = packing->centre[k], scale = packing->scale[k];
        const size_t at = (p * out->d + k) * KR_PANEL;
        if (packing->single)
            for (size_t i = 0; i < m; i++) {
                const float value = (float)((x[i] - centre) * scale);
                ((float *)out->x)[at + i] = value;
                squares[i] += (double)value * value;
            }
        else
            for (size_t i = 0; i < m; i++) {
                const double value = (x[i] - centre) * scale;
                ((double *)out->x)[at + i] = value;
                squares[i] += value * value;
            }
    }
    for (size_t i = 0; i < m; i++) {
        largest = squares[i] <= 2 * largest ? largest : 0.5 * squares[i]; /* a NaN stays */
        store(out->h, first + i, packing->single, 0.5 * packing->sign * squares[i]);
    }
    out->norm[p] = largest;
}

kr_status kr_fused_pack(struct kr_ctx *ctx, const struct kr_packing *packing, const struct kr_points *points,
                        struct kr_packed *out)
{
    const size_t size = packing->single ? sizeof(float) : sizeof(double);
    *out =
        (struct kr_packed){.n = points->n, .d = packing->kernel->nfeatures, .panels = kr_panels(points->n)};
    out->x = kr_alloc(ctx, out->panels * KR_PANEL * out->d, size);
    out->h = kr_alloc(ctx, out->panels * KR_PANEL, size);
    if (!out->x || !out->h)
        return ctx->error.status;
    KR_ALLOC(ctx, out->norm, out->panels);
    for (size_t p = 0; p < out->panels; p++) {
        pack_panel(packing, points, p, out);
        out->largest = out->norm[p] <= out->largest ? out->largest : out->norm[p];
    }
    return KR_OK;
}

kr_status kr_fused_vectors(struct kr_ctx *ctx, size_t n, size_t k, bool single, const double *V, void **out)
{
    *out = kr_alloc(ctx, kr_panels(n) * KR_PANEL * k, single ? sizeof(float) : sizeof(double));
    if (!*out)
        return ctx->error.status;
    for (size_t p = 0; p < kr_panels(n); p++) {
        const size_t left = n - p * KR_PANEL, m = left < KR_PANEL ? left : KR_PANEL;
        for (size_t c = 0; c < k; c++) {
            const size_t to = (p * k + c) * KR_PANEL;
            const double *v = V + c * n + p * KR_PANEL;
            if (single)
                for (size_t i = 0; i < m; i++)
                    ((float *)*out)[to + i] = (float)v[i];
            else
                memcpy((double *)*out + to, v, m * sizeof *v);
        }
    }
    return KR_OK;
}

void kr_fused_add(const void *part, bool single, size_t panels, size_t k, double factor, size_t first,
                  size_t n, double *Y)
{
    for (size_t p = 0; p < panels && first + p * KR_PANEL < n; p++) {
        const size_t begin = first + p * KR_PANEL, left = n - begin, m = left < KR_PANEL ? left : KR_PANEL;
        for (size_t c = 0; c < k; c++) {
            const size_t at = (p * k + c) * KR_PANEL;
            double *y = Y + c * n + begin;
            if (single)
                for (size_t i = 0; i < m; i++)
                    y[i] += factor * (double)((const float *)part)[at + i];
            else
                for (size_t i = 0; i < m; i++)
                    y[i] += factor * ((const double *)part)[at + i];
        }
    }
}
