/*
 * One evaluation at work: predictions at the held-out rows, and the functionals of them ("heads": the loss
 * first, then constraints) that share the factorisation and the solutions.
 */
#ifndef GP_OBJECTIVE_H
#define GP_OBJECTIVE_H

#include "gp/covariance.h"

struct head {
    kr_functional *eval;
    const void *options;
    bool needs_variance;
    double *mean_bar, *variance_bar; /* m: columns of the blocks of struct work */
    double *value;
    double *grad; /* parameters; NULL = not wanted */
};

struct work {
    const struct kr_gp *gp;
    const double *theta;
    size_t n, m, columns; /* columns of the block: 1 or 1 + m */
    struct covariance A;
    struct kr_op cross;                                /* K(X*, X) */
    double *B, *solution, *residual;                   /* n x columns: [y - m, K*'], [alpha, S], [r, R] */
    double *mean, *variance, *mean_bar, *variance_bar; /* m, m, m x nheads, m x nheads */
    bool *clamped;                                     /* m */
    double *scratch;                                   /* of the kernel */
    size_t nheads;
    struct head *heads;
};

/* Adds each head's gradient to its grad, and sets the error and the bound of the loss. Overwrites B, residual
 * and the adjoints. */
kr_status kr_objective_pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out) KR_MUST_CHECK;

#endif
