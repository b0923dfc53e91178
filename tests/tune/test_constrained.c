/* Tuning under constraints: they are met, the optimum is the constrained one, and what cannot be met is said.
 */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(void)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, 60, false, 3);
}

/* A request with constraints, and options of the projection ("" for none). */
#define UNDER(model, loss, optimizer, constraints, projection)                                               \
    REQUEST(model, loss, optimizer ", \"constraints\": [" constraints "]" projection)
#define ADAM       "{\"type\": \"adam\"}"
#define ADAM_OF(x) "{\"type\": \"adam\", \"gradient_tolerance\": 0, \"patience\": 1000, " x "}"
#define NOISE_IS(value)                                                                                      \
    "{\"type\": \"linear\", \"coefficients\": {\"noise.variance\": 1}, \"value\": " value "}"

/* Nothing flat: the scale of the kernel is given. */
#define ONE   "{\"type\": \"rbf\", \"variance\": {\"value\": 1, \"fixed\": true}}"
#define STIFF "{\"kernel\": " ONE ", \"mean\": {\"type\": \"constant\"}}"

static const double tolerance = 1e-4; /* the default */

/* What the events say of violations is what they say of the constraints, and the best point is the one of the
 * rule. */
static void check_account(const struct run_seen *run)
{
    double loss = INFINITY, violation = INFINITY;
    for (size_t i = 0; i < run->nsteps; i++) {
        const struct kr_step *step = &run->steps[i].step;
        double largest = 0;
        ck_assert_uint_eq(step->constraints.count, run->constraints.count);
        for (size_t k = 0; k < step->constraints.count; k++)
            largest = fmax(largest, fabs(run->steps[i].constraints[k]));
        ck_assert(same_bits(step->constraint_violation, largest));
        const bool feasible = largest <= tolerance, before = violation <= tolerance;
        if (feasible != before ? feasible : feasible ? step->loss < loss : largest < violation) {
            loss = step->loss;
            violation = largest;
        }
        ck_assert(same_bits(step->best_loss, loss));
    }
    ck_assert(same_bits(run->result.best_loss, loss));
    ck_assert(same_bits(run->result.constraint_violation, violation));
    ck_assert_uint_eq(run->result.constraints.count, run->constraints.count);
}

static const char *const met[] = {
    UNDER(ARD, "mse", "{\"type\": \"adam\"}", "{\"type\": \"calibration\"}", ""),
    UNDER(ARD, "mse", "{\"type\": \"gradient_descent\"}", "{\"type\": \"calibration\", \"target\": 0.8}", ""),
    UNDER(ARD, "nlpd", "{\"type\": \"adam\", \"learning_rate\": 0.2}",
          "{\"type\": \"bias\"}, {\"type\": \"calibration\"}", ""),
    UNDER(ARD, "nlpd", "{\"type\": \"gradient_descent\"}", "{\"type\": \"bias\"}", ""),
    UNDER(PLAIN, "nlpd", "{\"type\": \"adam\"}", "{\"type\": \"variance_budget\", \"target\": 2}", ""),
    UNDER(PLAIN, "mse", "{\"type\": \"gradient_descent\"}", NOISE_IS("-2"),
          ", \"projection\": {\"gamma\": 0.5, \"scale\": 1, \"warm_up\": 5}"),
};

START_TEST(constraints_are_met)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(met[_i], &data);
    ck_assert_double_le(run->result.constraint_violation, tolerance);
    ck_assert_double_gt(run->steps[0].step.constraint_violation, 100 * tolerance);
    check_account(run);
    ck_assert_ptr_null(warned(run, "constraints-not-met"));
    forget(run);
}
END_TEST

/* A linear constraint is as linear as its steps: each leaves 1 - gamma of the violation, exactly. */
START_TEST(a_step_removes_gamma_of_the_violation)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(UNDER(ARD, "nlpd", ADAM_OF("\"max_evaluations\": 9"), NOISE_IS("-3"),
                                       ", \"projection\": {\"gamma\": 0.25, \"tolerance\": 10}"),
                                 &data);
    for (size_t i = 1; i < run->nsteps; i++)
        CLOSE(run->steps[i].constraints[0], 0.75 * run->steps[i - 1].constraints[0], 1, 1e-11, "step %zu",
              i + 1);
    forget(run);
    run = tuned(UNDER(ARD, "nlpd", ADAM_OF("\"max_evaluations\": 9"), NOISE_IS("-3"), ""), &data);
    for (size_t i = 1; i < run->nsteps; i++)
        ck_assert_double_lt(run->steps[i].step.constraint_violation, 1e-11);
    forget(run);
}
END_TEST

/* log noise = value is the same as noise fixed there; that problem an optimiser without constraints solves.
 */
