/* A = K(X, X) + s2 I + diag(s_i^2), opened for solves: what the objective and the posterior share. */
#ifndef GP_COVARIANCE_H
#define GP_COVARIANCE_H

#include "gp/mean.h"

struct covariance {
    struct kr_op gram, noisy;
    struct kr_solver solver;
};

/* The matrix of a posterior, opened beforehand. */
struct kr_prepared {
    struct covariance A;
};
/* *out: that one, or opened now. */
kr_status kr_posterior_open(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                            struct covariance *out) KR_MUST_CHECK;

/* theta is borrowed; noise_index is the place of s2 in it; `noise` (n) may be NULL. */
kr_status kr_covariance_open(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                             size_t noise_index, const struct kr_points *x, const double *noise,
                             const struct kr_solver_options *options, struct covariance *out) KR_MUST_CHECK;

/* The same with a preconditioner at hand, or NULL (kr_solver_open_with). */
kr_status kr_covariance_open_with(struct kr_ctx *ctx, const struct kr_kernel *kernel, const double *theta,
                                  size_t noise_index, const struct kr_points *x, const double *noise,
                                  const struct kr_solver_options *options, const struct kr_preconditioner *P,
                                  struct covariance *out) KR_MUST_CHECK;

#endif
