/*
 * Moments of a column v (n): with c = (min + max) / 2, h = (max - min) / 2 and u = (v - c) / h in [-1, 1],
 *
 *     mean = c + h mean(u),   sd = h sqrt(mean((u - mean(u))^2)).
 *
 * Centred and scaled first, because a column may sit far from 0 (time stamps) or near the ends of the double
 * range, and a constant column must have a standard deviation of exactly 0. Cost: 3 passes, no memory.
 * Source: the two-pass algorithm, Chan, Golub and LeVeque, "Algorithms for computing the sample variance"
 * (1983).
 */
#include "kriged/data.h"

#include "data/columns.h"

#include <math.h>

static double at(const size_t *rows, const double *values, size_t i)
{
    return values[rows ? rows[i] : i];
}

struct kr_moments kr_moments(size_t n, const size_t *rows, const double *values)
{
    double min = at(rows, values, 0), max = min, sum = 0, squares = 0;
    for (size_t i = 1; i < n; i++) {
        double v = at(rows, values, i);
        min = v < min ? v : min;
        max = v > max ? v : max;
    }
    double middle = min / 2 + max / 2, half = max / 2 - min / 2;
    if (!(half > 0))
        return (struct kr_moments){min, max, min, 0};
    for (size_t i = 0; i < n; i++)
        sum += (at(rows, values, i) - middle) / half;
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double u = (at(rows, values, i) - middle) / half - mean;
        squares += u * u;
    }
    return (struct kr_moments){min, max, middle + half * mean, half * sqrt(squares / (double)n)};
}

void kr_scaling(size_t nrows, const size_t *rows, const double *values, double *mean, double *sd)
{
    *mean = 0;
    *sd = 1;
    if (nrows == 0)
        return;
    struct kr_moments moments = kr_moments(nrows, rows, values);
    *mean = moments.mean;
    if (isfinite(moments.sd) && moments.sd > 0)
        *sd = moments.sd;
}
