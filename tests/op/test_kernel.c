/* K(X, Z) by tiles: sizes on both sides of a tile, points that are a window of a larger array, all weights
 * and low rank. */
#include "checks.h"

enum { MOST_POINTS = 2 * KR_TILE + 30 };

static struct kr_ctx context, *ctx;
static struct kr_kernel *kernel;
static double theta[16];
static size_t parameter_count;
static struct kr_dataset data;

/* The richest tree of the conformance cases, and white noise, which asks who a point is. */
static void setup(void)
{
    struct kr_parameters parameters = {0};
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1; /* of few tiles: threads would mostly wait; test_kernels.c compares them */
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    size_t last = kernel_cases(ctx, cases) - 1;
    data = small_data(ctx, 2 * MOST_POINTS, false, 3);
    struct kr_variant parts[2] = {cases[last].spec, leaf(ctx, kernel_type("white"), 0)}, spec;
    composite(ctx, kernel_type("sum"), 2, parts, &spec);
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    parameter_count = parameters.count;
    ck_assert_uint_le(parameter_count, sizeof theta / sizeof *theta);
    for (size_t p = 0; p < parameter_count; p++)
        theta[p] = parameters.items[p].spec.value;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static struct kr_points window(size_t first, size_t n)
{
    return (struct kr_points){n, FEATURES, data.n, data.x + first};
}

/* Entry by entry, with tiles of one. */
static double *explicit_matrix(const struct kr_points *x, const struct kr_points *z)
{
    double *A = kr_alloc(ctx, x->n * z->n, sizeof *A),
           *scratch = kr_alloc(ctx, kr_kernel_scratch(kernel), sizeof *scratch);
    for (size_t j = 0; j < z->n; j++)
        for (size_t i = 0; i < x->n; i++) {
            struct kr_tile tile = {1, 1, x->x + i, z->x + j, x->ld, z->ld};
            kernel->type->eval(kernel, theta, &tile, &A[i + j * x->n], scratch);
        }
    return A;
}

static void check_shape(size_t n, size_t m)
{
    struct kr_mark mark = kr_mark(ctx);
    struct kr_points x = window(0, n), z = m ? window(MOST_POINTS, m) : x;
    struct kr_op op;
    double *A = explicit_matrix(&x, &z);
    OK(kr_op_kernel(ctx, kernel, theta, &x, m ? &z : NULL, &op));
    ck_assert(op.rows == n && op.cols == z.n && op.symmetric == (m == 0));
    for (size_t k = 1; k <= 3; k += 2) {
        check_products(ctx, &op, A, k);
        check_pull(ctx, &op, theta, parameter_count, k);
    }
    check_fill(ctx, &op, A);
    check_questions(ctx, &op, A);
    check_manners(ctx, &op, parameter_count);
    kr_release(ctx, mark);
}

START_TEST(gram_matrices)
{
    static const size_t sizes[] = {1, 2, KR_TILE - 1, KR_TILE, KR_TILE + 1, MOST_POINTS};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        check_shape(sizes[s], 0);
}
END_TEST

START_TEST(cross_matrices)
{
    static const size_t shapes[][2] = {{1, 1},    {1, KR_TILE + 1},  {KR_TILE + 1, 1}, {KR_TILE, KR_TILE - 1},
                                       {50, 200}, {MOST_POINTS, 140}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        check_shape(shapes[s][0], shapes[s][1]);
}
END_TEST

/* All weights given as a matrix are the same as U V' when they are that. */
START_TEST(all_weights)
{
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        enum { N = KR_TILE + 30, M = 2 * KR_TILE + 5, K = 2 };
        const size_t cols = symmetric ? N : M;
        struct kr_points x = window(0, N), z = window(MOST_POINTS, M);
        struct kr_op op;
        double *U = normals(ctx, N * K, 1), *V = normals(ctx, cols * K, 2),
               *W = kr_alloc(ctx, N * cols, sizeof *W);
        double low_rank[16] = {0}, all[16] = {0}, scale = 0;
        OK(kr_op_kernel(ctx, kernel, theta, &x, symmetric ? NULL : &z, &op));
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < cols; j++)
                for (size_t c = 0; c < K; c++)
                    W[i * cols + j] += 0.3 * U[i + c * N] * V[j + c * cols];
        OK(kr_op_pull(ctx, &op, K, U, V, 0.3, low_rank));
        OK(kr_op_kernel_pull_weights(ctx, &op, W, all));
        for (size_t p = 0; p < parameter_count; p++)
            scale = fmax(scale, fabs(low_rank[p]));
        for (size_t p = 0; p < parameter_count; p++)
            CLOSE(all[p], low_rank[p], scale, 1e-12, "parameter %zu, symmetric %d", p, symmetric);
    }
}
END_TEST

