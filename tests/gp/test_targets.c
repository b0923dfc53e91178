/*
 * Several targets that share a kernel: loss, gradient, metrics and predictions are those of runs with one
 * target each, by one block of solutions.
 */
#include "kriged/calibration.h"
#include "kriged/prior.h"
#include "targets.h"

static size_t target_of(const struct kr_gp *gp, size_t p)
{
    return (p - gp->mean_first) / gp->mean_count;
}

/* Runs with one target each: the mean of their losses and gradients, and all else as it is. */
static void check_shared(const char *mean, const char *what)
{
    struct kr_gp gp;
    struct kr_evaluation all;
    set_mean(mean, TARGETS);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const size_t count = gp.parameters.count;
    double *grad = kr_alloc(ctx, count, sizeof *grad), *sum = kr_alloc(ctx, count, sizeof *sum), loss = 0,
           size = 0;
    OK(kr_objective_eval(ctx, &gp, gp.start, true, &all, grad));
    ck_assert_uint_eq(all.metrics.targets.count, TARGETS);
    const struct kr_target_metrics *each = all.metrics.targets.items;
    double rmse = 0, nlpd = 0;
    for (size_t t = 0; t < TARGETS; t++) {
        struct kr_gp one;
        struct kr_evaluation single;
        set_mean(mean, t);
        OK(kr_gp_init(ctx, &spec, &alone[t], &one));
        double *slope = kr_alloc(ctx, one.parameters.count, sizeof *slope);
        OK(kr_objective_eval(ctx, &one, one.start, true, &single, slope));
        loss += single.loss / TARGETS;
        for (size_t p = 0, from = 0; p < count; p++)
            if (p < gp.mean_first || p >= gp.noise_index || target_of(&gp, p) == t)
                sum[p] += slope[from++] / TARGETS;
        ck_assert_str_eq(each[t].name, alone[t].target_name);
        CLOSE(each[t].rmse, single.metrics.rmse, single.metrics.rmse, 1e-9, "%s: rmse", what);
        CLOSE(each[t].nlpd, single.metrics.nlpd, 1, 1e-9, "%s: nlpd", what);
        CLOSE(each[t].coverage_90, single.metrics.coverage_90, 1, 1e-12, "%s: coverage", what);
        rmse += each[t].rmse / TARGETS;
        nlpd += each[t].nlpd / TARGETS;
    }
    CLOSE(all.loss, loss, fabs(loss), 1e-9, "%s: loss", what);
    CLOSE(all.metrics.rmse, rmse, rmse, 1e-12, "%s: mean of rmse", what);
    CLOSE(all.metrics.nlpd, nlpd, fabs(nlpd), 1e-12, "%s: mean of nlpd", what);
    for (size_t p = 0; p < count; p++)
        size = fmax(size, fabs(sum[p]));
    for (size_t p = 0; p < count; p++)
        CLOSE(grad[p], sum[p], size, 1e-7, "%s: %s", what, gp.parameters.items[p].name);
}

static const char *const means[] = {"zero", "constant", "linear"};

START_TEST(loss_is_the_mean_over_targets)
{
    char what[128];
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
        for (int f = 0; f < 5; f++) {
            OK(kr_variant_init(ctx, &kr_loss_registry, (*loss)->name, &spec.objective.loss));
            if (f > 0)
                validate(forms[f]);
            snprintf(what, sizeof what, "%s of %s, %s", (*loss)->name, forms[f], means[f % 3]);
            check_shared(means[f % 3], what);
        }
}
END_TEST

START_TEST(approximations_share_the_features)
{
    static const char *const names[] = {"fourier_features", "inducing"}, *const losses[] = {"mse", "nlpd",
                                                                                            "evidence"};
    struct kr_variant rbf = leaf(ctx, kernel_type("rbf"), 1);
    char what[128];
    spec.model.kernel = rbf;
    for (int a = 0; a < 2; a++)
        for (int l = 0; l < 3; l++)
            for (int f = 0; f < 5; f++) {
                approximate(names[a]);
                OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
                validate(forms[f ? f : 1]);
                snprintf(what, sizeof what, "%s, %s of %s", names[a], losses[l], forms[f ? f : 1]);
                check_shared(means[(f + l) % 3], what);
            }
}
END_TEST

