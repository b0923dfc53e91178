/*
 * exp as straight-line code, so that the compiler's vectoriser can take it: exp(x) = 2^k exp(r) with k the
 * integer nearest to x / ln 2 and r = x - k ln 2 in two parts, |r| <= 0.347, exp(r) by its Taylor polynomial
 * of degree 13 (truncation below 5e-18). For x <= 0; error at most 2 ulp (tested over the range); below -708
 * the result is 0.
 */
#ifndef KERNEL_VMATH_H
#define KERNEL_VMATH_H

#include <stdint.h>
#include <string.h>

static inline __attribute__((always_inline)) double kr_exp_negative(double x)
{
    const double round_magic = 0x1.8p52;
    double safe = x < -708.0 ? -708.0 : x;
    double t = safe * 1.4426950408889634074 + round_magic;
    double k = t - round_magic;
    double r = (safe - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits;
    double scale;
    memcpy(&bits, &t, sizeof bits);
    bits =
        (bits << 52) + 0x3ff0000000000000u; /* k sits in the low bits of t: put it into the exponent of 1 */
    memcpy(&scale, &bits, sizeof scale);
    return x < -708.0 ? 0.0 : p * scale;
}

#endif
