/*
 * Adam: at evaluation t with gradient g,
 *
 *     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2          (elementwise)
 *     z <- clamp(z - rate_t s (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon))
 *
 * with rate_t of the schedule and s = 1 unless the loss was not finite: then the step is halved towards the
 * last good point, the momentum forgotten (it points into the bad region), s halved too, and s doubles again
 * with each good evaluation. Shapes: z, g, m, v are n. Cost: O(n) flops an evaluation, 4 n doubles of state.
 * Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
 */
#include "opt/bounds.h"
#include "opt/schedule.h"
#include "opt/steps.h"

#include <math.h>
#include <string.h>

KR_DEFINE(kr_adam_options, KR_ADAM_FIELDS, "Adam (Kingma and Ba 2015), clamped to the bounds");

/* The state: the head and the points of steps.h, then m and v. */
static size_t state_size(const void *options, size_t n)
{
    (void)options;
    return KR_STEPS_HEAD + 4 * n;
}

static void init(const void *options, size_t n, const double *lower, const double *upper, const double *z,
                 double *state)
{
    (void)lower;
    (void)upper;
    kr_steps_init(state_size(options, n), n, z, state);
}

static bool tell(const void *options, size_t n, const double *lower, const double *upper, double *state,
                 const double *z, double f, const double *g)
{
    const struct kr_adam_options *o = options;
    double *next = kr_steps_next(state), *good = kr_steps_good(state, n), *m = kr_steps_rest(state, n),
           *v = m + n;
    if (!kr_finite_evaluation(n, f, g)) {
        memset(m, 0, n * sizeof *m);
        return kr_steps_back(n, state, z);
    }
    state[KR_STEPS_ITERATIONS] = state[KR_STEPS_EVALUATIONS]++;
    double t = state[KR_STEPS_EVALUATIONS], m_share = 1 - pow(o->beta1, t), v_share = 1 - pow(o->beta2, t);
    if (state[KR_STEPS_HALVINGS] == 0)
        state[KR_STEPS_SCALE] = fmin(1, 2 * state[KR_STEPS_SCALE]);
    state[KR_STEPS_HALVINGS] = 0;
    const double rate = o->learning_rate * kr_schedule_share(&o->schedule, t - 1, o->max_evaluations);
    for (size_t i = 0; i < n; i++) {
        m[i] = o->beta1 * m[i] + (1 - o->beta1) * g[i];
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * g[i] * g[i];
        double step = rate * state[KR_STEPS_SCALE] * (m[i] / m_share) / (sqrt(v[i] / v_share) + o->epsilon);
        good[i] = z[i];
        next[i] = kr_clamp(lower, upper, i, z[i] - (isfinite(step) ? step : 0));
    }
    return kr_steps_go_on(n, lower, upper, state, z, g);
}

extern const struct kr_optimizer_type kr_optimizer_adam;
const struct kr_optimizer_type kr_optimizer_adam = {
    {"adam", "Adam: many cheap steps, at ease with noisy losses", &kr_adam_options_schema},
    state_size,
    init,
    kr_steps_ask,
    tell,
    kr_steps_stuck,
    true,
};
