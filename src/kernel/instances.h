/* Fused tiles (fused_tile.h) for float and double at every level of lanes.h that the compiler has; the
 * pragmas allow the instructions that the level is chosen for at run time (fused.c). */
#ifndef KR_EACH_LEVEL
#if defined(__x86_64__)
#define KR_EACH_LEVEL(f)                                                                                     \
    {                                                                                                        \
        {f##_32_1, f##_64_1}, {f##_32_3, f##_64_3},                                                          \
        {                                                                                                    \
            f##_32_4, f##_64_4                                                                               \
        }                                                                                                    \
    }
#else
#define KR_EACH_LEVEL(f)                                                                                     \
    {                                                                                                        \
        {f##_32_1, f##_64_1},                                                                                \
    }
#endif
#endif

#define KR_LEVEL 1
#define KR_BITS  32
#include "kernel/fused_tile.h"
#undef KR_BITS
#define KR_BITS 64
#include "kernel/fused_tile.h"
#undef KR_BITS
#undef KR_LEVEL

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2")
#define KR_LEVEL 3
#define KR_BITS  32
#include "kernel/fused_tile.h"
#undef KR_BITS
#define KR_BITS 64
#include "kernel/fused_tile.h"
#undef KR_BITS
#undef KR_LEVEL
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")
#define KR_LEVEL 4
#define KR_BITS  32
#include "kernel/fused_tile.h"
#undef KR_BITS
#define KR_BITS 64
#include "kernel/fused_tile.h"
#undef KR_BITS
#undef KR_LEVEL
#pragma GCC pop_options
#endif
