/*
 * Objectives through the logarithm of the target: the relation to a process on data that was transformed
 * before, gradients and derivatives by the data against differences, metrics, constraints, refusals.
 */
#include "../conform/objectives.h"
#include "kriged/calibration.h"
#include "kriged/differentiate.h"

static struct kr_ctx context, *ctx;
static struct kr_dataset plain, positive; /* z, and exp(z) - 0.5 */
static struct kr_variant kernel;
static const char *const forms[] = {"rows", "kfold", "leave_one_out"};

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    plain = small_data(ctx, ROWS, false, 5);
    positive = plain;
    double *y = kr_alloc(ctx, ROWS, sizeof *y);
    for (size_t i = 0; i < ROWS; i++)
        y[i] = exp(plain.y[i]) - 0.5;
    positive.y = y;
    struct kr_variant parts[2] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("matern32"), 0)};
    composite(ctx, kernel_type("sum"), 2, parts, &kernel);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void take_log(struct kr_gp_spec *spec)
{
    OK(kr_variant_init(ctx, &kr_transform_registry, "log", &spec->model.target_transform));
    *(double *)spec->model.target_transform.options = 0.5; /* shift */
}

static void log_spec(const char *loss, const char *form, const char *solver, bool standardize,
                     struct kr_gp_spec *spec)
{
    make_spec(ctx, &kernel, loss, solver, "constant", spec);
    if (strcmp(form, "rows") != 0)
        OK(kr_variant_init(ctx, &kr_validation_registry, form, &spec->objective.validation));
    spec->model.standardize.x = spec->model.standardize.y = standardize;
    take_log(spec);
}

static struct kr_evaluation evaluate(const struct kr_gp_spec *spec, const struct kr_dataset *data,
                                     struct kr_gp *gp)
{
    struct kr_evaluation out;
    OK(kr_gp_init(ctx, spec, data, gp));
    OK(kr_objective_eval(ctx, gp, gp->start, true, &out, NULL));
    return out;
}

/* log dy/dz is z itself. */
static double mean_of(const struct kr_part *part, const double *values)
{
    double sum = 0;
    for (size_t i = 0; i < part->n; i++)
        sum += values[part->rows[i]] / (double)part->n;
    return sum;
}

START_TEST(densities_have_the_factor)
{
    static const char *const losses[] = {"nlpd", "student_t", "evidence"};
    for (int l = 0; l < 3; l++)
        for (int standardize = 0; standardize < 2; standardize++) {
            struct kr_gp_spec spec, before;
            struct kr_gp gp, ready;
            log_spec(losses[l], forms[_i], "cholesky", standardize, &spec);
            before = spec;
            OK(kr_variant_init(ctx, &kr_transform_registry, "none", &before.model.target_transform));
            const struct kr_evaluation got = evaluate(&spec, &positive, &gp),
                                       z = evaluate(&before, &plain, &ready);
            const double factor = mean_of(l == 2 ? &gp.train : &gp.validation, plain.y),
                         held = mean_of(&gp.validation, plain.y);
            CLOSE(gp.transforms->mean, ready.scale.y_mean, 1, 1e-12, "mean");
            CLOSE(got.loss, z.loss + factor + log(gp.transforms->sd / gp.transforms->unit), 1, 1e-12, "%s",
                  losses[l]);
            CLOSE(got.metrics.nlpd, z.metrics.nlpd + held, 1, 1e-12, "nlpd beside %s", losses[l]);
            ck_assert(got.metrics.coverage_50 == z.metrics.coverage_50);
            ck_assert(got.metrics.coverage_95 == z.metrics.coverage_95);
            ck_assert(standardize ? gp.transforms->unit > 2 : gp.transforms->unit == 1);
        }
}
END_TEST

