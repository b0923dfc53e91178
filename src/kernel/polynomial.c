/* polynomial: v (x.z + c)^q with a fixed integer degree q. Rasmussen and Williams 2006, section 4.2.2. */
#define PAIRWISE_VARIANCE 1
#define PAIRWISE_FEATURE  0
#define PAIRWISE_SHAPE    1
#include "kernel/pairwise.h"

#define KR_POLYNOMIAL_FIELDS(F, S)                                                                           \
    F(S, PARAM, variance, _, "1", 1e-30, 1e30, 0, "factor of the whole")                                     \
    F(S, PARAM, offset, _, "1", 1e-30, 1e30, 0, "weight of the lower degrees")                               \
    F(S, INT, degree, _, "2", 1, 16, 0, "highest degree; not tuned")                                         \
    F(S, FEATURES, features, _, NULL, 0, 0, KR_OMIT, "the features it sees, by name or index; absent: all")
KR_DECLARE(kr_polynomial_options, KR_POLYNOMIAL_FIELDS);
KR_DEFINE(kr_polynomial_options, KR_POLYNOMIAL_FIELDS, "options of the polynomial kernel");

static const struct kr_kernel_parameter parameters[] = {
    {"variance", offsetof(struct kr_polynomial_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"offset", offsetof(struct kr_polynomial_options, offset), KR_UNIT_NONE, false, 1e-4, 1e4},
};

KR_INLINE_MATH double term(double x, double z, const double *p)
{
    (void)p;
    return x * z;
}

KR_INLINE_MATH void term_slopes(double x, double z, const double *p, double *by_p, double *by_x)
{
    (void)x, (void)p, (void)by_p;
    *by_x = z;
}

static inline size_t degree(const struct kr_kernel *kernel)
{
    return ((const struct kr_polynomial_options *)kernel->options)->degree;
}

KR_INLINE_MATH void profile(const struct kr_kernel *kernel, double s, double a, double *g)
{
    *g = integer_power(s + a, degree(kernel));
}

KR_INLINE_MATH void profile_slopes(const struct kr_kernel *kernel, double s, double a, double *g,
                                   double *by_s, double *by_a)
{
    const size_t q = degree(kernel);
    const double lower = integer_power(s + a, q - 1);
    *g = lower * (s + a);
    *by_s = *by_a = (double)q * lower;
}

KR_PAIRWISE(polynomial)

const struct kr_kernel_type kr_kernel_polynomial = {
    .base = {"polynomial", "v (x.z + offset)^degree: polynomial regression", &kr_polynomial_options_schema},
    .nparameters = 2,
    .parameters = parameters,
    .features = offsetof(struct kr_polynomial_options, features),
    .ard = -1,
    .kernels = -1,
    .unitless = true,
    .eval = polynomial_eval,
    .pull = polynomial_pull,
    .pull_x = polynomial_pull_x,
};
