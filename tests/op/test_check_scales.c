/* kr_op_check passes what keeps its promises, whatever its scale and size, and our own operators. */
#include "broken.h"

/* Scales that products can stand: entries of one size, of all sizes by rows, by columns, and at random. */
START_TEST(any_scale_is_right)
{
    static const size_t shapes[][2] = {{1, 1}, {M, N}, {N, M}, {1, N}, {M, 1}, {60, 40}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int scaling = 0; scaling < 8; scaling++)
            for (uint64_t seed = 1; seed <= 5; seed++) {
                const size_t rows = shapes[s][0], cols = shapes[s][1];
                double *theta = normals(ctx, rows * cols, seed), *power = normals(ctx, rows * cols, 7);
                for (size_t i = 0; i < rows * cols; i++) {
                    const size_t by = scaling == 4 ? i % rows : scaling == 5 ? i / rows : i;
                    double exponent = fmax(-150, fmin(150, 70 * power[by]));
                    exponent = scaling == 0 ? -150 : scaling == 1 ? 150 : scaling == 2 ? 0 : exponent;
                    theta[i] *= scaling == 3 ? 0 : scaling == 7 ? 1e-310 : pow(10, exponent);
                }
                struct kr_op op = broken(ctx, NOTHING, rows, cols, theta);
                OK(kr_op_check(ctx, &op, 1 + seed % 3, seed, rows * cols, theta));
            }
    kr_ctx_fini(ctx);
}
END_TEST

/* What scales do not hide: a wrong sign in the adjoint or the pull at either end of them. */
START_TEST(any_scale_is_wrong)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    for (int power = -290; power <= 290; power += 145) {
        double *theta = normals(ctx, COUNT, 1);
        for (size_t i = 0; i < COUNT; i++)
            theta[i] *= pow(10, power);
        struct kr_op op = broken(ctx, SIGN, M, N, theta);
        refused(ctx, &op, 1, COUNT, theta, (const char *[]){"the adjoint is wrong", NULL});
        op = broken(ctx, PULL_ONE_WRONG, M, N, theta);
        refused(ctx, &op, 1, COUNT, theta, (const char *[]){"by parameter 11 alone", NULL});
        op = broken(ctx, BLOCK_SWAPPED, M, N, theta);
        refused(ctx, &op, 3, COUNT, theta, (const char *[]){"is not that of its columns", NULL});
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* No rows, no columns, no probes; a product over nothing is zero. */
START_TEST(nothing_at_all)
{
    struct kr_ctx context, *ctx = &context;
    double theta = 2, *entries;
    struct kr_op op, flat, thin, tall, stacked, composed, turned;
    kr_ctx_init(ctx, 0);
    entries = normals(ctx, 9, 1);
    OK(kr_op_identity(ctx, 0, &theta, 0, &op));
    OK(kr_op_check(ctx, &op, 3, 1, 1, &theta));
    OK(kr_op_identity(ctx, 4, &theta, 0, &op));
    OK(kr_op_check(ctx, &op, 0, 1, 1, &theta));
    OK(kr_op_check(ctx, &op, 3, 1, 1, NULL));
    OK(kr_op_dense(ctx, 0, 3, entries, &flat));
    OK(kr_op_dense(ctx, 3, 0, entries, &thin));
    OK(kr_op_dense(ctx, 3, 3, entries, &tall));
    OK(kr_op_stack(ctx, &flat, &tall, &stacked));
    OK(kr_op_compose(ctx, &thin, &flat, &composed));
    OK(kr_op_transpose(ctx, &thin, &turned));
    const struct kr_op *all[] = {&flat, &thin, &stacked, &composed, &turned};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(kr_op_check(ctx, all[i], 3, 1, 9, entries));
    kr_ctx_fini(ctx);
}
END_TEST

/* All operators of the library, with everything that they answer. */
START_TEST(ours_pass)
{
    enum { SIDE = 6 };
    struct kr_ctx context, *ctx = &context;
    struct kr_op dense, identity, stack, transpose, compose, convolution, shift;
    kr_ctx_init(ctx, 0);
    double *theta = normals(ctx, SIDE * SIDE + 1, 1), *extra = normals(ctx, SIDE, 2);
    OK(kr_op_dense(ctx, SIDE, SIDE, theta, &dense));
    OK(kr_op_identity(ctx, SIDE, theta, SIDE * SIDE, &identity));
    OK(kr_op_stack(ctx, &dense, &identity, &stack));
    OK(kr_op_transpose(ctx, &stack, &transpose));
    OK(kr_op_compose(ctx, &transpose, &stack, &compose));
    OK(kr_op_shift(ctx, &dense, theta, SIDE * SIDE, extra, &shift));
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_SAME, 5, 4, 3, 3, theta, &convolution));
    const struct kr_op *all[] = {&dense, &identity, &stack, &transpose, &compose, &shift, &convolution};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t probes = 1; probes <= 4; probes++)
            OK(kr_op_check(ctx, all[i], probes, probes, SIDE * SIDE + 1, theta));
    kr_ctx_fini(ctx);
}
END_TEST

/* Every kernel, as a Gram matrix and between two sets, with noise on it. */
START_TEST(kernels_pass)
{
    enum { ROWS = 150, COLS = 90 };
    struct kr_ctx context, *ctx = &context;
    struct kernel_case cases[MOST_CASES];
    kr_ctx_init(ctx, 0);
    const size_t count = kernel_cases(ctx, cases);
    struct kr_dataset data = small_data(ctx, ROWS, true, 1), other = small_data(ctx, COLS, false, 2);
    const struct kr_points x = {ROWS, FEATURES, ROWS, data.x}, z = {COLS, FEATURES, COLS, other.x};
    const struct kr_points none = {0, FEATURES, COLS, other.x};
    for (size_t c = 0; c < count; c++) {
        struct kr_parameters parameters = {0};
        struct kr_kernel *kernel;
        struct kr_op gram, between, shift, empty;
        OK(kr_kernel_build(ctx, &cases[c].spec, FEATURES, data.feature_names, "", "kernel", &parameters,
                           &kernel));
        double *theta = kr_alloc(ctx, parameters.count + 1, sizeof *theta);
        for (size_t p = 0; p <= parameters.count; p++)
            theta[p] = p < parameters.count ? parameters.items[p].spec.value : 0.3;
        OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &gram));
        OK(kr_op_kernel(ctx, kernel, theta, &x, &z, &between));
        OK(kr_op_kernel(ctx, kernel, theta, &x, &none, &empty));
        OK(kr_op_shift(ctx, &gram, theta, parameters.count, data.noise_variance, &shift));
        OK(kr_op_check(ctx, &empty, 2, c, parameters.count, theta));
        ck_assert_msg(kr_op_check(ctx, &gram, 2, c, parameters.count + 1, theta) == KR_OK, "%s: %s",
                      cases[c].name, ctx->error.detail);
        ck_assert_msg(kr_op_check(ctx, &between, 2, c, parameters.count + 1, theta) == KR_OK, "%s: %s",
                      cases[c].name, ctx->error.detail);
        ck_assert_msg(kr_op_check(ctx, &shift, 2, c, parameters.count + 1, theta) == KR_OK, "%s: %s",
                      cases[c].name, ctx->error.detail);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("check scales", any_scale_is_right, any_scale_is_wrong, nothing_at_all, ours_pass, kernels_pass)
