/* A gp from a spec: standardised parts, theta with its names, units and bounds, and refusals. */
#include "specs.h"

enum { N = 12, D = FEATURES };

static struct kr_ctx context, *ctx;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_gp gp;

/* Rows 0 and 3 are held out, row 5 is a test row. */
static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    data = small_data(ctx, N, true, 2);
    plain_spec(ctx, &spec);
    test_rows(ctx, &spec, ROWS(5));
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* Mean and population standard deviation over all rows but the test row. */
static void moments(const double *values, double *mean, double *sd)
{
    long double sum = 0, square = 0;
    for (size_t i = 0; i < N; i++)
        sum += i == 5 ? 0 : values[i];
    for (size_t i = 0; i < N; i++)
        square += i == 5 ? 0 : (values[i] - sum / (N - 1)) * (values[i] - sum / (N - 1));
    *mean = (double)(sum / (N - 1));
    *sd = (double)sqrtl(square / (N - 1));
}

static void check_part(const struct kr_part *part, struct kr_ints rows, bool x, bool y)
{
    double mean, sd;
    ck_assert_uint_eq(part->n, rows.count);
    ck_assert_mem_eq(part->rows, rows.items, rows.count * sizeof *rows.items);
    ck_assert(part->x.n == part->n && part->x.d == D && part->x.ld == part->n);
    for (size_t k = 0; k < D; k++) {
        moments(data.x + k * N, &mean, &sd);
        for (size_t i = 0; i < part->n; i++) {
            double value = data.x[k * N + rows.items[i]];
            CLOSE(part->x.x[k * part->n + i], x ? (value - mean) / sd : value, 1, 1e-13, "feature %zu", k);
        }
    }
    moments(data.y, &mean, &sd);
    for (size_t i = 0; i < part->n; i++) {
        double value = data.y[rows.items[i]], noise = data.noise_variance[rows.items[i]];
        CLOSE(part->y[i], y ? (value - mean) / sd : value, 1, 1e-13, "target");
        CLOSE(part->noise[i], y ? noise / (sd * sd) : noise, 1, 1e-14, "known noise");
    }
}

START_TEST(parts_are_standardised)
{
    for (int on = 0; on < 4; on++) {
        spec.model.standardize.x = on & 1;
        spec.model.standardize.y = on & 2;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        check_part(&gp.train, ROWS(1, 2, 4, 6, 7, 8, 9, 10, 11), on & 1, on & 2);
        check_part(&gp.validation, ROWS(0, 3), on & 1, on & 2);
        check_part(&gp.test, ROWS(5), on & 1, on & 2);
        check_part(&gp.fit, ROWS(0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11), on & 1, on & 2);
    }
    data.noise_variance = NULL;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(!gp.train.noise && !gp.fit.noise && !gp.validation.noise && !gp.test.noise);
}
END_TEST

START_TEST(a_constant_column_is_centred_only)
{
    for (size_t i = 0; i < N; i++)
        ((double *)(uintptr_t)data.x)[N + i] = 7;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(gp.scale.x_mean[1] == 7 && gp.scale.x_sd[1] == 1);
    for (size_t i = 0; i < gp.fit.n; i++)
        ck_assert(gp.fit.x.x[gp.fit.n + i] == 0);
}
END_TEST

/* product(rbf with ard, matern32 on c and a) + constant, a mean, noise */
static void rich_kernel(void)
{
    struct kr_variant factors[2] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("matern32"), 2)},
                      parts[2];
    composite(ctx, kernel_type("product"), 2, factors, &parts[0]);
    parts[1] = leaf(ctx, kernel_type("constant"), 0);
    composite(ctx, kernel_type("sum"), 2, parts, &spec.model.kernel);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
}

