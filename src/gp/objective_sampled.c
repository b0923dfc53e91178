/*
 * Held-out rows, so many that a solution for each is too dear: means of all of them are exact, variances of a
 * few, and variance_sample.c makes of these and of the nearest rows an estimate of the loss with its standard
 * error, and its gradient. With A, K*, alpha as in objective_hold_out.c, X_B the points drawn, S_B = A^-1
 * K_B*':
 *
 *     v_j = k(x*_j, x*_j) + noise_j - s_j'k_j - s_j'r_j,   r_j = k_j - A s_j:  an upper bound, above by r_j'
 * A^-1 r_j; gap_j = min(r_j' P^-1 r_j (P <= A), |r_j|^2/s2) bounds that, so v_j - gap_j <= exact <= v_j. The
 * block is solved until gap_j <= tolerance v_j for all of them: residuals alone do not say what a variance is
 * worth.
 *
 *     u = A^-1 K*' mean_bar. Weights: K(X, X): -u alpha' + S_B diag(v_bar) S_B';  K(X*, X): mean_bar alpha';
 *     K(X_B, X): -2 diag(v_bar) S_B';  k(x_B, x_B), s2: v_bar;  those of the neighbours: neighbours.c
 *
 * Cost with b points and k neighbours: two solves with one column and one with b, the pull of 1 + b pairs
 * over K(X, X), O(m k^3); memory 3 n (1 + b) + 1.5 m k doubles, where the whole block would take 3 n m.
 */
#include "gp/mean.h"
#include "gp/variance_sample.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

const char *const kr_variance_method_names[] = {"auto", "exact", "sampled", NULL};

/* Relative residuals that the block is solved to first, and by how much more each time. */
static const double FIRST_RTOL = 1e-2, TIGHTEN = 0.1;

/* Would a block of m columns be dear? Then there is no factorisation that all of them share. */
static bool block_is_dear(const struct kr_gp *gp, size_t n, size_t m, size_t budget)
{
    enum { ROWS = 5000, TIMES = 8 };
    const char *reason;
    return n > ROWS && m > TIMES * gp->spec->objective.variance.points &&
           !kr_solver_choose(&gp->spec->solver, NULL, n, budget, &reason)->logdet;
}

static bool sees_variance(const struct kr_gp *gp, const struct kr_loss_type *loss)
{
    return loss->needs_variance || (loss->eval && kr_transforms(gp->transforms));
}

bool kr_gp_samples_variance(const struct kr_gp *gp, bool all, size_t budget)
{
    const struct kr_variance_spec *spec = &gp->spec->objective.variance;
    const struct kr_loss_type *loss = (const struct kr_loss_type *)gp->spec->objective.loss.type;
    if (gp->space || gp->targets > 1 || gp->form != KR_HOLD_OUT || !sees_variance(gp, loss) || all ||
        gp->spec->objective.subset || spec->points >= gp->validation.n)
        return false;
    return spec->method == KR_VARIANCE_AUTO ? block_is_dear(gp, gp->train.n, gp->validation.n, budget)
                                            : spec->method == KR_VARIANCE_SAMPLED;
}

bool kr_gp_samples_scores(const struct kr_gp *gp, size_t fitted, size_t scored, size_t budget)
{
    return !gp->space && gp->targets == 1 && gp->spec->objective.variance.method != KR_VARIANCE_EXACT &&
           block_is_dear(gp, fitted, scored, budget);
}

kr_status kr_gp_score_sampled(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *fitted,
                              const struct kr_part *scored, const double *theta, struct kr_metrics *out)
{
    struct kr_gp_spec spec = *gp->spec;
    struct kr_gp view = *gp;
    struct kr_evaluation evaluation;
    const struct kr_mark mark = kr_mark(ctx);
    view.spec = &spec;
    view.train = *fitted;
    view.validation = *scored;
    view.form = KR_HOLD_OUT;
    view.draw = KR_WHOLE;
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
    if (gp->form != KR_HOLD_OUT)
        return kr_fail(ctx, KR_INVALID, pointer, "must not be sampled with %s: only held-out rows are",
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
    sample->most = spec->neighbours < gp->train.n ? spec->neighbours : gp->train.n;
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

/* The neighbours and what they say of every point. */
static kr_status look_around(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    s->hood = (struct neighbourhood){gp->kernel,      w->theta,        gp->noise_index,      &gp->train,
                                     &gp->validation, s->sample->most, s->sample->neighbours};
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

static kr_status open_exact(struct kr_ctx *ctx, struct work *w)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    const size_t count = s->sample->count;
    struct kr_part part;
    struct kr_op transposed;
    w->columns = 1 + count;
    KR_ALLOC(ctx, s->exact, count);
    KR_ALLOC(ctx, s->gap, count);
    KR_ALLOC(ctx, s->clamped, count);
    KR_ALLOC(ctx, s->exact_bar, w->nheads * count);
    KR_TRY(kr_part_gather(ctx, &gp->validation, count, s->sample->points, &part));
    s->x = part.x;
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &s->x, &gp->train.x, &s->cross));
    KR_TRY(kr_op_kernel(ctx, gp->kernel, w->theta, &gp->train.x, &s->x, &transposed));
    KR_TRY(kr_op_fill(ctx, &transposed, w->B + w->n));
    return KR_OK;
}

