/* The core of LSMR, for a block of right-hand sides; what it computes is told in lsmr.c. */
#ifndef KRIGED_SOLVE_LSMR_H
#define KRIGED_SOLVE_LSMR_H

#include "kriged/lstsq.h"

struct kr_lsmr_rules {
    double damping, atol, btol;
    double condition_limit; /* INFINITY: the condition number ends nothing */
    size_t max_iterations, reorthogonalize;
};

/* Further ends of one column, as shares of where it starts: |r| <= residual |b|, |A'r| <= normal |A'b|. */
struct kr_lsmr_goal {
    double residual, normal;
};

/* How a column ended. The numbers are running estimates but |b| and |x|, which are computed. */
struct kr_lsmr_column {
    enum kr_lstsq_stop stop;
    const char *reason; /* what was not finite */
    size_t iterations;
    double rhs;                       /* |b| */
    double residual, normal_residual; /* |rbar|, |Abar'rbar| */
    double norm, condition, length;   /* |Abar|_F, cond(Abar), |x| */
};

/*
 * X (n x k) = argmin |A X - B|^2 + damping^2 |X|^2 from X = 0, column by column to its own stop. goals (k)
 * may be NULL. Adds the columns multiplied by A or A' to *products. CANCELLED and TIME_LIMIT fail (the
 * columns that were not done say CANCELLED); everything else is a fact.
 */
kr_status kr_lsmr(struct kr_ctx *ctx, const struct kr_op *A, const struct kr_lsmr_rules *rules, size_t k,
                  const double *B, const struct kr_lsmr_goal *goals, double *X,
                  struct kr_lsmr_column *columns, size_t *products) KR_MUST_CHECK;

#endif