START_TEST(iterative_solvers_and_draws)
{
    struct kr_subset_spec subset = {.count = 5, .seed = 3};
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cg");
    spec.solver.rtol = 1e-12;
    check_shared("constant", "cg");
    OK(kr_variant_init(ctx, &kr_loss_registry, "mse", &spec.objective.loss));
    check_shared("linear", "cg, of the mean alone");
    OK(kr_variant_init(ctx, &kr_loss_registry, "evidence", &spec.objective.loss));
    check_shared("linear", "cg, evidence");
    OK(kr_variant_init(ctx, &kr_loss_registry, "crps", &spec.objective.loss));
    spec.objective.subset = &subset;
    check_shared("zero", "a draw");
    validate("kfold");
    check_shared("constant", "a draw of folds");
}
END_TEST

/* Rows of another data set, and known variances where nothing is standardised. */
START_TEST(held_out_elsewhere_and_known_variances)
{
    struct kr_gp gp, one;
    struct kr_evaluation all, single;
    double loss = 0;
    make_data(true);
    spec.model.standardize.y = false;
    check_shared("constant", "known variances");
    validate("leave_one_out");
    check_shared("constant", "known variances, leave one out");
    validate("dataset");
    spec.test = NULL;
    set_mean("zero", 0);
    OK(kr_gp_init_with(ctx, &spec, &data, &data, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &all, NULL));
    for (size_t t = 0; t < TARGETS; t++) {
        OK(kr_gp_init_with(ctx, &spec, &alone[t], &alone[t], &one));
        OK(kr_objective_eval(ctx, &one, one.start, false, &single, NULL));
        loss += single.loss / TARGETS;
    }
    CLOSE(all.loss, loss, fabs(loss), 1e-10, "loss");
}
END_TEST

START_TEST(predictions_are_those_of_each)
{
    for (int a = 0; a < 2; a++) {
        struct kr_gp gp, one;
        struct kr_posterior posterior, single;
        struct kr_solve_report report = {0};
        spec.model.kernel = leaf(ctx, kernel_type("rbf"), 1);
        approximate(a ? "inducing" : "exact");
        set_mean("linear", TARGETS);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const size_t m = gp.test.n;
        double mean[N * TARGETS], variance[N], mean1[N], variance1[N], slope[N * FEATURES],
            slope1[N * FEATURES];
        OK(kr_posterior_init(ctx, &gp, &gp.fit, gp.start, &posterior, &report));
        OK(kr_posterior_predict(ctx, &posterior, &gp.test.x, NULL, true, mean, variance, &report));
        for (size_t t = 0; t < TARGETS; t++) {
            set_mean("linear", t);
            OK(kr_gp_init(ctx, &spec, &alone[t], &one));
            OK(kr_posterior_init(ctx, &one, &one.fit, one.start, &single, &report));
            OK(kr_posterior_predict(ctx, &single, &one.test.x, NULL, true, mean1, variance1, &report));
            for (size_t j = 0; j < m; j++) {
                CLOSE(mean[t * m + j], mean1[j], 1, 1e-9, "mean of target %zu at %zu", t, j);
                CLOSE(variance[j], variance1[j], 1, 1e-10, "variance");
            }
            const struct kr_posterior view = kr_posterior_target(&posterior, t);
            OK(kr_posterior_gradient(ctx, &view, &gp.test.x, slope));
            OK(kr_posterior_gradient(ctx, &single, &gp.test.x, slope1));
            for (size_t e = 0; e < m * FEATURES; e++)
                CLOSE(slope[e], slope1[e], 1, 1e-8, "slope");
            struct kr_metrics metrics, metrics1;
            OK(kr_gp_score(ctx, &gp, &gp.fit, &gp.test, gp.start, &metrics));
            OK(kr_gp_score(ctx, &one, &one.fit, &one.test, one.start, &metrics1));
            CLOSE(((struct kr_target_metrics *)metrics.targets.items)[t].crps, metrics1.crps, metrics1.crps,
                  1e-9, "crps");
        }
    }
}
END_TEST

