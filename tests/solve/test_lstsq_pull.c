/* Reverse mode against central differences of dense answers: every shape, rank and operator. */
#include "lstsq_cases.h"

static struct kr_ctx context, *ctx;
static struct model models[MOST_MODELS];
static size_t model_count;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    model_count = all_models(ctx, models);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* got (count) against derivatives of the loss by `numbers`, which the problem borrows. */
static void check_against_differences(struct lstsq_problem *p, const char *what, size_t count,
                                      double *numbers, const double *got, double least)
{
    for (size_t i = 0; i < count; i++) {
        p->varied = &numbers[i];
        CLOSE(got[i], derivative(loss_at, p, numbers[i]), fmax(fabs(got[i]), least), 1e-6,
              "%s, lambda %g, k %zu: %s %zu", p->model.name, p->lambda, p->k, what, i);
    }
}

static void check_gradients(const struct model *model, double lambda, size_t k, size_t *solves)
{
    struct kr_mark mark = kr_mark(ctx);
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0};
    double lambda_bar = 0.25;
    lstsq_prepare(ctx, model, lambda, k, &p);
    lstsq_forward(&p);
    double *B_bar = normals(ctx, p.m * k, 31), *grad = kr_alloc(ctx, model->count, sizeof *grad);
    for (size_t i = 0; i < model->count; i++)
        grad[i] = 0.5;
    OK(kr_lstsq_pull(ctx, &p.lstsq, k, p.X, p.R, p.X_bar, B_bar, grad, &lambda_bar, &report));
    ck_assert_msg(kr_lstsq_converged(&report), "%s: %s", model->name, kr_lstsq_stop_names[report.stop]);
    for (size_t i = 0; i < model->count; i++)
        grad[i] -= 0.5;
    lambda_bar -= 0.25;
    const double cancelled = length(p.n * k, p.X_bar) * length(p.n * k, p.X);
    check_against_differences(&p, "parameter", model->count, model->theta, grad,
                              1e-2 * largest(model->count, grad));
    check_against_differences(&p, "right-hand side", p.m * k, p.B, B_bar, 1e-2 * largest(p.m * k, B_bar));
    if (lambda > 0)
        check_against_differences(&p, "damping", 1, &p.lambda, &lambda_bar, 1e-4 * cancelled / lambda);
    else
        ck_assert(lambda_bar == 0);
    *solves = report.solves;
    kr_release(ctx, mark);
}

START_TEST(undamped_gradients_and_their_solves)
{
    for (size_t i = 0; i < model_count; i++)
        for (size_t k = 1; k <= 3; k += 2) {
            const struct model *a = &models[i];
            const bool full = a->rank == smaller(a->op.rows, a->op.cols);
            const size_t wanted = !full ? 3 : a->op.rows == a->op.cols ? 1 : 2;
            size_t solves;
            check_gradients(a, 0, k, &solves);
            ck_assert_msg(solves == wanted, "%s: %zu solves, wanted %zu", a->name, solves, wanted);
        }
}
END_TEST

START_TEST(damped_gradients_and_their_solves)
{
    static const double lambdas[] = {0.1, 1, 30};
    for (size_t i = 0; i < model_count; i++)
        for (size_t l = 0; l < 3; l++)
            for (size_t k = 1; k <= 3; k += 2) {
                size_t solves;
                check_gradients(&models[i], lambdas[l], k, &solves);
                ck_assert_msg(solves <= 3, "%s, lambda %g: %zu solves", models[i].name, lambdas[l], solves);
            }
}
END_TEST

