/*
 * The loss of held-out points, or the evidence, and constraints beside it, by any solver, through one code.
 *
 * Loss and constraints are functionals of the predictions mu and v at the held-out points, or functions of
 * theta; with several targets the mean over targets of the functional of each, which share v. One that sees
 * the variance makes the whole block of solutions be solved for, once for all of them. How points are held
 * out is a form: objective_hold_out.c (some rows train, others are predicted), objective_folds.c (every fold
 * is predicted from all other rows, in closed form), both in weight space, objective_weights.c, and rows so
 * many that most of their variances are estimated, objective_sampled.c. A variance that falls below its noise
 * is set to it and then depends on the noise alone. Shapes: n training rows, m held-out points, q targets; a
 * block is 3 n (m + q) doubles. Source: Rasmussen and Williams 2006, eq. 2.25 and 2.26.
 */
#include "gp/carried.h"
#include "gp/variance_sample.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static const struct kr_gp_constraints unconstrained = {0};

static kr_status allocate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, size_t heads,
                          bool variance, bool sampled, struct work *w)
{
    *w = (struct work){.gp = gp, .theta = theta, .n = gp->train.n, .m = gp->validation.n};
    if (sampled)
        KR_ALLOC(ctx, w->sampled, 1);
    w->loss_is_head = ((const struct kr_loss_type *)gp->spec->objective.loss.type)->eval != NULL;
    w->targets = gp->targets;
    w->columns = w->targets + (sampled                            ? gp->spec->objective.variance.points
                               : variance || gp->form == KR_FOLDS ? w->m
                                                                  : 0);
    const size_t block = gp->space ? 0 : w->n * w->columns;
    KR_ALLOC(ctx, w->B, block);
    KR_ALLOC(ctx, w->solution, block);
    KR_ALLOC(ctx, w->residual, block);
    KR_ALLOC(ctx, w->mean, w->m * w->targets);
    KR_ALLOC(ctx, w->variance, w->m);
    KR_ALLOC(ctx, w->mean_bar, w->m * w->targets * heads);
    KR_ALLOC(ctx, w->variance_bar, w->m * heads);
    KR_ALLOC(ctx, w->spare, w->m);
    KR_ALLOC(ctx, w->clamped, w->m);
    KR_ALLOC(ctx, w->scratch, kr_kernel_scratch(gp->kernel));
    KR_ALLOC(ctx, w->heads, heads);
    return KR_OK;
}

const struct form *kr_form_of(const struct kr_gp *gp)
{
    if (gp->form == KR_HOLD_OUT)
        return gp->space ? &kr_form_weights : &kr_form_hold_out;
    if (!gp->space)
        return &kr_form_folds;
    return gp->folds.first[gp->folds.count] == gp->folds.count ? &kr_form_weights_each
                                                               : &kr_form_weights_folds;
}

static void add_head(struct work *w, struct head head)
{
    const size_t at = w->nheads * w->m;
    head.mean_bar = w->mean_bar + at * w->targets;
    head.variance_bar = w->variance_bar + at;
    head.needs_variance |= head.transformed != NULL;
    w->heads[w->nheads++] = head;
}

void kr_head_eval(const struct work *w, const struct head *head, size_t target, const struct scoring *s)
{
    if (kr_transforms(w->gp->transforms))
        kr_transformed_eval(head, &w->gp->transforms[target], s);
    else
        head->eval(head->options, s->m, s->y, s->mean, s->variance, s->value, s->mean_bar, s->variance_bar);
}

/* The mean over targets of the functional of each, and its adjoints; y_bar (m x targets): what a change of
 * variables owes to derivatives by the targets, NULL = not wanted. */
static void evaluate_head(struct work *w, struct head *head, double *y_bar)
{
    const size_t m = w->m;
    const double share = 1 / (double)w->targets, *variance = w->variance;
    memset(head->variance_bar, 0, m * sizeof *head->variance_bar);
    *head->value = 0;
    for (size_t t = 0; t < w->targets; t++) {
        const double *y = w->gp->validation.y + t * m, *mean = w->mean + t * m;
        double *mean_bar = head->mean_bar + t * m, value;
        kr_head_eval(w, head, t,
                     &(struct scoring){m, y, mean, variance, &value, mean_bar, w->spare,
                                       y_bar ? y_bar + t * m : NULL});
        *head->value += share * value;
        cblas_dscal((int)m, share, mean_bar, 1);
        if (head->needs_variance)
            cblas_daxpy((int)m, share, w->spare, 1, head->variance_bar, 1);
    }
}

