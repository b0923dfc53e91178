/* The check of gradients: it finds none wrong that is right, and every part that is wrong. */
#include "../conform/objectives.h"
#include "kriged/differentiate.h"

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t last; /* the richest kernel */
static struct kr_dataset data;
static struct kr_gp_spec spec;
static struct kr_gp gp;
static struct kr_check_spec options;
static struct kr_check_report report;
static struct kr_data_gradient by_data;
static double grad[64];

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    last = kernel_cases(ctx, cases) - 1;
    data = small_data(ctx, ROWS, true, 5);
    make_spec(ctx, &cases[last].spec, "nlpd", "cholesky", "constant", &spec);
    spec.model.standardize.x = spec.model.standardize.y = false;
    OK(kr_schema_init(ctx, &kr_check_spec_schema, &options));
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void differentiate(void)
{
    struct kr_evaluation evaluation;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_uint_le(gp.parameters.count, sizeof grad / sizeof *grad);
    by_data = (struct kr_data_gradient){
        kr_alloc(ctx, gp.rows * FEATURES, sizeof(double)), kr_alloc(ctx, gp.rows, sizeof(double)),
        kr_alloc(ctx, gp.rows, sizeof(double)), kr_alloc(ctx, gp.validation.n * FEATURES, sizeof(double))};
    OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &by_data));
}

/* The largest error of a check of theta and of these parts. */
static double checked(const struct kr_data_gradient *parts)
{
    OK(kr_gradient_check(ctx, &gp, gp.start, grad, parts, &options, &report));
    return report.largest_relative_error;
}

START_TEST(right_gradients_pass)
{
    static const char *const forms[] = {"rows", "kfold", "leave_one_out"}, *const losses[] = {"mse", "nlpd",
                                                                                              "crps",
                                                                                              "evidence"};
    for (int f = 0; f < 3; f++)
        for (int l = 0; l < 4; l++) {
            make_spec(ctx, &cases[_i ? last : 1].spec, losses[l], "cholesky", "constant", &spec);
            spec.model.standardize.x = spec.model.standardize.y = false;
            if (f)
                OK(kr_variant_init(ctx, &kr_validation_registry, forms[f], &spec.objective.validation));
            differentiate();
            const struct kr_data_gradient parts = {by_data.x, by_data.y, by_data.noise,
                                                   f ? NULL : by_data.x_validation};
            const double error = checked(&parts), without = checked(NULL);
            ck_assert_msg(error < 1e-6, "%s, %s: %g", forms[f], losses[l], error);
            ck_assert_msg(without < 1e-6, "%s, %s: %g", forms[f], losses[l], without);
        }
    ck_assert_uint_eq(report.directions.count, 4);
    const struct kr_checked_direction *directions = report.directions.items;
    double largest = 0;
    for (int i = 0; i < 4; i++) {
        ck_assert(directions[i].analytic != 0 && directions[i].numeric != 0);
        largest = fmax(largest, directions[i].relative_error);
    }
    ck_assert(largest == report.largest_relative_error && report.step > 0);
}
END_TEST

START_TEST(wrong_gradients_are_found)
{
    differentiate();
    const struct kr_data_gradient none = {0};
    for (size_t p = 0; p < gp.parameters.count; p++) {
        const double right = grad[p];
        grad[p] = right + 0.3 * (fabs(right) + 0.1);
        ck_assert_msg(checked(&none) > 1e-4, "%s", gp.parameters.items[p].name);
        grad[p] = right;
    }
    double *parts[] = {by_data.x, by_data.y, by_data.noise, by_data.x_validation};
    for (int part = 0; part < 4; part++) {
        const struct kr_data_gradient one = {part == 0 ? parts[0] : NULL, part == 1 ? parts[1] : NULL,
                                             part == 2 ? parts[2] : NULL, part == 3 ? parts[3] : NULL};
        ck_assert(checked(&one) < 1e-6);
        for (size_t i = 0; i < gp.validation.n; i++)
            parts[part][i] *= 1.5;
        ck_assert_msg(checked(&one) > 1e-5, "part %d: %g", part, checked(&one));
    }
}
END_TEST

