/* A + s I + diag(extra), on matrices of no symmetry and on a Gram matrix. */
#include "checks.h"

enum { N = 9 };

/* theta of the shift stands behind the entries of A, so that one vector holds all parameters. */
START_TEST(on_any_square_matrix)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, N * N + 1, 1), *extra = normals(ctx, N, 2);
    for (int with = 0; with < 2; with++) {
        struct kr_op inner, op;
        double *A = kr_alloc(ctx, N * N, sizeof *A);
        memcpy(A, theta, N * N * sizeof *A);
        for (size_t i = 0; i < N; i++)
            A[i + i * N] += theta[N * N] + (with ? extra[i] : 0);
        OK(kr_op_dense(ctx, N, N, theta, &inner));
        OK(kr_op_shift(ctx, &inner, theta, N * N, with ? extra : NULL, &op));
        ck_assert(!op.symmetric);
        for (size_t k = 1; k <= 4; k += 3) {
            check_products(ctx, &op, A, k);
            check_pull(ctx, &op, theta, N * N + 1, k);
        }
        check_fill(ctx, &op, A);
        check_questions(ctx, &op, A);
        check_manners(ctx, &op, N * N + 1);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Symmetry is passed on, and A' then is A. */
START_TEST(on_a_gram_matrix)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_op gram, op;
    kr_ctx_init(ctx, 0);
    struct kr_variant spec = leaf(ctx, kernel_type("rbf"), 0);
    struct kr_dataset data = small_data(ctx, 20, true, 1);
    struct kr_points x = {20, FEATURES, 20, data.x};
    double theta[] = {1.2, 0.8, 0.4}, *A = kr_alloc(ctx, 400, sizeof *A);
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &gram));
    OK(kr_op_shift(ctx, &gram, theta, 2, data.noise_variance, &op));
    ck_assert(op.symmetric);
    OK(kr_op_fill(ctx, &gram, A));
    for (size_t i = 0; i < 20; i++) {
        A[i + 20 * i] += theta[2] + data.noise_variance[i];
        for (size_t j = 0; j < i; j++)
            A[j + 20 * i] = A[i + 20 * j];
    }
    check_products(ctx, &op, A, 2);
    check_fill(ctx, &op, A);
    check_questions(ctx, &op, A);
    check_pull(ctx, &op, theta, 3, 2);
    OK(kr_op_check(ctx, &op, 3, 1, 3, theta)); /* its single precision form as well */
    const struct kr_op *single = kr_op_single(&op);
    ck_assert(single && single->symmetric && !kr_op_single(single));
    double *v = normals(ctx, 20, 3), *wanted = normals(ctx, 20, 4), *got = normals(ctx, 20, 5);
    OK(kr_op_apply(ctx, &op, 1, v, wanted));
    OK(kr_op_apply(ctx, single, 1, v, got));
    for (size_t i = 0; i < 20; i++)
        CLOSE(got[i], wanted[i], 10, 1e-6, "row %zu in single precision", i);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(only_square_matrices)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_op inner, op;
    double A[6] = {0}, theta = 1;
    kr_ctx_init(ctx, 0);
    OK(kr_op_dense(ctx, 2, 3, A, &inner));
    ck_assert_int_eq(kr_op_shift(ctx, &inner, &theta, 0, NULL, &op), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "2 x 3"));
    kr_ctx_fini(ctx);
}
END_TEST

/* A shift of a shift: what is left is the innermost matrix. */
START_TEST(shifts_add_up)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_op inner, once, twice;
    kr_ctx_init(ctx, 0);
    double theta[] = {0.5, 0.25}, extra[N], D[N], *A = normals(ctx, N * N, 5);
    for (size_t i = 0; i < N; i++)
        extra[i] = (double)i;
    OK(kr_op_dense(ctx, N, N, A, &inner));
    OK(kr_op_shift(ctx, &inner, theta, 0, extra, &once));
    OK(kr_op_shift(ctx, &once, theta, 1, NULL, &twice));
    const struct kr_op *within = kr_op_shifted(&twice, D);
    ck_assert(within->type == inner.type && within->self == inner.self);
    for (size_t i = 0; i < N; i++)
        CLOSE(D[i], 0.75 + (double)i, 1, 1e-15, "shift %zu", i);
    for (size_t i = 0; i < N; i++)
        A[i + i * N] += 0.75 + (double)i;
    double *shifted = kr_alloc(ctx, N * N, sizeof *shifted);
    memcpy(shifted, A, N * N * sizeof *A);
    for (size_t i = 0; i < N; i++)
        A[i + i * N] -= 0.75 + (double)i;
    check_questions(ctx, &twice, shifted);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("shift", on_any_square_matrix, on_a_gram_matrix, shifts_add_up, only_square_matrices)
