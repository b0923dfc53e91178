/*
 * Folds in closed form: the predictions are those of refits without the fold, the gradients are derivatives,
 * draws of a subset are unbiased; and the roles that the validations give.
 */
#include "../conform/objectives.h"
#include "gp/objective.h"
#include "gp/roles.h"

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t last; /* the richest kernel */
static struct kr_dataset data;
static struct kr_gp_spec spec;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    last = kernel_cases(ctx, cases) - 1;
    data = small_data(ctx, ROWS, true, 5);
    make_spec(ctx, &cases[last].spec, "nlpd", "cholesky", "constant", &spec);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void *validate_by(const char *name)
{
    OK(kr_variant_init(ctx, &kr_validation_registry, name, &spec.objective.validation));
    return spec.objective.validation.options;
}

struct kfold {
    size_t folds;
    uint64_t seed;
    struct kr_groups groups;
    struct kr_int_lists rows;
};

static struct kfold *kfold(void)
{
    struct kfold *options = validate_by("kfold");
    ck_assert_uint_eq(spec.objective.validation.type->options->size, sizeof *options);
    return options;
}

/* ---- values ---- */

/* Every held-out point by a gp whose training rows are all others that are no test rows. */
static void check_refits(const struct kr_gp *gp)
{
    const double *theta = gp->start;
    double loss = 0;
    struct kr_evaluation evaluation;
    OK(kr_objective_eval(ctx, gp, theta, true, &evaluation, NULL));
    for (size_t f = 0; f < gp->folds.count; f++) {
        struct kr_gp_spec refit = spec;
        struct kr_gp alone;
        struct kr_evaluation one;
        const size_t first = gp->folds.first[f], k = gp->folds.first[f + 1] - first;
        OK(kr_variant_init(ctx, &kr_validation_registry, "rows", &refit.objective.validation));
        *(struct kr_ints *)refit.objective.validation.options =
            (struct kr_ints){k, (size_t *)(uintptr_t)gp->validation.rows + first};
        OK(kr_gp_init(ctx, &refit, &data, &alone));
        OK(kr_objective_eval(ctx, &alone, theta, false, &one, NULL));
        loss += one.loss * (double)k / (double)gp->validation.n;
    }
    CLOSE(evaluation.loss, loss, fabs(loss), 1e-9, "%s", spec.objective.loss.type->name);
}

START_TEST(closed_form_is_refitting)
{
    static const char *const losses[] = {"mse", "nlpd", "crps"};
    struct kr_gp gp;
    for (int l = 0; l < 3; l++) {
        OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
        validate_by("leave_one_out");
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        ck_assert_uint_eq(gp.validation.n, gp.fit.n);
        check_refits(&gp);
        kfold()->folds = 4;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        ck_assert_uint_eq(gp.folds.count, 4);
        check_refits(&gp);
    }
}
END_TEST

/* ---- gradients ---- */

struct at {
    const struct kr_gp *gp;
    double *theta;
    size_t index;
};

static double loss_at(void *self, double value)
{
    struct at *at = self;
    struct kr_evaluation evaluation;
    double before = at->theta[at->index];
    at->theta[at->index] = value;
    OK(kr_objective_eval(ctx, at->gp, at->theta, false, &evaluation, NULL));
    at->theta[at->index] = before;
    return evaluation.loss;
}

static void check_gradient(const char *name)
{
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double *wanted, scale = 0;
    spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const size_t count = gp.parameters.count;
    wanted = kr_alloc(ctx, count, sizeof *wanted);
    for (size_t p = 0; p < count; p++) {
        struct at at = {&gp, gp.start, p};
        wanted[p] = derivative(loss_at, &at, gp.start[p]);
        scale = fmax(scale, fabs(wanted[p]));
    }
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
        double *grad = kr_alloc(ctx, count, sizeof *grad);
        spec.solver.type = *solver;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
        ck_assert(fabs(evaluation.value_error) < 1e-9);
        for (size_t p = 0; p < count; p++)
            CLOSE(grad[p], wanted[p], fmax(fabs(grad[p]), 1e-2 * scale), 1e-6, "%s by %s, %s", name,
                  (*solver)->name, gp.parameters.items[p].name);
    }
}

