/* Restarts: where they start, what they may spend, which one wins, and how they go on from checkpoints. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(void)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, 60, false, 3);
}

#define RESTARTED(model, loss, optimizer, restarts)                                                          \
    "{\"dataset\": \"d\", \"model\": " model ", \"objective\": {\"loss\": \"" loss                           \
    "\", \"validation\": {\"type\": \"fraction\", \"fraction\": 0.3, \"seed\": 4}}, "                        \
    "\"optimizer\": " optimizer ", \"restarts\": " restarts "}"

/* The first step of a restart; NULL when it has none. */
static const struct step_seen *first_of(const struct run_seen *run, size_t restart)
{
    for (size_t i = 0; i < run->nsteps; i++)
        if (run->steps[i].step.restart == restart)
            return &run->steps[i];
    return NULL;
}

static size_t steps_of(const struct run_seen *run, size_t restart)
{
    size_t count = 0;
    for (size_t i = 0; i < run->nsteps; i++)
        count += run->steps[i].step.restart == restart;
    return count;
}

#define STARTS                                                                                               \
    "{\"kernel\": {\"type\": \"sum\", \"kernels\": [{\"type\": \"rbf\", \"ard\": true, \"lengthscale\": "    \
    "1.5}, {\"type\": \"matern32\", \"lengthscale\": {\"value\": 2, \"bounds\": [1, 2.5]}, \"features\": "   \
    "[0, 2]}, {\"type\": \"matern12\", \"lengthscale\": {\"value\": 3, \"fixed\": true}, \"variance\": "     \
    "{\"value\": 1, \"bounds\": [0.5, 2]}}]}, \"mean\": {\"type\": \"constant\", \"value\": 0.25}, "         \
    "\"noise\": {\"variance\": {\"value\": 0.2, \"fixed\": true}}}"
#define SHORT "{\"type\": \"lbfgs\", \"max_evaluations\": 12}"

START_TEST(they_start_where_they_should)
{
    static const char request[] = RESTARTED(STARTS, "nlpd", SHORT, "{\"count\": 4, \"seed\": 5}");
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(request, &data);
    const double *one = first_of(run, 1)->parameters, *two = first_of(run, 2)->parameters,
                 *three = first_of(run, 3)->parameters, *four = first_of(run, 4)->parameters;
    const size_t length = place_of(run, "kernel.kernels[0].lengthscale[0]"),
                 shared = place_of(run, "kernel.kernels[1].lengthscale"),
                 fixed = place_of(run, "kernel.kernels[2].lengthscale"),
                 bounded = place_of(run, "kernel.kernels[2].variance"), mean = place_of(run, "mean.value");
    for (size_t p = 0; p < run->gp.parameters.count; p++) {
        CLOSE(one[p], run->gp.start[p], run->gp.start[p], 1e-15, "first start, %zu", p);
        if (p < length || p > length + 2)
            CLOSE(two[p], p == shared ? 2.5 : one[p], 1, 1e-15, "second start, %zu", p);
        else
            CLOSE(two[p], 1.5 * sqrt(3), 1, 1e-15, "second start, lengthscale %zu", p - length);
    }
    for (int k = 0; k < 2; k++) {
        const double *drawn = k ? four : three;
        ck_assert(drawn[mean] == 0.25 && drawn[fixed] == 3);
        ck_assert(drawn[bounded] >= 0.5 && drawn[bounded] <= 2 && drawn[bounded] != 1);
        for (size_t i = 0; i < 3; i++)
            ck_assert(drawn[length + i] >= 1e-2 && drawn[length + i] <= 1e4 && drawn[length + i] != 1.5);
        ck_assert(drawn[length] != drawn[length + 1]);
    }
    ck_assert(three[length] != four[length]);
    struct run_seen *again = tuned(request, &data);
    ck_assert_mem_eq(first_of(again, 4)->parameters, four, run->gp.parameters.count * sizeof *four);
    forget(again);
    again = tuned(RESTARTED(STARTS, "nlpd", SHORT, "{\"count\": 4, \"seed\": 6}"), &data);
    ck_assert(first_of(again, 4)->parameters[length] != four[length]);
    forget(again);
    forget(run);
}
END_TEST

/* With noise that is free: the lengthscales of the second start twice as long, a tenth of the noise, within
 * its bounds. */
