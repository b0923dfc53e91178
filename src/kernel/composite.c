/* What sums and products share. */
#include "kernel/composite.h"

KR_DEFINE(kr_composite_options, KR_COMPOSITE_FIELDS, "options of a sum or a product");

size_t kr_composite_child_buffers(const struct kr_kernel *kernel)
{
    size_t most = 0;
    for (size_t c = 0; c < kernel->nkernels; c++)
        if (kernel->kernels[c]->buffers > most)
            most = kernel->kernels[c]->buffers;
    return most;
}
