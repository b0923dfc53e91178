/* Feature operators: products, adjoints, derivatives by theta, noise and inducing inputs, for every kernel.
 */
#include "feature_settings.h"

/* As check_pull, with a step for waves that are much faster than theta: error O(h^4) by Richardson. */
static void check_derivatives(struct setting *s, const struct kr_op *op, size_t k, double step)
{
    struct bilinear b = {
        ctx, op, s->theta, 0, k, normals(ctx, op->rows * k, 6), normals(ctx, op->cols * k, 7), NULL, 1};
    double *grad = kr_alloc(ctx, s->count, sizeof *grad), scale = 0;
    b.AV = kr_alloc(ctx, op->rows * k, sizeof *b.AV);
    OK(kr_op_pull(ctx, op, k, b.U, b.V, b.alpha, grad));
    for (size_t p = 0; p < s->count; p++)
        scale = fmax(scale, fabs(grad[p]));
    for (b.index = 0; b.index < s->count; b.index++) {
        const double x = s->theta[b.index], h = step * fmax(fabs(x), 0.1),
                     wide = (bilinear_form(&b, x + 2 * h) - bilinear_form(&b, x - 2 * h)) / (4 * h),
                     near = (bilinear_form(&b, x + h) - bilinear_form(&b, x - h)) / (2 * h);
        CLOSE(grad[b.index], near + (near - wide) / 3, fmax(fabs(grad[b.index]), 1e-2 * scale), 1e-6,
              "parameter %zu of %zu, k = %zu, %s", b.index, s->count, k, s->kernel->type->base.name);
    }
}

/* As check_fill, but a root makes rounding larger by its condition. */
static void check_entries(const struct setting *s, const struct kr_op *op, const double *A)
{
    double *filled = normals(ctx, op->rows * op->cols, 5);
    OK(kr_op_fill(ctx, op, filled));
    for (size_t e = 0; e < op->rows * op->cols; e++)
        CLOSE(filled[e], A[e], 1, 1e-14 * s->open.condition, "entry %zu", e);
}

static void check_operator(struct setting *s, double step)
{
    for (int noise = 0; noise < 2; noise++) {
        struct kr_mark mark = kr_mark(ctx);
        struct kr_op op;
        OK(kr_op_features(ctx, &s->open, &s->x, noise ? &s->noise : NULL, &op));
        double *A = entries(s, noise);
        for (size_t k = 1; k <= 3; k += 2) {
            check_products(ctx, &op, A, k);
            check_derivatives(s, &op, k, step);
        }
        check_entries(s, &op, A);
        check_manners(ctx, &op, s->count);
        kr_release(ctx, mark);
    }
}

START_TEST(fourier_operators)
{
    struct kernel_case *all;
    size_t count = cases(&all), taken = 0;
    for (size_t c = 0; c < count; c++) {
        struct setting s;
        if (!fourier(&all[c].spec, &s))
            continue;
        taken++;
        check_operator(&s, 1e-5);
    }
    ck_assert_uint_ge(taken, 20);
}
END_TEST

START_TEST(inducing_operators)
{
    struct kernel_case *all;
    size_t count = cases(&all), taken = 0;
    for (size_t c = 0; c < count; c++)
        for (int tuned = 0; tuned < 2; tuned++) {
            struct setting s;
            if (!inducing(&all[c].spec, tuned, &s))
                continue;
            if (s.open.jitter > 0) /* of a rank below INDUCING: differences would see the jitter's rounding */
                continue;
            taken++;
            check_operator(&s, 1e-4);
        }
    ck_assert_uint_ge(taken, 30);
}
END_TEST

static double *all_answers(struct setting *s, int threads, size_t *count)
{
    const size_t p = s->map.p, k = 2;
    struct kr_op op;
    double *out = kr_alloc(ctx, POINTS * (k + 1) + 2 * p * p + p * k + 2 * s->count, sizeof *out), *at = out,
           *U = normals(ctx, POINTS * k, 1), *V = normals(ctx, p * k, 2), *N = symmetric(p, 3);
    ctx->threads = threads;
    OK(kr_op_features(ctx, &s->open, &s->x, &s->noise, &op));
    OK(kr_op_apply(ctx, &op, k, V, at));
    OK(kr_op_apply_t(ctx, &op, k, U, at += POINTS * k));
    OK(kr_op_pull(ctx, &op, k, U, V, 0.7, at += p * k));
    OK(kr_features_lengths(ctx, &op, NULL, at += s->count));
    OK(kr_features_gram(ctx, &op, NULL, at += POINTS));
    OK(kr_features_gram(ctx, &op, U, at + p * p));
    OK(kr_features_pull_gram(ctx, &op, U, N, at + p * p, 0.7, at + 2 * p * p));
    *count = (size_t)(at - out) + 2 * p * p + s->count;
    return out;
}

START_TEST(the_same_bits_for_any_number_of_threads)
{
    struct kr_variant spec;
    struct setting s;
    rbf_and_linear(&spec);
    for (int kind = 0; kind < 2; kind++) {
        size_t count;
        ck_assert(kind ? inducing(&spec, true, &s) : fourier(&spec, &s));
        const double *one = all_answers(&s, 1, &count);
        for (int threads = 2; threads <= 5; threads += 3)
            ck_assert_mem_eq(one, all_answers(&s, threads, &count), count * sizeof *one);
    }
}
END_TEST

START_TEST(memory_is_bounded)
{
    struct kr_variant spec = leaf(ctx, kernel_type("rbf"), 0);
    struct setting s;
    struct kr_op op;
    ck_assert(fourier(&spec, &s));
    OK(kr_op_features(ctx, &s.open, &s.x, NULL, &op));
    const size_t k = 512;
    double *X = normals(ctx, POINTS * k, 1), *Y = normals(ctx, COUNT * k, 2),
           *G = kr_alloc(ctx, COUNT * COUNT, sizeof *G);
    const size_t used = ctx->used;
    OK(kr_op_apply_t(ctx, &op, k, X, Y));
    OK(kr_op_pull(ctx, &op, k, X, Y, 1, s.theta));
    OK(kr_features_gram(ctx, &op, NULL, G));
    ck_assert_uint_eq(ctx->used, used);
    ctx->budget = used + 1000;
    ck_assert_int_eq(kr_op_apply_t(ctx, &op, k, X, Y), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(ctx);
    ck_assert_int_eq(kr_op_pull(ctx, &op, k, X, Y, 1, s.theta), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(ctx);
    ctx->budget = 0;
    kr_cancel(ctx);
    ck_assert_int_eq(kr_features_gram(ctx, &op, NULL, G), KR_CANCELLED);
}
END_TEST

FIXTURE_SUITE("features", 60, fourier_operators, inducing_operators, the_same_bits_for_any_number_of_threads,
              memory_is_bounded)