START_TEST(the_third_start_is_wide_with_little_noise)
{
    struct kr_dataset data = some_data();
    static const char *const noises[] = {"0.2", "{\"value\": 0.2, \"bounds\": [0.05, 1]}"};
    for (int bounded = 0; bounded < 2; bounded++) {
        char request[512];
        snprintf(request, sizeof request,
                 RESTARTED("{\"kernel\": {\"type\": \"rbf\", \"ard\": true}, \"noise\": {\"variance\": %s}}",
                           "nlpd", SHORT, "{\"count\": 3}"),
                 noises[bounded]);
        struct run_seen *run = tuned(request, &data);
        const double *two = first_of(run, 2)->parameters, *three = first_of(run, 3)->parameters;
        const size_t noise = place_of(run, "noise.variance"), variance = place_of(run, "kernel.variance");
        for (size_t p = 0; p < run->gp.parameters.count; p++)
            CLOSE(three[p],
                  p == noise      ? (bounded ? 0.05 : 0.02)
                  : p == variance ? 1
                                  : 2 * two[p],
                  1, 1e-14, "third start, %zu", p);
        forget(run);
    }
}
END_TEST

START_TEST(draws_are_uniform_in_the_logarithm)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        tuned(RESTARTED("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 1, "
                        "\"bounds\": [0.1, 10]}}}",
                        "mse", "{\"type\": \"adam\", \"max_evaluations\": 400}", "{\"count\": 400}"),
              &data);
    size_t low = 0, quarter = 0, drawn = 0;
    for (size_t r = 4; r <= 400; r++) {
        const double value = first_of(run, r)->parameters[1];
        ck_assert(value >= 0.1 && value <= 10);
        low += value < 1;
        quarter += value < pow(10, -0.5);
        drawn++;
    }
    ck_assert_double_eq_tol((double)low / (double)drawn, 0.5, 0.1); /* 4 standard deviations */
    ck_assert_double_eq_tol((double)quarter / (double)drawn, 0.25, 0.087);
    forget(run);
}
END_TEST

START_TEST(none_at_all_are_refused)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = prepare(RESTARTED(PLAIN, "nlpd", SHORT, "{\"count\": 2}"), &data);
    run->request.restarts->count = 0; /* as a caller in C may */
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_INVALID);
    ck_assert_str_eq(run->ctx.error.pointer, "/count");
    forget(run);
}
END_TEST

/* With one feature the second start would be the first one again. */
START_TEST(a_second_start_that_changes_nothing_is_drawn)
{
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 60, 0.1, 1);
    struct run_seen *run = tuned(RESTARTED(PLAIN, "nlpd", SHORT, "{\"count\": 2}"), &data);
    ck_assert(first_of(run, 2)->parameters[1] != first_of(run, 1)->parameters[1]);
    forget(run);
}
END_TEST

START_TEST(the_limit_of_evaluations_is_shared)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(
        RESTARTED(ARD, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 11, \"gradient_tolerance\": 0}",
                  "{\"count\": 3}"),
        &data);
    ck_assert_uint_eq(steps_of(run, 1), 4);
    ck_assert_uint_eq(steps_of(run, 2), 4);
    ck_assert_uint_eq(steps_of(run, 3), 3);
    ck_assert_uint_eq(run->result.evaluations, 11);
    assert_stop(run, KR_TUNE_STOP_EVALUATIONS, "of the limit of 11 evaluations");
    forget(run);
    /* what a restart leaves goes to the next; one that has nothing does not begin */
    run = tuned(RESTARTED(ARD, "nlpd",
                          "{\"type\": \"adam\", \"max_evaluations\": 60, \"learning_rate\": 3, "
                          "\"patience\": 3}",
                          "{\"count\": 2}"),
                &data);
    ck_assert_uint_lt(steps_of(run, 1), 30);
    ck_assert_uint_ge(steps_of(run, 2), 1);
    forget(run);
    run = tuned(RESTARTED(ARD, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 2}", "{\"count\": 9}"),
                &data);
    ck_assert_uint_eq(run->nsteps, 2);
    ck_assert_uint_eq(run->steps[1].step.restart, 2);
    forget(run);
}
END_TEST

START_TEST(time_is_shared_and_its_end_is_the_end)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        tuned(RESTARTED(ARD, "nlpd", "{\"type\": \"adam\", \"seconds\": 1e-9}", "{\"count\": 3}"), &data);
    ck_assert_uint_eq(run->nsteps, 1);
    assert_stop(run, KR_TUNE_STOP_SECONDS, "share of the limit of 1e-09 seconds");
    forget(run);
}
END_TEST

/* From a start in the region of noise the first restart ends at a poor minimum. */
#define POOR                                                                                                 \
    "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": 0.011, \"variance\": 1e-3}, \"noise\": "              \
    "{\"variance\": 1}}"

