/*
 * Fused products against the unfused path: every kernel with fused tiles, products and sums of them, at every
 * instruction set of this machine, in double and single precision, for sizes that are multiples of nothing,
 * few and many right-hand sides, and points near and far. And the same bits for any number of threads.
 */
#include "fused_cases.h"

static struct kr_ctx context, *ctx = &context;

/* What a product may be off by: the largest entry of |K| |X| times this, in double and in single precision;
 * for points near (normal, lengthscales about 1) and anywhere. */
static const double near[2] = {1e-14, 1.5e-6}, far[2] = {1e-13, 6e-6};

/* K is positive but for `linear`, whose cases scale by the sum all the same. */
static double largest(size_t count, const double *y)
{
    double most = 0;
    for (size_t e = 0; e < count; e++)
        most = fmax(most, fabs(y[e]));
    return most;
}

static void compare(const char *name, const struct kr_op *fused, const struct kr_op *plain, size_t k,
                    const double *allowed)
{
    const size_t n = fused->cols, m = fused->rows;
    double *X = normals(ctx, n * k, 3), *positive = kr_alloc(ctx, n * k, sizeof *X),
           *got = normals(ctx, m * k, 4), *wanted = normals(ctx, m * k, 5);
    const struct kr_op *forms[2] = {fused, kr_op_single(fused)};
    for (size_t e = 0; e < n * k; e++)
        positive[e] = fabs(X[e]);
    OK(kr_op_apply(ctx, plain, k, positive, wanted));
    const double scale = largest(m * k, wanted);
    OK(kr_op_apply(ctx, plain, k, X, wanted));
    for (int single = 0; single < 2; single++) {
        if (!forms[single])
            continue;
        OK(kr_op_apply(ctx, forms[single], k, X, got));
        for (size_t e = 0; e < m * k; e++)
            ck_assert_msg(fabs(got[e] - wanted[e]) <= allowed[single] * scale,
                          "%s, %zu x %zu, %zu columns, single %d, level %d: %.17g, wanted %.17g, scale %g",
                          name, m, n, k, single, kr_fused_level(), got[e], wanted[e], scale);
    }
}

static void compare_shape(const struct kernel_case *one, size_t n, size_t m, double spread, size_t k)
{
    struct kr_mark mark = kr_mark(ctx);
    struct pair_of_kernels pair = build_pair(ctx, &one->spec);
    const struct kr_points x = points_about(ctx, n, spread, 1), z = points_about(ctx, m + 1, spread, 2);
    struct kr_points other = z;
    struct kr_op fused, plain;
    other.n = m;
    OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, m ? &other : NULL, &fused));
    OK(kr_op_kernel(ctx, pair.plain, pair.theta, &x, m ? &other : NULL, &plain));
    ck_assert(!kr_op_single(&plain));
    compare(one->name, &fused, &plain, k, spread == 1 ? near : far);
    kr_release(ctx, mark);
}

START_TEST(as_the_unfused_path)
{
    static const size_t shapes[][2] = {{1, 0},   {5, 0},   {63, 0},   {65, 0},    {200, 0},   {611, 0},
                                       {1, 300}, {70, 33}, {300, 65}, {64, 2500}, {301, 130}, {2, 1}};
    static const size_t columns[] = {1, 3, 17, 40};
    const int best = kr_fused_use(KR_FUSED_LEVELS);
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (int level = 0; level <= best; level++) {
        kr_fused_use(level);
        for (size_t c = 0; c < count; c++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                if ((c + s) % (shapes[s][0] * shapes[s][1] > 20000 ? 7 : level == best ? 2 : 5) == 0)
                    compare_shape(&cases[c], shapes[s][0], shapes[s][1], 1, columns[(c + s) % 4]);
    }
    kr_fused_use(KR_FUSED_LEVELS);
    kr_ctx_fini(ctx);
}
END_TEST

/* Distances are squared where expanding them would lose digits, and fused tiles are left alone where scaled
 * coordinates would: 1e6 lengthscales from each other and copies of each other. */
START_TEST(points_far_out)
{
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c++)
        for (double spread = 1e-3; spread < 1e8; spread *= 10)
            compare_shape(&cases[c], 150, c % 2 ? 0 : 140, spread, 2);
    kr_ctx_fini(ctx);
}
END_TEST

