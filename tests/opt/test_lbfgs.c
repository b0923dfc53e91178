#include "opt/problems.h"

static struct kr_ctx ctx;

static const struct kr_optimizer_type *lbfgs(void **options)
{
    struct kr_variant variant;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_optimizer_registry, "lbfgs", &variant), KR_OK);
    *options = variant.options;
    return (const struct kr_optimizer_type *)variant.type;
}

/* To full accuracy, in few evaluations. */
START_TEST(converges_fast)
{
    static const size_t most[PROBLEMS] = {20, 70, 110, 25, 70, 25};
    void *options;
    const struct kr_optimizer_type *type = lbfgs(&options);
    for (int p = 0; p < PROBLEMS; p++) {
        struct run run;
        run_init(&run, type, options, &problems[p]);
        while (run.evaluations < most[p] && run_step(&run, &problems[p]))
            ;
        for (size_t i = 0; i < problems[p].n; i++)
            ck_assert_msg(fabs(run.best_z[i] - problems[p].optimum[i]) < 1e-6, "%s: z[%zu] = %.9g",
                          problems[p].name, i, run.best_z[i]);
        run_fini(&run);
    }
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(every_memory_works)
{
    void *options;
    const struct kr_optimizer_type *type = lbfgs(&options);
    size_t *memory = NULL;
    for (size_t i = 0; i < type->base.options->count; i++)
        if (strcmp(type->base.options->fields[i].name, "memory") == 0)
            memory = (size_t *)(void *)((char *)options + type->base.options->fields[i].offset);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq(*memory, 10);
    for (*memory = 1; *memory <= 50; *memory += 7) {
        struct run run;
        run_init(&run, type, options, &problems[2]);
        while (run.evaluations < 400 && run_step(&run, &problems[2]))
            ;
        ck_assert_msg(run.best < 1e-10, "memory %zu: loss %g", *memory, run.best);
        run_fini(&run);
    }
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(accepted_losses_only_fall)
{
    void *options;
    const struct kr_optimizer_type *type = lbfgs(&options);
    struct run run;
    double g[MOST], last = INFINITY, iterations = 0;
    const struct problem *problem = &problems[2];
    run_init(&run, type, options, problem);
    while (run.evaluations < 100 && run_step(&run, problem)) {
        if (run.evaluations > 1 && run.state[0] == iterations)
            continue;
        iterations = run.state[0];
        ck_assert_double_le(problem->loss(problem->n, run.z, g), last);
        last = problem->loss(problem->n, run.z, g);
    }
    ck_assert_double_gt(iterations, 20);
    run_fini(&run);
    kr_ctx_fini(&ctx);
}
END_TEST

/* The gradient points the wrong way: nothing gets better, and the reason says so. */
static double lying(size_t n, const double *z, double *g)
{
    double f = quadratic(n, z, g);
    for (size_t i = 0; i < n; i++)
        g[i] = -g[i];
    return f;
}

START_TEST(a_search_without_success_says_why)
{
    void *options;
    const struct kr_optimizer_type *type = lbfgs(&options);
    struct problem problem = problems[0];
    struct run run;
    problem.loss = lying;
    run_init(&run, type, options, &problem);
    while (run.evaluations < 1000 && run_step(&run, &problem))
        ;
    ck_assert(run.stopped);
    ck_assert_uint_le(run.evaluations, 60);
    ck_assert_ptr_nonnull(strstr(type->stuck(run.state), "solver.rtol"));
    run_fini(&run);
    kr_ctx_fini(&ctx);
}
END_TEST

/* Slope -1 for ever: the step doubles, and the best point of an exhausted search is still taken. */
static double slide(size_t n, const double *z, double *g)
{
    for (size_t i = 0; i < n; i++)
        g[i] = i == 0 ? -1 : 0;
    return -z[0];
}

START_TEST(an_unbounded_loss_keeps_falling)
{
    void *options;
    const struct kr_optimizer_type *type = lbfgs(&options);
    struct problem problem = problems[0];
    struct run run;
    problem.loss = slide;
    run_init(&run, type, options, &problem);
    while (run.evaluations < 80 && run_step(&run, &problem))
        ;
    ck_assert(!run.stopped);
    ck_assert_double_ge(run.state[0], 2);
    ck_assert_double_lt(run.best, -1e6);
    run_fini(&run);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("lbfgs", converges_fast, every_memory_works, accepted_losses_only_fall,
      a_search_without_success_says_why, an_unbounded_loss_keeps_falling)
