/* The registry of kernels, from kernels.def. */
#include "kriged/kernel.h"

#define KR_KERNEL(name) extern const struct kr_kernel_type kr_kernel_##name;
#include "kernel/kernels.def"
#undef KR_KERNEL

static const struct kr_type *const rows[] = {
#define KR_KERNEL(name) &kr_kernel_##name.base,
#include "kernel/kernels.def"
#undef KR_KERNEL
    NULL};

const struct kr_registry kr_kernel_registry = {"kernel", rows};
