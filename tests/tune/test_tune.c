/* The tuning loop: rules that end it, failures, memory. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(void)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, 60, false, 3);
}

/* ---- how a run ends ---- */

START_TEST(ends_by_the_gradient)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        tuned(REQUEST(PLAIN, "nlpd", "{\"type\": \"lbfgs\", \"gradient_tolerance\": 0.01}"), &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "0.01");
    const struct kr_step *last = &run->steps[run->nsteps - 1].step;
    ck_assert_double_le(last->gradient_norm, 0.01);
    ck_assert(same_bits(last->loss, run->result.best_loss));
    ck_assert_uint_eq(run->result.evaluations, run->nsteps);
    forget(run);
}
END_TEST

START_TEST(ends_by_patience)
{
    struct kr_dataset data = some_data();
    const char *request =
        REQUEST(PLAIN, "nlpd",
                "{\"type\": \"adam\", \"learning_rate\": 2, \"patience\": 4, \"gradient_tolerance\": 0}");
    struct run_seen *run = tuned(request, &data);
    assert_stop(run, KR_TUNE_STOP_PATIENCE, "4 evaluations");
    ck_assert_uint_ge(run->nsteps, 5);
    for (size_t i = run->nsteps - 4; i < run->nsteps; i++)
        ck_assert_double_ge(run->steps[i].step.loss, run->result.best_loss);
    forget(run);
}
END_TEST

START_TEST(ends_by_the_limit_of_evaluations)
{
    struct kr_dataset data = some_data();
    for (int most = 1; most < 4; most++) {
        char request[512];
        snprintf(request, sizeof request,
                 REQUEST(ARD, "mse", "{\"type\": \"adam\", \"max_evaluations\": %d}"), most);
        struct run_seen *run = tuned(request, &data);
        assert_stop(run, KR_TUNE_STOP_EVALUATIONS, "limit");
        ck_assert_uint_eq(run->nsteps, (size_t)most);
        ck_assert_uint_eq(run->result.evaluations, (size_t)most);
        forget(run);
    }
}
END_TEST

START_TEST(ends_by_seconds)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(REQUEST(PLAIN, "nlpd", "{\"type\": \"adam\", \"seconds\": 1e-9}"), &data);
    assert_stop(run, KR_TUNE_STOP_SECONDS, "1e-09 seconds after 1 evaluation");
    ck_assert_uint_eq(run->nsteps, 1);
    forget(run);
}
END_TEST

START_TEST(ends_when_the_optimiser_is_stuck)
{
    struct kr_dataset data = some_data();
    const char *request = REQUEST(PLAIN, "nlpd",
                                  "{\"type\": \"lbfgs\", \"gradient_tolerance\": 0, \"patience\": 500, "
                                  "\"max_evaluations\": 600}");
    struct run_seen *run = tuned(request, &data);
    assert_stop(run, KR_TUNE_STOP_STUCK, " ");
    forget(run);
}
END_TEST

START_TEST(without_evaluations_the_start_is_scored)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        tuned(REQUEST(ARD, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 0}"), &data);
    assert_stop(run, KR_TUNE_STOP_EVALUATIONS, "max_evaluations is 0");
    ck_assert_uint_eq(run->nsteps, 0);
    ck_assert_uint_eq(run->result.evaluations, 0);
    ck_assert(isfinite(run->result.best_loss));
    ck_assert(memcmp(run->theta, run->gp.start, run->gp.parameters.count * sizeof *run->theta) == 0);
    const struct kr_tune_metrics *metrics = &run->result.metrics;
    ck_assert_ptr_nonnull(metrics->initial.validation);
    ck_assert_ptr_nonnull(metrics->validation);
    ck_assert(memcmp(metrics->initial.validation, metrics->validation, sizeof *metrics->validation) == 0);
    ck_assert_ptr_null(metrics->test);
    forget(run);
}
END_TEST

START_TEST(with_everything_fixed_the_start_is_scored)
{
    struct kr_dataset data = some_data();
    const char *request =
        REQUEST("{\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 2, \"fixed\": true}, "
                "\"lengthscale\": {\"value\": 1.5, \"fixed\": true}}, "
                "\"noise\": {\"variance\": {\"value\": 0.3, \"fixed\": true}}}",
                "mse", "{\"type\": \"adam\"}");
    struct run_seen *run = tuned(request, &data);
    assert_stop(run, KR_TUNE_STOP_EVALUATIONS, "fixed");
    ck_assert_uint_eq(run->nsteps, 0);
    ck_assert_double_eq(run->theta[0], 2);
    ck_assert_double_eq(run->theta[1], 1.5);
    ck_assert_double_eq(run->theta[2], 0.3);
    const struct kr_parameter_report *reports = run->result.parameters.items;
    for (size_t p = 0; p < 3; p++)
        ck_assert(reports[p].fixed);
    forget(run);
}
END_TEST

/* ---- failures ---- */

/* Without noise the matrix of a smooth kernel is not positive definite for long lengthscales. */
#define NOISELESS(lengthscale)                                                                               \
    "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": " lengthscale                             \
    ", \"bounds\": [1e-3, 1e3]}, \"variance\": {\"value\": 1, \"fixed\": true}}, "                           \
    "\"noise\": {\"variance\": {\"value\": 0, \"fixed\": true}}}"

