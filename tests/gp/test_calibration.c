/* Calibration: what scales the covariance, and the leave-one-out residuals against fits without a row. */
#include "specs.h"

#include "gp/covariance.h"
#include "kriged/calibration.h"

enum { N = 24 };
static struct kr_ctx context, *ctx = &context;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_gp gp;
static bool scales[64];

static void setup(void)
{
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    data = small_data(ctx, N, false, 4);
    plain_spec(ctx, &spec);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void open_gp(void)
{
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_uint_le(gp.parameters.count, 64);
}

static void fill(const double *theta, double *K)
{
    struct kr_op op;
    OK(kr_op_kernel(ctx, gp.kernel, theta, &gp.fit.x, NULL, &op));
    OK(kr_op_fill(ctx, &op, K));
}

/* For every kernel in every shape: times 3 where it is marked is 3 times the matrix. */
START_TEST(what_is_marked_scales_the_covariance)
{
    static struct kernel_case cases[MOST_CASES];
    const size_t count = kernel_cases(ctx, cases);
    for (size_t c = 0; c < count; c++) {
        double theta[64], *K = kr_alloc(ctx, N * N, sizeof *K),
                          *scaled = kr_alloc(ctx, N * N, sizeof *scaled);
        spec.model.kernel = cases[c].spec;
        open_gp();
        OK(kr_gp_scales(ctx, &gp, "/p", scales));
        for (size_t p = 0; p < gp.parameters.count; p++)
            theta[p] = (scales[p] ? 3 : 1) * gp.start[p];
        ck_assert(scales[gp.noise_index]);
        fill(gp.start, K);
        fill(theta, scaled);
        for (size_t i = 0; i < N * N; i++)
            CLOSE(scaled[i], 3 * K[i], fabs(3 * K[i]), 1e-13, "%.90s, entry %zu", cases[c].name, i);
    }
}
END_TEST

static struct kr_param *variance_of(const struct kr_variant *kernel)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)kernel->type;
    return member(kernel->options, (ptrdiff_t)type->parameters[0].offset);
}

START_TEST(fixed_variances_are_in_the_way_or_not)
{
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("matern32"), 1)};
    variance_of(&parts[0])->values[0].fixed = true;
    composite(ctx, kernel_type("product"), 2, parts, &spec.model.kernel);
    open_gp();
    OK(kr_gp_scales(ctx, &gp, "/p", scales)); /* the other factor does it */
    for (size_t p = 0; p < gp.parameters.count; p++)
        ck_assert_int_eq(scales[p], p == 4 || p == gp.noise_index);
    composite(ctx, kernel_type("sum"), 2, parts, &spec.model.kernel);
    open_gp();
    REFUSED(kr_gp_scales(ctx, &gp, "/p", scales), "/p", "variance of the kernel is fixed");
    variance_of(&parts[0])->values[0].fixed = false;
    spec.model.noise.variance.values[0].fixed = true;
    open_gp();
    REFUSED(kr_gp_scales(ctx, &gp, "/p", scales), "/p", "noise.variance is fixed at 0.1");
    spec.model.noise.variance.values[0].value = 0;
    open_gp();
    OK(kr_gp_scales(ctx, &gp, "/p", scales));
    data = small_data(ctx, N, true, 4);
    open_gp();
    REFUSED(kr_gp_scales(ctx, &gp, "/p", scales), "/p", "known noise variances");
}
END_TEST

/* Row `out` predicted from all others by the posterior: e^2/v. */
static double square_without(size_t out)
{
    struct kr_gp_spec without = spec;
    struct kr_gp one;
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double mean, variance;
    size_t *rows = kr_alloc(ctx, 1, sizeof *rows);
    rows[0] = out;
    OK(kr_variant_init(ctx, &kr_validation_registry, "rows", &without.objective.validation));
    *(struct kr_ints *)without.objective.validation.options = (struct kr_ints){1, rows};
    OK(kr_gp_init(ctx, &without, &data, &one));
    OK(kr_posterior_init(ctx, &one, &one.train, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &one.validation.x, one.validation.noise, true, &mean, &variance,
                            &report));
    return (one.validation.y[0] - mean) * (one.validation.y[0] - mean) / variance;
}

