/*
 * Adam: at evaluation t with gradient g,
 *
 *     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2          (elementwise)
 *     z <- clamp(z - rate s (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon))
 *
 * with s = 1 unless the loss was not finite: then the step is halved towards the last good point, the
 * momentum forgotten (it points into the bad region), s halved too, and s doubles again with each good
 * evaluation. Shapes: z, g, m, v are n. Cost: O(n) flops an evaluation, 4 n doubles of state. Source: D.
 * Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
 */
#include "kriged/opt.h"

#include <math.h>
#include <string.h>

#define KR_ADAM_FIELDS(F, S)                                                                                 \
    KR_STOP_FIELDS(F, S)                                                                                     \
    F(S, REAL, learning_rate, _, "0.05", 0, 10, KR_OPEN_MIN, "step length, in units of the log-parameters")  \
    F(S, REAL, beta1, _, "0.9", 0, 1, KR_OPEN_MAX, "decay of the mean of gradients")                         \
    F(S, REAL, beta2, _, "0.999", 0, 1, KR_OPEN_MAX, "decay of the mean of squared gradients")               \
    F(S, REAL, epsilon, _, "1e-8", 0, 1, KR_OPEN_MIN, "keeps the division by small gradients finite")
KR_DECLARE(kr_adam_options, KR_ADAM_FIELDS);
KR_DEFINE(kr_adam_options, KR_ADAM_FIELDS, "Adam (Kingma and Ba 2015), clamped to the bounds");

/* The state: these, then the point to evaluate, the last good point, m and v. */
enum { ITERATIONS, EVALUATIONS, SCALE, HALVINGS, STUCK, HEAD };
enum { MOST_HALVINGS = 40 };
enum { FINE, BAD_START, BAD_NEAR, STATIONARY };

static size_t state_size(const void *options, size_t n)
{
    (void)options;
    return HEAD + 4 * n;
}

static void init(const void *options, size_t n, const double *lower, const double *upper, const double *z,
                 double *state)
{
    (void)lower;
    (void)upper;
    memset(state, 0, state_size(options, n) * sizeof *state);
    state[SCALE] = 1;
    memcpy(state + HEAD, z, n * sizeof *z);
    memcpy(state + HEAD + n, z, n * sizeof *z);
}

static void ask(const void *options, size_t n, const double *lower, const double *upper, const double *state,
                double *z)
{
    (void)options;
    (void)lower;
    (void)upper;
    memcpy(z, state + HEAD, n * sizeof *z);
}

static bool finite_evaluation(size_t n, double f, const double *g)
{
    if (!isfinite(f))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(g[i]))
            return false;
    return true;
}

static bool stop(double *state, int why)
{
    state[STUCK] = why;
    return false;
}

static bool step_back(size_t n, double *state, const double *z)
{
    double *next = state + HEAD, *good = next + n, *m = good + n;
    if (state[EVALUATIONS] == 0)
        return stop(state, BAD_START);
    if (++state[HALVINGS] > MOST_HALVINGS)
        return stop(state, BAD_NEAR);
    state[SCALE] /= 2;
    for (size_t i = 0; i < n; i++) {
        next[i] = good[i] + (z[i] - good[i]) / 2;
        m[i] = 0;
    }
    return true;
}

static bool tell(const void *options, size_t n, const double *lower, const double *upper, double *state,
                 const double *z, double f, const double *g)
{
    const struct kr_adam_options *o = options;
    double *next = state + HEAD, *good = next + n, *m = good + n, *v = m + n;
    if (!finite_evaluation(n, f, g))
        return step_back(n, state, z);
    state[ITERATIONS] = state[EVALUATIONS]++;
    double t = state[EVALUATIONS], m_share = 1 - pow(o->beta1, t), v_share = 1 - pow(o->beta2, t);
    if (state[HALVINGS] == 0)
        state[SCALE] = fmin(1, 2 * state[SCALE]);
    state[HALVINGS] = 0;
    for (size_t i = 0; i < n; i++) {
        m[i] = o->beta1 * m[i] + (1 - o->beta1) * g[i];
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * g[i] * g[i];
        double step =
            o->learning_rate * state[SCALE] * (m[i] / m_share) / (sqrt(v[i] / v_share) + o->epsilon);
        good[i] = z[i];
        next[i] = fmin(fmax(z[i] - (isfinite(step) ? step : 0), lower[i]), upper[i]);
    }
    if (kr_projected_gradient_norm(n, lower, upper, z, g) > 0)
        return true;
    return stop(state, STATIONARY);
}

static const char *stuck(const double *state)
{
    switch ((int)state[STUCK]) {
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

extern const struct kr_optimizer_type kr_optimizer_adam;
const struct kr_optimizer_type kr_optimizer_adam = {
    {"adam", "Adam: many cheap steps, at ease with noisy losses", &kr_adam_options_schema},
    state_size,
    init,
    ask,
    tell,
    stuck,
};