/* lambda relative to |A|. */
static void check_damping(size_t m, size_t n, size_t rank, double relative, size_t most)
{
    struct kr_mark mark = kr_mark(ctx);
    const bool full = rank == smaller(m, n);
    struct model from = full ? dense_model(ctx, "dense", m, n) : product_model(ctx, "product", m, n, rank),
                 model = dense_model(ctx, full ? "full rank" : "deficient", m, n);
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0};
    for (size_t i = 0; i < from.count && !full; i++)
        from.theta[i] = rint(4 * from.theta[i]); /* so that the rank is exact: the product is not rounded */
    OK(kr_op_fill(ctx, &from.op, model.theta));
    const double lambda = relative * length(m * n, model.theta);
    double lambda_bar = 0;
    lstsq_prepare(ctx, &model, lambda, 1, &p);
    lstsq_forward(&p);
    double *grad = kr_alloc(ctx, m * n, sizeof *grad), *b_bar = kr_alloc(ctx, m, sizeof *b_bar);
    OK(kr_lstsq_pull(ctx, &p.lstsq, 1, p.X, p.R, p.C, b_bar, grad, &lambda_bar, &report));
    struct exact exact = exact_gradient(ctx, m, n, model.theta, lambda, p.B, p.C);
    const double errors[] = {off(m * n, grad, exact.A_bar), off(m, b_bar, exact.b_bar),
                             fabs(lambda_bar - exact.damping_bar) /
                                 (full ? fabs(exact.damping_bar) : 2 * lambda * exact.W * exact.x)};
    for (int i = 0; i < 3; i++)
        ck_assert_msg(errors[i] < 1e-6, "%zu x %zu, rank %zu, lambda %g: %s is off by %g", m, n, rank, lambda,
                      i == 0   ? "theta"
                      : i == 1 ? "b"
                               : "lambda",
                      errors[i]);
    ck_assert_msg(report.solves <= most, "%zu x %zu, rank %zu, lambda %g |A|: %zu solves", m, n, rank,
                  relative, report.solves);
    kr_release(ctx, mark);
}

START_TEST(damping_from_tiny_to_huge)
{
    for (int power = -8; power <= 2; power++) {
        check_damping(12, 7, 7, pow(10, power), 2);
        check_damping(7, 12, 7, pow(10, power), 2);
        check_damping(8, 8, 8, pow(10, power), 2);
        check_damping(12, 7, 4, pow(10, power), 3);
        check_damping(7, 12, 4, pow(10, power), 3);
    }
}
END_TEST

struct shape {
    size_t m, n, rank;
};
static const struct shape shapes[] = {{60, 40, 40}, {40, 60, 40}, {50, 50, 50}, {60, 40, 20}, {40, 60, 20}};

/* A linear loss after an unfinished forward solve: its true error against the estimate and the bound. */
static void check_value_error(const struct shape *shape, double lambda, double forward, double backward,
                              double *share)
{
    struct kr_mark mark = kr_mark(ctx);
    const struct model model = conditioned_model(ctx, shape->m, shape->n, shape->rank, 1e2);
    const size_t k = 2, count = shape->n * k;
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0};
    lstsq_prepare(ctx, &model, lambda, k, &p);
    p.options.atol = p.options.btol = forward;
    p.options.backward_tolerance = backward;
    lstsq_forward(&p);
    double *truth = kr_alloc(ctx, count, sizeof *truth);
    dense_lstsq(ctx, &model.op, lambda, k, p.B, truth);
    OK(kr_lstsq_pull(ctx, &p.lstsq, k, p.X, p.R, p.C, NULL, NULL, NULL, &report));
    const double error = dot(count, p.C, truth) - dot(count, p.C, p.X), missed = error - report.value_error,
                 rounding = 1e-11 * length(count, p.C) * length(count, truth);
    if (lambda > 0)
        ck_assert_msg(fabs(missed) <= report.value_bound + rounding,
                      "%zu x %zu, rank %zu, lambda %g, tolerances %g %g: error %g, estimate %g, bound %g",
                      shape->m, shape->n, shape->rank, lambda, forward, backward, error, report.value_error,
                      report.value_bound);
    else
        ck_assert(isnan(report.value_bound));
    *share = fmax(0, fabs(missed) - 100 * rounding) / fabs(error);
    kr_release(ctx, mark);
}

START_TEST(the_error_of_the_value)
{
    static const double lambdas[] = {0, 1e-3, 1e-1, 10}, tolerances[] = {1e-2, 1e-3, 1e-5};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t l = 0; l < 4; l++)
            for (size_t t = 0; t < 3; t++) {
                double share;
                check_value_error(&shapes[s], lambdas[l], tolerances[t], 1e-12, &share);
                ck_assert_msg(share < 1e-6, "lambda %g: %g of the error is missed", lambdas[l], share);
                check_value_error(&shapes[s], lambdas[l], tolerances[t], NAN, &share);
                ck_assert_msg(lambdas[l] < 0.1 || share < 0.2, "lambda %g: %g of the error is missed",
                              lambdas[l], share);
            }
}
END_TEST

