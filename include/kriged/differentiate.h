/*
 * differentiate: derivatives of the held-out loss by the data, so that a Gaussian process is a layer behind
 * whatever made its inputs, and a check of gradients by differences of the loss. The weights on the
 * covariances that give the gradient by theta give these derivatives too: src/gp/objective_hold_out.c has
 * them.
 */
#ifndef KRIGED_DIFFERENTIATE_H
#define KRIGED_DIFFERENTIATE_H

#include "kriged/gp.h"

/*
 * Derivatives of the loss by the data: memory of the caller, set; NULL = not wanted. Test rows have zeros. x
 * and y are total derivatives: a training row acts through the covariance matrix and its covariances with the
 * held-out points, a held-out row through its own prediction, a row of folds through both. Inputs that a
 * kernel only compares (hamming) have zeros.
 */
struct kr_data_gradient {
    double *x;            /* rows x d, feature-major */
    double *y;            /* rows x targets */
    double *noise;        /* rows: by the known variances; a data set without them counts as zeros */
    double *x_validation; /* m x d, feature-major, in the order of gp->validation.rows: the share of x that
                             comes through the inputs of the held-out points alone */
};
/* kr_objective_eval with its gradient, and these. INVALID at /model/standardize unless both of it are off.
 * Beyond that: one walk over the tiles of K(X, X) and one or two over those of K(X*, X), (n + m) d doubles.
 */
kr_status kr_objective_differentiate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                                     bool variance, struct kr_evaluation *out, double *grad,
                                     const struct kr_data_gradient *data) KR_MUST_CHECK;

/* gradient[k * x->n + i] = d variance(x_i)/dx_ik, standardised units, with or without noise. One solve a
 * point, in blocks. INVALID at /gradient for approximations. */
kr_status kr_posterior_variance_gradient(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                                         const struct kr_points *x, double *gradient,
                                         struct kr_solve_report *report) KR_MUST_CHECK;

/* ---- check ---- */

extern const char *const kr_check_names[]; /* finite_difference */
#define KR_CHECK_FIELDS(F, S)                                                                                \
    F(S, CHOICE, type, kr_check, "finite_difference", 0, 0, 0, "how")                                        \
    F(S, INT, directions, _, "4", 1, 1000, 0,                                                                \
      "random directions of the free log-parameters and of the data asked for; each costs four evaluations " \
      "of the loss with solves to 1e-12")                                                                    \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the directions")
KR_DECLARE(kr_check_spec, KR_CHECK_FIELDS);

#define KR_CHECKED_DIRECTION_FIELDS(F, S)                                                                    \
    F(S, REAL, analytic, _, NULL, -1e308, 1e308, KR_NULL, "derivative in this direction, by the gradient")   \
    F(S, REAL, numeric, _, NULL, -1e308, 1e308, KR_NULL,                                                     \
      "by Richardson's extrapolation of central differences")                                                \
    F(S, REAL, relative_error, _, NULL, 0, 1e308, KR_NULL,                                                   \
      "their difference over the larger of the two, without sign")
KR_DECLARE(kr_checked_direction, KR_CHECKED_DIRECTION_FIELDS);
#define KR_CHECK_REPORT_FIELDS(F, S)                                                                         \
    F(S, LIST, directions, kr_checked_direction, NULL, 0, 0, 0, "one entry a direction")                     \
    F(S, REAL, largest_relative_error, _, NULL, 0, 1e308, KR_NULL, "of all directions")                      \
    F(S, REAL, step, _, NULL, 0, 1e308, 0,                                                                   \
      "of the differences, along directions of length 1 in the log-parameters and in each part of the data " \
      "(in units of its standard deviations)")
KR_DECLARE(kr_check_report, KR_CHECK_REPORT_FIELDS);

/*
 * Compares a gradient by theta and, unless NULL, by the data (its parts that are there) with differences of
 * the loss. Features that a kernel only compares (hamming) stay where they are. With exact derivatives and a
 * smooth loss the errors are about 1e-8. INVALID at /check when nothing is free, and for x_validation with
 * folds, whose loss is not a function of the held-out inputs alone.
 */
kr_status kr_gradient_check(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                            const double *grad, const struct kr_data_gradient *data,
                            const struct kr_check_spec *spec, struct kr_check_report *out) KR_MUST_CHECK;

#endif