/* One block: the columns of all targets and those of the variance once. */
START_TEST(one_block_solve_serves_all)
{
    struct kr_gp gp, one;
    struct kr_evaluation all, single;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_gp_init(ctx, &spec, &alone[0], &one));
    const size_t m = gp.validation.n;
    double grad[64];
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &all, grad));
    OK(kr_objective_eval(ctx, &one, one.start, false, &single, grad));
    ck_assert_uint_eq(single.solver.products % (1 + m), 0);
    ck_assert_uint_eq(all.solver.products, single.solver.products / (1 + m) * (TARGETS + m));
}
END_TEST

/* Conditions on predictions are means over targets, and their derivatives too. */
START_TEST(constraints_are_means_over_targets)
{
    static const char *const names[] = {"calibration", "bias", "variance_budget"};
    struct kr_variant specs[3];
    struct kr_gp gp, one;
    struct kr_gp_constraints constraints;
    struct kr_evaluation evaluation;
    double grad[64], c[3], J[3 * 64], wanted[3] = {0}, slopes[3 * 64] = {0};
    for (int i = 0; i < 3; i++)
        OK(kr_variant_init(ctx, &kr_constraint_registry, names[i], &specs[i]));
    set_mean("constant", TARGETS);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const size_t count = gp.parameters.count;
    OK(kr_gp_constrain(ctx, &gp, &(struct kr_variants){3, specs}, "/constraints", &constraints));
    OK(kr_objective_constrained(ctx, &gp, &constraints, gp.start, false, &evaluation, grad, c, J));
    for (size_t t = 0; t < TARGETS; t++) {
        double single[3], rows[3 * 64];
        set_mean("constant", t);
        OK(kr_gp_init(ctx, &spec, &alone[t], &one));
        OK(kr_gp_constrain(ctx, &one, &(struct kr_variants){3, specs}, "/constraints", &constraints));
        OK(kr_objective_constrained(ctx, &one, &constraints, one.start, false, &evaluation, grad, single,
                                    rows));
        for (size_t i = 0; i < 3; i++) {
            wanted[i] += single[i] / TARGETS;
            for (size_t p = 0, from = i * one.parameters.count; p < count; p++)
                if (p < gp.mean_first || p >= gp.noise_index || target_of(&gp, p) == t)
                    slopes[i * count + p] += rows[from++] / TARGETS;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        CLOSE(c[i], wanted[i], 1, 1e-10, "%s", names[i]);
        for (size_t p = 0; p < count; p++)
            CLOSE(J[i * count + p], slopes[i * count + p], 1, 1e-8, "%s by %s", names[i],
                  gp.parameters.items[p].name);
    }
}
END_TEST

/* What an evaluation takes from the arena is what was said. */
START_TEST(memory_is_within_the_estimate)
{
    static const char *const losses[] = {"mse", "nlpd", "evidence"}, *const spaces[] = {"exact", "inducing"};
    spec.model.kernel = leaf(ctx, kernel_type("rbf"), 1);
    for (int l = 0; l < 3; l++)
        for (int f = 0; f < 2; f++)
            for (int a = 0; a < 2; a++) {
                struct kr_gp gp;
                struct kr_evaluation evaluation;
                const char *reason;
                double grad[64];
                OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
                validate(f ? "kfold" : "fraction");
                approximate(spaces[a]);
                set_mean("constant", TARGETS);
                OK(kr_gp_init(ctx, &spec, &data, &gp));
                const struct kr_solver_type *solver =
                    kr_solver_choose(&spec.solver, NULL, gp.train.n, 0, &reason);
                const size_t said = kr_objective_bytes(&gp, solver, 0, false, 0), used = ctx->used;
                ctx->peak = used;
                OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
                ck_assert_msg(ctx->peak - used <= said, "%s, %s, %s: %zu bytes, %zu were said", losses[l],
                              f ? "kfold" : "fraction", spaces[a], ctx->peak - used, said);
            }
}
END_TEST

/* Parameters: units, priors over all observations, calibration. */
START_TEST(parameters_of_several_units)
{
    struct kr_gp gp, one;
    double spread, sum = 0;
    set_mean("constant", TARGETS);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ck_assert_uint_eq(gp.mean_count, 1);
    ck_assert_str_eq(gp.parameters.items[gp.mean_first + 1].name, "mean.value[1]");
    ck_assert_str_eq(gp.parameters.items[gp.mean_first + 1].pointer, "/model/mean/value/1");
    for (size_t t = 0; t < TARGETS; t++) {
        const double wanted = gp.scale.y_means[t] + 2 * gp.scale.y_sds[t];
        CLOSE(kr_parameter_data_value(&gp, gp.mean_first + t, 2), wanted, wanted, 1e-14, "mean");
    }
    ck_assert(isnan(kr_parameter_data_value(&gp, gp.noise_index, 1)));
    OK(kr_gp_leave_one_out_spread(ctx, &gp, gp.start, &spread, NULL));
    for (size_t t = 0; t < TARGETS; t++) {
        double single;
        set_mean("constant", t);
        OK(kr_gp_init(ctx, &spec, &alone[t], &one));
        OK(kr_gp_leave_one_out_spread(ctx, &one, one.start, &single, NULL));
        sum += single / TARGETS;
    }
    CLOSE(spread, sum, sum, 1e-10, "spread");
    struct kr_param *noise = &spec.model.noise.variance;
    double penalty, single;
    OK(kr_variant_init(ctx, &kr_prior_registry, "halfcauchy", &noise->values[0].prior));
    *(double *)noise->values[0].prior.options = 0.3; /* scale, its only member */
    set_mean("zero", 0);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_gp_init(ctx, &spec, &alone[0], &one));
    OK(kr_gp_penalty(ctx, &gp, gp.start, &penalty, NULL));
    OK(kr_gp_penalty(ctx, &one, one.start, &single, NULL));
    CLOSE(penalty, single / TARGETS, fabs(single), 1e-14, "penalty");
}
END_TEST

