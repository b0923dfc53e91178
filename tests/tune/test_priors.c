/* Priors in a tuning run: what is minimised, and what is said of it. */
#include "runs.h"

static struct kr_ctx arena, *ctx = &arena; /* of the data */

static struct kr_dataset some_data(void)
{
    kr_ctx_init(ctx, 0);
    return small_data(ctx, 60, false, 3);
}

#define WITH_PRIORS                                                                                          \
    "{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 1, \"prior\": {\"type\": \"lognormal\", " \
    "\"mean\": 0.5, \"sd\": 0.3}}}, \"noise\": {\"variance\": {\"value\": 0.1, \"prior\": {\"type\": "       \
    "\"gamma\", \"shape\": 2, \"rate\": 8}}}}"
#define TO_THE_END "{\"type\": \"lbfgs\", \"gradient_tolerance\": 1e-7}"

/* log p of the two priors above at theta = (variance, lengthscale, noise). */
static double log_density(const double *theta)
{
    const double t = (log(theta[1]) - 0.5) / 0.3;
    return -t * t / 2 - log(0.3 * sqrt(2 * M_PI) * theta[1]) + log(64) + log(theta[2]) - 8 * theta[2];
}

static struct run_seen *watched; /* of `objective` */

static double objective_at(const double *theta)
{
    struct kr_ctx *held = ctx;
    struct kr_evaluation evaluation;
    ctx = &watched->ctx;
    OK(kr_objective_eval(ctx, &watched->gp, theta, false, &evaluation, NULL));
    ctx = held;
    const bool by_logarithm = ((const struct kr_loss_type *)watched->spec.objective.loss.type)->by_logarithm;
    return (by_logarithm ? log(evaluation.loss) : evaluation.loss) -
           log_density(theta) / (double)watched->gp.validation.n;
}

struct along {
    double theta[3];
    size_t index;
};

static double objective(void *self, double z)
{
    struct along *along = self;
    double theta[3];
    memcpy(theta, along->theta, sizeof theta);
    theta[along->index] = exp(z);
    return objective_at(theta);
}

START_TEST(loss_plus_penalty_is_minimised)
{
    static const char *const requests[] = {REQUEST(WITH_PRIORS, "nlpd", TO_THE_END),
                                           REQUEST(WITH_PRIORS, "crps", TO_THE_END),
                                           REQUEST(WITH_PRIORS, "mse", TO_THE_END)};
    struct kr_dataset data = some_data();
    struct run_seen *run = watched = tuned(requests[_i], &data);
    assert_stop(run, KR_TUNE_STOP_GRADIENT, "minimum");
    for (size_t p = 0; p < 3; p++) { /* a minimum inside the bounds: no slope left */
        struct along along = {.index = p};
        double lower, upper;
        memcpy(along.theta, run->theta, sizeof along.theta);
        kr_parameter_bounds(&run->gp, p, &lower, &upper);
        if (run->theta[p] < 1.01 * lower || run->theta[p] > 0.99 * upper)
            continue;
        const double slope = derivative(objective, &along, log(run->theta[p]));
        ck_assert_msg(fabs(slope) < 1e-5, "parameter %zu: slope %g at %g", p, slope, run->theta[p]);
    }
    CLOSE(run->result.penalty, -log_density(run->theta) / (double)run->gp.validation.n, 1, 1e-13, "penalty");
    for (size_t i = 0; i < run->nsteps; i++)
        CLOSE(run->steps[i].step.penalty,
              -log_density(run->steps[i].parameters) / (double)run->gp.validation.n, 1, 1e-13, "step %zu", i);
    struct kr_evaluation evaluation; /* the loss that is told has no penalty in it */
    ck_assert_int_eq(kr_objective_eval(&run->ctx, &run->gp, run->theta, false, &evaluation, NULL), KR_OK);
    CLOSE(run->result.best_loss, evaluation.loss, fabs(evaluation.loss), 1e-12, "best loss");
    forget(run);
}
END_TEST

START_TEST(the_best_point_is_that_of_the_lowest_sum)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = watched = tuned(
        REQUEST(WITH_PRIORS, "nlpd", "{\"type\": \"adam\", \"max_evaluations\": 30, \"learning_rate\": 0.3}"),
        &data);
    double lowest = INFINITY, loss = NAN;
    for (size_t i = 0; i < run->nsteps; i++) {
        const double sum = run->steps[i].step.loss + run->steps[i].step.penalty;
        if (sum < lowest) {
            lowest = sum;
            loss = run->steps[i].step.loss;
        }
        ck_assert(same_bits(run->steps[i].step.best_loss, loss));
    }
    ck_assert(same_bits(run->result.best_loss, loss));
    forget(run);
}
END_TEST

START_TEST(a_narrow_prior_decides_and_without_one_nothing_is_said)
{
    struct kr_dataset data = some_data();
    struct run_seen *run = tuned(
        REQUEST("{\"kernel\": {\"type\": \"rbf\", \"lengthscale\": {\"value\": 2, \"prior\": {\"type\": "
                "\"normal\", \"mean\": 2.5, \"sd\": 1e-3}}}}",
                "nlpd", "{\"type\": \"lbfgs\"}"),
        &data);
    CLOSE(run->theta[1], 2.5, 1, 1e-3, "lengthscale");
    forget(run);
    run = tuned(REQUEST(PLAIN, "nlpd", "{\"type\": \"lbfgs\", \"max_evaluations\": 2}"), &data);
    ck_assert(isnan(run->result.penalty) && isnan(run->steps[0].step.penalty));
    forget(run);
}
END_TEST

START_TEST(a_point_without_density_shortens_the_step)
{
    struct kr_dataset data = some_data(); /* at the bound 0 of the mean a gamma prior has no density */
    struct run_seen *run = tuned(
        REQUEST("{\"kernel\": {\"type\": \"rbf\"}, \"mean\": {\"type\": \"constant\", \"value\": {\"value\": "
                "0.05, \"prior\": {\"type\": \"gamma\", \"shape\": 1.01, \"rate\": 300}}}}",
                "nlpd", "{\"type\": \"adam\", \"learning_rate\": 0.5, \"max_evaluations\": 20}"),
        &data);
    const struct warning_seen *w = warned(run, "non-finite-loss");
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_nonnull(strstr(w->detail, "mean.value"));
    ck_assert(run->theta[place_of(run, "mean.value")] > 0);
    ck_assert(isfinite(run->result.best_loss));
    forget(run);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("tuning with priors");
    TCase *tcase = tcase_create("priors");
    tcase_add_loop_test(tcase, loss_plus_penalty_is_minimised, 0, 3);
    tcase_add_test(tcase, the_best_point_is_that_of_the_lowest_sum);
    tcase_add_test(tcase, a_narrow_prior_decides_and_without_one_nothing_is_said);
    tcase_add_test(tcase, a_point_without_density_shortens_the_step);
    suite_add_tcase(made, tcase);
    return made;
}
