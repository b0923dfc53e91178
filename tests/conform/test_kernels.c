/*
 * What every kernel owes: its values are those of a scalar definition written here, Gram matrices are
 * symmetric and positive semi-definite, its pull is the derivative of its values, and tiles do not show.
 */
#include "kernel_formulas.h"

extern void dsyev_(const char *job, const char *uplo, const int *n, double *A, const int *lda, double *w,
                   double *work, const int *lwork, int *info);

/* ---- cases ---- */

struct built {
    const char *name;
    const struct kr_variant *spec;
    struct kr_kernel *kernel;
    size_t count;
    double *theta, *scratch;
};

static void build(struct kr_ctx *ctx, const struct kernel_case *kernel_case, struct built *out)
{
    static const char *const names[FEATURES] = {"a", "b", "c"};
    struct kr_parameters parameters = {0};
    *out = (struct built){.name = kernel_case->name, .spec = &kernel_case->spec};
    OK(kr_kernel_build(ctx, out->spec, FEATURES, names, "/model/kernel", "kernel", &parameters,
                       &out->kernel));
    out->count = parameters.count;
    out->theta = kr_alloc(ctx, parameters.count, sizeof *out->theta);
    out->scratch = kr_alloc(ctx, kr_kernel_scratch(out->kernel), sizeof *out->scratch);
    for (size_t p = 0; p < parameters.count; p++)
        out->theta[p] = parameters.items[p].spec.value + 0.03 * (double)p; /* entries of an ard differ */
}

/* The cases that all suites walk, and a sum in a product in a sum, with `features` and `ard`. */
static size_t all_cases(struct kr_ctx *ctx, struct built *out)
{
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES + 2, sizeof *cases);
    size_t count = kernel_cases(ctx, cases);
    struct kr_variant sum[2] = {leaf(ctx, kernel_type("matern12"), 2), leaf(ctx, kernel_type("rbf"), 0)},
                      product[2], nested[2];
    for (int c = 0; c < 2; c++)
        *(bool *)member(sum[c].options, kernel_type("rbf")->ard) = true;
    composite(ctx, kernel_type("sum"), 2, sum, &product[0]);
    product[1] = leaf(ctx, kernel_type("matern52"), 2);
    composite(ctx, kernel_type("product"), 2, product, &nested[0]);
    nested[1] = leaf(ctx, kernel_type("constant"), 0);
    snprintf(cases[count].name, sizeof cases[count].name, "nested, with features and ard");
    composite(ctx, kernel_type("sum"), 2, nested, &cases[count++].spec);
    struct kr_variant season[2] = {leaf(ctx, kernel_type("periodic"), 2),
                                   leaf(ctx, kernel_type("rational_quadratic"), 1)},
                      parts[3];
    composite(ctx, kernel_type("product"), 2, season, &parts[0]);
    parts[1] = leaf(ctx, kernel_type("linear"), 1);
    parts[2] = leaf(ctx, kernel_type("white"), 0);
    snprintf(cases[count].name, sizeof cases[count].name, "season, trend and white noise");
    composite(ctx, kernel_type("sum"), 3, parts, &cases[count++].spec);
    for (size_t c = 0; c < count; c++)
        build(ctx, &cases[c], &out[c]);
    return count;
}

/* Every fifth point repeats an earlier one: distance 0 is where formulas break. */
static struct kr_points points(struct kr_ctx *ctx, size_t n, uint64_t seed)
{
    const size_t ld = n + 3;
    double *x = kr_alloc(ctx, ld * FEATURES, sizeof *x);
    struct kr_rng rng;
    kr_rng_init(&rng, seed, 1);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < FEATURES; k++)
            x[k * ld + i] = i % 5 == 4 ? x[k * ld + i / 2] : (1 + (double)k) * kr_rng_normal(&rng);
    return (struct kr_points){n, FEATURES, ld, x};
}

