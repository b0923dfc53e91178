/*
 * What evaluations with sampled variances share: which ones they are, the block of solutions and when it is
 * good enough, the adjoint of the surrogate.
 *
 * Of each drawn variance the residual r of its column leaves open what r'A^-1 r is: at most gap = min(r'P^-1
 * r (P <= A), |r|^2/s2). The block is solved until no gap leaves a variance wider open than the tolerance:
 * residuals alone do not say what a variance is worth.
 */
#include "gp/carried.h"
#include "gp/variance_sample.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

const char *const kr_variance_method_names[] = {"auto", "exact", "sampled", NULL};

/* Relative residuals that the block is solved to first, and by how much more each time. */
static const double FIRST_RTOL = 1e-3, TIGHTEN = 0.1;

/* Would a block of m columns be dear? Then there is no factorisation that all of them share. */
static bool block_is_dear(const struct kr_gp *gp, size_t n, size_t m, size_t budget)
{
    enum { ROWS = 5000, TIMES = 8 };
    const char *reason;
    return n > ROWS && m > TIMES * gp->spec->objective.variance.points &&
           !kr_solver_choose(&gp->spec->solver, NULL, n, budget, &reason)->logdet;
}

/* Held-out rows, or each row predicted from all others. */
static bool one_at_a_time(const struct kr_gp *gp)
{
    return gp->form == KR_HOLD_OUT || gp->folds.first[gp->folds.count] == gp->folds.count;
}

/* The mean of leave-one-out does too. */
static bool sees_variance(const struct kr_gp *gp, const struct kr_loss_type *loss)
{
    return loss->eval && (loss->needs_variance || kr_transforms(gp->transforms) || gp->form == KR_FOLDS);
}

bool kr_gp_samples_variance(const struct kr_gp *gp, bool all, size_t budget)
{
    const struct kr_variance_spec *spec = &gp->spec->objective.variance;
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    if (gp->space || gp->targets > 1 || !one_at_a_time(gp) || !sees_variance(gp, loss) || all ||
        gp->spec->objective.subset || spec->points >= gp->validation.n)
        return false;
    return spec->method == KR_VARIANCE_AUTO ? block_is_dear(gp, gp->train.n, gp->validation.n, budget)
                                            : spec->method == KR_VARIANCE_SAMPLED;
}

bool kr_gp_samples_scores(const struct kr_gp *gp, size_t budget)
{
    return !gp->space && gp->targets == 1 && gp->spec->objective.variance.method != KR_VARIANCE_EXACT &&
           one_at_a_time(gp) && block_is_dear(gp, gp->train.n, gp->validation.n, budget);
}

kr_status kr_gp_score_sampled(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                              struct kr_metrics *out)
{
    struct kr_gp_spec spec = *gp->spec;
    struct kr_gp view = *gp;
    struct kr_evaluation evaluation;
    const struct kr_mark mark = kr_mark(ctx);
    view.spec = &spec;
    view.sample = NULL;
    spec.objective.subset = NULL;
    spec.objective.variance.method = KR_VARIANCE_SAMPLED;
    KR_TRY(kr_variant_init(ctx, &kr_loss_registry, "nlpd", &spec.objective.loss));
    KR_TRY(kr_objective_eval(ctx, &view, theta, false, &evaluation, NULL));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &evaluation.solver));
    *out = evaluation.metrics;
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_gp_check_variance(struct kr_ctx *ctx, const struct kr_gp *gp)
{
    static const char pointer[] = "/objective/variance/method";
    const struct kr_variance_spec *spec = &gp->spec->objective.variance;
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    if (spec->method != KR_VARIANCE_SAMPLED)
        return KR_OK;
    if (!sees_variance(gp, loss))
        return kr_fail(ctx, KR_INVALID, pointer, "must not be sampled: %s sees no variance", loss->base.name);
    if (gp->space)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must not be sampled beside an approximation, whose variances are cheap");
    if (gp->targets > 1)
        return kr_fail(ctx, KR_INVALID, pointer, "must not be sampled with %zu targets: take exact",
                       gp->targets);
    if (!one_at_a_time(gp))
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must not be sampled with %s: only held-out rows and leave_one_out are",
                       gp->spec->objective.validation.type->name);
    if (gp->spec->objective.subset)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "must not be sampled together with objective.subset: both choose points");
    return KR_OK;
}

