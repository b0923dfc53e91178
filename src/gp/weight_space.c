/*
 * The posterior of the weights of phi, k(x, z) = phi(x)'phi(z), in O(n p) memory-free products:
 *
 *     A = diag(D) Phi(X),   D_i = (s2 + s_i^2)^-1/2,   b = D (y - m(X)),   w = LstSq(A, b, 1)
 *     mu* = m(x*) + phi*'w,     v* = phi*'(A'A + I)^-1 phi* (+ k** - |phi*|^2 for inducing inputs) + noise
 *
 * which for equal noise is w = LstSq(Phi, y - m, sigma) and s2 phi*'(Phi'Phi + s2 I)^-1 phi*. p is hundreds,
 * so A'A (n p^2 flops, products of matrices) is affordable, and its factor L L' = A'A + I serves three times:
 * A L^-T has condition 1, so LSMR ends in a step or two whatever the kernel; L^-T L^-1 A'b is where it
 * starts; variances are |L^-1 phi*|^2. What the normal equations lose, the true residuals of the engine bring
 * back. Several targets are columns of b, w and r.
 *
 * Cost of a fit: n p^2 flops and p^3/3, and about 6 passes over the features. Memory: 2 p^2 + 3 n doubles,
 * and what a solve takes. Sources: Rasmussen and Williams 2006, section 2.1; Quinonero-Candela and Rasmussen
 * 2005.
 */
#include "gp/weight_space.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dpotri_(const char *uplo, const int *n, double *A, const int *lda, int *info);

/* Tolerance of the engine by that of a request: it bounds A'r, and the factor makes more digits free, but
 * none below the rounding of products with an ill-conditioned root. */
static const double tighter = 1e-4;

double kr_weight_noise(const struct kr_weight_space *space, const double *theta)
{
    double sum = 0;
    for (size_t c = 0; c < space->nnoise; c++)
        sum += theta[space->noise[c]];
    return sum;
}

/* The engine's report in the words of a solver's; the worst of several calls. */
static void tell(const struct kr_lstsq_report *from, size_t p, struct kr_solve_report *to)
{
    const enum kr_stop stop = kr_lstsq_converged(from)                 ? KR_STOP_RTOL
                              : from->stop == KR_LSTSQ_STOP_NON_FINITE ? KR_STOP_BREAKDOWN
                                                                       : KR_STOP_ITERATIONS;
    to->type = "lsmr";
    to->reason = "weight space: a least-squares problem";
    to->preconditioner = "gram";
    to->preconditioner_reason = "the factor of the Gram matrix of the features: condition 1";
    to->rank = p;
    to->stop = (int)stop > to->stop ? (int)stop : to->stop;
    to->iterations += from->iterations;
    to->residual = fmax(to->residual, from->normal_residual);
    to->products += from->products;
    to->seconds += from->seconds;
}

/* ---- the fit ---- */

static kr_status require_noise(struct kr_ctx *ctx, const struct weight_fit *fit)
{
    const double noise = kr_weight_noise(fit->space, fit->theta), *known = fit->noise.known;
    for (size_t i = 0; i < fit->n; i++)
        if (!(noise + (known ? known[i] : 0) > 0))
            return kr_fail(ctx, KR_INVALID, "/model/noise/variance",
                           "must be positive with an approximation, where a row has no known noise: got %g",
                           noise);
    return KR_OK;
}

static kr_status factorise(struct kr_ctx *ctx, struct weight_fit *fit)
{
    const int p = (int)fit->p;
    int info;
    KR_TRY(kr_features_gram(ctx, &fit->A, NULL, fit->P));
    memcpy(fit->L, fit->P, fit->p * fit->p * sizeof *fit->L);
    for (size_t i = 0; i < fit->p; i++) {
        if (!isfinite(fit->P[i * (fit->p + 1)]))
            return kr_fail(ctx, KR_NON_FINITE, "", "the features are not finite at these hyperparameters");
        fit->L[i * (fit->p + 1)] += 1;
    }
    dpotrf_("L", &p, fit->L, &p, &info);
    if (info == 0)
        return kr_poll(ctx);
    return kr_fail(
        ctx, KR_NOT_POSITIVE_DEFINITE, "",
        "the Gram matrix of %zu features and %zu rows is not positive definite to double precision: "
        "raise noise.variance",
        fit->p, fit->n);
}