/* Points 1e-7 apart, whose kernel is 1 to rounding, and matern12's is not. */
START_TEST(near_points)
{
    enum { N = 130 };
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c++) {
        struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
        double *x = normals(ctx, N * FEATURES, 1);
        for (size_t f = 0; f < FEATURES; f++)
            for (size_t i = 1; i < N; i += 2)
                x[f * N + i] = x[f * N + i - 1] + 1e-7 * (double)f;
        const struct kr_points all = {N, FEATURES, N, x};
        struct kr_op fused, plain;
        OK(kr_op_kernel(ctx, pair.fused, pair.theta, &all, NULL, &fused));
        OK(kr_op_kernel(ctx, pair.plain, pair.theta, &all, NULL, &plain));
        compare(cases[c].name, &fused, &plain, 1, near);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* From one feature to more than fit into the first-level cache; its pull by differences. */
START_TEST(many_features)
{
    static const size_t dimensions[] = {1, 2, 7, 33, 130};
    enum { N = 150, MOST = 132 };
    const char *names[MOST];
    kr_ctx_init(ctx, 0);
    for (size_t f = 0; f < MOST; f++)
        names[f] = kr_printf(ctx, "x%zu", f);
    for (size_t t = 0; t < sizeof dimensions / sizeof *dimensions; t++) {
        const size_t d = dimensions[t];
        struct kr_variant spec;
        struct kr_parameters parameters = {0};
        struct kr_kernel *kernel;
        struct kr_op fused, plain;
        double theta[MOST];
        OK(kr_variant_init(ctx, &kr_kernel_registry, "rbf", &spec));
        *(bool *)member(spec.options, ((const struct kr_kernel_type *)spec.type)->ard) = true;
        OK(kr_kernel_build(ctx, &spec, d, names, "", "kernel", &parameters, &kernel));
        ck_assert_uint_eq(parameters.count, d + 1);
        for (size_t p = 0; p <= d; p++)
            theta[p] = sqrt((double)d) * (0.8 + 0.01 * (double)p);
        const struct kr_points x = {N, d, N + 3, normals(ctx, (N + 3) * d, 1)};
        OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &fused));
        OK(kr_op_kernel(ctx, without_tiles(ctx, kernel), theta, &x, NULL, &plain));
        compare("rbf", &fused, &plain, 2, near);
        OK(kr_op_check(ctx, &fused, 2, 1, d + 1, theta));
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_same_bits)
{
    enum { N = 700, K = 2 };
    static const int threads[] = {1, 2, 5};
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c += 3) {
        struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
        const struct kr_points x = points_about(ctx, N, 1, 1), z = points_about(ctx, N / 2, 1, 2),
                               few = points_about(ctx, 40, 1, 3);
        const struct kr_points *others[] = {NULL, &z, &few};
        double *X = normals(ctx, N * K, 3), *Y[3], *T[3];
        for (size_t o = 0; o < 3; o++) {
            struct kr_op op;
            OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, others[o], &op));
            for (int single = 0; single < (kr_op_single(&op) ? 2 : 1); single++) {
                const struct kr_op *form = single ? kr_op_single(&op) : &op;
                for (size_t t = 0; t < 3; t++) {
                    ctx->threads = threads[t];
                    Y[t] = normals(ctx, op.rows * K, 4);
                    T[t] = normals(ctx, op.cols * K, 4);
                    OK(kr_op_apply(ctx, form, K, X, Y[t]));
                    OK(kr_op_apply_t(ctx, form, K, X, T[t]));
                    ck_assert_mem_eq(Y[t], Y[0], op.rows * K * sizeof(double));
                    ck_assert_mem_eq(T[t], T[0], op.cols * K * sizeof(double));
                }
            }
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Memory: what is announced, nothing that grows with n^2, and given back. */
START_TEST(memory)
{
    enum { N = 4000 };
    static const size_t columns[] = {1, 20, 300};
    static const size_t others[] = {0, 30, 900};
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    const struct kr_points x = points_about(ctx, N, 1, 1);
    double *V = normals(ctx, N * 300, 2), *KV = normals(ctx, N * 300, 3), grad[32] = {0};
    for (size_t c = 0; c < 9; c++) {
        struct pair_of_kernels pair = build_pair(ctx, &cases[c < 1 ? 0 : count - 4 + c % 3].spec);
        const size_t k = columns[c % 3];
        struct kr_points z = x;
        struct kr_op op;
        z.n = others[c / 3];
        OK(kr_op_kernel(ctx, pair.fused, pair.theta, z.n ? &z : &x, z.n ? &x : NULL, &op));
        const size_t used = ctx->used, announced = kr_op_kernel_bytes(pair.fused, op.rows, op.cols, k, 2);
        ctx->peak = used;
        OK(kr_op_apply(ctx, &op, k, V, KV));
        OK(kr_op_pull(ctx, &op, k, V, V, 1, grad));
        ck_assert_uint_eq(ctx->used, used);
        ck_assert_msg(ctx->peak - used <= announced, "case %zu: %zu bytes, %zu announced", c,
                      ctx->peak - used, announced);
        ck_assert_uint_le(announced, 8 * 2 * N * (k + 20) + (8 << 20));
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("fused products", as_the_unfused_path, points_far_out, near_points, many_features, the_same_bits,
      memory)
