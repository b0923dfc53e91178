/*
 * Joint draws: their mean and covariance against those asked for, within five standard errors; seeds, groups,
 * threads; jitter, where there must be some, and where even that is not enough.
 */
#include "specs.h"

enum { N = 6, MANY = 40000, GROUPS = 100 /* samples over several groups */ };

static struct kr_ctx context, *ctx = &context;

static void setup(void)
{
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* Near points under an rbf kernel, `decay` apart, on scales that differ. */
static void problem(size_t n, double decay, double *mean, double *covariance)
{
    for (size_t i = 0; i < n; i++) {
        mean[i] = 3 - (double)i;
        for (size_t j = 0; j < n; j++) {
            const double t = decay * ((double)i - (double)j);
            covariance[i * n + j] = (1 + 0.5 * (double)i) * (1 + 0.5 * (double)j) * exp(-t * t / 2);
        }
    }
}

static double *sample(size_t n, double decay, size_t count, uint64_t seed, double *jitter)
{
    double *mean = kr_alloc(ctx, n, sizeof *mean), *C = kr_alloc(ctx, n * n, sizeof *C),
           *out = kr_alloc(ctx, count * n, sizeof *out);
    problem(n, decay, mean, C);
    OK(kr_normal_samples(ctx, n, mean, C, count, seed, out, jitter));
    return out;
}

/* Standard errors: sqrt(C_ii/S) of a mean, sqrt((C_ii C_jj + C_ij^2)/S) of a covariance. */
START_TEST(moments_are_those_asked_for)
{
    double mean[N], C[N * N], jitter, *out = sample(N, 0.8, MANY, (uint64_t)_i, &jitter);
    problem(N, 0.8, mean, C);
    ck_assert_double_eq(jitter, 0);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++) {
            double first = 0, second = 0;
            for (size_t s = 0; s < MANY; s++) {
                first += (out[s * N + i] - mean[i]) / MANY;
                second += (out[s * N + i] - mean[i]) * (out[s * N + j] - mean[j]) / MANY;
            }
            CLOSE(first, 0, sqrt(C[i * N + i] / MANY), 5, "mean %zu", i);
            CLOSE(second, C[i * N + j],
                  sqrt((C[i * N + i] * C[j * N + j] + C[i * N + j] * C[i * N + j]) / MANY), 5,
                  "covariance %zu %zu", i, j);
        }
}
END_TEST

/* The share of draws below quantiles of the normal distribution, within five standard errors. */
START_TEST(draws_are_normal)
{
    double mean[N], C[N * N], jitter, *out = sample(N, 0.8, MANY, 11, &jitter);
    problem(N, 0.8, mean, C);
    for (double level = 0.01; level < 1; level += 0.07)
        for (size_t i = 0; i < N; i++) {
            double below = 0;
            for (size_t s = 0; s < MANY; s++)
                below += out[s * N + i] < mean[i] + sqrt(C[i * N + i]) * kr_normal_quantile(level);
            CLOSE(below / MANY, level, sqrt(level * (1 - level) / MANY), 5, "level %g of %zu", level, i);
        }
}
END_TEST

/* The factor itself: with count = 0 nothing is drawn, and the jitter is known. */
START_TEST(jitter_is_the_least_that_is_needed)
{
    enum { POINTS = 80 };
    double jitter, *C = kr_alloc(ctx, POINTS * POINTS, sizeof *C),
                   *kept = kr_alloc(ctx, POINTS * POINTS, sizeof *kept), mean[POINTS], trace = 0, worst = 0;
    problem(POINTS, 0.05, mean, C);
    memcpy(kept, C, POINTS * POINTS * sizeof *C);
    OK(kr_normal_samples(ctx, POINTS, mean, C, 0, 0, NULL, &jitter));
    for (size_t i = 0; i < POINTS; i++)
        trace += kept[i * POINTS + i];
    ck_assert(jitter > 0 && jitter < 1e-12 * trace);
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j <= i; j++) {
            double product = 0;
            for (size_t k = 0; k <= j; k++)
                product += C[k * POINTS + i] * C[k * POINTS + j];
            worst = fmax(worst, fabs(product - kept[i * POINTS + j] - (i == j ? jitter : 0)));
        }
    ck_assert_double_lt(worst, 1e-14 * trace);
}
END_TEST

START_TEST(samples_depend_on_seed_and_number_only)
{
    double jitter, *all = sample(N, 0.8, GROUPS, 7, &jitter), *few = sample(N, 0.8, 3, 7, &jitter),
                   *other = sample(N, 0.8, 3, 8, &jitter);
    ck_assert_mem_eq(all, few, 3 * N * sizeof *all);
    ck_assert_mem_ne(all, other, N * sizeof *all);
    ck_assert_mem_ne(all, all + N, N * sizeof *all);
    ctx->threads = 1;
    ck_assert_mem_eq(all, sample(N, 0.8, GROUPS, 7, &jitter), GROUPS * N * sizeof *all);
}
END_TEST

START_TEST(certain_points_have_one_value)
{
    double jitter, mean[2] = {1, -2}, C[4] = {0}, out[2 * 5];
    OK(kr_normal_samples(ctx, 2, mean, C, 5, 3, out, &jitter));
    ck_assert_double_eq(jitter, 0);
    for (size_t e = 0; e < 10; e++)
        ck_assert_double_eq(out[e], mean[e % 2]);
    double half[4] = {1, 0, 0, 0}; /* the second point alone is certain */
    OK(kr_normal_samples(ctx, 2, mean, half, 5, 3, out, &jitter));
    ck_assert(jitter > 0 && jitter < 1e-14);
    ck_assert_double_eq_tol(out[1], -2, 1e-6);
}
END_TEST

START_TEST(no_covariance_is_refused)
{
    double jitter, mean[2] = {0, 0}, C[4] = {1, 1.1, 1.1, 1}, out[2];
    ck_assert_int_eq(kr_normal_samples(ctx, 2, mean, C, 1, 0, out, &jitter), KR_NOT_POSITIVE_DEFINITE);
    ck_assert_str_eq(ctx->error.pointer, "/samples");
    kr_ctx_clear_error(ctx);
    double none[4] = {NAN, 0, 0, 1};
    ck_assert_int_eq(kr_normal_samples(ctx, 2, mean, none, 1, 0, out, &jitter), KR_NOT_POSITIVE_DEFINITE);
    kr_ctx_clear_error(ctx);
    double fine[4] = {1, 0, 0, 1};
    kr_cancel(ctx);
    ck_assert_int_eq(kr_normal_samples(ctx, 2, mean, fine, 1, 0, out, &jitter), KR_CANCELLED);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("samples");
    TCase *tcase = tcase_create("samples");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, moments_are_those_asked_for, 0, 3);
    tcase_add_test(tcase, draws_are_normal);
    tcase_add_test(tcase, jitter_is_the_least_that_is_needed);
    tcase_add_test(tcase, samples_depend_on_seed_and_number_only);
    tcase_add_test(tcase, certain_points_have_one_value);
    tcase_add_test(tcase, no_covariance_is_refused);
    suite_add_tcase(made, tcase);
    return made;
}