static const struct {
    const char *name, *pointer;
    enum kr_unit unit;
    bool positive;
} rich[] = {
    {"kernel.kernels[0].kernels[0].variance", "/model/kernel/kernels/0/kernels/0/variance", KR_UNIT_VARIANCE,
     true},
    {"kernel.kernels[0].kernels[0].lengthscale[0]", "/model/kernel/kernels/0/kernels/0/lengthscale/0",
     KR_UNIT_LENGTH, true},
    {"kernel.kernels[0].kernels[0].lengthscale[1]", "/model/kernel/kernels/0/kernels/0/lengthscale/1",
     KR_UNIT_LENGTH, true},
    {"kernel.kernels[0].kernels[0].lengthscale[2]", "/model/kernel/kernels/0/kernels/0/lengthscale/2",
     KR_UNIT_LENGTH, true},
    {"kernel.kernels[0].kernels[1].variance", "/model/kernel/kernels/0/kernels/1/variance", KR_UNIT_VARIANCE,
     true},
    {"kernel.kernels[0].kernels[1].lengthscale[0]", "/model/kernel/kernels/0/kernels/1/lengthscale/0",
     KR_UNIT_LENGTH, true},
    {"kernel.kernels[0].kernels[1].lengthscale[1]", "/model/kernel/kernels/0/kernels/1/lengthscale/1",
     KR_UNIT_LENGTH, true},
    {"kernel.kernels[1].variance", "/model/kernel/kernels/1/variance", KR_UNIT_VARIANCE, true},
    {"mean.value", "/model/mean/value", KR_UNIT_TARGET, false},
    {"noise.variance", "/model/noise/variance", KR_UNIT_VARIANCE, true},
};
enum { RICH = sizeof rich / sizeof *rich };

START_TEST(parameters_in_tree_order)
{
    rich_kernel();
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_uint_eq(gp.parameters.count, RICH);
    for (size_t p = 0; p < RICH; p++) {
        const struct kr_parameter *parameter = &gp.parameters.items[p];
        ck_assert_str_eq(parameter->name, rich[p].name);
        ck_assert_str_eq(parameter->pointer, rich[p].pointer);
        ck_assert_int_eq(parameter->unit, rich[p].unit);
        ck_assert_int_eq(parameter->positive, rich[p].positive);
        ck_assert(gp.start[p] == parameter->spec.value);
    }
    ck_assert_uint_eq(gp.mean_first, 8);
    ck_assert_uint_eq(gp.noise_index, 9);
    ck_assert(gp.start[1] == 1.1 && gp.start[2] == 1.35 && gp.start[3] == 1.6 && gp.start[9] == 0.1);
}
END_TEST

START_TEST(values_in_the_units_of_the_data)
{
    rich_kernel();
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const double *x_sd = gp.scale.x_sd, y_sd = gp.scale.y_sd;
    ck_assert(isnan(kr_parameter_data_value(&gp, 0, 2))); /* inside a product: no units of its own */
    ck_assert(isnan(kr_parameter_data_value(&gp, 4, 2)));
    for (size_t k = 0; k < D; k++)
        ck_assert(kr_parameter_data_value(&gp, 1 + k, 2) == 2 * x_sd[k]);
    ck_assert(kr_parameter_data_value(&gp, 5, 2) == 2 * x_sd[2]);
    ck_assert(kr_parameter_data_value(&gp, 6, 2) == 2 * x_sd[0]);
    CLOSE(kr_parameter_data_value(&gp, 7, 2), 2 * y_sd * y_sd, y_sd * y_sd, 1e-15, "variance");
    CLOSE(kr_parameter_data_value(&gp, 8, 2), 2 * y_sd + gp.scale.y_mean, 10, 1e-15, "mean");
    CLOSE(kr_parameter_data_value(&gp, 9, 2), 2 * y_sd * y_sd, y_sd * y_sd, 1e-15, "noise");
    /* one lengthscale for three features has none, unless all have the same unit */
    plain_spec(ctx, &spec);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(isnan(kr_parameter_data_value(&gp, 1, 2)));
    spec.model.standardize.x = false;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(kr_parameter_data_value(&gp, 1, 2) == 2);
}
END_TEST

static void check_bounds(size_t index, double lower, double upper)
{
    double got[2];
    kr_parameter_bounds(&gp, index, &got[0], &got[1]);
    if (isinf(lower)) {
        ck_assert(got[0] == lower && got[1] == upper);
        return;
    }
    CLOSE(got[0], lower, lower, 1e-13, "lower bound of %zu", index);
    CLOSE(got[1], upper, upper, 1e-13, "upper bound of %zu", index);
}