START_TEST(gradients_are_derivatives)
{
    static const char *const losses[] = {"mse", "nlpd", "crps", "pinball"};
    for (size_t c = _i ? last : 1; c < (_i ? last + 1 : 3); c++)
        for (int l = 0; l < 4; l++) {
            struct kr_mark mark = kr_mark(ctx);
            make_spec(ctx, &cases[c].spec, losses[l], "cholesky", "constant", &spec);
            validate_by("leave_one_out");
            check_gradient("leave_one_out");
            kfold()->folds = 5;
            check_gradient("kfold");
            kr_release(ctx, mark);
        }
}
END_TEST

/* Solves that are off: the estimate repairs the value to first order. */
static kr_status spoil(struct kr_ctx *c, const struct kr_solver *solver, size_t k, const double *R,
                       const double *rtol, double *D, struct kr_solve_report *report)
{
    const struct kr_solver_type *exact = (const void *)kr_registry_find(&kr_solver_registry, "cholesky");
    KR_TRY(exact->correct(c, solver, k, R, rtol, D, report));
    for (size_t i = 0; i < k * solver->A.rows; i++)
        D[i] *= 1 + 1e-4 * sin(7 * (double)i);
    return KR_OK;
}

START_TEST(errors_are_estimated_and_bounded)
{
    static const char *const losses[] = {"mse", "nlpd", "crps"};
    struct kr_solver_type rough =
        *(const struct kr_solver_type *)kr_registry_find(&kr_solver_registry, "cholesky");
    rough.correct = spoil;
    rough.inverse = NULL; /* else columns would not be solved for */
    for (int l = 0; l < 3; l++) {
        struct kr_gp gp;
        struct kr_evaluation right, wrong;
        OK(kr_variant_init(ctx, &kr_loss_registry, losses[l], &spec.objective.loss));
        kfold();
        spec.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
        spec.solver.rtol = 1e-13;
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        double *grad = kr_alloc(ctx, gp.parameters.count, sizeof *grad);
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &right, grad));
        spec.solver.type = &rough.base;
        spec.solver.rtol = 0.5;
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &wrong, grad));
        const double error = right.loss - wrong.loss, left = fabs(error - wrong.value_error);
        ck_assert_msg(left < 0.02 * fabs(error), "%s: %g is estimated as %g", losses[l], error,
                      wrong.value_error);
        ck_assert_msg(left <= wrong.value_bound, "%s: %g is left out, the bound is %g", losses[l], left,
                      wrong.value_bound);
    }
}
END_TEST

/* ---- subsets ---- */

/* The mean over many draws of loss and gradient is that of the whole, within four standard errors. */
static void check_unbiased(const char *name, size_t count)
{
    enum { DRAWS = 400 };
    struct kr_gp gp;
    struct kr_subset_spec subset = {.count = count, .seed = 7, .fresh = true};
    struct kr_evaluation evaluation, whole;
    spec.objective.subset = &subset;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const size_t n = gp.parameters.count;
    double *grad = kr_alloc(ctx, n, sizeof *grad), *wanted = kr_alloc(ctx, n, sizeof *grad),
           *sum = kr_alloc(ctx, n + 1, sizeof *sum), *squares = kr_alloc(ctx, n + 1, sizeof *sum);
    gp.draw = KR_WHOLE;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &whole, wanted));
    for (gp.draw = 0; gp.draw < DRAWS; gp.draw++) {
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
        for (size_t p = 0; p <= n; p++) {
            const double off = p == n ? evaluation.loss - whole.loss : grad[p] - wanted[p];
            sum[p] += off / DRAWS;
            squares[p] += off * off / DRAWS;
        }
    }
    for (size_t p = 0; p <= n; p++) {
        ck_assert_msg(squares[p] > 0, "%s: draws do not differ", name);
        ck_assert_msg(fabs(sum[p]) < 4 * sqrt(squares[p] / DRAWS),
                      "%s, entry %zu: biased by %g, standard error %g", name, p, sum[p],
                      sqrt(squares[p] / DRAWS));
    }
    spec.objective.subset = NULL;
}

