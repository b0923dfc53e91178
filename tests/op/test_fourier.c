/* Fourier features: how near phi(x)'phi(z) is to k(x, z), and what has none. */
#include "feature_settings.h"

/* Root mean square of phi(x)'phi(z) - k(x, z) over pairs and seeds. */
static double error_of(const struct kr_variant *spec, size_t features, bool orthogonal, double stretch)
{
    enum { SEEDS = 12, N = 24 };
    double sum = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct kr_mark mark = kr_mark(ctx);
        struct kr_fourier_options options = {features, seed, orthogonal};
        const struct kr_points few = {N, FEATURES, data.n, data.x};
        struct setting s;
        struct kr_op op, gram;
        build(spec, &s);
        OK(kr_features_fourier(ctx, &options, s.kernel, FEATURES, &s.parameters, "", &s.map));
        for (size_t p = 0; p < s.parameters.count; p++)
            s.theta[p] *= s.parameters.items[p].unit == KR_UNIT_LENGTH ? stretch : 1;
        OK(kr_features_open(ctx, &s.map, s.theta, &s.open));
        OK(kr_op_features(ctx, &s.open, &few, NULL, &op));
        OK(kr_op_kernel(ctx, s.kernel, s.theta, &few, NULL, &gram));
        double *A = kr_alloc(ctx, N * s.map.p, sizeof *A), *K = kr_alloc(ctx, N * N, sizeof *K);
        OK(kr_op_fill(ctx, &op, A));
        OK(kr_op_fill(ctx, &gram, K));
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j <= i; j++) {
                const double error =
                    cblas_ddot((int)s.map.p, A + i, N, A + j, N) - K[i + j * N]; /* 0 where i = j */
                ck_assert(i != j || fabs(error) < 1e-12 * K[0] * 10);
                sum += error * error;
            }
        kr_release(ctx, mark);
    }
    return sqrt(sum / (SEEDS * N * (N - 1) / 2));
}

/* The variance of cos of a random angle is at most 1/2: q = count/2 of them give a mean square below
 * v^2/count. Four times the features halve the error. */
START_TEST(fourier_features_approach_the_kernel)
{
    static const char *const names[] = {"rbf", "matern12", "matern32", "matern52", "rational_quadratic"};
    for (size_t c = 0; c < sizeof names / sizeof *names; c++)
        for (int shape = 0; shape < 3; shape++) {
            struct kr_variant spec = leaf(ctx, kernel_type(names[c]), shape);
            const double v = 0.8, few = error_of(&spec, 128, false, 1),
                         many = error_of(&spec, 2048, false, 1);
            ck_assert_msg(few < 1.15 * v / sqrt(128) && few > 0.3 * v / sqrt(128), "%s: %g", names[c], few);
            ck_assert_msg(many < 0.3 * few && many > 0.2 * few, "%s: %g after %g", names[c], many, few);
        }
}
END_TEST

/* Where points are near, in units of the lengthscale: that is where waves that go all ways pay. */
START_TEST(orthogonal_frequencies_are_better)
{
    struct kr_variant rbf = leaf(ctx, kernel_type("rbf"), 0), matern = leaf(ctx, kernel_type("matern52"), 1);
    ck_assert(error_of(&rbf, 128, true, 10) < 0.8 * error_of(&rbf, 128, false, 10));
    ck_assert(error_of(&matern, 128, true, 10) < 0.85 * error_of(&matern, 128, false, 10));
    ck_assert(error_of(&rbf, 128, true, 0.3) < 1.1 * error_of(&rbf, 128, false, 0.3));
}
END_TEST

START_TEST(kernels_of_finite_rank_are_exact)
{
    struct kr_variant parts[3] = {leaf(ctx, kernel_type("linear"), 1), leaf(ctx, kernel_type("constant"), 0),
                                  leaf(ctx, kernel_type("cosine"), 2)},
                      sum;
    composite(ctx, kernel_type("sum"), 3, parts, &sum);
    ck_assert(error_of(&sum, 2, false, 1) < 1e-12);
}
END_TEST

static void refused(const struct kr_variant *spec, size_t count, bool fixed, const char *pointer,
                    const char *words)
{
    struct kr_fourier_options options = {count, 0, true};
    struct setting s;
    build(spec, &s);
    for (size_t p = 0; p < s.parameters.count; p++)
        s.parameters.items[p].spec.fixed = fixed;
    ck_assert_int_eq(kr_features_fourier(ctx, &options, s.kernel, FEATURES, &s.parameters, "/model", &s.map),
                     KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, pointer);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, words));
    kr_ctx_clear_error(ctx);
}

START_TEST(what_has_no_features_is_refused)
{
    struct kr_variant rbf = leaf(ctx, kernel_type("rbf"), 0),
                      parts[2] = {rbf, leaf(ctx, kernel_type("periodic"), 0)}, sum, product,
                      rq = leaf(ctx, kernel_type("rational_quadratic"), 1);
    composite(ctx, kernel_type("sum"), 2, parts, &sum);
    composite(ctx, kernel_type("product"), 2, parts, &product);
    refused(&sum, 64, true, "/model/kernel/kernels/1/type", "periodic has no Fourier features");
    refused(&product, 64, true, "/model/kernel/type", "product");
    refused(&rq, 64, false, "/model/kernel/alpha", "must be fixed");
    refused(&rbf, 63, true, "/model/approximation/count", "even");
    parts[1] = rbf;
    composite(ctx, kernel_type("sum"), 2, parts, &sum);
    refused(&sum, 2, true, "/model/approximation/count", "2 kernels");
}
END_TEST

FIXTURE_SUITE("fourier", 60, fourier_features_approach_the_kernel, orthogonal_frequencies_are_better,
              kernels_of_finite_rank_are_exact, what_has_no_features_is_refused)
