/* What the files of the least-squares operator share. */
#ifndef KRIGED_SOLVE_LSTSQ_IMPL_H
#define KRIGED_SOLVE_LSTSQ_IMPL_H

#include "kriged/lstsq.h"
#include "solve/lsmr.h"

/*
 * One preconditioner serves A and A'. F has as many rows as A has columns, and A F is what is iterated on (a
 * right factor of A, and F' is a left factor of A'); or, on_rows, as many as A has rows, and F'A is.
 */
struct kr_lstsq_factor {
    struct kr_op F;
    bool on_rows;
    double norm;        /* estimate of |A|_F */
    size_t *unreported; /* products spent on opening that no report has yet */
};

/* LstSq of A or of A': A is what is solved with, m x n, and left says where the factor goes. */
struct kr_lstsq_side {
    struct kr_op A;
    double damping, atol, btol;
    const struct kr_lstsq_options *options;
    const struct kr_lstsq_factor *factor;
    bool left;
};

/* What goes beside the facts of a column. */
struct kr_lstsq_detail {
    const char *reason;
    double rhs; /* |b| */
};

/*
 * X = LstSq(A, B, damping) of k columns, all at once: rounds of LSMR with the true residuals R (m x k), which
 * are measured. facts and details: k. Adds to *products. CANCELLED and TIME_LIMIT fail.
 */
kr_status kr_lstsq_rounds(struct kr_ctx *ctx, const struct kr_lstsq_side *side, size_t k, const double *B,
                          const double *X0, double *X, double *R, struct kr_lstsq_column *facts,
                          struct kr_lstsq_detail *details, size_t *products) KR_MUST_CHECK;

/*
 * Makers of preconditioners: the factor, or in `refused` why there is none. They add to problem->products;
 * the sketch sets rank and near_rank_change too.
 */
kr_status kr_lstsq_sketch(struct kr_ctx *ctx, struct kr_lstsq *problem, struct kr_lstsq_factor *out,
                          const char **refused) KR_MUST_CHECK;
kr_status kr_lstsq_jacobi(struct kr_ctx *ctx, struct kr_lstsq *problem, struct kr_lstsq_factor *out,
                          const char **refused) KR_MUST_CHECK;
size_t kr_lstsq_sketch_products(const struct kr_lstsq *problem);
double kr_lstsq_sketch_bytes(const struct kr_lstsq *problem);
/* Estimates, by `probes` products (a multiple of 8), of the lengths of A's columns or rows, and |A|_F. */
kr_status kr_lstsq_lengths(struct kr_ctx *ctx, struct kr_lstsq *problem, bool rows, size_t probes,
                           double *lengths, double *norm) KR_MUST_CHECK;
/* The choice, and what it takes: problem->factor, preconditioner and reason. */
kr_status kr_lstsq_precondition(struct kr_ctx *ctx, const struct kr_op *given,
                                struct kr_lstsq *problem) KR_MUST_CHECK;

/* What is iterated on: A (or [A; lambda I]) as it is, A F, or F'A (or F'[A, lambda I]). */
enum kr_lstsq_form { KR_LSTSQ_PLAIN, KR_LSTSQ_RIGHT, KR_LSTSQ_LEFT };

/* One group of columns; `column` names those that are worked on. */
struct kr_lstsq_work {
    const struct kr_lstsq_side *side;
    enum kr_lstsq_form form;
    struct kr_op inner, op; /* [A; lambda I] and the like; the same with the factor */
    size_t k, active, *column;
    const double *B;
    double *X, *R; /* n x k, m x k: R = B - A X */
    double *S; /* m x k: (b - A x)/lambda by the iteration, for damped problems from the left; else NULL */
    double *rhs, *residual, *normal_residual, *length; /* |b|, |r|, |A'r - lambda^2 x|, |x|, all true */
    size_t *products;
};

/* The operators of a form; arena memory. */
kr_status kr_lstsq_take_form(struct kr_ctx *ctx, struct kr_lstsq_work *work,
                             enum kr_lstsq_form form) KR_MUST_CHECK;
/*
 * X += D for the active columns: D (inner.cols x active) solves the problem that is left, with one run of
 * LSMR whose facts are set (active). fresh: X is 0, and may serve as D itself.
 */
kr_status kr_lstsq_correct(struct kr_ctx *ctx, struct kr_lstsq_work *work, struct kr_lsmr_rules rules,
                           const struct kr_lsmr_goal *goals, bool fresh, double *D,
                           struct kr_lsmr_column *facts) KR_MUST_CHECK;
/* R and all norms but |b|, of the active columns: a product with A and one with A'. */
kr_status kr_lstsq_measure(struct kr_ctx *ctx, struct kr_lstsq_work *work) KR_MUST_CHECK;

#endif
