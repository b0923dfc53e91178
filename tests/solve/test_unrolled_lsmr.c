/*
 * The rival of bench_lstsq_gradient.c is a fair one: its reverse sweep is the derivative of its own iterates,
 * finished or not, and when they are finished its gradient is that of the implicit formulas.
 */
#include "../bench/unrolled_lsmr.h"
#include "lstsq_cases.h"

static struct kr_ctx context, *ctx;

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

/* <C, x_K> with the varied number of theta or b set to `value`. */
struct iterate {
    struct lstsq_problem *p;
    size_t iterations, chunk;
    double *varied;
};

static struct unrolled run_of(const struct iterate *it)
{
    return (struct unrolled){
        .A = &it->p->model.op, .damping = it->p->lambda, .iterations = it->iterations, .chunk = it->chunk};
}

static double loss_of_iterate(void *self, double value)
{
    struct iterate *it = self;
    struct lstsq_problem *p = it->p;
    struct kr_mark mark = kr_mark(ctx);
    struct unrolled run = run_of(it);
    double before = *it->varied, *x = kr_alloc(ctx, p->n, sizeof *x);
    *it->varied = value;
    OK(unrolled_forward(ctx, &run, p->B, x));
    *it->varied = before;
    double loss = dot(p->n, p->C, x);
    kr_release(ctx, mark);
    return loss;
}

static void check_iterate(const struct model *model, double lambda, size_t iterations, size_t chunk)
{
    struct kr_mark mark = kr_mark(ctx);
    struct lstsq_problem p;
    lstsq_prepare(ctx, model, lambda, 1, &p);
    struct iterate it = {&p, iterations, chunk, NULL};
    struct unrolled run = run_of(&it);
    double *x = kr_alloc(ctx, p.n, sizeof *x), *b_bar = normals(ctx, p.m, 31),
           *grad = kr_alloc(ctx, model->count, sizeof *grad);
    OK(unrolled_forward(ctx, &run, p.B, x));
    OK(unrolled_reverse(ctx, &run, p.C, b_bar, grad));
    for (size_t i = 0; i < model->count + p.m; i++) {
        const bool of_b = i >= model->count;
        const double got = of_b ? b_bar[i - model->count] : grad[i];
        it.varied = of_b ? &p.B[i - model->count] : &model->theta[i];
        CLOSE(got, derivative(loss_of_iterate, &it, *it.varied),
              fmax(fabs(got), 1e-2 * (of_b ? largest(p.m, b_bar) : largest(model->count, grad))), 1e-6,
              "%s, lambda %g, %zu iterations: %s %zu", model->name, lambda, iterations, of_b ? "b" : "theta",
              i);
    }
    kr_release(ctx, mark);
}

START_TEST(the_sweep_is_the_derivative_of_the_iterates)
{
    struct model models[MOST_MODELS];
    const size_t count = all_models(ctx, models);
    for (size_t i = 0; i < count; i++)
        for (size_t iterations = 1; iterations <= 3; iterations += 2) {
            check_iterate(&models[i], 0, iterations, 32);
            check_iterate(&models[i], 0.7, iterations, 2);
        }
}
END_TEST

START_TEST(finished_it_is_the_implicit_gradient)
{
    static const size_t shapes[][2] = {{60, 40}, {40, 60}, {50, 50}};
    for (size_t s = 0; s < 3; s++)
        for (int damped = 0; damped < 2; damped++) {
            const struct model model =
                conditioned_model(ctx, shapes[s][0], shapes[s][1], smaller(shapes[s][0], shapes[s][1]), 10);
            struct lstsq_problem p;
            struct kr_lstsq_report report = {0};
            lstsq_prepare(ctx, &model, damped ? 0.1 : 0, 1, &p);
            lstsq_forward(&p);
            struct iterate it = {&p, p.forward.iterations + 40, 32, NULL};
            struct unrolled run = run_of(&it);
            double *grad = kr_alloc(ctx, model.count, 8), *wanted = kr_alloc(ctx, model.count, 8),
                   *b_bar = kr_alloc(ctx, p.m, 8), *b_wanted = kr_alloc(ctx, p.m, 8);
            OK(kr_lstsq_pull(ctx, &p.lstsq, 1, p.X, p.R, p.C, b_wanted, wanted, NULL, &report));
            OK(unrolled_forward(ctx, &run, p.B, p.X));
            OK(unrolled_reverse(ctx, &run, p.C, b_bar, grad));
            ck_assert_msg(off(model.count, grad, wanted) < 1e-9 && off(p.m, b_bar, b_wanted) < 1e-9,
                          "%zu x %zu, damped %d: theta off by %g, b by %g", p.m, p.n, damped,
                          off(model.count, grad, wanted), off(p.m, b_bar, b_wanted));
        }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {the_sweep_is_the_derivative_of_the_iterates,
                                  finished_it_is_the_implicit_gradient};
    Suite *made = suite_create("unrolled_lsmr");
    TCase *tcase = tcase_create("unrolled_lsmr");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
