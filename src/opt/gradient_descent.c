/*
 * Gradient descent with momentum (heavy ball): from the point z really evaluated, the one before it z- and
 * the gradients g, g- there,
 *
 *     z <- clamp(z - t g + momentum (z - z-))
 *     t = min(learning_rate,  t- sqrt(1 + t-/t--),  cosine |z - z-| / (2 |g - g-|))
 *
 * with the learning rate of the schedule, so it is the textbook's method wherever that is at most half the
 * inverse curvature along the path (and the textbook's method would be safe); elsewhere the measured
 * curvature shortens the steps, which then grow back by the middle rule. The cosine is that between z - z-
 * and g - g-, at least 0.1: a filter moves z in ways that the gradient inside the constraints does not see,
 * and these must not hide its curvature. Needs no loss values, since a filter that restores constraints may
 * raise the loss. The first step is no longer than 1. A loss that is not finite costs half the step and the
 * momentum.
 *
 * Shapes: z, g are n. Cost: O(n) flops an evaluation, 3 n doubles of state. Sources: B. Polyak, "Some methods
 * of speeding up the convergence of iteration methods" (1964); Y. Malitsky and K. Mishchenko, "Adaptive
 * gradient descent without descent", ICML 2020, algorithm 1 (the step length).
 */
#include "opt/bounds.h"
#include "opt/schedule.h"
#include "opt/steps.h"

#include <float.h>
#include <math.h>
#include <string.h>

KR_DEFINE(kr_gradient_descent_options, KR_GRADIENT_DESCENT_FIELDS,
          "Gradient descent with momentum, clamped to the bounds");

static const double LEAST = 0.1; /* of the cosine */

/* The state: the head and the points of steps.h, the step before the last one, the last good gradient. The
 * scale of the head is the step length t. */
static size_t state_size(const void *options, size_t n)
{
    (void)options;
    return KR_STEPS_HEAD + 3 * n + 1;
}

static void init(const void *options, size_t n, const double *lower, const double *upper, const double *z,
                 double *state)
{
    (void)lower;
    (void)upper;
    kr_steps_init(state_size(options, n), n, z, state);
}

/* <a - b, c - d>, with NULL for 0; entries in units of the scales. */
static double product(size_t n, const double *a, const double *b, double ab, const double *c, const double *d,
                      double cd)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - (b ? b[i] : 0)) * ab * ((c[i] - (d ? d[i] : 0)) * cd);
    return sum;
}

/* Length of a - b (b = NULL: of a), also where squares would overflow or vanish. */
static double distance(size_t n, const double *a, const double *b)
{
    const double square = product(n, a, b, 1, a, b, 1);
    double largest = 0;
    if (square > DBL_MIN / DBL_EPSILON && isfinite(square))
        return sqrt(square);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(b ? a[i] - b[i] : a[i]));
    if (!(largest > DBL_MIN && isfinite(largest)))
        return largest;
    return largest * sqrt(product(n, a, b, 1 / largest, a, b, 1 / largest));
}

/* The next step's length; `before` is that of the step before the last one. */
static double step_length(double rate, size_t n, const double *state, double *before, const double *z,
                          const double *good, const double *g, const double *last_g)
{
    double t = state[KR_STEPS_SCALE];
    if (state[KR_STEPS_EVALUATIONS] == 0) {
        double length = distance(n, g, NULL);
        return *before = fmin(rate, length > 0 ? 1 / length : rate);
    }
    const double moved = distance(n, z, good), turned = distance(n, g, last_g);
    double grown = t * sqrt(1 + t / *before);
    *before = t;
    if (moved > DBL_MIN && turned > DBL_MIN) {
        const double cosine = product(n, z, good, 1 / moved, g, last_g, 1 / turned);
        grown = fmin(grown, moved / turned / 2 * (cosine > 0 ? fmin(fmax(cosine, LEAST), 1) : 1));
    }
    return fmax(fmin(rate, grown), DBL_MIN);
}

static bool tell(const void *options, size_t n, const double *lower, const double *upper, double *state,
                 const double *z, double f, const double *g)
{
    const struct kr_gradient_descent_options *o = options;
    double *next = kr_steps_next(state), *good = kr_steps_good(state, n), *before = kr_steps_rest(state, n),
           *last_g = before + 1;
    if (!kr_finite_evaluation(n, f, g))
        return kr_steps_back(n, state, z);
    const double rate =
        o->learning_rate * kr_schedule_share(&o->schedule, state[KR_STEPS_EVALUATIONS], o->max_evaluations);
    double t = step_length(rate, n, state, before, z, good, g, last_g);
    double momentum = state[KR_STEPS_HALVINGS] == 0 ? o->momentum : 0;
    state[KR_STEPS_SCALE] = t;
    state[KR_STEPS_HALVINGS] = 0;
    state[KR_STEPS_ITERATIONS] = state[KR_STEPS_EVALUATIONS]++;
    for (size_t i = 0; i < n; i++) {
        double step = t * g[i] - momentum * (z[i] - good[i]);
        last_g[i] = g[i];
        good[i] = z[i];
        next[i] = kr_clamp(lower, upper, i, z[i] - (isfinite(step) ? step : 0));
    }
    return kr_steps_go_on(n, lower, upper, state, z, g);
}

extern const struct kr_optimizer_type kr_optimizer_gradient_descent;
const struct kr_optimizer_type kr_optimizer_gradient_descent = {
    {"gradient_descent", "Gradient descent: the plainest steps, and the least state",
     &kr_gradient_descent_options_schema},
    state_size,
    init,
    kr_steps_ask,
    tell,
    kr_steps_stuck,
    true,
};
