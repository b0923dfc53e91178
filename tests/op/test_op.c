/* The questions that every operator answers, where they cannot be asked. */
#include "checks.h"

static kr_status never(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)op, (void)k, (void)X, (void)Y;
    ck_abort_msg("a product was asked for");
    return kr_fail(ctx, KR_INTERNAL, "", "a product was asked for");
}

static kr_status never_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                            const double *V, double alpha, double *grad)
{
    (void)V, (void)alpha;
    return never(ctx, op, k, U, grad);
}

static const struct kr_op_type type = {.name = "never", .apply = never, .apply_t = never, .pull = never_pull};

/* Blocks whose size cannot be counted are refused before anything is read or written. */
START_TEST(blocks_too_large)
{
    static const struct {
        size_t rows, cols, k;
    } cases[] = {{3, 2, (size_t)1 << 31},
                 {3, 2, SIZE_MAX},
                 {3, 2, SIZE_MAX / 8},
                 {(size_t)1 << 40, 1, (size_t)1 << 21},
                 {1, (size_t)1 << 40, (size_t)1 << 21},
                 {SIZE_MAX, 1, 1}};
    struct kr_ctx context, *ctx = &context;
    const size_t index = 0;
    double x = 0;
    kr_ctx_init(ctx, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct kr_op op = {&type, cases[i].rows, cases[i].cols, false, NULL};
        const size_t k = cases[i].k;
        ck_assert_int_eq(kr_op_blocks(ctx, &op, k), KR_INVALID);
        ck_assert_msg(strstr(ctx->error.detail, "is too large"), "%s", ctx->error.detail);
        kr_ctx_clear_error(ctx);
        ck_assert_int_eq(kr_op_apply(ctx, &op, k, &x, &x), KR_INVALID);
        kr_ctx_clear_error(ctx);
        ck_assert_int_eq(kr_op_apply_t(ctx, &op, k, &x, &x), KR_INVALID);
        kr_ctx_clear_error(ctx);
        ck_assert_int_eq(kr_op_pull(ctx, &op, k, &x, &x, 1, &x), KR_INVALID);
        kr_ctx_clear_error(ctx);
        ck_assert_int_eq(kr_op_columns(ctx, &op, k, &index, &x), KR_INVALID);
        kr_ctx_clear_error(ctx);
    }
    const struct kr_op large = {&type, (size_t)1 << 40, 1, false, NULL};
    OK(kr_op_blocks(ctx, &large, 1));
    OK(kr_op_blocks(ctx, &large, 0));
    OK(kr_op_blocks(ctx, &large, 1000));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("op", blocks_too_large)
