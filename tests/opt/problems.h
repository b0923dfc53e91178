/* Problems with known optima, and the loop that a tuning run would make of an optimiser. */
#ifndef KRIGED_TESTS_OPT_PROBLEMS_H
#define KRIGED_TESTS_OPT_PROBLEMS_H

#include "kriged/opt.h"

#include "suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 10 };

struct problem {
    const char *name;
    size_t n;
    double (*loss)(size_t n, const double *z, double *g);
    double start[MOST], lower[MOST], upper[MOST], optimum[MOST];
};

/* Sets a real option by its name. */
static inline void set_option(const struct kr_optimizer_type *type, void *options, const char *name,
                              double value)
{
    const struct kr_schema *schema = type->base.options;
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->fields[i].name, name) == 0) {
            ck_assert_int_eq(schema->fields[i].kind, KR_KIND_REAL);
            *(double *)((char *)options + schema->fields[i].offset) = value;
            return;
        }
    ck_abort_msg("%s has no option %s", type->base.name, name);
}

struct run {
    const struct kr_optimizer_type *type;
    void *options;
    double *state, z[MOST], best_z[MOST], best;
    size_t size, evaluations;
    bool stopped;
};

static inline void run_init(struct run *run, const struct kr_optimizer_type *type, void *options,
                            const struct problem *problem)
{
    *run = (struct run){.type = type, .options = options, .best = INFINITY};
    run->size = type->state_size(options, problem->n);
    run->state = malloc(run->size * sizeof *run->state);
    type->init(options, problem->n, problem->lower, problem->upper, problem->start, run->state);
}

static inline void run_fini(struct run *run)
{
    free(run->state);
}

/* One evaluation; false when the optimiser stops. */
static inline bool run_step(struct run *run, const struct problem *problem)
{
    double g[MOST];
    run->type->ask(run->options, problem->n, problem->lower, problem->upper, run->state, run->z);
    double f = problem->loss(problem->n, run->z, g);
    if (f < run->best) {
        run->best = f;
        memcpy(run->best_z, run->z, sizeof run->z);
    }
    run->evaluations++;
    run->stopped =
        !run->type->tell(run->options, problem->n, problem->lower, problem->upper, run->state, run->z, f, g);
    return !run->stopped;
}

static inline double quadratic(size_t n, const double *z, double *g)
{
    double f = 0;
    for (size_t i = 0; i < n; i++) {
        double scale = 1 + 3 * (double)i, e = z[i] - 1 - (double)i;
        f += scale * e * e / 2;
        g[i] = scale * e;
    }
    return f;
}

static inline double rosenbrock(size_t n, const double *z, double *g)
{
    double f = 0;
    memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i + 1 < n; i++) {
        double a = z[i + 1] - z[i] * z[i], b = 1 - z[i];
        f += 100 * a * a + b * b;
        g[i] += -400 * a * z[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
    return f;
}

/* z'Az / 2 - b'z with b so that the gradient at (1, -0.3, 0, 2) is (-0.7, 0, 0.4, 5): optimal in the box
 * below. */
static inline double coupled(size_t n, const double *z, double *g)
{
    static const double a[4][4] = {{4, 1, -1, 0}, {1, 3, 1, 0.5}, {-1, 1, 5, 1}, {0, 0.5, 1, 2}};
    static const double best[4] = {1, -0.3, 0, 2}, gradient[4] = {-0.7, 0, 0.4, 5};
    double f = 0;
    for (size_t i = 0; i < n; i++) {
        g[i] = gradient[i];
        for (size_t j = 0; j < n; j++)
            g[i] += a[i][j] * (z[j] - best[j]);
        f += (z[i] - best[i]) * (gradient[i] + g[i]) / 2;
    }
    return f;
}

/* Not a number close behind the optimum. */
static inline double cliff(size_t n, const double *z, double *g)
{
    double f = 0;
    for (size_t i = 0; i < n; i++) {
        f += (z[i] - 0.25) * (z[i] - 0.25);
        g[i] = 2 * (z[i] - 0.25);
    }
    if (z[0] < 0.2)
        f = g[0] = NAN;
    return f;
}

#define FREE                                                                                                 \
    .lower = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY,                                         \
              -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY},                                        \
    .upper = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,                                              \
              INFINITY, INFINITY, INFINITY, INFINITY, INFINITY}

static const struct problem problems[] = {
    {"quadratic", 4, quadratic, .start = {5, -5, 5, -5}, .optimum = {1, 2, 3, 4}, FREE},
    {"rosenbrock 2", 2, rosenbrock, .start = {-1.2, 1}, .optimum = {1, 1}, FREE},
    {"rosenbrock 10", 10, rosenbrock, .start = {-1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1},
     .optimum = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, FREE},
    {"box", 4, coupled, .start = {-1, 0.9, 3, 2}, .optimum = {1, -0.3, 0, 2}, .lower = {-2, -1, 0, 2},
     .upper = {1, 1, INFINITY, 2}},
    {"rosenbrock in a box", 2, rosenbrock, .start = {-1.2, 1}, .optimum = {0.5, 0.25}, .lower = {-2, -2},
     .upper = {0.5, 2}},
    {"cliff", 2, cliff, .start = {3, -2}, .optimum = {0.25, 0.25}, FREE},
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

#endif
