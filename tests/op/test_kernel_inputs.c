/* Pulls of kernel operators for their points: derivatives of <U, K(X, Z) V>, for every kernel. */
#include "checks.h"

#include <string.h>

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t ncases;

/* One kernel on two sets of points, which stand for n and m of its own arrays. */
struct setting {
    struct kr_kernel *kernel;
    double *theta, *x, *z;
    struct kr_points X, Z;
    struct kr_op op;
};

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    ncases = kernel_cases(ctx, cases);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* m = 0: a Gram matrix. The points lie `gap` apart in their arrays. */
static void set(const struct kr_variant *spec, size_t n, size_t m, size_t gap, struct setting *s)
{
    struct kr_parameters parameters = {0};
    const struct kr_dataset a = small_data(ctx, n + gap, false, 3),
                            b = small_data(ctx, m + gap + 1, false, 4);
    OK(kr_kernel_build(ctx, spec, FEATURES, a.feature_names, "", "kernel", &parameters, &s->kernel));
    s->theta = kr_alloc(ctx, parameters.count, sizeof(double));
    for (size_t p = 0; p < parameters.count; p++)
        s->theta[p] = parameters.items[p].spec.value;
    s->x = (double *)(uintptr_t)a.x;
    s->z = (double *)(uintptr_t)b.x;
    s->X = (struct kr_points){n, FEATURES, n + gap, a.x};
    s->Z = (struct kr_points){m, FEATURES, m + gap + 1, b.x};
    OK(kr_op_kernel(ctx, s->kernel, s->theta, &s->X, m ? &s->Z : NULL, &s->op));
}

struct form {
    const struct setting *s;
    size_t k;
    const double *U, *V;
    double alpha, *KV, *coordinate;
};

static double form_at(void *self, double value)
{
    struct form *f = self;
    const double before = *f->coordinate;
    *f->coordinate = value;
    OK(kr_op_apply(ctx, &f->s->op, f->k, f->V, f->KV));
    *f->coordinate = before;
    return f->alpha * dot(f->s->op.rows * f->k, f->U, f->KV);
}

/* bar begins as ones: a pull adds. Every `step`th point is checked. */
static void check_side(struct form *f, const char *name, const struct kr_points *x, double *values,
                       const double *bar, size_t step)
{
    double scale = 0;
    for (size_t e = 0; e < x->n * FEATURES; e++)
        scale = fmax(scale, fabs(bar[e] - 1));
    for (size_t k = 0; k < FEATURES; k++)
        for (size_t i = 0; i < x->n; i += step) {
            f->coordinate = &values[k * x->ld + i];
            const double got = bar[k * x->n + i] - 1;
            CLOSE(got, derivative(form_at, f, *f->coordinate), fmax(fabs(got), 1e-2 * scale) + 1e-9, 1e-6,
                  "%s: feature %zu of point %zu of %zu", name, k, i, x->n);
        }
}

static double *ones(size_t count)
{
    double *made = kr_alloc(ctx, count, sizeof *made);
    for (size_t i = 0; i < count; i++)
        made[i] = 1;
    return made;
}

static void check_derivatives(const struct kernel_case *kernel, size_t n, size_t m, size_t step)
{
    struct kr_mark mark = kr_mark(ctx);
    struct setting s;
    set(&kernel->spec, n, m, 3, &s);
    for (size_t k = 1; k <= 3; k += 2) {
        struct form f = {&s,
                         k,
                         normals(ctx, n * k, 1),
                         normals(ctx, s.op.cols * k, 2),
                         -0.7,
                         kr_alloc(ctx, n * k, sizeof(double)),
                         NULL};
        double *X_bar = ones(n * FEATURES), *Z_bar = ones(s.op.cols * FEATURES);
        OK(kr_op_kernel_pull_inputs(ctx, &s.op, k, f.U, f.V, f.alpha, X_bar, m ? Z_bar : NULL));
        check_side(&f, kernel->name, &s.X, s.x, X_bar, step);
        if (m)
            check_side(&f, kernel->name, &s.Z, s.z, Z_bar, step);
    }
    kr_release(ctx, mark);
}

/* hamming has steps, not derivatives. */
START_TEST(pulls_are_derivatives)
{
    size_t checked = 0;
    for (size_t c = 0; c < ncases; c++) {
        if (strncmp(cases[c].name, "hamming", 7) == 0)
            continue;
        check_derivatives(&cases[c], 9, 0, 1);
        check_derivatives(&cases[c], 8, 5, 1);
        checked++;
    }
    ck_assert_uint_gt(checked, 20);
    check_derivatives(&cases[ncases - 1], KR_TILE + 9, 0, 31);
    check_derivatives(&cases[ncases - 1], KR_TILE + 9, 2 * KR_TILE + 5, 67);
}
END_TEST

START_TEST(steps_have_none)
{
    struct setting s;
    struct kr_variant hamming = leaf(ctx, kernel_type("hamming"), 0);
    double *X_bar = ones(7 * FEATURES), *U = normals(ctx, 7, 1);
    set(&hamming, 7, 0, 0, &s);
    OK(kr_op_kernel_pull_inputs(ctx, &s.op, 1, U, U, 1, X_bar, NULL));
    for (size_t e = 0; e < 7 * FEATURES; e++)
        ck_assert(X_bar[e] == 1);
}
END_TEST

