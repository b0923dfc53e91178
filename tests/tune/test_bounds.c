/* Bounds and fixed values of hyperparameters in a tuning run. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(void)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, 60, false, 3);
}

#define NARROW                                                                                               \
    "{\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 0.7, \"fixed\": true}, "                     \
    "\"lengthscale\": {\"value\": 0.3, \"bounds\": [0.2, 0.35]}}, "                                          \
    "\"noise\": {\"variance\": {\"value\": 0.5, \"bounds\": [0.45, 0.6]}}}"

START_TEST(steps_keep_bounds_and_fixed_values)
{
    struct kr_dataset data = some_data();
    static const char *const requests[] = {REQUEST(NARROW, "nlpd", "{\"type\": \"lbfgs\"}"),
                                           REQUEST(NARROW, "nlpd", "{\"type\": \"adam\"}"),
                                           REQUEST(NARROW, "mse", "{\"type\": \"lbfgs\"}")};
    struct run_seen *run = tuned(requests[_i], &data);
    for (size_t i = 0; i < run->nsteps; i++) {
        const double *theta = run->steps[i].parameters;
        ck_assert(same_bits(theta[0], 0.7));
        ck_assert_msg(theta[1] >= 0.2 && theta[1] <= 0.35, "step %zu: lengthscale %.17g", i + 1, theta[1]);
        ck_assert_msg(theta[2] >= 0.45 && theta[2] <= 0.6, "step %zu: noise %.17g", i + 1, theta[2]);
    }
    ck_assert(same_bits(run->theta[0], 0.7));
    ck_assert(run->theta[1] >= 0.2 && run->theta[1] <= 0.35);
    ck_assert(run->theta[2] >= 0.45 && run->theta[2] <= 0.6);
    forget(run);
}
END_TEST

/* The loss would have the lengthscale beyond `bound`; bounds whose logarithm does not lead back to them are
 * the hard ones. */
static void assert_held(const struct kr_dataset *data, double low, double high, double start, double bound)
{
    char request[768];
    bool reached = false;
    snprintf(request, sizeof request,
             REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": %.17g, \"bounds\": "
                     "[%.17g, %.17g]}}}",
                     "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 30}"),
             start, low, high);
    struct run_seen *run = tuned(request, data);
    for (size_t i = 0; i < run->nsteps; i++) {
        const double value = run->steps[i].parameters[1];
        ck_assert_msg(low <= value && value <= high, "bounds [%.17g, %.17g], step %zu at %.17g", low, high,
                      i + 1, value);
        reached |= fabs(value - bound) < 1e-12;
    }
    ck_assert(low <= run->theta[1] && run->theta[1] <= high);
    ck_assert_msg(reached, "the bound %.17g is not reached", bound);
    forget(run);
}

START_TEST(the_bound_itself_is_not_overstepped)
{
    size_t tried = 0;
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 60, 0.1, 1);
    for (int k = 0; k < 200 && tried < 6; k++) {
        const double high = 0.1 + 0.00071 * k;
        if (exp(log(high)) <= high)
            continue;
        assert_held(&data, 0.01, high, 0.05, high);
        tried++;
    }
    for (int k = 0; k < 200 && tried < 12; k++) {
        const double low = 5 + 0.013 * k;
        if (exp(log(low)) >= low)
            continue;
        assert_held(&data, low, 100, 9, low);
        tried++;
    }
    ck_assert_uint_eq(tried, 12);
}
END_TEST

START_TEST(a_bound_that_holds_is_a_warning_with_the_name)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(REQUEST(NARROW, "nlpd", "{\"type\": \"lbfgs\"}"), &data);
    bool lengthscale = false;
    for (size_t i = 0; i < run->nwarnings; i++) {
        const struct warning_seen *w = &run->warnings[i];
        if (strcmp(w->code, "at-bound") != 0)
            continue;
        ck_assert(w->has_parameter);
        ck_assert_ptr_nonnull(strstr(w->detail, w->parameter));
        ck_assert_str_ne(w->parameter, "kernel.variance");
        lengthscale |= strcmp(w->parameter, "kernel.lengthscale") == 0;
        ck_assert_ptr_nonnull(strstr(w->detail, "upper") ? strstr(w->detail, "upper")
                                                         : strstr(w->detail, "lower"));
    }
    ck_assert(lengthscale);
    forget(run);
    run = tuned(REQUEST(PLAIN, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 2}"), &data);
    ck_assert_ptr_null(warned(run, "at-bound"));
    forget(run);
}
END_TEST

