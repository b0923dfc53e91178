/* Predictions of approximations: by dense algebra, and their gradients by central differences. */
#include "approximations.h"

START_TEST(posteriors_are_those_of_the_dense_process)
{
    const struct kr_dataset data = small_data(ctx, N, true, 5);
    for (int method = 0; method < 2; method++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_posterior posterior;
        struct kr_solve_report report = {0};
        spec_of(&spec, "nlpd");
        if (method)
            inducing(&spec, 9);
        else
            fourier(&spec, 20);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const size_t m = gp.validation.n;
        double *mean = kr_alloc(ctx, 4 * m, sizeof *mean), *variance = mean + m, *wanted = variance + m,
               *wanted_variance = wanted + m, *bare = kr_alloc(ctx, m, sizeof *bare),
               *covariance = kr_alloc(ctx, m * m, sizeof *covariance);
        size_t *train = kr_alloc(ctx, N, sizeof *train), *held = kr_alloc(ctx, N, sizeof *held), clamped = 7;
        const struct dense d = dense_of(&gp, &gp.fit);
        places(&gp, &gp.validation, 0, m, true, held);
        predict_dense(&d, places(&gp, &gp.validation, 0, m, false, train), train, m, held, wanted,
                      wanted_variance);
        OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
        ck_assert(kr_solve_converged(&report));
        ck_assert_str_eq(report.type, "lsmr");
        OK(kr_posterior_predict(ctx, &posterior, &gp.validation.x, gp.validation.noise, true, mean, variance,
                                &report));
        OK(kr_posterior_covariance(ctx, &posterior, &gp.validation.x, NULL, false, bare, covariance, &clamped,
                                   &report));
        ck_assert_uint_eq(clamped, 0);
        for (size_t j = 0; j < m; j++) {
            CLOSE(mean[j], wanted[j], 1, 1e-11, "mean %zu", j);
            CLOSE(variance[j], wanted_variance[j], 1, 1e-11, "variance %zu", j);
            const double noise = gp.start[gp.noise_index] + gp.validation.noise[j];
            CLOSE(bare[j], variance[j] - noise, 1, 1e-13, "variance %zu without noise", j);
            ck_assert(covariance[j * (m + 1)] == bare[j]);
        }

        struct kr_metrics metrics;
        OK(kr_gp_score(ctx, &gp, &gp.train, &gp.validation, gp.start, &metrics));
        ck_assert(isfinite(metrics.nlpd) && metrics.rmse > 0);
    }
}
END_TEST

/* Cov[f(x), f(z)] of the weights' Gaussian, by dense algebra. */
START_TEST(covariances_are_those_of_the_dense_process)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    for (int method = 0; method < 2; method++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_posterior posterior;
        struct kr_solve_report report = {0};
        spec_of(&spec, "nlpd");
        if (method)
            inducing(&spec, 9);
        else
            fourier(&spec, 20);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const struct dense d = dense_of(&gp, &gp.fit);
        const size_t m = gp.validation.n;
        const int n = (int)gp.train.n, columns = (int)m;
        int info;
        size_t *train = kr_alloc(ctx, N, sizeof *train), *held = kr_alloc(ctx, N, sizeof *held);
        places(&gp, &gp.validation, 0, m, true, held);
        places(&gp, &gp.validation, 0, m, false, train);
        double *A = kr_alloc(ctx, gp.train.n * gp.train.n, sizeof *A),
               *B = kr_alloc(ctx, gp.train.n * m, sizeof *B), *variance = kr_alloc(ctx, m, sizeof *variance),
               *C = kr_alloc(ctx, m * m, sizeof *C);
        struct kr_op prior;
        double *K = kr_alloc(ctx, m * m, sizeof *K);
        OK(kr_op_kernel(ctx, gp.space->kernel, gp.start, &gp.validation.x, NULL, &prior));
        OK(kr_op_fill(ctx, &prior, K));
        for (size_t j = 0; j < gp.train.n; j++) {
            for (size_t i = 0; i < gp.train.n; i++)
                A[i + j * gp.train.n] = q(&d, train[i], train[j]) + (i == j ? d.noise : 0);
            for (size_t c = 0; c < m; c++)
                B[j + c * gp.train.n] = q(&d, train[j], held[c]);
        }
        dposv_("L", &n, &columns, A, &n, B, &n, &info);
        OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
        OK(kr_posterior_covariance(ctx, &posterior, &gp.validation.x, NULL, false, variance, C, NULL,
                                   &report));
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < i; j++) {
                double wanted = method ? K[i + j * m] : q(&d, held[i], held[j]);
                for (size_t l = 0; l < gp.train.n; l++)
                    wanted -= q(&d, train[l], held[i]) * B[l + j * gp.train.n];
                CLOSE(C[i + j * m], wanted, 1, 1e-11, "covariance %zu, %zu, method %d", i, j, method);
                ck_assert(C[i + j * m] == C[j + i * m]);
            }
    }
}
END_TEST

