/* Runs whose variances are sampled: when a sample is taken, and that tuning by estimates ends where exact
 * tuning does. */
#include "runs.h"
#include "tune/run.h"

static struct kr_ctx arena;
static struct kr_dataset data;

static void setup(void)
{
    kr_ctx_init(&arena, 0);
    data = small_data(&arena, 400, false, 3);
}

static void teardown(void)
{
    kr_ctx_fini(&arena);
}

#define MODEL "{\"kernel\": {\"type\": \"matern52\", \"ard\": true}, \"mean\": {\"type\": \"constant\"}}"
#define TUNE(variance, optimizer)                                                                            \
    "{\"dataset\": \"d\", \"model\": " MODEL                                                                 \
    ", \"objective\": {\"loss\": \"nlpd\", \"validation\": {\"type\": "                                      \
    "\"fraction\", \"fraction\": 0.5}, \"variance\": " variance "}, \"optimizer\": " optimizer "}"
#define FEW "{\"method\": \"sampled\", \"points\": 24, \"neighbours\": 24}"

/* The evaluation that took the sample of each step. */
static size_t taken(const struct run_seen *run, size_t step)
{
    return (size_t)run->steps[step].checkpoint[SAMPLED];
}

START_TEST(adam_takes_one_every_ten_evaluations)
{
    struct run_seen *run = tuned(TUNE(FEW, "{\"type\": \"adam\", \"max_evaluations\": 25}"), &data);
    for (size_t i = 0; i < run->nsteps; i++)
        ck_assert_uint_eq(taken(run, i), 1 + i / 10 * 10);
    ck_assert(run->steps[0].step.standard_error > 0);
    ck_assert_ptr_nonnull(warned(run, "variance-sampled"));
    forget(run);
}
END_TEST

/* In few rounds, as good as an error allows. */
START_TEST(lbfgs_ends_where_exact_tuning_ends)
{
    struct run_seen *run = tuned(TUNE(FEW, "{\"type\": \"lbfgs\"}"), &data),
                    *exact = tuned(TUNE("{\"method\": \"exact\"}", "{\"type\": \"lbfgs\"}"), &data);
    size_t rounds = 1;
    for (size_t i = 1; i < run->nsteps; i++)
        rounds += taken(run, i) != taken(run, i - 1);
    ck_assert_uint_ge(rounds, 2);
    ck_assert_uint_lt(run->nsteps, 120);
    ck_assert_ptr_null(warned(exact, "variance-sampled"));
    ck_assert_uint_eq(taken(exact, 0), 0);
    const double error = run->steps[run->nsteps - 1].step.standard_error,
                 got = run->result.metrics.validation->nlpd, wanted = exact->result.metrics.validation->nlpd,
                 before = exact->result.metrics.initial.validation->nlpd;
    ck_assert_msg(got - wanted < 3 * error + 0.05 * (before - wanted), "%g, exactly %g, before %g, error %g",
                  got, wanted, before, error);
    forget(run);
    forget(exact);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("sampled runs");
    TCase *tcase = tcase_create("sampled runs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, adam_takes_one_every_ten_evaluations);
    tcase_add_test(tcase, lbfgs_ends_where_exact_tuning_ends);
    suite_add_tcase(made, tcase);
    return made;
}
