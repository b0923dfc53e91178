/* Schedules of learning rates: their formulas, and that the optimisers follow them. */
#include "opt/problems.h"
#include "opt/schedule.h"

static struct kr_ctx ctx;

/* `option` = NAN: the default. */
static struct kr_variant schedule(const char *name, double option)
{
    struct kr_variant made;
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_schedule_registry, name, &made), KR_OK);
    if (!isnan(option))
        *(double *)made.options = option; /* the only one */
    return made;
}

static double share(struct kr_variant made, double t, size_t evaluations)
{
    return kr_schedule_share(&made, t, evaluations);
}

START_TEST(shares_are_their_formulas)
{
    kr_ctx_init(&ctx, 0);
    ck_assert(share((struct kr_variant){0}, 7, 10) == 1 && share(schedule("constant", NAN), 7, 10) == 1);
    ck_assert_double_eq_tol(share(schedule("exponential", 0.25), 6, 10), exp(-1.5), 1e-15);
    ck_assert_double_eq_tol(share(schedule("exponential", NAN), 100, 10), exp(-1), 1e-15);
    ck_assert_double_eq_tol(share(schedule("inverse", 0.5), 6, 10), 0.25, 1e-15);
    ck_assert_double_eq_tol(share(schedule("cosine", 0), 5, 10), 0.5, 1e-15);
    ck_assert_double_eq_tol(share(schedule("cosine", 0.2), 5, 10), 0.6, 1e-15);
    ck_assert_double_eq_tol(share(schedule("cosine", 0), 2.5, 10), 0.5 + sqrt(0.5) / 2, 1e-15);
    for (double t = 10; t < 13; t++)
        ck_assert_double_eq(share(schedule("cosine", NAN), t, 10), 0.01);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(every_row_begins_at_the_rate_and_never_rises)
{
    kr_ctx_init(&ctx, 0);
    for (const struct kr_type *const *row = kr_schedule_registry.rows; *row; row++) {
        const struct kr_variant made = schedule((*row)->name, NAN);
        double last = 1;
        ck_assert_uint_gt(strlen((*row)->doc), 0);
        ck_assert_double_eq(share(made, 0, 200), 1);
        for (int t = 1; t < 300; t++) {
            const double now = share(made, t, 200);
            ck_assert_msg(now <= last && now > 0, "%s: %g after %g at %d", (*row)->name, now, last, t);
            last = now;
        }
    }
    kr_ctx_fini(&ctx);
}
END_TEST

static const struct kr_optimizer_type *optimizer(const char *name, void **options)
{
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_optimizer_registry, name, &variant), KR_OK);
    *options = variant.options;
    return (const struct kr_optimizer_type *)variant.type;
}

/* A slope of 1 everywhere: Adam's steps are the rate, and so are those of gradient descent. */
START_TEST(steps_are_the_rate_of_the_schedule)
{
    static const struct {
        const char *optimizer, *schedule;
        double option;
    } rows[] = {{"adam", "inverse", 0.5},
                {"adam", "cosine", 0.1},
                {"gradient_descent", "exponential", 0.3},
                {"gradient_descent", "cosine", 0}};
    for (size_t r = 0; r < 4; r++) {
        void *options;
        const struct kr_optimizer_type *type = optimizer(rows[r].optimizer, &options);
        const struct kr_variant made = schedule(rows[r].schedule, rows[r].option);
        const double start[] = {0}, g[] = {1};
        double state[32], z[1], last = 0;
        if (strcmp(rows[r].optimizer, "adam") == 0)
            ((struct kr_adam_options *)options)->schedule = made;
        else
            ((struct kr_gradient_descent_options *)options)->schedule = made;
        ((struct kr_stop_options *)options)->max_evaluations = 12;
        ck_assert_uint_le(type->state_size(options, 1), 32);
        type->init(options, 1, NULL, NULL, start, state);
        for (int t = 0; t < 10; t++) {
            type->ask(options, 1, NULL, NULL, state, z);
            if (t > 0)
                ck_assert_double_eq_tol(last - z[0], 0.05 * share(made, t - 1, 12), 1e-8);
            last = z[0];
            ck_assert(type->tell(options, 1, NULL, NULL, state, z, -z[0], g));
        }
        kr_ctx_fini(&ctx);
    }
}
END_TEST

/* Gradients with noise: at a constant rate Adam wanders about the optimum, with a falling one it comes to
 * rest. */
START_TEST(a_falling_rate_comes_to_rest)
{
    double error[2];
    for (int falling = 0; falling < 2; falling++) {
        void *options;
        const struct kr_optimizer_type *type = optimizer("adam", &options);
        const double start[] = {1};
        double state[32], z[1], sum = 0;
        struct kr_rng rng;
        kr_rng_init(&rng, 3, 1);
        if (falling)
            ((struct kr_adam_options *)options)->schedule = schedule("cosine", 0);
        ((struct kr_stop_options *)options)->max_evaluations = 2000;
        type->init(options, 1, NULL, NULL, start, state);
        for (int t = 0; t < 2000; t++) {
            type->ask(options, 1, NULL, NULL, state, z);
            const double g[] = {z[0] + kr_rng_normal(&rng)};
            type->tell(options, 1, NULL, NULL, state, z, z[0] * z[0] / 2, g);
            sum += t >= 1900 ? z[0] * z[0] / 100 : 0;
        }
        error[falling] = sqrt(sum);
        kr_ctx_fini(&ctx);
    }
    ck_assert_msg(error[1] < 0.5 * error[0], "root mean square %g falling, %g constant", error[1], error[0]);
}
END_TEST

SUITE("schedule", shares_are_their_formulas, every_row_begins_at_the_rate_and_never_rises,
      steps_are_the_rate_of_the_schedule, a_falling_rate_comes_to_rest)
