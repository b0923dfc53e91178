/* A run resumed from the checkpoint of any of its steps says and finds the same, to the last bit. */
#include "runs.h"

/* Both are NULL where no solve was begun. */
static void assert_same_report(const struct kr_solve_report *a, const struct kr_solve_report *b)
{
    ck_assert_pstr_eq(a->type, b->type);
    ck_assert_pstr_eq(a->reason, b->reason);
    ck_assert_int_eq(a->stop, b->stop);
    ck_assert_uint_eq(a->iterations, b->iterations);
    ck_assert_uint_eq(a->products, b->products);
    ck_assert(same_bits(a->residual, b->residual));
}

static void assert_same_step(const struct step_seen *a, const struct step_seen *b)
{
    ck_assert_uint_eq(a->step.evaluation, b->step.evaluation);
    ck_assert_uint_eq(a->step.iteration, b->step.iteration);
    ck_assert_uint_eq(a->step.restart, b->step.restart);
    ck_assert(same_bits(a->step.loss, b->step.loss));
    ck_assert(same_bits(a->step.best_loss, b->step.best_loss));
    ck_assert(same_bits(a->step.gradient_norm, b->step.gradient_norm));
    ck_assert_uint_eq(a->step.parameters.count, b->step.parameters.count);
    ck_assert(memcmp(a->parameters, b->parameters, a->step.parameters.count * sizeof(double)) == 0);
    ck_assert_uint_eq(a->step.constraints.count, b->step.constraints.count);
    ck_assert(memcmp(a->constraints, b->constraints, a->step.constraints.count * sizeof(double)) == 0);
    ck_assert(same_bits(a->step.constraint_violation, b->step.constraint_violation));
    ck_assert_uint_eq(a->ncheckpoint, b->ncheckpoint);
    assert_same_report(&a->step.solver, &b->step.solver);
}

static void assert_same_metrics(const struct kr_metrics *a, const struct kr_metrics *b)
{
    ck_assert_int_eq(a == NULL, b == NULL);
    ck_assert(!a || memcmp(a, b, sizeof *a) == 0);
}

static void assert_same_result(const struct run_seen *a, const struct run_seen *b)
{
    const struct kr_tune_result *left = &a->result, *right = &b->result;
    ck_assert_int_eq(left->stop, right->stop);
    ck_assert_str_eq(left->stop_detail, right->stop_detail);
    ck_assert(same_bits(left->best_loss, right->best_loss));
    ck_assert_uint_eq(left->evaluations, right->evaluations);
    ck_assert(same_bits(left->constraint_violation, right->constraint_violation));
    ck_assert_uint_eq(left->constraints.count, right->constraints.count);
    for (size_t i = 0; i < left->constraints.count; i++)
        ck_assert(same_bits(left->constraints.values[i], right->constraints.values[i]));
    ck_assert(memcmp(a->theta, b->theta, a->gp.parameters.count * sizeof *a->theta) == 0);
    ck_assert_uint_eq(left->parameters.count, right->parameters.count);
    const struct kr_parameter_report *p = left->parameters.items, *q = right->parameters.items;
    for (size_t i = 0; i < left->parameters.count; i++) {
        ck_assert_str_eq(p[i].name, q[i].name);
        ck_assert(same_bits(p[i].value, q[i].value));
        ck_assert(same_bits(p[i].gradient, q[i].gradient));
    }
    assert_same_metrics(left->metrics.initial.validation, right->metrics.initial.validation);
    assert_same_metrics(left->metrics.initial.test, right->metrics.initial.test);
    assert_same_metrics(left->metrics.validation, right->metrics.validation);
    assert_same_metrics(left->metrics.test, right->metrics.test);
}

/* Resumes after step `at` of `whole`; the further events are those of the rest. */
static void resume(const char *request, const struct kr_dataset *data, const struct run_seen *whole,
                   size_t at)
{
    const struct step_seen *from = &whole->steps[at];
    struct run_seen *rest = prepare(request, data);
    go(rest, from);
    ck_assert_msg(rest->status == KR_OK, "%s", rest->ctx.error.detail);
    ck_assert_uint_eq(rest->nsteps, whole->nsteps - at - 1);
    for (size_t i = 0; i < rest->nsteps; i++) {
        assert_same_step(&rest->steps[i], &from[1 + i]);
        ck_assert_uint_eq(rest->steps[i].nwarnings, from[1 + i].nwarnings - from->nwarnings);
    }
    ck_assert_uint_eq(rest->nwarnings, whole->nwarnings - from->nwarnings);
    for (size_t i = 0; i < rest->nwarnings; i++) {
        ck_assert_str_eq(rest->warnings[i].code, whole->warnings[from->nwarnings + i].code);
        ck_assert_str_eq(rest->warnings[i].detail, whole->warnings[from->nwarnings + i].detail);
        ck_assert_str_eq(rest->warnings[i].parameter, whole->warnings[from->nwarnings + i].parameter);
    }
    assert_same_result(whole, rest);
    forget(rest);
}