START_TEST(a_trial_point_that_fails_shortens_the_step)
{
    static const char *const requests[] = {
        REQUEST(NOISELESS("0.02"), "nlpd",
                "{\"type\": \"lbfgs\", \"max_evaluations\": 40, \"patience\": 40}"),
        REQUEST(NOISELESS("0.02"), "nlpd",
                "{\"type\": \"adam\", \"learning_rate\": 3, \"max_evaluations\": 40, \"patience\": 40}")};
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 80, 0, 1);
    struct run_seen *run = tuned(requests[_i], &data);
    const struct warning_seen *w = warned(run, "not-positive-definite");
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_nonnull(strstr(w->detail, "kernel.lengthscale = "));
    ck_assert_ptr_nonnull(strstr(w->detail, "shorter step"));
    double good = 0.02;
    size_t bad = 0;
    for (size_t i = 0; i < run->nsteps; i++) {
        const struct step_seen *seen = &run->steps[i];
        if (isnan(seen->step.loss)) {
            ck_assert(isnan(seen->step.gradient_norm));
            ck_assert(isfinite(seen->step.best_loss));
            bad++;
        } else {
            if (i && isnan(seen[-1].step.loss)) /* nearer to the good point than the one that failed */
                ck_assert_double_lt(fabs(log(seen->parameters[1] / good)),
                                    fabs(log(seen[-1].parameters[1] / good)) + 1e-12);
            good = seen->parameters[1];
        }
    }
    ck_assert_uint_ge(bad, 1);
    ck_assert(isfinite(run->result.best_loss));
    ck_assert_double_lt(run->result.best_loss, run->steps[0].step.loss);
    forget(run);
}
END_TEST

START_TEST(a_failure_at_the_start_is_the_failure_of_the_run)
{
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 80, 0, 1);
    struct run_seen *run = prepare(REQUEST(NOISELESS("100"), "nlpd", "{\"type\": \"lbfgs\"}"), &data);
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_NOT_POSITIVE_DEFINITE);
    ck_assert(run->ctx.error.detail[0]);
    ck_assert_uint_eq(run->nsteps, 0);
    forget(run);
}
END_TEST

START_TEST(a_cancelled_run_ends_after_its_step)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = prepare(REQUEST(ARD, "nlpd", "{\"type\": \"adam\"}"), &data);
    run->cancel_at = 3;
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_CANCELLED);
    ck_assert_uint_eq(run->nsteps, 3);
    forget(run);
}
END_TEST

START_TEST(too_little_memory_is_the_failure_of_the_run)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = prepare(REQUEST(ARD, "nlpd", "{\"type\": \"adam\"}"), &data);
    run->ctx.budget = run->ctx.used + 20000;
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_MEMORY_LIMIT);
    forget(run);
}
END_TEST

/* ---- scale and memory ---- */

START_TEST(mse_does_not_know_the_unit_of_the_target)
{
    kr_ctx_init(ctx, 0);
    struct kr_dataset large = waves(ctx, 60, 0.1, 1), small = waves(ctx, 60, 0.1, 1e-3);
    static const char *const format =
        "{\"dataset\": \"d\", \"model\": {\"kernel\": {\"type\": \"rbf\", \"variance\": %g}, \"noise\": "
        "{\"variance\": %g}, \"standardize\": {\"x\": true, \"y\": false}}, \"objective\": "
        "{\"loss\": \"mse\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.3}}, "
        "\"optimizer\": {\"type\": \"lbfgs\", \"gradient_tolerance\": 1e-4}}";
    char request[768];
    snprintf(request, sizeof request, format, 1.0, 0.1);
    struct run_seen *a = tuned(request, &large);
    snprintf(request, sizeof request, format, 1e-6, 1e-7);
    struct run_seen *b = tuned(request, &small);
    ck_assert_int_eq(a->result.stop, b->result.stop);
    ck_assert_uint_le(a->result.evaluations, b->result.evaluations + 2);
    ck_assert_uint_le(b->result.evaluations, a->result.evaluations + 2);
    CLOSE(b->result.best_loss * 1e6, a->result.best_loss, a->result.best_loss, 1e-3, "best loss");
    forget(a);
    forget(b);
}
END_TEST

START_TEST(memory_does_not_grow_with_evaluations)
{
    struct kr_dataset data = some_data();
    size_t peaks[2];
    for (int k = 0; k < 2; k++) {
        struct run_seen *run = tuned(k ? REQUEST(ARD, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 40}")
                                       : REQUEST(ARD, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 2}"),
                                     &data);
        for (size_t i = 1; i < run->nsteps; i++)
            ck_assert_uint_eq(run->steps[i].used, run->steps[0].used);
        peaks[k] = run->ctx.peak;
        forget(run);
    }
    ck_assert_uint_eq(peaks[0], peaks[1]);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("tune");
    TCase *tcase = tcase_create("tune");
    tcase_add_test(tcase, ends_by_the_gradient);
    tcase_add_test(tcase, ends_by_patience);
    tcase_add_test(tcase, ends_by_the_limit_of_evaluations);
    tcase_add_test(tcase, ends_by_seconds);
    tcase_add_test(tcase, ends_when_the_optimiser_is_stuck);
    tcase_add_test(tcase, without_evaluations_the_start_is_scored);
    tcase_add_test(tcase, with_everything_fixed_the_start_is_scored);
    tcase_add_loop_test(tcase, a_trial_point_that_fails_shortens_the_step, 0, 2);
    tcase_add_test(tcase, a_failure_at_the_start_is_the_failure_of_the_run);
    tcase_add_test(tcase, a_cancelled_run_ends_after_its_step);
    tcase_add_test(tcase, too_little_memory_is_the_failure_of_the_run);
    tcase_add_test(tcase, mse_does_not_know_the_unit_of_the_target);
    tcase_add_test(tcase, memory_does_not_grow_with_evaluations);
    suite_add_tcase(made, tcase);
    return made;
}
