/*
 * Variances of a sample: with everything drawn held fixed, the gradient is the derivative of the value; over
 * draws the value and the gradient are those of all points, and the standard error says how far off; brackets
 * hold.
 */
#include "gp/variance_sample.h"

#include "every_fifth.h"

/* Every fifth of n rows is held out; variances of `points` of these are exact. */
static void sampled_spec(const struct kr_variant *kernel, const char *loss, const char *solver, size_t n,
                         size_t points, size_t neighbours)
{
    hold_out_every_fifth(kernel, loss, solver, n, true);
    spec.objective.variance = (struct kr_variance_spec){
        .method = KR_VARIANCE_SAMPLED, .points = points, .neighbours = neighbours, .tolerance = 1e-15};
    OK(kr_gp_init(ctx, &spec, &data, &gp));
}

struct at {
    double *theta;
    size_t index;
};

static double loss_at(void *self, double value)
{
    struct at *at = self;
    struct kr_evaluation evaluation;
    const double before = at->theta[at->index];
    at->theta[at->index] = value;
    OK(kr_objective_eval(ctx, &gp, at->theta, false, &evaluation, NULL));
    at->theta[at->index] = before;
    return evaluation.loss;
}

static void check_gradient(const char *name)
{
    const size_t count = gp.parameters.count;
    double *grad = kr_alloc(ctx, count, sizeof *grad), scale = 0;
    static size_t turn;
    struct kr_evaluation evaluation;
    OK(kr_variance_sample_open(ctx, &gp, &gp.sample));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    ck_assert(gp.sample->ready);
    ck_assert_msg(evaluation.standard_error >= 0, "%s: %g", name, evaluation.standard_error);
    for (size_t p = 0; p < count; p++)
        scale = fmax(scale, fabs(grad[p]));
    for (size_t p = turn++ % EVERY_SO_MANY; p < count; p += EVERY_SO_MANY) {
        struct at at = {gp.start, p};
        CLOSE(grad[p], derivative(loss_at, &at, gp.start[p]), fmax(fabs(grad[p]), 1e-2 * scale), 1e-6,
              "%s, %s", name, gp.parameters.items[p].name);
    }
}

START_TEST(gradients_are_derivatives_for_every_kernel)
{
    for (size_t c = 0; c < ncases; c++) {
        struct kr_mark mark = kr_mark(ctx);
        sampled_spec(&cases[c].spec, c % 2 ? "crps" : "nlpd", c % 3 ? "cholesky" : "cg", 75, 8, 6 + c % 9);
        check_gradient(cases[c].name);
        kr_release(ctx, mark);
    }
}
END_TEST

START_TEST(gradients_are_derivatives_for_every_loss)
{
    for (const struct kr_type *const *row = kr_loss_registry.rows; *row; row++) {
        const struct kr_loss_type *loss = (const struct kr_loss_type *)*row;
        struct kr_mark mark = kr_mark(ctx);
        if (!loss->eval || !loss->needs_variance)
            continue;
        sampled_spec(&cases[ncases - 1].spec, loss->base.name, "cholesky", 75, 10, 12);
        check_gradient(loss->base.name);
        kr_release(ctx, mark);
    }
}
END_TEST

static void leave_one_out(void)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, "leave_one_out", &spec.objective.validation));
    OK(kr_gp_init(ctx, &spec, &data, &gp));
}

START_TEST(gradients_of_leave_one_out_are_derivatives)
{
    for (size_t c = 0; c < ncases; c++) {
        struct kr_mark mark = kr_mark(ctx);
        sampled_spec(&cases[c].spec, c % 2 ? "crps" : "nlpd", c % 3 ? "cholesky" : "cg", 45, 8, 6 + c % 9);
        leave_one_out();
        check_gradient(cases[c].name);
        kr_release(ctx, mark);
    }
    for (const struct kr_type *const *row = kr_loss_registry.rows; *row; row++) {
        struct kr_mark mark = kr_mark(ctx);
        if (!((const struct kr_loss_type *)*row)->eval)
            continue;
        sampled_spec(&cases[ncases - 1].spec, "nlpd", "cholesky", 45, 10, 12);
        OK(kr_variant_init(ctx, &kr_loss_registry, (*row)->name, &spec.objective.loss));
        leave_one_out();
        check_gradient((*row)->name);
        kr_release(ctx, mark);
    }
}
END_TEST

