/* [A; B]: parts with their own parameters, either the longer, and one on top of others. */
#include "views.h"

START_TEST(keeps_its_promises)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {4, 4, 4}, {7, 2, 3}, {2, 7, 3},
                                       {1, 9, 2}, {9, 1, 2}, {2, 1, 8}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t p = shapes[s][0], q = shapes[s][1], n = shapes[s][2], count = (p + q) * n;
        double *theta = normals(ctx, count, s), *AB = stacked(ctx, p, q, n, theta, theta + p * n);
        struct kr_op A = slice_of(ctx, p, n, theta, 0), B = slice_of(ctx, q, n, theta, p * n), op;
        OK(kr_op_stack(ctx, &A, &B, &op));
        memset(&A, 0, sizeof A);
        ck_assert(op.rows == p + q && op.cols == n && !op.symmetric);
        check_operator(ctx, &op, AB, theta, count);
        check_entries(ctx, &op, AB);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* [A; lambda I], with lambda behind the entries of A; and on top of it once more A, whose gradients add. */
START_TEST(damped_and_nested)
{
    enum { M = 5, N = 4, COUNT = M * N + 1 };
    struct kr_ctx context, *ctx = &context;
    struct kr_op A, scaled, damped, op;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, COUNT, 1), *identity = kr_alloc(ctx, N * N, sizeof *identity);
    for (size_t i = 0; i < N; i++)
        identity[i + i * N] = theta[M * N];
    double *AI = stacked(ctx, M, N, N, theta, identity), *AAI = stacked(ctx, M, M + N, N, theta, AI);
    OK(kr_op_dense(ctx, M, N, theta, &A));
    OK(kr_op_identity(ctx, N, theta, M * N, &scaled));
    OK(kr_op_stack(ctx, &A, &scaled, &damped));
    check_operator(ctx, &damped, AI, theta, COUNT);
    OK(kr_op_stack(ctx, &A, &damped, &op));
    check_operator(ctx, &op, AAI, theta, COUNT);
    kr_ctx_fini(ctx);
}
END_TEST

/* A symmetric part fills its lower triangle only; here its upper one is wanted too. */
START_TEST(of_a_gram_matrix)
{
    enum { N = 20 };
    struct kr_ctx context, *ctx = &context;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_op gram, op;
    kr_ctx_init(ctx, 0);
    struct kr_variant spec = leaf(ctx, kernel_type("rbf"), 0);
    struct kr_dataset data = small_data(ctx, N, true, 1);
    struct kr_points x = {N, FEATURES, N, data.x};
    double theta[] = {1.2, 0.8}, *K = kr_alloc(ctx, N * N, sizeof *K);
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &gram));
    OK(kr_op_fill(ctx, &gram, K));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            K[j + N * i] = K[i + N * j];
    OK(kr_op_stack(ctx, &gram, &gram, &op));
    check_operator(ctx, &op, stacked(ctx, N, N, N, K, K), theta, 2);
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
    OK(kr_op_dense(ctx, 3, 4, entries, &B));
    ck_assert_int_eq(kr_op_stack(ctx, &A, &B, &op), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "2 x 3 and 3 x 4"));
    kr_ctx_clear_error(ctx);
    A.rows = SIZE_MAX;
    B.cols = 3;
    ck_assert_int_eq(kr_op_stack(ctx, &A, &B, &op), KR_INVALID);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("stack", keeps_its_promises, damped_and_nested, of_a_gram_matrix, shapes_must_fit)
