/*
 * Approximations: the gradient of the objective by every hyperparameter, inducing inputs included, against
 * central differences of its value, for every kernel that has features, every loss, held-out rows, folds and
 * leave-one-out, with and without known noise; the same bits for any number of threads.
 */
#include "objectives.h"

static struct kr_ctx context, *ctx;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

struct at {
    const struct kr_gp *gp;
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

/* By Richardson, with a step that suits waves much faster than theta. */
static double difference(const struct kr_gp *gp, size_t index, double step)
{
    struct at at = {gp, gp->start, index};
    const double x = gp->start[index], h = step * fmax(fabs(x), 0.1),
                 wide = (loss_at(&at, x + 2 * h) - loss_at(&at, x - 2 * h)) / (4 * h),
                 near = (loss_at(&at, x + h) - loss_at(&at, x - h)) / (2 * h);
    return near + (near - wide) / 3;
}

enum method { FOURIER, INDUCING, TUNED, METHODS };
static const char *const method_names[] = {"fourier", "inducing", "tuned inputs"};

static void approximate(struct kr_gp_spec *spec, enum method method, size_t count)
{
    struct kr_variant *approximation = &spec->model.approximation;
    OK(kr_variant_init(ctx, &kr_approximation_registry, method == FOURIER ? "fourier_features" : "inducing",
                       approximation));
    if (method == FOURIER)
        ((struct kr_fourier_options *)approximation->options)->count = count;
    else {
        ((struct kr_inducing_options *)approximation->options)->count = count;
        ((struct kr_inducing_options *)approximation->options)->tune_inputs = method == TUNED;
    }
    spec->solver.type = NULL;
    spec->solver.rtol = 1e-8;
}

/* Rational quadratic kernels have features for one alpha. */
static void fix_alpha(struct kr_variant *kernel)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)kernel->type;
    for (size_t p = 2; type->feature_kind == KR_FEATURES_SPECTRAL && p < type->nparameters; p++)
        ((struct kr_param *)member(kernel->options, (ptrdiff_t)type->parameters[p].offset))->values[0].fixed =
            true;
}

static void fold(struct kr_gp_spec *spec, const char *validation)
{
    if (strcmp(validation, "rows") != 0)
        OK(kr_variant_init(ctx, &kr_validation_registry, validation, &spec->objective.validation));
}

/* false: this kernel has no such approximation. */
static bool open(struct kr_gp_spec *spec, const struct kr_dataset *data, struct kr_gp *gp)
{
    kr_status status = kr_gp_init(ctx, spec, data, gp);
    ck_assert_msg(status == KR_OK || status == KR_INVALID, "%s", ctx->error.detail);
    kr_ctx_clear_error(ctx);
    return status == KR_OK;
}

static bool check_gradient(const struct kernel_case *kernel, const char *loss, enum method method,
                           const char *validation, int variation)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    struct kr_variant fixed = kernel->spec;
    const struct kr_dataset data = small_data(ctx, ROWS, variation == 2, 5);
    static size_t turn;
    const bool fast = strncmp(kernel->name, "matern12", 8) == 0; /* its spectrum has no mean */
    double scale = 0;
    if (fast && method == TUNED) /* an input that is a cluster of one row is where matern12 has a kink */
        return false;
    fix_alpha(&fixed);
    make_spec(ctx, &fixed, loss, "cholesky", variation ? "constant" : "zero", &spec);
    approximate(&spec, method, method == FOURIER ? 12 : 7);
    fold(&spec, validation);
    if (!open(&spec, &data, &gp))
        return false;
    double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    if (evaluation.jitter > 0) /* of a rank below the number of inputs: see test_weight_space of tests/gp */
        return false;
    ck_assert(evaluation.solver.residual < 1e-10 && evaluation.solver.stop == KR_STOP_RTOL);
    ck_assert(fabs(evaluation.value_error) < 1e-10);
    for (size_t p = 0; p < gp.parameters.count; p++)
        scale = fmax(scale, fabs(grad[p]));
    ck_assert_msg(scale > 1e-6, "%s: the gradient is zero", kernel->name);
    for (size_t p = turn++ % EVERY_SO_MANY; p < gp.parameters.count; p += EVERY_SO_MANY)
        if (!gp.parameters.items[p].spec.fixed)
            CLOSE(grad[p], difference(&gp, p, fast ? 1e-5 : 1e-4), fmax(fabs(grad[p]), 1e-2 * scale), 1e-6,
                  "%s, %s, %s, %s, variation %d, %s", kernel->name, loss, method_names[method], validation,
                  variation, gp.parameters.items[p].name);
    return true;
}

static const char *const validations[] = {"rows", "leave_one_out", "kfold"};

static void check_all(enum method method, size_t least)
{
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = kernel_cases(ctx, cases);
    size_t taken = 0;
    for (size_t c = 0; c < count; c++)
        for (int usual = 0; usual < 2; usual++)
            for (size_t v = 0; v < 3; v++) {
                struct kr_mark mark = kr_mark(ctx);
                const int variation = (int)((c + v) % 3);
                taken += check_gradient(&cases[c], usual ? "mse" : "nlpd", method, validations[v], variation);
                kr_release(ctx, mark);
            }
    ck_assert_msg(taken >= 6 * least, "only %zu", taken);
}

START_TEST(gradients_of_fourier_features)
{
    check_all(FOURIER, 20);
}
END_TEST

START_TEST(gradients_of_inducing_inputs)
{
    check_all(INDUCING, 20);
}
END_TEST

START_TEST(gradients_by_inducing_inputs)
{
    check_all(TUNED, 20);
}
END_TEST

