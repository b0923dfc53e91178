/*
 * cosine: v cos(2 pi sum_k (x_k - z_k)/p_k): one wave of fixed shape; rank two. The turns are reduced to one
 * before the cosine.
 */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  1
#define PAIRWISE_SHAPE    0
#include "kernel/pairwise.h"

#define KR_COSINE_FIELDS(F, S)                                                                               \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "value at distance 0 (target's units squared)")            \
    F(S, PARAM, period, _, "1", 1e-30, 1e30, 0, "wave length; an array gives one a feature")                 \
    F(S, BOOL, ard, _, "false", 0, 0, 0, "one period a feature, all starting at the given value")            \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_cosine_options, KR_COSINE_FIELDS);
KR_DEFINE(kr_cosine_options, KR_COSINE_FIELDS, "options of the cosine kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_cosine_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"period", offsetof(struct kr_cosine_options, period), KR_UNIT_LENGTH, true, 0, 0},
};

KR_INLINE_MATH double term(double x, double z, const double *p)
{
    return (x - z) / p[0];
}

KR_INLINE_MATH void term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    by_p[0] = -(x - z) / (p[0] * p[0]);
    *by_x = 1 / p[0];
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    (void)kernel, (void)a;
    *g = cos(2 * M_PI * (s - rint(s)));
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    double turn = 2 * M_PI * (s - rint(s));
    (void)kernel, (void)a;
    *g = cos(turn);
    *by_s = -2 * M_PI * sin(turn);
    *by_a = 0;
}

KR_PAIRWISE(cosine)

const struct kr_kernel_type kr_kernel_cosine = {
    .base = {"cosine", "v cos(2 pi sum (x - z)/period): a sinusoid of unknown phase",
             &kr_cosine_options_schema},
    .nparameters = 2,
    .parameters = parameters,
    .features = offsetof(struct kr_cosine_options, features),
    .ard = offsetof(struct kr_cosine_options, ard),
    .kernels = -1,
    .eval = cosine_eval,
    .pull = cosine_pull,
    .pull_x = cosine_pull_x,
    .feature_kind = KR_FEATURES_WAVE,
};