/* w = (A'A + I)^-1 A'b by the factor: where the engine starts. */
static kr_status start(struct kr_ctx *ctx, struct weight_fit *fit)
{
    const int p = (int)fit->p;
    KR_TRY(kr_op_apply_t(ctx, &fit->A, fit->targets, fit->b, fit->w));
    for (size_t t = 0; t < fit->targets; t++) {
        double *w = fit->w + t * fit->p;
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, p, fit->L, p, w, 1);
        cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, p, fit->L, p, w, 1);
    }
    return KR_OK;
}

static double scale_of(const struct weight_fit *fit, double noise, size_t i)
{
    return 1 / sqrt(noise + (fit->noise.known ? fit->noise.known[i] : 0));
}

static void set_targets(const struct kr_gp *gp, struct weight_fit *fit)
{
    const double noise = kr_weight_noise(fit->space, fit->theta);
    kr_centre(gp, fit->theta, fit->part, fit->b);
    for (size_t t = 0; t < fit->targets; t++)
        for (size_t i = 0; i < fit->n; i++)
            fit->b[t * fit->n + i] *= scale_of(fit, noise, i);
}

kr_status kr_weight_fit(struct kr_ctx *ctx, const struct kr_gp *gp, const struct kr_part *part,
                        const double *theta, struct weight_fit *fit, struct kr_solve_report *report)
{
    const struct kr_weight_space *space = gp->space;
    const double began = kr_seconds();
    struct kr_lstsq_report solve = {0};
    *fit = (struct weight_fit){.space = space,
                               .part = part,
                               .theta = theta,
                               .n = part->n,
                               .p = space->map.p,
                               .targets = gp->targets,
                               .noise = {space->nnoise, space->noise, part->noise}};
    KR_TRY(require_noise(ctx, fit));
    KR_ALLOC(ctx, fit->P, fit->p * fit->p);
    KR_ALLOC(ctx, fit->L, fit->p * fit->p);
    KR_ALLOC(ctx, fit->b, fit->n * fit->targets);
    KR_ALLOC(ctx, fit->w, fit->p * fit->targets);
    KR_ALLOC(ctx, fit->r, fit->n * fit->targets);
    KR_TRY(kr_features_open(ctx, &space->map, theta, &fit->map));
    KR_TRY(kr_op_features(ctx, &fit->map, &part->x, &fit->noise, &fit->A));
    KR_TRY(kr_op_solve_triangular(ctx, fit->p, fit->L, true, &fit->factor_op));
    set_targets(gp, fit);
    KR_TRY(factorise(ctx, fit));
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_options_schema, &fit->options));
    fit->options.atol = fit->options.btol =
        fmax(tighter * gp->spec->solver.rtol, 2 * DBL_EPSILON * fit->map.condition);
    if (gp->spec->solver.max_iterations)
        fit->options.max_iterations = gp->spec->solver.max_iterations;
    KR_TRY(kr_lstsq_open(ctx, &fit->options, &fit->A, 1, &fit->factor_op, &fit->problem));
    KR_TRY(start(ctx, fit));
    KR_TRY(kr_lstsq_solve(ctx, &fit->problem, fit->targets, fit->b, fit->w, fit->w, fit->r, NULL, &solve));
    solve.seconds = kr_seconds() - began;
    tell(&solve, fit->p, report);
    return KR_OK;
}

/* ---- variances ---- */

kr_status kr_weight_variance(struct kr_ctx *ctx, const struct kr_weight_space *space,
                             struct kr_feature_map *map, const double *L, const struct kr_points *x,
                             double *variance, bool *rounded)
{
    struct kr_op op;
    double *prior, *known, *scratch;
    const struct kr_mark mark = kr_mark(ctx);
    KR_TRY(kr_op_features(ctx, map, x, NULL, &op));
    KR_TRY(kr_features_lengths(ctx, &op, L, variance));
    if (space->residual) {
        KR_ALLOC(ctx, prior, x->n);
        KR_ALLOC(ctx, known, x->n);
        KR_ALLOC(ctx, scratch, kr_kernel_scratch(space->kernel));
        kr_kernel_diagonal(space->kernel, map->theta, x, scratch, prior);
        KR_TRY(kr_features_lengths(ctx, &op, NULL, known));
        for (size_t j = 0; j < x->n; j++) {
            const bool below = prior[j] < known[j];
            variance[j] += below ? 0 : prior[j] - known[j];
            if (rounded)
                rounded[j] = below;
        }
    }
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_weight_inverse(struct kr_ctx *ctx, const struct weight_fit *fit, double *X)
{
    const int p = (int)fit->p;
    int info;
    memcpy(X, fit->L, fit->p * fit->p * sizeof *X);
    dpotri_("L", &p, X, &p, &info);
    for (size_t j = 0; j < fit->p; j++)
        for (size_t i = 0; i < j; i++)
            X[i + j * fit->p] = X[j + i * fit->p];
    return kr_poll(ctx);
}

/* ---- derivatives ---- */

/* out = -X C X for symmetric X and C; symmetric to the bit. */
static void sandwich(size_t p, const double *X, const double *C, double *half, double *out)
{
    const int n = (int)p;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, X, n, C, n, 0, half, n);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, -1, half, n, X, n, 0, out, n);
    for (size_t j = 0; j < p; j++)
        for (size_t i = 0; i < j; i++)
            out[i + j * p] = out[j + i * p] = 0.5 * (out[i + j * p] + out[j + i * p]);
}

