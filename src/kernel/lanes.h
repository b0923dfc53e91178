/*
 * Vectors of floats or doubles, by GCC's vector extensions, and what profiles of kernels need on them. This
 * file is a template: it is included once for every
 *
 *     KR_BITS    32, 64: float, double
 *     KR_LEVEL   4: AVX-512, 3: AVX2 with FMA, 1: 16 bytes of any machine, 0: one double (KR_BITS 64)
 *
 * between the pragmas that allow those instructions (instances.h). `real` and `lanes` are then the number and
 * the vector, and KR_NAME(f) is f of this instance.
 *
 *     exp2_below(y)   2^y for y <= 0 (tiny positive y are fine); below the smallest normal number anything
 * from 0 to that number, at level 0 the 0. 2^y = 2^k 2^f, 2^f by its best polynomial of degree 5 or 6
 * (float), 11 (double) with 2^0 = 1. Error at most 2 ulp, tested over the range. root(s)         sqrt(max(s,
 * 0)) at_least(a, b)  the larger one, b a number; NaN stays total(a)        the sum of the lanes, in a fixed
 * order
 */
#ifndef KERNEL_LANES_NAMES
#define KERNEL_LANES_NAMES

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define KR_PASTE_(name, bits, level) name##_##bits##_##level
#define KR_PASTE(name, bits, level)  KR_PASTE_(name, bits, level)
#define KR_NAME(name)                KR_PASTE(name, KR_BITS, KR_LEVEL)
#define KR_LANES_INLINE              static inline __attribute__((always_inline, unused))

#define lanes      KR_NAME(lanes)
#define exp2_below KR_NAME(exp2_below)
#define log2_above KR_NAME(log2_above)
#define root       KR_NAME(root)
#define at_least   KR_NAME(at_least)
#define total      KR_NAME(total)

#endif

#undef real
#undef whole
#undef KR_BYTES
#if KR_BITS == 32
#define real  float
#define whole int32_t
#else
#define real  double
#define whole int64_t
#endif

#if KR_LEVEL == 0
typedef real lanes;
typedef whole KR_NAME(wholes);
#else
#if KR_LEVEL == 4
#define KR_BYTES 64
#elif KR_LEVEL == 3
#define KR_BYTES 32
#else
#define KR_BYTES 16
#endif
typedef real lanes __attribute__((vector_size(KR_BYTES)));
typedef real KR_NAME(stored) __attribute__((vector_size(KR_BYTES), may_alias));
typedef whole KR_NAME(wholes) __attribute__((vector_size(KR_BYTES)));
#define KR_STORED(pointer) (*(KR_NAME(stored) *)(pointer))
#define KR_LOADED(pointer) (*(const KR_NAME(stored) *)(pointer))
#endif

KR_LANES_INLINE lanes at_least(lanes a, real b)
{
#if KR_LEVEL == 0
    return a < b ? b : a;
#elif KR_LEVEL == 4 && KR_BITS == 32
    return _mm512_max_ps(_mm512_set1_ps(b), a);
#elif KR_LEVEL == 4
    return _mm512_max_pd(_mm512_set1_pd(b), a);
#elif KR_LEVEL == 3 && KR_BITS == 32
    return _mm256_max_ps(_mm256_set1_ps(b), a);
#elif KR_LEVEL == 3
    return _mm256_max_pd(_mm256_set1_pd(b), a);
#else
    const lanes low = b - (lanes){0};
    const KR_NAME(wholes) smaller = a < low;
    return (lanes)(((KR_NAME(wholes))low & smaller) | ((KR_NAME(wholes))a & ~smaller));
#endif
}

KR_LANES_INLINE lanes root(lanes s)
{
#if KR_LEVEL == 4 && KR_BITS == 32
    s = at_least(s, 1e-37f);
    const lanes inverse = _mm512_rsqrt14_ps(s), g = s * inverse;
    return g + (0.5f * g) * (1 - g * inverse);
#elif KR_LEVEL == 4
    s = at_least(s, 1e-300);
    lanes g = _mm512_rsqrt14_pd(s), h = 0.5 * g, r;
    g *= s;
    r = 0.5 - g * h;
    g += g * r;
    h += h * r;
    r = 0.5 - g * h;
    return g + g * r;
#else
    s = at_least(s, 0);
#if KR_LEVEL == 0
    return sqrt(s);
#elif KR_LEVEL == 3 && KR_BITS == 32
    return _mm256_sqrt_ps(s);
#elif KR_LEVEL == 3
    return _mm256_sqrt_pd(s);
#else
    for (size_t e = 0; e < KR_BYTES / sizeof(real); e++)
        s[e] = KR_BITS == 32 ? sqrtf((float)s[e]) : (real)sqrt((double)s[e]);
    return s;
#endif
#endif
}

#if KR_LEVEL > 0
KR_LANES_INLINE real total(lanes a)
{
#if KR_LEVEL == 4 && KR_BITS == 32
    return _mm512_reduce_add_ps(a);
#elif KR_LEVEL == 4
    return _mm512_reduce_add_pd(a);
#endif
    enum { COUNT = KR_BYTES / sizeof(real) };
    real part[COUNT];
    KR_STORED(part) = a;
    for (size_t half = COUNT / 2; half > 0; half /= 2)
        for (size_t e = 0; e < half; e++)
            part[e] += part[e + half];
    return part[0];
}
#endif

