/* The constraints of a request: names, and refusals with their pointers. */
#include "specs.h"

static struct kr_ctx context, *ctx;
static struct kr_gp_spec spec;
static struct kr_gp gp;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    const struct kr_dataset data = small_data(ctx, 12, false, 2);
    plain_spec(ctx, &spec);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec.model.mean));
    OK(kr_gp_init(ctx, &spec, &data, &gp));
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static struct kr_variant plain(const char *name)
{
    struct kr_variant made;
    OK(kr_variant_init(ctx, &kr_constraint_registry, name, &made));
    return made;
}

/* coefficient times log of one hyperparameter = value */
static struct kr_variant linear_in(const char *name, double coefficient)
{
    struct kr_variant made = plain("linear");
    const char **names = kr_alloc(ctx, 1, sizeof *names);
    double *values = kr_alloc(ctx, 1, sizeof *values);
    *names = name;
    *values = coefficient;
    *(struct kr_values *)made.options = (struct kr_values){1, names, values}; /* the first member */
    return made;
}

static void fix(const char *name)
{
    for (size_t p = 0; p < gp.parameters.count; p++)
        if (strcmp(gp.parameters.items[p].name, name) == 0)
            gp.parameters.items[p].spec.fixed = true;
}

#define LIST(...)                                                                                            \
    &(struct kr_variants)                                                                                    \
    {                                                                                                        \
        sizeof((struct kr_variant[]){__VA_ARGS__}) / sizeof(struct kr_variant), (struct kr_variant[])        \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define CONSTRAIN(...) kr_gp_constrain(ctx, &gp, LIST(__VA_ARGS__), "/constraints", &constraints)

START_TEST(names_are_types_with_an_index_where_a_type_repeats)
{
    struct kr_gp_constraints constraints;
    OK(CONSTRAIN(linear_in("noise.variance", 1), plain("calibration"), linear_in("kernel.variance", -2)));
    ck_assert_uint_eq(constraints.count, 3);
    ck_assert_str_eq(constraints.items[0].name, "linear[0]");
    ck_assert_str_eq(constraints.items[1].name, "calibration");
    ck_assert_str_eq(constraints.items[2].name, "linear[2]");
    ck_assert(constraints.needs_variance);
    OK(CONSTRAIN(plain("bias"), linear_in("noise.variance", 1)));
    ck_assert_str_eq(constraints.items[1].name, "linear");
    ck_assert(!constraints.needs_variance);
    OK(kr_gp_constrain(ctx, &gp, &(struct kr_variants){0}, "/constraints", &constraints));
    ck_assert_uint_eq(constraints.count, 0);
}
END_TEST

START_TEST(a_type_that_holds_once_is_refused_twice)
{
    struct kr_gp_constraints constraints;
    static const char *const once[] = {"calibration", "bias", "variance_budget"};
    for (size_t i = 0; i < 3; i++)
        REFUSED(CONSTRAIN(linear_in("noise.variance", 1), plain(once[i]), plain(once[i])),
                "/constraints/2/type", "constraint 1 already");
}
END_TEST

START_TEST(a_linear_constraint_names_positive_hyperparameters)
{
    struct kr_gp_constraints constraints;
    REFUSED(CONSTRAIN(linear_in("kernel.scale", 1)), "/constraints/0/coefficients/kernel.scale",
            "names no hyperparameter");
    REFUSED(CONSTRAIN(plain("bias"), linear_in("a/b~c", 1)), "/constraints/1/coefficients/a~1b~0c",
            "names no hyperparameter");
    REFUSED(CONSTRAIN(linear_in("mean.value", 1)), "/constraints/0/coefficients/mean.value", "logarithm");
    REFUSED(CONSTRAIN(linear_in("noise.variance", 0)), "/constraints/0/coefficients/noise.variance",
            "other than 0");
    REFUSED(CONSTRAIN(plain("linear")), "/constraints/0/coefficients", "must have a coefficient");
    fix("noise.variance");
    REFUSED(CONSTRAIN(linear_in("noise.variance", 1)), "/constraints/0/coefficients/noise.variance", "fixed");
    gp.start[gp.noise_index] = 0;
    REFUSED(CONSTRAIN(linear_in("noise.variance", 1)), "/constraints/0/coefficients/noise.variance",
            "fixed at 0");
}
END_TEST

START_TEST(something_must_be_free)
{
    struct kr_gp_constraints constraints;
    fix("noise.variance");
    fix("kernel.variance");
    REFUSED(CONSTRAIN(plain("variance_budget")), "/constraints/0", "fixed hyperparameters only");
    OK(CONSTRAIN(plain("calibration"), plain("bias")));
    fix("mean.value");
    REFUSED(CONSTRAIN(plain("calibration"), plain("bias")), "/constraints", "2 constraints are more than");
    fix("kernel.lengthscale");
    REFUSED(CONSTRAIN(plain("bias")), "/constraints", "the 0 hyperparameters");
}
END_TEST

START_TEST(conditions_on_held_out_rows_need_some)
{
    struct kr_gp_constraints constraints;
    const struct kr_dataset data = small_data(ctx, 12, false, 2);
    OK(kr_variant_init(ctx, &kr_loss_registry, "evidence", &spec.objective.loss));
    spec.objective.validation = (struct kr_variant){NULL, NULL};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    REFUSED(CONSTRAIN(linear_in("noise.variance", 1), plain("bias")), "/constraints/1", "held-out rows");
    REFUSED(CONSTRAIN(plain("variance_budget")), "/constraints/0", "held-out rows");
    OK(CONSTRAIN(linear_in("noise.variance", 1)));
}
END_TEST

START_TEST(fresh_draws_are_no_place_for_conditions)
{
    struct kr_gp_constraints constraints;
    struct kr_subset_spec subset;
    OK(kr_schema_init(ctx, &kr_subset_spec_schema, &subset));
    subset.count = 1;
    spec.objective.subset = &subset;
    REFUSED(CONSTRAIN(plain("calibration")), "/objective/subset/fresh", "must be false");
    OK(CONSTRAIN(linear_in("noise.variance", 1)));
    subset.fresh = false;
    OK(CONSTRAIN(plain("calibration")));
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("constraints of a request");
    TCase *tcase = tcase_create("constraints of a request");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, names_are_types_with_an_index_where_a_type_repeats);
    tcase_add_test(tcase, a_type_that_holds_once_is_refused_twice);
    tcase_add_test(tcase, a_linear_constraint_names_positive_hyperparameters);
    tcase_add_test(tcase, something_must_be_free);
    tcase_add_test(tcase, conditions_on_held_out_rows_need_some);
    tcase_add_test(tcase, fresh_draws_are_no_place_for_conditions);
    suite_add_tcase(made, tcase);
    return made;
}
