/*
 * Reverse mode of the least-squares operator X = LstSq(A, B, lambda), from X_bar = dL/dX (n x k):
 *
 *     lambda = 0, rank locally constant:   bbar = LstSq(A', xbar),   s = xbar - A'bbar
 *                                          W = LstSq(A, bbar),       Y = LstSq(A', x),    r = b - A x
 *                      theta:  pull(r, W) - pull(bbar, x) + pull(Y, s)
 *
 *     lambda > 0:      W = (A'A + lambda^2 I)^-1 xbar,   bbar = A W = LstSq(A', xbar, lambda)
 *                      theta:  pull(r, W) - pull(bbar, x),        lambda_bar = -2 lambda <W, x>
 *
 * Undamped, W is not solved for where r is zero to the forward tolerance (A x = b has a solution: wide of
 * full rank), nor Y where s is zero to the backward one (xbar is in the range of A': tall of full rank). So
 * tall and wide of full rank take 2 solves, square 1, rank-deficient 3; B_bar alone takes 1.
 *
 * Damped, one solve gives bbar, and W = s / lambda^2 costs nothing; where lambda is small against the small
 * singular values, lstsq_dual.c says what is left to solve. Then r is lambda^2 Y with Y = (A A' + lambda^2
 * I)^-1 b, and what b - A x keeps of it is no more than rounding, but W has a part s / lambda^2: the same
 * correction serves r. Each is made where its gap can change pull(r, W) by more than the tolerances do
 * anyway, 10 tol cond |bbar||x|: that of W where r has a part outside the range of A (tall), that of r where
 * xbar has a part outside the range of A' (wide), so that as in the table above tall and wide take 2 solves,
 * square 1, rank-deficient 3. lambda_bar is taken as -2 lambda <bbar, Y> where that is known better.
 *
 * The error of the scalar, true minus computed, to first order and exactly for a linear L:
 *
 *     lambda = 0:    x - xhat = A+ r - (I - A+A) xhat                 sum <bbar, r> - <s, xhat>
 *     lambda > 0:    x - xhat = G^-1 g,  g = A'r - lambda^2 xhat      sum <W, g>
 *
 * with G = A'A + lambda^2 I. With the measured h = xbar - G W the damped estimate is off by <h, G^-1 g>, so
 * by sum |h||g|/lambda^2 at most. An estimate knows nothing that the backward solve does not, and Krylov
 * methods make both residuals nearly orthogonal to what the other one knows. Measured (60 x 40, cond 30 and
 * 1e4, xbar random, x and A'b): damped, estimate/error is 0.95 to 1.3 at equal tolerances; undamped it is
 * anything from -5 to 2 there, 0.2 to 1.2 (once 5) with a backward tolerance ten times tighter, 0.8 to 1.1
 * with one a hundred times tighter. A bound above the estimate says the same.
 *
 * Cost: the solves; beside them 1 product a column (undamped), 4 to 5 (damped). Memory: 3 (m + n) k doubles
 * and what a solve takes. Source: Roy, Kraemer and Hauberg, arXiv 2510.19634; the undamped formula is that of
 * Golub and Pereyra (1973) for the derivative of a pseudo-inverse.
 */
#include "solve/lstsq_dual.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

struct reverse {
    struct kr_lstsq_backward backward;
    const struct kr_lstsq_options *forward;
    size_t m, n, k;
    const double *X, *R, *X_bar;
    double *bbar, *S, *B; /* m x k, n x k, m x k */
    double *gain;         /* |A x|/|x| of every column */
    struct kr_lstsq_scale scale;
    struct kr_lstsq_report *report;
};

static double inner(size_t n, const double *x, const double *y)
{
    return cblas_ddot((int)n, x, 1, y, 1);
}

static double inner_block(size_t n, size_t k, const double *X, const double *Y)
{
    double sum = 0;
    for (size_t c = 0; c < k; c++)
        sum += inner(n, X + c * n, Y + c * n);
    return sum;
}

static double norm2(size_t n, const double *x)
{
    return cblas_dnrm2((int)n, x, 1);
}

