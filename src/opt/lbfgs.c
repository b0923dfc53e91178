/*
 * Projected L-BFGS in the box [lower, upper]. P clamps to the box; at the iterate z with gradient g the
 * coordinates at a bound whose gradient points outward are held, the others F are free:
 *
 *     p_F = -H_F g_F,  p = 0 elsewhere         H from the last `memory` pairs s = z+ - z, y = g+ - g,
 * restricted to F z(t) = P(z + t p)                        the trial points f(z(t)) <= f + c1 g'(z(t) - z)
 * Armijo, along the path g(z(t))'p >= c2 g'p                      weak Wolfe, on coordinates that P did not
 * move; not asked once one was
 *
 * The line search keeps a bracket: no Armijo (or a loss that is not finite) moves its upper end, no curvature
 * its lower end, and t is the middle, or doubles while there is no upper end. Its lower end is always a
 * better point than z, and is taken when the evaluations of a search run out. Without one, the memory is
 * dropped and the search repeated once along -g.
 *
 * Shapes: z, g, p, s, y are n; the memory is m pairs. Cost: 6 m n flops an iteration, (2 m + 5) n doubles of
 * state. Sources: J. Nocedal, "Updating quasi-Newton matrices with limited storage" (1980), the two-loop
 * recursion; D. Bertsekas, "Projected Newton methods" (1982), held coordinates and the arc; A. Lewis and M.
 * Overton, "Nonsmooth optimization via quasi-Newton methods" (2013), algorithm 2.6, the bracket.
 */
#include "opt/bounds.h"
#include "opt/steps.h"

#include <float.h>
#include <math.h>
#include <string.h>

KR_DEFINE(kr_lbfgs_options, KR_LBFGS_FIELDS, "L-BFGS in a box, with a weak Wolfe line search");

static const double ARMIJO = 1e-4, CURVATURE = 0.9;
static const double SMALLEST_COSINE = 1e-10; /* between s and y of a pair, and between p and -g */
enum { MOST_TRIALS = 25, MOST_MEMORY = 50 };

/* The state: these counters and scalars, then the vectors, then the pairs. 0 means none in LOW and HIGH. */
enum { ITERATIONS, STARTED, PAIRS, NEWEST, STEP, LOW, HIGH, TRIALS, LOSS, LOW_LOSS, STUCK, HEAD };
enum { FINE, BAD_START, STATIONARY, NO_DESCENT };

/* Views of the parts of a state. */
struct parts {
    size_t n, memory;
    const double *lower, *upper;
    double *head;
    double *z, *g, *p;     /* the iterate, its gradient, the direction */
    double *low_z, *low_g; /* the lower end of the bracket */
    double *s, *y;         /* memory x n each */
};

static size_t memory_of(const void *options)
{
    size_t memory = ((const struct kr_lbfgs_options *)options)->memory;
    return memory < MOST_MEMORY ? memory : MOST_MEMORY;
}

static struct parts parts(const void *options, size_t n, const double *lower, const double *upper,
                          double *state)
{
    size_t memory = memory_of(options);
    double *v = state + HEAD;
    return (struct parts){n,     memory,    lower,     upper,     state,     v,
                          v + n, v + 2 * n, v + 3 * n, v + 4 * n, v + 5 * n, v + (5 + memory) * n};
}

static size_t state_size(const void *options, size_t n)
{
    return HEAD + (5 + 2 * memory_of(options)) * n;
}

static void init(const void *options, size_t n, const double *lower, const double *upper, const double *z,
                 double *state)
{
    (void)lower;
    (void)upper;
    memset(state, 0, state_size(options, n) * sizeof *state);
    memcpy(state + HEAD, z, n * sizeof *z);
}

static void ask(const void *options, size_t n, const double *lower, const double *upper, const double *state,
                double *z)
{
    (void)options;
    const double *from = state + HEAD, *p = from + 2 * n;
    for (size_t i = 0; i < n; i++)
        z[i] = p[i] == 0 ? from[i] : kr_clamp(lower, upper, i, from[i] + state[STEP] * p[i]);
}