#define EACH_CASE(ctx, b)                                                                                    \
    struct kr_ctx context_, *ctx = &context_;                                                                \
    kr_ctx_init(ctx, 0);                                                                                     \
    struct built *built_ = kr_alloc(ctx, MOST_CASES + 2, sizeof *built_);                                    \
    const size_t count_ = all_cases(ctx, built_);                                                            \
    for (const struct built *b = built_; b < built_ + count_; b++)

/* ---- tests ---- */

START_TEST(values_are_the_definition)
{
    EACH_CASE(ctx, b)
    {
        struct kr_points x = points(ctx, 9, 1), z = points(ctx, 13, 2);
        double *values = kr_alloc(ctx, x.n * z.n, sizeof *values);
        memcpy((double *)(uintptr_t)z.x, x.x, sizeof *x.x); /* one feature in common */
        struct kr_tile tile = {x.n, z.n, x.x, z.x, x.ld, z.ld};
        b->kernel->type->eval(b->kernel, b->theta, &tile, values, b->scratch);
        for (size_t i = 0; i < x.n; i++)
            for (size_t j = 0; j < z.n; j++) {
                const double *theta = b->theta;
                double wanted = (double)entry(b->spec, &theta, &x, i, &z, j);
                ck_assert_uint_eq(theta - b->theta, b->count);
                CLOSE(values[i * z.n + j], wanted, size_of(b->spec, b->theta, &x, i, &z, j, wanted), 1e-13,
                      "%s at %zu, %zu", b->name, i, j);
            }
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(gram_matrices_are_symmetric_and_positive)
{
    EACH_CASE(ctx, b)
    {
        struct kr_points x = points(ctx, 60, 3);
        const int n = (int)x.n, lwork = 64 * n;
        int info;
        double *K = kr_alloc(ctx, x.n * x.n, sizeof *K), *w = kr_alloc(ctx, x.n, sizeof *w), trace = 0;
        double *work = kr_alloc(ctx, (size_t)lwork, sizeof *work),
               *diagonal = kr_alloc(ctx, x.n, sizeof *diagonal);
        struct kr_tile tile = {x.n, x.n, x.x, x.x, x.ld, x.ld};
        b->kernel->type->eval(b->kernel, b->theta, &tile, K, b->scratch);
        kr_kernel_diagonal(b->kernel, b->theta, &x, b->scratch, diagonal);
        for (size_t i = 0; i < x.n; i++) {
            trace += K[i * x.n + i];
            CLOSE(diagonal[i], K[i * x.n + i], K[i * x.n + i], 1e-15, "%s, diagonal", b->name);
            for (size_t j = 0; j < i; j++)
                ck_assert_msg(K[i * x.n + j] == K[j * x.n + i], "%s: not symmetric", b->name);
        }
        dsyev_("N", "L", &n, K, &n, w, work, &lwork, &info);
        ck_assert_int_eq(info, 0);
        ck_assert_msg(w[0] >= -1e-12 * trace, "%s: an eigenvalue is %g of the trace", b->name, w[0] / trace);
    }
    kr_ctx_fini(ctx);
}
END_TEST

struct weighted {
    const struct built *built;
    const struct kr_tile *tile;
    const double *W;
    double *values;
    size_t index;
};

/* sum W o K as a function of one parameter */
static double weighted_sum(void *self, double value)
{
    struct weighted *w = self;
    const struct built *b = w->built;
    double before = b->theta[w->index];
    long double sum = 0;
    b->theta[w->index] = value;
    b->kernel->type->eval(b->kernel, b->theta, w->tile, w->values, b->scratch);
    b->theta[w->index] = before;
    for (size_t e = 0; e < w->tile->m * w->tile->n; e++)
        sum += (long double)w->W[e] * w->values[e];
    return (double)sum;
}

static void check_pull(struct kr_ctx *ctx, const struct built *b, struct kr_tile tile)
{
    const size_t entries = tile.m * tile.n;
    struct kr_rng rng;
    double *W = kr_alloc(ctx, entries, sizeof *W), *values = kr_alloc(ctx, entries, sizeof *values);
    double *grad = kr_alloc(ctx, b->count, sizeof *grad), scale = 0;
    kr_rng_init(&rng, 4, tile.n);
    for (size_t e = 0; e < entries; e++)
        W[e] = kr_rng_normal(&rng);
    for (size_t p = 0; p < b->count; p++)
        grad[p] = 1; /* a pull adds */
    b->kernel->type->pull(b->kernel, b->theta, &tile, W, grad, b->scratch);
    for (size_t p = 0; p < b->count; p++)
        scale = fmax(scale, fabs(grad[p] -= 1));
    for (size_t p = 0; p < b->count; p++) {
        struct weighted w = {b, &tile, W, values, p};
        CLOSE(grad[p], derivative(weighted_sum, &w, b->theta[p]), fmax(fabs(grad[p]), 1e-2 * scale), 1e-6,
              "%s, parameter %zu of %zu, tile %zu x %zu", b->name, p, b->count, tile.m, tile.n);
    }
}

START_TEST(pulls_are_derivatives)
{
    EACH_CASE(ctx, b)
    {
        struct kr_points x = points(ctx, KR_TILE, 5), z = points(ctx, KR_TILE, 6);
        check_pull(ctx, b, (struct kr_tile){7, 11, x.x, z.x, x.ld, z.ld});
        check_pull(ctx, b, (struct kr_tile){1, 1, x.x, z.x, x.ld, z.ld});
        check_pull(ctx, b, (struct kr_tile){9, 9, x.x, x.x, x.ld, x.ld});
        check_pull(ctx, b, (struct kr_tile){KR_TILE, KR_TILE, x.x, z.x, x.ld, z.ld});
    }
    kr_ctx_fini(ctx);
}
END_TEST

struct moved {
    const struct weighted *sum;
    double *coordinate;
};

static double sum_at(void *self, double value)
{
    const struct moved *m = self;
    struct weighted *w = (struct weighted *)(uintptr_t)m->sum;
    double before = *m->coordinate;
    *m->coordinate = value;
    double sum = weighted_sum(w, w->built->theta[0]);
    *m->coordinate = before;
    return sum;
}

/* d/dx of sum W o K, x apart from z; hamming has steps, not derivatives, and is left out. */
START_TEST(input_pulls_are_derivatives)
{
    EACH_CASE(ctx, b)
    {
        enum { M = 7, N = 11 };
        struct kr_points x = points(ctx, M, 15), z = points(ctx, N, 16);
        struct kr_tile tile = {M, N, x.x, z.x, x.ld, z.ld};
        double *values = kr_alloc(ctx, M * N, sizeof *values), W[M * N], grad[FEATURES * (M + 2)], scale = 0;
        if (b->spec->type == &kernel_type("hamming")->base)
            continue;
        for (size_t e = 0; e < M * N; e++)
            W[e] = cos(1.7 * (double)e);
        for (size_t e = 0; e < FEATURES * (M + 2); e++)
            grad[e] = 1;
        if (b->kernel->type->pull_x)
            b->kernel->type->pull_x(b->kernel, b->theta, &tile, W, grad, M + 2, b->scratch);
        for (size_t e = 0; e < FEATURES * (M + 2); e++)
            scale = fmax(scale, fabs(grad[e] - 1));
        for (size_t k = 0; k < FEATURES; k++)
            for (size_t i = 0; i < M; i++) {
                struct weighted w = {b, &tile, W, values, 0};
                struct moved m = {&w, (double *)(uintptr_t)&x.x[k * x.ld + i]};
                double got = grad[k * (M + 2) + i] - 1;
                CLOSE(got, derivative(sum_at, &m, *m.coordinate), fmax(fabs(got), 1e-2 * scale) + 1e-12, 1e-6,
                      "%s, feature %zu of point %zu", b->name, k, i);
            }
        for (size_t k = 0; k < FEATURES; k++)
            ck_assert(grad[k * (M + 2) + M] == 1 && grad[k * (M + 2) + M + 1] == 1);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(diagonal_pulls_are_derivatives)
{
    EACH_CASE(ctx, b)
    {
        struct kr_points x = points(ctx, 20, 7);
        double weights[20], *once = kr_alloc(ctx, b->count, sizeof *once),
                            *each = kr_alloc(ctx, b->count, sizeof *each);
        for (size_t i = 0; i < x.n; i++) {
            struct kr_tile tile = {1, 1, x.x + i, x.x + i, x.ld, x.ld};
            weights[i] = sin((double)i + 1);
            b->kernel->type->pull(b->kernel, b->theta, &tile, &weights[i], each, b->scratch);
        }
        kr_kernel_diagonal_pull(b->kernel, b->theta, &x, weights, b->scratch, once);
        for (size_t p = 0; p < b->count; p++)
            CLOSE(once[p], each[p], fabs(each[p]), 1e-13, "%s, parameter %zu", b->name, p);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(tiles_do_not_show)
{
    static const size_t sizes[] = {1, KR_TILE - 1, KR_TILE, KR_TILE + 1};
    EACH_CASE(ctx, b)
    {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct kr_mark mark = kr_mark(ctx);
            struct kr_points x = points(ctx, sizes[s], 8);
            struct kr_op op;
            double *v = kr_alloc(ctx, x.n, sizeof *v), *Kv = kr_alloc(ctx, x.n, sizeof *Kv);
            for (size_t i = 0; i < x.n; i++)
                v[i] = cos(3 * (double)i);
            OK(kr_op_kernel(ctx, b->kernel, b->theta, &x, NULL, &op));
            OK(kr_op_apply(ctx, &op, 1, v, Kv));
            for (size_t i = 0; i < x.n; i += 1 + x.n / 6) {
                long double sum = 0, size = 0;
                for (size_t j = 0; j < x.n; j++) {
                    const double *theta = b->theta;
                    long double term = entry(b->spec, &theta, &x, i, &x, j) * v[j];
                    sum += term;
                    size += fabs(size_of(b->spec, b->theta, &x, i, &x, j, (double)(term / v[j])) * v[j]);
                }
                CLOSE(Kv[i], (double)sum, (double)size, 1e-13, "%s, row %zu of %zu", b->name, i, x.n);
            }
            kr_release(ctx, mark);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 2 * KR_TILE + 45, COLUMNS = 3 };
    EACH_CASE(ctx, b)
    {
        struct kr_mark mark = kr_mark(ctx);
        struct kr_points x = points(ctx, N, 9);
        struct kr_op op;
        double *V = kr_alloc(ctx, N * COLUMNS, sizeof *V), *K[2], *KV[2], *grad[2];
        for (size_t i = 0; i < N * COLUMNS; i++)
            V[i] = cos(3 * (double)i);
        OK(kr_op_kernel(ctx, b->kernel, b->theta, &x, NULL, &op));
        for (int t = 0; t < 2; t++) {
            ctx->threads = t + 1;
            K[t] = kr_alloc(ctx, N * N, sizeof **K);
            KV[t] = kr_alloc(ctx, N * COLUMNS, sizeof **KV);
            grad[t] = kr_alloc(ctx, b->count, sizeof **grad);
            OK(kr_op_fill(ctx, &op, K[t]));
            OK(kr_op_apply(ctx, &op, COLUMNS, V, KV[t]));
            OK(kr_op_pull(ctx, &op, COLUMNS, V, KV[t], 0.7, grad[t]));
        }
        ck_assert_mem_eq(K[0], K[1], N * N * sizeof **K);
        ck_assert_mem_eq(KV[0], KV[1], N * COLUMNS * sizeof **KV);
        ck_assert_mem_eq(grad[0], grad[1], b->count * sizeof **grad);
        kr_release(ctx, mark);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("kernels", values_are_the_definition, gram_matrices_are_symmetric_and_positive, pulls_are_derivatives,
      input_pulls_are_derivatives, diagonal_pulls_are_derivatives, tiles_do_not_show,
      same_bits_with_any_number_of_threads)