START_TEST(subsets_are_unbiased)
{
    make_spec(ctx, &cases[1].spec, "nlpd", "cholesky", "constant", &spec);
    check_unbiased("rows", 3);
    validate_by("leave_one_out");
    check_unbiased("leave_one_out", 6);
    kfold()->folds = 8; /* of 4 rows each */
    check_unbiased("kfold", 9);
}
END_TEST

START_TEST(subsets_are_what_they_say)
{
    struct kr_subset_spec subset = {.count = 6, .seed = 7, .fresh = true};
    struct kr_gp gp, one, again;
    spec.objective.subset = &subset;
    validate_by("leave_one_out");
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_gp_subset(ctx, &gp, &one));
    ck_assert_uint_eq(one.validation.n, 6);
    ck_assert_uint_eq(one.folds.count, 6);
    for (size_t j = 0; j < 6; j++) {
        ck_assert_uint_eq(gp.fit.rows[one.folds.at[j]], one.validation.rows[j]);
        ck_assert(one.validation.y[j] == gp.train.y[one.folds.at[j]]);
        ck_assert(one.validation.noise[j] == gp.train.noise[one.folds.at[j]]);
        for (size_t i = 0; i < j; i++)
            ck_assert_uint_ne(one.validation.rows[i], one.validation.rows[j]);
    }
    gp.draw = 1;
    OK(kr_gp_subset(ctx, &gp, &again));
    ck_assert(memcmp(one.validation.rows, again.validation.rows, 6 * sizeof(size_t)) != 0);
    gp.draw = 0;
    OK(kr_gp_subset(ctx, &gp, &again));
    ck_assert_mem_eq(one.validation.rows, again.validation.rows, 6 * sizeof(size_t));
    subset.count = 1000;
    OK(kr_gp_subset(ctx, &gp, &again));
    ck_assert_uint_eq(again.validation.n, gp.validation.n);
    kfold()->folds = 8;
    subset.count = 9; /* three folds of four */
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    OK(kr_gp_subset(ctx, &gp, &one));
    ck_assert_uint_eq(one.folds.count, 3);
    ck_assert_uint_eq(one.validation.n, one.folds.first[3]);
    ck_assert_uint_ge(one.validation.n, 9);
}
END_TEST

/* ---- roles ---- */

static bool same_fold(const struct roles *roles, size_t a, size_t b)
{
    size_t fold[2] = {0};
    for (size_t f = 0; f < roles->folds.count; f++)
        for (size_t j = roles->folds.first[f]; j < roles->folds.first[f + 1]; j++) {
            ck_assert_uint_eq(roles->train.items[roles->folds.at[j]], roles->validation.items[j]);
            fold[0] = roles->validation.items[j] == a ? f + 1 : fold[0];
            fold[1] = roles->validation.items[j] == b ? f + 1 : fold[1];
        }
    ck_assert(fold[0] && fold[1]);
    return fold[0] == fold[1];
}

