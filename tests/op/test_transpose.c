/* A': of a matrix, of a transpose, of a symmetric operator. */
#include "views.h"

START_TEST(keeps_its_promises)
{
    static const size_t shapes[][2] = {{1, 1}, {1, 6}, {6, 1}, {9, 4}, {4, 9}, {5, 5}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t rows = shapes[s][0], cols = shapes[s][1];
        double *theta = normals(ctx, rows * cols, s), *A = transposed(ctx, rows, cols, theta);
        struct kr_op inner, op;
        OK(kr_op_dense(ctx, rows, cols, theta, &inner));
        OK(kr_op_transpose(ctx, &inner, &op));
        memset(&inner, 0, sizeof inner); /* the operator was copied */
        ck_assert(op.rows == cols && op.cols == rows && !op.symmetric);
        check_operator(ctx, &op, A, theta, rows * cols);
        check_entries(ctx, &op, A);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A'' is A: products do not pass through two views. */
START_TEST(of_a_transpose)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_op inner, once, twice;
    kr_ctx_init(ctx, 0);
    double *A = normals(ctx, 7 * 3, 1);
    OK(kr_op_dense(ctx, 7, 3, A, &inner));
    OK(kr_op_transpose(ctx, &inner, &once));
    OK(kr_op_transpose(ctx, &once, &twice));
    ck_assert(twice.type == inner.type && twice.self == inner.self);
    check_operator(ctx, &twice, A, A, 21);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(of_a_symmetric_operator)
{
    struct kr_ctx context, *ctx = &context;
    double theta = 3, A[] = {3, 0, 0, 3};
    struct kr_op inner, op;
    kr_ctx_init(ctx, 0);
    OK(kr_op_identity(ctx, 2, &theta, 0, &inner));
    OK(kr_op_transpose(ctx, &inner, &op));
    ck_assert(op.symmetric && op.type == inner.type);
    check_operator(ctx, &op, A, &theta, 1);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("transpose", keeps_its_promises, of_a_transpose, of_a_symmetric_operator)
