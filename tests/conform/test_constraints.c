/*
 * What every constraint owes: its Jacobian row is the central difference of its value, for every kernel x
 * solver x loss, its value is its formula, and the loss beside it is what it is alone.
 */
#include "objectives.h"

enum { MOST_CONSTRAINTS = 16 };

/* ---- specs ---- */

/* Options of a row; linear takes the first and the last positive hyperparameters and one of the middle. */
static struct kr_variant make_constraint(struct kr_ctx *ctx, const struct kr_gp *gp, const char *name)
{
    struct kr_variant spec;
    OK(kr_variant_init(ctx, &kr_constraint_registry, name, &spec));
    if (strcmp(name, "linear") == 0) {
        struct kr_values *coefficients = spec.options; /* the first member */
        const char **names = kr_alloc(ctx, 3, sizeof *names);
        double *values = kr_alloc(ctx, 3, sizeof *values);
        const size_t last = gp->parameters.count - 1, places[3] = {0, last / 2, last};
        for (size_t i = 0; i < 3; i++) {
            const struct kr_parameter *parameter = &gp->parameters.items[places[i]];
            if (!parameter->positive || (i && places[i] == places[i - 1]))
                continue;
            names[coefficients->count] = parameter->name;
            values[coefficients->count++] = 1.5 - (double)i;
        }
        coefficients->names = names;
        coefficients->values = values;
    }
    return spec;
}

/* Those of the list, or every row of the registry; put together one by one, since a small model has fewer
 * hyperparameters than there are constraints, and values and derivatives do not care. */
static struct kr_gp_constraints constraints_of(struct kr_ctx *ctx, const struct kr_gp *gp,
                                               const char *const *names)
{
    struct kr_gp_constraints all = {0, kr_alloc(ctx, MOST_CONSTRAINTS, sizeof *all.items), false};
    for (size_t i = 0; names ? names[i] != NULL : kr_constraint_registry.rows[i] != NULL; i++) {
        struct kr_variant spec =
            make_constraint(ctx, gp, names ? names[i] : kr_constraint_registry.rows[i]->name);
        struct kr_gp_constraints one;
        OK(kr_gp_constrain(ctx, gp, &(struct kr_variants){1, &spec}, "/constraints", &one));
        ck_assert_str_eq(one.items[0].name, spec.type->name);
        all.items[all.count++] = one.items[0];
        all.needs_variance |= one.needs_variance;
    }
    return all;
}

/* ---- derivatives ---- */

enum { POINTS = 4 /* that a derivative looks at */ };

struct at {
    struct kr_ctx *ctx;
    const struct kr_gp *gp;
    const struct kr_gp_constraints *constraints;
    double *theta;
    size_t index, which, known;
    double value[POINTS], c[POINTS][MOST_CONSTRAINTS]; /* of every constraint, evaluated once */
};

static double value_at(void *self, double value)
{
    struct at *at = self;
    struct kr_ctx *ctx = at->ctx;
    struct kr_evaluation evaluation;
    const double before = at->theta[at->index];
    size_t k = 0;
    while (k < at->known && at->value[k] != value)
        k++;
    if (k == at->known) {
        ck_assert_uint_lt(k, POINTS);
        at->theta[at->index] = at->value[at->known++] = value;
        OK(kr_objective_constrained(ctx, at->gp, at->constraints, at->theta, false, &evaluation, NULL,
                                    at->c[k], NULL));
        at->theta[at->index] = before;
    }
    return at->c[k][at->which];
}

/* J, count x parameters, from values that the exact solver gives. */
static double *differences(struct kr_ctx *ctx, const struct kr_gp *gp,
                           const struct kr_gp_constraints *constraints)
{
    const size_t count = gp->parameters.count;
    double *out = kr_alloc(ctx, constraints->count * count, sizeof *out);
    for (size_t p = 0; p < count; p++) {
        struct at at = {.ctx = ctx, .gp = gp, .constraints = constraints, .theta = gp->start, .index = p};
        for (at.which = 0; at.which < constraints->count; at.which++)
            out[at.which * count + p] = derivative(value_at, &at, gp->start[p]);
    }
    return out;
}

static double largest(size_t count, const double *values)
{
    double scale = 0;
    for (size_t p = 0; p < count; p++)
        scale = fmax(scale, fabs(values[p]));
    return scale;
}