/* Of a transformed target the loss of the mean sees the variance too. */
START_TEST(gradients_are_derivatives_through_a_transform)
{
    static const char *const losses[] = {"mse", "nlpd", "crps"};
    for (int l = 0; l < 3; l++) {
        struct kr_mark mark = kr_mark(ctx);
        sampled_spec(&cases[1].spec, losses[2], "cholesky", 75, 10, 12);
        OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
        OK(kr_variant_init(ctx, &kr_transform_registry, "log", &spec.model.target_transform));
        *(double *)spec.model.target_transform.options = 25; /* the shift, its only member */
        data.noise_variance = NULL;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        check_gradient(losses[l]);
        kr_release(ctx, mark);
    }
}
END_TEST

/* ---- against all points ---- */

enum { DRAWS = 160, POINTS = 24 };

struct moments {
    double bias, sd, covered;          /* of the value, and how often within two standard errors */
    double gradient_bias, gradient_sd; /* over the norm of the gradient */
};

static struct moments over_draws(void)
{
    const size_t count = gp.parameters.count;
    struct kr_gp_spec whole = spec, draw = spec;
    struct kr_evaluation exact, evaluation;
    struct moments m = {0};
    double *wanted = kr_alloc(ctx, count, sizeof *wanted), *grad = kr_alloc(ctx, count, sizeof *grad),
           *mean = kr_alloc(ctx, count, sizeof *mean), norm = 0, square = 0, spread = 0;
    whole.objective.variance.method = KR_VARIANCE_EXACT;
    gp.spec = &whole;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &exact, wanted));
    ck_assert(isnan(exact.standard_error));
    gp.spec = &draw;
    for (size_t p = 0; p < count; p++)
        norm += wanted[p] * wanted[p];
    for (int s = 0; s < DRAWS; s++) {
        draw.objective.variance.seed = (uint64_t)s;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
        const double off = evaluation.loss - exact.loss;
        m.bias += off / DRAWS;
        square += off * off / DRAWS;
        m.covered += (fabs(off) <= 2 * evaluation.standard_error) / (double)DRAWS;
        for (size_t p = 0; p < count; p++) {
            mean[p] += (grad[p] - wanted[p]) / DRAWS;
            spread += (grad[p] - wanted[p]) * (grad[p] - wanted[p]) / DRAWS;
        }
    }
    m.sd = sqrt(square - m.bias * m.bias);
    for (size_t p = 0; p < count; p++)
        m.gradient_bias += mean[p] * mean[p];
    m.gradient_sd = sqrt((spread - m.gradient_bias) / norm);
    m.gradient_bias = sqrt(m.gradient_bias / norm);
    return m;
}

START_TEST(draws_are_unbiased_and_know_their_error)
{
    static const char *const losses[] = {"nlpd", "crps", "nlpd"};
    static const double noise[] = {0.1, 0.02, 0.01};
    struct kr_variant kernel = leaf(ctx, kernel_type(_i % 3 == 2 ? "rbf" : "matern52"), 1);
    sampled_spec(&kernel, losses[_i % 3], "cholesky", 400, POINTS, 32);
    if (_i >= 3) {
        data = small_data(ctx, 160, true, 7);
        leave_one_out();
    }
    gp.start[gp.noise_index] = noise[_i % 3];
    const struct moments m = over_draws();
    /* the mean of DRAWS draws, and a quarter of an error for the fit of the surrogate */
    const double within = 4 / sqrt(DRAWS) + 0.25;
    ck_assert_msg(fabs(m.bias) <= within * m.sd, "bias %g, sd %g", m.bias, m.sd);
    ck_assert_msg(m.gradient_bias <= within * m.gradient_sd, "gradient: bias %g, sd %g", m.gradient_bias,
                  m.gradient_sd);
    ck_assert_msg(m.covered >= 0.85, "two standard errors cover %g", m.covered);
    ck_assert_msg(m.gradient_sd < 0.3, "gradients are off by %g", m.gradient_sd);
}
END_TEST

