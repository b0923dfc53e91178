/* Powers of 2 and roots on vectors, for float and double and for every level that this machine has, against
 * long double over the range; and one double at a time. */
#include "suite.h"

#include <math.h>

/* A kernel whose profile is the function to be tested. */
#define KR_PROFILE_SIGN          (-1)
#define KR_PROFILE_FACTOR(shape) (-1)
#define KR_PROFILE                                                                                           \
    {                                                                                                        \
        if (shape > 1)                                                                                       \
            *g = log2_above(s);                                                                              \
        else if (shape > 0)                                                                                  \
            *g = root(s);                                                                                    \
        else                                                                                                 \
            *g = exp2_below(s);                                                                              \
        *slope = *g;                                                                                         \
    }
#include "kernel/profile.h"

#include <float.h>
#include <stdlib.h>

/* Points at 0 with the numbers as their "norms": s is the number, and a row of K is what we look for. */
static void evaluate(int level, bool doubles, double shape, size_t count, const void *y, void *out)
{
    static const _Alignas(64) double zeros[1 << 16];
    const struct kr_fused_block block = {.d = 1,
                                         .rows = 1,
                                         .cols = count / KR_PANEL,
                                         .tail = 1,
                                         .x = zeros,
                                         .z = zeros,
                                         .hx = zeros,
                                         .hz = y,
                                         .nx = zeros,
                                         .nz = zeros,
                                         .shape = shape,
                                         .tile = out};
    fused.product[level][doubles](&block);
}

enum { AT_ONCE = 1 << 16, ROWS_WRITTEN = 4 };
static _Alignas(64) float y32[AT_ONCE], g32[ROWS_WRITTEN * AT_ONCE];
static _Alignas(64) double y64[AT_ONCE], g64[ROWS_WRITTEN * AT_ONCE];

/* Largest error in ulps of what was asked for; y from `most` down to the smallest normal result. */
static long double worst_single(int level)
{
    long double worst = 0;
    const float least = -126;
    uint32_t bits = 0x80000000u, last;
    memcpy(&last, &least, sizeof last);
    for (bool more = true; more;) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            memcpy(&y32[i], &bits, sizeof bits);
            bits = bits + 97 < last ? bits + 97 : last; /* every 97th float, of all sizes */
        }
        more = bits < last;
        evaluate(level, false, 0, AT_ONCE, y32, g32);
        for (size_t i = 0; i < AT_ONCE; i++) {
            const double wanted = exp2((double)y32[i]);
            const float near = (float)wanted, ulp = nextafterf(near, INFINITY) - near;
            const double off = fabs((double)g32[i] - wanted) / (double)ulp;
            worst = off > (double)worst ? off : worst;
        }
    }
    return worst;
}

static long double ulps(double y, double got)
{
    const long double wanted = exp2l(y);
    const double near = (double)wanted;
    return fabsl(got - wanted) / (nextafter(near, INFINITY) - near);
}

/* Numbers of all sizes, and both sides of every place where the power's exponent changes. */
static size_t samples(size_t round)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        const double u = ((double)(i + round * AT_ONCE) + 0.618) / (32 * AT_ONCE);
        y64[i] = round % 2 ? -1022 * u : -exp2(-60 + 70 * u);
        if (y64[i] < -1022)
            y64[i] = -1022;
    }
    for (size_t i = 0; i < 1022 && round == 0; i++) {
        const double at = -(double)i - (i % 2 ? 0.5 : 0);
        y64[3 * i] = at;
        y64[3 * i + 1] = nextafter(at, -2000);
        y64[3 * i + 2] = fmin(nextafter(at, 2000), 0);
    }
    return AT_ONCE;
}

START_TEST(powers_of_two)
{
    for (int level = 0; level <= kr_fused_level(); level++) {
        long double worst = worst_single(level);
        ck_assert_msg(worst <= 2, "level %d, float: %.3Lf ulp", level, worst);
        worst = 0;
        for (size_t round = 0; round < 32; round++) {
            const size_t count = samples(round);
            evaluate(level, true, 0, count, y64, g64);
            for (size_t i = 0; i < count; i++)
                worst = fmaxl(worst, ulps(y64[i], g64[i]));
        }
        ck_assert_msg(worst <= 2, "level %d, double: %.3Lf ulp", level, worst);
    }
    long double worst = 0;
    for (size_t round = 0; round < 32; round++)
        for (size_t i = 0, count = samples(round); i < count; i++)
            worst = fmaxl(worst, ulps(y64[i], exp2_below_64_0(y64[i])));
    ck_assert_msg(worst <= 2, "one at a time: %.3Lf ulp", worst);
}
END_TEST