static void check_row(const struct kr_gp *gp, const double *row, const double *wanted, const char *name)
{
    const double scale = largest(gp->parameters.count, row);
    if (largest(gp->parameters.count, wanted) < 1e-10) { /* the bias of white noise, or of a constant */
        ck_assert_msg(strstr(name, "bias") && scale < 1e-12, "%s: %g", name, scale);
        return;
    }
    ck_assert_msg(scale > 1e-6, "%s: the row is zero", name);
    for (size_t p = 0; p < gp->parameters.count; p++)
        CLOSE(row[p], wanted[p], fmax(fabs(row[p]), 1e-2 * scale), 1e-6, "%s, %s", name,
              gp->parameters.items[p].name);
}

/* One model with some constraints, by all solvers; and the loss is what it is without them. */
static void check_model(struct kr_ctx *ctx, const struct kernel_case *kernel, const char *loss,
                        const char *validation, const char *const *names, bool noise)
{
    const struct kr_dataset data = small_data(ctx, ROWS, noise, 5);
    struct kr_gp_spec spec;
    struct kr_gp gp;
    make_spec(ctx, &kernel->spec, loss, "cholesky", noise ? "constant" : "zero", &spec);
    if (validation)
        OK(kr_variant_init(ctx, &kr_validation_registry, validation, &spec.objective.validation));
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_gp_constraints constraints = constraints_of(ctx, &gp, names);
    const size_t count = gp.parameters.count;
    double *J = kr_alloc(ctx, count * constraints.count, sizeof *J), *grad = kr_alloc(ctx, count, sizeof *J),
           *alone = kr_alloc(ctx, count, sizeof *J), c[MOST_CONSTRAINTS];
    const double *wanted = differences(ctx, &gp, &constraints);
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
        struct kr_evaluation beside, without;
        spec.solver.type = *solver;
        OK(kr_objective_constrained(ctx, &gp, &constraints, gp.start, false, &beside, grad, c, J));
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &without, alone));
        for (size_t i = 0; i < constraints.count; i++) {
            char name[200];
            snprintf(name, sizeof name, "%s, %s beside %s, %s%s", kernel->name, constraints.items[i].name,
                     loss, (*solver)->name, noise ? ", known noise" : "");
            check_row(&gp, J + i * count, wanted + i * count, name);
        }
        CLOSE(beside.loss, without.loss, fabs(without.loss), 1e-10, "loss of %s", kernel->name);
        for (size_t p = 0; p < count; p++)
            CLOSE(grad[p], alone[p], largest(count, alone) + 1e-4, 1e-8, "gradient of %s beside constraints",
                  gp.parameters.items[p].name);
    }
}

/* Given rows by every kernel; known noise, heads of the mean alone, folds and the evidence by some of them.
 */
START_TEST(jacobian_of_every_constraint_kernel_and_solver)
{
    static const char *const mean_only[] = {"bias", "linear", NULL};
    static const struct {
        const char *validation; /* NULL: given rows */
        const char *const *names;
        bool noise;
    } variations[] = {{NULL, NULL, false},   {NULL, NULL, true},          {NULL, mean_only, false},
                      {"kfold", NULL, true}, {"kfold", mean_only, false}, {"leave_one_out", NULL, false}};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    const size_t count = kernel_cases(ctx, cases);
    for (size_t k = 0; k < count; k++)
        for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
            for (size_t v = 0; v < sizeof variations / sizeof variations[0]; v++) {
                const bool folds = variations[v].validation,
                           evidence = !((const struct kr_loss_type *)*loss)->eval;
                if (k % (folds || evidence ? 5 : v ? 2 : 1))
                    continue;
                struct kr_mark mark = kr_mark(ctx);
                check_model(ctx, &cases[k], (*loss)->name, variations[v].validation, variations[v].names,
                            variations[v].noise);
                kr_release(ctx, mark);
            }
    kr_ctx_fini(ctx);
}
END_TEST

/* ---- values ---- */

struct predictions {
    const struct kr_gp *gp;
    const double *mean, *variance;
};

static double calibration(const struct predictions *p, const struct kr_variant *spec)
{
    double sum = 0;
    for (size_t j = 0; j < p->gp->validation.n; j++)
        sum += pow(p->gp->validation.y[j] - p->mean[j], 2) / p->variance[j];
    return sum / (double)p->gp->validation.n - *(const double *)spec->options;
}

static double bias(const struct predictions *p, const struct kr_variant *spec)
{
    double sum = 0;
    (void)spec;
    for (size_t j = 0; j < p->gp->validation.n; j++)
        sum += p->gp->validation.y[j] - p->mean[j];
    return sum / (double)p->gp->validation.n;
}

