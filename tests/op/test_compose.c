/* A B: parts with parameters of their own and in common. */
#include "views.h"

START_TEST(keeps_its_promises)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {4, 4, 4}, {7, 2, 3}, {2, 7, 3},
                                       {3, 1, 5}, {1, 5, 1}, {6, 4, 9}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t p = shapes[s][0], r = shapes[s][1], n = shapes[s][2], count = p * r + r * n;
        double *theta = normals(ctx, count, s), *AB = multiplied(ctx, p, r, n, theta, theta + p * r);
        struct kr_op A = slice_of(ctx, p, r, theta, 0), B = slice_of(ctx, r, n, theta, p * r), op;
        OK(kr_op_compose(ctx, &A, &B, &op));
        memset(&A, 0, sizeof A);
        ck_assert(op.rows == p && op.cols == n && !op.symmetric);
        check_operator(ctx, &op, AB, theta, count);
        check_entries(ctx, &op, AB);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A'A: both factors have the same parameters. */
START_TEST(of_an_operator_with_itself)
{
    enum { M = 6, N = 4 };
    struct kr_ctx context, *ctx = &context;
    struct kr_op A, At, op;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, M * N, 1),
           *normal = multiplied(ctx, N, M, N, transposed(ctx, M, N, theta), theta);
    OK(kr_op_dense(ctx, M, N, theta, &A));
    OK(kr_op_transpose(ctx, &A, &At));
    OK(kr_op_compose(ctx, &At, &A, &op));
    check_operator(ctx, &op, normal, theta, M * N);
    kr_ctx_fini(ctx);
}
END_TEST

/* A factor without a pull has no parameters; a symmetric one on the right fills half of itself. */
START_TEST(constant_and_symmetric_factors)
{
    enum { N = 20 };
    struct kr_op_type constant = {.name = "constant", .apply = slice_apply, .apply_t = slice_apply_t};
    struct kr_ctx context, *ctx = &context;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_op gram, op;
    kr_ctx_init(ctx, 0);
    struct kr_variant spec = leaf(ctx, kernel_type("rbf"), 0);
    struct kr_dataset data = small_data(ctx, N, true, 1);
    struct kr_points x = {N, FEATURES, N, data.x};
    double theta[] = {1.2, 0.8}, *K = kr_alloc(ctx, N * N, sizeof *K), *W = normals(ctx, 3 * N, 1);
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &gram));
    OK(kr_op_fill(ctx, &gram, K));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            K[j + N * i] = K[i + N * j];
    struct kr_op left = slice_of(ctx, 3, N, W, 0), right = slice_of(ctx, N, 3, W, 0);
    left.type = right.type = &constant;
    OK(kr_op_compose(ctx, &left, &gram, &op));
    check_operator(ctx, &op, multiplied(ctx, 3, N, N, W, K), theta, 2);
    OK(kr_op_compose(ctx, &gram, &right, &op));
    check_operator(ctx, &op, multiplied(ctx, N, N, 3, K, W), theta, 2);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(shapes_must_fit)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_op A, B, op;
    double entries[12] = {0};
    kr_ctx_init(ctx, 0);
    OK(kr_op_dense(ctx, 2, 3, entries, &A));
    OK(kr_op_dense(ctx, 4, 3, entries, &B));
    ck_assert_int_eq(kr_op_compose(ctx, &A, &B, &op), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "2 x 3 and 4 x 3"));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("compose", keeps_its_promises, of_an_operator_with_itself, constant_and_symmetric_factors,
      shapes_must_fit)
