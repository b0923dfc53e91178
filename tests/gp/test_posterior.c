/* Predictions against the formulas of Rasmussen and Williams, worked out on stored matrices. */
#include "dense.h"

enum { N = 50, NEW = 260 /* more than one block of predictions */ };

static struct kr_ctx context, *ctx;
static struct kr_dataset data, fresh;
static struct kr_gp_spec spec;
static struct kr_gp gp;
static struct kr_points points;
static double *noise; /* known variances at the new points */

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    data = small_data(ctx, N, true, 5);
    fresh = small_data(ctx, NEW, true, 6);
    points = (struct kr_points){NEW, FEATURES, NEW, fresh.x};
    noise = (double *)(uintptr_t)fresh.noise_variance;
    plain_spec(ctx, &spec);
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("matern52"), 1),
                                  leaf(ctx, kernel_type("constant"), 0)};
    composite(ctx, kernel_type("sum"), 2, parts, &spec.model.kernel);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    ((struct kr_param *)spec.model.mean.options)->values[0].value = 0.3;
    test_rows(ctx, &spec, ROWS(5, 6, 40));
    spec.solver.rtol = 1e-13;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void check_predictions(const struct kr_part *part, const char *solver)
{
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    static double mean[NEW], variance[NEW], wanted_mean[NEW], wanted[NEW * NEW];
    const double s2 = gp.start[gp.noise_index];
    OK(kr_posterior_init(ctx, &gp, part, gp.start, &posterior, &report));
    dense_posterior(ctx, &gp, part, 0.3, &points, wanted_mean, wanted);
    const size_t used = ctx->used;
    for (int observe = 0; observe < 2; observe++)
        for (int known = 0; known < 2; known++) {
            OK(kr_posterior_predict(ctx, &posterior, &points, known ? noise : NULL, observe, mean, variance,
                                    &report));
            for (size_t j = 0; j < NEW; j++) {
                CLOSE(mean[j], wanted_mean[j], 1, 1e-10, "%s, mean %zu", solver, j);
                CLOSE(variance[j], wanted[j + j * NEW] + (observe ? s2 + (known ? noise[j] : 0) : 0), 1,
                      1e-10, "%s, variance %zu", solver, j);
            }
        }
    ck_assert(kr_solve_converged(&report));
    memset(mean, 0, sizeof mean);
    OK(kr_posterior_predict(ctx, &posterior, &points, NULL, true, mean, NULL, &report));
    for (size_t j = 0; j < NEW; j++)
        CLOSE(mean[j], wanted_mean[j], 1, 1e-10, "%s, mean %zu alone", solver, j);
    ck_assert_uint_eq(ctx->used, used);
}

START_TEST(predictions_are_the_formulas)
{
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
        spec.solver.type = *solver;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        check_predictions(&gp.fit, (*solver)->name);
    }
    spec.solver.type = NULL;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    check_predictions(&gp.train, "of the training rows");
    data.noise_variance = NULL;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    check_predictions(&gp.fit, "without known noise");
}
END_TEST

START_TEST(scores_are_metrics_of_predictions)
{
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    struct kr_metrics wanted, got;
    double mean[N], variance[N];
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &gp.test.x, gp.test.noise, true, mean, variance, &report));
    kr_metrics_eval(&gp, &gp.test, &gp.fit, mean, variance, &wanted);
    OK(kr_gp_score(ctx, &gp, &gp.fit, &gp.test, gp.start, &got));
    ck_assert_mem_eq(&got, &wanted, sizeof got);
    ck_assert(isfinite(got.rmse) && isfinite(got.crps) && isfinite(got.msll));
}
END_TEST

