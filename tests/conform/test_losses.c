/*
 * What every loss owes: its value is that of a formula written here, its adjoints are the derivatives of its
 * value, and each point counts the same.
 */
#include "models.h"

/* ---- the formulas, of one point, in long double ---- */

static long double mse(long double y, long double mean, long double variance)
{
    (void)variance;
    return (y - mean) * (y - mean);
}

static long double nlpd(long double y, long double mean, long double variance)
{
    const long double sd = sqrtl(variance), t = (y - mean) / sd;
    return logl(sd) + t * t / 2 + logl(8 * atanl(1)) / 2;
}

static long double mae(long double y, long double mean, long double variance)
{
    (void)variance;
    return fabsl(y - mean);
}

/* delta = 1 */
static long double huber(long double y, long double mean, long double variance)
{
    long double e = fabsl(y - mean);
    (void)variance;
    return e < 1 ? e * e / 2 : e - 0.5L;
}

/* By its definition, the integral of (F(z) - [z >= y])^2, to the middle of both tails by Simpson's rule. */
static long double crps(long double y, long double mean, long double variance)
{
    enum { STEPS = 20000 };
    const long double sd = sqrtl(variance), ends[3] = {fminl(y, mean - 12 * sd), y, fmaxl(y, mean + 12 * sd)};
    long double sum = 0;
    for (int side = 0; side < 2; side++) {
        const long double h = (ends[side + 1] - ends[side]) / STEPS;
        for (int i = 0; i <= STEPS; i++) {
            const long double z = (ends[side] + h * i - mean) / sd,
                              tail = 0.5L * erfcl((side ? z : -z) * (long double)M_SQRT1_2);
            sum += (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) * tail * tail * h / 3;
        }
    }
    return sum;
}

/* q = 0.5: half the absolute error */
static long double pinball(long double y, long double mean, long double variance)
{
    (void)variance;
    return fabsl(y - mean) / 2;
}

/* nu = 4: the density is 3/8 (1 + s/4)^(-5/2)/sd */
static long double student_t(long double y, long double mean, long double variance)
{
    long double s = (y - mean) * (y - mean) / variance;
    return -logl(0.375L) + 2.5L * logl(1 + s / 4) + logl(variance) / 2;
}

static const struct formula {
    const char *name;
    long double (*of_point)(long double y, long double mean, long double variance);
    bool variance, positive;
} formulas[] = {
    {"mse", mse, false, true},
    {"mae", mae, false, true},
    {"huber", huber, false, true},
    {"nlpd", nlpd, true, false},
    {"crps", crps, true, true},
    {"pinball", pinball, true, true},
    {"student_t", student_t, true, false},
};

static const struct formula *formula_of(const char *name)
{
    for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++)
        if (strcmp(formulas[f].name, name) == 0)
            return &formulas[f];
    ck_abort_msg("the loss %s has no formula in this test", name);
    return NULL;
}

/* ---- predictions ---- */

enum { MOST = 40 };

struct predictions {
    const struct kr_loss_type *type;
    void *options;
    size_t m;
    double y[MOST], mean[MOST], variance[MOST];
    double value, mean_bar[MOST], variance_bar[MOST];
    double *entry; /* that a difference moves */
};

/* From far too certain to far too vague, and one mean that is exactly right. */
static void predict(size_t m, struct predictions *p)
{
    struct kr_rng rng;
    kr_rng_init(&rng, m, 3);
    p->m = m;
    for (size_t j = 0; j < m; j++) {
        p->y[j] = 2 * kr_rng_normal(&rng);
        p->mean[j] = j == 3 ? p->y[j] : kr_rng_normal(&rng);
        p->variance[j] = exp(2 * kr_rng_normal(&rng));
    }
}

/* Adjoints start as rubbish: a loss sets them. One that needs no variance gets none. */
static void evaluate(struct predictions *p)
{
    const bool variance = p->type->needs_variance;
    p->value = NAN;
    for (size_t j = 0; j < MOST; j++)
        p->mean_bar[j] = p->variance_bar[j] = 1e3;
    p->type->eval(p->options, p->m, p->y, p->mean, variance ? p->variance : NULL, &p->value, p->mean_bar,
                  variance ? p->variance_bar : NULL);
}

static double value_at(void *self, double entry)
{
    struct predictions moved = *(struct predictions *)self, *p = self;
    *(double *)((char *)&moved + ((char *)p->entry - (char *)p)) = entry;
    evaluate(&moved);
    return moved.value;
}

#define EACH_LOSS(ctx, p)                                                                                    \
    struct kr_ctx context_, *ctx = &context_;                                                                \
    struct predictions predictions_, *p = &predictions_;                                                     \
    kr_ctx_init(ctx, 0);                                                                                     \
    for (size_t row_ = 0; open_row(ctx, row_, p); row_++)

