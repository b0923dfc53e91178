/* The quantile of a standard normal: known values, both tails, symmetry. */
#include "specs.h"

START_TEST(known_quantiles)
{
    ck_assert(fabs(kr_normal_quantile(0.5)) < 1e-15);
    CLOSE(kr_normal_quantile(0.75), 0.6744897501960817, 1, 1e-15, "75 %%");
    CLOSE(kr_normal_quantile(0.95), 1.6448536269514722, 1, 1e-15, "95 %%");
    CLOSE(kr_normal_quantile(0.975), 1.959963984540054, 1, 1e-15, "97.5 %%");
}
END_TEST

START_TEST(inverse_of_the_distribution)
{
    for (double p = 1e-300; p < 0.5; p *= 1.7) {
        double x = kr_normal_quantile(p);
        CLOSE(0.5 * erfc(-x * M_SQRT1_2), p, p, 1e-13 * fmax(1, x * x), "%g", p);
    }
    for (double p = 0.5; p < 1; p += 1.0 / 1024)
        CLOSE(kr_normal_quantile(p), -kr_normal_quantile(1 - p), 1, 1e-15, "%g", p);
    ck_assert(kr_normal_quantile(0) == -INFINITY);
    ck_assert(kr_normal_quantile(1) == INFINITY);
}
END_TEST

SUITE("normal", known_quantiles, inverse_of_the_distribution)