START_TEST(the_lowest_objective_wins)
{
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 60, 0.1, 1);
    struct run_seen *one = tuned(RESTARTED(POOR, "nlpd", "{\"type\": \"lbfgs\"}", "{\"count\": 1}"), &data),
                    *run = tuned(RESTARTED(POOR, "nlpd", "{\"type\": \"lbfgs\"}", "{\"count\": 5}"), &data);
    double best[6] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY}, lowest = INFINITY;
    size_t winner = 0;
    for (size_t i = 0; i < run->nsteps; i++) {
        const struct kr_step *step = &run->steps[i].step;
        ck_assert_uint_eq(step->evaluation, i + 1);
        best[step->restart] = fmin(best[step->restart], step->loss);
        if (step->loss < lowest) {
            lowest = step->loss;
            winner = step->restart;
        }
        ck_assert(same_bits(step->best_loss, lowest));
        ck_assert(i == 0 || step->restart == run->steps[i - 1].step.restart || step->iteration == 0);
    }
    ck_assert_double_lt(best[winner], best[1] - 0.5); /* this problem needs them */
    ck_assert_double_le(best[1], one->result.best_loss + 1e-6);
    ck_assert_uint_eq(run->result.restart, winner);
    ck_assert(same_bits(run->result.best_loss, lowest));
    struct kr_evaluation evaluation;
    ck_assert_int_eq(kr_objective_eval(&run->ctx, &run->gp, run->theta, false, &evaluation, NULL), KR_OK);
    CLOSE(evaluation.loss, lowest, 1, 1e-12, "loss of the winner's parameters");
    char words[64];
    snprintf(words, sizeof words, "restart %zu is the best of 5", winner);
    ck_assert_msg(strstr(run->result.stop_detail, words) != NULL, "%s", run->result.stop_detail);
    ck_assert_uint_eq(one->result.restart, 0); /* there was but one */
    ck_assert_ptr_null(strstr(one->result.stop_detail, "restart"));
    forget(one);
    forget(run);
}
END_TEST

/* Without noise long lengthscales fail: a start that fails costs its evaluation, not the run. */
START_TEST(a_start_that_fails_is_passed_over)
{
    static const char *const kernel =
        "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": %s, \"bounds\": [%s]}, \"variance\": "
        "{\"value\": 1, \"fixed\": true}}, \"noise\": {\"variance\": {\"value\": 0, \"fixed\": true}}}";
    char model[400], request[1200];
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 80, 0, 1);
    snprintf(model, sizeof model, kernel, "100", "1e-3, 100");
    snprintf(request, sizeof request, RESTARTED("%s", "nlpd", "{\"type\": \"lbfgs\"}", "{\"count\": 8}"),
             model);
    struct run_seen *run = tuned(request, &data);
    const struct warning_seen *w = warned(run, "not-positive-definite");
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_nonnull(strstr(w->detail, "another start is tried"));
    ck_assert(isnan(run->steps[0].step.loss) && steps_of(run, 1) == 1);
    ck_assert_uint_gt(run->result.restart, 1);
    ck_assert(isfinite(run->result.best_loss));
    forget(run);
    snprintf(model, sizeof model, kernel, "100", "90, 100"); /* none succeeds */
    snprintf(request, sizeof request, RESTARTED("%s", "nlpd", "{\"type\": \"lbfgs\"}", "{\"count\": 3}"),
             model);
    run = prepare(request, &data);
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_NOT_POSITIVE_DEFINITE);
    forget(run);
    snprintf(request, sizeof request,
             RESTARTED("%s", "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 2}", "{\"count\": 3}"),
             model);
    run = prepare(request, &data);
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_NOT_POSITIVE_DEFINITE);
    forget(run);
}
END_TEST

START_TEST(any_step_is_a_checkpoint)
{
    static const char *const requests[] = {
        RESTARTED(ARD, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 24}",
                  "{\"count\": 3, \"seed\": 2}"),
        RESTARTED(ARD, "mse",
                  "{\"type\": \"adam\", \"max_evaluations\": 24, \"schedule\": {\"type\": \"cosine\"}}",
                  "{\"count\": 3, \"seed\": 2}"),
        "{\"dataset\": \"d\", \"model\": " ARD ", \"objective\": {\"loss\": \"nlpd\", \"validation\": "
        "{\"type\": \"fraction\", \"fraction\": 0.3, \"seed\": 4}}, \"optimizer\": {\"type\": \"adam\", "
        "\"max_evaluations\": 24}, \"restarts\": {\"count\": 3, \"seed\": 2}, \"constraints\": [{\"type\": "
        "\"linear\", \"coefficients\": {\"noise.variance\": 1, \"kernel.variance\": 1}, \"value\": -1}]}"};
    struct kr_dataset data = some_data();
    struct run_seen *whole = tuned(requests[_i], &data);
    ck_assert(first_of(whole, 3) != NULL);
    for (size_t k = 0; k + 1 < whole->nsteps; k++) {
        struct run_seen *rest = prepare(requests[_i], &data);
        go(rest, &whole->steps[k]);
        ck_assert_int_eq(rest->status, KR_OK);
        ck_assert_uint_eq(rest->nsteps, whole->nsteps - k - 1);
        for (size_t i = 0; i < rest->nsteps; i++) {
            const struct step_seen *a = &rest->steps[i], *b = &whole->steps[k + 1 + i];
            ck_assert_uint_eq(a->step.restart, b->step.restart);
            ck_assert_uint_eq(a->step.evaluation, b->step.evaluation);
            ck_assert(same_bits(a->step.loss, b->step.loss) &&
                      same_bits(a->step.best_loss, b->step.best_loss) &&
                      same_bits(a->step.gradient_norm, b->step.gradient_norm));
            ck_assert_mem_eq(a->parameters, b->parameters, a->step.parameters.count * sizeof(double));
        }
        ck_assert_uint_eq(rest->result.restart, whole->result.restart);
        ck_assert_str_eq(rest->result.stop_detail, whole->result.stop_detail);
        ck_assert_mem_eq(rest->theta, whole->theta, whole->gp.parameters.count * sizeof(double));
        ck_assert_uint_eq(rest->nwarnings, whole->nwarnings - whole->steps[k].nwarnings);
        forget(rest);
    }
    forget(whole);
}
END_TEST

