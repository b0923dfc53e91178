/* Parts of a prediction that have a file of their own. */
#ifndef KRIGED_ENGINE_PREDICT_H
#define KRIGED_ENGINE_PREDICT_H

#include "engine/request.h"

/*
 * Turns a reply about z into one about the target, where it has mean, variance, quantiles, covariance and
 * samples: n points with the variances `variance` of z, which reply->variance must not share memory with.
 */
void kr_predict_transform(const struct kr_transform *t, size_t n, const double *variance,
                          struct kr_predict_reply *reply);

#endif
