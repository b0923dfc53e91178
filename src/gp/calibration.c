/*
 * leave_one_out: with a = A^-1 (y - m) and c_i = (A^-1)_ii, the residual of row i predicted from all others
 * is a_i/c_i and its predictive variance 1/c_i; their mean standardised square is
 *
 *     s = 1/n sum_i a_i^2/c_i,
 *
 * and 1 when k and the noise are scaled by s: then a falls by s and c too, and no prediction's mean changes.
 * Cost: solves with the columns of the identity, in blocks: 2 n^3 flops where the solver has factorised, else
 * at most 512 columns. Memory: 2 n doubles a column of a block, and the solver's own; blocks are
 * narrow where there are many rows. Source: Rasmussen and Williams 2006, section
 * 5.4.2; Bachoc 2013 (Cross validation and maximum likelihood estimations of hyper-parameters), eq. 5.
 */
#include "kriged/calibration.h"
#include "gp/weight_space.h"

#include <string.h>

enum { WIDE = 256, NARROW = 32, DRAWN = 512, STREAM = 5 };

/* ---- what scales the covariance ---- */

/* A leaf is proportional to its variance, or to its variances together. Marks, or only asks (scales = NULL).
 */
static bool mark(const struct kr_gp *gp, const struct kr_kernel *kernel, bool *scales)
{
    bool all = true, any = false;
    if (kernel->nkernels) {
        for (size_t c = 0; c < kernel->nkernels; c++) {
            const bool can = mark(gp, kernel->kernels[c], NULL);
            if (can && scales && !(kernel->type->multiplies && any))
                mark(gp, kernel->kernels[c], scales);
            any |= can;
            all &= can;
        }
        return kernel->type->multiplies ? any : all;
    }
    for (size_t p = 0, at = kernel->first; p < kernel->type->nparameters; at += kernel->entries[p++])
        for (size_t k = 0; kernel->type->parameters[p].unit == KR_UNIT_VARIANCE && k < kernel->entries[p];
             k++) {
            any = true;
            all &= !gp->parameters.items[at + k].spec.fixed;
            if (scales)
                scales[at + k] = true;
        }
    return any && all;
}

kr_status kr_gp_scales(struct kr_ctx *ctx, const struct kr_gp *gp, const char *pointer, bool *scales)
{
    const struct kr_param_value *noise = &gp->parameters.items[gp->noise_index].spec;
    memset(scales, 0, gp->parameters.count * sizeof *scales);
    if (gp->fit.noise)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "scales all variances together, and the known noise variances of the data cannot be "
                       "scaled");
    if (noise->fixed && noise->value > 0)
        return kr_fail(ctx, KR_INVALID, pointer,
                       "scales all variances together, and noise.variance is fixed at %g", noise->value);
    if (!mark(gp, gp->kernel, NULL))
        return kr_fail(ctx, KR_INVALID, pointer,
                       "scales all variances together, and a variance of the kernel is fixed");
    mark(gp, gp->kernel, scales);
    scales[gp->noise_index] = true;
    return KR_OK;
}

/* ---- leave-one-out ---- */

/* The mean over targets of the sum of a_i^2/c_i over the rows index[0 .. k). */
static kr_status add_block(struct kr_ctx *ctx, const struct covariance *A, size_t n, size_t targets,
                           const double *alpha, size_t k, const size_t *index, double *sum,
                           struct kr_solve_report *report)
{
    double *E, *X;
    const struct kr_mark start = kr_mark(ctx);
    KR_ALLOC(ctx, E, n * k);
    KR_ALLOC(ctx, X, n * k);
    for (size_t j = 0; j < k; j++)
        E[j * n + index[j]] = 1;
    KR_TRY(kr_solver_solve(ctx, &A->solver, k, E, NULL, X, NULL, report));
    for (size_t j = 0; j < k; j++) {
        const double c = X[j * n + index[j]];
        if (!(c > 0))
            return kr_fail(ctx, KR_NOT_POSITIVE_DEFINITE, "",
                           "an entry of the inverse covariance's diagonal is %g: it is not positive definite "
                           "to double precision; raise noise.variance",
                           c);
        for (size_t t = 0; t < targets; t++)
            *sum += alpha[t * n + index[j]] * alpha[t * n + index[j]] / c / (double)targets;
    }
    kr_release(ctx, start);
    return KR_OK;
}

/* All rows, or the first of a shuffle. */
static size_t choose(size_t n, bool all, size_t *index)
{
    struct kr_rng rng;
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    if (all || n <= DRAWN)
        return n;
    kr_rng_init(&rng, 0, STREAM);
    kr_rng_shuffle(&rng, n, index);
    return DRAWN;
}

kr_status kr_gp_leave_one_out_spread(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                                     double *spread, size_t *rows)
{
    const struct kr_part *fit = &gp->fit;
    const struct kr_mark start = kr_mark(ctx);
    struct kr_solve_report report = {0};
    struct covariance A;
    double *rhs, *alpha, sum = 0;
    size_t *index;
    if (gp->space) {
        if (rows)
            *rows = fit->n;
        return kr_weight_spread(ctx, gp, theta, spread);
    }
    KR_ALLOC(ctx, rhs, fit->n * gp->targets);
    KR_ALLOC(ctx, alpha, fit->n * gp->targets);
    KR_ALLOC(ctx, index, fit->n);
    KR_TRY(kr_covariance_open(ctx, gp->kernel, theta, gp->noise_index, &fit->x, fit->noise, &gp->spec->solver,
                              &A));
    kr_centre(gp, theta, fit, rhs);
    KR_TRY(kr_solver_solve(ctx, &A.solver, gp->targets, rhs, NULL, alpha, NULL, &report));
    const bool dense = A.solver.type->logdet != NULL;
    const size_t count = choose(fit->n, dense, index), block = dense ? WIDE : NARROW;
    for (size_t j = 0; j < count; j += block)
        KR_TRY(add_block(ctx, &A, fit->n, gp->targets, alpha, count - j < block ? count - j : block,
                         index + j, &sum, &report));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &report));
    *spread = sum / (double)count;
    if (rows)
        *rows = count;
    kr_release(ctx, start);
    return KR_OK;
}

/* A spread of 0 (every row met exactly) would leave nothing. */
static kr_status leave_one_out_factor(struct kr_ctx *ctx, const struct kr_gp *gp, const double *theta,
                                      double *factor)
{
    KR_TRY(kr_gp_leave_one_out_spread(ctx, gp, theta, factor, NULL));
    if (*factor > 0 && *factor < 1e30)
        return KR_OK;
    return kr_fail(ctx, KR_NON_FINITE, "",
                   "the mean standardised squared leave-one-out residual is %g: no scaling makes it 1",
                   *factor);
}

static const struct kr_calibration_type none = {{"none", "variances stay as tuned", NULL}, NULL};
static const struct kr_calibration_type leave_one_out = {
    {"leave_one_out",
     "all variances and the noise are scaled until the mean standardised squared leave-one-out residual is 1",
     NULL},
    leave_one_out_factor};
static const struct kr_type *const rows_of[] = {&none.base, &leave_one_out.base, NULL};
const struct kr_registry kr_calibration_registry = {"calibration", rows_of};