static bool open_row(struct kr_ctx *ctx, size_t row, struct predictions *p)
{
    struct kr_variant variant;
    const struct kr_type *type = kr_loss_registry.rows[row];
    if (!type ||
        !((const struct kr_loss_type *)type)->eval) /* the evidence, last, is no loss of predictions */
        return false;
    memset(p, 0, sizeof *p);
    OK(kr_variant_init(ctx, &kr_loss_registry, type->name, &variant));
    p->type = (const struct kr_loss_type *)type;
    p->options = variant.options;
    return true;
}

START_TEST(values_are_the_formula)
{
    EACH_LOSS(ctx, p)
    {
        const struct formula *formula = formula_of(p->type->base.name);
        ck_assert_int_eq(p->type->needs_variance, formula->variance);
        ck_assert_int_eq(p->type->by_logarithm, formula->positive);
        ck_assert_uint_gt(strlen(p->type->base.doc), 0);
        for (size_t m = 1; m <= MOST; m += 13) {
            long double sum = 0;
            predict(m, p);
            evaluate(p);
            for (size_t j = 0; j < m; j++)
                sum += formula->of_point(p->y[j], p->mean[j], p->variance[j]);
            CLOSE(p->value, (double)(sum / m), fabs(p->value), 1e-13, "%s of %zu", formula->name, m);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

static void check_adjoint(struct predictions *p, double *entries, const double *bar, const char *what)
{
    for (size_t j = 0; j < p->m; j++) {
        p->entry = &entries[j];
        double wanted = derivative(value_at, p, entries[j]);
        /* a part of the value per unit of the entry: what differences can resolve where the derivative is
         * nearly 0 */
        double scale = fmax(fabs(bar[j]), 1e-2 * fabs(p->value) / fmax(fabs(entries[j]), 1));
        CLOSE(bar[j], wanted, scale, 1e-7, "%s, %s_bar %zu of %zu", p->type->base.name, what, j, p->m);
    }
}

START_TEST(adjoints_are_derivatives)
{
    EACH_LOSS(ctx, p)
    {
        for (size_t m = 1; m <= MOST; m += 13) {
            predict(m, p);
            evaluate(p);
            check_adjoint(p, p->mean, p->mean_bar, "mean");
            if (p->type->needs_variance)
                check_adjoint(p, p->variance, p->variance_bar, "variance");
            double y_bar[MOST]; /* what derivatives by the data rely on */
            for (size_t j = 0; j < m; j++)
                y_bar[j] = -p->mean_bar[j];
            check_adjoint(p, p->y, y_bar, "y");
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(a_right_mean_with_little_variance_is_best)
{
    EACH_LOSS(ctx, p)
    {
        predict(5, p);
        evaluate(p);
        double before = p->value;
        memcpy(p->mean, p->y, sizeof p->y);
        evaluate(p);
        ck_assert(p->value < before);
        for (size_t j = 0; j < p->m; j++) {
            ck_assert(p->mean_bar[j] == 0);
            /* the median does not depend on the variance */
            ck_assert(!p->type->needs_variance || p->variance_bar[j] > 0 ||
                      strcmp(p->type->base.name, "pinball") == 0);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(what_is_not_finite_shows)
{
    EACH_LOSS(ctx, p)
    {
        predict(5, p);
        p->mean[2] = NAN;
        evaluate(p);
        ck_assert(!isfinite(p->value));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Other quantiles than the median, and other tails and elbows than the defaults. */
START_TEST(options_count)
{
    struct kr_ctx context, *ctx = &context;
    struct predictions p;
    kr_ctx_init(ctx, 0);
    for (size_t row = 0; open_row(ctx, row, &p); row++)
        if (p.type->base.options) {
            predict(MOST, &p);
            evaluate(&p);
            const double before = p.value;
            *(double *)p.options = 0.3; /* delta, quantile, nu: the first member of each */
            ck_assert_uint_eq(p.type->base.options->count, 1);
            evaluate(&p);
            ck_assert(fabs(p.value - before) > 1e-3 * fabs(before));
            check_adjoint(&p, p.mean, p.mean_bar, "mean");
            if (p.type->needs_variance)
                check_adjoint(&p, p.variance, p.variance_bar, "variance");
            if (strcmp(p.type->base.name, "pinball") == 0) {       /* by its definition */
                long double sum = 0, z = -0.52440051270804078404L; /* the 0.3-quantile of a normal */
                for (size_t j = 0; j < p.m; j++) {
                    long double w = p.y[j] - (p.mean[j] + sqrtl(p.variance[j]) * z);
                    sum += w > 0 ? 0.3L * w : -0.7L * w;
                }
                CLOSE(p.value, (double)(sum / p.m), fabs(p.value), 1e-13, "pinball at 0.3");
            }
        }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("losses", options_count, values_are_the_formula, adjoints_are_derivatives,
      a_right_mean_with_little_variance_is_best, what_is_not_finite_shows)
