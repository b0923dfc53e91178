/* Which instructions fused tiles may use on this machine. */
#include "kernel/fused.h"

static int best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return 1;
#endif
    return 0;
}

static _Atomic int most = KR_FUSED_LEVELS - 1;

int kr_fused_level(void)
{
    const int allowed = most, able = best();
    return able < allowed ? able : allowed;
}

int kr_fused_use(int level)
{
    most = level;
    return kr_fused_level();
}