/* exact and gap from the block; the largest gap/v. */
static kr_status bracket_variances(struct kr_ctx *ctx, struct work *w, double *widest)
{
    struct sampled *s = w->sampled;
    const struct kr_preconditioner *P = &w->A.solver.P;
    const size_t n = w->n, count = s->sample->count;
    const double noise = kr_objective_least_noise(w);
    double *Z = NULL;
    struct kr_mark mark = kr_mark(ctx);
    *widest = 0;
    if (P->type && P->type->rank >= 0 && P->rank > 0) { /* of low rank: P <= A */
        KR_ALLOC(ctx, Z, n * count);
        KR_TRY(kr_preconditioner_apply(ctx, P, count, w->residual + n, Z));
    }
    kr_kernel_diagonal(w->gp->kernel, w->theta, &s->x, w->scratch, s->exact);
    for (size_t i = 0; i < count; i++) {
        const size_t column = (1 + i) * n;
        const double *r = w->residual + column, least = kr_objective_noise(w, s->sample->points[i]),
                     v = least + s->exact[i] - cblas_ddot((int)n, w->solution + column, 1, w->B + column, 1) -
                         cblas_ddot((int)n, w->solution + column, 1, r, 1);
        s->gap[i] = cblas_ddot((int)n, r, 1, r, 1) / noise;
        if (Z)
            s->gap[i] =
                fmin(s->gap[i], fmax(cblas_ddot((int)n, r, 1, Z + i * n, 1), 0) + P->rounding * s->gap[i]);
        s->clamped[i] = !(v > least);
        s->exact[i] = s->clamped[i] ? least : v;
        *widest = fmax(*widest, s->gap[i] / s->exact[i]);
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* What several rounds of one solve did: the effort of all, the outcome of the last. */
static void add_round(struct kr_solve_report *sum, const struct kr_solve_report *round)
{
    const size_t iterations = sum->iterations + round->iterations, products = sum->products + round->products;
    const double seconds = sum->seconds + round->seconds;
    *sum = *round;
    sum->iterations = iterations;
    sum->products = products;
    sum->seconds = seconds;
}

static void add_solve(struct kr_solve_report *sum, const struct kr_solve_report *solve)
{
    sum->iterations += solve->iterations;
    sum->products += solve->products;
    sum->seconds += solve->seconds;
    sum->stop = solve->stop > sum->stop ? solve->stop : sum->stop;
    sum->residual = fmax(sum->residual, solve->residual);
}

static kr_status solve_exact(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_solver_options *asked = w->A.solver.options;
    struct kr_solver_options options = *asked;
    struct kr_solver solver = w->A.solver;
    struct kr_solve_report all = {0};
    const size_t n = w->n;
    double widest = INFINITY;
    solver.options = &options;
    options.rtol = fmax(asked->rtol, FIRST_RTOL);
    for (const double *start = NULL;; start = w->solution + n) {
        struct kr_solve_report round = {0};
        KR_TRY(kr_solver_solve(ctx, &solver, w->columns - 1, w->B + n, start, w->solution + n,
                               w->residual + n, &round));
        add_round(&all, &round);
        KR_TRY(kr_objective_check_solve(ctx, w, &all));
        KR_TRY(bracket_variances(ctx, w, &widest));
        if (widest <= w->sampled->sample->spec->tolerance || options.rtol <= asked->rtol ||
            !kr_solve_converged(&all))
            break;
        options.rtol = fmax(asked->rtol, TIGHTEN * options.rtol);
    }
    add_solve(&out->solver, &all);
    return KR_OK;
}

static kr_status predict(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    struct sampled *s = w->sampled;
    KR_TRY(kr_objective_predict_means(ctx, w, out));
    if (gp->sample)
        s->sample = gp->sample;
    else
        KR_TRY(kr_variance_sample_open(ctx, gp, &s->sample));
    KR_TRY(look_around(ctx, w));
    KR_TRY(open_exact(ctx, w));
    KR_TRY(solve_exact(ctx, w, out));
    if (!s->sample->ready)
        kr_variance_sample_calibrate(s->sample, w, s->f, s->exact);
    out->clamped = kr_variance_sample_surrogate(s->sample, w, s->f);
    return KR_OK;
}

static void correct(struct work *w, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    for (size_t h = 0; h < w->nheads; h++)
        if (w->heads[h].needs_variance)
            kr_variance_sample_correct(s, w, h, h == 0 ? &out->standard_error : NULL,
                                       h == 0 ? &out->variance_bracket : NULL);
    for (size_t i = 0; i < s->sample->count; i++) /* for the metrics */
        w->variance[s->sample->points[i]] = s->exact[i];
}

/* u of every head, and for the error of the first. */
static kr_status solve_for_u(struct kr_ctx *ctx, struct work *w, double *U, struct kr_evaluation *out)
{
    double *rhs;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, rhs, w->n * w->nheads);
    KR_TRY(kr_op_apply_t(ctx, &w->cross, w->nheads, w->mean_bar, rhs));
    KR_TRY(kr_solver_solve(ctx, &w->A.solver, w->nheads, rhs, NULL, U, NULL, &out->solver));
    out->value_error = cblas_ddot((int)w->n, U, 1, w->residual, 1);
    kr_release(ctx, mark);
    return KR_OK;
}

/* Of the surrogate: what a clamped variance depends on is the noise. */
static kr_status pull_surrogate(struct kr_ctx *ctx, struct work *w, const struct head *head)
{
    const struct sampled *s = w->sampled;
    const double *c = s->sample->c;
    double *f_bar;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, f_bar, KR_NEIGHBOUR_SETS * w->m);
    for (size_t j = 0; j < w->m; j++) {
        const double v_bar = head->variance_bar[j];
        head->grad[w->gp->noise_index] += w->clamped[j] ? v_bar : c[KR_NEIGHBOUR_SETS] * v_bar;
        for (size_t set = 0; set < KR_NEIGHBOUR_SETS && !w->clamped[j]; set++)
            f_bar[set * w->m + j] = c[set] * v_bar;
    }
    KR_TRY(kr_neighbours_pull(ctx, &s->hood, f_bar, s->solutions, head->grad));
    kr_release(ctx, mark);
    return KR_OK;
}

