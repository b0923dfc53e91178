/* require: points, bounds and gradients of a caller, looked at before they are used. O(n), in parallel. */
#ifndef KRIGED_OPT_REQUIRE_H
#define KRIGED_OPT_REQUIRE_H

#include "kriged/base.h"

/* NON_FINITE, naming the first entry of x (count) that is not finite as what[i]. */
kr_status kr_require_finite(struct kr_ctx *ctx, const char *what, size_t count,
                            const double *x) KR_MUST_CHECK;
/* INVALID, naming the first i for which lower[i] <= upper[i] is not so; either may be NULL. */
kr_status kr_require_box(struct kr_ctx *ctx, size_t n, const double *lower,
                         const double *upper) KR_MUST_CHECK;

#endif