START_TEST(the_spread_is_that_of_fits_without_a_row)
{
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    ((struct kr_param *)spec.model.mean.options)->values[0].value = 0.3;
    for (int noise = 0; noise < 2; noise++) {
        double spread, sum = 0;
        size_t rows;
        data = small_data(ctx, N, noise, 4);
        open_gp();
        OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &spread, &rows));
        ck_assert_uint_eq(rows, N);
        for (size_t i = 0; i < N; i++)
            sum += square_without(i) / N;
        CLOSE(spread, sum, sum, 1e-10, "spread");
    }
}
END_TEST

START_TEST(scaled_by_the_spread_it_is_one_and_means_stay)
{
    double spread, again, theta[64], mean[2][4], variance[2][4];
    open_gp();
    OK(kr_gp_scales(ctx, &gp, "/p", scales));
    OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &spread, NULL));
    ck_assert(fabs(spread - 1) > 0.05);
    for (size_t p = 0; p < gp.parameters.count; p++)
        theta[p] = (scales[p] ? spread : 1) * gp.start[p];
    OK(kr_gp_leave_one_out_spread(ctx, &gp, theta, &again, NULL));
    CLOSE(again, 1, 1, 1e-12, "spread after");
    for (int k = 0; k < 2; k++) {
        struct kr_posterior posterior;
        struct kr_solve_report report = {0};
        const struct kr_points few = {4, gp.fit.x.d, gp.fit.x.ld, gp.fit.x.x};
        OK(kr_posterior_init(ctx, &gp, &gp.train, k ? theta : gp.start, &posterior, &report));
        OK(kr_posterior_predict(ctx, &posterior, &few, NULL, true, mean[k], variance[k], &report));
    }
    for (int j = 0; j < 4; j++) {
        CLOSE(mean[1][j], mean[0][j], 1, 1e-12, "mean %d", j);
        CLOSE(variance[1][j], spread * variance[0][j], variance[1][j], 1e-12, "variance %d", j);
    }
}
END_TEST

/* A solver that does not factorise: the same of few rows, near it with a draw of many; the same bits with any
 * number of threads. */
START_TEST(without_a_factorisation_rows_are_drawn)
{
    enum { MANY = 700 };
    double dense, few, drawn, again;
    size_t rows;
    for (int many = 0; many < 2; many++) {
        data = small_data(ctx, many ? MANY : N, false, 4);
        spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
        open_gp();
        OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &dense, &rows));
        ck_assert_uint_eq(rows, many ? MANY : N);
        spec.solver.type = kr_registry_find(&kr_solver_registry, "cg");
        spec.solver.rtol = 1e-10;
        open_gp();
        OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, many ? &drawn : &few, &rows));
        ck_assert_uint_eq(rows, many ? 512 : N);
        CLOSE(many ? drawn : few, dense, dense, many ? 0.1 : 1e-8, "%d rows", many ? MANY : N);
    }
    ctx->threads = 1;
    OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &again, NULL));
    ck_assert(memcmp(&again, &drawn, sizeof again) == 0);
}
END_TEST

Suite *suite(void)
{
    static const TTest *const *tests[] = {
        &what_is_marked_scales_the_covariance,     &fixed_variances_are_in_the_way_or_not,
        &the_spread_is_that_of_fits_without_a_row, &scaled_by_the_spread_it_is_one_and_means_stay,
        &without_a_factorisation_rows_are_drawn,
    };
    Suite *made = suite_create("calibration");
    TCase *tcase = tcase_create("calibration");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
        tcase_add_test(tcase, *tests[t]);
    suite_add_tcase(made, tcase);
    return made;
}
