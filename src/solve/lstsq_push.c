/*
 * Forward mode of the least-squares operator X = LstSq(A, B, lambda): X_dot along A_dot (an operator of A's
 * shape), B_dot (m x k) and lambda_dot. With r = b - A x and f = bdot - Adot x:
 *
 *     lambda = 0, rank locally constant:   Z = LstSq(A', Adot'r),   Y = LstSq(A', x),   q = Adot'Y
 *                                          xdot = A+ (f + Z) + (I - A+A) q = LstSq(A, f + Z - A q) + q
 *
 *     lambda > 0, G = A'A + lambda^2 I:    g = Adot'r - 2 lambda lambdadot x
 *                                          xdot = LstSq(A, f, lambda) + G^-1 g
 *
 * Undamped, Z is not solved for where r is zero to the forward tolerance, nor Y where A is known to have full
 * column rank (by the sketch). Damped, G^-1 g = s / lambda^2 + LstSq(A, u - A s / lambda^2, lambda), with u ~
 * LstSq(A', g, lambda) and s = g - A'u, is exact whatever the error of u (lstsq_dual.c), and its last solve
 * is shared with f. For small lambda, what g takes from r comes from r = lambda^2 (A A' + lambda^2 I)^-1 b,
 * corrected by one more solve where x - A'r / lambda^2 is more than 1000 tolerances, since G^-1 multiplies
 * its error by up to 1 / lambda^2.
 *
 * Cost: undamped 1 to 3 solves, damped 1 (nothing but B_dot) to 3; up to 4 products a column beside them.
 * Memory: 4 (m + n) k doubles and what a solve takes. Source: Golub and Pereyra 1973, formula 4.12, for the
 * derivative of a pseudo-inverse; the damped one differentiates the normal equations.
 */
#include "solve/lstsq_dual.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

struct forward {
    struct kr_lstsq_backward backward;
    const struct kr_lstsq_options *forward;
    size_t m, n, k;
    const double *X, *R;
    const struct kr_op *A_dot;
    double damping_dot;
    double *F, *X_dot; /* m x k, n x k */
    struct kr_lstsq_report *report;
};

static double norm2(size_t n, const double *x)
{
    return cblas_dnrm2((int)n, x, 1);
}

/* Y += alpha X, blocks of count doubles a column. */
static void add(size_t count, size_t k, double alpha, const double *X, double *Y)
{
    for (size_t c = 0; c < k; c++)
        cblas_daxpy((int)count, alpha, X + c * count, 1, Y + c * count, 1);
}

/* F = B_dot - A_dot X; without B_dot, 0 - A_dot X. */
static kr_status change_of_residual(struct kr_ctx *ctx, struct forward *v, const double *B_dot)
{
    KR_ALLOC(ctx, v->F, v->m * v->k);
    if (v->A_dot) {
        KR_TRY(kr_op_apply(ctx, v->A_dot, v->k, v->X, v->F));
        for (size_t i = 0; i < v->m * v->k; i++)
            v->F[i] = -v->F[i];
    }
    if (B_dot)
        add(v->m, v->k, 1, B_dot, v->F);
    return KR_OK;
}

/* B = R + A X, and a lower bound of |A|. */
static kr_status right_hand_sides(struct kr_ctx *ctx, struct forward *v, double *B, double *norm)
{
    KR_TRY(kr_lstsq_product(ctx, &v->backward.problem, false, v->k, v->X, B, v->report));
    for (size_t c = 0; c < v->k; c++) {
        const double length = norm2(v->n, v->X + c * v->n);
        if (length > 0)
            *norm = fmax(*norm, norm2(v->m, B + c * v->m) / length);
    }
    add(v->m, v->k, 1, v->R, B);
    return KR_OK;
}

static kr_status push_undamped(struct kr_ctx *ctx, struct forward *v)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const size_t m = v->m, n = v->n, k = v->k;
    double *block, *Q, norm = 0;
    struct kr_lstsq_column *columns;
    bool outside = v->A_dot && problem->rank != n; /* q may have a part outside the range of A' */
    KR_ALLOC(ctx, block, m * k);
    KR_ALLOC(ctx, Q, n * k);
    KR_ALLOC(ctx, columns, k);
    if (outside) {
        KR_TRY(kr_lstsq_solve_t(ctx, problem, k, v->X, block, NULL, columns, v->report));
        KR_TRY(kr_op_apply_t(ctx, v->A_dot, k, block, Q));
        KR_TRY(kr_lstsq_product(ctx, problem, false, k, Q, block, v->report));
        add(m, k, -1, block, v->F);
        norm = kr_lstsq_scale_of(k, columns).norm;
    }
    if (v->A_dot) {
        KR_TRY(right_hand_sides(ctx, v, block, &norm));
        const struct kr_lstsq_residual r = {false, k, block, v->X, v->R, v->forward->atol, v->forward->btol,
                                            norm};
        bool zero;
        KR_TRY(kr_lstsq_is_zero(ctx, problem, &r, &zero, v->report));
        if (!zero) {
            KR_TRY(kr_op_apply_t(ctx, v->A_dot, k, v->R, v->X_dot));
            KR_TRY(kr_lstsq_solve_t(ctx, problem, k, v->X_dot, block, NULL, NULL, v->report));
            add(m, k, 1, block, v->F);
        }
    }
    KR_TRY(kr_lstsq_solve(ctx, problem, k, v->F, NULL, v->X_dot, NULL, NULL, v->report));
    if (outside)
        add(n, k, 1, Q, v->X_dot);
    return KR_OK;
}

