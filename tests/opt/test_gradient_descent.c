#include "opt/problems.h"

static struct kr_ctx ctx;

static const struct kr_optimizer_type *gradient_descent(void **options, double rate, double momentum)
{
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_optimizer_registry, "gradient_descent", &variant), KR_OK);
    const struct kr_optimizer_type *type = (const struct kr_optimizer_type *)variant.type;
    *options = variant.options;
    set_option(type, *options, "learning_rate", rate);
    set_option(type, *options, "momentum", momentum);
    return type;
}

/* The curvatures are 1, 4, 7 and 10: up to a rate of 1/20 the steps are those of the heavy ball, written out,
 * once the step length has grown from that of the first step. */
START_TEST(steps_are_those_of_the_heavy_ball)
{
    static const double momenta[] = {0, 0.5, 0.9};
    for (int c = 0; c < 3; c++) {
        void *options;
        const struct kr_optimizer_type *type = gradient_descent(&options, 0.05, momenta[c]);
        const struct problem *problem = &problems[0];
        struct run run;
        double z[MOST], g[MOST], last[MOST];
        run_init(&run, type, options, problem);
        for (int k = 0; k < 10; k++) {
            memcpy(last, run.z, sizeof last);
            ck_assert(run_step(&run, problem));
        }
        for (int k = 0; k < 60; k++) {
            problem->loss(problem->n, run.z, g);
            for (size_t i = 0; i < problem->n; i++)
                z[i] = run.z[i] - 0.05 * g[i] + momenta[c] * (run.z[i] - last[i]);
            memcpy(last, run.z, sizeof last);
            ck_assert(run_step(&run, problem));
            for (size_t i = 0; i < problem->n; i++)
                ck_assert_double_eq_tol(run.z[i], z[i], 1e-12);
        }
        ck_assert_double_eq(run.state[0], 69);
        run_fini(&run);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

/* With curvature 1000 along its valley, a rate of 0.05 alone would diverge at once. */
START_TEST(strong_curvature_shortens_the_steps)
{
    void *options;
    const struct kr_optimizer_type *type = gradient_descent(&options, 1e3, 0);
    struct run run;
    run_init(&run, type, options, &problems[1]);
    while (run.evaluations < 20000 && run_step(&run, &problems[1]))
        ck_assert(run.evaluations < 2000 || run.best < 0.1);
    ck_assert_double_eq_tol(run.best_z[0], 1, 1e-6);
    ck_assert_double_eq_tol(run.best_z[1], 1, 1e-6);
    run_fini(&run);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(momentum_saves_evaluations)
{
    size_t evaluations[2];
    for (int c = 0; c < 2; c++) {
        void *options;
        const struct kr_optimizer_type *type = gradient_descent(&options, 0.05, c * 0.7);
        struct run run;
        run_init(&run, type, options, &problems[0]);
        while (run.best > 1e-10 && run.evaluations < 2000)
            ck_assert(run_step(&run, &problems[0]));
        evaluations[c] = run.evaluations;
        run_fini(&run);
        kr_ctx_fini(&ctx);
    }
    ck_assert_uint_lt(2 * evaluations[1], evaluations[0]);
}
END_TEST

START_TEST(a_step_into_nowhere_is_halved)
{
    void *options;
    const struct kr_optimizer_type *type = gradient_descent(&options, 0.05, 0.5);
    const double lower[] = {-INFINITY}, upper[] = {INFINITY}, start[] = {1}, g[] = {2};
    double z[1], state[32];
    ck_assert_uint_le(type->state_size(options, 1), 32);
    type->init(options, 1, lower, upper, start, state);
    ck_assert(type->tell(options, 1, lower, upper, state, start, 1, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.9, 1e-12);
    ck_assert(type->tell(options, 1, lower, upper, state, z, INFINITY, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.95, 1e-12);
    ck_assert(type->tell(options, 1, lower, upper, state, z, 1, (const double[]){NAN}));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.975, 1e-12);
    ck_assert_double_eq(state[0], 0);
    /* Good again: the step is a quarter of what it was, a little grown, and has no momentum. */
    ck_assert(type->tell(options, 1, lower, upper, state, z, 1, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.975 - 0.0125 * sqrt(1.25) * 2, 1e-12);
    ck_assert_double_eq(state[0], 1);
    kr_ctx_fini(&ctx);
}
END_TEST

/* What a filter or a caller did to the point is what the momentum goes on from. */
START_TEST(the_next_step_starts_from_the_point_evaluated)
{
    void *options;
    const struct kr_optimizer_type *type = gradient_descent(&options, 0.05, 0.5);
    const double lower[] = {-INFINITY}, upper[] = {INFINITY}, start[] = {1}, moved[] = {0.8}, g[] = {2};
    double z[1], state[32];
    type->init(options, 1, lower, upper, start, state);
    ck_assert(type->tell(options, 1, lower, upper, state, start, 1, g));
    ck_assert(type->tell(options, 1, lower, upper, state, moved, 1, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.8 - 0.05 * 2 + 0.5 * (0.8 - 1), 1e-12);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(extreme_gradients_give_no_nan)
{
    void *options;
    const struct kr_optimizer_type *type = gradient_descent(&options, 0.05, 0.9);
    const double lower[] = {-5, -5}, upper[] = {5, 5}, start[] = {1, 1};
    double z[2], state[64];
    ck_assert_uint_le(type->state_size(options, 2), 64);
    type->init(options, 2, lower, upper, start, state);
    for (int i = 0; i < 20; i++) {
        type->ask(options, 2, lower, upper, state, z);
        ck_assert(isfinite(z[0]) && isfinite(z[1]));
        ck_assert(type->tell(options, 2, lower, upper, state, z, 1,
                             (const double[]){i % 2 ? 1e300 : -1e300, 1e-300}));
        for (size_t k = 0; k < type->state_size(options, 2); k++)
            ck_assert(isfinite(state[k]));
    }
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("gradient descent", steps_are_those_of_the_heavy_ball, strong_curvature_shortens_the_steps,
      momentum_saves_evaluations, a_step_into_nowhere_is_halved,
      the_next_step_starts_from_the_point_evaluated, extreme_gradients_give_no_nan)
