/*
 * What every change of variables owes: its integrals are those of its g by quadrature, its derivatives are
 * differences; and what losses make of it: values by their definitions, adjoints as derivatives, the normal
 * formulas where g is the identity.
 */
#include "models.h"

static struct kr_ctx context, *ctx;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static const double means[] = {-1.2, 0, 0.7}, variances[] = {0.01, 0.3, 2.5},
                    ends[] = {-2.1, 0.1, 0.9, INFINITY};
enum { MEANS = 3, VARIANCES = 3, ENDS = 4, STEPS = 4000, FEW = 1200 };

#define EACH_TRANSFORM(t)                                                                                    \
    struct kr_transform transform_, *t = &transform_;                                                        \
    for (size_t row_ = 0; open_row(row_, t); row_++)

/* As a standardised target sees it. */
static bool open_row(size_t row, struct kr_transform *t)
{
    struct kr_variant variant;
    const struct kr_type *type = kr_transform_registry.rows[row];
    if (!type)
        return false;
    OK(kr_variant_init(ctx, &kr_transform_registry, type->name, &variant));
    *t = (struct kr_transform){(const struct kr_transform_type *)type, variant.options, 0.4, 0.6, 1.7};
    return true;
}

/* ---- quadrature ---- */

static long double density(long double s, double mean, double variance)
{
    const long double u = (s - mean) / sqrtl(variance);
    return expl(-u * u / 2) / sqrtl(2 * acosl(-1) * variance);
}

typedef long double integrand(const void *self, long double s);

/* By Simpson's rule over the part of [mean - 14 sd, c] that is not negligible. */
static long double integral(integrand *f, const void *self, double mean, double variance, double from,
                            double to, int steps)
{
    const double sd = sqrt(variance);
    const long double low = fmax(from, mean - 14 * sd), high = fmin(to, mean + 14 * sd),
                      h = (high - low) / steps;
    long double sum = 0;
    if (!(high > low))
        return 0;
    for (int i = 0; i <= steps; i++)
        sum += (i == 0 || i == steps ? 1
                : i % 2              ? 4
                                     : 2) *
               f(self, low + h * i) * density(low + h * i, mean, variance);
    return sum * h / 3;
}

struct derivative_of_g {
    const struct kr_transform *t;
    int order;
};

static long double g_at(const void *self, long double s)
{
    const struct derivative_of_g *d = self;
    double g[3];
    kr_transform_at(d->t, (double)s, g);
    return g[d->order];
}

struct pair {
    const struct kr_transform *t;
    double mean, variance;
};

/* |g(s) - g(S')|/2 over S' */
static long double distance(const void *self, long double s)
{
    const struct pair *p = self;
    const struct derivative_of_g value = {p->t, 0};
    const double at = (double)s;
    const long double g = g_at(&value, s),
                      below = integral(g_at, &value, p->mean, p->variance, -INFINITY, at, STEPS),
                      above = integral(g_at, &value, p->mean, p->variance, at, INFINITY, STEPS),
                      share = erfl((s - p->mean) / sqrtl(2 * p->variance));
    return (g * share - below + above) / 2;
}

START_TEST(partial_expectations_are_integrals)
{
    EACH_TRANSFORM(t)
    {
        for (int i = 0; i < MEANS * VARIANCES * ENDS; i++) {
            const double mean = means[i % MEANS], variance = variances[i / MEANS % VARIANCES],
                         c = ends[i / MEANS / VARIANCES];
            double got[3];
            kr_transform_below(t, mean, variance, c, got);
            for (int order = 0; order < 3; order++) {
                const struct derivative_of_g d = {t, order};
                const double wanted = (double)integral(g_at, &d, mean, variance, -INFINITY, c, STEPS);
                CLOSE(got[order], wanted, fmax(fabs(wanted), 1e-3), 1e-10,
                      "%s: derivative %d below %g of N(%g, %g)", t->type->base.name, order, c, mean,
                      variance);
            }
        }
    }
}
END_TEST

/* ---- derivatives of the pieces ---- */

struct moving {
    const struct kr_transform *t;
    double mean, variance, s;
    int piece, argument; /* at: of s; spread: of the mean, the variance */
};

