/*
 * The held-out loss, and constraints beside it, by any solver, through one code.
 *
 *     A = K(X, X) + s2 I + diag(s_i^2)    alpha = A^-1 (y - m(X))    mu = m(X*) + K* alpha    K* = K(X*, X)
 *     v_j = k(x*_j, x*_j) - k*_j A^-1 k*_j' + s2 + s*_j^2            S = A^-1 K*'
 *
 * Loss and constraints are functionals of mu and v, or functions of theta. One that sees the variance makes
 * the block [alpha, S] be solved for, once for all of them. A variance that falls below its noise is set to
 * it and then depends on the noise alone. Shapes: n training rows, m held-out rows; the block needs 3 n (m +
 * 1) doubles. The gradients are in objective_pull.c. Source: Rasmussen and Williams 2006, eq. 2.25 and 2.26.
 */
#include "gp/objective.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static const struct kr_gp_constraints unconstrained = {0};

static kr_status allocate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, size_t heads,
                          bool variance, struct work *w)
{
    *w = (struct work){.gp = gp, .theta = theta, .n = gp->train.n, .m = gp->validation.n};
    w->columns = variance ? 1 + w->m : 1;
    KR_ALLOC(ctx, w->B, w->n * w->columns);
    KR_ALLOC(ctx, w->solution, w->n * w->columns);
    KR_ALLOC(ctx, w->residual, w->n * w->columns);
    KR_ALLOC(ctx, w->mean, w->m);
    KR_ALLOC(ctx, w->variance, w->m);
    KR_ALLOC(ctx, w->mean_bar, w->m * heads);
    KR_ALLOC(ctx, w->variance_bar, w->m * heads);
    KR_ALLOC(ctx, w->clamped, w->m);
    KR_ALLOC(ctx, w->scratch, kr_kernel_scratch(gp->kernel));
    KR_ALLOC(ctx, w->heads, heads);
    return KR_OK;
}

static void add_head(struct work *w, kr_functional *eval, const void *options, bool variance, double *value,
                     double *grad)
{
    const size_t at = w->nheads * w->m;
    w->heads[w->nheads++] =
        (struct head){eval, options, variance, w->mean_bar + at, w->variance_bar + at, value, grad};
}

static double noise_of(const struct work *w, size_t j)
{
    return w->theta[w->gp->noise_index] + (w->gp->validation.noise ? w->gp->validation.noise[j] : 0);
}

/* v, from the block solve. */
static size_t predict_variance(struct work *w)
{
    size_t count = 0;
    kr_kernel_diagonal(w->gp->kernel, w->theta, &w->gp->validation.x, w->scratch, w->variance);
    for (size_t j = 0; j < w->m; j++) {
        const size_t column = (1 + j) * w->n;
        double explained = cblas_ddot((int)w->n, w->B + column, 1, w->solution + column, 1);
        w->clamped[j] = w->variance[j] < explained;
        w->variance[j] = noise_of(w, j) + (w->clamped[j] ? 0 : w->variance[j] - explained);
        count += w->clamped[j];
    }
    return count;
}

/* Solves, then the predictions at the validation rows. */
static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const double *mean_theta = w->theta + gp->mean_first;
    KR_TRY(kr_covariance_open(ctx, gp->kernel, w->theta, gp->noise_index, &gp->train.x, gp->train.noise,
                              &gp->spec->solver, &w->A));
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->validation.x, &gp->train.x, &w->cross));
    kr_centre(gp->mean, mean_theta, &gp->train, w->B);
    if (w->columns > 1) {
        struct kr_op transposed;
        KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, &gp->validation.x, &transposed));
        KR_TRY(kr_op_fill(ctx, &transposed, w->B + w->n));
    }
    KR_TRY(
        kr_solver_solve(ctx, &w->A.solver, w->columns, w->B, NULL, w->solution, w->residual, &out->solver));
    if (out->solver.stop == KR_STOP_BREAKDOWN)
        return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                       "%s broke down: the covariance matrix of %zu rows is not positive definite to double "
                       "precision. Repeated "
                       "or nearly repeated inputs with too little noise do this: raise noise.variance",
                       out->solver.type, w->n);
    KR_TRY(kr_op_apply(ctx, &w->cross, 1, w->solution, w->mean));
    gp->mean->eval(mean_theta, &gp->validation.x, w->mean_bar);
    for (size_t j = 0; j < w->m; j++)
        w->mean[j] += w->mean_bar[j];
    out->clamped = w->columns > 1 ? predict_variance(w) : 0;
    return KR_OK;
}