static void resume_everywhere(const char *request, const struct kr_dataset *data)
{
    struct run_seen *whole = tuned(request, data);
    ck_assert_uint_ge(whole->nsteps, 4);
    /* where evaluations are repeated, some of the steps before, at and after a cold point */
    const size_t apart = strstr(request, "\"cg\"") ? 3 : 1;
    for (size_t at = 0; at < whole->nsteps; at += apart)
        resume(request, data, whole, at);
    forget(whole);
}

#define WITH_TEST(loss, optimizer, solver)                                                                   \
    "{\"dataset\": \"d\", \"model\": " ARD ", \"objective\": {\"loss\": \"" loss                             \
    "\", \"validation\": {\"type\": \"fraction\"}}, \"test\": {\"fraction\": 0.1}, "                         \
    "\"optimizer\": " optimizer ", \"solver\": {\"type\": \"" solver "\"}}"
#define SOME "\"max_evaluations\": 18"
/* Constraints stand beside the optimiser's options. */
#define CONSTRAINED(loss, optimizer, constraints)                                                            \
    WITH_TEST(loss, optimizer ", \"constraints\": [" constraints "]", "cholesky")

/* A new sample every ten evaluations of adam, and in rounds of lbfgs. */
#define SAMPLED(optimizer, solver)                                                                           \
    "{\"dataset\": \"d\", \"model\": " ARD ", \"objective\": {\"loss\": \"nlpd\", "                          \
    "\"validation\": {\"type\": \"fraction\", \"fraction\": 0.4}, \"variance\": {\"method\": \"sampled\", "  \
    "\"points\": 8, \"neighbours\": 8}}, \"optimizer\": " optimizer ", \"solver\": {\"type\": \"" solver     \
    "\"}}"

