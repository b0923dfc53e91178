/*
 * Metrics of the target behind a change of variables, in its own units: the mean for squared errors, the
 * median for absolute ones, the density with its factor, the score of the transformed normal; central
 * intervals are mapped, so that coverage is that of z. The trivial prediction of msll is, as without a
 * transform, a normal with the mean and variance of the fitted targets themselves. Formulas are those of the
 * losses, loss_<name>.c. O(m + n).
 */
#include "gp/objective.h"

#include <math.h>

extern const struct kr_loss_type kr_loss_mse, kr_loss_mae, kr_loss_crps;

struct moments {
    double mean, variance;
};

static struct moments moments_of(const struct kr_transform *t, const struct kr_part *part)
{
    struct moments m = {0, 0};
    double g[3];
    for (size_t i = 0; i < part->n; i++) {
        kr_transform_at(t, part->y[i], g);
        m.mean += g[0] / (double)part->n;
    }
    for (size_t i = 0; i < part->n; i++) {
        kr_transform_at(t, part->y[i], g);
        m.variance += (g[0] - m.mean) * (g[0] - m.mean) / (double)part->n;
    }
    return m;
}

/* Sums of one point, in t->unit. */
struct sums {
    double squared, absolute, ranked, density, trivial, inside[3];
};

static void add(const struct kr_transform *t, const struct moments *base, double y, double mean,
                double variance, struct sums *out)
{
    /* quantiles of |t| of a standard normal at 50, 90 and 95 % */
    static const double half_width[3] = {0.6744897501960817, 1.6448536269514722, 1.959963984540054};
    double g[3], by[3];
    const double e = y - mean;
    kr_transform_at(t, y, g);
    out->squared += kr_loss_mse.transformed(NULL, t, y, mean, variance, by);
    out->ranked += kr_loss_crps.transformed(NULL, t, y, mean, variance, by);
    out->density += 0.5 * (log(2 * M_PI * variance) + e * e / variance) + log(g[1]);
    out->trivial +=
        0.5 * (log(2 * M_PI * base->variance) + (g[0] - base->mean) * (g[0] - base->mean) / base->variance);
    for (int c = 0; c < 3; c++)
        out->inside[c] += fabs(e) / sqrt(variance) <= half_width[c] ? 1 : 0;
}

void kr_transformed_metrics(const struct kr_gp *gp, const struct kr_part *scored,
                            const struct kr_part *fitted, const double *mean, const double *variance,
                            struct kr_metrics *out)
{
    const struct kr_transform *t = gp->transforms;
    const struct moments base = moments_of(t, fitted), spread = moments_of(t, scored);
    const double m = (double)scored->n;
    struct sums sums = {0};
    double by[3];
    for (size_t j = 0; j < scored->n; j++)
        sums.absolute += kr_loss_mae.transformed(NULL, t, scored->y[j], mean[j], 0, by);
    out->mae = sums.absolute / m * t->unit;
    if (!variance)
        return;
    for (size_t j = 0; j < scored->n; j++)
        add(t, &base, scored->y[j], mean[j], variance[j], &sums);
    out->rmse = sqrt(sums.squared / m) * t->unit;
    out->smse = spread.variance > 0 ? sums.squared / m / spread.variance : NAN;
    out->nlpd = sums.density / m + log(t->unit);
    out->msll = base.variance > 0 ? (sums.density - sums.trivial) / m : NAN;
    out->crps = sums.ranked / m * t->unit;
    out->coverage_50 = sums.inside[0] / m;
    out->coverage_90 = sums.inside[1] / m;
    out->coverage_95 = sums.inside[2] / m;
}