/* The error of a gradient at a loose tolerance is what the check sees. */
START_TEST(solves_of_the_check_are_tight)
{
    double errors[2];
    for (int loose = 0; loose < 2; loose++) {
        make_spec(ctx, &cases[last].spec, "nlpd", "cg", "constant", &spec);
        spec.solver.rtol = loose ? 0.1 : 1e-13;
        spec.model.standardize.x = spec.model.standardize.y = false;
        OK(kr_variant_init(ctx, &kr_preconditioner_registry, "none", &spec.solver.preconditioner));
        differentiate();
        errors[loose] = checked(&by_data);
    }
    ck_assert_msg(errors[0] < 1e-6 && errors[1] > 1e-5, "%g, %g", errors[0], errors[1]);
}
END_TEST

START_TEST(seeds_and_memory)
{
    differentiate();
    checked(&by_data);
    const struct kr_checked_direction first = *(struct kr_checked_direction *)report.directions.items;
    const size_t used = ctx->used;
    options.directions = 2;
    checked(&by_data);
    ck_assert_uint_eq(report.directions.count, 2);
    ck_assert_uint_le(ctx->used, used + 256);
    ck_assert_mem_eq(report.directions.items, &first, sizeof first);
    options.seed = 1;
    checked(&by_data);
    ck_assert(memcmp(report.directions.items, &first, sizeof first) != 0);
}
END_TEST

/* What is fixed does not move: a wrong derivative by it is not seen. */
START_TEST(fixed_parameters_stay)
{
    differentiate();
    for (size_t p = 0; p < gp.parameters.count; p++) {
        gp.parameters.items[p].spec.fixed = true;
        grad[p] = 1e3;
        if (p + 1 < gp.parameters.count)
            ck_assert(checked(NULL) < 1e-6);
    }
    ck_assert_int_eq(kr_gradient_check(ctx, &gp, gp.start, grad, NULL, &options, &report), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/check");
    kr_ctx_clear_error(ctx);
    ck_assert(checked(&by_data) < 1e-6); /* the data is left */
}
END_TEST

/* Moved labels would be new ones. */
START_TEST(labels_stay)
{
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 2), leaf(ctx, kernel_type("hamming"), 0)};
    struct kr_features *features = member(parts[1].options, kernel_type("hamming")->features);
    features->count = 1;
    features->items = kr_alloc(ctx, 1, sizeof *features->items);
    features->items[0].index = 1;
    for (size_t i = 0; i < ROWS; i++)
        ((double *)(uintptr_t)data.x)[ROWS + i] = (double)(i % 3);
    composite(ctx, kernel_type("product"), 2, parts, &spec.model.kernel);
    differentiate();
    for (size_t i = 0; i < ROWS; i++)
        ck_assert(by_data.x[ROWS + i] == 0);
    ck_assert(checked(&by_data) < 1e-6);
}
END_TEST

START_TEST(folds_have_no_loss_of_held_out_inputs)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, "kfold", &spec.objective.validation));
    differentiate();
    ck_assert_int_eq(kr_gradient_check(ctx, &gp, gp.start, grad, &by_data, &options, &report), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/check");
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("check");
    TCase *tcase = tcase_create("check");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, right_gradients_pass, 0, 2);
    tcase_add_test(tcase, wrong_gradients_are_found);
    tcase_add_test(tcase, solves_of_the_check_are_tight);
    tcase_add_test(tcase, seeds_and_memory);
    tcase_add_test(tcase, fixed_parameters_stay);
    tcase_add_test(tcase, labels_stay);
    tcase_add_test(tcase, folds_have_no_loss_of_held_out_inputs);
    suite_add_tcase(made, tcase);
    return made;
}
