/*
 * Constraints in the tuning loop: proposals go through the null-space filter with c and J of the last good
 * point, and what the optimiser is told and the stop rule looks at is the gradient inside the constraint set
 * and the box. J is stored, m x n: constraints are few. Cost an evaluation: two least-squares solves of that
 * size. Formulas: kriged/nullspace.h.
 */
#include "tune/run.h"

#include <math.h>
#include <string.h>

/* Evaluations at most that a limit leaves for restoring. Newton's method squares the violation each time. */
enum { RESTORATIONS = 3 };
static const double LEAST_FALL = 0.9; /* of the violation, for another one */

double kr_run_violation(const struct run *run, const double *c)
{
    double violation = 0;
    for (size_t i = 0; i < run->m; i++)
        violation = fmax(violation, fabs(c[i]));
    return violation;
}

bool kr_run_feasible(const struct run *run, double violation)
{
    return run->m == 0 || violation <= run->projection.tolerance;
}

/* Is this one of the last `RESTORATIONS` evaluations (of few: half of them) of so many? */
static bool is_late(double done, double all)
{
    return done >= all - fmin(floor(all / 2), RESTORATIONS);
}

/* Time to look for a feasible point only: a limit, or patience, would end the run here, or it is on its way.
 */
static bool restores(const struct run *run, double violation)
{
    const double *c = run->checkpoint;
    return !kr_run_feasible(run, violation) &&
           (is_late(c[EVALUATIONS] - c[FIRST], c[LIMIT] - c[FIRST]) ||
            is_late(c[SINCE_BETTER], (double)run->rules->patience) || violation < LEAST_FALL * c[RESTORED]);
}

kr_status kr_run_propose(struct run *run)
{
    struct kr_ctx *ctx = run->ctx;
    double *c = run->checkpoint;
    const double violation = kr_run_violation(run, run->good_c);
    const bool restore = restores(run, violation);
    struct kr_mark mark = kr_mark(ctx);
    struct kr_nullspace_report report;
    struct kr_op J;
    run->optimizer->ask(run->options, run->n, run->lower, run->upper, run->state, run->z);
    /* After a failed trial the proposal is the middle of a filtered step: half of it is filtered too. */
    if (run->m == 0 || c[EVALUATIONS] == c[FIRST] || c[FAILED])
        return KR_OK;
    c[RESTORED] = restore ? violation : 0;
    memcpy(run->scratch, restore ? run->good_z : run->z, run->n * sizeof *run->scratch);
    KR_TRY(kr_op_dense(ctx, run->m, run->n, run->good_J, &J));
    KR_TRY(kr_nullspace_filter(ctx, &run->projection, (size_t)(c[EVALUATIONS] - c[FIRST]) - 1, &J,
                               run->good_c, run->lower, run->upper, run->good_z, run->scratch, run->z,
                               &report));
    kr_release(ctx, mark);
    return KR_OK;
}

static void take_jacobian(struct run *run)
{
    const struct kr_parameters *parameters = &run->gp->parameters;
    for (size_t i = 0; i < run->n; i++) {
        const size_t p = run->index[i];
        for (size_t r = 0; r < run->m; r++)
            run->J[i * run->m + r] = kr_coordinate_gradient(parameters->items[p].positive, run->theta[p],
                                                            run->rows[r * parameters->count + p]);
    }
}

kr_status kr_run_settle(struct run *run, double *norm)
{
    struct kr_ctx *ctx = run->ctx;
    struct kr_lstsq_report report;
    struct kr_mark mark = kr_mark(ctx);
    struct kr_op J;
    *norm = kr_projected_gradient_norm(run->n, run->lower, run->upper, run->z, run->g);
    if (run->m == 0)
        return KR_OK;
    take_jacobian(run);
    memcpy(run->good_z, run->z, run->n * sizeof *run->z);
    memcpy(run->good_c, run->c, run->m * sizeof *run->c);
    memcpy(run->good_J, run->J, run->m * run->n * sizeof *run->J);
    KR_TRY(kr_op_dense(ctx, run->m, run->n, run->J, &J));
    KR_TRY(kr_nullspace_gradient(ctx, &run->projection, &J, run->lower, run->upper, run->z, run->g,
                                 run->scratch, NULL, &report));
    kr_release(ctx, mark);
    *norm = 0;
    for (size_t i = 0; i < run->n; i++) {
        run->g[i] = run->scratch[i];
        *norm = fmax(*norm, fabs(run->g[i]));
    }
    return KR_OK;
}

void kr_run_warn_infeasible(const struct run *run)
{
    const double *c = run->checkpoint;
    if (run->m == 0 || kr_run_feasible(run, c[BEST_VIOLATION]))
        return;
    size_t worst = 0;
    for (size_t i = 1; i < run->m; i++)
        if (fabs(run->best_c[i]) > fabs(run->best_c[worst]))
            worst = i;
    kr_run_warn(run, "constraints-not-met", NULL,
                "no point met the constraints to %g: the least violation is %.3g, of %.100s. They may "
                "contradict each other or the bounds; or allow more evaluations, or a larger tolerance",
                run->projection.tolerance, c[BEST_VIOLATION], run->constraints->items[worst].name);
}