/* In units of the target's deviation, whatever the process is standardised by; metrics in its own. */
START_TEST(losses_are_metrics_in_other_units)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    log_spec("mse", forms[_i], "cholesky", true, &spec);
    const struct kr_evaluation squared = evaluate(&spec, &positive, &gp);
    const double unit = gp.transforms->unit;
    CLOSE(squared.loss, pow(squared.metrics.rmse / unit, 2), squared.loss, 1e-13, "mse");
    log_spec("mae", forms[_i], "cholesky", true, &spec);
    const struct kr_evaluation absolute = evaluate(&spec, &positive, &gp);
    CLOSE(absolute.loss, absolute.metrics.mae / unit, absolute.loss, 1e-13, "mae");
    log_spec("crps", forms[_i], "cholesky", true, &spec);
    const struct kr_evaluation ranked = evaluate(&spec, &positive, &gp);
    CLOSE(ranked.loss, ranked.metrics.crps / unit, ranked.loss, 1e-13, "crps");
    log_spec("nlpd", forms[_i], "cholesky", true, &spec);
    const struct kr_evaluation density = evaluate(&spec, &positive, &gp);
    CLOSE(density.loss, density.metrics.nlpd - log(unit), 1, 1e-13, "nlpd");
    /* smse and msll: the targets' own moments */
    double mean = 0, variance = 0, fitted = mean_of(&gp.train, positive.y), spread = 0, trivial = 0;
    mean = mean_of(&gp.validation, positive.y);
    for (size_t i = 0; i < gp.validation.n; i++)
        variance += pow(positive.y[gp.validation.rows[i]] - mean, 2) / (double)gp.validation.n;
    for (size_t i = 0; i < gp.train.n; i++)
        spread += pow(positive.y[gp.train.rows[i]] - fitted, 2) / (double)gp.train.n;
    for (size_t i = 0; i < gp.validation.n; i++)
        trivial += (0.5 * log(2 * M_PI * spread) +
                    pow(positive.y[gp.validation.rows[i]] - fitted, 2) / (2 * spread)) /
                   (double)gp.validation.n;
    CLOSE(squared.metrics.smse, pow(squared.metrics.rmse, 2) / variance, 1, 1e-12, "smse");
    CLOSE(density.metrics.msll, density.metrics.nlpd - trivial, 1, 1e-12, "msll");
}
END_TEST

/* ---- gradients ---- */

struct at {
    const struct kr_gp *gp;
    const struct kr_gp_constraints *constraints;
    double *theta;
    size_t index;
};

static double loss_at(void *self, double value)
{
    struct at *at = self;
    struct kr_evaluation evaluation;
    const double before = at->theta[at->index];
    at->theta[at->index] = value;
    OK(kr_objective_eval(ctx, at->gp, at->theta, false, &evaluation, NULL));
    at->theta[at->index] = before;
    return evaluation.loss;
}

static void check_gradient(const struct kr_gp_spec *spec, const char *name, double relative)
{
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double scale = 0;
    OK(kr_gp_init(ctx, spec, &positive, &gp));
    double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    ck_assert(isfinite(evaluation.metrics.rmse) && isfinite(evaluation.metrics.crps));
    for (size_t p = 0; p < gp.parameters.count; p++)
        scale = fmax(scale, fabs(grad[p]));
    ck_assert(scale > 1e-4);
    for (size_t p = 0; p < gp.parameters.count; p++) {
        struct at at = {&gp, NULL, gp.start, p};
        CLOSE(grad[p], derivative(loss_at, &at, gp.start[p]), fmax(fabs(grad[p]), 0.1 * scale), relative,
              "%s, %s", name, gp.parameters.items[p].name);
    }
}

START_TEST(gradients_are_differences)
{
    static const char *const approximations[] = {"exact", "fourier_features", "inducing"};
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
        for (int a = 0; a < 3; a++)
            for (int solver = 0; solver < (a ? 1 : 2); solver++) {
                const struct kr_mark mark = kr_mark(ctx);
                struct kr_gp_spec spec;
                char name[120];
                if (solver && strcmp((*loss)->name, "evidence") == 0)
                    continue; /* an estimate */
                snprintf(name, sizeof name, "%s, %s, %s", (*loss)->name, forms[_i], approximations[a]);
                log_spec((*loss)->name, forms[_i], solver ? "cg" : "cholesky", true, &spec);
                OK(kr_variant_init(ctx, &kr_approximation_registry, approximations[a],
                                   &spec.model.approximation));
                if (a == 1)
                    ((struct kr_fourier_options *)spec.model.approximation.options)->count = 40;
                if (a == 2)
                    ((struct kr_inducing_options *)spec.model.approximation.options)->count = 9;
                if (a)
                    spec.solver.type = NULL;
                check_gradient(&spec, name, a ? 3e-6 : 1e-6);
                kr_release(ctx, mark);
            }
}
END_TEST

struct along {
    const struct kr_gp_spec *spec;
    const struct kr_dataset *data;
    size_t row;
};