static kr_status pull_undamped(struct kr_ctx *ctx, const struct reverse *v, double *grad)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const double tolerance = v->backward.options.atol, norm = v->scale.norm;
    const struct kr_lstsq_residual r = {false, v->k, v->B, v->X, v->R, v->forward->atol, v->forward->btol,
                                        norm},
                                   s = {true, v->k, v->X_bar, v->bbar, v->S, tolerance, tolerance, norm};
    double *W, *Y = v->B; /* B is needed for r only */
    bool zero;
    KR_TRY(kr_op_pull(ctx, &problem->A, v->k, v->bbar, v->X, -1, grad));
    KR_TRY(kr_lstsq_is_zero(ctx, problem, &r, &zero, v->report));
    if (!zero) {
        KR_ALLOC(ctx, W, v->n * v->k);
        KR_TRY(kr_lstsq_solve(ctx, problem, v->k, v->bbar, NULL, W, NULL, NULL, v->report));
        KR_TRY(kr_op_pull(ctx, &problem->A, v->k, v->R, W, 1, grad));
    }
    KR_TRY(kr_lstsq_is_zero(ctx, problem, &s, &zero, v->report));
    if (!zero) {
        KR_TRY(kr_lstsq_solve_t(ctx, problem, v->k, v->X, Y, NULL, NULL, v->report));
        KR_TRY(kr_op_pull(ctx, &problem->A, v->k, Y, v->S, 1, grad));
    }
    return KR_OK;
}

/* value_error and value_bound; W (n x k) may be anything. */
static kr_status estimate_damped(struct kr_ctx *ctx, const struct reverse *v, const double *W)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const double lambda2 = problem->damping * problem->damping;
    double *AW, *GW, *g, bound = 0;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, AW, v->m * v->k);
    KR_ALLOC(ctx, GW, v->n * v->k);
    KR_ALLOC(ctx, g, v->n * v->k);
    KR_TRY(kr_lstsq_product(ctx, problem, false, v->k, W, AW, v->report));
    KR_TRY(kr_lstsq_product(ctx, problem, true, v->k, AW, GW, v->report));
    KR_TRY(kr_lstsq_product(ctx, problem, true, v->k, v->R, g, v->report));
    for (size_t i = 0; i < v->n * v->k; i++) {
        g[i] -= lambda2 * v->X[i];
        GW[i] = v->X_bar[i] - GW[i] - lambda2 * W[i];
    }
    for (size_t c = 0; c < v->k; c++)
        bound += norm2(v->n, g + c * v->n) * norm2(v->n, GW + c * v->n) / lambda2;
    v->report->value_error = inner_block(v->n, v->k, W, g);
    v->report->value_bound = bound;
    kr_release(ctx, mark);
    return KR_OK;
}

/* The relative error that the tolerances give the gradient anyway. */
static double allowance(const struct reverse *v)
{
    const double tolerance = fmax(v->backward.options.atol, fmax(v->forward->atol, v->forward->btol));
    return 10 * v->scale.condition * fmax(tolerance, DBL_EPSILON);
}

/*
 * Can the gap of a dual solution change pull(r, W) by more than its share of the gradient? The change is
 * multiplied by `factor` and the length of the other vector (rows). Parts of r and W in directions that A
 * nearly annihilates count 10 times the rest at most, since a parameter may not move them: the rest is
 * |bbar||x|, and times (lambda |x|/|A x|)^2 what A'r = lambda^2 x and A W = bbar say of the other parts.
 */
static bool gap_matters(const struct reverse *v, const struct kr_lstsq_dual *dual, double factor, size_t rows,
                        const double *other, double allowed)
{
    for (size_t c = 0; c < v->k; c++) {
        const double length = factor * norm2(rows, other + c * rows),
                     change = kr_lstsq_dual_error(dual, c) * length,
                     ratio = v->backward.problem.damping / v->gain[c],
                     rest = norm2(v->m, v->bbar + c * v->m) * norm2(v->n, v->X + c * v->n),
                     first = length * norm2(dual->rows, dual->W + c * dual->rows);
        if (change > 0 && !(change <= allowed * (rest + fmin(first, 10 * (1 + ratio * ratio) * rest))))
            return true;
    }
    return false;
}

/* <W, x> = <bbar, Y>, column by column by the one that is known better: W or Y to their error, the product to
 * its rounding. */
static double damping_product(const struct reverse *v, const struct kr_lstsq_dual *W,
                              const struct kr_lstsq_dual *Y)
{
    double sum = 0;
    for (size_t c = 0; c < v->k; c++) {
        const double *w = W->W + c * v->n, *x = v->X + c * v->n, *y = Y->W + c * v->m,
                     *b = v->bbar + c * v->m;
        const double of_w = norm2(v->n, x) * (kr_lstsq_dual_error(W, c) + DBL_EPSILON * norm2(v->n, w)),
                     of_y = norm2(v->m, b) * (kr_lstsq_dual_error(Y, c) + DBL_EPSILON * norm2(v->m, y));
        sum += of_y < of_w ? inner(v->m, b, y) : inner(v->n, w, x);
    }
    return sum;
}