/* A_bar by the options of `p`, which is prepared. */
static double *gradient(struct lstsq_problem *p, struct kr_lstsq_report *report)
{
    double *grad = kr_alloc(ctx, p->model.count, sizeof *grad);
    *report = (struct kr_lstsq_report){0};
    lstsq_forward(p);
    OK(kr_lstsq_pull(ctx, &p->lstsq, p->k, p->X, p->R, p->X_bar, NULL, grad, NULL, report));
    return grad;
}

START_TEST(preconditioners_change_nothing)
{
    static const enum kr_lstsq_preconditioner ways[] = {KR_LSTSQ_AUTO, KR_LSTSQ_JACOBI, KR_LSTSQ_SKETCH};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int damped = 0; damped < 2; damped++)
            for (size_t w = 0; w < 3; w++) {
                struct kr_mark mark = kr_mark(ctx);
                const struct model model =
                    conditioned_model(ctx, shapes[s].m, shapes[s].n, shapes[s].rank, 30);
                struct lstsq_problem p;
                struct kr_lstsq_report plain, report;
                lstsq_prepare(ctx, &model, damped ? 0.05 : 0, 2, &p);
                const double *wanted = gradient(&p, &plain);
                p.options.preconditioner = ways[w];
                const double *got = gradient(&p, &report), error = off(model.count, got, wanted);
                ck_assert_msg(kr_lstsq_converged(&report) && error < 1e-9,
                              "%zu x %zu, rank %zu, damped %d, %s: off by %g, %s", shapes[s].m, shapes[s].n,
                              shapes[s].rank, damped, kr_lstsq_preconditioner_names[ways[w]], error,
                              kr_lstsq_stop_names[report.stop]);
                ck_assert_msg(report.solves <= (damped ? 3 : plain.solves),
                              "%zu x %zu, rank %zu, damped %d, %s: %zu solves, %zu without", shapes[s].m,
                              shapes[s].n, shapes[s].rank, damped, kr_lstsq_preconditioner_names[ways[w]],
                              report.solves, plain.solves);
                kr_release(ctx, mark);
            }
}
END_TEST

/* What is not asked for costs no solve and leaves the rest as it is. */
START_TEST(outputs_that_are_not_wanted)
{
    for (int damped = 0; damped < 2; damped++) {
        struct lstsq_problem p;
        struct kr_lstsq_report all = {0}, some = {0};
        double lambda_bar = 0, alone = 0;
        lstsq_prepare(ctx, &models[3], damped ? 0.05 : 0, 2, &p);
        lstsq_forward(&p);
        double *grad = kr_alloc(ctx, p.model.count, sizeof *grad),
               *again = kr_alloc(ctx, p.model.count, sizeof *grad), *B_bar = kr_alloc(ctx, p.m * 2, 8),
               *B_again = kr_alloc(ctx, p.m * 2, 8);
        OK(kr_lstsq_pull(ctx, &p.lstsq, 2, p.X, p.R, p.X_bar, B_bar, grad, &lambda_bar, &all));
        OK(kr_lstsq_pull(ctx, &p.lstsq, 2, p.X, p.R, p.X_bar, NULL, again, NULL, &some));
        ck_assert(off(p.model.count, again, grad) < 1e-12);
        some = (struct kr_lstsq_report){0};
        OK(kr_lstsq_pull(ctx, &p.lstsq, 2, p.X, p.R, p.X_bar, B_again, NULL, NULL, &some));
        ck_assert(off(p.m * 2, B_again, B_bar) < 1e-12);
        ck_assert_uint_eq(some.solves, 1);
        OK(kr_lstsq_pull(ctx, &p.lstsq, 2, p.X, p.R, p.X_bar, NULL, NULL, &alone, &some));
        CLOSE(alone, lambda_bar, length(2 * p.n, p.X_bar) * length(2 * p.n, p.X), 1e-11, "damping alone");
        OK(kr_lstsq_pull(ctx, &p.lstsq, 2, p.X, p.R, p.X_bar, NULL, NULL, NULL, &some));
        OK(kr_lstsq_pull(ctx, &p.lstsq, 0, p.X, p.R, p.X_bar, B_bar, grad, &lambda_bar, &some));
    }
}
END_TEST

