/* Specs of Gaussian processes over small data: explicit rows, one kernel, whatever a test then changes. */
#ifndef KRIGED_TESTS_GP_SPECS_H
#define KRIGED_TESTS_GP_SPECS_H

#include "../conform/models.h"

/* Row numbers up to the first negative one. */
static inline struct kr_ints int_list(struct kr_ctx *ctx, const int *rows)
{
    struct kr_ints list = {0, kr_alloc(ctx, 64, sizeof(size_t))};
    for (; rows[list.count] >= 0; list.count++)
        list.items[list.count] = (size_t)rows[list.count];
    return list;
}
#define ROWS(...) int_list(ctx, (const int[]){__VA_ARGS__ __VA_OPT__(, ) - 1})

static inline void hold_out(struct kr_ctx *ctx, struct kr_gp_spec *spec, struct kr_ints rows)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, "rows", &spec->objective.validation));
    *(struct kr_ints *)spec->objective.validation.options = rows; /* the only member */
}

static inline struct kr_test_spec *test_rows(struct kr_ctx *ctx, struct kr_gp_spec *spec, struct kr_ints rows)
{
    spec->test = kr_alloc(ctx, 1, sizeof *spec->test);
    OK(kr_schema_init(ctx, &kr_test_spec_schema, spec->test));
    spec->test->rows = rows;
    return spec->test;
}

/* Everything at its default, an rbf kernel, nlpd, rows 0 and 3 held out. */
static inline void plain_spec(struct kr_ctx *ctx, struct kr_gp_spec *spec)
{
    OK(kr_schema_init(ctx, &kr_gp_spec_schema, spec));
    OK(kr_variant_init(ctx, &kr_kernel_registry, "rbf", &spec->model.kernel));
    OK(kr_variant_init(ctx, &kr_loss_registry, "nlpd", &spec->objective.loss));
    hold_out(ctx, spec, ROWS(0, 3));
}

#define REFUSED(expression, wanted_pointer, part)                                                            \
    do {                                                                                                     \
        ck_assert_int_eq((expression), KR_INVALID);                                                          \
        ck_assert_str_eq(ctx->error.pointer, wanted_pointer);                                                \
        ck_assert_msg(strstr(ctx->error.detail, part) != NULL, "\"%s\" is not in: %s", part,                 \
                      ctx->error.detail);                                                                    \
        kr_ctx_clear_error(ctx);                                                                             \
    } while (0)

#endif
