/* Changes of variables as the standardised process sees them: z = mean + sd s, and (y - origin)/unit. */
#include "kriged/transform.h"

#include <math.h>

void kr_transform_at(const struct kr_transform *t, double s, double out[3])
{
    t->type->at(t->options, t->mean + t->sd * s, out);
    out[0] /= t->unit;
    out[1] *= t->sd / t->unit;
    out[2] *= t->sd * t->sd / t->unit;
}

double kr_transform_inverse(const struct kr_transform *t, double w)
{
    return (t->type->inverse(t->options, w * t->unit) - t->mean) / t->sd;
}

void kr_transform_below(const struct kr_transform *t, double mean, double variance, double c, double out[3])
{
    t->type->below(t->options, t->mean + t->sd * mean, t->sd * t->sd * variance, t->mean + t->sd * c, out);
    out[0] /= t->unit;
    out[1] *= t->sd / t->unit;
    out[2] *= t->sd * t->sd / t->unit;
}

void kr_transform_spread(const struct kr_transform *t, double mean, double variance, double out[3])
{
    t->type->spread(t->options, t->mean + t->sd * mean, t->sd * t->sd * variance, out);
    out[0] /= t->unit;
    out[1] *= t->sd / t->unit;
    out[2] *= t->sd * t->sd / t->unit;
}

double kr_transform_mean(const struct kr_transform *t, double mean, double variance)
{
    double out[3];
    t->type->below(t->options, t->mean + t->sd * mean, t->sd * t->sd * variance, INFINITY, out);
    return out[0] + t->type->origin(t->options);
}

double kr_transform_value(const struct kr_transform *t, double s)
{
    double out[3];
    t->type->at(t->options, t->mean + t->sd * s, out);
    return out[0] + t->type->origin(t->options);
}

kr_status kr_transform_targets(struct kr_ctx *ctx, const struct kr_variant *spec,
                               const struct kr_dataset *data, const char *what, struct kr_dataset *out)
{
    const struct kr_transform_type *type = (const struct kr_transform_type *)spec->type;
    double *z;
    *out = *data;
    if (!type || type->identity)
        return KR_OK;
    if (data->noise_variance)
        return kr_fail(ctx, KR_INVALID, "/model/target_transform",
                       "must be none for data with known noise variances, got %s: these are variances of the "
                       "target itself",
                       type->base.name);
    const size_t count = data->n * kr_dataset_targets(data);
    KR_ALLOC(ctx, z, count);
    for (size_t i = 0; i < count; i++) {
        z[i] = type->inverse(spec->options, data->y[i] - type->origin(spec->options));
        if (!isfinite(z[i]))
            return kr_fail(ctx, KR_INVALID, "/model/target_transform",
                           "%s: %s, and row %zu%s has the target %.17g", type->base.name, type->domain,
                           i % data->n, what, data->y[i]);
    }
    out->y = z;
    return KR_OK;
}
