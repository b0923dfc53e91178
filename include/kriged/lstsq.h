/*
 * lstsq: the differentiable least-squares operator, matrix-free.
 *
 *     LstSq(A, b, lambda) = argmin_x |A x - b|^2 + lambda^2 |x|^2       lambda > 0, or full column rank
 *                         = the shortest of the minimisers              lambda = 0, any shape and rank
 *
 * Values by LSMR (Fong and Saunders, arXiv 1006.0758), derivatives by the implicit formulas of Roy, Kraemer
 * and Hauberg (arXiv 2510.19634), extended to damped problems of any rank. A (m x n) is any operator of op.h;
 * blocks of k right-hand sides share its products. Nothing but O(m + n) a column is stored, whatever the
 * number of iterations; a derivative costs a few more solves of the same kind.
 *
 *     kr_lstsq_open(ctx, &options, &A, lambda, NULL, &problem);
 *     kr_lstsq_solve(ctx, &problem, k, B, NULL, X, R, NULL, &report);            X = LstSq(A, B, lambda)
 *     kr_lstsq_pull(ctx, &problem, k, X, R, X_bar, B_bar, grad, &lambda_bar, &report);     reverse mode
 *     kr_lstsq_push(ctx, &problem, k, X, R, &A_dot, B_dot, lambda_dot, X_dot, &report);    forward mode
 */
#ifndef KRIGED_LSTSQ_H
#define KRIGED_LSTSQ_H

#include "kriged/op.h"

/* How an iteration ended, from best to worst: a fact, not an error. r = b - A x, Abar = [A; lambda I]. */
#define KR_LSTSQ_STOP_TABLE(S)                                                                               \
    S(NONE, "none")                                             /* nothing was solved */                     \
    S(ZERO, "zero_rhs")                                         /* b = 0 or A'b = 0: so is the solution */   \
    S(COMPATIBLE, "compatible")                                 /* |r| <= btol |b| + atol |A||x| */          \
    S(LEAST_SQUARES, "least_squares")                           /* |Abar'rbar| <= atol |Abar||rbar| */       \
    S(COMPATIBLE_AT_PRECISION, "compatible_at_precision")       /* the first, as far as doubles go */        \
    S(LEAST_SQUARES_AT_PRECISION, "least_squares_at_precision") /* the second, likewise */                   \
    S(CONDITION, "condition_limit")                             /* cond(Abar) seems above the limit */       \
    S(CONDITION_AT_PRECISION, "condition_at_precision")         /* cond(Abar) seems above 1/epsilon */       \
    S(ITERATIONS, "iterations")                                 /* the iteration limit */                    \
    S(CANCELLED, "cancelled")                                   /* from outside, or a deadline */            \
    S(NON_FINITE, "non_finite") /* a product or a right-hand side is not finite */
enum kr_lstsq_stop {
#define KR_LSTSQ_STOP_ENUM(name, text) KR_LSTSQ_STOP_##name,
    KR_LSTSQ_STOP_TABLE(KR_LSTSQ_STOP_ENUM)
#undef KR_LSTSQ_STOP_ENUM
};
extern const char *const kr_lstsq_stop_names[];

/*
 * none    LSMR as it is
 * jacobi  columns (tall, damped) or rows (wide) scaled to length 1, their lengths estimated by 32 products;
 *         undamped, one solve on opening tries whether they are independent: else scaling is left out
 * sketch  a random sketch of A, factorised (LSRN: Meng, Saunders and Mahoney 2014): a few dozen iterations
 *         whatever the condition; right for tall, left for wide, of [A; lambda I] for damped; keeps the rank
 */
enum kr_lstsq_preconditioner {
    KR_LSTSQ_AUTO,
    KR_LSTSQ_NONE,
    KR_LSTSQ_JACOBI,
    KR_LSTSQ_SKETCH,
    KR_LSTSQ_GIVEN /* by the caller, to kr_lstsq_open */
};
extern const char *const kr_lstsq_preconditioner_names[];

