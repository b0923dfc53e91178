/*
 * periodic: v exp(-2 sum_k sin^2(pi (x_k - z_k)/p_k) / l_k^2): repeats itself with period p_k. Its
 * lengthscales are pure numbers. The phase is reduced to half a turn before the sine, so far points lose no
 * digits to pi. With t = sin^2(pi q)/l^2, q = (x - z)/p: dt/dl = -2 t/l, dt/dq = pi sin(2 pi q)/l^2. Source:
 * MacKay 1998; Rasmussen and Williams 2006, eq. 4.31.
 */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  2
#define PAIRWISE_SHAPE    0
#include "kernel/pairwise.h"

#define KR_PERIODIC_FIELDS(F, S)                                                                             \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "value at distance 0 (target's units squared)")            \
    F(S, PARAM, lengthscale, _, "1", 1e-30, 1e30, 0,                                                         \
      "how smooth one period is (a pure number); an array gives one a feature")                              \
    F(S, PARAM, period, _, "1", 1e-30, 1e30, 0, "after which it repeats; an array gives one a feature")      \
    F(S, BOOL, ard, _, "false", 0, 0, 0,                                                                     \
      "one lengthscale and one period a feature, all starting at the given values")                          \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_periodic_options, KR_PERIODIC_FIELDS);
KR_DEFINE(kr_periodic_options, KR_PERIODIC_FIELDS, "options of the periodic kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_periodic_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_periodic_options, lengthscale), KR_UNIT_NONE, true, 1e-2, 1e4},
    {"period", offsetof(struct kr_periodic_options, period), KR_UNIT_LENGTH, true, 0, 0},
};

KR_INLINE_MATH double phase(double x, double z, const double *p)
{
    double q = (x - z) / p[1];
    return q - rint(q);
}

KR_INLINE_MATH double term(double x, double z, const double *p)
{
    double wave = sin(M_PI * phase(x, z, p)) / p[0];
    return wave * wave;
}

KR_INLINE_MATH void term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    double q = phase(x, z, p), wave = sin(M_PI * q) / p[0], by_q = M_PI * sin(2 * M_PI * q) / (p[0] * p[0]);
    by_p[0] = -2 * wave * wave / p[0];
    by_p[1] = -by_q * (x - z) / (p[1] * p[1]);
    *by_x = by_q / p[1];
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    (void)kernel, (void)a;
    *g = exp(-2 * s);
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    (void)kernel, (void)a;
    *g = exp(-2 * s);
    *by_s = -2 * *g;
    *by_a = 0;
}

KR_PAIRWISE(periodic)

const struct kr_kernel_type kr_kernel_periodic = {
    .base = {"periodic", "v exp(-2 sum sin^2(pi (x - z)/period)/lengthscale^2): seasons",
             &kr_periodic_options_schema},
    .nparameters = 3,
    .parameters = parameters,
    .features = offsetof(struct kr_periodic_options, features),
    .ard = offsetof(struct kr_periodic_options, ard),
    .kernels = -1,
    .eval = periodic_eval,
    .pull = periodic_pull,
    .pull_x = periodic_pull_x,
};
