#include "kriged/base.h"

#include "suite.h"

#include <math.h>
#include <stdlib.h>

START_TEST(the_generator_is_xoshiro256_starstar)
{
    /* By hand from the recurrence with state 1, 2, 3, 4: rotl(2 * 5, 7) * 9 = 11520, then s[1] = 0, ... */
    struct kr_rng rng = {{1, 2, 3, 4}};
    const uint64_t wanted[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(kr_rng_next(&rng), wanted[i]);
}
END_TEST

START_TEST(seeds_and_streams_differ)
{
    struct kr_rng a, b, c, d;
    kr_rng_init(&a, 7, 1);
    kr_rng_init(&b, 7, 1);
    kr_rng_init(&c, 7, 2);
    kr_rng_init(&d, 8, 1);
    for (int i = 0; i < 100; i++) {
        uint64_t draw = kr_rng_next(&a);
        ck_assert_uint_eq(draw, kr_rng_next(&b));
        ck_assert_uint_ne(draw, kr_rng_next(&c));
        ck_assert_uint_ne(draw, kr_rng_next(&d));
    }
}
END_TEST

START_TEST(uniform_and_normal_have_their_moments)
{
    struct kr_rng rng;
    kr_rng_init(&rng, 1, 0);
    const int n = 200000;
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0;
    for (int i = 0; i < n; i++) {
        double u = kr_rng_uniform(&rng), z = kr_rng_normal(&rng);
        ck_assert(u >= 0 && u < 1 && isfinite(z));
        u1 += u / n;
        u2 += u * u / n;
        z1 += z / n;
        z2 += z * z / n;
        z4 += z * z * z * z / n;
    }
    ck_assert_double_eq_tol(u1, 0.5, 0.004); /* about six standard errors each */
    ck_assert_double_eq_tol(u2, 1.0 / 3, 0.004);
    ck_assert_double_eq_tol(z1, 0, 0.014);
    ck_assert_double_eq_tol(z2, 1, 0.02);
    ck_assert_double_eq_tol(z4, 3, 0.14);
}
END_TEST

START_TEST(below_covers_its_range)
{
    struct kr_rng rng;
    int seen[7] = {0};
    kr_rng_init(&rng, 3, 0);
    for (int i = 0; i < 70000; i++) {
        uint64_t draw = kr_rng_below(&rng, 7);
        ck_assert_uint_lt(draw, 7);
        seen[draw]++;
    }
    for (int i = 0; i < 7; i++)
        ck_assert_int_lt(abs(seen[i] - 10000), 600);
    ck_assert_uint_eq(kr_rng_below(&rng, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(kr_rng_below(&rng, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation)
{
    struct kr_rng rng;
    size_t items[50], first = 0;
    kr_rng_init(&rng, 9, 4);
    for (int round = 0; round < 1000; round++) {
        bool seen[50] = {false};
        for (size_t i = 0; i < 50; i++)
            items[i] = i;
        kr_rng_shuffle(&rng, 50, items);
        for (size_t i = 0; i < 50; i++) {
            ck_assert(!seen[items[i]]);
            seen[items[i]] = true;
        }
        first += items[0] == 0;
    }
    ck_assert_uint_lt(first, 60); /* 20 expected */
    kr_rng_shuffle(&rng, 0, items);
    kr_rng_shuffle(&rng, 1, items);
}
END_TEST

/* Mean and variance are the shape; E log x is its digamma, which sees the small values. */
START_TEST(gamma_has_its_moments)
{
    static const double shapes[][2] = {{0.2, -5.2890398965921882955},
                                       {0.5, -1.9635100260214234794},
                                       {1.0, -0.57721566490153286061},
                                       {2.5, 0.70315664064524318723},
                                       {40, 3.6763273740349231764}};
    enum { N = 200000 };
    for (size_t c = 0; c < sizeof shapes / sizeof *shapes; c++) {
        const double a = shapes[c][0];
        double sum = 0, squares = 0, logs = 0;
        struct kr_rng rng;
        kr_rng_init(&rng, 8, c);
        for (int i = 0; i < N; i++) {
            const double x = kr_rng_gamma(&rng, a);
            ck_assert(x > 0);
            sum += x;
            squares += (x - a) * (x - a);
            logs += log(x);
        }
        ck_assert_msg(fabs(sum / N - a) < 4 * sqrt(a / N), "mean of %g: %g", a, sum / N);
        ck_assert_msg(fabs(squares / N - a) < 4 * sqrt((2 * a * a + 6 * a) / N), "variance of %g: %g", a,
                      squares / N);
        ck_assert_msg(fabs(logs / N - shapes[c][1]) < 4 * sqrt((1 / (a * a) + 1 / a) / N), "log of %g: %g", a,
                      logs / N);
    }
}
END_TEST

SUITE("rng", gamma_has_its_moments, the_generator_is_xoshiro256_starstar, seeds_and_streams_differ,
      uniform_and_normal_have_their_moments, below_covers_its_range, a_shuffle_is_a_permutation)
