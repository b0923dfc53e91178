/* Held-out points from another data set: the same numbers as rows of one set that are held out. */
#include "../conform/objectives.h"
#include "gp/roles.h"
#include "kriged/differentiate.h"

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t last;
static struct kr_dataset whole, train, held; /* held: every fifth row of the whole */
static struct kr_gp_spec spec;

static struct kr_dataset rows_of(const struct kr_dataset *from, bool fifth)
{
    struct kr_dataset some = *from;
    double *x = kr_alloc(ctx, from->n * from->d, sizeof *x), *y = kr_alloc(ctx, from->n, sizeof *y),
           *noise = kr_alloc(ctx, from->n, sizeof *noise);
    size_t n = 0;
    for (size_t i = 0; i < from->n; i++)
        n += (i % 5 == 0) == fifth;
    for (size_t i = 0, to = 0; i < from->n; i++) {
        if ((i % 5 == 0) != fifth)
            continue;
        for (size_t k = 0; k < from->d; k++)
            x[k * n + to] = from->x[k * from->n + i];
        noise[to] = from->noise_variance[i];
        y[to++] = from->y[i];
    }
    some.n = n;
    some.x = x;
    some.y = y;
    some.noise_variance = noise;
    return some;
}

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    last = kernel_cases(ctx, cases) - 1;
    whole = small_data(ctx, ROWS, true, 5);
    train = rows_of(&whole, false);
    held = rows_of(&whole, true);
    make_spec(ctx, &cases[last].spec, "nlpd", "cholesky", "constant", &spec);
    spec.test = NULL;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static struct kr_gp_spec elsewhere(const char *name)
{
    struct kr_gp_spec other = spec;
    OK(kr_variant_init(ctx, &kr_validation_registry, "dataset", &other.objective.validation));
    *(const char **)other.objective.validation.options = name;
    return other;
}

static double evaluate(const struct kr_gp *gp, double *grad)
{
    struct kr_evaluation evaluation;
    OK(kr_objective_eval(ctx, gp, gp->start, true, &evaluation, grad));
    return evaluation.loss;
}

START_TEST(the_same_as_rows)
{
    struct kr_gp gp, other;
    double grad[2][64];
    const struct kr_gp_spec beside = elsewhere("held");
    const char *name;
    spec.model.standardize.x = spec.model.standardize.y = false;
    struct kr_gp_spec raw = beside;
    raw.model.standardize = spec.model.standardize;
    OK(kr_gp_init(ctx, &spec, &whole, &gp));
    OK(kr_gp_init_with(ctx, &raw, &train, &held, &other));
    ck_assert(other.elsewhere && !gp.elsewhere);
    ck_assert(kr_validation_elsewhere(&raw.objective.validation, &name));
    ck_assert_str_eq(name, "held");
    ck_assert(!kr_validation_elsewhere(&spec.objective.validation, &name));
    ck_assert_uint_eq(other.validation.n, held.n);
    ck_assert_uint_eq(other.train.n, train.n);
    ck_assert_uint_eq(other.fit.n, train.n);
    ck_assert(evaluate(&gp, grad[0]) == evaluate(&other, grad[1]));
    ck_assert_mem_eq(grad[0], grad[1], gp.parameters.count * sizeof(double));
}
END_TEST

/* Constants of the training set for both; test rows of the first set take no part. */
START_TEST(standardised_by_the_training_set)
{
    struct kr_gp gp;
    const struct kr_gp_spec beside = elsewhere("held");
    struct kr_gp_spec tested = beside;
    OK(kr_gp_init_with(ctx, &beside, &train, &held, &gp));
    for (size_t k = 0; k < FEATURES; k++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < train.n; i++)
            mean += train.x[k * train.n + i] / (double)train.n;
        for (size_t i = 0; i < train.n; i++)
            square += (train.x[k * train.n + i] - mean) * (train.x[k * train.n + i] - mean);
        for (size_t j = 0; j < held.n; j++)
            CLOSE(gp.validation.x.x[k * held.n + j],
                  (held.x[k * held.n + j] - mean) / sqrt(square / (double)train.n), 1, 1e-12, "feature %zu",
                  k);
    }
    for (size_t j = 0; j < held.n; j++) {
        CLOSE(gp.validation.y[j], (held.y[j] - gp.scale.y_mean) / gp.scale.y_sd, 1, 1e-12, "target");
        CLOSE(gp.validation.noise[j], held.noise_variance[j] / (gp.scale.y_sd * gp.scale.y_sd), 1, 1e-12,
              "noise");
    }
    struct kr_test_spec test = {.rows = {3, (size_t[]){1, 4, 9}}, .fraction = NAN};
    tested.test = &test;
    OK(kr_gp_init_with(ctx, &tested, &train, &held, &gp));
    ck_assert_uint_eq(gp.train.n, train.n - 3);
    ck_assert_uint_eq(gp.test.n, 3);
    ck_assert_uint_eq(gp.validation.n, held.n);
}
END_TEST