kr_status kr_variance_sample_open(struct kr_ctx *ctx, const struct kr_gp *gp, struct kr_variance_sample **out)
{
    const struct kr_variance_spec *spec = &gp->spec->objective.variance;
    struct kr_variance_sample *sample;
    KR_ALLOC(ctx, sample, 1);
    sample->spec = spec;
    const size_t others = gp->train.n - (gp->form == KR_FOLDS);
    sample->most = spec->neighbours < others ? spec->neighbours : others;
    KR_ALLOC(ctx, sample->neighbours, gp->validation.n * sample->most);
    KR_ALLOC(ctx, sample->points, spec->points);
    KR_ALLOC(ctx, sample->draws, spec->points);
    KR_ALLOC(ctx, sample->weight, spec->points);
    *out = sample;
    return KR_OK;
}

void kr_variance_sample_forget(struct kr_variance_sample *sample)
{
    sample->ready = false;
}

const struct form *kr_form_sampled(const struct kr_gp *gp)
{
    return gp->form == KR_HOLD_OUT ? &kr_form_sampled_rows : &kr_form_sampled_each;
}

/* The neighbours and what they say of every point, and the points drawn. */
static kr_status look_around(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    s->hood = (struct neighbourhood){.kernel = gp->kernel,
                                     .theta = w->theta,
                                     .noise_index = gp->noise_index,
                                     .train = &gp->train,
                                     .held = &gp->validation,
                                     .most = s->sample->most,
                                     .rows = s->sample->neighbours,
                                     .self = gp->form == KR_FOLDS ? gp->folds.at : NULL};
    if (!s->sample->ready)
        KR_TRY(kr_neighbours_find(ctx, &s->hood, s->sample->neighbours));
    KR_ALLOC(ctx, s->f, KR_NEIGHBOUR_SETS * w->m);
    if (w->heads[0].grad)
        KR_ALLOC(ctx, s->solutions, w->m * kr_neighbours_length(&s->hood));
    KR_TRY(kr_neighbours_variance(ctx, &s->hood, s->f, s->solutions));
    if (!s->sample->ready)
        KR_TRY(kr_variance_sample_draw(ctx, s->sample, w, s->f + (KR_NEIGHBOUR_SETS - 1) * w->m));
    return KR_OK;
}

kr_status kr_sampled_open(struct kr_ctx *ctx, struct work *w)
{
    struct sampled *s = w->sampled;
    if (w->gp->sample)
        s->sample = w->gp->sample;
    else
        KR_TRY(kr_variance_sample_open(ctx, w->gp, &s->sample));
    KR_TRY(look_around(ctx, w));
    const size_t count = s->sample->count;
    w->columns = 1 + count;
    KR_ALLOC(ctx, s->exact, count);
    KR_ALLOC(ctx, s->gap, count);
    KR_ALLOC(ctx, s->clamped, count);
    KR_ALLOC(ctx, s->exact_bar, w->nheads * count);
    KR_ALLOC(ctx, s->exact_mean_bar, w->nheads * count);
    return KR_OK;
}

static void add_effort(struct kr_solve_report *sum, const struct kr_solve_report *more)
{
    sum->iterations += more->iterations;
    sum->products += more->products;
    sum->single_products += more->single_products;
    sum->seconds += more->seconds;
}

/* What several rounds of one solve did: the effort of all, the outcome of the last. */
static void add_round(struct kr_solve_report *sum, const struct kr_solve_report *round)
{
    struct kr_solve_report both = *round;
    add_effort(&both, sum);
    *sum = both;
}

static void add_solve(struct kr_solve_report *sum, const struct kr_solve_report *solve)
{
    add_effort(sum, solve);
    sum->stop = solve->stop > sum->stop ? solve->stop : sum->stop;
    sum->residual = fmax(sum->residual, solve->residual);
}

/* Does r'P^-1 r bound r'A^-1 r? Of low rank P <= A; one that a run has carried over from an A nearby says
 * nearly as much. */
static bool bounds(const struct kr_preconditioner *P)
{
    return P->type && P->type->rank >= 0 && P->rank > 0;
}

