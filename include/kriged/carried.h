/* carried: what the evaluations of one run hand on to the next. */
#ifndef KRIGED_CARRIED_H
#define KRIGED_CARRIED_H

#include "kriged/gp.h"

/*
 * What the evaluations of one run hand on to the next: solutions as starts, a preconditioner while it serves,
 * and the tolerance at work. Results then depend, within their tolerance, on the evaluations before. *out is
 * NULL where nothing would be gained: weight space, factorisations. Memory of its own, within the context's
 * budget; kr_carried_close gives it back (NULL is fine), kr_carried_forget begins anew.
 */
struct kr_carried;
kr_status kr_carried_open(struct kr_ctx *ctx, const struct kr_gp *gp, size_t constraints,
                          struct kr_carried **out) KR_MUST_CHECK;
void kr_carried_forget(struct kr_carried *kept);
void kr_carried_close(struct kr_carried *kept);
/* Solves of evaluations go to `rtol`, less where noise is small, or to that of the spec where it is larger.
 */
void kr_carried_tolerance(struct kr_carried *kept, double rtol);

#endif
