/* Covariances of predictions against stored matrices; variances that fall below the noise. */
#include "dense.h"

enum { N = 60, NEW = 270 /* more than one block of predictions */ };

static struct kr_ctx context, *ctx;
static struct kr_dataset data, fresh;
static struct kr_gp_spec spec;
static struct kr_gp gp;
static struct kr_posterior posterior;
static struct kr_points points;
static struct kr_solve_report report;
static double *variance, *covariance, *noise;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    data = small_data(ctx, N, true, 5);
    fresh = small_data(ctx, NEW, true, 6);
    points = (struct kr_points){NEW, FEATURES, NEW, fresh.x};
    noise = (double *)(uintptr_t)fresh.noise_variance;
    variance = kr_alloc(ctx, NEW, sizeof *variance);
    covariance = kr_alloc(ctx, NEW * NEW, sizeof *covariance);
    report = (struct kr_solve_report){0};
    plain_spec(ctx, &spec);
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("matern52"), 1), leaf(ctx, kernel_type("white"), 0)};
    composite(ctx, kernel_type("sum"), 2, parts, &spec.model.kernel);
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

/* The white part of the kernel is on the diagonal, whatever the noise; noise too, where it is asked for. */
static void check_covariance(const char *solver)
{
    static double mean[NEW], wanted[NEW * NEW], alone[NEW];
    const double s2 = gp.start[gp.noise_index];
    dense_posterior(ctx, &gp, &gp.fit, 0, &points, mean, wanted);
    const size_t used = ctx->used;
    for (int observe = 0; observe < 2; observe++)
        for (int known = 0; known < 2; known++) {
            size_t clamped = 99;
            OK(kr_posterior_covariance(ctx, &posterior, &points, known ? noise : NULL, observe, variance,
                                       covariance, &clamped, &report));
            OK(kr_posterior_covariance(ctx, &posterior, &points, known ? noise : NULL, observe, alone, NULL,
                                       NULL, &report));
            ck_assert_uint_eq(clamped, 0);
            ck_assert_mem_eq(variance, alone, sizeof alone);
            double worst = 0;
            size_t lopsided = 0;
            for (size_t i = 0; i < NEW; i++) {
                const double extra = observe ? s2 + (known ? noise[i] : 0) : 0;
                ck_assert_double_eq(covariance[i * NEW + i], variance[i]);
                for (size_t j = 0; j < NEW; j++) {
                    const double exact = wanted[i * NEW + j] + (i == j ? extra : 0);
                    worst = fmax(worst, fabs(covariance[i * NEW + j] - exact));
                    lopsided += covariance[i * NEW + j] != covariance[j * NEW + i];
                }
            }
            CLOSE(worst, 0, 1, 1e-10, "%s, the largest difference", solver);
            ck_assert_uint_eq(lopsided, 0);
        }
    ck_assert_uint_eq(ctx->used, used);
    ck_assert(kr_solve_converged(&report));
}

START_TEST(covariances_are_the_formulas)
{
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
        spec.solver.type = *solver;
        condition();
        check_covariance((*solver)->name);
    }
    data.noise_variance = NULL;
    spec.solver.type = NULL;
    condition();
    check_covariance("without known noise");
}
END_TEST

START_TEST(the_same_bits_with_any_number_of_threads)
{
    double *again = kr_alloc(ctx, NEW * NEW, sizeof *again);
    condition();
    OK(kr_posterior_covariance(ctx, &posterior, &points, NULL, false, variance, covariance, NULL, &report));
    ctx->threads = 3;
    OK(kr_posterior_covariance(ctx, &posterior, &points, NULL, false, variance, again, NULL, &report));
    ck_assert_mem_eq(covariance, again, NEW * NEW * sizeof *again);
}
END_TEST

/* At rows without noise the variance is 0 but for rounding, which is as often negative as not. */
START_TEST(variances_below_the_noise_are_set_to_it_and_counted)
{
    size_t clamped, zeros = 0;
    data.noise_variance = NULL;
    spec.model.kernel = leaf(ctx, kernel_type("matern12"), 1);
    spec.model.noise.variance.values[0] = (struct kr_param_value){.value = 0, .fixed = true};
    condition();
    for (int observe = 0; observe < 2; observe++) {
        OK(kr_posterior_covariance(ctx, &posterior, &gp.fit.x, NULL, observe, variance, covariance, &clamped,
                                   &report));
        zeros = 0;
        for (size_t i = 0; i < gp.fit.n; i++) {
            ck_assert(variance[i] >= 0 && variance[i] < 1e-12);
            ck_assert_double_eq(covariance[i * gp.fit.n + i], variance[i]);
            zeros += variance[i] == 0;
        }
        ck_assert_uint_gt(clamped, 0);
        ck_assert_uint_le(clamped, zeros);
    }
}
END_TEST

START_TEST(memory_is_what_the_comment_says)
{
    condition();
    ctx->peak = ctx->used;
    const size_t before = ctx->used, most = 8 * (2 * N * 256 + NEW * 256) + (4 << 20);
    OK(kr_posterior_covariance(ctx, &posterior, &points, NULL, false, variance, covariance, NULL, &report));
    ck_assert_uint_lt(ctx->peak - before, most);
    ctx->budget = before + 1000;
    ck_assert_int_eq(
        kr_posterior_covariance(ctx, &posterior, &points, NULL, false, variance, covariance, NULL, &report),
        KR_MEMORY_LIMIT);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("posterior covariance");
    TCase *tcase = tcase_create("posterior covariance");
    tcase_set_timeout(tcase, 30); /* with a sanitizer */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, covariances_are_the_formulas);
    tcase_add_test(tcase, the_same_bits_with_any_number_of_threads);
    tcase_add_test(tcase, variances_below_the_noise_are_set_to_it_and_counted);
    tcase_add_test(tcase, memory_is_what_the_comment_says);
    suite_add_tcase(made, tcase);
    return made;
}
