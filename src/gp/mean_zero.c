/* zero: m(x) = 0. No parameters. */
#include "kriged/gp.h"

#include <string.h>

static kr_status build(struct kr_ctx *ctx, const void *options, size_t d, size_t targets, const char *pointer,
                       const char *path, struct kr_parameters *parameters)
{
    (void)ctx, (void)options, (void)d, (void)targets, (void)pointer, (void)path, (void)parameters;
    return KR_OK;
}

static void eval(const double *theta, const struct kr_points *x, double *out)
{
    (void)theta;
    memset(out, 0, x->n * sizeof *out);
}

static void pull(const double *theta, const struct kr_points *x, const double *weights, double *grad)
{
    (void)theta, (void)x, (void)weights, (void)grad;
}

extern const struct kr_mean_type kr_mean_zero;
const struct kr_mean_type kr_mean_zero = {
    .base = {"zero", "m(x) = 0", NULL}, .build = build, .eval = eval, .pull = pull};