#define KR_LSTSQ_FIELDS(F, S)                                                                                \
    F(S, REAL, atol, _, "1e-10", 0, 1, 0, "relative error of A that the solution may correspond to")         \
    F(S, REAL, btol, _, "1e-10", 0, 1, 0, "relative error of b that the solution may correspond to")         \
    F(S, REAL, backward_tolerance, _, NULL, 0, 1, KR_OMIT,                                                   \
      "atol and btol of the solves of a derivative; absent: as in the forward solve")                        \
    F(S, REAL, condition_limit, _, "1e12", 1, 1e300, 0,                                                      \
      "stop when the condition number seems larger: what follows would be noise")                            \
    F(S, INT, max_iterations, _, "0", 0, 1e9, 0, "iterations of one solve at most; 0: by size")              \
    F(S, INT, reorthogonalize, _, "0", 0, 1e6, 0,                                                            \
      "so many past directions are kept and orthogonalised against, n doubles each a column")                \
    F(S, CHOICE, preconditioner, kr_lstsq_preconditioner, "auto", 0, 0, 0, "how convergence is helped")      \
    F(S, REAL, sketch_factor, _, "3", 1, 100, KR_OPEN_MIN,                                                   \
      "rows of the sketch, as a multiple of the smaller dimension")                                          \
    F(S, REAL, rank_tolerance, _, "1e-13", 0, 1, 0,                                                          \
      "singular values of the sketch below this share of the largest count as zero")                         \
    F(S, SEED, seed, _, "0", 0, 9007199254740991, 0, "seed of the sketch and of the estimates")
KR_DECLARE(kr_lstsq_options, KR_LSTSQ_FIELDS);

/* What the solves did, added up over columns and calls; where it is one number, the worst column's. */
#define KR_LSTSQ_REPORT_FIELDS(F, S)                                                                         \
    F(S, CHOICE, stop, kr_lstsq_stop, "none", 0, 0, 0, "how the least successful column ended")              \
    F(S, CHOICE, preconditioner, kr_lstsq_preconditioner, "none", 0, 0, 0, "what helped the convergence")    \
    F(S, TEXT, reason, _, NULL, 0, 0, KR_OMIT, "why this preconditioner, or what was not finite")            \
    F(S, INT, iterations, _, "0", 0, 1e15, 0, "iterations")                                                  \
    F(S, INT, products, _, "0", 0, 1e15, 0, "columns multiplied by A or A'")                                 \
    F(S, INT, solves, _, "0", 0, 1e15, 0, "block solves: 1 for a value, 1 to 3 more for a derivative")       \
    F(S, REAL, residual, _, "0", 0, 1e308, 0, "largest true |b - A x|/|b|, measured")                        \
    F(S, REAL, normal_residual, _, "0", 0, 1e308, 0,                                                         \
      "largest true |Abar'rbar|/(|Abar||rbar|), measured: small at a least-squares solution")                \
    F(S, REAL, norm, _, "0", 0, 1e308, 0, "estimate of the Frobenius norm of [A; lambda I]")                 \
    F(S, REAL, condition, _, "0", 0, 1e308, 0, "estimate of the condition number of what was iterated on")   \
    F(S, INT, rank, _, "0", 0, 1e15, 0, "numerical rank of A by the sketch; 0: not known")                   \
    F(S, BOOL, near_rank_change, _, "false", 0, 0, 0,                                                        \
      "a small change of A may change its rank: values and derivatives jump there")                          \
    F(S, REAL, value_error, _, NULL, -1e308, 1e308, KR_OMIT,                                                 \
      "estimate of the scalar's error by unfinished solves, dual-weighted: true minus computed")             \
    F(S, REAL, value_bound, _, NULL, 0, 1e308, KR_OMIT,                                                      \
      "bound of what the estimate misses; damped problems only")                                             \
    F(S, REAL, seconds, _, "0", 0, 1e15, 0, "time in solves")
KR_DECLARE(kr_lstsq_report, KR_LSTSQ_REPORT_FIELDS);

/* One column of one solve, measured or (norm, condition) estimated on the way. */
struct kr_lstsq_column {
    enum kr_lstsq_stop stop;
    size_t iterations;
    double residual, normal_residual; /* true |b - A x| and |Abar'rbar| */
    double norm, condition, length;   /* estimates of |Abar|_F, cond(Abar); |x| */
};

struct kr_lstsq_factor; /* a preconditioner, made by kr_lstsq_open */

struct kr_lstsq {
    struct kr_op A; /* m x n; its parts are borrowed */
    double damping; /* lambda */
    const struct kr_lstsq_options *options;
    const struct kr_lstsq_factor *factor; /* NULL = none was made */
    enum kr_lstsq_preconditioner preconditioner;
    const char *reason;
    size_t rank, products; /* by the sketch; spent on opening: both go into the first report */
    bool near_rank_change;
};