static struct kr_dataset renamed(const char *const *names, size_t d)
{
    struct kr_dataset other = held;
    double *x = kr_alloc(ctx, held.n * d, sizeof *x);
    for (size_t k = 0; k < d; k++)
        for (size_t i = 0; i < held.n; i++)
            x[k * held.n + i] = (double)(100 * k + i);
    other.x = x;
    other.d = d;
    other.feature_names = names;
    return other;
}

START_TEST(features_are_matched)
{
    static const char *const turned[] = {"c", "a", "b"}, *const unnamed[] = {"x1", "x2", "x3"},
                             *const more[] = {"c", "a", "z", "b"}, *const others[] = {"a", "b", "z"},
                             *const fewer[] = {"a", "b"}, *const tagged[] = {"x2", "x3", "x1"};
    size_t column[FEATURES];
    struct kr_dataset other = renamed(turned, 3), none = renamed(unnamed, 3), back = renamed(tagged, 3);
    OK(kr_match_features(ctx, &train, &other, "/p", column));
    ck_assert(column[0] == 1 && column[1] == 2 && column[2] == 0);
    OK(kr_match_features(ctx, &train, &none, "/p", column)); /* by position */
    ck_assert(column[0] == 0 && column[1] == 1 && column[2] == 2);
    OK(kr_match_features(ctx, &none, &train, "/p", column));
    ck_assert(column[0] == 0 && column[1] == 1 && column[2] == 2);
    OK(kr_match_features(ctx, &none, &back, "/p", column)); /* names that are there count */
    ck_assert(column[0] == 2 && column[1] == 0 && column[2] == 1);
    const struct {
        const char *const *names;
        size_t d;
        const char *said;
    } refused[] = {{more, 4, "\"z\""}, {others, 3, "\"c\""}, {fewer, 2, "\"c\""}, {unnamed, 2, "\"a\""}};
    for (size_t r = 0; r < sizeof refused / sizeof *refused; r++) {
        other = renamed(refused[r].names, refused[r].d);
        ck_assert_int_eq(kr_match_features(ctx, &train, &other, "/p", column), KR_INVALID);
        ck_assert_str_eq(ctx->error.pointer, "/p");
        ck_assert_ptr_nonnull(strstr(ctx->error.detail, refused[r].said));
        kr_ctx_clear_error(ctx);
    }
    struct kr_gp gp;
    const struct kr_gp_spec beside = elsewhere("held");
    other = renamed(turned, 3);
    OK(kr_gp_init_with(ctx, &beside, &train, &other, &gp));
    CLOSE(gp.validation.x.x[0] * gp.scale.x_sd[0] + gp.scale.x_mean[0], 100, 100, 1e-12, "feature a");
}
END_TEST

#define REFUSED(expression, wanted_pointer)                                                                  \
    do {                                                                                                     \
        ck_assert_int_eq((expression), KR_INVALID);                                                          \
        ck_assert_str_eq(ctx->error.pointer, wanted_pointer);                                                \
        kr_ctx_clear_error(ctx);                                                                             \
    } while (0)

START_TEST(what_is_refused)
{
    static const char *const others[] = {"a", "b", "z"};
    struct kr_gp gp;
    const struct kr_dataset other = renamed(others, 3);
    struct kr_gp_spec beside = elsewhere("held"), nameless = elsewhere(NULL);
    REFUSED(kr_gp_init(ctx, &beside, &train, &gp), "/objective/validation/name");
    REFUSED(kr_gp_init_with(ctx, &spec, &train, &held, &gp), "/validation_data");
    REFUSED(kr_gp_init_with(ctx, &beside, &train, &other, &gp), "/objective/validation/name");
    REFUSED(kr_gp_init_with(ctx, &nameless, &train, &other, &gp), "/validation_data");
    OK(kr_gp_init_with(ctx, &nameless, &train, &held, &gp));
    struct kr_test_spec test = {.fraction = NAN};
    test.rows.items = kr_alloc(ctx, train.n, sizeof(size_t));
    for (size_t i = 0; i + 1 < train.n; i++)
        test.rows.items[test.rows.count++] = i;
    beside.test = &test;
    REFUSED(kr_gp_init_with(ctx, &beside, &train, &held, &gp), "/test");
}
END_TEST

