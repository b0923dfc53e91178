/* What benchmarks of operators and solvers share. */
#ifndef KRIGED_TESTS_BENCH_SUPPORT_H
#define KRIGED_TESTS_BENCH_SUPPORT_H

#include "kriged/base.h"

#include <stdio.h>
#include <stdlib.h>

static inline void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s\n", ctx->error.detail);
    exit(1);
}

static inline double *normals(struct kr_ctx *ctx, size_t count, uint64_t stream)
{
    struct kr_rng rng;
    double *values = kr_alloc(ctx, count, sizeof *values);
    if (!values)
        die(ctx);
    kr_rng_init(&rng, 1, stream);
    for (size_t i = 0; i < count; i++)
        values[i] = kr_rng_normal(&rng);
    return values;
}

#endif
