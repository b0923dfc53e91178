/* Calibration after tuning: what the result and the model then are, what is said, what is refused. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(size_t n)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, n, false, 3);
}

#define CALIBRATED(model, loss, how, more)                                                                   \
    "{\"dataset\": \"d\", \"model\": " model ", \"objective\": {\"loss\": \"" loss                           \
    "\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.3, \"seed\": 4}, \"calibrate\": \"" how    \
    "\"}, \"test\": {\"rows\": [1, 5, 9, 13]}, \"optimizer\": {\"type\": \"lbfgs\"}" more "}"

START_TEST(variances_are_scaled_together)
{
    struct kr_dataset data = some_data(200);
    struct run_seen *plain = tuned(CALIBRATED(ARD, "crps", "none", ""), &data),
                    *run = tuned(CALIBRATED(ARD, "crps", "leave_one_out", ""), &data);
    const double s = run->result.calibration;
    const size_t variance = place_of(run, "kernel.variance"), noise = place_of(run, "noise.variance");
    ck_assert(isnan(plain->result.calibration));
    ck_assert_uint_eq(run->nsteps, plain->nsteps);
    ck_assert(s > 0 && fabs(s - 1) > 1e-3);
    for (size_t p = 0; p < run->gp.parameters.count; p++)
        CLOSE(run->theta[p], (p == variance || p == noise ? s : 1) * plain->theta[p], run->theta[p], 1e-14,
              "parameter %zu", p);
    double spread;
    ck_assert_int_eq(kr_gp_leave_one_out_spread(&run->ctx, &run->gp, run->theta, &spread, NULL), KR_OK);
    CLOSE(spread, 1, 1, 1e-8, "spread"); /* solves are right to 1e-6 */
    /* the loss that was tuned is told as it was; metrics are those of the scaled values */
    ck_assert(same_bits(run->result.best_loss, plain->result.best_loss));
    const struct kr_metrics *a = run->result.metrics.test, *b = plain->result.metrics.test;
    CLOSE(a->rmse, b->rmse, b->rmse, 1e-7, "test rmse");
    ck_assert(fabs(a->nlpd - b->nlpd) > 1e-6);
    ck_assert(same_bits(run->result.metrics.initial.test->nlpd, plain->result.metrics.initial.test->nlpd));
    ck_assert_ptr_null(warned(run, "small-calibration"));
    /* the gradient that is told is that of the loss at the scaled values */
    const struct kr_parameter_report *reports = run->result.parameters.items;
    double grad[16];
    struct kr_evaluation evaluation;
    ck_assert_int_eq(kr_objective_eval(&run->ctx, &run->gp, run->theta, false, &evaluation, grad), KR_OK);
    for (size_t p = 0; p < run->gp.parameters.count; p++)
        ck_assert(same_bits(reports[p].gradient, grad[p]) && same_bits(reports[p].value, run->theta[p]));
    forget(plain);
    forget(run);
}
END_TEST

START_TEST(few_rows_and_left_bounds_are_said)
{
    struct kr_dataset data = some_data(60);
    struct run_seen *run =
        tuned(CALIBRATED(
                  "{\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 1, \"bounds\": [0.99, 1.01]}}}",
                  "crps", "leave_one_out", ""),
              &data);
    ck_assert_ptr_nonnull(warned(run, "small-calibration"));
    const struct warning_seen *w = warned(run, "calibrated-beyond-bound");
    ck_assert_ptr_nonnull(w);
    ck_assert_str_eq(w->parameter, "kernel.variance");
    ck_assert(run->theta[0] < 0.99 || run->theta[0] > 1.01);
    forget(run);
}
END_TEST

START_TEST(start_values_can_be_calibrated_too)
{
    struct kr_dataset data = some_data(60);
    struct run_seen *run = prepare(CALIBRATED(PLAIN, "nlpd", "leave_one_out", ""), &data);
    ((struct kr_stop_options *)run->request.optimizer.options)->max_evaluations = 0;
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_OK);
    CLOSE(run->theta[0], run->result.calibration, 1, 1e-14, "variance, from 1");
    CLOSE(run->theta[2], 0.1 * run->result.calibration, 1, 1e-14, "noise, from 0.1");
    forget(run);
}
END_TEST

START_TEST(what_cannot_be_scaled_is_refused_before_any_work)
{
    static const struct {
        const char *request, *words;
    } rows[] = {
        {CALIBRATED("{\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 1, \"fixed\": true}}}",
                    "nlpd", "leave_one_out", ""),
         "variance of the kernel is fixed"},
        {CALIBRATED("{\"kernel\": {\"type\": \"rbf\"}, \"noise\": {\"variance\": {\"value\": 1, \"fixed\": "
                    "true}}}",
                    "nlpd", "leave_one_out", ""),
         "noise.variance is fixed"},
    };
    struct kr_dataset data = some_data(60);
    for (size_t i = 0; i < 2; i++) {
        struct run_seen *run = prepare(rows[i].request, &data);
        go(run, NULL);
        ck_assert_int_eq(run->status, KR_INVALID);
        ck_assert_str_eq(run->ctx.error.pointer, "/objective/calibrate");
        ck_assert_ptr_nonnull(strstr(run->ctx.error.detail, rows[i].words));
        ck_assert_uint_eq(run->nsteps, 0);
        forget(run);
    }
    struct run_seen *run = prepare(
        CALIBRATED(PLAIN, "nlpd", "leave_one_out", ", \"constraints\": [{\"type\": \"bias\"}]"), &data);
    run->request.optimizer.type = kr_registry_find(&kr_optimizer_registry, "adam");
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_INVALID);
    ck_assert_str_eq(run->ctx.error.pointer, "/objective/calibrate");
    forget(run);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("calibrate");
    TCase *tcase = tcase_create("calibrate");
    tcase_add_test(tcase, variances_are_scaled_together);
    tcase_add_test(tcase, few_rows_and_left_bounds_are_said);
    tcase_add_test(tcase, start_values_can_be_calibrated_too);
    tcase_add_test(tcase, what_cannot_be_scaled_is_refused_before_any_work);
    suite_add_tcase(made, tcase);
    return made;
}
