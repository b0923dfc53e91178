/* What every optimiser owes, whatever its method. */
#include "opt/problems.h"

static struct kr_ctx ctx;

/* The next row with its default options; NULL at the end. */
static const struct kr_optimizer_type *next_row(size_t *index, void **options)
{
    const struct kr_type *row = kr_optimizer_registry.rows[*index];
    struct kr_variant variant;
    if ((*index)++ == 0)
        kr_ctx_init(&ctx, 0);
    if (!row) {
        kr_ctx_fini(&ctx);
        return NULL;
    }
    ck_assert_int_eq(kr_variant_init(&ctx, &kr_optimizer_registry, row->name, &variant), KR_OK);
    *options = variant.options;
    return (const struct kr_optimizer_type *)row;
}

#define EACH_OPTIMIZER(type, options)                                                                        \
    size_t index_ = 0;                                                                                       \
    void *options;                                                                                           \
    for (const struct kr_optimizer_type *type; (type = next_row(&index_, &options));)

START_TEST(options_begin_with_the_stop_rules)
{
    EACH_OPTIMIZER(type, options)
    {
        const struct kr_schema *schema = type->base.options;
        ck_assert_ptr_nonnull(schema);
        ck_assert_uint_ge(schema->count, kr_stop_options_schema.count);
        for (size_t i = 0; i < kr_stop_options_schema.count; i++) {
            ck_assert_str_eq(schema->fields[i].name, kr_stop_options_schema.fields[i].name);
            ck_assert_uint_eq(schema->fields[i].offset, kr_stop_options_schema.fields[i].offset);
        }
        const struct kr_stop_options *stop = options;
        ck_assert_uint_eq(stop->max_evaluations, 200);
        ck_assert_uint_eq(stop->patience, 20);
        ck_assert_double_eq(stop->gradient_tolerance, 1e-5);
        ck_assert(isnan(stop->seconds));
        ck_assert_uint_gt(strlen(type->base.doc), 0);
    }
}
END_TEST

START_TEST(known_optima_are_found)
{
    EACH_OPTIMIZER(type, options)
    {
        for (int p = 0; p < PROBLEMS; p++) {
            struct run run;
            run_init(&run, type, options, &problems[p]);
            while (run.evaluations < 20000 && run_step(&run, &problems[p]))
                ;
            for (size_t i = 0; i < problems[p].n; i++)
                ck_assert_msg(fabs(run.best_z[i] - problems[p].optimum[i]) < 0.02,
                              "%s, %s: z[%zu] = %.9g, wanted %g", type->base.name, problems[p].name, i,
                              run.best_z[i], problems[p].optimum[i]);
            ck_assert(!run.stopped || strlen(type->stuck(run.state)) > 0);
            run_fini(&run);
        }
    }
}
END_TEST

START_TEST(the_start_is_evaluated_first_and_bounds_always_hold)
{
    EACH_OPTIMIZER(type, options)
    {
        for (int p = 0; p < PROBLEMS; p++) {
            const struct problem *problem = &problems[p];
            struct run run;
            double iterations = 0;
            run_init(&run, type, options, problem);
            while (run.evaluations < 300 && run_step(&run, problem)) {
                if (run.evaluations == 1) {
                    ck_assert_mem_eq(run.z, problem->start, problem->n * sizeof *run.z);
                    ck_assert_double_eq(run.state[0], 0);
                }
                for (size_t i = 0; i < problem->n; i++)
                    ck_assert(run.z[i] >= problem->lower[i] && run.z[i] <= problem->upper[i]);
                for (size_t i = 0; i < run.size;
                     i++) /* so that a checkpoint can be any notation of numbers */
                    ck_assert_msg(isfinite(run.state[i]), "%s: state[%zu]", type->base.name, i);
                ck_assert(run.state[0] == iterations || run.state[0] == iterations + 1);
                iterations = run.state[0];
            }
            run_fini(&run);
        }
    }
}
END_TEST

START_TEST(no_bounds_may_be_null)
{
    EACH_OPTIMIZER(type, options)
    {
        const struct problem *problem = &problems[1];
        struct run run, none;
        double g[MOST];
        run_init(&run, type, options, problem);
        run_init(&none, type, options, problem);
        type->init(options, problem->n, NULL, NULL, problem->start, none.state);
        while (run.evaluations < 100 && run_step(&run, problem)) {
            type->ask(options, problem->n, NULL, NULL, none.state, none.z);
            ck_assert_mem_eq(none.z, run.z, problem->n * sizeof *run.z);
            double f = problem->loss(problem->n, none.z, g);
            ck_assert(type->tell(options, problem->n, NULL, NULL, none.state, none.z, f, g));
            ck_assert_mem_eq(none.state, run.state, run.size * sizeof *run.state);
        }
        run_fini(&run);
        run_fini(&none);
    }
}
END_TEST