/* What the surrogate is for: the mean over as many points alone has many times the error. */
START_TEST(the_surrogate_pays)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("matern52"), 1);
    double sum = 0, squares = 0;
    sampled_spec(&kernel, "nlpd", "cholesky", 400, POINTS, 32);
    const struct moments m = over_draws();
    for (size_t j = 0; j < gp.validation.n; j++) {
        struct kr_gp one = gp;
        struct kr_gp_spec exact = spec;
        struct kr_evaluation evaluation;
        const size_t index = j;
        exact.objective.variance.method = KR_VARIANCE_EXACT;
        one.spec = &exact;
        OK(kr_part_gather(ctx, &gp.validation, 1, &index, &one.validation));
        OK(kr_objective_eval(ctx, &one, gp.start, false, &evaluation, NULL));
        sum += evaluation.loss;
        squares += evaluation.loss * evaluation.loss;
    }
    const double n = (double)gp.validation.n, sd = sqrt(squares / n - sum * sum / (n * n));
    ck_assert_msg(5 * m.sd < sd / sqrt(POINTS), "%g against %g", m.sd, sd / sqrt(POINTS));
}
END_TEST

/* With a loose solve the exact variance lies in the bracket, which the tolerance bounds. */
START_TEST(brackets_hold)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("matern32"), 1);
    struct kr_evaluation tight, loose;
    sampled_spec(&kernel, "nlpd", "cholesky", 400, POINTS, 16);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &tight, NULL));
    ck_assert(tight.variance_bracket < 1e-8);
    sampled_spec(&kernel, "nlpd", "cg", 400, POINTS, 16);
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "nystrom", &spec.solver.preconditioner));
    ((struct kr_nystrom_options *)spec.solver.preconditioner.options)->rank = 40;
    for (double tolerance = 0.3; tolerance > 1e-4; tolerance /= 10) {
        spec.objective.variance.tolerance = tolerance;
        gp.sample = NULL;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &loose, NULL));
        ck_assert(loose.variance_bracket > 0);
        ck_assert_msg(fabs(loose.loss - tight.loss) <= loose.variance_bracket + tight.variance_bracket + 1e-9,
                      "%g: %g against %g, bracket %g", tolerance, loose.loss, tight.loss,
                      loose.variance_bracket);
    }
    ck_assert(loose.solver.iterations > 0);
}
END_TEST

START_TEST(brackets_of_leave_one_out_hold)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("matern32"), 1);
    struct kr_evaluation tight, loose;
    sampled_spec(&kernel, "nlpd", "cholesky", 200, POINTS, 16);
    leave_one_out();
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &tight, NULL));
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cg");
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "nystrom", &spec.solver.preconditioner));
    ((struct kr_nystrom_options *)spec.solver.preconditioner.options)->rank = 40;
    for (double tolerance = 0.1; tolerance > 1e-4; tolerance /= 10) {
        spec.objective.variance.tolerance = tolerance;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &loose, NULL));
        ck_assert(loose.variance_bracket > 0);
        ck_assert_msg(fabs(loose.loss - tight.loss) <= 1.1 * loose.variance_bracket + 1e-9,
                      "%g: %g against %g, bracket %g", tolerance, loose.loss, tight.loss,
                      loose.variance_bracket);
    }
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    static const int threads[] = {1, 2, 5};
    struct kr_evaluation evaluation, first = {0};
    sampled_spec(&cases[ncases - 1].spec, "nlpd", "cg", 700, 16, 140);
    const size_t count = gp.parameters.count;
    double *grad = kr_alloc(ctx, count, sizeof *grad), *wanted = kr_alloc(ctx, count, sizeof *wanted);
    for (int t = 0; t < 3; t++) {
        ctx->threads = threads[t];
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
        if (t == 0) {
            first = evaluation;
            memcpy(wanted, grad, count * sizeof *grad);
        }
        ck_assert(evaluation.loss == first.loss && evaluation.standard_error == first.standard_error);
        ck_assert_mem_eq(grad, wanted, count * sizeof *grad);
    }
}
END_TEST

