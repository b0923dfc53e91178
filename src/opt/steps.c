/* What Adam and gradient descent share: see steps.h. */
#include "opt/steps.h"

#include <math.h>
#include <string.h>

enum { MOST_HALVINGS = 40 };
enum { FINE, BAD_START, BAD_NEAR, STATIONARY };

void kr_steps_init(size_t size, size_t n, const double *z, double *state)
{
    memset(state, 0, size * sizeof *state);
    state[KR_STEPS_SCALE] = 1;
    memcpy(kr_steps_next(state), z, n * sizeof *z);
    memcpy(kr_steps_good(state, n), z, n * sizeof *z);
}

void kr_steps_ask(const void *options, size_t n, const double *lower, const double *upper,
                  const double *state, double *z)
{
    (void)options;
    (void)lower;
    (void)upper;
    memcpy(z, state + KR_STEPS_HEAD, n * sizeof *z);
}

static bool stop(double *state, int why)
{
    state[KR_STEPS_STUCK] = why;
    return false;
}

bool kr_steps_back(size_t n, double *state, const double *z)
{
    double *next = kr_steps_next(state);
    const double *good = kr_steps_good(state, n);
    if (state[KR_STEPS_EVALUATIONS] == 0)
        return stop(state, BAD_START);
    if (++state[KR_STEPS_HALVINGS] > MOST_HALVINGS)
        return stop(state, BAD_NEAR);
    state[KR_STEPS_SCALE] /= 2;
    for (size_t i = 0; i < n; i++)
        next[i] = good[i] + (z[i] - good[i]) / 2;
    return true;
}

bool kr_steps_go_on(size_t n, const double *lower, const double *upper, double *state, const double *z,
                    const double *g)
{
    return kr_projected_gradient_norm(n, lower, upper, z, g) > 0 || stop(state, STATIONARY);
}

const char *kr_steps_stuck(const double *state)
{
    switch ((int)state[KR_STEPS_STUCK]) {
    case BAD_START:
        return "the loss or its gradient is not finite at the start: choose other start values";
    case BAD_NEAR:
        return "the loss or its gradient is not finite however short the step from the last good point: "
               "tighten the bounds or accept this point";
    case STATIONARY:
        return "the gradient is zero at this point: no step can improve it";
    default:
        return "";
    }
}

bool kr_finite_evaluation(size_t n, double f, const double *g)
{
    if (!isfinite(f))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(g[i]))
            return false;
    return true;
}
