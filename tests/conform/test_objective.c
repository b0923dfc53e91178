/*
 * The gradient of the objective by every hyperparameter against central differences of its value, for every
 * kernel x loss x solver, with and without known noise, and the same bits for any number of threads.
 */
#include "objectives.h"

struct at {
    struct kr_ctx *ctx;
    const struct kr_gp *gp;
    double *theta;
    size_t index;
};

static double loss_at(void *self, double value)
{
    struct at *at = self;
    struct kr_ctx *ctx = at->ctx;
    struct kr_evaluation evaluation;
    double before = at->theta[at->index];
    at->theta[at->index] = value;
    OK(kr_objective_eval(ctx, at->gp, at->theta, false, &evaluation, NULL));
    at->theta[at->index] = before;
    return evaluation.loss;
}

/* Derivatives of the loss by every parameter, from values that the exact solver gives. */
static double *differences(struct kr_ctx *ctx, struct kr_gp_spec *spec, const struct kr_dataset *data)
{
    struct kr_gp gp;
    spec->solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    OK(kr_gp_init(ctx, spec, data, &gp));
    double *out = kr_alloc(ctx, gp.parameters.count, sizeof *out);
    static size_t turn;
    for (size_t p = 0; p < gp.parameters.count; p++) {
        struct at at = {ctx, &gp, gp.start, p};
        out[p] = (p + turn) % EVERY_SO_MANY ? NAN : derivative(loss_at, &at, gp.start[p]);
    }
    turn++;
    return out;
}

static void check_gradient(struct kr_ctx *ctx, const char *name, const struct kr_gp_spec *spec,
                           const struct kr_dataset *data, const double *wanted)
{
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double scale = 0;
    OK(kr_gp_init(ctx, spec, data, &gp));
    const size_t count = gp.parameters.count;
    double *grad = kr_alloc(ctx, count, sizeof *grad);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    ck_assert(evaluation.solver.residual < 1e-9);
    ck_assert(fabs(evaluation.value_error) < 1e-9);
    for (size_t p = 0; p < count; p++)
        scale = fmax(scale, fabs(grad[p]));
    /* White noise alone predicts the mean function: no error depends on it. */
    if (strcmp(spec->model.kernel.type->name, "white") != 0)
        ck_assert_msg(scale > 1e-6, "%s: the gradient is zero", name);
    for (size_t p = 0; p < count; p++)
        if (!isnan(wanted[p]))
            CLOSE(grad[p], wanted[p], fmax(fabs(grad[p]), 1e-2 * scale), 1e-6, "%s, %s", name,
                  gp.parameters.items[p].name);
}

/* One model by all solvers, in three variations: mean zero, mean constant, mean linear with known noise. */
static void check_model(struct kr_ctx *ctx, const struct kernel_case *kernel, const char *loss)
{
    static const char *const means[] = {"zero", "constant", "linear"};
    for (int variation = 0; variation < 3; variation++) {
        const struct kr_dataset data = small_data(ctx, ROWS, variation == 2, 5);
        struct kr_gp_spec spec;
        make_spec(ctx, &kernel->spec, loss, "cholesky", means[variation], &spec);
        const double *wanted = differences(ctx, &spec, &data);
        for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
            /* without a factor the evidence is an estimate: test_evidence.c */
            if (!strcmp(loss, "evidence") && !((const struct kr_solver_type *)*solver)->logdet)
                continue;
            char name[160];
            snprintf(name, sizeof name, "%s, %s, %s, variation %d", kernel->name, loss, (*solver)->name,
                     variation);
            spec.solver.type = *solver;
            check_gradient(ctx, name, &spec, &data, wanted);
        }
    }
}

/* A loss enters through mean_bar and variance_bar alone (test_losses.c differentiates those), so every kernel
 * is walked with a loss of the mean and one of the variance, and every loss with the richest kernels. */
START_TEST(gradient_by_every_kernel_loss_and_solver)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = kernel_cases(ctx, cases);
    ck_assert_uint_gt(count, 10);
    for (size_t c = 0; c < count; c++)
        for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++) {
            const bool usual = !strcmp((*loss)->name, "mse") || !strcmp((*loss)->name, "nlpd");
            struct kr_mark mark = kr_mark(ctx);
            if (usual || c + 2 >= count)
                check_model(ctx, &cases[c], (*loss)->name);
            kr_release(ctx, mark);
        }
    kr_ctx_fini(ctx);
}
END_TEST

/* Enough rows for several tiles. */
START_TEST(same_bits_with_any_number_of_threads)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    size_t count = kernel_cases(ctx, cases);
    struct kr_dataset data = small_data(ctx, 400, false, 6);
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++)
        for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++) {
            struct kr_mark mark = kr_mark(ctx);
            struct kr_gp gp;
            struct kr_gp_spec spec;
            struct kr_evaluation first, second;
            const bool usual = !strcmp((*loss)->name, "mse") || !strcmp((*loss)->name, "nlpd"),
                       quick = !strcmp((*solver)->name, "cholesky") || !strcmp((*solver)->name, "cg");
            if (!usual && !quick)
                continue; /* slow, and no code that these do not run */
            make_spec(ctx, &cases[count - 1].spec, (*loss)->name, (*solver)->name, "constant", &spec);
            spec.solver.rtol = 1e-4; /* bits do not depend on it, time does */
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
            kr_release(ctx, mark);
        }
    kr_ctx_fini(ctx);
}
END_TEST