static double loss_of_row(void *self, double value)
{
    const struct along *a = self;
    const struct kr_mark mark = kr_mark(ctx);
    struct kr_dataset moved = *a->data;
    struct kr_gp gp;
    double *y = kr_alloc(ctx, ROWS, sizeof *y);
    memcpy(y, a->data->y, ROWS * sizeof *y);
    y[a->row] = value;
    moved.y = y;
    const double loss = evaluate(a->spec, &moved, &gp).loss;
    kr_release(ctx, mark);
    return loss;
}

START_TEST(derivatives_by_targets_are_differences)
{
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_evaluation evaluation;
        struct kr_check_spec options;
        struct kr_check_report report;
        log_spec((*loss)->name, forms[_i], "cholesky", false, &spec);
        OK(kr_gp_init(ctx, &spec, &positive, &gp));
        double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad), scale = 0;
        const struct kr_data_gradient by = {kr_alloc(ctx, ROWS * FEATURES, sizeof(double)),
                                            kr_alloc(ctx, ROWS, sizeof(double)), NULL, NULL};
        OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &by));
        for (size_t i = 0; i < ROWS; i++)
            scale = fmax(scale, fabs(by.y[i] * positive.y[i]));
        for (size_t i = 0; i < ROWS; i += 2) {
            struct along a = {&spec, &positive, i};
            CLOSE(by.y[i], derivative(loss_of_row, &a, positive.y[i]), scale / fabs(positive.y[i]), 1e-6,
                  "%s, %s by %zu", (*loss)->name, forms[_i], i);
        }
        OK(kr_schema_init(ctx, &kr_check_spec_schema, &options));
        OK(kr_gradient_check(ctx, &gp, gp.start, grad, &by, &options, &report));
        ck_assert_msg(report.largest_relative_error < 1e-6, "%s, %s: %g", (*loss)->name, forms[_i],
                      report.largest_relative_error);
    }
}
END_TEST

/* Two targets of different scales: the mean over them, each with its own constants. */
START_TEST(several_targets)
{
    double y[2 * ROWS], sum = 0;
    for (size_t i = 0; i < ROWS; i++) {
        y[i] = positive.y[i];
        y[ROWS + i] = 100 * exp(0.3 * plain.x[i]) + 20 * positive.y[(i * 7) % ROWS];
    }
    const struct kr_dataset before = positive;
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        sum = 0;
        log_spec((*loss)->name, forms[_i], "cholesky", true, &spec);
        for (int t = 0; t < 2; t++) {
            positive = before;
            positive.y = y + t * ROWS;
            sum += evaluate(&spec, &positive, &gp).loss / 2;
        }
        positive.y = y;
        positive.targets = 2;
        const struct kr_evaluation both = evaluate(&spec, &positive, &gp);
        CLOSE(both.loss, sum, fabs(sum), 1e-12, "%s", (*loss)->name);
        check_gradient(&spec, (*loss)->name, 1e-6);
        /* by the targets */
        struct kr_check_spec options;
        struct kr_check_report report;
        struct kr_evaluation evaluation;
        log_spec((*loss)->name, forms[_i], "cholesky", false, &spec);
        OK(kr_gp_init(ctx, &spec, &positive, &gp));
        double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
        const struct kr_data_gradient by = {.y = kr_alloc(ctx, 2 * ROWS, sizeof(double))};
        OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &by));
        OK(kr_schema_init(ctx, &kr_check_spec_schema, &options));
        OK(kr_gradient_check(ctx, &gp, gp.start, grad, &by, &options, &report));
        ck_assert_msg(report.largest_relative_error < 1e-6, "%s, %s: %g", (*loss)->name, forms[_i],
                      report.largest_relative_error);
        positive = before;
    }
}
END_TEST

/* ---- constraints ---- */

static double constraint_at(void *self, double value)
{
    struct at *at = self;
    struct kr_evaluation evaluation;
    double c;
    const double before = at->theta[at->index];
    at->theta[at->index] = value;
    OK(kr_objective_constrained(ctx, at->gp, at->constraints, at->theta, false, &evaluation, NULL, &c, NULL));
    at->theta[at->index] = before;
    return c;
}