/* gap[i] = the bound of r'A^-1 r of every drawn column. */
static kr_status bound_gaps(struct kr_ctx *ctx, struct work *w)
{
    struct sampled *s = w->sampled;
    const struct kr_preconditioner *P = &w->A.solver.P;
    const size_t n = w->n, count = s->sample->count;
    const double noise = kr_objective_least_noise(w), *R = w->residual + n;
    double *Z = NULL;
    struct kr_mark mark = kr_mark(ctx);
    if (bounds(P)) {
        KR_ALLOC(ctx, Z, n * count);
        KR_TRY(kr_preconditioner_apply(ctx, P, count, R, Z));
    }
    for (size_t i = 0; i < count; i++) {
        const double plain = cblas_ddot((int)n, R + i * n, 1, R + i * n, 1) / noise;
        s->gap[i] = plain;
        if (Z)
            s->gap[i] =
                fmin(plain, fmax(cblas_ddot((int)n, R + i * n, 1, Z + i * n, 1), 0) + P->rounding * plain);
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* exact, gap (then of the variances) and clamped of the block as it is; the largest gap/v. */
static kr_status judge_block(struct kr_ctx *ctx, struct work *w, double *widest)
{
    struct sampled *s = w->sampled;
    KR_TRY(bound_gaps(ctx, w));
    *widest = 0;
    for (size_t i = 0; i < s->sample->count; i++) {
        const double least = kr_objective_noise(w, s->sample->points[i]),
                     v = s->judge(w, i, w->solution + (1 + i) * w->n, w->residual + (1 + i) * w->n);
        s->clamped[i] = !(v > least);
        s->exact[i] = s->clamped[i] ? least : v;
        *widest = fmax(*widest, s->gap[i] / s->exact[i]);
    }
    return KR_OK;
}

/* When a column leaves its variance closed enough: of leave-one-out the column gives 1/v. */
static kr_status energies(struct kr_ctx *ctx, struct work *w, struct kr_solver *solver)
{
    const struct sampled *s = w->sampled;
    double *energy;
    if (!bounds(&solver->P))
        return KR_OK;
    KR_ALLOC(ctx, energy, s->sample->count);
    for (size_t i = 0; i < s->sample->count; i++) {
        const size_t j = s->sample->points[i];
        const double most = s->f[(KR_NEIGHBOUR_SETS - 1) * w->m + j], least = kr_objective_noise(w, j);
        energy[i] = s->sample->spec->tolerance * (s->alpha ? 1 / most : least);
    }
    solver->energy = energy;
    return KR_OK;
}

kr_status kr_sampled_solve(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_solver_options *asked = &w->gp->spec->solver;
    struct kr_solver_options options = *asked;
    struct kr_solver solver = w->A.solver;
    struct kr_solve_report all = {0};
    struct sampled *s = w->sampled;
    const size_t n = w->n;
    double widest = INFINITY;
    solver.options = &options;
    KR_TRY(energies(ctx, w, &solver));
    options.rtol = fmax(asked->rtol, FIRST_RTOL);
    for (const double *start = kr_carried_start(w, CARRIED_DRAWN, w->columns - 1);; start = w->solution + n) {
        struct kr_solve_report round = {0};
        KR_TRY(kr_solver_solve(ctx, &solver, w->columns - 1, w->B + n, start, w->solution + n,
                               w->residual + n, &round));
        add_round(&all, &round);
        KR_TRY(kr_objective_check_solve(ctx, w, &all));
        KR_TRY(judge_block(ctx, w, &widest));
        if (widest <= s->sample->spec->tolerance || options.rtol <= asked->rtol || !kr_solve_converged(&all))
            break;
        options.rtol = fmax(asked->rtol, TIGHTEN * options.rtol);
        solver.energy = NULL;
    }
    add_solve(&out->solver, &all);
    kr_carried_store(w, CARRIED_DRAWN, w->columns - 1, w->solution + n);
    if (!s->sample->ready)
        kr_variance_sample_calibrate(s->sample, w, s->f, s->exact);
    out->clamped = kr_variance_sample_surrogate(s->sample, w, s->f);
    return KR_OK;
}

void kr_sampled_correct(struct work *w, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    for (size_t h = 0; h < w->nheads; h++)
        if (w->heads[h].needs_variance || s->alpha)
            kr_variance_sample_correct(s, w, h, h == 0 ? &out->standard_error : NULL,
                                       h == 0 ? &out->variance_bracket : NULL);
}

/* Of the surrogate: what a clamped variance depends on is the noise. */
kr_status kr_sampled_pull_surrogate(struct kr_ctx *ctx, struct work *w, const struct head *head,
                                    const double *variance_bar)
{
    const struct sampled *s = w->sampled;
    const double *c = s->sample->c;
    double *f_bar;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, f_bar, KR_NEIGHBOUR_SETS * w->m);
    for (size_t j = 0; j < w->m; j++) {
        const double v_bar = variance_bar[j];
        head->grad[w->gp->noise_index] += w->clamped[j] ? v_bar : c[KR_NEIGHBOUR_SETS] * v_bar;
        for (size_t set = 0; set < KR_NEIGHBOUR_SETS && !w->clamped[j]; set++)
            f_bar[set * w->m + j] = c[set] * v_bar;
    }
    KR_TRY(kr_neighbours_pull(ctx, &s->hood, f_bar, s->solutions, head->grad));
    kr_release(ctx, mark);
    return KR_OK;
}
