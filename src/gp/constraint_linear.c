/*
 * linear: c = sum_p a_p log theta_p - value, over hyperparameters by name: a product of powers of them has a
 * given value. dc/dtheta_p = a_p/theta_p. Fixed ones count with the value that they have.
 */
#include "kriged/gp.h"

#include <math.h>
#include <string.h>

#define KR_LINEAR_FIELDS(F, S)                                                                               \
    F(S, VALUES, coefficients, _, NULL, -1e6, 1e6, KR_REQUIRED,                                              \
      "coefficient of the logarithm of each hyperparameter, by its name (standardised units)")               \
    F(S, REAL, value, _, "0", -1e6, 1e6, 0, "what the sum is")
KR_DECLARE(kr_constraint_linear_options, KR_LINEAR_FIELDS);
KR_DEFINE(kr_constraint_linear_options, KR_LINEAR_FIELDS, "a linear equation of log-parameters");

/* The place of a hyperparameter in theta; the number of them when there is none. */
static size_t find(const struct kr_gp *gp, const char *name)
{
    size_t p = 0;
    while (p < gp->parameters.count && strcmp(gp->parameters.items[p].name, name) != 0)
        p++;
    return p;
}

static kr_status of_theta(struct kr_ctx *ctx, const void *options, const struct kr_gp *gp,
                          const double *theta, double *value, double *grad)
{
    const struct kr_constraint_linear_options *o = options;
    (void)ctx;
    *value = -o->value;
    for (size_t i = 0; i < o->coefficients.count; i++) {
        const size_t p = find(gp, o->coefficients.names[i]);
        *value += o->coefficients.values[i] * log(theta[p]);
        grad[p] += o->coefficients.values[i] / theta[p];
    }
    return KR_OK;
}

/* The pointer of a coefficient: ~ and / of its name escaped (RFC 6901). */
static const char *pointer_of(struct kr_ctx *ctx, const char *pointer, const char *name)
{
    char *escaped = kr_alloc(ctx, 2 * strlen(name) + 1, 1), *to = escaped;
    for (const char *from = name; escaped && *from; from++) {
        const bool special = *from == '~' || *from == '/';
        *to++ = special ? '~' : *from;
        if (special)
            *to++ = *from == '~' ? '0' : '1';
    }
    return escaped ? kr_printf(ctx, "%s/coefficients/%s", pointer, escaped) : pointer;
}

static kr_status check(struct kr_ctx *ctx, const void *options, const struct kr_gp *gp, const char *pointer)
{
    const struct kr_constraint_linear_options *o = options;
    for (size_t i = 0; i < o->coefficients.count; i++) {
        const char *name = o->coefficients.names[i], *at = pointer_of(ctx, pointer, name);
        const size_t p = find(gp, name);
        if (p == gp->parameters.count)
            return kr_fail(ctx, KR_INVALID, at,
                           "names no hyperparameter of this model; the first is %.100s, the last %.100s",
                           gp->parameters.items[0].name, gp->parameters.items[p - 1].name);
        if (!gp->parameters.items[p].positive)
            return kr_fail(ctx, KR_INVALID, at, "%.100s is not a positive parameter: it has no logarithm",
                           name);
        if (!(gp->start[p] > 0))
            return kr_fail(ctx, KR_INVALID, at, "%.100s is fixed at %g: it has no logarithm", name,
                           gp->start[p]);
    }
    for (size_t i = 0; i < o->coefficients.count; i++)
        if (o->coefficients.values[i] != 0 &&
            !gp->parameters.items[find(gp, o->coefficients.names[i])].spec.fixed)
            return KR_OK;
    return kr_fail(ctx, KR_INVALID,
                   o->coefficients.count == 1 ? pointer_of(ctx, pointer, o->coefficients.names[0])
                                              : kr_printf(ctx, "%s/coefficients", pointer),
                   "must have a coefficient other than 0 for a hyperparameter that is not fixed");
}

extern const struct kr_constraint_type kr_constraint_linear;
const struct kr_constraint_type kr_constraint_linear = {
    .base = {"linear", "the sum of coefficient times log hyperparameter is the value",
             &kr_constraint_linear_options_schema},
    .repeats = true,
    .of_theta = of_theta,
    .check = check,
};
