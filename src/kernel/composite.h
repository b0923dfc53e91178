/* Options of the kernels that combine others. */
#ifndef KERNEL_COMPOSITE_H
#define KERNEL_COMPOSITE_H

#include "kriged/kernel.h"

#define KR_COMPOSITE_FIELDS(F, S)                                                                            \
    F(S, VARIANTS, kernels, kr_kernel, NULL, 0, 0, KR_REQUIRED, "the kernels to combine")
KR_DECLARE(kr_composite_options, KR_COMPOSITE_FIELDS);

/* The largest scratch of any child, in tiles. */
size_t kr_composite_child_buffers(const struct kr_kernel *kernel);

#endif
