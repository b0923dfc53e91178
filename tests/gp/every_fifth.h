/* A process of which every fifth row is held out, with every kernel at hand: what tests of its variances
 * start from. */
#ifndef KRIGED_TESTS_GP_EVERY_FIFTH_H
#define KRIGED_TESTS_GP_EVERY_FIFTH_H

#include "../conform/objectives.h"

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t ncases;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_gp gp;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    ncases = kernel_cases(ctx, cases);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* The spec, without test rows, and n rows of data; gp is not yet made. */
static void hold_out_every_fifth(const struct kr_variant *kernel, const char *loss, const char *solver,
                                 size_t n, bool noise)
{
    make_spec(ctx, kernel, loss, solver, "constant", &spec);
    data = small_data(ctx, n, noise, 7);
    struct kr_ints *rows = spec.objective.validation.options;
    spec.test = NULL;
    rows->items = kr_alloc(ctx, n, sizeof *rows->items);
    rows->count = 0;
    for (size_t i = 0; i < n; i += 5)
        rows->items[rows->count++] = i;
}

#endif
