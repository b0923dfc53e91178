/* linear: sum_k v_k x_k z_k: Bayesian linear regression through the origin. Rasmussen and Williams
 * 2006, 4.2.2. */
#define PAIRWISE_VARIANCE 0
#define PAIRWISE_FEATURE  1
#define PAIRWISE_SHAPE    0
#include "kernel/pairwise.h"

#define KR_LINEAR_FIELDS(F, S)                                                                               \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0,                                                            \
      "variance of the slopes; an array gives one a feature (target's units squared, by the feature's)")     \
    F(S, BOOL, ard, _, "false", 0, 0, 0, "one variance a feature, all starting at the given value")          \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_linear_options, KR_LINEAR_FIELDS);
KR_DEFINE(kr_linear_options, KR_LINEAR_FIELDS, "options of the linear kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_linear_options, variance), KR_UNIT_VARIANCE, true, 0, 0},
};

KR_INLINE_MATH double term(double x, double z, const double *p)
{
    return p[0] * (x * z);
}

KR_INLINE_MATH void term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    by_p[0] = x * z;
    *by_x = p[0] * z;
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    (void)kernel, (void)a;
    *g = s;
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    (void)kernel, (void)a;
    *g = s;
    *by_s = 1;
    *by_a = 0;
}

KR_PAIRWISE(linear)

const struct kr_kernel_type kr_kernel_linear = {
    .base = {"linear", "sum of v_k x_k z_k: straight lines through the origin (the mean, when standardised)",
             &kr_linear_options_schema},
    .nparameters = 1,
    .parameters = parameters,
    .features = offsetof(struct kr_linear_options, features),
    .ard = offsetof(struct kr_linear_options, ard),
    .kernels = -1,
    .unitless = true,
    .eval = linear_eval,
    .pull = linear_pull,
    .pull_x = linear_pull_x,
    .feature_kind = KR_FEATURES_LINEAR,
};
