/* Metrics against values worked out by hand, and the ranked score against its integral. */
#include "specs.h"

static struct kr_metrics metrics_of(double y_sd, size_t m, double *y, const double *mean,
                                    const double *variance, size_t n, double *fitted_y)
{
    struct kr_gp gp = {.scale = {.y_mean = 100, .y_sd = y_sd}};
    struct kr_part scored = {.n = m, .y = y}, fitted = {.n = n, .y = fitted_y};
    struct kr_metrics metrics;
    kr_metrics_eval(&gp, &scored, &fitted, mean, variance, &metrics);
    return metrics;
}

/* Errors -1/2, 0, -1, 3; the logarithms of the variances cancel; sd 2 in the data's units. */
START_TEST(worked_by_hand)
{
    double y[] = {0, 1, -1, 3}, mean[] = {0.5, 1, 0, 0}, variance[] = {1, 0.25, 4, 1}, fitted[] = {-1, 1};
    struct kr_metrics m = metrics_of(2, 4, y, mean, variance, 2, fitted);
    CLOSE(m.rmse, 2 * sqrt(10.25 / 4), 1, 1e-14, "rmse");
    CLOSE(m.mae, 2 * 4.5 / 4, 1, 1e-14, "mae");
    CLOSE(m.smse, (10.25 / 4) / 2.1875, 1, 1e-14, "smse");
    CLOSE(m.nlpd, 0.5 * log(2 * M_PI) + 4.75 / 4 + log(2), 1, 1e-14, "nlpd");
    CLOSE(m.msll, 4.75 / 4 - 11.0 / 8, 1, 1e-14, "msll"); /* the trivial prediction is a standard normal */
    ck_assert(m.coverage_50 == 0.75 && m.coverage_90 == 0.75 && m.coverage_95 == 0.75);
}
END_TEST

START_TEST(coverage_counts_both_sides)
{
    double y[8], mean[8], variance[8], fitted[] = {0, 1};
    const double t[] = {0.67, 0.68, -1.64, -1.65, 1.95, 1.97, -0.1, -3};
    for (int j = 0; j < 8; j++) {
        variance[j] = 0.5 + j;
        mean[j] = j;
        y[j] = mean[j] + t[j] * sqrt(variance[j]);
    }
    struct kr_metrics m = metrics_of(3, 8, y, mean, variance, 2, fitted);
    ck_assert(m.coverage_50 == 2.0 / 8 && m.coverage_90 == 4.0 / 8 && m.coverage_95 == 6.0 / 8);
}
END_TEST

/* The integral of (Phi(z) - [z >= t])^2 by Simpson's rule on both sides of the step. */
static double ranked(double t)
{
    const int steps = 4000;
    double sum = 0;
    for (int side = 0; side < 2; side++) {
        double a = side ? t : -40, b = side ? 40 : t, h = (b - a) / steps;
        for (int i = 0; i <= steps; i++) {
            double z = a + i * h, miss = side ? 0.5 * erfc(z * M_SQRT1_2) : 0.5 * erfc(-z * M_SQRT1_2);
            sum += (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2) * miss * miss * h / 3;
        }
    }
    return sum;
}

START_TEST(crps_is_its_integral)
{
    static const double ts[] = {0, 0.5, -0.5, 1.7, -3, 8};
    double fitted[] = {0, 1};
    for (size_t i = 0; i < sizeof ts / sizeof *ts; i++) {
        const double sd = 0.3 + (double)i, variance = sd * sd, mean = 1, t = ts[i];
        double y = mean + t * sd;
        struct kr_metrics m = metrics_of(5, 1, &y, &mean, &variance, 2, fitted);
        CLOSE(m.crps, 5 * sd * ranked(t), m.crps, 1e-9, "t = %g", t);
    }
}
END_TEST

START_TEST(what_is_not_defined_is_nan)
{
    double y[] = {2, 2}, mean[] = {1, 3}, variance[] = {1, 1}, fitted[] = {4, 4};
    struct kr_metrics m = metrics_of(2, 2, y, mean, variance, 2, fitted);
    ck_assert(isnan(m.smse)); /* scored targets without spread */
    ck_assert(isnan(m.msll)); /* and fitted ones */
    ck_assert(m.rmse == 2 && m.mae == 2 && isfinite(m.nlpd) && isfinite(m.crps) && m.coverage_90 == 1);
    m = metrics_of(2, 2, y, mean, NULL, 2, fitted);
    ck_assert(m.rmse == 2 && m.mae == 2);
    ck_assert(isnan(m.nlpd) && isnan(m.msll) && isnan(m.crps));
    ck_assert(isnan(m.coverage_50) && isnan(m.coverage_90) && isnan(m.coverage_95));
}
END_TEST

SUITE("metrics", worked_by_hand, coverage_counts_both_sides, crps_is_its_integral, what_is_not_defined_is_nan)