static double piece_at(void *self, double x)
{
    const struct moving *m = self;
    double out[3];
    if (m->piece < 2)
        kr_transform_at(m->t, x, out);
    else
        kr_transform_spread(m->t, m->argument == 1 ? x : m->mean, m->argument == 2 ? x : m->variance, out);
    return out[m->piece < 2 ? m->piece : 0];
}

START_TEST(derivatives_are_differences)
{
    EACH_TRANSFORM(t)
    {
        const char *name = t->type->base.name;
        for (int i = 0; i < MEANS * VARIANCES; i++) {
            struct moving m = {t, means[i % MEANS], variances[i / MEANS], 0, 0, 0};
            double g[3], spread[3];
            kr_transform_at(t, m.mean, g);
            kr_transform_spread(t, m.mean, m.variance, spread);
            ck_assert(g[1] > 0);
            for (m.piece = 0; m.piece < 2; m.piece++)
                CLOSE(g[m.piece + 1], derivative(piece_at, &m, m.mean), fabs(g[1]), 1e-8, "%s", name);
            for (m.argument = 1; m.argument < 3; m.argument++)
                CLOSE(spread[m.argument], derivative(piece_at, &m, m.argument == 1 ? m.mean : m.variance),
                      spread[0], 1e-8, "%s: spread by argument %d", name, m.argument);
            CLOSE(kr_transform_inverse(t, g[0]), m.mean, 1, 1e-13, "%s: inverse", name);
            ck_assert(kr_transform_inverse(t, -1e300) <= -1e300);
        }
    }
}
END_TEST

START_TEST(spreads_and_covariances_are_integrals)
{
    EACH_TRANSFORM(t)
    {
        for (int i = 1; i < MEANS * VARIANCES; i += 3) {
            const struct pair p = {t, means[i % MEANS], variances[i / MEANS]};
            double spread[3], first[3];
            kr_transform_spread(t, p.mean, p.variance, spread);
            const double wanted =
                (double)integral(distance, &p, p.mean, p.variance, -INFINITY, INFINITY, FEW);
            CLOSE(spread[0], wanted, wanted, 1e-10, "%s: spread", t->type->base.name);
            /* Price's theorem: d cov/d c = E g'(Z1) g'(Z2), at c = 0 the product of the expectations */
            const double both[2] = {p.mean, p.mean}, two[2] = {p.variance, p.variance}, c = 1e-5;
            const struct kr_transform plain = {t->type, t->options, 0, 1, 1};
            kr_transform_below(&plain, p.mean, p.variance, INFINITY, first);
            const double up = t->type->covariance(t->options, both, two, c),
                         down = t->type->covariance(t->options, both, two, -c);
            CLOSE((up - down) / (2 * c), first[1] * first[1], first[1] * first[1], 1e-8, "%s: covariance",
                  t->type->base.name);
            /* the whole variance: E g^2 - (E g)^2 by quadrature */
            const struct derivative_of_g value = {&plain, 0};
            long double square = 0;
            const double sd = sqrt(p.variance), h = 28 * sd / STEPS;
            for (int k = 0; k <= STEPS; k++) {
                const long double s = p.mean - 14 * sd + h * k, g = g_at(&value, s);
                square += g * g * density(s, p.mean, p.variance) * (k % 2 ? 4 : 2) * h / 3;
            }
            const double variance = (double)(square - (long double)first[0] * first[0]);
            CLOSE(t->type->covariance(t->options, both, two, p.variance), variance, (double)square, 1e-9,
                  "%s: variance", t->type->base.name);
        }
    }
}
END_TEST

/* ---- losses ---- */

struct point {
    const struct kr_loss_type *type;
    const void *options;
    const struct kr_transform *t;
    double at[3], by[3]; /* mean, variance, y */
    int argument;
};

static double loss_of(struct point *p)
{
    return p->type->transformed(p->options, p->t, p->at[2], p->at[0], p->at[1], p->by);
}

static double loss_at(void *self, double x)
{
    struct point moved = *(struct point *)self;
    moved.at[moved.argument] = x;
    return loss_of(&moved);
}

/* What a prediction costs, by the definitions. */
static double g_of(const struct kr_transform *t, double s)
{
    double g[3];
    kr_transform_at(t, s, g);
    return g[0];
}