kr_status kr_weight_pull_explained(struct kr_ctx *ctx, const struct weight_fit *fit, const struct kr_op *op,
                                   const double *c, bool residual, double *grad)
{
    const size_t p = fit->p;
    double *C, *X, *G_bar, *half;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, C, p * p);
    KR_ALLOC(ctx, X, p * p);
    KR_ALLOC(ctx, G_bar, p * p);
    KR_ALLOC(ctx, half, p * p);
    KR_TRY(kr_features_gram(ctx, op, c, C));
    KR_TRY(kr_weight_inverse(ctx, fit, X));
    sandwich(p, X, C, half, G_bar);
    for (size_t i = 0; residual && i < p; i++)
        X[i * (p + 1)] -= 1;
    KR_TRY(kr_features_pull_gram(ctx, op, c, X, C, 1, grad));
    KR_TRY(kr_features_pull_gram(ctx, &fit->A, NULL, G_bar, fit->P, 1, grad));
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_weight_pull_prior(struct kr_ctx *ctx, const struct weight_fit *fit, const struct kr_points *x,
                               const double *c, bool with_features, double *grad)
{
    const size_t p = fit->p;
    double *scratch, *C, *N;
    struct kr_op op;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, scratch, kr_kernel_scratch(fit->space->kernel));
    kr_kernel_diagonal_pull(fit->space->kernel, fit->theta, x, c, scratch, grad);
    if (with_features) {
        KR_ALLOC(ctx, C, p * p);
        KR_ALLOC(ctx, N, p * p);
        for (size_t i = 0; i < p; i++)
            N[i * (p + 1)] = -1;
        KR_TRY(kr_op_features(ctx, (struct kr_feature_map *)&fit->map, x, NULL, &op));
        KR_TRY(kr_features_gram(ctx, &op, c, C));
        KR_TRY(kr_features_pull_gram(ctx, &op, c, N, C, 1, grad));
    }
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_weight_pull_targets(struct kr_ctx *ctx, const struct kr_gp *gp, const struct weight_fit *fit,
                                 const double *b_bar, double *grad)
{
    const double noise = kr_weight_noise(fit->space, fit->theta);
    double *minus, by_noise = 0;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, minus, fit->n * fit->targets);
    for (size_t e = 0; e < fit->n * fit->targets; e++) {
        const double scale = scale_of(fit, noise, e % fit->n);
        minus[e] = -scale * b_bar[e];
        by_noise -= 0.5 * b_bar[e] * fit->b[e] * scale * scale;
    }
    for (size_t c = 0; c < fit->space->nnoise; c++)
        grad[fit->space->noise[c]] += by_noise;
    kr_means_pull(kr_means(gp), fit->theta, &fit->part->x, minus, grad);
    kr_release(ctx, mark);
    return KR_OK;
}

kr_status kr_weight_pull_solve(struct kr_ctx *ctx, const struct weight_fit *fit, const double *w_bar,
                               double *b_bar, double *grad, double *error, double *bound,
                               struct kr_solve_report *report)
{
    struct kr_lstsq_report solve = {0};
    KR_TRY(kr_lstsq_pull(ctx, &fit->problem, fit->targets, fit->w, fit->r, w_bar, b_bar, grad, NULL, &solve));
    tell(&solve, fit->p, report);
    *error = solve.value_error;
    *bound = solve.value_bound;
    return KR_OK;
}