/* ---- refusals ---- */

static void refused(const char *words)
{
    ck_assert_int_eq(kr_gp_init(ctx, &spec, &data, &gp), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/objective/variance/method");
    ck_assert_msg(strstr(ctx->error.detail, words) != NULL, "%s", ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

START_TEST(what_cannot_be_sampled_is_refused)
{
    struct kr_subset_spec subset = {.count = 3};
    struct kr_variant kernel = leaf(ctx, kernel_type("rbf"), 0);
    sampled_spec(&kernel, "nlpd", "cholesky", 75, 8, 8);
    spec.objective.subset = &subset;
    refused("subset");
    spec.objective.subset = NULL;
    OK(kr_variant_init(ctx, &kr_loss_registry, "mse", &spec.objective.loss));
    refused("mse sees no variance");
    OK(kr_variant_init(ctx, &kr_loss_registry, "nlpd", &spec.objective.loss));
    OK(kr_variant_init(ctx, &kr_validation_registry, "kfold", &spec.objective.validation));
    refused("kfold");
}
END_TEST

/* `auto` is exact where a factorisation or the whole block is affordable. */
START_TEST(auto_samples_where_the_block_is_dear)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("rbf"), 0);
    sampled_spec(&kernel, "nlpd", "cg", 75, 8, 8);
    ck_assert(kr_gp_samples_variance(&gp, false, 0));
    ck_assert(!kr_gp_samples_variance(&gp, true, 0)); /* metrics of all points */
    spec.objective.variance.method = KR_VARIANCE_AUTO;
    ck_assert(!kr_gp_samples_variance(&gp, false, 0));
    gp.train.n = 20000;
    gp.validation.n = 2000;
    ck_assert(kr_gp_samples_variance(&gp, false, 0));
    gp.validation.n = 40;
    ck_assert(!kr_gp_samples_variance(&gp, false, 0));
    gp.validation.n = 2000;
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    ck_assert(!kr_gp_samples_variance(&gp, false, 0));
}
END_TEST

/* Of held-out rows and of leave-one-out: means are exact, variances nearly so. */
START_TEST(scores_of_many_rows_are_close)
{
    struct kr_variant kernel = leaf(ctx, kernel_type("matern52"), 1);
    struct kr_metrics exact, sampled;
    sampled_spec(&kernel, "nlpd", "cholesky", 400, POINTS, 64);
    ck_assert(!kr_gp_samples_scores(&gp, 0));
    for (int loo = 0; loo < 2; loo++) {
        if (loo)
            leave_one_out();
        OK(kr_gp_validate(ctx, &gp, gp.start, &exact));
        OK(kr_gp_score_sampled(ctx, &gp, gp.start, &sampled));
        CLOSE(sampled.rmse, exact.rmse, exact.rmse, loo ? 1e-2 : 1e-9, "rmse");
        CLOSE(sampled.nlpd, exact.nlpd, 1, 1e-2, "nlpd");
        CLOSE(sampled.crps, exact.crps, exact.crps, 1e-2, "crps");
        CLOSE(sampled.coverage_95, exact.coverage_95, 1, 0.02, "coverage");
    }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("variance sample");
    TCase *tcase = tcase_create("variance sample");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, gradients_are_derivatives_for_every_kernel);
    tcase_add_test(tcase, gradients_are_derivatives_for_every_loss);
    tcase_add_test(tcase, gradients_of_leave_one_out_are_derivatives);
    tcase_add_test(tcase, gradients_are_derivatives_through_a_transform);
    tcase_add_loop_test(tcase, draws_are_unbiased_and_know_their_error, 0, 6);
    tcase_add_test(tcase, the_surrogate_pays);
    tcase_add_test(tcase, brackets_hold);
    tcase_add_test(tcase, brackets_of_leave_one_out_hold);
    tcase_add_test(tcase, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tcase, what_cannot_be_sampled_is_refused);
    tcase_add_test(tcase, auto_samples_where_the_block_is_dear);
    tcase_add_test(tcase, scores_of_many_rows_are_close);
    suite_add_tcase(made, tcase);
    return made;
}