/* What validation reports is the score of the held-out rows, conditioned on the training rows. */
START_TEST(the_objective_reports_the_same)
{
    struct kr_evaluation evaluation;
    struct kr_metrics score;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, true, &evaluation, NULL));
    OK(kr_gp_score(ctx, &gp, &gp.train, &gp.validation, gp.start, &score));
    const double *a = &evaluation.metrics.rmse, *b = &score.rmse;
    for (size_t i = 0; i < kr_metrics_schema.count; i++)
        CLOSE(a[i], b[i], fabs(b[i]), 1e-9, "%s", kr_metrics_schema.fields[i].name);
}
END_TEST

START_TEST(without_noise_it_interpolates)
{
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double mean[N], variance[N];
    spec.model.noise.variance.values[0] = (struct kr_param_value){.value = 0, .fixed = true};
    data.noise_variance = NULL;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &gp.fit.x, NULL, true, mean, variance, &report));
    for (size_t i = 0; i < gp.fit.n; i++) {
        CLOSE(mean[i], gp.fit.y[i], 1, 1e-8, "mean %zu", i);
        ck_assert(variance[i] >= 0 && variance[i] < 1e-8);
    }
}
END_TEST

START_TEST(a_solve_that_fails_is_said)
{
    struct kr_metrics metrics;
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cg");
    spec.solver.max_iterations = 2;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_int_eq(kr_gp_score(ctx, &gp, &gp.fit, &gp.test, gp.start, &metrics), KR_NOT_CONVERGED);
    ck_assert_str_eq(ctx->error.pointer, "/solver");
    kr_ctx_clear_error(ctx);
    /* every row twice, and no noise */
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < FEATURES; k++)
            ((double *)(uintptr_t)data.x)[k * N + i] = data.x[k * N + i / 2];
    data.noise_variance = NULL;
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    spec.model.noise.variance.values[0] = (struct kr_param_value){.value = 0, .fixed = true};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_int_eq(kr_gp_score(ctx, &gp, &gp.fit, &gp.test, gp.start, &metrics), KR_NOT_POSITIVE_DEFINITE);
}
END_TEST

struct line {
    const struct kr_posterior *posterior;
    double at[FEATURES];
    size_t feature;
};

static double mean_along(void *self, double value)
{
    struct line line = *(struct line *)self;
    struct kr_solve_report report = {0};
    double mean;
    line.at[line.feature] = value;
    OK(kr_posterior_predict(ctx, line.posterior, &(struct kr_points){1, FEATURES, 1, line.at}, NULL, false,
                            &mean, NULL, &report));
    return mean;
}

/* By central differences of the mean, and the same bits for any number of threads. */
START_TEST(gradients_are_derivatives_of_the_mean)
{
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    static double got[NEW * FEATURES], again[NEW * FEATURES];
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
    const size_t used = ctx->used;
    OK(kr_posterior_gradient(ctx, &posterior, &points, got));
    ctx->threads = 3;
    OK(kr_posterior_gradient(ctx, &posterior, &points, again));
    ck_assert_uint_eq(ctx->used, used);
    ck_assert_mem_eq(got, again, sizeof got);
    for (size_t i = 0; i < NEW; i += 7)
        for (size_t k = 0; k < FEATURES; k++) {
            struct line line = {.posterior = &posterior, .feature = k};
            for (size_t f = 0; f < FEATURES; f++)
                line.at[f] = points.x[f * NEW + i];
            CLOSE(got[k * NEW + i], derivative(mean_along, &line, line.at[k]), 1, 1e-8, "point %zu by %zu", i,
                  k);
        }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("posterior");
    TCase *tcase = tcase_create("posterior");
    tcase_set_timeout(tcase, 20); /* with a sanitizer */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, predictions_are_the_formulas);
    tcase_add_test(tcase, gradients_are_derivatives_of_the_mean);
    tcase_add_test(tcase, scores_are_metrics_of_predictions);
    tcase_add_test(tcase, the_objective_reports_the_same);
    tcase_add_test(tcase, without_noise_it_interpolates);
    tcase_add_test(tcase, a_solve_that_fails_is_said);
    suite_add_tcase(made, tcase);
    return made;
}
