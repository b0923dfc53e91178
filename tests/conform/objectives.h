/* Specs of small objectives for the conformance suites. */
#ifndef KRIGED_TESTS_OBJECTIVES_H
#define KRIGED_TESTS_OBJECTIVES_H

#include "models.h"

enum { ROWS = 36 };

/* A spec with explicit roles: rows 0, 5, 10, .. are held out, 1, 11, 21, .. are test rows. */
static inline void make_spec(struct kr_ctx *ctx, const struct kr_variant *kernel, const char *loss,
                             const char *solver, const char *mean, struct kr_gp_spec *spec)
{
    OK(kr_schema_init(ctx, &kr_gp_spec_schema, spec));
    spec->model.kernel = *kernel;
    OK(kr_variant_init(ctx, &kr_mean_registry, mean, &spec->model.mean));
    OK(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    OK(kr_variant_init(ctx, &kr_validation_registry, "rows", &spec->objective.validation));
    struct kr_ints *rows = spec->objective.validation.options; /* the only member */
    rows->items = kr_alloc(ctx, ROWS, sizeof(size_t));
    for (size_t i = 0; i < ROWS; i += 5)
        rows->items[rows->count++] = i;
    spec->test = kr_alloc(ctx, 1, sizeof *spec->test);
    OK(kr_schema_init(ctx, &kr_test_spec_schema, spec->test));
    spec->test->rows.items = kr_alloc(ctx, ROWS, sizeof(size_t));
    for (size_t i = 1; i < ROWS; i += 10)
        spec->test->rows.items[spec->test->rows.count++] = i;
    spec->solver.type = kr_registry_find(&kr_solver_registry, solver);
    spec->solver.rtol = 1e-13;
}

#endif