enum { TRACE = 80 };

static void resume_from_each(const struct kr_optimizer_type *type, void *options,
                             const struct problem *problem)
{
    struct run run, again;
    static double trace[TRACE][MOST];
    run_init(&run, type, options, problem);
    double *states = malloc((TRACE + 1) * run.size * sizeof *states);
    size_t steps = 0;
    memcpy(states, run.state, run.size * sizeof *states);
    for (bool more = true; more && steps < TRACE; steps++) {
        more = run_step(&run, problem);
        memcpy(trace[steps], run.z, sizeof run.z);
        memcpy(states + (steps + 1) * run.size, run.state, run.size * sizeof *states);
    }
    run_init(&again, type, options, problem);
    for (size_t k = 0; k < steps; k++) {
        memcpy(again.state, states + k * run.size, run.size * sizeof *states);
        for (size_t i = k; i < steps; i++) {
            run_step(&again, problem);
            ck_assert_mem_eq(again.z, trace[i], problem->n * sizeof *again.z);
        }
        ck_assert_mem_eq(again.state, run.state, run.size * sizeof *states);
    }
    free(states);
    run_fini(&run);
    run_fini(&again);
}

START_TEST(a_resumed_run_takes_the_same_steps)
{
    EACH_OPTIMIZER(type, options)
    {
        for (int p = 0; p < PROBLEMS; p++)
            resume_from_each(type, options, &problems[p]);
    }
}
END_TEST

/* The caller may evaluate elsewhere than asked, here with the first coordinate held and its gradient hidden.
 */
static double held(size_t n, const double *z, double *g)
{
    double moved[MOST];
    memcpy(moved, z, n * sizeof *z);
    moved[0] = 0.5;
    double f = rosenbrock(n, moved, g);
    g[0] = 0;
    return f;
}

START_TEST(moved_points_are_accepted)
{
    EACH_OPTIMIZER(type, options)
    {
        struct problem problem = problems[1];
        struct run run;
        double g[MOST];
        problem.loss = held;
        problem.start[0] = -1;
        run_init(&run, type, options, &problem);
        for (bool more = true; more && run.evaluations < 2000; run.evaluations++) {
            type->ask(options, 2, problem.lower, problem.upper, run.state, run.z);
            run.z[0] = 0.5;
            double f = held(2, run.z, g);
            more = type->tell(options, 2, problem.lower, problem.upper, run.state, run.z, f, g);
        }
        ck_assert_double_eq(run.z[0], 0.5);
        ck_assert_double_eq_tol(run.z[1], 0.25, 1e-3);
        run_fini(&run);
    }
}
END_TEST

static int evaluations_before_nan;

static double soon_nan(size_t n, const double *z, double *g)
{
    double f = quadratic(n, z, g);
    return evaluations_before_nan-- > 0 ? f : NAN;
}

START_TEST(a_loss_that_stays_nan_ends_the_run_in_words)
{
    EACH_OPTIMIZER(type, options)
    {
        for (int good = 0; good < 5; good++) {
            struct problem problem = problems[0];
            struct run run;
            problem.loss = soon_nan;
            evaluations_before_nan = good;
            run_init(&run, type, options, &problem);
            while (run.evaluations < 500 && run_step(&run, &problem))
                for (size_t i = 0; i < problem.n; i++)
                    ck_assert(isfinite(run.z[i]));
            ck_assert_msg(run.stopped && run.evaluations < 100, "%s: %zu", type->base.name, run.evaluations);
            ck_assert(good > 0 || run.evaluations == 1);
            ck_assert_uint_gt(strlen(type->stuck(run.state)), 20);
            run_fini(&run);
        }
    }
}
END_TEST

START_TEST(an_optimum_at_the_start_is_noticed)
{
    EACH_OPTIMIZER(type, options)
    {
        struct problem problem = problems[0];
        struct run run;
        memcpy(problem.start, problem.optimum, sizeof problem.start);
        run_init(&run, type, options, &problem);
        ck_assert(!run_step(&run, &problem));
        ck_assert_ptr_nonnull(strstr(type->stuck(run.state), "gradient is zero"));
        run_fini(&run);
    }
}
END_TEST

SUITE("optimizers", options_begin_with_the_stop_rules, known_optima_are_found,
      the_start_is_evaluated_first_and_bounds_always_hold, no_bounds_may_be_null,
      a_resumed_run_takes_the_same_steps, moved_points_are_accepted,
      a_loss_that_stays_nan_ends_the_run_in_words, an_optimum_at_the_start_is_noticed)