START_TEST(a_parameter_that_stays_at_its_bound_is_named_once_on_the_way)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 0.3, "
                                         "\"bounds\": [0.2, 0.35]}}}",
                                         "nlpd",
                                         "{\"type\": \"adam\", \"learning_rate\": 0.05, \"max_evaluations\": "
                                         "40, \"patience\": 40, \"gradient_tolerance\": 0}"),
                                 &data);
    size_t said = 0, ended = 0, first = 0;
    while (fabs(run->steps[first].parameters[1] - 0.35) > 1e-9)
        ck_assert_uint_lt(++first, run->nsteps);
    for (size_t i = 0; i < run->nwarnings; i++) {
        const struct warning_seen *w = &run->warnings[i];
        const bool mine = strcmp(w->code, "at-bound") == 0 && strcmp(w->parameter, "kernel.lengthscale") == 0;
        said += mine && strstr(w->detail, "upper bound for 10 evaluations");
        ended += mine && strstr(w->detail, "ended at its upper bound");
    }
    ck_assert_uint_eq(said, 1);
    ck_assert_uint_eq(ended, 1);
    /* with the tenth evaluation there, not before */
    ck_assert_uint_lt(run->steps[first + 8].nwarnings, run->steps[first + 9].nwarnings);
    forget(run);
}
END_TEST

START_TEST(a_start_outside_the_default_bounds_is_refused)
{
    struct kr_dataset data = some_data();
    static const struct {
        const char *request, *pointer;
    } rows[] = {
        {REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": 2e4}}", "nlpd", "{\"type\": \"lbfgs\"}"),
         "/model/kernel/lengthscale"},
        {REQUEST(
             "{\"kernel\": {\"type\": \"sum\", \"kernels\": [{\"type\": \"rbf\"}, {\"type\": \"matern32\", "
             "\"variance\": 1e-5}]}}",
             "nlpd", "{\"type\": \"lbfgs\"}"),
         "/model/kernel/kernels/1/variance"},
        {REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": [1, 1, 1e-3]}}", "nlpd",
                 "{\"type\": \"adam\"}"),
         "/model/kernel/lengthscale/2"},
        {REQUEST("{\"kernel\": {\"type\": \"rbf\"}, \"noise\": {\"variance\": 1e-5}}", "mse",
                 "{\"type\": \"adam\"}"),
         "/model/noise/variance"}};
    struct run_seen *run = prepare(rows[_i].request, &data);
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_INVALID);
    ck_assert_str_eq(run->ctx.error.pointer, rows[_i].pointer);
    ck_assert_ptr_nonnull(strstr(run->ctx.error.detail, "bounds"));
    ck_assert_uint_eq(run->nsteps, 0);
    ck_assert_uint_eq(run->nwarnings, 0);
    forget(run);
}
END_TEST

START_TEST(bounds_of_its_own_or_a_fixed_value_let_a_start_be_anywhere)
{
    struct kr_dataset data = some_data();
    const char *request =
        REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 2e4, \"bounds\": [1, 1e5]}, "
                "\"variance\": {\"value\": 1e-6, \"fixed\": true}}}",
                "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 2}");
    forget(tuned(request, &data));
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("bounds");
    TCase *tcase = tcase_create("bounds");
    tcase_add_loop_test(tcase, steps_keep_bounds_and_fixed_values, 0, 3);
    tcase_add_test(tcase, the_bound_itself_is_not_overstepped);
    tcase_add_test(tcase, a_bound_that_holds_is_a_warning_with_the_name);
    tcase_add_test(tcase, a_parameter_that_stays_at_its_bound_is_named_once_on_the_way);
    tcase_add_loop_test(tcase, a_start_outside_the_default_bounds_is_refused, 0, 4);
    tcase_add_test(tcase, bounds_of_its_own_or_a_fixed_value_let_a_start_be_anywhere);
    suite_add_tcase(made, tcase);
    return made;
}
