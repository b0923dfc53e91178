/*
 * calibration: what may follow tuning. All variances and the noise are scaled together until errors are as
 * large as predicted; the mean of the predictions stays what it is.
 */
#ifndef KRIGED_CALIBRATION_H
#define KRIGED_CALIBRATION_H

#include "kriged/gp.h"

extern const struct kr_registry kr_calibration_registry; /* rows are struct kr_calibration_type */

struct kr_calibration_type {
    struct kr_type base;
    /* By what all variances are to be scaled at theta; NULL: they stay. */
    kr_status (*factor)(struct kr_ctx *, const struct kr_gp *, const double *theta, double *factor);
};

/*
 * Marks the hyperparameters (parameters) that scale the covariance when they are scaled together: the noise,
 * variances of every term of a sum, of the first factor of a product that has free ones. INVALID at `pointer`
 * where that cannot be done exactly: known noise variances, a variance or noise that is fixed.
 */
kr_status kr_gp_scales(struct kr_ctx *ctx, const struct kr_gp *gp, const char *pointer,
                       bool *scales) KR_MUST_CHECK;

/*
 * The mean standardised squared leave-one-out residual of the rows that the model conditions on (gp->fit), 1
 * where errors are as large as predicted; of all of them where the solver factorises or
 * with an approximation, else of a seeded draw of at most 512. *rows (may be NULL): how many.
 */
kr_status kr_gp_leave_one_out_spread(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                                     double *spread, size_t *rows) KR_MUST_CHECK;

#endif
