/* samples: which way joint samples of a prediction are drawn. */
#ifndef KRIGED_ENGINE_SAMPLES_H
#define KRIGED_ENGINE_SAMPLES_H

#include "engine/request.h"

/*
 * EXACT or PATHWISE for a request with samples, and why. INVALID, with the numbers, for more samples than a
 * reply may hold, more points than an exact draw takes, an odd number of features, and kernels without them.
 */
kr_status kr_samples_choose(struct kr_ctx *ctx, const struct kr_predict_request *request,
                            const struct kr_posterior *posterior, enum kr_samples_method *method,
                            const char **reason) KR_MUST_CHECK;

#endif
