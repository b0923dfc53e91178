/*
 * Sine with cosine as straight-line code, so that the compiler's vectoriser can take it (powers of 2 are in
 * lanes.h).
 *
 * x = k pi/2 + r with pi/2 in three parts of 30 bits, so that k times each of the first two is exact for |x|
 * <= KR_SINCOS_MOST; on |r| <= pi/4 the polynomials of fdlibm's kernels (Sun Microsystems 1993, error below
 * 2^-57); k decides which is which and the signs. Error at most 2.3e-16 (tested over the range).
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
