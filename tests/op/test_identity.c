/* theta[index] I. */
#include "views.h"

START_TEST(keeps_its_promises)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t n = 1; n <= 12; n += 11) {
        double theta[] = {4, -1.7, 5}, *A = kr_alloc(ctx, n * n, sizeof *A);
        struct kr_op op;
        for (size_t i = 0; i < n; i++)
            A[i + i * n] = theta[1];
        OK(kr_op_identity(ctx, n, theta, 1, &op));
        ck_assert(op.rows == n && op.cols == n && op.symmetric);
        check_operator(ctx, &op, A, theta, 3);
        check_entries(ctx, &op, A);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* It borrows theta: a new value is a new matrix. */
START_TEST(follows_its_parameter)
{
    struct kr_ctx context, *ctx = &context;
    double theta = 2, x = 3, y;
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    OK(kr_op_identity(ctx, 1, &theta, 0, &op));
    theta = 5;
    OK(kr_op_apply(ctx, &op, 1, &x, &y));
    ck_assert(y == 15);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(any_number_of_threads)
{
    enum { LONG = 300001 };
    struct kr_ctx context, *ctx = &context;
    double theta = 0.3, *x, *y;
    struct kr_op op;
    kr_ctx_init(ctx, 0);
    ctx->threads = 3;
    x = normals(ctx, LONG, 1);
    y = normals(ctx, LONG, 2);
    OK(kr_op_identity(ctx, LONG, &theta, 0, &op));
    OK(kr_op_apply(ctx, &op, 1, x, y));
    for (size_t i = 0; i < LONG; i++)
        ck_assert(y[i] == 0.3 * x[i]);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("identity", keeps_its_promises, follows_its_parameter, any_number_of_threads)