/* By the points, against tiles of one; adds, and X of a Gram matrix is its first argument. */
static void check_pull_x(size_t n, size_t m)
{
    enum { K = 2 };
    struct kr_points x = window(0, n), z = m ? window(MOST_POINTS, m) : x;
    struct kr_op op;
    double *U = normals(ctx, n * K, 1), *V = normals(ctx, z.n * K, 2),
           *got = kr_alloc(ctx, n * FEATURES, sizeof *got),
           *wanted = kr_alloc(ctx, n * FEATURES, sizeof *wanted),
           *scratch = kr_alloc(ctx, kr_kernel_scratch(kernel), sizeof *scratch), scale = 0;
    for (size_t e = 0; e < n * FEATURES; e++)
        got[e] = wanted[e] = 7;
    OK(kr_op_kernel(ctx, kernel, theta, &x, m ? &z : NULL, &op));
    OK(kr_op_kernel_pull_x(ctx, &op, K, U, V, 0.3, got));
    OK(kr_op_kernel_pull_x(ctx, &op, 0, U, V, 0.3, got));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < z.n; j++) {
            struct kr_tile tile = {1, 1, x.x + i, z.x + j, x.ld, z.ld};
            const double weight = 0.3 * (U[i] * V[j] + U[i + n] * V[j + z.n]);
            kernel->type->pull_x(kernel, theta, &tile, &weight, wanted + i, n, scratch);
        }
    for (size_t e = 0; e < n * FEATURES; e++)
        scale = fmax(scale, fabs(wanted[e]));
    for (size_t e = 0; e < n * FEATURES; e++)
        CLOSE(got[e], wanted[e], scale, 1e-12, "%zu x %zu, entry %zu", n, m, e);
}

START_TEST(derivatives_by_points)
{
    static const size_t shapes[][2] = {{1, 1},    {1, KR_TILE + 1},   {KR_TILE + 1, 1},
                                       {50, 200}, {MOST_POINTS, 140}, {KR_TILE + 30, 0}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        check_pull_x(shapes[s][0], shapes[s][1]);
}
END_TEST

START_TEST(memory_is_bounded)
{
    struct kr_points x = window(0, 40);
    struct kr_op op;
    double *v = normals(ctx, 40, 1), *Kv = normals(ctx, 40, 2);
    OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &op));
    const size_t used = ctx->used;
    OK(kr_op_apply(ctx, &op, 1, v, Kv));
    ck_assert_uint_eq(ctx->used, used);
    ctx->budget = used + 1000;
    ck_assert_int_eq(kr_op_apply(ctx, &op, 1, v, Kv), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_op_pull(ctx, &op, 1, v, v, 1, theta), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_op_fill(ctx, &op, Kv), KR_MEMORY_LIMIT);
}
END_TEST

START_TEST(a_deadline_ends_a_product)
{
    struct kr_points x = window(0, 40);
    struct kr_op op;
    double *v = normals(ctx, 40, 1), *Kv = normals(ctx, 40, 2);
    OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &op));
    ctx->deadline = kr_seconds() - 1;
    ck_assert_int_eq(kr_op_apply(ctx, &op, 1, v, Kv), KR_TIME_LIMIT);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("kernel operator");
    TCase *tcase = tcase_create("kernel operator");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, gram_matrices);
    tcase_add_test(tcase, cross_matrices);
    tcase_add_test(tcase, all_weights);
    tcase_add_test(tcase, derivatives_by_points);
    tcase_add_test(tcase, memory_is_bounded);
    tcase_add_test(tcase, a_deadline_ends_a_product);
    suite_add_tcase(made, tcase);
    return made;
}
