/* The matrix of a Gaussian process and what a solve with it is worth. */
#include "gp/covariance.h"

kr_status kr_covariance_open(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                             size_t noise_index, const struct kr_points *x, const double *noise,
                             const struct kr_solver_options *options, struct covariance *out)
{
    KR_TRY(kr_op_kernel(ctx, kernel, theta, x, NULL, &out->gram));
    KR_TRY(kr_op_shift(ctx, &out->gram, theta, noise_index, noise, &out->noisy));
    return kr_solver_open(ctx, options, &out->noisy, &out->solver);
}

kr_status kr_require_converged(struct kr_ctx *ctx, const struct kr_solver_options *options,
                               const struct kr_solve_report *report)
{
    if (kr_solve_converged(report))
        return KR_OK;
    return kr_fail(ctx, KR_NOT_CONVERGED, "/solver",
                   "%s reached a relative residual of %.3g after %zu iterations (%s), wanted %.3g: raise "
                   "noise.variance, "
                   "rtol or max_iterations, or take another solver",
                   report->type, report->residual, report->iterations, kr_stop_names[report->stop],
                   options->rtol);
}
