/* What the evaluations of one run hand on to the next one, inside the objective. */
#ifndef GP_CARRIED_H
#define GP_CARRIED_H

#include "gp/objective.h"
#include "kriged/carried.h"

/* Solutions that are kept: [alpha, S], u of every head (or probes of the evidence), the drawn columns. */
enum carried_slot { CARRIED_SOLUTION, CARRIED_ADJOINT, CARRIED_DRAWN, CARRIED_SLOTS };

/* A of the training rows, opened with the working tolerance, and the preconditioner kept where there is one
 * that serves. */
kr_status kr_carried_covariance(struct kr_ctx *ctx, struct work *w) KR_MUST_CHECK;
/* kr_solver_solve from the last solution of that slot, which X becomes. */
kr_status kr_carried_solve(struct kr_ctx *ctx, struct work *w, enum carried_slot slot, size_t k,
                           const double *B, double *X, double *residual,
                           struct kr_solve_report *report) KR_MUST_CHECK;
/* The last solution, or NULL; the next one. */
const double *kr_carried_start(const struct work *w, enum carried_slot slot, size_t k);
void kr_carried_store(const struct work *w, enum carried_slot slot, size_t k, const double *X);
/* The evaluation is done: keeps its preconditioner, or judges the one that it had. */
void kr_carried_settle(const struct work *w);

#endif
