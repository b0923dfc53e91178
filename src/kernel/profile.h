/*
 * From a kernel's profile to its fused tiles. k(x, z) = variance g(s), s = factor r^2; a kernel file defines
 *
 *     KR_PROFILE_FACTOR(shape)   the factor; `shape` is the kernel's last parameter where it has one
 *     KR_PROFILE_SIGN            the factor's sign: 1 or -1
 *     KR_PROFILE_SHAPED          1 where g depends on the shape; else it need not be defined
 *     KR_PROFILE                 { *g = g(s); *slope = dg/ds; (*by_shape = dg/dshape at fixed distance) }, on
 *                                `lanes` of `real` numbers with the functions of lanes.h
 *
 * and includes this file, which writes the row `fused`.
 */
#ifndef KERNEL_PROFILE_H
#define KERNEL_PROFILE_H

#include "kernel/fused.h"

#ifndef KR_PROFILE_SHAPED
#define KR_PROFILE_SHAPED 0
#endif

#include "kernel/instances.h"

/* One double at a time, for compilers to vectorise: what the others are compared with. */
#define KR_LEVEL 0
#define KR_BITS  64
#include "kernel/fused_tile.h"

static double profile_factor(double shape)
{
    (void)shape;
    return KR_PROFILE_FACTOR(shape);
}

static double profile_steepness(double shape, size_t features)
{
    double g, slope, by_shape;
    profile_64_0(0, shape, features, &g, &slope, &by_shape);
    return fabs(slope);
}

static const struct kr_fused fused = {
    .factor = profile_factor,
    .steepness = profile_steepness,
    .product = KR_EACH_LEVEL(product),
    .pull = KR_EACH_LEVEL(pull),
    .shaped = KR_PROFILE_SHAPED,
};

#endif