static kr_status pull_damped(struct kr_ctx *ctx, const struct reverse *v, double *grad, double *damping_bar)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const double lambda = problem->damping, tolerance = v->backward.options.atol;
    const struct kr_op *A = &problem->A;
    struct kr_lstsq_dual W = {.problem = problem,
                              .transposed = true,
                              .rows = v->n,
                              .cols = v->m,
                              .k = v->k,
                              .C = v->X_bar,
                              .U = v->bbar,
                              .R = v->S,
                              .scale = v->scale,
                              .atol = tolerance,
                              .btol = tolerance};
    struct kr_lstsq_dual Y = {.problem = problem,
                              .rows = v->m,
                              .cols = v->n,
                              .k = v->k,
                              .C = v->B,
                              .U = v->X,
                              .R = v->R,
                              .scale = v->scale,
                              .atol = v->forward->atol,
                              .btol = v->forward->btol};
    KR_TRY(kr_lstsq_dual_open(ctx, &W, v->report));
    if (grad || damping_bar) {
        KR_TRY(kr_lstsq_dual_open(ctx, &Y, v->report));
        const double allowed = allowance(v);
        if (grad && gap_matters(v, &W, 1, v->m, v->R, allowed))
            KR_TRY(kr_lstsq_dual_close(ctx, &W, v->report));
        if (grad && gap_matters(v, &Y, lambda * lambda, v->n, W.W, allowed))
            KR_TRY(kr_lstsq_dual_close(ctx, &Y, v->report));
        if (damping_bar && !kr_lstsq_dual_is_known(&W, allowed) && !kr_lstsq_dual_is_known(&Y, allowed))
            KR_TRY(kr_lstsq_dual_close(ctx, &W, v->report));
        kr_lstsq_dual_correct(&W, v->bbar);
    }
    KR_TRY(estimate_damped(ctx, v, W.W));
    if (damping_bar)
        *damping_bar -= 2 * lambda * damping_product(v, &W, &Y);
    if (!grad)
        return KR_OK;
    KR_TRY(kr_op_pull(ctx, A, v->k, Y.W, W.W, lambda * lambda, grad));
    return kr_op_pull(ctx, A, v->k, v->bbar, v->X, -1, grad);
}

/* B = R + A X, and what A X says of |A|: the estimate of a solve that had nothing to do is 0. */
static kr_status right_hand_sides(struct kr_ctx *ctx, struct reverse *v)
{
    KR_ALLOC(ctx, v->B, v->m * v->k);
    KR_ALLOC(ctx, v->gain, v->k);
    KR_TRY(kr_lstsq_product(ctx, &v->backward.problem, false, v->k, v->X, v->B, v->report));
    for (size_t c = 0; c < v->k; c++) {
        double *b = v->B + c * v->m;
        const double length = norm2(v->n, v->X + c * v->n);
        v->gain[c] = length > 0 ? norm2(v->m, b) / length : 0;
        v->scale.norm = fmax(v->scale.norm, v->gain[c]);
        cblas_daxpy((int)v->m, 1, v->R + c * v->m, 1, b, 1);
    }
    return KR_OK;
}

kr_status kr_lstsq_pull(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *X,
                        const double *R, const double *X_bar, double *B_bar, double *grad,
                        double *damping_bar, struct kr_lstsq_report *report)
{
    struct reverse v = {.forward = problem->options,
                        .m = problem->A.rows,
                        .n = problem->A.cols,
                        .k = k,
                        .X = X,
                        .R = R,
                        .X_bar = X_bar,
                        .report = report};
    struct kr_lstsq_column *columns;
    struct kr_mark mark = kr_mark(ctx);
    const bool damped = kr_lstsq_is_damped(problem);
    if (!problem->A.type->pull)
        grad = NULL;
    KR_TRY(kr_op_blocks(ctx, &problem->A, k));
    kr_lstsq_backward(problem, &v.backward);
    KR_ALLOC(ctx, v.bbar, v.m * k);
    KR_ALLOC(ctx, v.S, v.n * k);
    KR_ALLOC(ctx, columns, k);
    KR_TRY(kr_lstsq_solve_t(ctx, &v.backward.problem, k, X_bar, v.bbar, v.S, columns, report));
    v.scale = kr_lstsq_scale_of(k, columns);
    if (grad || (damping_bar && damped))
        KR_TRY(right_hand_sides(ctx, &v));
    if (damped) {
        KR_TRY(pull_damped(ctx, &v, grad, damping_bar));
    } else {
        report->value_error = inner_block(v.m, k, v.bbar, R) - inner_block(v.n, k, v.S, X);
        report->value_bound = NAN;
        if (grad)
            KR_TRY(pull_undamped(ctx, &v, grad));
    }
    if (B_bar)
        memcpy(B_bar, v.bbar, v.m * k * sizeof *B_bar);
    kr_release(ctx, mark);
    return KR_OK;
}
