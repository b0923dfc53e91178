/*
 * variance_budget: c = mean over the held-out rows of k(x, x) + s2 + s_j^2, less the target: what a new
 * observation there varies by before any data. A function of theta alone; O(m d).
 */
#include "kriged/gp.h"

#define KR_VARIANCE_BUDGET_FIELDS(F, S)                                                                      \
    F(S, REAL, target, _, "1", 1e-30, 1e30, 0,                                                               \
      "mean prior variance with noise, standardised units: 1 is that of a standardised target")
KR_DECLARE(kr_constraint_variance_budget_options, KR_VARIANCE_BUDGET_FIELDS);
KR_DEFINE(kr_constraint_variance_budget_options, KR_VARIANCE_BUDGET_FIELDS,
          "prior variance of the held-out rows");

static kr_status of_theta(struct kr_ctx *ctx, const void *options, const struct kr_gp *gp,
                          const double *theta, double *value, double *grad)
{
    const struct kr_part *part = &gp->validation;
    const size_t m = part->n;
    double *variance, *weights, *scratch, sum = 0;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, variance, m);
    KR_ALLOC(ctx, weights, m);
    KR_ALLOC(ctx, scratch, kr_kernel_scratch(gp->kernel));
    kr_kernel_diagonal(gp->kernel, theta, &part->x, scratch, variance);
    for (size_t j = 0; j < m; j++) {
        sum += variance[j] + (part->noise ? part->noise[j] : 0);
        weights[j] = 1 / (double)m;
    }
    *value = sum / (double)m + theta[gp->noise_index] -
             ((const struct kr_constraint_variance_budget_options *)options)->target;
    kr_kernel_diagonal_pull(gp->kernel, theta, &part->x, weights, scratch, grad);
    grad[gp->noise_index] += 1;
    kr_release(ctx, mark);
    return KR_OK;
}

extern const struct kr_constraint_type kr_constraint_variance_budget;
const struct kr_constraint_type kr_constraint_variance_budget = {
    .base = {"variance_budget", "the mean over the held-out rows of k(x, x) + noise is the target",
             &kr_constraint_variance_budget_options_schema},
    .of_held_out = true,
    .of_theta = of_theta,
};