/* Without standardisation: from the least spread to the largest. */
START_TEST(bounds_reach_over_all_targets)
{
    struct kr_gp gp;
    double lower, upper, least = INFINITY, most = 0;
    spec.model.standardize.y = false;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    for (size_t t = 0; t < TARGETS; t++) {
        least = fmin(least, gp.y_spread[t]);
        most = fmax(most, gp.y_spread[t]);
    }
    kr_parameter_bounds(&gp, gp.noise_index, &lower, &upper);
    CLOSE(lower, 1e-4 * least * least, lower, 1e-12, "lower bound");
    CLOSE(upper, 1e4 * most * most, upper, 1e-12, "upper bound");
    ck_assert_double_gt(most, 20 * least);
}
END_TEST

static void refused(const struct kr_dataset *held_out, const char *pointer, const char *part)
{
    struct kr_gp gp;
    ck_assert_int_eq(kr_gp_init_with(ctx, &spec, &data, held_out, &gp), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, pointer);
    ck_assert_msg(strstr(ctx->error.detail, part) != NULL, "%s", ctx->error.detail);
    kr_ctx_clear_error(ctx);
}

START_TEST(refusals_have_their_places)
{
    set_mean("constant", TARGETS);
    ((struct kr_param *)spec.model.mean.options)->count = 2;
    refused(NULL, "/model/mean/value", "each of 3 targets, got 2");
    set_mean("linear", TARGETS);
    ((struct kr_param *)spec.model.mean.options)->count = 4;
    refused(NULL, "/model/mean/coefficients", "each of 3 features, or that for each target, got 4");
    set_mean("zero", 0);
    make_data(true);
    refused(NULL, "/model/standardize/y", "known noise variances");
    make_data(false);
    validate("dataset");
    refused(&alone[0], "/validation_data", "must have the 3 targets of the data set, got 1");
    static const char *const other[TARGETS] = {"first", "third", "second"};
    struct kr_dataset swapped = data;
    swapped.target_names = other;
    refused(&swapped, "/validation_data", "number 1 is \"second\" there and \"third\" here");
}
END_TEST

FIXTURE_SUITE("targets", 60, loss_is_the_mean_over_targets, approximations_share_the_features,
              iterative_solvers_and_draws, held_out_elsewhere_and_known_variances,
              predictions_are_those_of_each, one_block_solve_serves_all, constraints_are_means_over_targets,
              memory_is_within_the_estimate, parameters_of_several_units, bounds_reach_over_all_targets,
              refusals_have_their_places)