/* Mean and covariance of many functions, and the same function at one point as at many. */
START_TEST(paths_follow_mean_and_covariance)
{
    enum { SAMPLES = 20000 };
    const struct kr_dataset data = small_data(ctx, N, true, 5);
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    spec_of(&spec, "nlpd");
    fourier(&spec, 20);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
    ck_assert(kr_posterior_has_paths(&posterior));
    const struct kr_points x = {4, FEATURES, gp.validation.x.ld, gp.validation.x.x},
                           one = {1, FEATURES, gp.validation.x.ld, gp.validation.x.x};
    double *paths = kr_alloc(ctx, 4 * SAMPLES, sizeof *paths), mean[4], variance[4], C[16], alone;
    for (int observe = 0; observe < 2; observe++) {
        OK(kr_posterior_paths(ctx, &posterior, &x, NULL, observe, 2, SAMPLES, 5, paths, &report));
        OK(kr_posterior_predict(ctx, &posterior, &x, NULL, observe, mean, NULL, &report));
        OK(kr_posterior_covariance(ctx, &posterior, &x, NULL, observe, variance, C, NULL, &report));
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j <= i; j++) {
                double sum = 0, products = 0;
                for (size_t s = 0; s < SAMPLES; s++) {
                    sum += (paths[4 * s + i] - mean[i]) / SAMPLES;
                    products += (paths[4 * s + i] - mean[i]) * (paths[4 * s + j] - mean[j]) / SAMPLES;
                }
                ck_assert(fabs(sum) < 4 * sqrt(variance[i] / SAMPLES));
                CLOSE(products, C[i + 4 * j], sqrt(variance[i] * variance[j]), 4 * sqrt(2.0 / SAMPLES),
                      "covariance %zu, %zu", i, j);
            }
        OK(kr_posterior_paths(ctx, &posterior, &one, NULL, observe, 2, 1, 5, &alone, &report));
        CLOSE(alone, paths[0], 1, 1e-12, "one point of the first function");
    }
    inducing(&spec, 9);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
    ck_assert(!kr_posterior_has_paths(&posterior)); /* what phi misses has no features */
}
END_TEST

struct moving {
    const struct kr_posterior *posterior;
    struct kr_points x;
    double *entry;
};

static double mean_at(void *self, double value)
{
    struct moving *moving = self;
    struct kr_solve_report report = {0};
    const double before = *moving->entry;
    double mean;
    *moving->entry = value;
    OK(kr_posterior_predict(ctx, moving->posterior, &moving->x, NULL, true, &mean, NULL, &report));
    *moving->entry = before;
    return mean;
}

START_TEST(gradients_of_the_mean)
{
    const struct kr_dataset data = small_data(ctx, N, false, 5);
    for (int method = 0; method < 2; method++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_posterior posterior;
        struct kr_solve_report report = {0};
        spec_of(&spec, "nlpd");
        if (method)
            inducing(&spec, 9);
        else
            fourier(&spec, 20);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
        const size_t m = gp.validation.n;
        double *gradient = kr_alloc(ctx, m * FEATURES, sizeof *gradient);
        OK(kr_posterior_gradient(ctx, &posterior, &gp.validation.x, gradient));
        for (size_t i = 0; i < m; i++) {
            double point[FEATURES];
            struct moving moving = {&posterior, {1, FEATURES, 1, point}, NULL};
            for (size_t k = 0; k < FEATURES; k++)
                point[k] = gp.validation.x.x[k * gp.validation.x.ld + i];
            for (size_t k = 0; k < FEATURES; k++) {
                moving.entry = &point[k];
                CLOSE(gradient[k * m + i], derivative(mean_at, &moving, point[k]), 1, 1e-8,
                      "point %zu by %zu", i, k);
            }
        }
    }
}
END_TEST

FIXTURE_SUITE("posterior weights", 60, paths_follow_mean_and_covariance,
              posteriors_are_those_of_the_dense_process, covariances_are_those_of_the_dense_process,
              gradients_of_the_mean)
