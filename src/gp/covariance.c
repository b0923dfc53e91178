/* The matrix of a Gaussian process and what a solve with it is worth. */
#include "gp/covariance.h"

kr_status kr_covariance_open(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                             size_t noise_index, const struct kr_points *x, const double *noise,
                             const struct kr_solver_options *options, struct covariance *out)
{
    return kr_covariance_open_with(ctx, kernel, theta, noise_index, x, noise, options, NULL, out);
}

kr_status kr_covariance_open_with(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                                  size_t noise_index, const struct kr_points *x, const double *noise,
                                  const struct kr_solver_options *options, const struct kr_preconditioner *P,
                                  struct covariance *out)
{
    KR_TRY(kr_op_kernel(ctx, kernel, theta, x, NULL, &out->gram));
    KR_TRY(kr_op_shift(ctx, &out->gram, theta, noise_index, noise, &out->noisy));
    return kr_solver_open_with(ctx, options, &out->noisy, P, &out->solver);
}

kr_status kr_posterior_open(struct kr_ctx *ctx, const struct kr_posterior *p, struct covariance *out)
{
    if (!p->prepared)
        return kr_covariance_open(ctx, p->kernel, p->theta, p->noise_index, &p->x, p->noise, p->solver, out);
    *out = p->prepared->A;
    return KR_OK;
}

kr_status kr_posterior_prepare(struct kr_ctx *ctx, struct kr_posterior *p)
{
    struct kr_prepared *prepared;
    if (p->space || p->prepared)
        return KR_OK;
    KR_ALLOC(ctx, prepared, 1);
    KR_TRY(kr_posterior_open(ctx, p, &prepared->A));
    p->prepared = prepared;
    return KR_OK;
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