/* Of the matern32 below: k(x, x) is its variance. */
static double variance_budget(const struct predictions *p, const struct kr_variant *spec)
{
    double known = 0;
    for (size_t j = 0; j < p->gp->validation.n; j++)
        known += p->gp->validation.noise[j] / (double)p->gp->validation.n;
    return p->gp->start[0] + p->gp->start[p->gp->noise_index] + known - *(const double *)spec->options;
}

static double linear(const struct predictions *p, const struct kr_variant *spec)
{
    const struct kr_values *coefficients = spec->options;
    double sum = -*(const double *)(coefficients + 1);
    for (size_t i = 0; i < coefficients->count; i++)
        for (size_t q = 0; q < p->gp->parameters.count; q++)
            if (strcmp(p->gp->parameters.items[q].name, coefficients->names[i]) == 0)
                sum += coefficients->values[i] * log(p->gp->start[q]);
    return sum;
}

static const struct formula {
    const char *name;
    double (*value)(const struct predictions *, const struct kr_variant *);
} formulas[] = {
    {"calibration", calibration}, {"bias", bias}, {"variance_budget", variance_budget}, {"linear", linear}};

static double formula_of(const struct predictions *p, const struct kr_variant *spec)
{
    for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++)
        if (strcmp(formulas[f].name, spec->type->name) == 0)
            return formulas[f].value(p, spec);
    ck_abort_msg("the constraint %s has no formula in this test", spec->type->name);
    return NAN;
}

static struct kr_gp matern_model(struct kr_ctx *ctx, size_t rows, const char *loss, struct kr_gp_spec *spec)
{
    const struct kr_dataset data = small_data(ctx, rows, true, 5);
    const struct kr_variant kernel = leaf(ctx, kernel_type("matern32"), 1);
    struct kr_gp gp;
    make_spec(ctx, &kernel, loss, "cholesky", "constant", spec);
    OK(kr_gp_init(ctx, spec, &data, &gp));
    return gp;
}

START_TEST(values_are_the_formula)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_gp_spec spec;
    const struct kr_gp gp = matern_model(ctx, ROWS, "mse", &spec);
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double *mean = kr_alloc(ctx, gp.validation.n, sizeof *mean),
           *variance = kr_alloc(ctx, gp.validation.n, sizeof *variance);
    OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &gp.validation.x, gp.validation.noise, true, mean, variance,
                            &report));
    for (const struct kr_type *const *row = kr_constraint_registry.rows; *row; row++) {
        const char *const names[] = {(*row)->name, NULL};
        const struct kr_gp_constraints one = constraints_of(ctx, &gp, names);
        const struct kr_variant made = {*row, (void *)one.items[0].options};
        struct kr_evaluation evaluation;
        double c, wanted = formula_of(&(struct predictions){&gp, mean, variance}, &made);
        OK(kr_objective_constrained(ctx, &gp, &one, gp.start, false, &evaluation, NULL, &c, NULL));
        CLOSE(c, wanted, 1, 1e-11, "%s", (*row)->name);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Enough rows for several tiles. */
START_TEST(same_bits_with_any_number_of_threads)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_gp_spec spec;
    const struct kr_gp gp = matern_model(ctx, 300, "nlpd", &spec);
    const struct kr_gp_constraints all = constraints_of(ctx, &gp, NULL);
    const size_t count = gp.parameters.count;
    double *J[2], *grad = kr_alloc(ctx, count, sizeof *grad), c[2][MOST_CONSTRAINTS];
    struct kr_evaluation evaluation;
    for (int run = 0; run < 2; run++) {
        ctx->threads = 1 + 2 * run;
        J[run] = kr_alloc(ctx, all.count * count, sizeof **J);
        OK(kr_objective_constrained(ctx, &gp, &all, gp.start, false, &evaluation, grad, c[run], J[run]));
    }
    ck_assert_mem_eq(c[0], c[1], all.count * sizeof **c);
    ck_assert_mem_eq(J[0], J[1], all.count * count * sizeof **J);
    kr_ctx_fini(ctx);
}
END_TEST

/* What is computed of a variance that cannot be below its noise: it is the noise, and depends on it alone. */
static kr_status overshoot(struct kr_ctx *ctx, const struct kr_solver *solver, size_t k, const double *R,
                           const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_solver_type *exact = (const void *)kr_registry_find(&kr_solver_registry, "cholesky");
    KR_TRY(exact->correct(ctx, solver, k, R, rtol, D, report));
    for (size_t i = solver->A.rows; i < k * solver->A.rows; i++)
        D[i] *= 1.9; /* all but alpha: more is explained than there is */
    return KR_OK;
}

