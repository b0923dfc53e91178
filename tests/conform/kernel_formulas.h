/* The definitions of all kernels, one entry at a time, in long double, from the spec and not from the tree
 * that is built of it. A new kernel needs a row here. */
#ifndef KRIGED_TESTS_KERNEL_FORMULAS_H
#define KRIGED_TESTS_KERNEL_FORMULAS_H

#include "models.h"

struct pair {
    const struct kr_variant *spec;
    size_t count; /* features it sees */
    long double x[FEATURES], z[FEATURES];
    const double *p[KR_MAX_KERNEL_PARAMETERS]; /* values of parameter q: p[q][k * step[q]] for feature k */
    size_t step[KR_MAX_KERNEL_PARAMETERS];
    bool same; /* the same row of the same set */
};

static inline long double of(const struct pair *a, size_t q, size_t k)
{
    return a->p[q][k * a->step[q]];
}

/* r, with parameter 1 as the lengthscale */
static inline long double distance(const struct pair *a)
{
    long double r2 = 0;
    for (size_t k = 0; k < a->count; k++)
        r2 += (a->x[k] - a->z[k]) * (a->x[k] - a->z[k]) / (of(a, 1, k) * of(a, 1, k));
    return sqrtl(r2);
}

static inline long double rbf(const struct pair *a)
{
    long double r = distance(a);
    return of(a, 0, 0) * expl(-r * r / 2);
}

static inline long double matern12(const struct pair *a)
{
    return of(a, 0, 0) * expl(-distance(a));
}

static inline long double matern32(const struct pair *a)
{
    long double t = sqrtl(3) * distance(a);
    return of(a, 0, 0) * (1 + t) * expl(-t);
}

static inline long double matern52(const struct pair *a)
{
    long double t = sqrtl(5) * distance(a);
    return of(a, 0, 0) * (1 + t + t * t / 3) * expl(-t);
}

static inline long double rational_quadratic(const struct pair *a)
{
    long double r = distance(a), alpha = of(a, 2, 0);
    return of(a, 0, 0) * powl(1 + r * r / (2 * alpha), -alpha);
}

static inline long double periodic(const struct pair *a)
{
    long double sum = 0;
    for (size_t k = 0; k < a->count; k++) {
        long double wave = sinl((long double)M_PIl * (a->x[k] - a->z[k]) / of(a, 2, k)) / of(a, 1, k);
        sum += wave * wave;
    }
    return of(a, 0, 0) * expl(-2 * sum);
}

static inline long double cosine(const struct pair *a)
{
    long double turns = 0;
    for (size_t k = 0; k < a->count; k++)
        turns += (a->x[k] - a->z[k]) / of(a, 1, k);
    return of(a, 0, 0) * cosl(2 * M_PIl * turns);
}

static inline long double linear(const struct pair *a)
{
    long double sum = 0;
    for (size_t k = 0; k < a->count; k++)
        sum += of(a, 0, k) * a->x[k] * a->z[k];
    return sum;
}

static inline long double polynomial(const struct pair *a)
{
    long double sum = of(a, 1, 0);
    size_t degree = 0;
    for (size_t f = 0; f < a->spec->type->options->count; f++)
        if (strcmp(a->spec->type->options->fields[f].name, "degree") == 0)
            degree = *(const size_t *)member(a->spec->options,
                                             (ptrdiff_t)a->spec->type->options->fields[f].offset);
    ck_assert_uint_ge(degree, 1);
    for (size_t k = 0; k < a->count; k++)
        sum += a->x[k] * a->z[k];
    return of(a, 0, 0) * powl(sum, (long double)degree);
}

static inline long double constant(const struct pair *a)
{
    return of(a, 0, 0);
}

static inline long double white(const struct pair *a)
{
    return a->same ? of(a, 0, 0) : 0;
}

static inline long double arc_cosine(const struct pair *a)
{
    long double dot = 1, aa = 1, bb = 1;
    for (size_t k = 0; k < a->count; k++) {
        long double u = a->x[k] / of(a, 1, k), w = a->z[k] / of(a, 1, k);
        dot += u * w;
        aa += u * u;
        bb += w * w;
    }
    long double c = fminl(fmaxl(dot / sqrtl(aa * bb), -1), 1), t = acosl(c);
    return of(a, 0, 0) * sqrtl(aa * bb) / M_PIl * (sinl(t) + (M_PIl - t) * c);
}

