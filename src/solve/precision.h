/* In which arithmetic a method multiplies. */
#ifndef SOLVE_PRECISION_H
#define SOLVE_PRECISION_H

#include "kriged/solve.h"

/* Sets out->single by the options, the method, A and its preconditioner. O(n). */
kr_status kr_solver_choose_precision(struct kr_ctx *ctx, struct kr_solver *out) KR_MUST_CHECK;

#endif
