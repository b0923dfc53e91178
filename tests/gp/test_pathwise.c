/*
 * Pathwise samples against exact means and covariances: kernels of finite rank to sampling error; random
 * features, whose covariances are unbiased, over many seeds; one seed is one function.
 */
#include "dense.h"

enum { N = 25, NEW = 5, SEEDS = 150, COUNT = 60 };

static struct kr_ctx context, *ctx = &context;
static struct kr_dataset data, fresh;
static struct kr_gp_spec spec;
static struct kr_gp gp;
static struct kr_posterior posterior;
static struct kr_points points;
static struct kr_solve_report report;
static double *noise;

static void setup(void)
{
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    data = small_data(ctx, N, true, 5);
    fresh = small_data(ctx, NEW, true, 6);
    points = (struct kr_points){NEW, FEATURES, NEW, fresh.x};
    noise = (double *)(uintptr_t)fresh.noise_variance;
    plain_spec(ctx, &spec);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    ((struct kr_param *)spec.model.mean.options)->values[0].value = 0.3;
    spec.solver.rtol = 1e-13;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void condition(void)
{
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
}

static struct kr_variant sum_of(const char *a, const char *b, const char *c)
{
    struct kr_variant parts[3] = {leaf(ctx, kernel_type(a), 0), leaf(ctx, kernel_type(b), 0),
                                  leaf(ctx, kernel_type(c), 0)},
                      sum;
    composite(ctx, kernel_type("sum"), 3, parts, &sum);
    return sum;
}

/* First and second moments of the samples of one seed, about the exact mean. */
struct moments {
    double first[NEW], second[NEW][NEW];
};

static struct moments moments_of(const double *out, const double *mean)
{
    struct moments m = {{0}, {{0}}};
    for (size_t s = 0; s < COUNT; s++)
        for (size_t i = 0; i < NEW; i++) {
            m.first[i] += (out[s * NEW + i] - mean[i]) / COUNT;
            for (size_t j = 0; j <= i; j++)
                m.second[i][j] += (out[s * NEW + i] - mean[i]) * (out[s * NEW + j] - mean[j]) / COUNT;
        }
    return m;
}

/* Seeds are independent: the mean of a moment over them is within five standard errors of the exact one. */
static void close_to(const double *values, double wanted, const char *kernel, const char *what)
{
    double mean = 0, square = 0;
    for (size_t s = 0; s < SEEDS; s++)
        mean += values[s] / SEEDS;
    for (size_t s = 0; s < SEEDS; s++)
        square += (values[s] - mean) * (values[s] - mean) / (SEEDS - 1);
    CLOSE(mean, wanted, sqrt(square / SEEDS), 5, "%s: %s", kernel, what);
    ck_assert(square > 0);
}

static void check_moments(const char *kernel, size_t features, bool observe)
{
    static struct moments moments[SEEDS];
    static double out[COUNT * NEW], mean[NEW], covariance[NEW * NEW], values[SEEDS];
    condition();
    dense_posterior(ctx, &gp, &gp.fit, 0.3, &points, mean, covariance);
    for (size_t i = 0; i < NEW; i++)
        covariance[i * NEW + i] += observe ? gp.start[gp.noise_index] + noise[i] : 0;
    const size_t used = ctx->used;
    for (size_t seed = 0; seed < SEEDS; seed++) {
        OK(kr_posterior_paths(ctx, &posterior, &points, noise, observe, features, COUNT, seed, out, &report));
        moments[seed] = moments_of(out, mean);
    }
    ck_assert_uint_eq(ctx->used, used);
    for (size_t i = 0; i < NEW; i++) {
        for (size_t s = 0; s < SEEDS; s++)
            values[s] = moments[s].first[i];
        close_to(values, 0, kernel, "mean");
        for (size_t j = 0; j <= i; j++) {
            for (size_t s = 0; s < SEEDS; s++)
                values[s] = moments[s].second[i][j];
            close_to(values, covariance[i * NEW + j], kernel, i == j ? "variance" : "covariance");
        }
    }
}

START_TEST(random_features)
{
    static const char *const kernels[] = {"rbf", "matern12", "matern32", "matern52", "rational_quadratic"};
    spec.model.kernel = leaf(ctx, kernel_type(kernels[_i]), 2);
    check_moments(kernels[_i], 64, _i % 2);
}
END_TEST

START_TEST(sums_with_noise_and_finite_rank)
{
    spec.model.kernel = sum_of("linear", "white", "constant");
    check_moments("of finite rank", 2, false);
    spec.model.kernel = sum_of("rbf", "white", "cosine");
    check_moments("a sum", 64, true);
    spec.model.kernel = leaf(ctx, kernel_type("white"), 0);
    check_moments("white", 2, true);
}
END_TEST

/* At more points, in more samples and with other threads it is the same function. */
START_TEST(a_seed_is_a_function)
{
    double all[4 * NEW], some[2 * 2], again[4 * NEW], other[4 * NEW];
    const struct kr_points two = {2, FEATURES, NEW, points.x + 1};
    spec.model.kernel = leaf(ctx, kernel_type("matern52"), 1);
    condition();
    OK(kr_posterior_paths(ctx, &posterior, &points, NULL, false, 256, 4, 9, all, &report));
    OK(kr_posterior_paths(ctx, &posterior, &two, NULL, false, 256, 2, 9, some, &report));
    OK(kr_posterior_paths(ctx, &posterior, &points, NULL, false, 256, 4, 10, other, &report));
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < 2; i++)
            CLOSE(some[s * 2 + i], all[s * NEW + 1 + i], 1, 1e-9, "sample %zu, point %zu", s, i);
    ck_assert(fabs(other[0] - all[0]) > 1e-6 && fabs(all[NEW] - all[0]) > 1e-6);
    ctx->threads = 3;
    OK(kr_posterior_paths(ctx, &posterior, &points, NULL, false, 256, 4, 9, again, &report));
    ck_assert_mem_eq(all, again, sizeof all);
}
END_TEST

