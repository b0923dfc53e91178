/* A weight space fitted to some rows at a theta: what the objective and the posterior share. */
#ifndef GP_WEIGHT_SPACE_H
#define GP_WEIGHT_SPACE_H

#include "gp/covariance.h"
#include "kriged/lstsq.h"

/*
 * A = diag(D) Phi(X), D_i = noise_i^-1/2, b = D (y - m): w = LstSq(A, b, 1) is the mean of the weights, and
 * (A'A + I)^-1 their covariance. Stays where it is: its parts borrow from each other.
 */
struct weight_fit {
    const struct kr_weight_space *space;
    const struct kr_part *part;
    const double *theta;
    size_t n, p;
    struct kr_feature_map map;
    struct kr_noise noise;
    struct kr_op A, factor_op;
    struct kr_lstsq_options options;
    struct kr_lstsq problem;
    double *P, *L; /* p x p: A'A, both triangles; the lower Cholesky factor of A'A + I */
    size_t targets;
    double *b, *w, *r; /* n, p and n x targets: r = b - A w */
};

/* Sets gp->space, appends its parameters, and refuses solvers that are not for least squares. */
kr_status kr_gp_approximate(struct kr_ctx *ctx, struct kr_gp *gp) KR_MUST_CHECK;

/* Opens the map, factorises and solves. INVALID at `/model/noise/variance` where a row has no noise. */
kr_status kr_weight_fit(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                        const double *theta, struct weight_fit *out,
                        struct kr_solve_report *report) KR_MUST_CHECK;

/* The sum of the parts of theta that are noise. */
double kr_weight_noise(const struct kr_weight_space *space, const double *theta);

/*
 * variance_j = phi_j'(A'A + I)^-1 phi_j, and where the space has a residual k(x_j, x_j) - |phi_j|^2 more, at
 * least 0: without any noise. rounded (NULL: not asked): where that residual was below 0.
 */
kr_status kr_weight_variance(struct kr_ctx *ctx, const struct kr_weight_space *space,
                             struct kr_feature_map *map, const double *L, const struct kr_points *x,
                             double *variance, bool *rounded) KR_MUST_CHECK;

/* X (p x p, both triangles) = (A'A + I)^-1 */
kr_status kr_weight_inverse(struct kr_ctx *ctx, const struct weight_fit *fit, double *X) KR_MUST_CHECK;

/*
 * grad += d/dtheta sum_i c_i a_i'((A'A + I)^-1 - residual I) a_i for the rows a_i of op (features of the
 * fit's map, by its theta): through a_i and through A. 2 (n + m) p^2 flops, 6 p^2 doubles.
 */
kr_status kr_weight_pull_explained(struct kr_ctx *ctx, const struct weight_fit *fit, const struct kr_op *op,
                                   const double *c, bool residual, double *grad) KR_MUST_CHECK;
/* grad += d/dtheta sum_j c_j (k(x_j, x_j) - [with_features] |phi_j|^2) */
kr_status kr_weight_pull_prior(struct kr_ctx *ctx, const struct weight_fit *fit, const struct kr_points *x,
                               const double *c, bool with_features, double *grad) KR_MUST_CHECK;
/* From b_bar (n x targets): what b = D (y - m) depends on. */
kr_status kr_weight_pull_targets(struct kr_ctx *ctx, const struct kr_gp *gp, const struct weight_fit *fit,
                                 const double *b_bar, double *grad) KR_MUST_CHECK;
/* From w_bar (p x targets): through LstSq, by its engine. b_bar (n x targets) is set. The value's error by
 * what the solve left.
 */
kr_status kr_weight_pull_solve(struct kr_ctx *ctx, const struct weight_fit *fit, const double *w_bar,
                               double *b_bar, double *grad, double *error, double *bound,
                               struct kr_solve_report *report) KR_MUST_CHECK;

/* The negative log marginal likelihood of the fit's rows over their number, and its gradient (NULL = not
 * wanted). */
kr_status kr_weight_evidence(struct kr_ctx *ctx, const struct kr_gp *gp, const struct weight_fit *fit,
                             struct kr_evaluation *out, double *grad) KR_MUST_CHECK;

/* The posterior of an approximation (kr_posterior_init and what predicts from it; report only by the fit). */
kr_status kr_weight_posterior_init(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                                   const double *theta, struct kr_posterior *out,
                                   struct kr_solve_report *report) KR_MUST_CHECK;
/* phi(x)'w (x->n x targets), without the mean function; gradient += weights_i d/dx of that of the first. */
kr_status kr_weight_posterior_mean(struct kr_ctx *ctx, const struct kr_posterior *p,
                                   const struct kr_points *x, double *mean) KR_MUST_CHECK;
kr_status kr_weight_posterior_gradient(struct kr_ctx *ctx, const struct kr_posterior *p,
                                       const struct kr_points *x, const double *weights,
                                       double *gradient) KR_MUST_CHECK;
kr_status kr_weight_posterior_covariance(struct kr_ctx *ctx, const struct kr_posterior *p,
                                         const struct kr_points *x, const double *noise, bool observe,
                                         double *variance, double *covariance, size_t *clamped) KR_MUST_CHECK;

/* Functions drawn from the posterior, x->n x count, of a space without a residual. */
kr_status kr_weight_posterior_paths(struct kr_ctx *ctx, const struct kr_posterior *p,
                                    const struct kr_points *x, const double *noise, bool observe,
                                    size_t count, uint64_t seed, double *out) KR_MUST_CHECK;

/* The mean standardised squared leave-one-out residual of gp->fit. n p^2 flops beyond the fit. */
kr_status kr_weight_spread(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                           double *spread) KR_MUST_CHECK;

#endif
