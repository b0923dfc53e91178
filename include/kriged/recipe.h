/*
 * recipe: what to tune for, by name. A recipe fills in what a request leaves out of objective, priors,
 * restarts and calibration; what the request says stays.
 */
#ifndef KRIGED_RECIPE_H
#define KRIGED_RECIPE_H

#include "kriged/tune.h"

extern const struct kr_registry kr_recipe_registry; /* rows are struct kr_recipe_type */

/* A lognormal prior, in units of standardised data. */
struct kr_recipe_prior {
    double mode, sd;       /* of lengthscales the mode is times the square root of their kernel's features */
    size_t rows_a_feature; /* below so many rows; 0: never */
};

struct kr_recipe_type {
    struct kr_type base;
    const char *loss;
    const char *validation; /* NULL: none (evidence) */
    bool one_by_one;        /* leave_one_out instead where no inputs are repeated */
    size_t most_held_out;   /* rows that a fraction holds out at most; 0: the validation has no fraction */
    size_t starts;          /* restarts; where there are fewer than 20 rows a feature, */
    size_t starts_of_few;   /* this many, where it is not 0 */
    struct kr_recipe_prior lengthscale, noise;
    size_t calibrate_from; /* rows from which variances are calibrated; 0: never */
};

/*
 * Fills in what `spec` (and *restarts, NULL = absent or of no use) leaves out: by the recipe, or, with recipe
 * = NULL, the defaults without one. Priors go into the options of the kernel and the noise. Looks at the
 * data: how many rows are not test rows, whether inputs repeat, whether variances could be scaled together;
 * `constrained` forbids it. INVALID at /objective/loss when there is no loss afterwards; and as
 * kr_gp_init_with.
 */
kr_status kr_recipe_fill(struct kr_ctx *ctx, const struct kr_recipe_type *recipe,
                         const struct kr_dataset *data, const struct kr_dataset *held_out, bool constrained,
                         struct kr_gp_spec *spec, struct kr_restarts **restarts) KR_MUST_CHECK;

#endif
