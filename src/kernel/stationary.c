/* What all stationary kernels share: their options and the list of their parameters. */
#include "kernel/stationary.h"

KR_DEFINE(kr_stationary_options, KR_STATIONARY_FIELDS, "options of a stationary kernel");

const struct kr_kernel_parameter kr_stationary_parameters[2] = {
    {"variance", offsetof(struct kr_stationary_options, variance), KR_UNIT_VARIANCE, false, 0, 0},
    {"lengthscale", offsetof(struct kr_stationary_options, lengthscale), KR_UNIT_LENGTH, true, 0, 0},
};