static double huber_cost(double e, double delta)
{
    return fabs(e) < delta ? e * e / 2 : delta * (fabs(e) - delta / 2);
}

/* The integral of (F(w) - [w >= y])^2 dw, w = g(s). */
static double ranked(const struct point *p)
{
    const double mean = p->at[0], sd = sqrt(p->at[1]), y = p->at[2];
    long double sum = 0;
    for (int side = 0; side < 2; side++) {
        const long double low = side ? y : fmin(y, mean - 14 * sd), high = side ? fmax(y, mean + 14 * sd) : y,
                          h = (high - low) / STEPS;
        for (int i = 0; i <= STEPS; i++) {
            const long double s = low + h * i, u = (s - mean) / sd,
                              miss = erfcl((side ? u : -u) / sqrtl(2)) / 2;
            double g[3];
            kr_transform_at(p->t, (double)s, g);
            sum += (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) * miss * miss * g[1] * h / 3;
        }
    }
    return (double)sum;
}

struct expected_clip {
    const struct kr_transform *t;
    double a, delta;
};

static long double clip_at(const void *self, long double s)
{
    const struct expected_clip *c = self;
    return fmin(fmax(g_of(c->t, (double)s) - c->a, -c->delta), c->delta);
}

/* The point whose expected clipped error is 0, by bisection; the integrand has kinks at a - delta and a +
 * delta. */
static double huber_point(const struct point *p, double delta)
{
    double low = g_of(p->t, p->at[0]) - delta, high = low + 2 * delta;
    for (int i = 0; i < 60; i++) {
        struct expected_clip c = {p->t, (low + high) / 2, delta};
        const double from = kr_transform_inverse(p->t, c.a - delta),
                     to = kr_transform_inverse(p->t, c.a + delta);
        const long double balance = integral(clip_at, &c, p->at[0], p->at[1], -INFINITY, from, FEW) +
                                    integral(clip_at, &c, p->at[0], p->at[1], from, to, FEW) +
                                    integral(clip_at, &c, p->at[0], p->at[1], to, INFINITY, FEW);
        *(balance > 0 ? &low : &high) = c.a;
    }
    return (low + high) / 2;
}

static double by_definition(const struct point *p)
{
    const char *name = p->type->base.name;
    const struct derivative_of_g value = {p->t, 0};
    const double y = g_of(p->t, p->at[2]), first = p->options ? *(const double *)p->options : 0;
    if (strcmp(name, "mse") == 0)
        return pow(y - (double)integral(g_at, &value, p->at[0], p->at[1], -INFINITY, INFINITY, STEPS), 2);
    if (strcmp(name, "mae") == 0)
        return fabs(y - g_of(p->t, p->at[0]));
    if (strcmp(name, "pinball") == 0) {
        const double w = y - g_of(p->t, p->at[0] + sqrt(p->at[1]) * kr_normal_quantile(first));
        return fmax(first * w, (first - 1) * w);
    }
    if (strcmp(name, "crps") == 0)
        return ranked(p);
    ck_assert_str_eq(name, "huber");
    return huber_cost(y - huber_point(p, first), first);
}

/* Every loss of a point, at predictions that are not on a kink. */
static bool open_loss(size_t row, const struct kr_transform *t, struct point *out)
{
    const struct kr_loss_type *type = (const struct kr_loss_type *)kr_loss_registry.rows[row];
    struct kr_variant variant;
    if (!type)
        return false;
    OK(kr_variant_init(ctx, &kr_loss_registry, type->base.name, &variant));
    *out = (struct point){.type = type, .options = variant.options, .t = t};
    if (strcmp(type->base.name, "huber") == 0 || strcmp(type->base.name, "pinball") == 0)
        *(double *)variant.options = 0.3;
    ck_assert_msg(type->density != (type->transformed != NULL), "%s", type->base.name);
    return true;
}