/* Of the exact variances, and of all means by way of u. B is overwritten by the weights on K(X_B, X), the
 * residuals by [u, -S_B diag(v_bar)]. */
static kr_status pull_exact(struct kr_ctx *ctx, struct work *w, const struct head *head, double *v_bar,
                            const double *u, struct kr_evaluation *out)
{
    const struct sampled *s = w->sampled;
    const size_t n = w->n;
    memcpy(w->residual, u, n * sizeof *u);
    for (size_t i = 0; i < s->sample->count; i++) {
        const double *solution = w->solution + (1 + i) * n;
        double *weights = w->B + (1 + i) * n, *B_bar = w->residual + (1 + i) * n;
        head->grad[w->gp->noise_index] += v_bar[i];
        if (s->clamped[i])
            v_bar[i] = 0;
        for (size_t r = 0; r < n; r++) {
            weights[r] = -2 * v_bar[i] * solution[r];
            B_bar[r] = -v_bar[i] * solution[r];
        }
    }
    KR_TRY(kr_solve_pull(ctx, &w->A.solver, w->columns, w->solution, NULL, NULL, w->residual, head->grad,
                         &out->solver));
    KR_TRY(kr_op_kernel_pull_weights(ctx, &s->cross, w->B + n, head->grad));
    kr_kernel_diagonal_pull(w->gp->kernel, w->theta, &s->x, v_bar, w->scratch, head->grad);
    return KR_OK;
}

static kr_status pull_head(struct kr_ctx *ctx, struct work *w, size_t h, double *u, struct kr_evaluation *out)
{
    const struct kr_gp *gp = w->gp;
    const struct sampled *s = w->sampled;
    const struct head *head = &w->heads[h];
    if (head->needs_variance) {
        KR_TRY(pull_surrogate(ctx, w, head));
        KR_TRY(pull_exact(ctx, w, head, s->exact_bar + h * s->sample->count, u, out));
    } else {
        KR_TRY(kr_solve_pull(ctx, &w->A.solver, 1, w->solution, NULL, NULL, u, head->grad, &out->solver));
    }
    KR_TRY(kr_op_pull(ctx, &w->cross, 1, head->mean_bar, w->solution, 1, head->grad));
    cblas_dscal((int)w->n, -1, u, 1);
    kr_means_pull(kr_means(gp), w->theta, &gp->validation.x, head->mean_bar, head->grad);
    kr_means_pull(kr_means(gp), w->theta, &gp->train.x, u, head->grad);
    return KR_OK;
}

static kr_status pull(struct kr_ctx *ctx, struct work *w, struct kr_evaluation *out)
{
    double *U;
    KR_ALLOC(ctx, U, w->n * w->nheads);
    KR_TRY(solve_for_u(ctx, w, U, out));
    for (size_t h = 0; h < w->nheads; h++)
        KR_TRY(pull_head(ctx, w, h, U + h * w->n, out));
    return KR_OK;
}

const struct form kr_form_sampled = {.predict = predict, .correct = correct, .pull = pull};
