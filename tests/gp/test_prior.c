/* Priors on a gp: what they add, whom they move, which bounds follow, what is refused. */
#include "specs.h"

#include "kriged/prior.h"

enum { N = 20 };
static struct kr_ctx context, *ctx = &context;
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_gp gp;

static void setup(void)
{
    kr_ctx_init(ctx, 0);
    data = small_data(ctx, N, false, 4);
    plain_spec(ctx, &spec);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static struct kr_variant prior_of(const char *name, double a, double b)
{
    struct kr_variant prior;
    OK(kr_variant_init(ctx, &kr_prior_registry, name, &prior));
    ((double *)prior.options)[0] = a;
    if (prior.type->options->count > 1)
        ((double *)prior.options)[1] = b;
    return prior;
}

static struct kr_param_value *noise(void)
{
    return spec.model.noise.variance.values;
}

static struct kr_param *kernel_parameter(size_t index)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec.model.kernel.type;
    return member(spec.model.kernel.options, (ptrdiff_t)type->parameters[index].offset);
}

static double penalty_of(double *grad)
{
    double value = NAN;
    OK(kr_gp_penalty(ctx, &gp, gp.start, &value, grad));
    return value;
}

START_TEST(without_priors_there_is_nothing)
{
    double grad[3] = {7, 8, 9};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert(!kr_gp_has_priors(&gp));
    ck_assert(penalty_of(grad) == 0 && grad[0] == 7 && grad[1] == 8 && grad[2] == 9);
}
END_TEST

/* An exponential density on the noise (gamma with shape 1), a normal one on the lengthscale. */
START_TEST(penalties_are_added_and_divided_by_the_held_out_points)
{
    static const struct {
        const char *loss;
        double m;
    } rows[] = {{"nlpd", 2}, {"mse", 2}, {"evidence", N - 2}};
    noise()->prior = prior_of("gamma", 1, 4);
    kernel_parameter(1)->values[0].prior = prior_of("normal", 0.5, 2);
    for (size_t i = 0; i < 3; i++) {
        double grad[3] = {0, 0, 0};
        OK(kr_variant_init(ctx, &kr_loss_registry, rows[i].loss, &spec.objective.loss));
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        ck_assert(kr_gp_has_priors(&gp));
        const double wanted = -(log(4) - 4 * 0.1) + 0.5 * 0.25 * 0.25 + log(2) + 0.5 * log(2 * M_PI);
        CLOSE(penalty_of(grad), wanted / rows[i].m, 1, 1e-14, "%s", rows[i].loss);
        ck_assert(grad[0] == 0);
        CLOSE(grad[1], 0.5 / 4 / rows[i].m, 1, 1e-14, "lengthscale");
        CLOSE(grad[2], 4 / rows[i].m, 1, 1e-14, "noise");
    }
}
END_TEST

START_TEST(one_entry_a_feature_has_one_prior_each)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec.model.kernel.type;
    *(bool *)member(spec.model.kernel.options, type->ard) = true;
    kernel_parameter(1)->values[0].prior = prior_of("normal", 1, 1);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    CLOSE(penalty_of(NULL), FEATURES * 0.5 * log(2 * M_PI) / 2, 1, 1e-14, "three lengthscales at the mode");
}
END_TEST

START_TEST(a_fixed_parameter_counts_and_is_not_moved)
{
    double grad[3] = {0, 0, 0};
    *noise() = (struct kr_param_value){.value = 0.1, .fixed = true, .prior = prior_of("gamma", 1, 4)};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    CLOSE(penalty_of(grad), -(log(4) - 4 * 0.1) / 2, 1, 1e-14, "penalty");
    ck_assert(grad[2] == 0);
}
END_TEST

static void check_bounds(size_t index, double lower, double upper)
{
    double got_lower, got_upper;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    kr_parameter_bounds(&gp, index, &got_lower, &got_upper);
    ck_assert_msg(got_lower == lower && got_upper == upper, "got [%g, %g], wanted [%g, %g]", got_lower,
                  got_upper, lower, upper);
}

START_TEST(bounds_follow_the_ends_of_a_prior)
{
    noise()->prior = prior_of("uniform", 0.05, 0.2);
    check_bounds(2, 0.05, 0.2);
    noise()->prior = prior_of("uniform", -1, 0.2); /* the default end where the prior has none of use */
    check_bounds(2, 1e-4, 0.2);
    *noise() = (struct kr_param_value){.value = 1e-6, .prior = prior_of("uniform", 0, 1e-5)};
    check_bounds(2, 1e-30, 1e-5);
    *noise() = (struct kr_param_value){.value = 1e6, .prior = prior_of("uniform", 1e5, 1e7)};
    check_bounds(2, 1e5, 1e7);
    *noise() = (struct kr_param_value){
        .value = 1, .bounded = true, .lower = 0.5, .upper = 3, .prior = prior_of("uniform", 0.75, 10)};
    check_bounds(2, 0.75, 3);
    *noise() = (struct kr_param_value){.value = 1, .prior = prior_of("lognormal", 0, 1)};
    check_bounds(2, 1e-4, 1e4);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    struct kr_param_value *mean = ((struct kr_param *)spec.model.mean.options)->values;
    mean->prior = prior_of("normal", 0, 1);
    check_bounds(2, -INFINITY, INFINITY);
    *mean = (struct kr_param_value){.value = 1, .prior = prior_of("gamma", 2, 1)};
    check_bounds(2, 0, INFINITY);
}
END_TEST

START_TEST(what_has_no_density_is_refused_with_its_pointer)
{
    noise()->prior = prior_of("uniform", 0.2, 1);
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance", "between 0.2 and 1, got 0.1");
    noise()->prior = prior_of("uniform", 1, 1);
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance/prior/upper", "got 1");
    *noise() = (struct kr_param_value){
        .value = 1, .bounded = true, .lower = 1, .upper = 3, .prior = prior_of("uniform", 0.5, 1)};
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/noise/variance/bounds", "between 0.5 and 1");
    *noise() = (struct kr_param_value){.value = 0.1};
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    ((struct kr_param *)spec.model.mean.options)->values->prior = prior_of("halfcauchy", 1, 0);
    ((struct kr_param *)spec.model.mean.options)->values->value = -1;
    REFUSED(kr_gp_init(ctx, &spec, &data, &gp), "/model/mean/value", "halfcauchy");
}
END_TEST

START_TEST(a_value_without_density_is_not_finite)
{
    double value, theta[3];
    noise()->prior = prior_of("uniform", 0.05, 0.2);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    memcpy(theta, gp.start, sizeof theta);
    theta[2] = 0.3;
    ck_assert_int_eq(kr_gp_penalty(ctx, &gp, theta, &value, NULL), KR_NON_FINITE);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "noise.variance"));
}
END_TEST

Suite *suite(void)
{
    static const TTest *const *tests[] = {
        &without_priors_there_is_nothing,        &penalties_are_added_and_divided_by_the_held_out_points,
        &one_entry_a_feature_has_one_prior_each, &a_fixed_parameter_counts_and_is_not_moved,
        &bounds_follow_the_ends_of_a_prior,      &what_has_no_density_is_refused_with_its_pointer,
        &a_value_without_density_is_not_finite,
    };
    Suite *made = suite_create("prior");
    TCase *tcase = tcase_create("prior");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
        tcase_add_test(tcase, *tests[t]);
    suite_add_tcase(made, tcase);
    return made;
}
