/*
 * huber: mean of e^2/2 up to |e| = delta, then delta (|e| - delta/2), e = y - mean. mean_bar = -clip(e,
 * delta)/m. Source: Huber 1964.
 *
 * Through a change of variables y = g(z) the prediction is the point a that this loss asks for, between
 * median and mean: where H(a) = E clip(g(Z) - a, delta) = 0. With z- and z+ where g is a - delta and a +
 * delta, inside: Z between them, n the density of Z,
 *
 *     H = E[g; inside] - a P(inside) + delta (P(above) - P(below)),     dH/da = -P(inside)
 *     dH/dmean = E[g'; inside],     dH/dvariance = (E[g''; inside] + g'(z-) n(z-) - g'(z+) n(z+))/2
 *
 * H falls in a, and is not negative at median - delta nor positive at median + delta: Newton's steps within
 * that bracket, halved where they leave it. Where next to nothing is inside, a is the median. Source: Taggart
 * 2022 (Point forecasting and forecast evaluation with generalized Huber loss).
 */
#include "kriged/gp.h"

#include <math.h>

#define KR_HUBER_FIELDS(F, S)                                                                                \
    F(S, REAL, delta, _, "1", 0, 1e30, KR_OPEN_MIN,                                                          \
      "error from which the loss grows linearly (standardised units)")
KR_DECLARE(kr_huber_options, KR_HUBER_FIELDS);
KR_DEFINE(kr_huber_options, KR_HUBER_FIELDS, "options of the Huber loss");

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    (void)variance, (void)variance_bar;
    const double delta = ((const struct kr_huber_options *)options)->delta;
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        double e = y[j] - mean[j], size = fabs(e);
        sum += size <= delta ? 0.5 * e * e : delta * (size - 0.5 * delta);
        mean_bar[j] = -fmin(fmax(e, -delta), delta) / (double)m;
    }
    *value = sum / (double)m;
}

/* H and its derivatives by a, mean and variance. */
struct balance {
    double H, by[3];
};

/* g' n at an end of the inside; nothing at an end that is not there. */
static double at_end(const struct kr_transform *t, double z, double mean, double sd)
{
    double g[3];
    const double at = (z - mean) / sd;
    if (isinf(z))
        return 0;
    kr_transform_at(t, z, g);
    return g[1] * exp(-0.5 * at * at) / (sd * sqrt(2 * M_PI));
}

static struct balance balance(const struct kr_transform *t, double a, double delta, double mean,
                              double variance)
{
    const double sd = sqrt(variance), low = kr_transform_inverse(t, a - delta),
                 high = kr_transform_inverse(t, a + delta), below = 0.5 * erfc((mean - low) / sd * M_SQRT1_2),
                 above = 0.5 * erfc((high - mean) / sd * M_SQRT1_2), inside = 1 - below - above;
    double to_low[3], to_high[3];
    kr_transform_below(t, mean, variance, low, to_low);
    kr_transform_below(t, mean, variance, high, to_high);
    return (struct balance){
        to_high[0] - to_low[0] - a * inside + delta * (above - below),
        {-inside, to_high[1] - to_low[1],
         0.5 * (to_high[2] - to_low[2] + at_end(t, low, mean, sd) - at_end(t, high, mean, sd))}};
}

/* a, and its derivatives by mean and variance. */
static double best_point(const struct kr_transform *t, double delta, double mean, double variance,
                         double by[2])
{
    enum { MOST = 200 };
    double median[3], whole[3];
    kr_transform_at(t, mean, median);
    kr_transform_below(t, mean, variance, INFINITY, whole);
    double low = median[0] - delta, high = median[0] + delta, a = fmin(fmax(whole[0], low), high);
    struct balance b = balance(t, median[0], delta, mean, variance);
    by[0] = median[1];
    by[1] = 0;
    if (-b.by[0] < 1e-6)
        return median[0];
    for (int i = 0; i < MOST; i++) {
        b = balance(t, a, delta, mean, variance);
        *(b.H > 0 ? &low : &high) = a;
        double next = a - b.H / b.by[0];
        if (!(next >= low && next <= high))
            next = low + (high - low) / 2;
        const double step = fabs(next - a);
        a = next;
        if (!(step > 1e-15 * fabs(a)))
            break;
    }
    by[0] = -b.by[1] / b.by[0];
    by[1] = -b.by[2] / b.by[0];
    return a;
}

static double transformed(const void *options, const struct kr_transform *t, double y, double mean,
                          double variance, double by[3])
{
    const double delta = ((const struct kr_huber_options *)options)->delta;
    double g[3], a_by[2];
    kr_transform_at(t, y, g);
    const double e = g[0] - best_point(t, delta, mean, variance, a_by), size = fabs(e),
                 clipped = fmin(fmax(e, -delta), delta);
    by[0] = -clipped * a_by[0];
    by[1] = -clipped * a_by[1];
    by[2] = clipped * g[1];
    return size <= delta ? 0.5 * e * e : delta * (size - 0.5 * delta);
}

extern const struct kr_loss_type kr_loss_huber;
const struct kr_loss_type kr_loss_huber = {
    .base = {"huber", "squared for small errors, absolute for large ones; says nothing about the variance",
             &kr_huber_options_schema},
    .by_logarithm = true,
    .eval = eval,
    .transformed = transformed,
};