double kr_objective_noise(const struct work *w, size_t j)
{
    return w->theta[w->gp->noise_index] + (w->gp->validation.noise ? w->gp->validation.noise[j] : 0);
}

double kr_objective_least_noise(const struct work *w)
{
    double least = w->gp->train.noise ? INFINITY : 0;
    for (size_t i = 0; w->gp->train.noise && i < w->n; i++)
        least = fmin(least, w->gp->train.noise[i]);
    return w->theta[w->gp->noise_index] + least;
}

void kr_objective_unclamp(struct work *w, struct head *head)
{
    for (size_t j = 0; head->needs_variance && j < w->m; j++)
        if (w->clamped[j]) {
            head->grad[w->gp->noise_index] += head->variance_bar[j];
            if (kr_objective_sees_data(w, head))
                w->data->held_noise[j] += head->variance_bar[j];
            head->variance_bar[j] = 0;
        }
}

kr_status kr_objective_check_solve(struct kr_ctx *ctx, const struct work *w,
                                   const struct kr_solve_report *report)
{
    if (report->stop != KR_STOP_BREAKDOWN)
        return KR_OK;
    return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                   "%s broke down: the covariance matrix of %zu rows is not positive definite to double "
                   "precision. Repeated "
                   "or nearly repeated inputs with too little noise do this: raise noise.variance",
                   report->type, w->n);
}