/* An exact solve, made wrong by a part in a million: errors without the orthogonality that Krylov methods
 * give theirs. */
static kr_status spoil(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                       const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_solver_type *exact = (const void *)kr_registry_find(&kr_solver_registry, "cholesky");
    KR_TRY(exact->correct(ctx, solver, k, R, rtol, D, report));
    for (size_t i = 0; i < k * solver->A.rows; i++)
        D[i] *= 1 + 1e-6 * sin(7 * (double)i);
    return KR_OK;
}

START_TEST(value_error_predicts_the_error)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    struct kr_dataset data = small_data(ctx, 100, true, 8);
    struct kr_solver_type spoiled =
        *(const struct kr_solver_type *)kr_registry_find(&kr_solver_registry, "cholesky");
    spoiled.correct = spoil;
    kernel_cases(ctx, cases);
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++) {
        struct kr_gp gp;
        struct kr_gp_spec spec;
        struct kr_evaluation right, wrong;
        make_spec(ctx, &cases[0].spec, (*loss)->name, "cholesky", "zero", &spec);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &right, grad));
        spec.solver.type = &spoiled.base;
        spec.solver.rtol = 0.1;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &wrong, grad));
        double error = right.loss - wrong.loss;
        ck_assert_msg(fabs(error) > 1e-11, "the spoiled solve is right: this checks nothing");
        CLOSE(wrong.value_error, error, fabs(error), 1e-3, "%s", (*loss)->name);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* An exact solve with random errors of a given size. */
static double roughness;
static kr_status roughen(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                         const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_solver_type *exact = (const void *)kr_registry_find(&kr_solver_registry, "cholesky");
    struct kr_rng rng;
    kr_rng_init(&rng, k, 4);
    KR_TRY(exact->correct(ctx, solver, k, R, rtol, D, report));
    for (size_t i = 0; i < k * solver->A.rows; i++)
        D[i] *= 1 + roughness * kr_rng_normal(&rng);
    return KR_OK;
}

/* Losses that are not smooth have no second-order term, and no such bound. */
static bool smooth(const struct kr_type *loss)
{
    return strcmp(loss->name, "evidence") != 0 && strcmp(loss->name, "mae") != 0 &&
           strcmp(loss->name, "huber") != 0 && strcmp(loss->name, "pinball") != 0;
}

/* What the estimate leaves out is within the bound, and more than rounding: |error - estimate| shrinks as the
 * square of the error. What the curvature of the loss adds is of the same order and, here, smaller. */
START_TEST(value_bound_holds)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    struct kr_dataset data = small_data(ctx, 100, _i == 1, 8);
    struct kr_solver_type rough =
        *(const struct kr_solver_type *)kr_registry_find(&kr_solver_registry, "cholesky");
    rough.correct = roughen;
    kernel_cases(ctx, cases);
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
        for (roughness = 1e-4; smooth(*loss) && roughness < 0.02; roughness *= 10) {
            struct kr_gp gp;
            struct kr_gp_spec spec;
            struct kr_evaluation right, wrong;
            make_spec(ctx, &cases[0].spec, (*loss)->name, "cholesky", "zero", &spec);
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
            OK(kr_objective_eval(ctx, &gp, gp.start, false, &right, grad));
            ck_assert(right.value_bound >= 0 && right.value_bound < 1e-20);
            spec.solver.type = &rough.base;
            spec.solver.rtol = 0.5;
            OK(kr_objective_eval(ctx, &gp, gp.start, false, &wrong, grad));
            const double left = fabs(right.loss - wrong.loss - wrong.value_error);
            ck_assert_msg(left <= wrong.value_bound, "%s, %g: %g is left out, the bound is %g", (*loss)->name,
                          roughness, left, wrong.value_bound);
            ck_assert_msg(left > 1e-14, "nothing is left out: this checks nothing");
            ck_assert_msg(wrong.value_bound < 1e5 * left, "%s: the bound %g says nothing about %g",
                          (*loss)->name, wrong.value_bound, left);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(there_is_no_bound_without_noise)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    struct kr_dataset data = small_data(ctx, 100, false, 8);
    struct kr_gp gp;
    struct kr_gp_spec spec;
    struct kr_evaluation evaluation;
    kernel_cases(ctx, cases);
    make_spec(ctx, &cases[0].spec, "mse", "cholesky", "zero", &spec);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL));
    ck_assert(isnan(evaluation.value_bound)); /* no gradient was asked for */
    double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    ck_assert(isfinite(evaluation.value_bound));
    gp.start[gp.noise_index] = 0;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    ck_assert(isnan(evaluation.value_bound));
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("objective");
    TCase *tcase = tcase_create("objective");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, gradient_by_every_kernel_loss_and_solver);
    tcase_add_test(tcase, same_bits_with_any_number_of_threads);
    tcase_add_test(tcase, value_error_predicts_the_error);
    tcase_add_loop_test(tcase, value_bound_holds, 0, 2);
    tcase_add_test(tcase, there_is_no_bound_without_noise);
    suite_add_tcase(made, tcase);
    return made;
}
