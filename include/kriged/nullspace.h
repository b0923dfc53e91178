/*
 * nullspace: minimise L(z) subject to c(z) = 0, as a filter of the steps of any optimiser.
 *
 *     step = d - LstSq(J, J d - gamma c(z)),     z <- z - step,      J = dc/dz (m x n), d the proposed step
 *
 * The minimum-norm solve takes out what would change c and adds gamma J^+ c: J step = gamma c to the solver's
 * tolerance, whatever scaling the optimiser put into d, since what is filtered is the step that is really
 * taken. Constraints are seen through c and the products J v and J'u. Source: Roy, Kraemer and Hauberg,
 * arXiv 2510.19634, section on constrained optimisation.
 *
 * The optimiser (one whose row says takes_filter) is told the gradient inside the constraint set, P g with P
 * = I - J^+ J, never g itself: an optimiser that scales coordinates by D would at the best point, where g =
 * J'multipliers, still propose D g, of which the filter removes only a part. Told P g it rests there, and P D
 * P is positive semidefinite, so that away from it the step goes downhill. One step of the loop:
 *
 *     kr_nullspace_gradient(ctx, &options, &J, lower, upper, z, g, g_free, NULL, &solves);
 *     tell(o, n, lower, upper, state, z, f, g_free);
 *     ask(o, n, lower, upper, state, proposal);
 *     kr_nullspace_filter(ctx, &options, step, &J, c, lower, upper, z, proposal, z_next, &report);
 *     f, g = loss and gradient at z_next;  c, J = constraints there
 *
 * Where the loss or c is not finite at z_next, tell it so and take the next proposal unfiltered: it is the
 * middle between z and z_next, so its step is half of a filtered one. That tell says false at P g = 0 only
 * ends the run when |c| is small too.
 */
#ifndef KRIGED_NULLSPACE_H
#define KRIGED_NULLSPACE_H

#include "kriged/lstsq.h"

#define KR_NULLSPACE_FIELDS(F, S)                                                                            \
    F(S, REAL, gamma, _, "1", 0, 1, KR_OPEN_MIN,                                                             \
      "share of the violation that a step removes, to first order")                                          \
    F(S, REAL, scale, _, NULL, 0, 1e308, KR_OPEN_MIN | KR_OMIT,                                              \
      "violation (norm of c) beyond which the restoring part grows no more: gamma min(1, scale/|c|); "       \
      "absent: no limit")                                                                                    \
    F(S, INT, warm_up, _, "0", 0, 1e6, 0, "steps over which gamma rises linearly to its value")              \
    F(S, REAL, tolerance, _, "1e-4", 0, 1e308, KR_OPEN_MIN,                                                  \
      "largest |c_i| of a point that counts as feasible")                                                    \
    F(S, REAL, solver_tolerance, _, "1e-12", 0, 1, KR_OPEN_MIN | KR_OPEN_MAX,                                \
      "atol and btol of the projection's least-squares solve")
KR_DECLARE(kr_nullspace_options, KR_NULLSPACE_FIELDS);

/* m constraints on n coordinates. eval sets c (m) and J at z; J lives in the arena and may borrow from z and
 * self until the caller releases it. */
struct kr_constraints {
    size_t m, n;
    kr_status (*eval)(struct kr_ctx *, const void *self, const double *z, double *c, struct kr_op *J);
    const void *self;
};

/* What one projection did. */
#define KR_NULLSPACE_REPORT_FIELDS(F, S)                                                                     \
    F(S, REAL, violation, _, "0", 0, 1e308, 0, "largest |c_i| before the step")                              \
    F(S, REAL, gamma, _, "0", 0, 1, 0, "share of the violation that this step removes")                      \
    F(S, INT, held, _, "0", 0, 1e15, 0, "coordinates kept at a bound")                                       \
    F(S, REAL, mismatch, _, "0", 0, 1e308, 0, "|J step - gamma c|, measured: 0 when the step is exact")      \
    F(S, OBJECT, solver, kr_lstsq_report, NULL, 0, 0, 0, "the least-squares solves")
KR_DECLARE(kr_nullspace_report, KR_NULLSPACE_REPORT_FIELDS);

/* gamma of step number `step` (from 0) at a violation |c| = norm: warm-up and scale applied. */
double kr_nullspace_gamma(const struct kr_nullspace_options *options, size_t step, double norm);

/*
 * out = z - (d - LstSq(J, J d - gamma c)) for the proposal z - d, inside the box: lower and upper (n) may be
 * NULL, z lies between them, out may be proposal. The proposal is clamped first; a coordinate that it brings
 * to a bound, or that the projection would push over one, is held there and the others are projected (again),
 * so that J step = gamma c still holds as long as coordinates are left; when none are, those at a bound are
 * let go once, and after that the step is what the bounds allow. Coordinates with equal bounds never move.
 *
 * The mismatch is at most the solver's tolerance times |J d - gamma c|, what was to be removed. Cost: one
 * least-squares solve and one product a round; rounds: 1 without bounds, usually 2 or 3 with them, 2 n + 2 at
 * most. Memory: a few n-vectors, whatever m and the iterations. NON_FINITE for c, z, a proposal or products
 * that are not finite, INVALID for a lower bound above its upper one and options out of range.
 */
kr_status kr_nullspace_filter(struct kr_ctx *ctx, const struct kr_nullspace_options *options, size_t step,
                              const struct kr_op *J, const double *c, const double *lower,
                              const double *upper, const double *z, const double *proposal, double *out,
                              struct kr_nullspace_report *report) KR_MUST_CHECK;

/*
 * The gradient inside the constraint set and the box: out = g - LstSq(J, J g) over the coordinates that are
 * free (not at a bound that -out would cross), 0 elsewhere. Zero at a KKT point. multipliers (m), when not
 * NULL: LstSq(J', g), the Lagrange multipliers of g = J'multipliers. One solve without
 * bounds, usually 2 or 3 with them; after about 100 the report stops with `iterations`. Errors as above.
 */
kr_status kr_nullspace_gradient(struct kr_ctx *ctx, const struct kr_nullspace_options *options,
                                const struct kr_op *J, const double *lower, const double *upper,
                                const double *z, const double *g, double *out, double *multipliers,
                                struct kr_lstsq_report *report) KR_MUST_CHECK;

#endif