/* One set without known noise; the evidence, which is only scored; a draw of the points. */
START_TEST(mixtures)
{
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    struct kr_gp_spec beside = elsewhere("held");
    const double both = (OK(kr_gp_init_with(ctx, &beside, &train, &held, &gp)), evaluate(&gp, NULL));
    struct kr_dataset quiet = held;
    quiet.noise_variance = NULL;
    OK(kr_gp_init_with(ctx, &beside, &train, &quiet, &gp));
    ck_assert(gp.train.noise && !gp.validation.noise);
    ck_assert(evaluate(&gp, NULL) != both);
    quiet = train;
    quiet.noise_variance = NULL;
    OK(kr_gp_init_with(ctx, &beside, &quiet, &held, &gp));
    ck_assert(!gp.train.noise && gp.validation.noise);
    ck_assert(evaluate(&gp, NULL) != both);
    OK(kr_variant_init(ctx, &kr_loss_registry, "evidence", &beside.objective.loss));
    OK(kr_gp_init_with(ctx, &beside, &train, &held, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, true, &evaluation, NULL));
    ck_assert(evaluation.metrics.rmse > 0);
    struct kr_subset_spec subset = {.count = 3, .seed = 1};
    beside = elsewhere("held");
    beside.objective.subset = &subset;
    OK(kr_gp_init_with(ctx, &beside, &train, &held, &gp));
    ck_assert(evaluate(&gp, NULL) != both);
}
END_TEST

/* ---- derivatives ---- */

struct at {
    const struct kr_gp_spec *spec;
    double *entry;
};

static double loss_at(void *self, double value)
{
    const struct at *at = self;
    struct kr_gp gp;
    const double before = *at->entry;
    *at->entry = value;
    OK(kr_gp_init_with(ctx, at->spec, &train, &held, &gp));
    const double loss = evaluate(&gp, NULL);
    *at->entry = before;
    return loss;
}

static void check_entries(struct at *at, const char *name, const double *values, const double *got,
                          size_t count)
{
    double scale = 0;
    for (size_t e = 0; e < count; e++)
        scale = fmax(scale, fabs(got[e]));
    for (size_t e = 0; e < count; e += 2) {
        at->entry = (double *)(uintptr_t)&values[e];
        CLOSE(got[e], derivative(loss_at, at, values[e]), fmax(fabs(got[e]), 0.1 * scale), 1e-6,
              "%s, entry %zu", name, e);
    }
}

START_TEST(derivatives_by_both_sets)
{
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    struct kr_check_report report;
    const struct kr_check_spec check = {0, 3, 0};
    double grad[64];
    struct kr_gp_spec beside = elsewhere("held");
    OK(kr_variant_init(ctx, &kr_loss_registry, _i ? "nlpd" : "mse", &beside.objective.loss));
    beside.model.standardize.x = beside.model.standardize.y = false;
    OK(kr_gp_init_with(ctx, &beside, &train, &held, &gp));
    const struct kr_data_gradient got = {
        kr_alloc(ctx, train.n * FEATURES, sizeof(double)), kr_alloc(ctx, train.n, sizeof(double)),
        kr_alloc(ctx, train.n, sizeof(double)), kr_alloc(ctx, held.n * FEATURES, sizeof(double))};
    OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &got));
    struct at at = {&beside, NULL};
    check_entries(&at, "x", train.x, got.x, train.n * FEATURES);
    check_entries(&at, "y", train.y, got.y, train.n);
    check_entries(&at, "noise", train.noise_variance, got.noise, train.n);
    check_entries(&at, "x_validation", held.x, got.x_validation, held.n * FEATURES);
    OK(kr_gradient_check(ctx, &gp, gp.start, grad, &got, &check, &report));
    ck_assert(report.largest_relative_error < 1e-6);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("validation by another data set");
    TCase *tcase = tcase_create("validation by another data set");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_same_as_rows);
    tcase_add_test(tcase, standardised_by_the_training_set);
    tcase_add_test(tcase, features_are_matched);
    tcase_add_test(tcase, what_is_refused);
    tcase_add_test(tcase, mixtures);
    tcase_add_loop_test(tcase, derivatives_by_both_sets, 0, 2);
    suite_add_tcase(made, tcase);
    return made;
}