START_TEST(default_bounds)
{
    double y_mean, y_sd, mean, sd[D];
    rich_kernel();
    moments(data.y, &y_mean, &y_sd);
    for (size_t k = 0; k < D; k++)
        moments(data.x + k * N, &mean, &sd[k]);
    for (int standardised = 0; standardised < 2; standardised++) {
        spec.model.standardize.x = spec.model.standardize.y = standardised;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const double v = standardised ? 1 : y_sd * y_sd;
        for (size_t p = 0; p < RICH; p++)
            if (rich[p].unit == KR_UNIT_VARIANCE)
                check_bounds(p, 1e-4 * v, 1e4 * v);
        for (size_t k = 0; k < D; k++)
            check_bounds(1 + k, 1e-2 * (standardised ? 1 : sd[k]), 1e4 * (standardised ? 1 : sd[k]));
        check_bounds(8, -INFINITY, INFINITY);
    }
    /* shared: from the least spread to the greatest */
    plain_spec(ctx, &spec);
    test_rows(ctx, &spec, ROWS(5));
    spec.model.standardize.x = false;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    check_bounds(1, 1e-2 * fmin(sd[0], fmin(sd[1], sd[2])), 1e4 * fmax(sd[0], fmax(sd[1], sd[2])));
}
END_TEST

START_TEST(given_bounds)
{
    spec.model.noise.variance.values[0] =
        (struct kr_param_value){.value = 0.5, .bounded = true, .lower = 0.25, .upper = 4};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    check_bounds(gp.noise_index, 0.25, 4);
}
END_TEST

START_TEST(noise_that_is_refused)
{
    struct kr_param *noise = &spec.model.noise.variance;
    noise->values[0].value = 0;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance", "0 only when fixed");
    noise->values[0].fixed = true;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(gp.start[gp.noise_index] == 0 && gp.parameters.items[gp.noise_index].spec.fixed);
    noise->values[0].value = 1e-40;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance", "1e-40");
    noise->values[0] = (struct kr_param_value){.value = 1, .bounded = true, .upper = 4};
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance/bounds", "positive");
    noise->values[0] = (struct kr_param_value){.value = 1};
    noise->array = true;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance", "not an array");
}
END_TEST

START_TEST(kernels_and_means_that_are_refused)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("rbf"), 2);
    struct kr_features *features = member(kernel.options, kernel_type("rbf")->features);
    struct kr_param *length = member(kernel.options, (ptrdiff_t)kernel_type("rbf")->parameters[1].offset);
    composite(ctx, kernel_type("sum"), 1, &kernel, &spec.model.kernel);
    features->items[1].index = D;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel/kernels/0/features/1", "below 3, got 3");
    features->items[1].name = "zeta";
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel/kernels/0/features/1", "\"zeta\"");
    features->items[1].name = "c"; /* the last feature, which the other entry names by index */
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel/kernels/0/features/1", "second time");
    features->items[1].name = "b";
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    length->count = 1;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/kernel/kernels/0/lengthscale",
            "each of 2 features, got 1");
    plain_spec(ctx, &spec);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    ((struct kr_param *)spec.model.mean.options)->array = true;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/mean/value", "not an array");
}
END_TEST

START_TEST(the_report_lists_theta)
{
    struct kr_list list;
    double gradient[RICH];
    rich_kernel();
    spec.model.noise.variance.values[0].fixed = true;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    for (size_t p = 0; p < RICH; p++)
        gradient[p] = (double)p - 3;
    OK(kr_parameters_report(ctx, &gp, gp.start, gradient, &list));
    ck_assert_uint_eq(list.count, RICH);
    for (size_t p = 0; p < RICH; p++) {
        const struct kr_parameter_report *item = (const struct kr_parameter_report *)list.items + p;
        double in_data_units = kr_parameter_data_value(&gp, p, gp.start[p]);
        ck_assert_str_eq(item->name, rich[p].name);
        ck_assert(item->value == gp.start[p] && item->gradient == gradient[p] &&
                  item->fixed == (p == RICH - 1));
        ck_assert(isnan(in_data_units) ? isnan(item->data_value) : item->data_value == in_data_units);
    }
}
END_TEST

Suite *suite(void)
{
    static const TTest *const *tests[] = {
        &parts_are_standardised,   &a_constant_column_is_centred_only,
        &parameters_in_tree_order, &values_in_the_units_of_the_data,
        &default_bounds,           &given_bounds,
        &noise_that_is_refused,    &kernels_and_means_that_are_refused,
        &the_report_lists_theta,
    };
    Suite *made = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
        tcase_add_test(tcase, *tests[t]);
    suite_add_tcase(made, tcase);
    return made;
}
