/*
 * hamming: v exp(-sum_k [x_k != z_k]/l_k) for categories written as numbers. Its lengthscales are pure
 * numbers: exp(-1/l) is the correlation of two points that differ in that feature alone. It has no derivative
 * by x.
 */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  1
#define PAIRWISE_SHAPE    0
#include "kernel/pairwise.h"

#define KR_HAMMING_FIELDS(F, S)                                                                              \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "value of a point with itself (target's units squared)")   \
    F(S, PARAM, lengthscale, _, "1", 1e-30, 1e30, 0,                                                         \
      "how alike categories are (a pure number); an array gives one a feature")                              \
    F(S, BOOL, ard, _, "false", 0, 0, 0, "one lengthscale a feature, all starting at the given value")       \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_hamming_options, KR_HAMMING_FIELDS);
KR_DEFINE(kr_hamming_options, KR_HAMMING_FIELDS, "options of the hamming kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_hamming_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_hamming_options, lengthscale), KR_UNIT_NONE, true, 1e-2, 1e4},
};

KR_INLINE_MATH double term(double x, double z, const double *p)
{
    return x != z ? 1 / p[0] : 0;
}

KR_INLINE_MATH void term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    by_p[0] = x != z ? -1 / (p[0] * p[0]) : 0;
    *by_x = 0;
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    (void)kernel, (void)a;
    *g = exp(-s);
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    (void)kernel, (void)a;
    *g = exp(-s);
    *by_s = -*g;
    *by_a = 0;
}

KR_PAIRWISE(hamming)

const struct kr_kernel_type kr_kernel_hamming = {
    .base = {"hamming", "v exp(-sum [x != z]/lengthscale): categories", &kr_hamming_options_schema},
    .nparameters = 2,
    .parameters = parameters,
    .features = offsetof(struct kr_hamming_options, features),
    .ard = offsetof(struct kr_hamming_options, ard),
    .kernels = -1,
    .compares = true,
    .eval = hamming_eval,
    .pull = hamming_pull,
    .pull_x = hamming_pull_x,
};