START_TEST(losses_are_their_definitions)
{
    EACH_TRANSFORM(t)
    {
        struct point p;
        for (size_t row = 0; open_loss(row, t, &p); row++)
            for (int i = 0; p.type->transformed && i < MEANS * VARIANCES * 2; i++) {
                const double mean = means[i % MEANS], variance = variances[i / MEANS % VARIANCES];
                p.at[0] = mean;
                p.at[1] = variance;
                p.at[2] = i / MEANS / VARIANCES ? mean + 1.3 * sqrt(variance) : 0.21;
                const double value = loss_of(&p), wanted = by_definition(&p);
                CLOSE(value, wanted, fmax(fabs(wanted), 1e-3), 1e-9, "%s, %s of N(%g, %g) at %g",
                      t->type->base.name, p.type->base.name, mean, variance, p.at[2]);
                for (p.argument = 0; p.argument < 3; p.argument++) {
                    struct point moved = p;
                    const double slope = derivative(loss_at, &moved, p.at[p.argument]);
                    CLOSE(p.by[p.argument], slope, fmax(fabs(slope), 1e-2 * fabs(value)), 1e-6,
                          "%s, %s by %d of N(%g, %g) at %g", t->type->base.name, p.type->base.name,
                          p.argument, mean, variance, p.at[2]);
                }
            }
    }
}
END_TEST

START_TEST(without_a_transform_they_are_the_normal_losses)
{
    struct kr_transform t;
    struct point p;
    OK(open_row(0, &t) ? KR_OK : KR_INVALID);
    ck_assert(t.type->identity);
    t.mean = 0;
    t.sd = t.unit = 1;
    for (size_t row = 0; open_loss(row, &t, &p); row++)
        for (int i = 0; p.type->transformed && i < MEANS * VARIANCES; i++) {
            double value, mean_bar, variance_bar = 0;
            p.at[0] = means[i % MEANS];
            p.at[1] = variances[i / MEANS];
            p.at[2] = 0.33;
            p.type->eval(p.options, 1, &p.at[2], &p.at[0], &p.at[1], &value, &mean_bar, &variance_bar);
            const double got = loss_of(&p);
            CLOSE(got, value, value, 1e-12, "%s", p.type->base.name);
            CLOSE(p.by[0], mean_bar, fabs(mean_bar), 1e-11, "%s by mean", p.type->base.name);
            CLOSE(p.by[1], variance_bar, fmax(fabs(variance_bar), fabs(mean_bar)), 1e-11, "%s by variance",
                  p.type->base.name);
            CLOSE(p.by[2], -mean_bar, fabs(mean_bar), 1e-11, "%s by y", p.type->base.name);
        }
}
END_TEST

/* Next to nothing inside: the median. All inside: the mean. */
START_TEST(the_huber_point_lies_between_median_and_mean)
{
    struct kr_transform t;
    struct point p;
    size_t row = 0;
    ck_assert(open_row(1, &t));
    while (open_loss(row, &t, &p) && strcmp(p.type->base.name, "huber") != 0)
        row++;
    double *delta = (double *)(uintptr_t)p.options;
    const double where[3] = {0.2, 0.8, 3}; /* far above */
    memcpy(p.at, where, sizeof where);
    double whole[3];
    kr_transform_below(&t, p.at[0], p.at[1], INFINITY, whole);
    const double y = g_of(&t, p.at[2]), median = g_of(&t, p.at[0]), mean = whole[0];
    *delta = 1e-9;
    CLOSE(loss_of(&p) / *delta, y - median, y, 1e-8, "small");
    *delta = 1e8;
    CLOSE(loss_of(&p), (y - mean) * (y - mean) / 2, y * y, 1e-12, "large");
    double before = median;
    for (*delta = 0.01; *delta < 100; *delta *= 3) {
        const double size = loss_of(&p) / *delta + *delta / 2,
                     e = size > *delta ? size : sqrt(2 * loss_of(&p));
        ck_assert(y - e >= before - 1e-12 && y - e <= mean + 1e-12);
        before = y - e;
    }
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("transforms");
    TCase *tcase = tcase_create("transforms");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, partial_expectations_are_integrals);
    tcase_add_test(tcase, derivatives_are_differences);
    tcase_add_test(tcase, spreads_and_covariances_are_integrals);
    tcase_add_test(tcase, losses_are_their_definitions);
    tcase_add_test(tcase, without_a_transform_they_are_the_normal_losses);
    tcase_add_test(tcase, the_huber_point_lies_between_median_and_mean);
    suite_add_tcase(made, tcase);
    return made;
}