/* Without noise every sample goes through the data, whatever the features. */
START_TEST(samples_go_through_data_without_noise)
{
    double out[3 * N];
    spec.model.kernel = leaf(ctx, kernel_type("matern32"), 1);
    spec.model.noise.variance.values[0] = (struct kr_param_value){.value = 0, .fixed = true};
    data.noise_variance = NULL;
    condition();
    OK(kr_posterior_paths(ctx, &posterior, &gp.fit.x, NULL, true, 32, 3, 1, out, &report));
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < gp.fit.n; i++)
            CLOSE(out[s * gp.fit.n + i], gp.fit.y[i], 1, 1e-8, "sample %zu, row %zu", s, i);
}
END_TEST

START_TEST(kernels_without_features)
{
    double out[NEW];
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 0), leaf(ctx, kernel_type("matern32"), 0)},
                      product;
    composite(ctx, kernel_type("product"), 2, parts, &product);
    const struct kr_variant kernels[] = {product, leaf(ctx, kernel_type("periodic"), 0),
                                         sum_of("rbf", "hamming", "white")};
    for (size_t k = 0; k < 3; k++) {
        spec.model.kernel = kernels[k];
        condition();
        ck_assert(!kr_posterior_has_paths(&posterior));
        ck_assert_int_eq(kr_posterior_paths(ctx, &posterior, &points, NULL, true, 64, 1, 0, out, &report),
                         KR_INVALID);
        kr_ctx_clear_error(ctx);
    }
    spec.model.kernel = sum_of("rbf", "linear", "white");
    condition();
    ck_assert(kr_posterior_has_paths(&posterior));
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("pathwise");
    TCase *tcase = tcase_create("pathwise");
    tcase_set_timeout(tcase, 60); /* with a sanitizer */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, random_features, 0, 5);
    tcase_add_test(tcase, sums_with_noise_and_finite_rank);
    tcase_add_test(tcase, a_seed_is_a_function);
    tcase_add_test(tcase, samples_go_through_data_without_noise);
    tcase_add_test(tcase, kernels_without_features);
    suite_add_tcase(made, tcase);
    return made;
}
