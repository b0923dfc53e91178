/* Stored matrices, tall and wide. */
#include "checks.h"

START_TEST(products_and_pulls)
{
    static const size_t shapes[][2] = {{1, 1}, {7, 3}, {3, 7}, {40, 40}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t k = 1; k <= 3; k += 2) {
            const size_t rows = shapes[s][0], cols = shapes[s][1];
            struct kr_op op;
            double *A = normals(ctx, rows * cols, s);
            OK(kr_op_dense(ctx, rows, cols, A, &op));
            ck_assert(op.rows == rows && op.cols == cols && !op.symmetric);
            check_products(ctx, &op, A, k);
            check_fill(ctx, &op, A);
            check_questions(ctx, &op, A);
            check_manners(ctx, &op, rows * cols);
            if (rows < 40)
                check_pull(ctx, &op, A, rows * cols, k);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(sizes_beyond_blas_are_refused)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_op op;
    double A = 1;
    kr_ctx_init(ctx, 0);
    ck_assert_int_eq(kr_op_dense(ctx, (size_t)1 << 31, 1, &A, &op), KR_INVALID);
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_op_dense(ctx, 1, (size_t)1 << 31, &A, &op), KR_INVALID);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("dense", products_and_pulls, sizes_beyond_blas_are_refused)
