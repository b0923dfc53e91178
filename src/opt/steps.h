/*
 * steps: what the optimisers share that take one step an evaluation (Adam, gradient descent). Their state
 * begins with the same head, then the point to evaluate next (n), then the last good point (n).
 *
 * An evaluation that is not finite costs half the step: the next point is the middle between the last good
 * one and the bad one, and the steps that follow are shorter too.
 */
#ifndef KRIGED_OPT_STEPS_H
#define KRIGED_OPT_STEPS_H

#include "kriged/opt.h"

/* The head. SCALE is the optimiser's measure of its step length, halved with every bad evaluation. */
enum {
    KR_STEPS_ITERATIONS,
    KR_STEPS_EVALUATIONS,
    KR_STEPS_SCALE,
    KR_STEPS_HALVINGS, /* bad evaluations in a row, up to now */
    KR_STEPS_STUCK,
    KR_STEPS_HEAD
};

static inline double *kr_steps_next(double *state)
{
    return state + KR_STEPS_HEAD;
}
static inline double *kr_steps_good(double *state, size_t n)
{
    return state + KR_STEPS_HEAD + n;
}
/* What follows is the optimiser's own. */
static inline double *kr_steps_rest(double *state, size_t n)
{
    return state + KR_STEPS_HEAD + 2 * n;
}

/* Sets all `size` doubles: both points z, the scale 1, the rest 0. */
void kr_steps_init(size_t size, size_t n, const double *z, double *state);
/* Back from a bad evaluation at z; false when that is no use any more. */
bool kr_steps_back(size_t n, double *state, const double *z);
/* false, and why, when the gradient at z leaves nothing to improve. */
bool kr_steps_go_on(size_t n, const double *lower, const double *upper, double *state, const double *z,
                    const double *g);

/* The ask and the stuck of a row. */
void kr_steps_ask(const void *options, size_t n, const double *lower, const double *upper,
                  const double *state, double *z);
const char *kr_steps_stuck(const double *state);

/* Is an evaluation worth anything? */
bool kr_finite_evaluation(size_t n, double f, const double *g);

#endif
