#include "opt/problems.h"

static struct kr_ctx ctx;

static const struct kr_optimizer_type *adam(void **options)
{
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_optimizer_registry, "adam", &variant), KR_OK);
    *options = variant.options;
    return (const struct kr_optimizer_type *)variant.type;
}

/* The recurrence of the paper, written out. */
START_TEST(steps_are_those_of_the_paper)
{
    void *options;
    const struct kr_optimizer_type *type = adam(&options);
    const struct problem *problem = &problems[0];
    struct run run;
    double z[MOST], g[MOST], m[MOST] = {0}, v[MOST] = {0};
    run_init(&run, type, options, problem);
    memcpy(z, problem->start, sizeof z);
    for (int t = 1; t <= 50; t++) {
        ck_assert(run_step(&run, problem));
        for (size_t i = 0; i < problem->n; i++)
            ck_assert_double_eq_tol(run.z[i], z[i], 1e-12);
        problem->loss(problem->n, z, g);
        for (size_t i = 0; i < problem->n; i++) {
            m[i] = 0.9 * m[i] + 0.1 * g[i];
            v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
            z[i] -= 0.05 * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.999, t))) + 1e-8);
        }
    }
    ck_assert_double_eq(run.state[0], 49);
    run_fini(&run);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(a_step_into_nowhere_is_halved)
{
    void *options;
    const struct kr_optimizer_type *type = adam(&options);
    const double lower[] = {-INFINITY}, upper[] = {INFINITY}, start[] = {1}, g[] = {2};
    double z[1], state[32];
    ck_assert_uint_le(type->state_size(options, 1), 32);
    type->init(options, 1, lower, upper, start, state);
    ck_assert(type->tell(options, 1, lower, upper, state, start, 1, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.95, 1e-8);
    ck_assert(type->tell(options, 1, lower, upper, state, z, INFINITY, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.975, 1e-8);
    ck_assert(type->tell(options, 1, lower, upper, state, z, NAN, g));
    type->ask(options, 1, lower, upper, state, z);
    ck_assert_double_eq_tol(z[0], 0.9875, 1e-8);
    ck_assert_double_eq(state[0], 0);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(extreme_gradients_give_no_nan)
{
    void *options;
    const struct kr_optimizer_type *type = adam(&options);
    const double lower[] = {-5, -5}, upper[] = {5, 5}, start[] = {1, 1}, g[] = {1e300, 1e-300};
    double z[2], state[64];
    ck_assert_uint_le(type->state_size(options, 2), 64);
    type->init(options, 2, lower, upper, start, state);
    for (int i = 0; i < 20; i++) {
        type->ask(options, 2, lower, upper, state, z);
        ck_assert(isfinite(z[0]) && isfinite(z[1]));
        ck_assert(type->tell(options, 2, lower, upper, state, z, 1, g));
    }
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("adam", steps_are_those_of_the_paper, a_step_into_nowhere_is_halved, extreme_gradients_give_no_nan)
