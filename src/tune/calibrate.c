/* After tuning: all variances and the noise scaled together (kriged/calibration.h). */
#include "tune/run.h"

#include <math.h>
#include <string.h>

enum { SAFE_ROWS = 160 }; /* below, leave-one-out residuals are too few to go by */

static const struct kr_calibration_type *calibration_of(const struct kr_gp *gp)
{
    return (const struct kr_calibration_type *)gp->spec->objective.calibrate;
}

bool kr_tune_calibrates(const struct kr_gp *gp)
{
    return calibration_of(gp) && calibration_of(gp)->factor;
}

/* Bounds are for tuning; what leaves them is told. */
static void warn_bounds(const struct run *run, const bool *scales, const double *theta)
{
    for (size_t p = 0; p < run->gp->parameters.count; p++) {
        double lower, upper;
        kr_parameter_bounds(run->gp, p, &lower, &upper);
        if (scales[p] && theta[p] > 0 && (theta[p] < lower || theta[p] > upper))
            kr_run_warn(
                run, "calibrated-beyond-bound", run->names[p],
                "%s was scaled to %.4g, beyond its bounds [%.4g, %.4g]: calibration does not keep them",
                run->names[p], theta[p], lower, upper);
    }
}

kr_status kr_run_calibrate(struct run *run, double **best, double **gradient, double *factor)
{
    struct kr_ctx *ctx = run->ctx;
    const struct kr_gp *gp = run->gp;
    const size_t count = gp->parameters.count;
    struct kr_evaluation evaluation;
    double *theta, *slopes;
    bool *scales;
    *factor = NAN;
    if (!kr_tune_calibrates(gp))
        return KR_OK;
    KR_ALLOC(ctx, theta, count);
    KR_ALLOC(ctx, slopes, count);
    KR_ALLOC(ctx, scales, count);
    KR_TRY(kr_gp_scales(ctx, gp, "/objective/calibrate", scales));
    KR_TRY(calibration_of(gp)->factor(ctx, gp, *best, factor));
    for (size_t p = 0; p < count; p++)
        theta[p] = (scales[p] ? *factor : 1) * (*best)[p];
    if (gp->fit.n < SAFE_ROWS)
        kr_run_warn(
            run, "small-calibration", NULL,
            "variances were scaled by %.3g after %zu rows: below %d that may do harm; compare the test "
            "scores with those of calibrate none",
            *factor, gp->fit.n, SAFE_ROWS);
    warn_bounds(run, scales, theta);
    KR_TRY(kr_objective_eval(ctx, gp, theta, false, &evaluation, slopes));
    *best = theta;
    *gradient = slopes;
    return KR_OK;
}