START_TEST(a_clamped_variance_is_the_noise)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_gp_spec spec;
    struct kr_gp gp = matern_model(ctx, ROWS, "mse", &spec);
    static const char *const names[] = {"calibration", NULL};
    struct kr_solver_type spoiled =
        *(const struct kr_solver_type *)kr_registry_find(&kr_solver_registry, "cholesky");
    spoiled.correct = overshoot;
    spec.solver.type = &spoiled.base;
    spec.solver.rtol = 0.95;
    for (size_t p = 1; p <= FEATURES; p++)
        gp.start[p] *= 20;
    const struct kr_gp_constraints one = constraints_of(ctx, &gp, names);
    struct kr_evaluation evaluation;
    double c, wanted = -1, *J = kr_alloc(ctx, gp.parameters.count, sizeof *J),
              *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
    OK(kr_objective_constrained(ctx, &gp, &one, gp.start, false, &evaluation, grad, &c, J));
    ck_assert_uint_eq(evaluation.clamped, gp.validation.n);
    struct kr_posterior posterior;
    struct kr_solve_report report = {0};
    double *mean = kr_alloc(ctx, gp.validation.n, sizeof *mean);
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    OK(kr_posterior_init(ctx, &gp, &gp.train, gp.start, &posterior, &report));
    OK(kr_posterior_predict(ctx, &posterior, &gp.validation.x, NULL, true, mean, NULL, &report));
    for (size_t j = 0; j < gp.validation.n; j++)
        wanted += pow(gp.validation.y[j] - mean[j], 2) / (gp.start[gp.noise_index] + gp.validation.noise[j]) /
                  (double)gp.validation.n;
    CLOSE(c, wanted, 1, 1e-10, "calibration with nothing but noise");
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(memory_is_within_the_estimate)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 2;
    struct kr_gp_spec spec;
    const struct kr_gp gp = matern_model(ctx, 300, "mse", &spec);
    static const char *const mean_only[] = {"bias", "linear", NULL};
    for (int k = 0; k < 2; k++)
        for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
            const struct kr_gp_constraints some = constraints_of(ctx, &gp, k ? mean_only : NULL);
            const size_t count = gp.parameters.count;
            double *J = kr_alloc(ctx, some.count * count, sizeof *J), *grad = kr_alloc(ctx, count, sizeof *J),
                   c[MOST_CONSTRAINTS];
            struct kr_evaluation evaluation;
            spec.solver.type = *solver;
            spec.solver.rtol = 1e-6;
            const size_t said = kr_objective_bytes(&gp, (const struct kr_solver_type *)*solver, 0,
                                                   some.needs_variance, some.count),
                         used = ctx->used;
            ctx->peak = used;
            OK(kr_objective_constrained(ctx, &gp, &some, gp.start, false, &evaluation, grad, c, J));
            ck_assert_msg(ctx->peak - used <= said, "%s: %zu bytes, %zu were said", (*solver)->name,
                          ctx->peak - used, said);
            ck_assert_msg(said <= 8 * (ctx->peak - used), "%s: %zu bytes, %zu were said", (*solver)->name,
                          ctx->peak - used, said);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(what_is_not_finite_is_named)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kr_gp_spec spec;
    struct kr_gp gp = matern_model(ctx, ROWS, "mse", &spec);
    static const char *const names[] = {"linear", NULL};
    const struct kr_gp_constraints one = constraints_of(ctx, &gp, names);
    struct kr_evaluation evaluation;
    double c;
    gp.start[gp.noise_index] = 0;
    ck_assert_int_eq(kr_objective_constrained(ctx, &gp, &one, gp.start, false, &evaluation, NULL, &c, NULL),
                     KR_NON_FINITE);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "constraint linear"));
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("constraints");
    TCase *tcase = tcase_create("constraints");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, jacobian_of_every_constraint_kernel_and_solver);
    tcase_add_test(tcase, values_are_the_formula);
    tcase_add_test(tcase, same_bits_with_any_number_of_threads);
    tcase_add_test(tcase, a_clamped_variance_is_the_noise);
    tcase_add_test(tcase, memory_is_within_the_estimate);
    tcase_add_test(tcase, what_is_not_finite_is_named);
    suite_add_tcase(made, tcase);
    return made;
}