/* G = A_dot'R, R from the dual solution where b - A x has lost it. */
static kr_status change_of_gradient(struct kr_ctx *ctx, struct forward *v, double *G)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const double lambda2 = problem->damping * problem->damping;
    double *B;
    struct kr_lstsq_dual Y = {.problem = problem,
                              .rows = v->m,
                              .cols = v->n,
                              .k = v->k,
                              .C = NULL,
                              .U = v->X,
                              .R = v->R,
                              .scale = {0, 1}, /* not known before a solve */
                              .atol = v->forward->atol,
                              .btol = v->forward->btol};
    KR_ALLOC(ctx, B, v->m * v->k);
    KR_TRY(right_hand_sides(ctx, v, B, &Y.scale.norm));
    Y.C = B;
    KR_TRY(kr_lstsq_dual_open(ctx, &Y, v->report));
    if (problem->rank != v->n && !kr_lstsq_dual_agrees(&Y, 1e3 * fmax(v->backward.options.atol, DBL_EPSILON)))
        KR_TRY(kr_lstsq_dual_close(ctx, &Y, v->report));
    KR_TRY(kr_op_apply_t(ctx, v->A_dot, v->k, Y.W, G));
    for (size_t i = 0; i < v->n * v->k; i++)
        G[i] *= lambda2;
    return KR_OK;
}

static kr_status push_damped(struct kr_ctx *ctx, struct forward *v)
{
    const struct kr_lstsq *problem = &v->backward.problem;
    const double lambda = problem->damping;
    const size_t m = v->m, n = v->n, k = v->k;
    struct kr_lstsq_dual W = {.problem = problem, .transposed = true, .rows = n, .cols = m, .k = k};
    struct kr_lstsq_column *columns;
    double *G, *U, *S;
    if (!v->A_dot && v->damping_dot == 0)
        return kr_lstsq_solve(ctx, problem, k, v->F, NULL, v->X_dot, NULL, NULL, v->report);
    KR_ALLOC(ctx, G, n * k);
    KR_ALLOC(ctx, U, m * k);
    KR_ALLOC(ctx, S, n * k);
    KR_ALLOC(ctx, columns, k);
    if (v->A_dot)
        KR_TRY(change_of_gradient(ctx, v, G));
    add(n, k, -2 * lambda * v->damping_dot, v->X, G);
    KR_TRY(kr_lstsq_solve_t(ctx, problem, k, G, U, S, columns, v->report));
    W.C = G, W.U = U, W.R = S;
    W.scale = kr_lstsq_scale_of(k, columns);
    W.atol = W.btol = v->backward.options.atol;
    KR_TRY(kr_lstsq_dual_open(ctx, &W, v->report));
    add(m, k, 1, W.gap, v->F);
    KR_TRY(kr_lstsq_solve(ctx, problem, k, v->F, NULL, v->X_dot, NULL, NULL, v->report));
    add(n, k, 1, W.W, v->X_dot);
    return KR_OK;
}

kr_status kr_lstsq_push(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *X,
                        const double *R, const struct kr_op *A_dot, const double *B_dot, double damping_dot,
                        double *X_dot, struct kr_lstsq_report *report)
{
    struct forward v = {.forward = problem->options,
                        .m = problem->A.rows,
                        .n = problem->A.cols,
                        .k = k,
                        .X = X,
                        .R = R,
                        .A_dot = A_dot,
                        .damping_dot = damping_dot,
                        .X_dot = X_dot,
                        .report = report};
    struct kr_mark mark = kr_mark(ctx);
    if (A_dot && (A_dot->rows != v.m || A_dot->cols != v.n))
        return kr_fail(ctx, KR_INVALID, "", "the tangent of a %zu x %zu operator is %zu x %zu", v.m, v.n,
                       A_dot->rows, A_dot->cols);
    KR_TRY(kr_op_blocks(ctx, &problem->A, k));
    kr_lstsq_backward(problem, &v.backward);
    KR_TRY(change_of_residual(ctx, &v, B_dot));
    if (kr_lstsq_is_damped(problem))
        KR_TRY(push_damped(ctx, &v));
    else
        KR_TRY(push_undamped(ctx, &v));
    kr_release(ctx, mark);
    return KR_OK;
}