START_TEST(groups_stay_together)
{
    struct roles roles;
    struct kr_feature by = {.name = "b"};
    double *x = (double *)(uintptr_t)data.x;
    for (size_t i = 0; i < ROWS; i++)
        x[ROWS + i] = (double)(i % 7); /* feature b: groups, which the identical rows join */
    for (size_t k = 0; k < FEATURES; k++)
        x[k * ROWS + 20] = x[k * ROWS + 3]; /* identical inputs */
    for (int way = 0; way < 2; way++) {
        struct kfold *options = kfold();
        options->folds = 3;
        if (way == 0)
            options->groups.feature = (struct kr_features){1, &by};
        else
            options->groups.labels.items = kr_alloc(ctx, ROWS, sizeof(size_t));
        for (size_t i = 0; way == 1 && i < ROWS; i++)
            options->groups.labels.items[options->groups.labels.count++] = i % 7;
        OK(kr_gp_roles(ctx, &spec, &data, &roles));
        ck_assert_uint_eq(roles.folds.count, 3);
        ck_assert(same_fold(&roles, 2, 9) && same_fold(&roles, 0, 7) && same_fold(&roles, 4, 25));
        ck_assert(same_fold(&roles, 3, 20));
        ck_assert(!same_fold(&roles, 0, 2) || !same_fold(&roles, 0, 4) || !same_fold(&roles, 0, 5));
    }
    kfold()->groups.labels = (struct kr_ints){3, (size_t[]){1, 2, 3}};
    ck_assert_int_eq(kr_gp_roles(ctx, &spec, &data, &roles), KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/objective/validation/groups");
    kr_ctx_clear_error(ctx);
}
END_TEST

START_TEST(folds_are_even)
{
    struct roles roles;
    size_t least = ROWS, most = 0;
    kfold()->folds = 5;
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
    for (size_t f = 0; f < 5; f++) {
        size_t size = roles.folds.first[f + 1] - roles.folds.first[f];
        least = size < least ? size : least;
        most = size > most ? size : most;
    }
    ck_assert_uint_le(most - least, 1);
    ck_assert_uint_eq(roles.validation.count, roles.fit.count);
    for (size_t i = 0; i < roles.validation.count; i++) /* test rows take no part */
        ck_assert(roles.validation.items[i] % 10 != 1);
}
END_TEST

START_TEST(forward_takes_the_last)
{
    struct roles roles;
    struct {
        double fraction;
        struct kr_features by;
    } *options = validate_by("forward");
    struct kr_feature by = {.index = 2};
    options->fraction = 0.25;
    options->by = (struct kr_features){1, &by};
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
    ck_assert_uint_eq(roles.validation.count, (size_t)round(0.25 * (double)roles.fit.count));
    for (size_t v = 0; v < roles.validation.count; v++)
        for (size_t t = 0; t < roles.train.count; t++)
            ck_assert(data.x[2 * ROWS + roles.validation.items[v]] >=
                      data.x[2 * ROWS + roles.train.items[t]]);
}
END_TEST

#define REFUSED(pointer_)                                                                                    \
    do {                                                                                                     \
        struct roles roles_;                                                                                 \
        ck_assert_int_eq(kr_gp_roles(ctx, &spec, &data, &roles_), KR_INVALID);                               \
        ck_assert_str_eq(ctx->error.pointer, pointer_);                                                      \
        kr_ctx_clear_error(ctx);                                                                             \
    } while (0)

START_TEST(what_is_refused)
{
    struct kr_ints lists[2] = {{2, (size_t[]){0, 5}}, {2, (size_t[]){7, 5}}};
    kfold()->rows = (struct kr_int_lists){2, lists};
    REFUSED("/objective/validation/rows/1/1"); /* twice */
    lists[1].items[1] = 1;
    REFUSED("/objective/validation/rows/1/1"); /* a test row */
    lists[1].items[1] = ROWS;
    REFUSED("/objective/validation/rows/1/1"); /* not there */
    lists[1].count = 0;
    REFUSED("/objective/validation/rows/1");
    kfold()->folds = ROWS + 1;
    REFUSED("/objective/validation/folds");
    spec.objective.validation.type = NULL;
    REFUSED("/objective/validation"); /* required */
    OK(kr_variant_init(ctx, &kr_loss_registry, "evidence", &spec.objective.loss));
    struct roles roles;
    OK(kr_gp_roles(ctx, &spec, &data, &roles));
    ck_assert_uint_eq(roles.train.count, roles.fit.count);
    ck_assert_uint_eq(roles.validation.count, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *suite = suite_create("folds");
    TCase *tests = tcase_create("folds");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, closed_form_is_refitting);
    tcase_add_loop_test(tests, gradients_are_derivatives, 0, 2);
    tcase_add_test(tests, errors_are_estimated_and_bounded);
    tcase_add_test(tests, subsets_are_unbiased);
    tcase_add_test(tests, subsets_are_what_they_say);
    tcase_add_test(tests, groups_stay_together);
    tcase_add_test(tests, folds_are_even);
    tcase_add_test(tests, forward_takes_the_last);
    tcase_add_test(tests, what_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