/* All weights given as a matrix are the same as U V' when they are that; one side alone is as with both. */
START_TEST(all_weights)
{
    enum { N = KR_TILE + 30, M = 2 * KR_TILE + 5, K = 2 };
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        struct setting s;
        set(&cases[ncases - 1].spec, N, symmetric ? 0 : M, 0, &s);
        const size_t cols = s.op.cols;
        double *U = normals(ctx, N * K, 1), *V = normals(ctx, cols * K, 2),
               *W = kr_alloc(ctx, N * cols, sizeof *W), scale = 0;
        double *X_low = ones(N * FEATURES), *Z_low = ones(cols * FEATURES), *X_all = ones(N * FEATURES),
               *Z_all = ones(cols * FEATURES);
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < cols; j++)
                for (size_t c = 0; c < K; c++)
                    W[i * cols + j] += 0.3 * U[i + c * N] * V[j + c * cols];
        OK(kr_op_kernel_pull_inputs(ctx, &s.op, K, U, V, 0.3, X_low, Z_low));
        OK(kr_op_kernel_pull_inputs_weights(ctx, &s.op, W, X_all, NULL));
        OK(kr_op_kernel_pull_inputs_weights(ctx, &s.op, W, NULL, Z_all));
        for (size_t e = 0; e < N * FEATURES; e++)
            scale = fmax(scale, fabs(X_low[e]));
        for (size_t e = 0; e < N * FEATURES; e++)
            CLOSE(X_all[e], X_low[e], scale, 1e-12, "entry %zu of X, symmetric %d", e, symmetric);
        for (size_t e = 0; e < cols * FEATURES; e++)
            CLOSE(Z_all[e], Z_low[e], scale, 1e-12, "entry %zu of Z, symmetric %d", e, symmetric);
    }
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 2 * KR_TILE + 45, M = KR_TILE + 7, K = 3 };
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        struct setting s;
        set(&cases[ncases - 1].spec, N, symmetric ? 0 : M, 0, &s);
        double *U = normals(ctx, N * K, 1), *V = normals(ctx, s.op.cols * K, 2), *X_bar[3], *Z_bar[3];
        for (int t = 0; t < 3; t++) {
            ctx->threads = 1 + 2 * t;
            X_bar[t] = ones(N * FEATURES);
            Z_bar[t] = ones(s.op.cols * FEATURES);
            OK(kr_op_kernel_pull_inputs(ctx, &s.op, K, U, V, 1, X_bar[t], Z_bar[t]));
            ck_assert_mem_eq(X_bar[t], X_bar[0], N * FEATURES * sizeof **X_bar);
            ck_assert_mem_eq(Z_bar[t], Z_bar[0], s.op.cols * FEATURES * sizeof **Z_bar);
        }
    }
}
END_TEST

struct moved {
    const struct setting *s;
    const double *weights;
    double *coordinate, *scratch, *values;
};

static double diagonal_at(void *self, double value)
{
    struct moved *m = self;
    const double before = *m->coordinate;
    *m->coordinate = value;
    kr_kernel_diagonal(m->s->kernel, m->s->theta, &m->s->X, m->scratch, m->values);
    *m->coordinate = before;
    return dot(m->s->X.n, m->weights, m->values);
}

START_TEST(diagonal_pulls_are_derivatives)
{
    enum { N = 6 };
    for (size_t c = 0; c < ncases; c++) {
        struct setting s;
        set(&cases[c].spec, N, 0, 2, &s);
        double *bar = ones(N * FEATURES), scale = 0,
               *scratch = kr_alloc(ctx, kr_kernel_scratch(s.kernel), sizeof *scratch);
        struct moved m = {&s, normals(ctx, N, 3), NULL, scratch, kr_alloc(ctx, N, sizeof(double))};
        kr_kernel_diagonal_pull_x(s.kernel, s.theta, &s.X, m.weights, scratch, bar);
        for (size_t e = 0; e < N * FEATURES; e++)
            scale = fmax(scale, fabs(bar[e] - 1));
        for (size_t k = 0; k < FEATURES; k++)
            for (size_t i = 0; i < N; i++) {
                m.coordinate = &s.x[k * s.X.ld + i];
                CLOSE(bar[k * N + i] - 1, derivative(diagonal_at, &m, *m.coordinate), scale + 1e-9, 1e-6,
                      "%s: feature %zu of point %zu", cases[c].name, k, i);
            }
    }
}
END_TEST

START_TEST(manners)
{
    struct setting s;
    set(&cases[0].spec, 20, 0, 0, &s);
    double *U = normals(ctx, 20, 1), *X_bar = ones(20 * FEATURES);
    const size_t used = ctx->used;
    OK(kr_op_kernel_pull_inputs(ctx, &s.op, 0, NULL, NULL, 1, X_bar, NULL));
    for (size_t e = 0; e < 20 * FEATURES; e++)
        ck_assert(X_bar[e] == 1);
    OK(kr_op_kernel_pull_inputs(ctx, &s.op, 1, U, U, 1, X_bar, NULL));
    ck_assert_uint_eq(ctx->used, used);
    ctx->budget = used + 1000;
    ck_assert_int_eq(kr_op_kernel_pull_inputs(ctx, &s.op, 1, U, U, 1, X_bar, NULL), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(ctx);
    ctx->budget = 0;
    kr_cancel(ctx);
    ck_assert_int_eq(kr_op_kernel_pull_inputs(ctx, &s.op, 1, U, U, 1, X_bar, NULL), KR_CANCELLED);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("inputs of kernel operators");
    TCase *tcase = tcase_create("inputs of kernel operators");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, pulls_are_derivatives);
    tcase_add_test(tcase, steps_have_none);
    tcase_add_test(tcase, all_weights);
    tcase_add_test(tcase, same_bits_with_any_number_of_threads);
    tcase_add_test(tcase, diagonal_pulls_are_derivatives);
    tcase_add_test(tcase, manners);
    suite_add_tcase(made, tcase);
    return made;
}
