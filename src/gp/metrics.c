/*
 * Metrics in the data's units from standardised predictions (mathematics of Rasmussen and Williams 2006,
 * section 2.5; CRPS of a normal: Gneiting and Raftery 2007, eq. 21). O(m).
 *
 *     nlpd = mean 0.5 log(2 pi v) + e^2/(2 v),    crps = mean sd (t (2 Phi(t) - 1) + 2 phi(t) - 1/sqrt(pi)),
 * t = e/sd msll = nlpd - the same with the mean and variance of the targets that were fitted
 *
 * Of several targets each by itself, in its own units, and the means over them.
 */
#include "gp/objective.h"

#include <math.h>

struct moments {
    double mean, variance;
};

static struct moments moments_of(const struct kr_part *part)
{
    struct moments m = {0, 0};
    for (size_t i = 0; i < part->n; i++)
        m.mean += part->y[i] / (double)part->n;
    for (size_t i = 0; i < part->n; i++)
        m.variance += (part->y[i] - m.mean) * (part->y[i] - m.mean) / (double)part->n;
    return m;
}

static double density_loss(double e, double v)
{
    return 0.5 * log(2 * M_PI * v) + e * e / (2 * v);
}

static double crps(double e, double v)
{
    double sd = sqrt(v), t = e / sd, cdf = 0.5 * erfc(-t * M_SQRT1_2),
           pdf = exp(-0.5 * t * t) / sqrt(2 * M_PI);
    return sd * (t * (2 * cdf - 1) + 2 * pdf - 1 / sqrt(M_PI));
}

static void probabilistic(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                          const double *mean, const double *variance, struct kr_metrics *out)
{
    /* quantiles of |t| of a standard normal at 50, 90 and 95 % */
    static const double half_width[3] = {0.6744897501960817, 1.6448536269514722, 1.959963984540054};
    const struct moments base = moments_of(fitted);
    const double m = (double)scored->n, sd = gp->scale.y_sd;
    double nlpd = 0, trivial = 0, ranked = 0, inside[3] = {0, 0, 0};
    for (size_t j = 0; j < scored->n; j++) {
        double e = scored->y[j] - mean[j], t = fabs(e) / sqrt(variance[j]);
        nlpd += density_loss(e, variance[j]) / m;
        trivial += density_loss(scored->y[j] - base.mean, base.variance) / m;
        ranked += crps(e, variance[j]) / m;
        for (int c = 0; c < 3; c++)
            inside[c] += t <= half_width[c] ? 1 : 0;
    }
    out->nlpd = nlpd + log(sd);
    out->msll = base.variance > 0 ? nlpd - trivial : NAN;
    out->crps = ranked * sd;
    out->coverage_50 = inside[0] / m;
    out->coverage_90 = inside[1] / m;
    out->coverage_95 = inside[2] / m;
}

static void of_one(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                   const double *mean, const double *variance, struct kr_metrics *out)
{
    const double m = (double)scored->n, sd = gp->scale.y_sd, spread = moments_of(scored).variance;
    double squared = 0, absolute = 0;
    *out = (struct kr_metrics){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, {0}};
    if (scored->n == 0)
        return;
    if (kr_transforms(gp->transforms)) {
        kr_transformed_metrics(gp, scored, fitted, mean, variance, out);
        return;
    }
    for (size_t j = 0; j < scored->n; j++) {
        double e = scored->y[j] - mean[j];
        squared += e * e / m;
        absolute += fabs(e) / m;
    }
    out->rmse = sqrt(squared) * sd;
    out->mae = absolute * sd;
    out->smse = spread > 0 ? squared / spread : NAN;
    if (variance)
        probabilistic(gp, scored, fitted, mean, variance, out);
}

/* out += share one, and to[t] = one with its name. */
static void take(const struct kr_gp *gp, size_t t, double share, const struct kr_metrics *one,
                 struct kr_target_metrics *to, struct kr_metrics *out)
{
#define TAKE(S, kind, member, ...) out->member += share * one->member;
    KR_METRICS_FIELDS(TAKE, _)
#undef TAKE
    if (!to)
        return;
    to->name = gp->target_names ? gp->target_names[t] : NULL;
#define TAKE(S, kind, member, ...) to->member = one->member;
    KR_METRICS_FIELDS(TAKE, _)
#undef TAKE
}

void kr_metrics_each(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                     const double *mean, const double *variance, struct kr_target_metrics *each,
                     struct kr_metrics *out)
{
    const size_t q = gp->targets;
    if (q <= 1) {
        of_one(gp, scored, fitted, mean, variance, out);
        return;
    }
    *out = (struct kr_metrics){.targets = {each ? q : 0, each}};
    for (size_t t = 0; t < q; t++) {
        const struct kr_gp one = kr_gp_target(gp, t);
        const struct kr_part s = kr_part_target(scored, t), f = kr_part_target(fitted, t);
        struct kr_metrics metrics;
        of_one(&one, &s, &f, mean + t * scored->n, variance, &metrics);
        take(gp, t, 1 / (double)q, &metrics, each ? each + t : NULL, out);
    }
}

void kr_metrics_eval(const struct kr_gp *gp, const struct kr_part *scored, const struct kr_part *fitted,
                     const double *mean, const double *variance, struct kr_metrics *out)
{
    kr_metrics_each(gp, scored, fitted, mean, variance, NULL, out);
}