START_TEST(a_loss_that_does_not_move)
{
    for (int damped = 0; damped < 2; damped++)
        for (size_t i = 0; i < model_count; i++) {
            struct lstsq_problem p;
            struct kr_lstsq_report report = {0};
            double lambda_bar = 0;
            lstsq_prepare(ctx, &models[i], damped ? 0.05 : 0, 1, &p);
            lstsq_forward(&p);
            memset(p.X_bar, 0, p.n * sizeof *p.X_bar);
            double *grad = kr_alloc(ctx, p.model.count, sizeof *grad), *B_bar = normals(ctx, p.m, 1);
            OK(kr_lstsq_pull(ctx, &p.lstsq, 1, p.X, p.R, p.X_bar, B_bar, grad, &lambda_bar, &report));
            ck_assert(largest(p.model.count, grad) == 0 && largest(p.m, B_bar) == 0 && lambda_bar == 0);
            ck_assert(report.value_error == 0);
        }
}
END_TEST

START_TEST(what_is_not_finite_is_a_fact)
{
    for (int damped = 0; damped < 2; damped++) {
        struct lstsq_problem p;
        struct kr_lstsq_report report = {0};
        lstsq_prepare(ctx, &models[0], damped ? 0.05 : 0, 1, &p);
        lstsq_forward(&p);
        p.X_bar[2] = NAN;
        double *grad = kr_alloc(ctx, p.model.count, sizeof *grad);
        OK(kr_lstsq_pull(ctx, &p.lstsq, 1, p.X, p.R, p.X_bar, NULL, grad, NULL, &report));
        ck_assert_int_eq(report.stop, KR_LSTSQ_STOP_NON_FINITE);
        ck_assert_int_eq(kr_lstsq_require(ctx, &report), KR_NON_FINITE);
        kr_ctx_clear_error(ctx);
        kr_cancel(ctx);
        ck_assert_int_eq(kr_lstsq_pull(ctx, &p.lstsq, 1, p.X, p.R, p.X_bar, NULL, grad, NULL, &report),
                         KR_CANCELLED);
        ctx->cancelled = 0;
        kr_ctx_clear_error(ctx);
    }
}
END_TEST

/* Blocks beyond what a thread would take alone. */
START_TEST(threads_change_no_bit)
{
    const struct model large[] = {
        convolution_model(ctx, "convolution", KR_CONVOLUTION_FULL, 150, 160),
        kernel_model(ctx, "kernel", 300, 90, 390),
    };
    for (size_t i = 0; i < 2; i++)
        for (int damped = 0; damped < 2; damped++) {
            double *grad[2];
            for (int t = 0; t < 2; t++) {
                struct lstsq_problem p;
                struct kr_lstsq_report report;
                ctx->threads = t ? 3 : 1;
                lstsq_prepare(ctx, &large[i], damped ? 0.05 : 0, 2, &p);
                p.options.atol = p.options.btol = 1e-6;
                grad[t] = gradient(&p, &report);
            }
            ck_assert_msg(memcmp(grad[0], grad[1], large[i].count * sizeof *grad[0]) == 0, "%s, damped %d",
                          large[i].name, damped);
        }
}
END_TEST

static Suite *with_fixture(const TTest *const *tests, int count)
{
    Suite *made = suite_create("lstsq_pull");
    TCase *tcase = tcase_create("lstsq_pull");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (int i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}

Suite *suite(void)
{
    const TTest *const tests[] = {undamped_gradients_and_their_solves,
                                  damped_gradients_and_their_solves,
                                  damping_from_tiny_to_huge,
                                  the_error_of_the_value,
                                  preconditioners_change_nothing,
                                  outputs_that_are_not_wanted,
                                  a_loss_that_does_not_move,
                                  what_is_not_finite_is_a_fact,
                                  threads_change_no_bit};
    return with_fixture(tests, (int)(sizeof tests / sizeof *tests));
}
