/* fourier_features: the kernel by random waves (op/fourier.c). phi(x)'phi(x) is k(x, x): nothing is missed
 * there. */
#include "kriged/gp.h"

static kr_status build(struct kr_ctx *ctx, const void *options, const struct kr_weight_site *site,
                       struct kr_weight_space *space)
{
    return kr_features_fourier(ctx, options, space->kernel, site->d, site->parameters, site->pointer,
                               &space->map);
}

extern const struct kr_approximation_type kr_approximation_fourier_features;
const struct kr_approximation_type kr_approximation_fourier_features = {
    {"fourier_features",
     "random Fourier features: rbf, matern, rational_quadratic, cosine, linear, constant, sums",
     &kr_fourier_options_schema},
    build};
