/* Runs whose solves iterate hand on what they have: what it saves, what it may not change, and what it says.
 */
#include "runs.h"

#define TUNED(loss, optimizer, solver)                                                                       \
    "{\"dataset\": \"d\", \"model\": {\"kernel\": {\"type\": \"matern32\", \"variance\": {\"value\": 1, "    \
    "\"bounds\": [0.1, 10]}, \"lengthscale\": [1, 1, 1]}, "                                                  \
    "\"noise\": {\"variance\": {\"value\": 0.05, \"fixed\": true}}}, \"objective\": {\"loss\": \"" loss      \
    "\", \"validation\": {\"type\": \"fraction\"}}, \"optimizer\": " optimizer                               \
    ", \"solver\": {\"type\": \"" solver "\", \"preconditioner\": {\"type\": \"nystrom\", \"rank\": 20}}}"

/* The same point by itself, tight and cold. */
static void evaluate_cold(struct run_seen *run, const double *theta, struct kr_evaluation *out,
                          double *gradient)
{
    struct kr_ctx *ctx = &run->ctx;
    OK(kr_objective_eval(ctx, &run->gp, theta, false, out, gradient));
    ck_assert_int_eq(out->solver.stop, KR_STOP_RTOL);
}

/* Products of all steps, and of cold evaluations at the same points; the loss of each step is that of the
 * cold one. */
static void compare(struct run_seen *run, size_t *warm, size_t *cold, double accuracy)
{
    struct kr_ctx *ctx = &run->ctx;
    double *gradient = kr_alloc(ctx, run->gp.parameters.count, sizeof *gradient);
    *warm = *cold = 0;
    for (size_t i = 0; i < run->nsteps; i++) {
        const struct kr_step *step = &run->steps[i].step;
        struct kr_evaluation exact;
        evaluate_cold(run, run->steps[i].parameters, &exact, gradient);
        *warm += step->solver.products;
        *cold += exact.solver.products;
        CLOSE(step->loss, exact.loss, fabs(exact.loss), accuracy, "step %zu at rtol %g", i,
              step->solver.rtol);
    }
}

/* 50 evaluations cost what 20 cold ones do, counted in products, and end where the exact run ends. */
START_TEST(fifty_for_twenty)
{
    static const char *const requests[] = {
        TUNED("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 50, \"gradient_tolerance\": 1e-9}", "cg"),
        TUNED("mse", "{\"type\": \"adam\", \"max_evaluations\": 50}", "cg"),
    };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = small_data(ctx, 300, false, 3);
    struct run_seen *run = tuned(requests[_i], &data);
    size_t warm, cold;
    compare(run, &warm, &cold, 1e-5);
    ck_assert_msg(5 * warm <= 2 * cold, "%zu steps took %zu products; cold ones %zu", run->nsteps, warm,
                  cold);
    forget(run);
    kr_ctx_fini(ctx);
}
END_TEST

/* Tolerances begin loose, and a run that ends by its gradient has that gradient. */
START_TEST(tight_at_the_end)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = small_data(ctx, 250, false, 3);
    struct run_seen *run =
        tuned(TUNED("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 150}", "cg"), &data);
    struct run_seen *exact =
        tuned(TUNED("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 150}", "cholesky"), &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "gradient");
    assert_stop(exact, KR_TUNE_STOP_GRADIENT, "gradient");
    ck_assert(run->steps[0].step.solver.rtol == 3e-4);
    ck_assert_double_le(run->steps[run->nsteps - 1].step.solver.rtol, 1e-7);
    CLOSE(run->result.best_loss, exact->result.best_loss, exact->result.best_loss, 1e-7, "loss");
    struct kr_evaluation there;
    struct kr_ctx *arena = &run->ctx;
    double *gradient = kr_alloc(arena, run->gp.parameters.count, sizeof *gradient);
    evaluate_cold(run, run->theta, &there, gradient);
    for (size_t p = 0; p < run->gp.parameters.count; p++) {
        double lower, upper;
        kr_parameter_bounds(&run->gp, p, &lower, &upper);
        if (run->gp.parameters.items[p].spec.fixed || !(run->theta[p] > lower && run->theta[p] < upper))
            continue;
        ck_assert_double_le(fabs(gradient[p] * run->theta[p] / there.loss), 1.2e-5);
    }
    forget(run);
    forget(exact);
    kr_ctx_fini(ctx);
}
END_TEST

/* A gradient request has no history: what a run leaves behind changes nothing, and tight runs stay tight. */
START_TEST(nothing_is_kept_beyond_a_run)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_dataset data = small_data(ctx, 200, false, 3);
    struct run_seen *run = tuned(TUNED("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 12}", "cg"), &data);
    struct kr_evaluation once, again;
    evaluate_cold(run, run->theta, &once, NULL);
    evaluate_cold(run, run->theta, &again, NULL);
    ck_assert(same_bits(once.loss, again.loss));
    ck_assert_uint_eq(once.solver.products, again.solver.products);
    ck_assert(once.solver.rtol == 1e-8);
    forget(run);
    run = tuned(TUNED("mse", "{\"type\": \"lbfgs\", \"max_evaluations\": 5}", "cholesky"), &data);
    for (size_t i = 0; i < run->nsteps; i++)
        ck_assert(run->steps[i].step.solver.rtol == 1e-8);
    forget(run);
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    const TTest *const others[] = {tight_at_the_end, nothing_is_kept_beyond_a_run};
    Suite *made = suite_of("kept", others, 2);
    TCase *runs = tcase_create("runs");
    tcase_add_loop_test(runs, fifty_for_twenty, 0, 2);
    suite_add_tcase(made, runs);
    return made;
}