/* 2^f, f in [0, 1) where the instruction set splits y that way (error of degree 6: 2.0e-9, of degree 11:
 * 4.6e-18), else in [-1/2, 1/2] (2.6e-9, 1.8e-17). Degree 5 in float is 6 % faster and 2.4 ulp off. */
KR_LANES_INLINE lanes KR_NAME(exp2_fraction)(lanes f)
{
#if KR_LEVEL == 4 && KR_BITS == 32
    lanes p = 0.00021612915944102780219f * f + 0.0012467846173865844131f;
    p = p * f + 0.0096754515935860425745f;
    p = p * f + 0.055485280607947348503f;
    p = p * f + 0.24022930555352395598f;
    p = p * f + 0.69314704444339826617f;
#elif KR_BITS == 32
    lanes p = 0.00015594677015105410559f * f + 0.0013406643847480060174f;
    p = p * f + 0.0096176929761431872291f;
    p = p * f + 0.055503105512069805781f;
    p = p * f + 0.24022652782876176793f;
    p = p * f + 0.69314721496788496344f;
#elif KR_LEVEL == 4
    lanes p = 6.2946326698076275789e-10 * f + 6.5425983014324055756e-9;
    p = p * f + 1.0257176915174749955e-7;
    p = p * f + 1.3207843930001375508e-6;
    p = p * f + 0.000015253217822690336206;
    p = p * f + 0.0001540351007421457244;
    p = p * f + 0.0013333558704139952204;
    p = p * f + 0.0096181290980149826863;
    p = p * f + 0.055504108665783591789;
    p = p * f + 0.24022650695905272814;
    p = p * f + 0.69314718055994614124;
#else
    lanes p = 4.0780717860928704165e-10 * f + 7.0725703945407994337e-9;
    p = p * f + 1.0180647660573069343e-7;
    p = p * f + 1.3215442675455852182e-6;
    p = p * f + 0.00001525272738518977478;
    p = p * f + 0.00015403530441571850099;
    p = p * f + 0.001333355815343996974;
    p = p * f + 0.0096181291076070026171;
    p = p * f + 0.055504108664790394528;
    p = p * f + 0.24022650695910098006;
    p = p * f + 0.69314718055994569675;
#endif
    return p * f + 1;
}

KR_LANES_INLINE lanes exp2_below(lanes y)
{
#if KR_LEVEL == 4 && KR_BITS == 32
    return _mm512_scalef_ps(KR_NAME(exp2_fraction)(_mm512_reduce_ps(y, 9)), y);
#elif KR_LEVEL == 4
    return _mm512_scalef_pd(KR_NAME(exp2_fraction)(_mm512_reduce_pd(y, 9)), y);
#else
    /* k sits in the low bits of t; it is added to the exponent */
    const real magic = KR_BITS == 32 ? (real)0x1.8p23 : (real)0x1.8p52;
    const lanes safe = at_least(y, KR_BITS == 32 ? -126 : -1022), t = safe + magic,
                p = KR_NAME(exp2_fraction)(safe - (t - magic));
#if KR_LEVEL == 0
    whole bits, exponent;
    lanes out;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&exponent, &t, sizeof exponent);
    bits += (whole)((uint64_t)exponent << 52);
    memcpy(&out, &bits, sizeof out);
    return y < -1022 ? 0 : out;
#else
    return (lanes)((KR_NAME(wholes))p + ((KR_NAME(wholes))t << (KR_BITS == 32 ? 23 : 52)));
#endif
#endif
}

KR_LANES_INLINE lanes log2_above(lanes s)
{
    const whole least = KR_BITS == 32 ? 0x3f3504f3 : (whole)0x3fe6a09e667f3bcd,
                digits = KR_BITS == 32 ? 23 : 52,
                mask = ((whole)1 << digits) - 1; /* of the fraction; least: the bits of sqrt(1/2) */
    const lanes u = s + 1, c = s - (u - 1);
    KR_NAME(wholes) bits, exponent;
    lanes m, e;
    memcpy(&bits, &u, sizeof bits);
    bits -= least;
    exponent = bits >> digits;
    bits = (bits & mask) + least;
    memcpy(&m, &bits, sizeof m);
#if KR_LEVEL == 0
    e = (double)exponent;
#else
    e = __builtin_convertvector(exponent, lanes);
#endif
    const lanes t = (m - 1) / (m + 1), z = t * t;
#if KR_BITS == 32
    lanes p = (real)(2 * M_LOG2E / 9) * z + (real)(2 * M_LOG2E / 7);
#else
    lanes p = 2 * M_LOG2E / 21 * z + 2 * M_LOG2E / 19;
    p = p * z + 2 * M_LOG2E / 17;
    p = p * z + 2 * M_LOG2E / 15;
    p = p * z + 2 * M_LOG2E / 13;
    p = p * z + 2 * M_LOG2E / 11;
    p = p * z + 2 * M_LOG2E / 9;
    p = p * z + 2 * M_LOG2E / 7;
#endif
    p = p * z + (real)(2 * M_LOG2E / 5);
    p = p * z + (real)(2 * M_LOG2E / 3);
    p = p * z + (real)(2 * M_LOG2E);
    return e + (p * t + (real)M_LOG2E * c / u);
}