static inline long double wendland(const struct pair *a)
{
    long double r = distance(a), j = (long double)(a->count / 2 + 2);
    return r >= 1 ? 0 : of(a, 0, 0) * powl(1 - r, j + 1) * ((j + 1) * r + 1);
}

static inline long double hamming(const struct pair *a)
{
    long double sum = 0;
    for (size_t k = 0; k < a->count; k++)
        sum += a->x[k] != a->z[k] ? 1 / of(a, 1, k) : 0;
    return of(a, 0, 0) * expl(-sum);
}

/* tolerance: of the value itself, or, where terms cancel, of what its terms may be. */
static const struct {
    const char *name;
    long double (*leaf)(const struct pair *); /* NULL: a sum or a product */
    bool cancels;
} formulas[] = {
    {"rbf", rbf, false},
    {"matern12", matern12, false},
    {"matern32", matern32, false},
    {"matern52", matern52, false},
    {"rational_quadratic", rational_quadratic, false},
    {"periodic", periodic, false},
    {"cosine", cosine, true},
    {"linear", linear, true},
    {"polynomial", polynomial, true},
    {"constant", constant, false},
    {"white", white, false},
    {"arc_cosine", arc_cosine, true},
    {"wendland", wendland, true},
    {"hamming", hamming, false},
    {"sum", NULL, false},
    {"product", NULL, false},
};

static inline size_t formula_of(const char *name)
{
    for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++)
        if (strcmp(formulas[f].name, name) == 0)
            return f;
    ck_abort_msg("the kernel %s has no formula in this test", name);
    return 0;
}

/* Takes the node's parameters off *theta, in the order of its row. */
static inline long double leaf_entry(size_t formula, const struct kr_variant *spec, const double **theta,
                                     const struct kr_points *x, size_t i, const struct kr_points *z, size_t j)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec->type;
    const struct kr_features *features = type->features < 0 ? NULL : member(spec->options, type->features);
    const bool ard = type->ard >= 0 && *(const bool *)member(spec->options, type->ard);
    struct pair a = {.spec = spec,
                     .count = features && features->count ? features->count : x->d,
                     .same = &x->x[i] == &z->x[j]};
    for (size_t k = 0; k < a.count; k++) {
        const size_t feature = features && features->count ? features->items[k].index : k;
        a.x[k] = x->x[feature * x->ld + i];
        a.z[k] = z->x[feature * z->ld + j];
    }
    for (size_t q = 0; q < type->nparameters; q++) {
        const struct kr_param *param = member(spec->options, (ptrdiff_t)type->parameters[q].offset);
        const bool each = type->parameters[q].per_feature && (param->array || ard);
        a.p[q] = *theta;
        a.step[q] = each;
        *theta += each ? a.count : 1;
    }
    return formulas[formula].leaf(&a);
}

static inline long double entry(const struct kr_variant *spec, const double **theta,
                                const struct kr_points *x, size_t i, const struct kr_points *z, size_t j)
{
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec->type;
    const size_t formula = formula_of(type->base.name);
    if (formulas[formula].leaf)
        return leaf_entry(formula, spec, theta, x, i, z, j);
    const struct kr_variants *children = member(spec->options, type->kernels);
    long double value = type->multiplies ? 1 : 0;
    for (size_t c = 0; c < children->count; c++) {
        long double child = entry(&children->items[c], theta, x, i, z, j);
        value = type->multiplies ? value * child : value + child;
    }
    return value;
}

/* What rounding may be measured by at one entry: the value, or sqrt(k(x, x) k(z, z)) where terms cancel. */
static inline double size_of(const struct kr_variant *spec, const double *theta, const struct kr_points *x,
                             size_t i, const struct kr_points *z, size_t j, double value)
{
    if (!formulas[formula_of(spec->type->name)].cancels)
        return fabs(value);
    const double *again = theta;
    return sqrt((double)(entry(spec, &theta, x, i, x, i) * entry(spec, &again, z, j, z, j)));
}

#endif