/* The schedule of a restart falls to its end within the share that the restart has. */
START_TEST(a_schedule_follows_the_share)
{
    struct kr_dataset data = some_data();
    struct run_seen *one = tuned(RESTARTED(ARD, "nlpd",
                                           "{\"type\": \"adam\", \"max_evaluations\": 8, \"schedule\": "
                                           "{\"type\": \"cosine\"}}",
                                           "{\"count\": 1}"),
                                 &data),
                    *two = tuned(RESTARTED(ARD, "nlpd",
                                           "{\"type\": \"adam\", \"max_evaluations\": 16, \"schedule\": "
                                           "{\"type\": \"cosine\"}}",
                                           "{\"count\": 2}"),
                                 &data);
    ck_assert_uint_eq(steps_of(two, 1), 8);
    for (size_t i = 0; i < 8; i++)
        ck_assert(same_bits(one->steps[i].step.loss, two->steps[i].step.loss));
    forget(one);
    forget(two);
}
END_TEST

/* One start violates the constraint least where its objective is lowest: feasibility comes first. */
START_TEST(of_constrained_restarts_a_feasible_one_wins)
{
    static const char request[] =
        "{\"dataset\": \"d\", \"model\": " ARD ", \"objective\": {\"loss\": \"nlpd\", \"validation\": "
        "{\"type\": \"fraction\", \"fraction\": 0.3, \"seed\": 4}}, \"optimizer\": {\"type\": \"adam\", "
        "\"max_evaluations\": 120, \"learning_rate\": 0.1}, \"restarts\": {\"count\": 3, \"seed\": 1}, "
        "\"constraints\": [{\"type\": \"calibration\", \"target\": 1.0}], \"projection\": {\"tolerance\": "
        "1e-5}}";
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(request, &data);
    double lowest = INFINITY;
    size_t winner = 0;
    for (size_t i = 0; i < run->nsteps; i++) {
        const struct kr_step *step = &run->steps[i].step;
        if (step->constraint_violation <= run->request.projection->tolerance && step->loss < lowest) {
            lowest = step->loss;
            winner = step->restart;
        }
    }
    ck_assert_uint_gt(winner, 0);
    ck_assert(same_bits(run->result.best_loss, lowest));
    ck_assert_uint_eq(run->result.restart, winner);
    ck_assert_double_le(run->result.constraint_violation, run->request.projection->tolerance);
    forget(run);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("restarts");
    TCase *tcase = tcase_create("restarts");
    tcase_add_test(tcase, they_start_where_they_should);
    tcase_add_test(tcase, the_third_start_is_wide_with_little_noise);
    tcase_add_test(tcase, draws_are_uniform_in_the_logarithm);
    tcase_add_test(tcase, none_at_all_are_refused);
    tcase_add_test(tcase, a_second_start_that_changes_nothing_is_drawn);
    tcase_add_test(tcase, the_limit_of_evaluations_is_shared);
    tcase_add_test(tcase, time_is_shared_and_its_end_is_the_end);
    tcase_add_test(tcase, the_lowest_objective_wins);
    tcase_add_test(tcase, a_start_that_fails_is_passed_over);
    tcase_add_loop_test(tcase, any_step_is_a_checkpoint, 0, 3);
    tcase_add_test(tcase, a_schedule_follows_the_share);
    tcase_add_test(tcase, of_constrained_restarts_a_feasible_one_wins);
    suite_add_tcase(made, tcase);
    return made;
}
