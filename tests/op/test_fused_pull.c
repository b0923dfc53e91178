/*
 * Fused pulls against the unfused path and against central differences: every kernel with fused tiles, sums
 * and products, at every instruction set, in double and single precision, few and many pairs of vectors and
 * all weights given. And the same bits for any number of threads.
 */
#include "fused_cases.h"

static struct kr_ctx context, *ctx = &context;
enum { MOST = 32 };

/* Off by at most this times the pull of |U| and |V|, which has no cancellation: every derivative of these
 * kernels has one sign. */
static const double near[2] = {3e-14, 2e-6}, far[2] = {1e-12, 1e-5};

static void compare(const char *name, const struct kr_op *fused, const struct kr_op *plain, size_t k,
                    const struct kr_parameters *all, const double *allowed)
{
    const size_t parameters = all->count, n = fused->cols, m = fused->rows;
    double *U = normals(ctx, m * k, 3), *V = normals(ctx, n * k, 4), scale[MOST] = {0}, wanted[MOST] = {0};
    const struct kr_op *forms[2] = {fused, kr_op_single(fused)};
    OK(kr_op_pull(ctx, plain, k, U, V, 0.7, wanted));
    for (size_t e = 0; e < m * k; e++)
        U[e] = fabs(U[e]);
    for (size_t e = 0; e < n * k; e++)
        V[e] = fabs(V[e]);
    OK(kr_op_pull(ctx, plain, k, U, V, 0.7, scale));
    /* by the shape of rational_quadratic: a difference of two terms, each of the size of that by the
     * lengthscale before it, in any path */
    for (size_t p = 1; p < parameters; p++)
        if (all->items[p].unit == KR_UNIT_NONE)
            scale[p] = fmax(fabs(scale[p]), fabs(scale[p - 1]));
    U = normals(ctx, m * k, 3);
    V = normals(ctx, n * k, 4);
    for (int single = 0; single < 2; single++) {
        double got[MOST] = {0};
        if (!forms[single])
            continue;
        OK(kr_op_pull(ctx, forms[single], k, U, V, 0.7, got));
        for (size_t p = 0; p < parameters; p++)
            ck_assert_msg(
                fabs(got[p] - wanted[p]) <= allowed[single] * fabs(scale[p]) + 1e-290,
                "%s, %zu x %zu, %zu pairs, single %d, level %d, parameter %zu: %.17g, wanted %.17g, "
                "scale %g",
                name, m, n, k, single, kr_fused_level(), p, got[p], wanted[p], scale[p]);
    }
}

static void compare_shape(const struct kernel_case *one, size_t n, size_t m, double spread, size_t k)
{
    struct kr_mark mark = kr_mark(ctx);
    struct pair_of_kernels pair = build_pair(ctx, &one->spec);
    const struct kr_points x = points_about(ctx, n, spread, 1);
    struct kr_points z = points_about(ctx, m + 1, spread, 2);
    struct kr_op fused, plain;
    z.n = m;
    OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, m ? &z : NULL, &fused));
    OK(kr_op_kernel(ctx, pair.plain, pair.theta, &x, m ? &z : NULL, &plain));
    compare(one->name, &fused, &plain, k, &pair.parameters, spread == 1 ? near : far);
    kr_release(ctx, mark);
}

/* `linear` and `periodic` have derivatives of both signs: their cases are for differences alone. */
static bool of_one_sign(const struct kernel_case *one)
{
    return !strstr(one->name, "linear");
}

START_TEST(as_the_unfused_path)
{
    static const size_t shapes[][2] = {{1, 0},   {5, 0},   {63, 0},   {65, 0},   {200, 0},   {611, 0},
                                       {1, 300}, {70, 33}, {300, 65}, {64, 900}, {301, 130}, {2, 1}};
    static const size_t pairs[] = {1, 3, 17, 70};
    const int best = kr_fused_use(KR_FUSED_LEVELS);
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (int level = 0; level <= best; level++) {
        kr_fused_use(level);
        for (size_t c = 0; c < count; c++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                if (of_one_sign(&cases[c]) && (c + s) % (shapes[s][0] * shapes[s][1] > 20000 ? 7
                                                         : level == best                     ? 2
                                                                                             : 5) ==
                                                  0)
                    compare_shape(&cases[c], shapes[s][0], shapes[s][1], 1, pairs[(c + s) / 2 % 4]);
    }
    kr_fused_use(KR_FUSED_LEVELS);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(points_far_out)
{
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c++)
        for (double spread = 1e-3; spread < 1e8 && of_one_sign(&cases[c]); spread *= 10)
            compare_shape(&cases[c], 150, c % 2 ? 0 : 140, spread, 2);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(by_differences)
{
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    const struct kr_points x = points_about(ctx, 90, 1, 1), z = points_about(ctx, 33, 1, 2);
    for (size_t c = 0; c < count; c++) {
        struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
        struct kr_op op;
        OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, c % 2 ? NULL : &z, &op));
        check_pull(ctx, &op, pair.theta, pair.parameters.count, 1 + c % 3);
        OK(kr_op_check(ctx, &op, 2, 1, pair.parameters.count, pair.theta));
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(all_weights_given)
{
    enum { N = 150, M = 260, K = 2 };
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c++)
        for (int form = 0; form < 3; form++) { /* a Gram matrix, a wide and a tall one */
            const size_t rows = form == 2 ? M : N, cols = form == 1 ? M : N;
            struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
            const struct kr_points x = points_about(ctx, rows, 1, 1), z = points_about(ctx, cols, 1, 2);
            double *U = normals(ctx, rows * K, 1), *V = normals(ctx, cols * K, 2),
                   *W = kr_alloc(ctx, rows * cols, sizeof *W), low_rank[MOST] = {0}, all[MOST] = {0},
                   scale = 0;
            struct kr_op op;
            OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, form ? &z : NULL, &op));
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < cols; j++)
                    W[i * cols + j] = 0.3 * (U[i] * V[j] + U[i + rows] * V[j + cols]);
            OK(kr_op_pull(ctx, &op, K, U, V, 0.3, low_rank));
            OK(kr_op_kernel_pull_weights(ctx, &op, W, all));
            for (size_t p = 0; p < pair.parameters.count; p++)
                scale = fmax(scale, fabs(low_rank[p]));
            for (size_t p = 0; p < pair.parameters.count; p++)
                CLOSE(all[p], low_rank[p], scale, 1e-12, "%s, parameter %zu, form %d", cases[c].name, p,
                      form);
        }
    kr_ctx_fini(ctx);
}
END_TEST