START_TEST(at_the_ends)
{
    for (int level = 0; level <= kr_fused_level(); level++) {
        const double ends[] = {0, -0.0, -1e4, -DBL_MAX, -INFINITY, NAN, 1e-7, -1023};
        for (size_t i = 0; i < KR_PANEL; i++) {
            y64[i] = ends[i % 8];
            y32[i] = (float)ends[i % 8];
        }
        evaluate(level, false, 0, KR_PANEL, y32, g32);
        evaluate(level, true, 0, KR_PANEL, y64, g64);
        ck_assert(g32[0] == 1 && g32[1] == 1 && g64[0] == 1 && g64[1] == 1);
        for (size_t i = 2; i < 5; i++)
            ck_assert(g32[i] >= 0 && g32[i] <= FLT_MIN && g64[i] >= 0 && g64[i] <= DBL_MIN);
        ck_assert(isnan(g32[5]) && isnan(g64[5]));
        ck_assert(fabs(g64[6] - exp2(1e-7)) < 1e-15 && fabsf(g32[6] - 1) < 3e-7f);
        ck_assert(g32[7] <= FLT_MIN && g64[7] <= DBL_MIN);
    }
    ck_assert(exp2_below_64_0(-1023) == 0 && exp2_below_64_0(-INFINITY) == 0 && isnan(exp2_below_64_0(NAN)));
    ck_assert(exp2_below_64_0(0) == 1);
}
END_TEST

/* Within 2 ulp; 0, or next to it, for what rounding has made negative. */
START_TEST(square_roots)
{
    for (int level = 0; level <= kr_fused_level(); level++) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            y64[i] = i % 7 == 0 ? -1e-3 * (double)i : exp2(-100 + 200 * (double)i / AT_ONCE);
            y32[i] = (float)y64[i];
        }
        evaluate(level, false, 1, AT_ONCE, y32, g32);
        evaluate(level, true, 1, AT_ONCE, y64, g64);
        for (size_t i = 0; i < AT_ONCE; i++) {
            const double wanted = sqrt(fmax(y64[i], 0));
            const float single = sqrtf(fmaxf(y32[i], 0));
            ck_assert(fabs(g64[i] - wanted) <= fmax(2 * (nextafter(wanted, INFINITY) - wanted), 1e-100));
            ck_assert(fabsf(g32[i] - single) <= fmaxf(2 * (nextafterf(single, INFINITY) - single), 1e-18f));
        }
    }
}
END_TEST

/* log2(1 + s), in ulps of itself. */
START_TEST(logarithms)
{
    for (int level = 0; level <= kr_fused_level(); level++)
        for (int part = 0; part < 2; part++) { /* all sizes; and around 1 */
            long double worst[2] = {0, 0};
            for (size_t i = 0; i < AT_ONCE; i++) {
                const double u = ((double)i + 0.618) / AT_ONCE;
                y64[i] = part ? 4 * u : exp2(-40 + 80 * u);
                y32[i] = (float)y64[i];
            }
            evaluate(level, false, 2, AT_ONCE, y32, g32);
            evaluate(level, true, 2, AT_ONCE, y64, g64);
            for (size_t i = 0; i < AT_ONCE; i++) {
                const long double one = log1pl(y32[i]) / M_LN2l, two = log1pl(y64[i]) / M_LN2l;
                const float near = (float)one;
                const double close = (double)two;
                worst[0] = fmaxl(worst[0], fabsl(g32[i] - one) / (nextafterf(near, INFINITY) - near));
                worst[1] = fmaxl(worst[1], fabsl(g64[i] - two) / (nextafter(close, INFINITY) - close));
            }
            ck_assert_msg(worst[0] <= 4 && worst[1] <= 4, "level %d: %.3Lf and %.3Lf ulp", level, worst[0],
                          worst[1]);
        }
    ck_assert(log2_above_64_0(0) == 0 && log2_above_64_0(1) == 1 && log2_above_64_0(3) == 2);
}
END_TEST

SUITE("lanes", logarithms, powers_of_two, at_the_ends, square_roots)
