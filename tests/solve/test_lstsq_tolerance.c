/*
 * What a tolerance buys: the gradient's relative error is below 30 cond max(forward, backward), where cond is
 * the condition number of [A; lambda I], and each of the two tolerances alone spoils it; with a sketch the
 * condition number has no part in it. The table of
 * clients/c/README.md in small; tests/bench/bench_lstsq_tolerance.c prints the large one.
 */
#include "../suite.h"
#include "lstsq_exact.h"

static struct kr_ctx context, *ctx;
static const struct tolerance_case cases[] = {
    {"tall", 60, 30, 0, 0},
    {"wide", 30, 60, 0, 0},
    {"square", 40, 40, 0, 0},
    {"tall, damped", 60, 30, 1e-2, 0},
    {"wide, damped", 30, 60, 1e-2, 0},
    {"square, damped", 40, 40, 1e-2, 0},
};

enum { CASES = sizeof cases / sizeof *cases };

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static double error_with(const struct tolerance_case *c, const struct exact *exact, double forward,
                         double backward, enum kr_lstsq_preconditioner preconditioner)
{
    struct kr_lstsq_options options;
    struct kr_lstsq_report report = {0};
    double error;
    ck_assert_int_eq(kr_schema_init(ctx, &kr_lstsq_options_schema, &options), KR_OK);
    options.preconditioner = (int)preconditioner;
    options.max_iterations = 100000;
    options.atol = options.btol = forward;
    options.backward_tolerance = backward;
    ck_assert_int_eq(gradient_error(ctx, c, exact, &options, &error, &report), KR_OK);
    ck_assert(kr_lstsq_converged(&report));
    return error;
}

static double error_of(const struct tolerance_case *c, const struct exact *exact, double forward,
                       double backward)
{
    return error_with(c, exact, forward, backward, KR_LSTSQ_NONE);
}

START_TEST(the_error_grows_with_the_condition_and_the_larger_tolerance)
{
    static const double conditions[] = {10, 100, 1e4}, tolerances[] = {1e-4, 1e-8, 1e-12};
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; k < 3; k++) {
            struct kr_mark mark = kr_mark(ctx);
            struct tolerance_case c = cases[i];
            c.condition = conditions[k];
            const struct exact exact = exact_case(ctx, &c);
            const double effective = c.lambda > 0 ? fmin(c.condition, 1 / c.lambda) : c.condition;
            for (size_t f = 0; f < 3; f++)
                for (size_t b = 0; b < 3; b++) {
                    const double most = 30 * effective * fmax(tolerances[f], tolerances[b]),
                                 error = error_of(&c, &exact, tolerances[f], tolerances[b]);
                    ck_assert_msg(error <= fmin(most, 2),
                                  "%s, condition %g, tolerances %g and %g: error %g, wanted below %g", c.name,
                                  c.condition, tolerances[f], tolerances[b], error, most);
                }
            kr_release(ctx, mark);
        }
}
END_TEST

START_TEST(either_tolerance_alone_is_a_limit)
{
    for (size_t i = 0; i < 3; i++) {
        struct tolerance_case c = cases[i];
        c.condition = 100;
        const struct exact exact = exact_case(ctx, &c);
        const double tight = error_of(&c, &exact, 1e-12, 1e-12), loose = error_of(&c, &exact, 1e-5, 1e-5),
                     forward = error_of(&c, &exact, 1e-5, 1e-12),
                     backward = error_of(&c, &exact, 1e-12, 1e-5);
        ck_assert_msg(tight < 1e-4 * fmin(forward, backward) && fmin(forward, backward) > 1e-2 * loose,
                      "%s: %g tight, %g with a loose forward, %g with a loose backward solve, %g with both",
                      c.name, tight, forward, backward, loose);
    }
}
END_TEST

/* Damping bounds what conditioning can do. */
START_TEST(damping_caps_the_condition)
{
    for (size_t i = 3; i < CASES; i++) {
        struct tolerance_case damped = cases[i], plain = cases[i - 3];
        damped.condition = plain.condition = 1e6;
        const struct exact with = exact_case(ctx, &damped), without = exact_case(ctx, &plain);
        const double a = error_of(&damped, &with, 1e-8, 1e-8), b = error_of(&plain, &without, 1e-8, 1e-8);
        ck_assert_msg(a < 30 / damped.lambda * 1e-8 && b > 100 * a, "%s: %g, undamped %g", damped.name, a, b);
    }
}
END_TEST

/* With a sketch the error is the tolerance, up to what doubles allow, whatever the condition. */
START_TEST(a_sketch_takes_the_condition_out)
{
    static const double conditions[] = {1e2, 1e5, 1e8}, tolerances[] = {1e-4, 1e-8};
    static const struct tolerance_case shapes[] = {
        {"tall", 200, 30, 0, 0},
        {"wide", 30, 200, 0, 0},
        {"tall, damped", 200, 30, 1e-3, 0},
        {"wide, damped", 30, 200, 1e-3, 0},
    };
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++) {
            struct kr_mark mark = kr_mark(ctx);
            struct tolerance_case c = shapes[i];
            c.condition = conditions[k];
            const struct exact exact = exact_case(ctx, &c);
            for (size_t f = 0; f < 2; f++)
                for (size_t b = 0; b < 2; b++) {
                    const double most = 10 * fmax(tolerances[f], tolerances[b]) + 1e-15 * c.condition,
                                 error =
                                     error_with(&c, &exact, tolerances[f], tolerances[b], KR_LSTSQ_SKETCH);
                    ck_assert_msg(error <= most, "%s, condition %g, tolerances %g and %g: error %g", c.name,
                                  c.condition, tolerances[f], tolerances[b], error);
                }
            kr_release(ctx, mark);
        }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {the_error_grows_with_the_condition_and_the_larger_tolerance,
                                  either_tolerance_alone_is_a_limit, damping_caps_the_condition,
                                  a_sketch_takes_the_condition_out};
    Suite *made = suite_create("lstsq_tolerance");
    TCase *tcase = tcase_create("lstsq_tolerance");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