/* Losses, means and noise all ways, with a sum that has white noise in it. */
START_TEST(gradients_of_every_loss)
{
    struct kernel_case sum = {.name = "sum"};
    struct kr_variant parts[3] = {leaf(ctx, kernel_type("matern32"), 1), leaf(ctx, kernel_type("white"), 0),
                                  leaf(ctx, kernel_type("linear"), 0)};
    composite(ctx, kernel_type("sum"), 3, parts, &sum.spec);
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
        for (int method = 0; method < METHODS; method++)
            for (size_t v = 0; v < 3; v++)
                for (int variation = 0; variation < (EVERY_SO_MANY > 1 ? 1 : 3); variation++) {
                    struct kr_mark mark = kr_mark(ctx);
                    ck_assert_msg(check_gradient(&sum, (*loss)->name, method, validations[v], variation),
                                  "%s", (*loss)->name);
                    kr_release(ctx, mark);
                }
}
END_TEST

struct constrained {
    const struct kr_gp *gp;
    const struct kr_gp_constraints *constraints;
    double *theta;
    size_t index, which;
};

static double constraint_at(void *self, double value)
{
    struct constrained *at = self;
    struct kr_evaluation evaluation;
    const double before = at->theta[at->index];
    double c[2];
    at->theta[at->index] = value;
    OK(kr_objective_constrained(ctx, at->gp, at->constraints, at->theta, false, &evaluation, NULL, c, NULL));
    at->theta[at->index] = before;
    return c[at->which];
}

/* Two conditions on the predictions beside a loss of the mean, all points or some of them. */
START_TEST(constraints_and_subsets)
{
    const struct kr_dataset data = small_data(ctx, 60, true, 6);
    const struct kr_variant kernel = leaf(ctx, kernel_type("matern52"), 1);
    struct kr_variant specs[2];
    OK(kr_variant_init(ctx, &kr_constraint_registry, "bias", &specs[0]));
    OK(kr_variant_init(ctx, &kr_constraint_registry, "calibration", &specs[1]));
    for (int method = 0; method < METHODS; method++)
        for (size_t v = 0; v < 3; v++) {
            struct kr_gp gp;
            struct kr_gp_spec spec;
            struct kr_gp_constraints constraints;
            struct kr_evaluation evaluation;
            struct kr_subset_spec subset = {7, 1, false};
            make_spec(ctx, &kernel, "mse", "cholesky", "constant", &spec);
            approximate(&spec, method, 8);
            fold(&spec, validations[v]);
            spec.objective.subset = &subset;
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            OK(kr_gp_constrain(ctx, &gp, &(struct kr_variants){2, specs}, "/constraints", &constraints));
            const size_t count = gp.parameters.count;
            double *grad = kr_alloc(ctx, count, sizeof *grad), c[2], *J = kr_alloc(ctx, 2 * count, sizeof *J);
            OK(kr_objective_constrained(ctx, &gp, &constraints, gp.start, false, &evaluation, grad, c, J));
            for (size_t i = 0; i < 2; i++) {
                double scale = 0;
                for (size_t p = 0; p < count; p++)
                    scale = fmax(scale, fabs(J[i * count + p]));
                ck_assert(scale > 1e-6);
                for (size_t p = 0; p < count; p++) {
                    struct constrained at = {&gp, &constraints, gp.start, p, i};
                    CLOSE(J[i * count + p], derivative(constraint_at, &at, gp.start[p]), scale, 1e-6,
                          "%s, %s, constraint %zu by %s", method_names[method], validations[v], i,
                          gp.parameters.items[p].name);
                }
            }
            for (size_t p = 0; p < count; p++)
                CLOSE(grad[p], difference(&gp, p, 1e-4), 1e-2, 1e-5, "%s, %s, %s", method_names[method],
                      validations[v], gp.parameters.items[p].name);
        }
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    const struct kr_dataset data = small_data(ctx, 700, true, 6);
    const struct kr_variant kernel = leaf(ctx, kernel_type("matern52"), 1);
    for (int method = 0; method < METHODS; method++)
        for (size_t v = 0; v < 3; v++) {
            struct kr_gp gp;
            struct kr_gp_spec spec;
            struct kr_evaluation first, second;
            make_spec(ctx, &kernel, "nlpd", "cholesky", "constant", &spec);
            approximate(&spec, method, 30);
            fold(&spec, validations[v]);
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            double *one = kr_alloc(ctx, gp.parameters.count, sizeof *one),
                   *two = kr_alloc(ctx, gp.parameters.count, sizeof *two);
            ctx->threads = 1;
            OK(kr_objective_eval(ctx, &gp, gp.start, true, &first, one));
            for (int threads = 2; threads <= 5; threads += 3) {
                ctx->threads = threads;
                OK(kr_objective_eval(ctx, &gp, gp.start, true, &second, two));
                ck_assert_mem_eq(&first.loss, &second.loss, sizeof first.loss);
                ck_assert_mem_eq(&first.value_error, &second.value_error, sizeof first.loss);
                ck_assert_mem_eq(&first.metrics, &second.metrics, sizeof first.metrics);
                ck_assert_mem_eq(one, two, gp.parameters.count * sizeof *one);
            }
        }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("weight space");
    TCase *tcase = tcase_create("weight space");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, gradients_of_fourier_features);
    tcase_add_test(tcase, gradients_of_inducing_inputs);
    tcase_add_test(tcase, gradients_by_inducing_inputs);
    tcase_add_test(tcase, gradients_of_every_loss);
    tcase_add_test(tcase, constraints_and_subsets);
    tcase_add_test(tcase, same_bits_with_any_number_of_threads);
    suite_add_tcase(made, tcase);
    return made;
}
