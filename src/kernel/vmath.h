/*
 * exp, and sine with cosine, as straight-line code, so that the compiler's vectoriser can take it.
 *
 * exp(x) = 2^k exp(r) with k the
 * integer nearest to x / ln 2 and r = x - k ln 2 in two parts, |r| <= 0.347, exp(r) by its Taylor polynomial
 * of degree 13 (truncation below 5e-18). For x <= 0; error at most 2 ulp (tested over the range); below -708
 * the result is 0.
 *
 * sin and cos: x = k pi/2 + r with pi/2 in three parts of 30 bits, so that k times each of the first two is
 * exact for |x| <= KR_SINCOS_MOST; on |r| <= pi/4 the polynomials of fdlibm's kernels (Sun Microsystems 1993,
 * error below 2^-57); k decides which is which and the signs. Error at most 2.3e-16 (tested over the range).
 */
#ifndef KERNEL_VMATH_H
#define KERNEL_VMATH_H

#include <stdint.h>
#include <string.h>

/* Vector code for the machine at hand, chosen at load time by what it supports (arch= of a named processor
 * would fit that model only); the sanitisers run before that choice is possible. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define KR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KR_CLONES
#endif

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

#define KR_SINCOS_MOST 1e7

static inline __attribute__((always_inline)) double kr_with_sign(double value, uint64_t sign)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits ^= sign << 63;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

static inline __attribute__((always_inline)) void kr_sincos(double x, double *sine, double *cosine)
{
    const double round_magic = 0x1.8p52;
    double t = x * 0.63661977236758134308 + round_magic, k = t - round_magic;
    double r = ((x - k * 0x1.921fb54p+0) - k * 0x1.10b46118p-30) - k * 0x1.313198ap-61;
    double z = r * r, s = 1.58969099521155010221e-10, c = -1.13596475577881948265e-11;
    s = s * z - 2.50507602534068634195e-08;
    c = c * z + 2.08757232129817482790e-09;
    s = s * z + 2.75573137070700676789e-06;
    c = c * z - 2.75573143513906633035e-07;
    s = s * z - 1.98412698298579493134e-04;
    c = c * z + 2.48015872894767294178e-05;
    s = s * z + 8.33333333332248946124e-03;
    c = c * z - 1.38888888888741095749e-03;
    s = s * z - 1.66666666666666324348e-01;
    c = c * z + 4.16666666666666019037e-02;
    s = r + r * z * s;
    c = (1 - 0.5 * z) + z * z * c;
    uint64_t quadrant; /* k sits in the low bits of t */
    memcpy(&quadrant, &t, sizeof quadrant);
    *sine = kr_with_sign(quadrant & 1 ? c : s, (quadrant >> 1) & 1);
    *cosine = kr_with_sign(quadrant & 1 ? s : c, ((quadrant + 1) >> 1) & 1);
}

#endif
