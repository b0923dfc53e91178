/*
 * student_t: negative log density of a Student t prediction with nu degrees of freedom around the mean, v its
 * squared scale. With e = y - mean, s = e^2/(nu v):
 *
 *     -lgamma((nu+1)/2) + lgamma(nu/2) + 0.5 log(nu pi v) + (nu+1)/2 log(1 + s)
 *     mean_bar = -(nu+1) e/(nu v (1 + s))/m,   variance_bar = (1 - (nu+1) s/(1 + s))/(2 v)/m
 *
 * Through a change of variables the density of the target is that of z times dz/dy (transformed.c). Source:
 * Rasmussen and Williams 2006, section 9.3; nlpd is its limit for large nu.
 */
#include "kriged/gp.h"

#include <math.h>

#define KR_STUDENT_T_FIELDS(F, S)                                                                            \
    F(S, REAL, nu, _, "4", 0, 1e6, KR_OPEN_MIN, "degrees of freedom: the fewer, the heavier the tails")
KR_DECLARE(kr_student_t_options, KR_STUDENT_T_FIELDS);
KR_DEFINE(kr_student_t_options, KR_STUDENT_T_FIELDS, "options of the Student t loss");

static void eval(const void *options, size_t m, const double *y, const double *mean, const double *variance,
                 double *value, double *mean_bar, double *variance_bar)
{
    const double nu = ((const struct kr_student_t_options *)options)->nu;
    int sign;
    const double constant = lgamma_r(nu / 2, &sign) - lgamma_r((nu + 1) / 2, &sign) + 0.5 * log(nu * M_PI);
    double sum = 0;
    for (size_t j = 0; j < m; j++) {
        const double e = y[j] - mean[j], v = variance[j], s = e * e / (nu * v);
        sum += constant + 0.5 * log(v) + 0.5 * (nu + 1) * log1p(s);
        mean_bar[j] = -(nu + 1) * e / (nu * v * (1 + s)) / (double)m;
        variance_bar[j] = (1 - (nu + 1) * s / (1 + s)) / (2 * v) / (double)m;
    }
    *value = sum / (double)m;
}

extern const struct kr_loss_type kr_loss_student_t;
const struct kr_loss_type kr_loss_student_t = {
    .base = {"student_t", "negative log density with heavy tails: outliers count little",
             &kr_student_t_options_schema},
    .needs_variance = true,
    .density = true,
    .eval = eval,
};