/*
 * Prepares a problem; memory from the arena. `precondition`: NULL (as the options say), or an operator of
 * your own: N (n x r) for m >= n or a damped problem, then x = N y; M (r x m) for m < n, then M A x = M b. It
 * must keep the problem: N spans the rows of A, M is invertible on its range. INVALID for a negative or
 * non-finite damping, for shapes that do not fit.
 */
kr_status kr_lstsq_open(struct kr_ctx *ctx, const struct kr_lstsq_options *options, const struct kr_op *A,
                        double damping, const struct kr_op *precondition, struct kr_lstsq *out) KR_MUST_CHECK;

/*
 * X (n x k) = LstSq(A, B, lambda), B m x k. X0 (n x k, may be X) or NULL: where to start; the solution is the
 * same wherever it is unique, and else the minimiser nearest X0. (A damped wide problem with a sketch starts
 * from 0 whatever X0 is.) R (m x k), when not NULL: B - A X, measured.
 * columns (k), when not NULL. Cost: 2 k products an iteration, 2 k for the true residuals. A column that
 * stops early is refined from its true residual, a few times at most, while that helps. CANCELLED and
 * TIME_LIMIT fail; everything else is a fact in the report.
 */
kr_status kr_lstsq_solve(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *B,
                         const double *X0, double *X, double *R, struct kr_lstsq_column *columns,
                         struct kr_lstsq_report *report) KR_MUST_CHECK;
/* Y (m x k) = LstSq(A', C, lambda), C n x k, with the same preconditioner and the backward tolerance. S (n x
 * k), when not NULL: C - A'Y. */
kr_status kr_lstsq_solve_t(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *C,
                           double *Y, double *S, struct kr_lstsq_column *columns,
                           struct kr_lstsq_report *report) KR_MUST_CHECK;

/*
 * Reverse mode at a solution X with its residuals R = B - A X. X_bar (n x k): dL/dX. Sets B_bar (m x k, may
 * be NULL): dL/dB; adds dL/dtheta to grad (NULL = not wanted) by pulls of A; adds dL/dlambda to *damping_bar
 * (NULL = not wanted). Sets value_error (and value_bound) of the report.
 *
 *     lambda = 0, rank locally constant:   bbar = LstSq(A', xbar),  W = LstSq(A, bbar),  Y = LstSq(A', x)
 *                      theta:  pull(r, W) - pull(bbar, x) + pull(Y, xbar - A'bbar)
 *     lambda > 0:      W = (A'A + lambda^2 I)^-1 xbar,  bbar = A W;   theta:  pull(r, W) - pull(bbar, x),
 *                      lambda_bar = -2 lambda <W, x>
 *
 * A term whose factor (r, or xbar - A'bbar) is zero to the tolerance costs no solve: tall of full rank 2
 * solves, wide of full rank 2, square 1, rank-deficient 3. Damped: 1, and like an undamped problem of the
 * same shape (square 2) where lambda is below about a tenth of the smallest singular value. The value's error
 * is an estimate as good as the backward solve: undamped, give it a backward tolerance 100 times below the
 * forward one; damped, it is right to some per cent at equal ones, and value_bound bounds what it misses.
 */
kr_status kr_lstsq_pull(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *X,
                        const double *R, const double *X_bar, double *B_bar, double *grad,
                        double *damping_bar, struct kr_lstsq_report *report) KR_MUST_CHECK;

/*
 * Forward mode: X_dot (n x k) along the tangents A_dot (an operator of A's shape, or NULL), B_dot (m x k, or
 * NULL) and damping_dot. Any shape and rank (locally constant), damped or not: 1 to 3 solves.
 */
kr_status kr_lstsq_push(struct kr_ctx *ctx, const struct kr_lstsq *problem, size_t k, const double *X,
                        const double *R, const struct kr_op *A_dot, const double *B_dot, double damping_dot,
                        double *X_dot, struct kr_lstsq_report *report) KR_MUST_CHECK;

/* Did every column end as a solution to its tolerance, or as far as doubles go? */
bool kr_lstsq_converged(const struct kr_lstsq_report *report);
/* NOT_CONVERGED or NON_FINITE, in words, unless it did. */
kr_status kr_lstsq_require(struct kr_ctx *ctx, const struct kr_lstsq_report *report) KR_MUST_CHECK;

#endif