START_TEST(the_optimum_is_the_constrained_one)
{
    static const char *const optimizers[] = {
        "{\"type\": \"adam\", \"max_evaluations\": 600, \"gradient_tolerance\": 1e-7, \"patience\": 600}",
        "{\"type\": \"gradient_descent\", \"learning_rate\": 1000, \"momentum\": 0.9, \"max_evaluations\": "
        "600, "
        "\"gradient_tolerance\": 1e-7, \"patience\": 600}"};
    char request[1024];
    kr_ctx_init(ctx, 0);
    const struct kr_dataset data = waves(ctx, 80, 0.3, 1);
    struct run_seen *fixed =
        tuned(REQUEST("{\"kernel\": " ONE ", \"mean\": {\"type\": \"constant\"}, \"noise\": {\"variance\": "
                      "{\"value\": 0.2, \"fixed\": true}}}",
                      "nlpd", "{\"type\": \"lbfgs\", \"gradient_tolerance\": 1e-8}"),
              &data);
    snprintf(request, sizeof request, UNDER(STIFF, "nlpd", "%s", NOISE_IS("%.17g"), ""), optimizers[_i],
             log(0.2));
    struct run_seen *run = tuned(request, &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "meets the constraints");
    CLOSE(run->result.best_loss, fixed->result.best_loss, 1, 1e-8, "loss");
    for (size_t p = 0; p < run->gp.parameters.count; p++)
        CLOSE(run->theta[p], fixed->theta[p], 1, 1e-3, "%s", run->gp.parameters.items[p].name);
    forget(fixed);
    forget(run);
}
END_TEST

/* The gradient that the stop rule looks at vanishes where g = J' multiplier: d loss/d log noise of the best
 * point is not zero. */
START_TEST(the_gradient_is_that_inside_the_constraint_set)
{
    kr_ctx_init(ctx, 0);
    const struct kr_dataset data = waves(ctx, 80, 0.3, 1);
    struct run_seen *run =
        tuned(UNDER(STIFF, "nlpd",
                    "{\"type\": \"adam\", \"max_evaluations\": 600, \"gradient_tolerance\": 1e-3, "
                    "\"patience\": 600}",
                    "{\"type\": \"calibration\", \"target\": 0.5}", ""),
              &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "0.001");
    const struct kr_step *last = &run->steps[run->nsteps - 1].step;
    ck_assert_double_le(last->gradient_norm, 1e-3);
    ck_assert_double_le(last->constraint_violation, tolerance);
    const struct kr_parameter_report *noise =
        (const struct kr_parameter_report *)run->result.parameters.items + run->gp.noise_index;
    ck_assert_double_gt(fabs(noise->gradient * noise->value), 1e-2);
    forget(run);
}
END_TEST

/* Two constraints on two hyperparameters leave nothing to tune: the steps are Newton's. */
START_TEST(as_many_constraints_as_hyperparameters)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        tuned(UNDER("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 1, \"fixed\": true}}}",
                    "mse", ADAM, "{\"type\": \"calibration\"}, {\"type\": \"variance_budget\"}", ""),
              &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "meets the constraints");
    ck_assert_uint_le(run->nsteps, 12);
    ck_assert_double_le(run->result.constraint_violation, tolerance);
    forget(run);
}
END_TEST

/* Long steps along a curved set leave it; the last evaluations bring the run back. */
START_TEST(the_last_evaluations_restore)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(UNDER(ARD, "mse", ADAM_OF("\"learning_rate\": 0.4, \"max_evaluations\": 12"),
                                       "{\"type\": \"calibration\"}", ""),
                                 &data);
    ck_assert_uint_eq(run->nsteps, 12);
    ck_assert_double_gt(run->steps[8].step.constraint_violation, 10 * tolerance);
    ck_assert_double_le(run->result.constraint_violation, tolerance);
    check_account(run);
    forget(run);
    run = tuned(UNDER(ARD, "mse",
                      "{\"type\": \"adam\", \"learning_rate\": 0.8, \"gradient_tolerance\": 0, \"patience\": "
                      "8}",
                      "{\"type\": \"calibration\"}", ""),
                &data);
    assert_stop(run, KR_TUNE_STOP_PATIENCE, "8 evaluations");
    ck_assert_double_le(run->result.constraint_violation, tolerance);
    check_account(run);
    forget(run);
}
END_TEST

#define BOUNDED                                                                                              \
    "{\"kernel\": {\"type\": \"rbf\", \"variance\": {\"value\": 1, \"bounds\": [0.5, 1.5]}}, "               \
    "\"noise\": {\"variance\": {\"value\": 0.1, \"bounds\": [0.05, 0.12]}}}"

/* The budget needs more than one of them may have: the other one gives way. */
START_TEST(steps_keep_bounds_and_constraints)
{
    static const char *const optimizers[] = {"{\"type\": \"adam\"}", "{\"type\": \"gradient_descent\"}"};
    struct kr_dataset data = some_data();
    char request[1024];
    snprintf(request, sizeof request,
             UNDER(BOUNDED, "nlpd", "%s", "{\"type\": \"variance_budget\", \"target\": 1.58}", ""),
             optimizers[_i]);
    struct run_seen *run = tuned(request, &data);
    for (size_t i = 0; i < run->nsteps; i++) {
        const double *theta = run->steps[i].parameters;
        ck_assert_msg(theta[0] >= 0.5 && theta[0] <= 1.5 && theta[2] >= 0.05 && theta[2] <= 0.12,
                      "step %zu: variance %.17g, noise %.17g", i + 1, theta[0], theta[2]);
    }
    ck_assert_double_le(run->result.constraint_violation, tolerance);
    CLOSE(run->theta[0] + run->theta[2], 1.58, 1, tolerance, "budget");
    forget(run);
}
END_TEST

