/*
 * What every prior owes: its log density is that of a formula written here, normalised over its support, its
 * slope is the derivative of its value, and there is none outside.
 */
#include "models.h"

#include "kriged/prior.h"

/* ---- the log densities, in long double; a, b are the options in the order of their table ---- */

static long double normal(long double v, long double mean, long double sd)
{
    return -(v - mean) * (v - mean) / (2 * sd * sd) - logl(sd * sqrtl(8 * atanl(1)));
}

static long double lognormal(long double v, long double mean, long double sd)
{
    return normal(logl(v), mean, sd) - logl(v);
}

static long double gamma_density(long double v, long double shape, long double rate)
{
    return shape * logl(rate) - lgammal(shape) + (shape - 1) * logl(v) - rate * v;
}

static long double halfcauchy(long double v, long double scale, long double unused)
{
    (void)unused;
    return -logl(2 * atanl(1) * (scale + v * v / scale));
}

static long double uniform(long double v, long double lower, long double upper)
{
    (void)v;
    return -logl(upper - lower);
}

static const struct formula {
    const char *name;
    long double (*log_density)(long double v, long double a, long double b);
    double options[3][2];
    double lower, upper; /* of the support with the first options */
} formulas[] = {
    {"normal", normal, {{0.4, 0.7}, {-3, 2}, {100, 1e-3}}, -INFINITY, INFINITY},
    {"lognormal", lognormal, {{0.2, 0.5}, {1.7, 1}, {-4, 2}}, 0, INFINITY},
    {"gamma", gamma_density, {{2.5, 1.5}, {1, 3}, {0.5, 0.25}}, 0, INFINITY},
    {"halfcauchy", halfcauchy, {{0.8, 0}, {5, 0}, {0.01, 0}}, 0, INFINITY},
    {"uniform", uniform, {{0.25, 3}, {-1, 1}, {1e-4, 1e4}}, 0.25, 3},
};

static const struct formula *formula_of(const char *name)
{
    for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++)
        if (strcmp(formulas[f].name, name) == 0)
            return &formulas[f];
    ck_abort_msg("the prior %s has no formula in this test", name);
    return NULL;
}

struct seen {
    const struct kr_prior_type *type;
    double options[2];
};

static double value_at(void *self, double v)
{
    const struct seen *seen = self;
    double slope;
    return seen->type->log_density(seen->options, v, &slope);
}

static double value_at_log(void *self, double t)
{
    return value_at(self, exp(t));
}

/* Options are doubles and nothing else, so a pair of them is a struct of one or two. */
static bool open_row(size_t row, size_t set, struct seen *seen, const struct formula **formula)
{
    const struct kr_type *type = kr_prior_registry.rows[row];
    if (!type)
        return false;
    *formula = formula_of(type->name);
    seen->type = (const struct kr_prior_type *)type;
    memcpy(seen->options, (*formula)->options[set], sizeof seen->options);
    ck_assert_uint_gt(strlen(type->doc), 0);
    ck_assert_uint_le(type->options->size, sizeof seen->options);
    for (size_t i = 0; i < type->options->count; i++) {
        ck_assert_int_eq(type->options->fields[i].kind, KR_KIND_REAL);
        ck_assert(type->options->fields[i].flags & KR_REQUIRED); /* a prior says what it believes */
    }
    return true;
}

/* Points of the support, near and far. */
static double point(const struct seen *seen, int i)
{
    double lower, upper;
    seen->type->support(seen->options, &lower, &upper);
    if (upper < INFINITY)
        return lower + (upper - lower) * (i + 0.5) / 8;
    return lower == 0 ? pow(10, i - 3) : (i - 3.5) * 0.7;
}

START_TEST(values_and_slopes_are_the_formula)
{
    struct seen seen;
    const struct formula *formula;
    for (size_t set = 0; set < 3; set++)
        for (size_t row = 0; open_row(row, set, &seen, &formula); row++)
            for (int i = 0; i < 8; i++) {
                const double v = point(&seen, i), *o = seen.options;
                double slope, value = seen.type->log_density(o, v, &slope);
                CLOSE(value, (double)formula->log_density(v, o[0], o[1]), fmax(1, fabs(value)), 1e-13,
                      "%s at %g", formula->name, v);
                const double wanted = formula->lower == 0 ? derivative(value_at_log, &seen, log(v)) / v
                                                          : derivative(value_at, &seen, v);
                CLOSE(slope, wanted, fmax(fabs(slope), fabs(value / v) * 1e-3), 1e-8, "slope of %s at %g",
                      formula->name, v);
            }
}
END_TEST

/* Simpson's rule of the density by t, v = e^t where the support begins at 0 (the tail of a half-Cauchy). */
static double mass(const struct seen *seen, const struct formula *formula)
{
    enum { STEPS = 200000 };
    const bool positive = formula->lower == 0;
    const double from = positive ? -80 : fmax(formula->lower, -40),
                 to = positive ? 80 : fmin(formula->upper, 40), h = (to - from) / STEPS;
    double sum = 0, slope;
    for (int i = 0; i <= STEPS; i++) {
        const double t = from + h * i, v = positive ? exp(t) : t;
        sum += (i == 0 || i == STEPS ? 1
                : i % 2              ? 4
                                     : 2) *
               h / 3 * exp(seen->type->log_density(seen->options, v, &slope) + (positive ? t : 0));
    }
    return sum;
}

START_TEST(the_mass_is_one)
{
    struct seen seen;
    const struct formula *formula;
    for (size_t row = 0; open_row(row, 0, &seen, &formula); row++) {
        double lower, upper;
        seen.type->support(seen.options, &lower, &upper);
        ck_assert(lower == formula->lower && upper == formula->upper);
        CLOSE(mass(&seen, formula), 1, 1, 1e-9, "mass of %s", formula->name);
    }
}
END_TEST

START_TEST(outside_there_is_no_density)
{
    struct seen seen;
    const struct formula *formula;
    for (size_t row = 0; open_row(row, 0, &seen, &formula); row++) {
        if (formula->lower > -INFINITY)
            ck_assert(value_at(&seen, formula->lower - 1e-3) == -INFINITY);
        if (formula->upper < INFINITY)
            ck_assert(value_at(&seen, formula->upper + 1e-3) == -INFINITY);
    }
}
END_TEST

SUITE("priors", values_and_slopes_are_the_formula, the_mass_is_one, outside_there_is_no_density)