static void check_close(const char *name, size_t count, const double *got, const double *wanted)
{
    double scale = 0;
    for (size_t e = 0; e < count; e++)
        scale = fmax(scale, fabs(wanted[e]));
    for (size_t e = 0; e < count; e++)
        CLOSE(got[e], wanted[e], scale, 1e-12, "%s, entry %zu of %zu", name, e, count);
}

/* By the points of both sides, of a Gram matrix and of one side of it, with U V' and W; adds. */
static void compare_inputs(const char *name, const struct kr_op ops[2])
{
    enum { K = 3 };
    const size_t rows = ops->rows, cols = ops->cols;
    double *U = normals(ctx, rows * K, 1), *V = normals(ctx, cols * K, 2), *W = normals(ctx, rows * cols, 3),
           *out[2][5];
    for (int plain = 0; plain < 2; plain++) {
        for (int o = 0; o < 5; o++)
            out[plain][o] = normals(ctx, (rows + cols) * FEATURES, 4);
        OK(kr_op_kernel_pull_inputs(ctx, &ops[plain], K, U, V, 0.3, out[plain][0], out[plain][1]));
        OK(kr_op_kernel_pull_inputs_weights(ctx, &ops[plain], W, out[plain][2], out[plain][3]));
        OK(kr_op_kernel_pull_x(ctx, &ops[plain], K, U, V, 0.3, out[plain][4]));
    }
    for (int o = 0; o < 5; o++)
        check_close(name, (rows + cols) * FEATURES, out[0][o], out[1][o]);
}

START_TEST(by_the_points)
{
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    const struct kr_points x = points_about(ctx, 150, 0.5, 1), z = points_about(ctx, 70, 0.5, 2),
                           far_out = points_about(ctx, 150, 50, 3);
    for (size_t c = 0; c < count; c++)
        for (int form = 0; form < 4; form++) {
            struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
            const struct kr_points *left = form == 2   ? &z
                                           : form == 3 ? &far_out
                                                       : &x,
                                   *right = form == 0   ? NULL
                                            : form == 1 ? &z
                                                        : &x;
            struct kr_op ops[2];
            OK(kr_op_kernel(ctx, pair.fused, pair.theta, left, right, &ops[0]));
            OK(kr_op_kernel(ctx, pair.plain, pair.theta, left, right, &ops[1]));
            compare_inputs(cases[c].name, ops);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_same_bits)
{
    enum { N = 900, K = 2 };
    static const int threads[] = {1, 2, 5};
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = fused_cases(ctx, cases);
    for (size_t c = 0; c < count; c += 3) {
        struct pair_of_kernels pair = build_pair(ctx, &cases[c].spec);
        const struct kr_points x = points_about(ctx, N, 1, 1), z = points_about(ctx, N / 2, 1, 2);
        double *U = normals(ctx, N * K, 3), *V = normals(ctx, N * K, 4);
        for (int cross = 0; cross < 2; cross++) {
            struct kr_op op;
            OK(kr_op_kernel(ctx, pair.fused, pair.theta, &x, cross ? &z : NULL, &op));
            for (int single = 0; single < (kr_op_single(&op) ? 2 : 1); single++) {
                double first[MOST] = {0};
                for (size_t t = 0; t < 3; t++) {
                    double grad[MOST] = {0};
                    ctx->threads = threads[t];
                    OK(kr_op_pull(ctx, single ? kr_op_single(&op) : &op, K, U, V, 1, grad));
                    if (t == 0)
                        memcpy(first, grad, sizeof first);
                    ck_assert_mem_eq(first, grad, sizeof first);
                }
            }
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("fused pulls", as_the_unfused_path, points_far_out, by_differences, all_weights_given, by_the_points,
      the_same_bits)