START_TEST(what_cannot_be_met_is_said)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(UNDER(BOUNDED, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 60}",
                                       "{\"type\": \"variance_budget\", \"target\": 3}", ""),
                                 &data);
    CLOSE(run->result.constraint_violation, 3 - 1.62, 1, 1e-6, "the nearest that bounds allow");
    ck_assert_ptr_nonnull(strstr(run->result.stop_detail, "no point met the constraints"));
    const struct warning_seen *w = warned(run, "constraints-not-met");
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_nonnull(strstr(w->detail, "variance_budget"));
    check_account(run);
    forget(run);
    /* and constraints that contradict each other: the noise cannot be two things */
    run = tuned(UNDER(PLAIN, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 40}",
                      NOISE_IS("-1") ", " NOISE_IS("-2"), ""),
                &data);
    ck_assert_ptr_nonnull(warned(run, "constraints-not-met"));
    CLOSE(run->result.constraint_violation, 0.5, 1, 1e-6, "between the two");
    ck_assert_str_eq(run->result.constraints.names[1], "linear[1]");
    forget(run);
}
END_TEST

/* Without an evaluation of its own a run says how far its start is from the constraints. */
START_TEST(a_start_is_scored_with_its_constraints)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(
        UNDER(PLAIN, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 0}", NOISE_IS("-1"), ""), &data);
    ck_assert_uint_eq(run->nsteps, 0);
    CLOSE(run->result.constraints.values[0], log(0.1) + 1, 1, 1e-12, "c");
    CLOSE(run->result.constraint_violation, -1 - log(0.1), 1, 1e-12, "violation");
    forget(run);
}
END_TEST

/* Where the covariance cannot be factorised, half of a filtered step is tried, and half of that. */
START_TEST(a_trial_point_that_fails_shortens_the_step)
{
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = waves(ctx, 80, 0, 1);
    struct run_seen *run = tuned(
        UNDER(
            "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 0.02, \"bounds\": [1e-3, 1e3]}}, "
            "\"noise\": {\"variance\": {\"value\": 0, \"fixed\": true}}}",
            "nlpd", ADAM_OF("\"learning_rate\": 3, \"max_evaluations\": 40"), "{\"type\": \"calibration\"}",
            ""),
        &data);
    ck_assert_ptr_nonnull(warned(run, "not-positive-definite"));
    size_t bad = 0;
    for (size_t i = 0; i < run->nsteps; i++) {
        const bool failed = isnan(run->steps[i].step.loss);
        bad += failed;
        ck_assert_uint_eq(run->steps[i].step.constraints.count, failed ? 0 : 1);
        ck_assert_int_eq(isnan(run->steps[i].step.constraint_violation), failed);
    }
    ck_assert_uint_ge(bad, 1);
    ck_assert_uint_lt(bad, run->nsteps - 10);
    forget(run);
}
END_TEST

START_TEST(an_optimiser_that_searches_is_refused)
{
    struct kr_dataset data = some_data();
    struct run_seen *run =
        prepare(UNDER(PLAIN, "nlpd", "{\"type\": \"lbfgs\"}", "{\"type\": \"calibration\"}", ""), &data);
    go(run, NULL);
    ck_assert_int_eq(run->status, KR_INVALID);
    ck_assert_str_eq(run->ctx.error.pointer, "/optimizer/type");
    ck_assert_ptr_nonnull(strstr(run->ctx.error.detail, "adam, gradient_descent"));
    forget(run);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("constrained");
    TCase *tcase = tcase_create("constrained");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, constraints_are_met, 0, (int)(sizeof met / sizeof met[0]));
    tcase_add_test(tcase, a_step_removes_gamma_of_the_violation);
    tcase_add_loop_test(tcase, the_optimum_is_the_constrained_one, 0, 2);
    tcase_add_test(tcase, the_gradient_is_that_inside_the_constraint_set);
    tcase_add_test(tcase, as_many_constraints_as_hyperparameters);
    tcase_add_test(tcase, the_last_evaluations_restore);
    tcase_add_loop_test(tcase, steps_keep_bounds_and_constraints, 0, 2);
    tcase_add_test(tcase, what_cannot_be_met_is_said);
    tcase_add_test(tcase, a_start_is_scored_with_its_constraints);
    tcase_add_test(tcase, a_trial_point_that_fails_shortens_the_step);
    tcase_add_test(tcase, an_optimiser_that_searches_is_refused);
    suite_add_tcase(made, tcase);
    return made;
}
