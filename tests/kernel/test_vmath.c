/* Sine and cosine, against those of long double. */
#include "kernel/vmath.h"
#include "suite.h"

#include <float.h>
#include <math.h>

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

SUITE("vmath", sine_and_cosine)