static kr_status check_finite(struct kr_ctx *ctx, const struct kr_gp *gp, const char *what, double value,
                              const double *grad)
{
    if (!isfinite(value))
        return kr_fail(ctx, KR_NON_FINITE, "", "the %.100s is %g at these hyperparameters", what, value);
    for (size_t p = 0; grad && p < gp->parameters.count; p++)
        if (!isfinite(grad[p]))
            return kr_fail(ctx, KR_NON_FINITE, "", "the derivative of the %.100s by %.100s is %g", what,
                           gp->parameters.items[p].name, grad[p]);
    return KR_OK;
}

/* Constraints that are functions of theta; then all of them must be finite. */
static kr_status finish_constraints(struct kr_ctx *ctx, const struct kr_gp *gp,
                                    const struct kr_gp_constraints *constraints, const double *theta,
                                    double *c, double *J)
{
    const size_t count = gp->parameters.count;
    double *unwanted;
    KR_ALLOC(ctx, unwanted, count);
    for (size_t i = 0; i < constraints->count; i++) {
        const struct kr_gp_constraint *constraint = &constraints->items[i];
        if (constraint->type->of_theta)
            KR_TRY(constraint->type->of_theta(ctx, constraint->options, gp, theta, &c[i],
                                              J ? J + i * count : unwanted));
        KR_TRY(check_finite(ctx, gp, kr_printf(ctx, "constraint %s", constraint->name), c[i],
                            J ? J + i * count : NULL));
    }
    return KR_OK;
}

static kr_status evaluate(struct kr_ctx *ctx, const struct kr_gp *gp,
                          const struct kr_gp_constraints *constraints, const double *theta, bool variance,
                          struct kr_evaluation *out, double *grad, double *c, double *J)
{
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    const struct kr_part *held_out = &gp->validation;
    const size_t count = gp->parameters.count;
    struct work w;
    *out = (struct kr_evaluation){.value_error = NAN, .value_bound = NAN};
    KR_TRY(allocate(ctx, gp, theta, 1 + constraints->count,
                    variance || loss->needs_variance || constraints->needs_variance, &w));
    add_head(&w, loss->eval, gp->spec->objective.loss.options, loss->needs_variance, &out->loss, grad);
    for (size_t i = 0; i < constraints->count; i++) {
        const struct kr_gp_constraint *it = &constraints->items[i];
        if (it->type->eval)
            add_head(&w, it->type->eval, it->options, it->type->needs_variance, &c[i],
                     grad ? J + i * count : NULL);
    }
    if (grad) {
        memset(grad, 0, count * sizeof *grad);
        if (constraints->count)
            memset(J, 0, constraints->count * count * sizeof *J);
    }
    KR_TRY(predict(ctx, &w, out));
    for (struct head *h = w.heads; h < w.heads + w.nheads; h++)
        h->eval(h->options, w.m, held_out->y, w.mean, w.variance, h->value, h->mean_bar, h->variance_bar);
    kr_metrics_eval(gp, held_out, &gp->train, w.mean, w.columns > 1 ? w.variance : NULL, &out->metrics);
    if (grad)
        KR_TRY(kr_objective_pull(ctx, &w, out));
    KR_TRY(check_finite(ctx, gp, "loss", out->loss, grad));
    return finish_constraints(ctx, gp, constraints, theta, c, grad ? J : NULL);
}

kr_status kr_objective_constrained(struct kr_ctx *ctx, const struct kr_gp *gp,
                                   const struct kr_gp_constraints *constraints, const double *theta,
                                   bool variance, struct kr_evaluation *out, double *grad, double *c,
                                   double *J)
{
    const double seconds = gp->spec->solver.seconds, deadline = ctx->deadline;
    const struct kr_mark mark = kr_mark(ctx);
    if (seconds > 0 && (deadline == 0 || kr_seconds() + seconds < deadline))
        ctx->deadline = kr_seconds() + seconds;
    const kr_status status = evaluate(ctx, gp, constraints, theta, variance, out, grad, c, J);
    ctx->deadline = deadline;
    kr_release(ctx, mark);
    return status;
}

kr_status kr_objective_eval(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                            struct kr_evaluation *out, double *grad)
{
    return kr_objective_constrained(ctx, gp, &unconstrained, theta, variance, out, grad, NULL, NULL);
}