static const char *const requests[] = {
    WITH_TEST("nlpd", "{\"type\": \"lbfgs\", " SOME "}", "cholesky"),
    WITH_TEST("mse", "{\"type\": \"lbfgs\", " SOME "}", "cholesky"),
    WITH_TEST("nlpd", "{\"type\": \"adam\", " SOME "}", "cholesky"),
    WITH_TEST("mse", "{\"type\": \"adam\", \"learning_rate\": 0.3, " SOME "}", "cholesky"),
    WITH_TEST("nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 8}", "cg"),
    WITH_TEST("mse", "{\"type\": \"adam\", \"max_evaluations\": 5}", "lsmr"),
    WITH_TEST("nlpd", "{\"type\": \"lbfgs\", \"gradient_tolerance\": 0.02}", "cholesky"),
    WITH_TEST("nlpd", "{\"type\": \"adam\", \"learning_rate\": 2, \"patience\": 4}", "cholesky"),
    CONSTRAINED("mse", "{\"type\": \"adam\", \"learning_rate\": 0.3, " SOME "}",
                "{\"type\": \"calibration\"}, {\"type\": \"bias\"}"),
    CONSTRAINED("nlpd", "{\"type\": \"gradient_descent\", " SOME "}",
                "{\"type\": \"linear\", \"coefficients\": {\"noise.variance\": 1, \"kernel.variance\": -1}, "
                "\"value\": -1}, {\"type\": \"variance_budget\"}"),
    WITH_TEST("nlpd", "{\"type\": \"gradient_descent\", \"momentum\": 0.5, " SOME "}", "cholesky"),
    SAMPLED("{\"type\": \"adam\", \"max_evaluations\": 24}", "cholesky"),
    SAMPLED("{\"type\": \"lbfgs\", \"max_evaluations\": 32}", "cholesky"),
    SAMPLED("{\"type\": \"adam\", \"max_evaluations\": 23}", "cg"),
    SAMPLED("{\"type\": \"lbfgs\", \"max_evaluations\": 30}", "cg"),
    SAMPLED("{\"type\": \"adam\", \"max_evaluations\": 13}", "cg"),
    WITH_TEST("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 15}", "cg"),
    WITH_TEST("nlpd", "{\"type\": \"adam\", \"max_evaluations\": 12}", "cg"),
    WITH_TEST("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 24}, \"restarts\": {\"count\": 2}", "cg"),
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

START_TEST(a_resumed_run_takes_the_same_steps)
{
    struct kr_ctx arena;
    kr_ctx_init(&arena, 0);
    /* with solvers that iterate, enough of them for a preconditioner, which is kept */
    const size_t rows = strstr(requests[_i], "\"cg\"") ? 130 : 60;
    struct kr_dataset data = small_data(&arena, rows, _i % 2 == 1, 3);
    resume_everywhere(requests[_i], &data);
    kr_ctx_fini(&arena);
}
END_TEST

/* Failed trial points, the warnings about them and the bound that stops the run come the same way too. */
START_TEST(a_resumed_run_fails_at_the_same_points)
{
    static const char *const hard[] = {"{\"type\": \"lbfgs\", \"max_evaluations\": 25, \"patience\": 25}",
                                       "{\"type\": \"adam\", \"learning_rate\": 3, \"max_evaluations\": 25}",
                                       "{\"type\": \"adam\", \"learning_rate\": 3, \"max_evaluations\": 25}, "
                                       "\"constraints\": [{\"type\": \"calibration\"}]"};
    struct kr_ctx arena;
    char request[768];
    kr_ctx_init(&arena, 0);
    struct kr_dataset data = waves(&arena, 80, 0, 1);
    snprintf(
        request, sizeof request,
        REQUEST(
            "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 0.02, \"bounds\": [1e-3, 1e3]}}, "
            "\"noise\": {\"variance\": {\"value\": 0, \"fixed\": true}}}",
            "nlpd", "%s"),
        hard[_i]);
    resume_everywhere(request, &data);
    kr_ctx_fini(&arena);
}
END_TEST

START_TEST(a_small_hold_out_is_said_at_the_beginning_only)
{
    struct kr_ctx arena;
    kr_ctx_init(&arena, 0);
    struct kr_dataset data = small_data(&arena, 60, false, 3);
    const char *request = REQUEST(ARD, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 5}");
    struct run_seen *whole = tuned(request, &data), *rest = prepare(request, &data);
    ck_assert_ptr_nonnull(warned(whole, "small-hold-out"));
    ck_assert_str_eq(whole->warnings[0].code, "small-hold-out");
    ck_assert(!whole->warnings[0].has_parameter);
    ck_assert_uint_eq(whole->steps[0].nwarnings, 2); /* and that there are no test rows */
    go(rest, &whole->steps[1]);
    ck_assert_int_eq(rest->status, KR_OK);
    ck_assert_ptr_null(warned(rest, "small-hold-out"));
    forget(whole);
    forget(rest);
    kr_ctx_fini(&arena);
}
END_TEST

START_TEST(time_goes_on_where_it_was)
{
    struct kr_ctx arena;
    kr_ctx_init(&arena, 0);
    struct kr_dataset data = small_data(&arena, 60, false, 3);
    const char *request = REQUEST(ARD, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 6}");
    struct run_seen *whole = tuned(request, &data), *rest = prepare(request, &data);
    go(rest, &whole->steps[2]);
    ck_assert_double_ge(rest->steps[0].step.seconds, whole->steps[2].step.seconds);
    for (size_t i = 1; i < whole->nsteps; i++)
        ck_assert_double_ge(whole->steps[i].step.seconds, whole->steps[i - 1].step.seconds);
    forget(whole);
    forget(rest);
    kr_ctx_fini(&arena);
}
END_TEST

static void assert_refused(const char *request, const struct kr_dataset *data, const struct step_seen *from)
{
    struct run_seen *run = prepare(request, data);
    go(run, from);
    ck_assert_int_eq(run->status, KR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(run->ctx.error.detail, "checkpoint"));
    ck_assert_uint_eq(run->nsteps, 0);
    forget(run);
}

START_TEST(a_checkpoint_of_another_run_is_refused)
{
    struct kr_ctx arena;
    kr_ctx_init(&arena, 0);
    struct kr_dataset data = small_data(&arena, 60, false, 3);
    const char *request = REQUEST(ARD, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 3}");
    struct run_seen *whole = tuned(request, &data);
    assert_refused(REQUEST(PLAIN, "nlpd", "{\"type\": \"lbfgs\"}"), &data, &whole->steps[1]);
    assert_refused(REQUEST(ARD, "nlpd", "{\"type\": \"adam\"}"), &data, &whole->steps[1]);
    assert_refused(REQUEST(ARD, "nlpd", "{\"type\": \"lbfgs\", \"memory\": 4}"), &data, &whole->steps[1]);
    struct step_seen broken = whole->steps[1];
    broken.ncheckpoint = 0;
    assert_refused(request, &data, &broken);
    broken = whole->steps[1];
    broken.checkpoint = copied(broken.ncheckpoint, broken.checkpoint);
    broken.checkpoint[0] = 77; /* a layout of the future */
    assert_refused(request, &data, &broken);
    free(broken.checkpoint);
    forget(whole);
    kr_ctx_fini(&arena);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("resume");
    TCase *tcase = tcase_create("resume");
    tcase_add_loop_test(tcase, a_resumed_run_takes_the_same_steps, 0, REQUESTS);
    tcase_add_loop_test(tcase, a_resumed_run_fails_at_the_same_points, 0, 3);
    tcase_add_test(tcase, a_small_hold_out_is_said_at_the_beginning_only);
    tcase_add_test(tcase, time_goes_on_where_it_was);
    tcase_add_test(tcase, a_checkpoint_of_another_run_is_refused);
    suite_add_tcase(made, tcase);
    return made;
}