START_TEST(constraints_of_predictions)
{
    static const char *const names[] = {"bias", "calibration"};
    for (int i = 0; i < 2; i++)
        for (int l = 0; l < 2; l++) {
            struct kr_gp_spec spec;
            struct kr_gp gp;
            struct kr_evaluation evaluation;
            struct kr_variant one;
            struct kr_gp_constraints constraints;
            double c, J[16], grad[16];
            log_spec(l ? "evidence" : "mae", forms[_i], "cholesky", true, &spec);
            OK(kr_gp_init(ctx, &spec, &positive, &gp));
            OK(kr_variant_init(ctx, &kr_constraint_registry, names[i], &one));
            OK(kr_gp_constrain(ctx, &gp, &(struct kr_variants){1, &one}, "/constraints", &constraints));
            ck_assert(constraints.needs_variance);
            OK(kr_objective_constrained(ctx, &gp, &constraints, gp.start, false, &evaluation, grad, &c, J));
            for (size_t p = 0; p < gp.parameters.count; p++) {
                struct at at = {&gp, &constraints, gp.start, p};
                CLOSE(J[p], derivative(constraint_at, &at, gp.start[p]), fmax(fabs(J[p]), 1e-2), 1e-6,
                      "%s, %s", names[i], gp.parameters.items[p].name);
            }
        }
}
END_TEST

/* ---- what is not possible ---- */

static void refused(kr_status status, const char *part)
{
    ck_assert_int_eq(status, KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/model/target_transform");
    ck_assert_msg(strstr(ctx->error.detail, part) != NULL, "%s", ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

START_TEST(what_has_no_logarithm_is_refused)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    struct kr_dataset data = positive;
    double y[ROWS], known[ROWS], grad[16];
    log_spec("nlpd", "rows", "cholesky", false, &spec);
    memcpy(y, positive.y, sizeof y);
    data.y = y;
    for (int i = 0; i < 2; i++) {
        y[7] = i ? -0.5 : -3;
        refused(kr_gp_init(ctx, &spec, &data, &gp), "row 7 has the target");
    }
    y[7] = nextafter(-0.5, 0);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    for (int i = 0; i < ROWS; i++)
        known[i] = 0.1;
    data = positive;
    data.noise_variance = known;
    refused(kr_gp_init(ctx, &spec, &data, &gp), "noise variances");
    OK(kr_gp_init(ctx, &spec, &positive, &gp));
    refused(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad,
                                       &(struct kr_data_gradient){.noise = known}),
            "noise_variance");
    OK(kr_variant_init(ctx, &kr_validation_registry, "dataset", &spec.objective.validation));
    data = positive;
    data.y = plain.y;
    y[3] = -1;
    data.y = y;
    refused(kr_gp_init_with(ctx, &spec, &positive, &data, &gp),
            "row 3 of the validation data has the target -1");
}
END_TEST

/* Another data set is transformed too; the spread of leave-one-out is that of z. */
START_TEST(everything_else_sees_the_transformed_target)
{
    struct kr_gp_spec spec, before;
    struct kr_gp gp, ready;
    double spread, wanted;
    log_spec("nlpd", "rows", "cholesky", true, &spec);
    OK(kr_variant_init(ctx, &kr_validation_registry, "dataset", &spec.objective.validation));
    before = spec;
    OK(kr_variant_init(ctx, &kr_transform_registry, "none", &before.model.target_transform));
    OK(kr_gp_init_with(ctx, &spec, &positive, &positive, &gp));
    OK(kr_gp_init_with(ctx, &before, &plain, &plain, &ready));
    for (size_t i = 0; i < ROWS; i++)
        CLOSE(gp.validation.y[i], ready.validation.y[i], 1, 1e-12, "row %zu", i);
    OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &spread, NULL));
    OK(kr_gp_leave_one_out_spread(ctx, &ready, ready.start, &wanted, NULL));
    CLOSE(spread, wanted, wanted, 1e-10, "spread");
    for (size_t p = 0; p < gp.parameters.count; p++) {
        const double value = kr_parameter_data_value(&gp, p, 0.3),
                     other = kr_parameter_data_value(&ready, p, 0.3);
        ck_assert(isnan(value) ? isnan(other) : fabs(value - other) < 1e-12);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("transformed targets");
    TCase *tcase = tcase_create("transformed targets");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, densities_have_the_factor, 0, 3);
    tcase_add_loop_test(tcase, losses_are_metrics_in_other_units, 0, 3);
    tcase_add_loop_test(tcase, gradients_are_differences, 0, 3);
    tcase_add_loop_test(tcase, derivatives_by_targets_are_differences, 0, 3);
    tcase_add_loop_test(tcase, several_targets, 0, 3);
    tcase_add_loop_test(tcase, constraints_of_predictions, 0, 3);
    tcase_add_test(tcase, what_has_no_logarithm_is_refused);
    tcase_add_test(tcase, everything_else_sees_the_transformed_target);
    suite_add_tcase(made, tcase);
    return made;
}