kr_status kr_objective_solve(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    KR_TRY(
        kr_carried_solve(ctx, w, CARRIED_SOLUTION, w->columns, w->B, w->solution, w->residual, &out->solver));
    return kr_objective_check_solve(ctx, w, &out->solver);
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

static void add_heads(struct work *w, const struct kr_gp_constraints *constraints, struct kr_evaluation *out,
                      double *grad, double *c, double *J)
{
    const struct kr_objective_spec *objective = &w->gp->spec->objective;
    const struct kr_loss_type *loss = (const struct kr_loss_type *)objective->loss.type;
    const bool transforms = kr_transforms(w->gp->transforms);
    if (w->loss_is_head)
        add_head(w, (struct head){.eval = loss->eval,
                                  .transformed = transforms ? loss->transformed : NULL,
                                  .density = transforms && loss->density,
                                  .options = objective->loss.options,
                                  .needs_variance = loss->needs_variance,
                                  .value = &out->loss,
                                  .grad = grad});
    for (size_t i = 0; i < constraints->count; i++) {
        const struct kr_gp_constraint *it = &constraints->items[i];
        if (it->type->eval)
            add_head(w, (struct head){.eval = it->type->eval,
                                      .transformed = transforms ? it->type->transformed : NULL,
                                      .options = it->options,
                                      .needs_variance = it->type->needs_variance,
                                      .value = &c[i],
                                      .grad = J ? J + i * w->gp->parameters.count : NULL});
    }
}

/* What is wanted beside the value; NULL = not. Without grad there is neither J nor data. */
struct outputs {
    double *grad, *c, *J;
    struct data_bar *data;
    struct kr_target_metrics *each; /* of several targets */
};

static void clear(const struct kr_gp_constraints *constraints, size_t count, const struct outputs *o)
{
    memset(o->grad, 0, count * sizeof *o->grad);
    if (constraints->count)
        memset(o->J, 0, constraints->count * count * sizeof *o->J);
}

static kr_status evaluate_heads(struct kr_ctx *ctx, struct work *w)
{
    double *y_bar = NULL;
    if (kr_transforms(w->gp->transforms) && w->data)
        KR_ALLOC(ctx, y_bar, w->m * w->targets);
    for (struct head *h = w->heads; h < w->heads + w->nheads; h++)
        evaluate_head(w, h, kr_objective_sees_data(w, h) ? y_bar : NULL);
    if (y_bar)
        kr_transformed_pull_targets(w, y_bar);
    return KR_OK;
}

static kr_status evaluate(struct kr_ctx *ctx, const struct kr_gp *gp,
                          const struct kr_gp_constraints *constraints, const double *theta, bool variance,
                          struct kr_evaluation *out, const struct outputs *o)
{
    const bool sampled = kr_gp_samples_variance(gp, variance || o->data, ctx->budget);
    const struct form *form = sampled ? kr_form_sampled(gp) : kr_form_of(gp);
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    struct work w;
    *out = (struct kr_evaluation){
        .value_error = NAN, .value_bound = NAN, .standard_error = NAN, .variance_bracket = NAN};
    KR_TRY(allocate(ctx, gp, theta, 1 + constraints->count,
                    variance || loss->needs_variance || constraints->needs_variance ||
                        kr_transforms(gp->transforms),
                    sampled, &w));
    w.data = o->data;
    add_heads(&w, constraints, out, o->grad, o->c, o->J);
    if (o->grad)
        clear(constraints, gp->parameters.count, o);
    KR_TRY(form->predict(ctx, &w, out));
    KR_TRY(evaluate_heads(ctx, &w));
    if (form->correct)
        form->correct(&w, out);
    kr_metrics_each(gp, &gp->validation, &gp->train, w.mean, w.columns > w.targets ? w.variance : NULL,
                    o->each, &out->metrics);
    if (!w.loss_is_head)
        KR_TRY(form->evidence(ctx, &w, out, o->grad));
    if (!w.loss_is_head && kr_transforms(gp->transforms))
        kr_transformed_evidence(&w, out);
    if (o->grad && w.nheads)
        KR_TRY(form->pull(ctx, &w, out));
    KR_TRY(check_finite(ctx, gp, "loss", out->loss, o->grad));
    kr_carried_settle(&w);
    return finish_constraints(ctx, gp, constraints, theta, o->c, o->J);
}

/* On the held-out points of the draw that is due. */
static kr_status evaluate_draw(struct kr_ctx *ctx, const struct kr_gp *gp,
                               const struct kr_gp_constraints *constraints, const double *theta,
                               bool variance, struct kr_evaluation *out, struct outputs *o,
                               const struct kr_data_gradient *data)
{
    struct kr_gp view;
    struct data_bar bar;
    KR_TRY(kr_gp_subset(ctx, gp, &view));
    if (!data)
        return evaluate(ctx, &view, constraints, theta, variance, out, o);
    KR_TRY(kr_data_bar_open(ctx, &view, data, &bar));
    o->data = &bar;
    KR_TRY(evaluate(ctx, &view, constraints, theta, variance, out, o));
    KR_TRY(kr_data_bar_collect(ctx, gp, &view, &bar, data));
    if (kr_transforms(gp->transforms) && data->y)
        kr_transformed_collect(gp, data->y);
    return KR_OK;
}

/* Within the request's time; whatever it took from the arena is given back. */
static kr_status run(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_gp_constraints *constraints,
                     const double *theta, bool variance, struct kr_evaluation *out, struct outputs o,
                     const struct kr_data_gradient *data)
{
    const double seconds = gp->spec->solver.seconds, deadline = ctx->deadline;
    const struct kr_mark mark = kr_mark(ctx);
    if (seconds > 0 && (deadline == 0 || kr_seconds() + seconds < deadline))
        ctx->deadline = kr_seconds() + seconds;
    const kr_status status = evaluate_draw(ctx, gp, constraints, theta, variance, out, &o, data);
    ctx->deadline = deadline;
    kr_release(ctx, mark);
    return status;
}

/* Without constraints, and with the metrics of each target. */
static kr_status run_alone(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                           struct kr_evaluation *out, double *grad, const struct kr_data_gradient *data)
{
    struct outputs o = {.grad = grad};
    if (gp->targets > 1)
        KR_ALLOC(ctx, o.each, gp->targets);
    return run(ctx, gp, &unconstrained, theta, variance, out, o, data);
}

kr_status kr_objective_constrained(struct kr_ctx *ctx, const struct kr_gp *gp,
                                   const struct kr_gp_constraints *constraints, const double *theta,
                                   bool variance, struct kr_evaluation *out, double *grad, double *c,
                                   double *J)
{
    const struct outputs o = {grad, c, grad ? J : NULL, NULL, NULL};
    return run(ctx, gp, constraints, theta, variance, out, o, NULL);
}

kr_status kr_objective_eval(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta, bool variance,
                            struct kr_evaluation *out, double *grad)
{
    return run_alone(ctx, gp, theta, variance, out, grad, NULL);
}

kr_status kr_objective_differentiate(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                                     bool variance, struct kr_evaluation *out, double *grad,
                                     const struct kr_data_gradient *data)
{
    const struct kr_standardize_spec *standardize = &gp->spec->model.standardize;
    if (strcmp(gp->spec->model.approximation.type->name, "exact") != 0)
        return kr_fail(ctx, KR_INVALID, "/model/approximation",
                       "must be exact for derivatives by the data, got %s",
                       gp->spec->model.approximation.type->name);
    if (standardize->x || standardize->y)
        return kr_fail(ctx, KR_INVALID, "/model/standardize",
                       "must be off, x and y: derivatives by the data are those of data taken as it is");
    if (kr_transforms(gp->transforms) && data->noise)
        return kr_fail(ctx, KR_INVALID, "/model/target_transform",
                       "must be none for derivatives by noise_variance, which is that of the target itself");
    return run_alone(ctx, gp, theta, variance, out, grad, data);
}
