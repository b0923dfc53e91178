/* exp for x <= 0, against the long double exp over its whole range. */
#include "kernel/vmath.h"
#include "suite.h"

#include <float.h>
#include <math.h>

static void check(double x)
{
    long double wanted = expl(x);
    double got = kr_exp_negative(x), near = (double)wanted, ulp = nextafter(near, INFINITY) - near;
    ck_assert_msg(fabsl(got - wanted) <= 2 * (long double)ulp, "exp(%.17g): got %.17g, wanted %.17Lg", x, got,
                  wanted);
}

START_TEST(within_two_ulp)
{
    for (int i = 0; i <= 708 * 512; i++) {
        check(-i / 512.0);
        check(-(i + 0.7310585786300049) / 513.0);
    }
    for (double x = -1; x < -1e-300; x *= 0.93)
        check(x);
    /* where k changes, on both sides */
    for (int k = 0; k < 1021; k++) {
        double x = -(k + 0.5) * M_LN2;
        check(nextafter(x, 0));
        check(x);
        check(nextafter(x, -1000));
    }
    check(-708.0);
}
END_TEST

START_TEST(exact_at_zero)
{
    ck_assert(kr_exp_negative(0.0) == 1);
    ck_assert(kr_exp_negative(-0.0) == 1);
    ck_assert(kr_exp_negative(-DBL_TRUE_MIN) == 1);
}
END_TEST

/* Below -708 nothing is left: less than the smallest normal number times 2 is lost. */
START_TEST(underflow_is_zero)
{
    for (double x = nextafter(-708.0, -1000); x > -1e300; x = x > -760 ? x - 0.0078125 : 2 * x) {
        ck_assert_msg(kr_exp_negative(x) == 0, "exp(%.17g)", x);
        ck_assert(expl(x) < 2 * (long double)DBL_MIN);
    }
    ck_assert(kr_exp_negative(-DBL_MAX) == 0);
    ck_assert(kr_exp_negative(-INFINITY) == 0);
}
END_TEST

START_TEST(nan_stays)
{
    ck_assert(isnan(kr_exp_negative(NAN)));
}
END_TEST

static void check_sincos(double x)
{
    double sine, cosine;
    kr_sincos(x, &sine, &cosine);
    ck_assert_msg(fabsl(sine - sinl(x)) <= 2.3e-16L && fabsl(cosine - cosl(x)) <= 2.3e-16L,
                  "sin and cos of %.17g: got %.17g, %.17g", x, sine, cosine);
}

START_TEST(sine_and_cosine)
{
    for (double size = 1e-3; size <= KR_SINCOS_MOST; size *= 10)
        for (int i = -20000; i <= 20000; i++)
            check_sincos(size * (i + 0.7310585786300049 * (i != 0)) / 20001);
    /* where the quadrant changes, on both sides, and at multiples of pi/2 */
    for (long k = -6000000; k < 6000000; k += k < -2000 || k > 2000 ? 1999 : 1)
        for (int half = 0; half < 2; half++) {
            const double x = ((double)k + 0.5 * half) * M_PI_2;
            check_sincos(nextafter(x, -1e9));
            check_sincos(x);
            check_sincos(nextafter(x, 1e9));
        }
    double sine, cosine;
    kr_sincos(0, &sine, &cosine);
    ck_assert(sine == 0 && cosine == 1);
    kr_sincos(NAN, &sine, &cosine);
    ck_assert(isnan(sine) && isnan(cosine));
}
END_TEST

SUITE("vmath", sine_and_cosine, within_two_ulp, exact_at_zero, underflow_is_zero, nan_stays)