/* A coordinate at a bound that the vector `towards` would push out. */
static bool pushed_out(const struct parts *a, size_t i, double towards)
{
    return (a->z[i] <= kr_lower(a->lower, i) && towards < 0) ||
           (a->z[i] >= kr_upper(a->upper, i) && towards > 0);
}

static bool is_free(const struct parts *a, size_t i)
{
    return !pushed_out(a, i, -a->g[i]);
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double free_dot(const struct parts *a, const double *u, const double *v)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        if (is_free(a, i))
            sum += u[i] * v[i];
    return sum;
}

/* Is u'v safely positive? Products are taken in units of the largest entries, which may be far from 1. */
static bool good_pair(double uv, double uu, double vv)
{
    return uv > SMALLEST_COSINE * sqrt(uu) * sqrt(vv) && isfinite(1 / uv) && uv > DBL_MIN;
}

static void steepest(struct parts *a)
{
    double norm = 0;
    for (size_t i = 0; i < a->n; i++) {
        a->p[i] = is_free(a, i) ? -a->g[i] : 0;
        norm = hypot(norm, a->p[i]);
    }
    a->head[PAIRS] = 0;
    a->head[STEP] = norm > 1 ? 1 / norm : 1;
}

/* p = -H g over the free coordinates. false when no pair is of use there. */
static bool two_loop(struct parts *a)
{
    double alpha[MOST_MEMORY], sy[MOST_MEMORY], scale = 0;
    size_t pairs = (size_t)a->head[PAIRS], newest = (size_t)a->head[NEWEST], n = a->n;
    for (size_t i = 0; i < n; i++)
        a->p[i] = is_free(a, i) ? -a->g[i] : 0;
    for (size_t k = 0; k < pairs; k++) { /* newest first */
        size_t slot = (newest + a->memory - k) % a->memory;
        const double *s = a->s + slot * n, *y = a->y + slot * n;
        double yy = free_dot(a, y, y);
        sy[k] = free_dot(a, s, y);
        if (!good_pair(sy[k], free_dot(a, s, s), yy)) {
            sy[k] = 0;
            continue;
        }
        if (scale == 0)
            scale = sy[k] / yy;
        alpha[k] = dot(n, s, a->p) / sy[k];
        for (size_t i = 0; i < n; i++)
            if (is_free(a, i))
                a->p[i] -= alpha[k] * y[i];
    }
    if (scale == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        a->p[i] *= scale;
    for (size_t k = pairs; k-- > 0;) { /* oldest first */
        size_t slot = (newest + a->memory - k) % a->memory;
        const double *s = a->s + slot * n, *y = a->y + slot * n;
        if (sy[k] == 0)
            continue;
        double beta = dot(n, y, a->p) / sy[k];
        for (size_t i = 0; i < n; i++)
            if (is_free(a, i))
                a->p[i] += (alpha[k] - beta) * s[i];
    }
    return true;
}

static bool stop(double *state, int why)
{
    state[STUCK] = why;
    return false;
}

/* Sets the direction and the first trial from the iterate. false when it is stationary. */
static bool new_search(struct parts *a, bool steepest_only)
{
    double *head = a->head;
    head[LOW] = head[HIGH] = head[TRIALS] = 0;
    head[STEP] = 1;
    if (!(kr_projected_gradient_norm(a->n, a->lower, a->upper, a->z, a->g) > 0))
        return stop(head, STATIONARY);
    bool quasi_newton = !steepest_only && two_loop(a);
    if (quasi_newton) {
        /* An inward gradient may still give a step outward; cutting it off can spoil the descent. */
        for (size_t i = 0; i < a->n; i++)
            if (pushed_out(a, i, a->p[i]))
                a->p[i] = 0;
        quasi_newton = good_pair(-dot(a->n, a->g, a->p), free_dot(a, a->g, a->g), dot(a->n, a->p, a->p));
    }
    if (!quasi_newton)
        steepest(a);
    return true;
}

static void remember(struct parts *a, const double *z, const double *g)
{
    double ss = 0, yy = 0, sy = 0;
    size_t slot = ((size_t)a->head[NEWEST] + 1) % a->memory;
    for (size_t i = 0; i < a->n; i++) {
        double s = z[i] - a->z[i], y = g[i] - a->g[i];
        ss += s * s;
        yy += y * y;
        sy += s * y;
    }
    if (!good_pair(sy, ss, yy))
        return;
    for (size_t i = 0; i < a->n; i++) {
        a->s[slot * a->n + i] = z[i] - a->z[i];
        a->y[slot * a->n + i] = g[i] - a->g[i];
    }
    a->head[NEWEST] = (double)slot;
    a->head[PAIRS] = fmin(a->head[PAIRS] + 1, (double)a->memory);
}

static bool accept(struct parts *a, const double *z, double f, const double *g)
{
    remember(a, z, g);
    memmove(a->z, z, a->n * sizeof *z);
    memmove(a->g, g, a->n * sizeof *g);
    a->head[LOSS] = f;
    a->head[ITERATIONS]++;
    return new_search(a, false);
}

/* What the bracket learns from a trial. */
enum verdict { TOO_LONG, TOO_SHORT, GOOD };

static enum verdict judge(const struct parts *a, const double *z, double f, const double *g)
{
    double predicted = 0, slope = 0, slope0 = 0;
    bool clamped = false;
    if (!kr_finite_evaluation(a->n, f, g))
        return TOO_LONG;
    for (size_t i = 0; i < a->n; i++) {
        double wanted = a->z[i] + a->head[STEP] * a->p[i];
        predicted += a->g[i] * (z[i] - a->z[i]);
        if (a->p[i] != 0 && (wanted < kr_lower(a->lower, i) || wanted > kr_upper(a->upper, i))) {
            clamped = true;
            continue;
        }
        slope += g[i] * a->p[i];
        slope0 += a->g[i] * a->p[i];
    }
    if (!(predicted < 0) || !(f <= a->head[LOSS] + ARMIJO * predicted))
        return TOO_LONG;
    return slope < CURVATURE * slope0 && !clamped ? TOO_SHORT : GOOD;
}

/* No trial was better: once more along the steepest descent, unless that was it. */
static bool give_up(struct parts *a)
{
    if (a->head[PAIRS] > 0 && new_search(a, true))
        return true;
    return stop(a->head, NO_DESCENT);
}

static bool tell(const void *options, size_t n, const double *lower, const double *upper, double *state,
                 const double *z, double f, const double *g)
{
    struct parts a = parts(options, n, lower, upper, state);
    if (!state[STARTED]) {
        if (!kr_finite_evaluation(n, f, g))
            return stop(state, BAD_START);
        state[STARTED] = 1;
        memcpy(a.z, z, n * sizeof *z);
        memcpy(a.g, g, n * sizeof *g);
        state[LOSS] = f;
        return new_search(&a, false);
    }
    enum verdict verdict = judge(&a, z, f, g);
    if (verdict == GOOD)
        return accept(&a, z, f, g);
    if (verdict == TOO_LONG) {
        state[HIGH] = state[STEP];
    } else {
        state[LOW] = state[STEP];
        state[LOW_LOSS] = f;
        memcpy(a.low_z, z, n * sizeof *z);
        memcpy(a.low_g, g, n * sizeof *g);
    }
    double before = state[STEP];
    state[STEP] = state[HIGH] > 0 ? (state[LOW] + state[HIGH]) / 2 : 2 * state[STEP];
    if (++state[TRIALS] < MOST_TRIALS && state[STEP] != before && isfinite(state[STEP]))
        return true;
    if (state[LOW] > 0)
        return accept(&a, a.low_z, state[LOW_LOSS], a.low_g);
    return give_up(&a);
}

static const char *stuck(const double *state)
{
    switch ((int)state[STUCK]) {
    case BAD_START:
        return "the loss or its gradient is not finite at the start: choose other start values";
    case STATIONARY:
        return "the projected gradient is zero at this point: no step can improve it";
    case NO_DESCENT:
        return "the line search found no better point along the steepest descent direction: "
               "the loss may be noisy; tighten solver.rtol or accept this point";
    default:
        return "";
    }
}

extern const struct kr_optimizer_type kr_optimizer_lbfgs;
const struct kr_optimizer_type kr_optimizer_lbfgs = {
    {"lbfgs", "L-BFGS: few, long steps; the choice for losses without noise", &kr_lbfgs_options_schema},
    state_size,
    init,
    ask,
    tell,
    stuck,
    false,
};
