/*
 * Derivatives of the loss by the data, against differences of its value with other data: for every kernel x
 * form x loss of the mean and of the variance x solver; every loss; the evidence; draws of held-out points.
 */
#include "kriged/differentiate.h"
#include "objectives.h"

enum { MOST_DIRECTIONS = 3 };
static const char *const forms[] = {"rows", "kfold", "leave_one_out"};

static struct kr_ctx context, *ctx;
static struct kernel_case *cases;
static size_t ncases;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    ncases = kernel_cases(ctx, cases);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* Data as it is, and one way of holding points out. */
static void make_raw_spec(const struct kr_variant *kernel, const char *loss, const char *form,
                          const char *solver, const char *mean, struct kr_gp_spec *spec)
{
    make_spec(ctx, kernel, loss, solver, mean, spec);
    spec->model.standardize.x = spec->model.standardize.y = false;
    if (strcmp(mean, "linear") == 0) /* coefficients are its first option */
        ((struct kr_param *)spec->model.mean.options)->values[0].value = 0.3;
    if (strcmp(form, "rows") != 0)
        OK(kr_variant_init(ctx, &kr_validation_registry, form, &spec->objective.validation));
}

/* Inputs of about the lengthscales. */
static struct kr_dataset some_data(size_t n, bool noise, uint64_t seed)
{
    const struct kr_dataset data = small_data(ctx, n, noise, seed);
    double *x = (double *)(uintptr_t)data.x;
    for (size_t e = 0; e < n * data.d; e++)
        x[e] *= 0.4;
    return data;
}

/* What a difference moves: so much of a direction in the inputs, targets and known variances. */
struct along {
    const struct kr_gp_spec *spec;
    const struct kr_dataset *data;
    const double *x, *y, *noise;
};

static const double *moved(size_t count, const double *from, const double *direction, double t)
{
    double *to = kr_alloc(ctx, count, sizeof *to);
    for (size_t i = 0; i < count; i++)
        to[i] = (from ? from[i] : 0) + (direction ? t * direction[i] : 0);
    return to;
}

static double loss_at(void *self, double t)
{
    const struct along *a = self;
    const struct kr_dataset *data = a->data;
    struct kr_dataset other = *data;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    struct kr_mark mark = kr_mark(ctx);
    other.x = moved(data->n * data->d, data->x, a->x, t);
    other.y = moved(data->n, data->y, a->y, t);
    if (data->noise_variance || a->noise)
        other.noise_variance = moved(data->n, data->noise_variance, a->noise, t);
    OK(kr_gp_init(ctx, a->spec, &other, &gp));
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL));
    kr_release(ctx, mark);
    return evaluation.loss;
}

static double *normals(size_t count, uint64_t seed)
{
    struct kr_rng rng;
    double *values = kr_alloc(ctx, count, sizeof *values);
    kr_rng_init(&rng, seed, 4);
    for (size_t i = 0; i < count; i++)
        values[i] = kr_rng_normal(&rng);
    return values;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The derivatives in `count` random directions of each kind, x, y and noise, by the exact solver. */
static void differences(const struct kr_gp_spec *spec, const struct kr_dataset *data, bool x,
                        double wanted[][MOST_DIRECTIONS], size_t count)
{
    struct kr_gp_spec exact = *spec;
    exact.solver.type = kr_registry_find(&kr_solver_registry, "cholesky");
    for (size_t s = 0; s < count; s++)
        for (int kind = x ? 0 : 1; kind < 3; kind++) {
            const double *z = normals(data->n * (kind ? 1 : data->d), 10 * s + (size_t)kind);
            struct along a = {&exact, data, kind == 0 ? z : NULL, kind == 1 ? z : NULL, kind == 2 ? z : NULL};
            wanted[kind][s] = derivative(loss_at, &a, 0);
        }
}

static struct kr_data_gradient gradient_memory(const struct kr_gp *gp)
{
    const size_t rows = gp->rows, d = gp->train.x.d;
    return (struct kr_data_gradient){normals(rows * d, 1), normals(rows, 2), normals(rows, 3),
                                     normals(gp->validation.n * d + 1, 4)};
}

static struct kr_data_gradient differentiate(const struct kr_gp *gp, struct kr_evaluation *evaluation)
{
    const struct kr_data_gradient data = gradient_memory(gp);
    double *grad = kr_alloc(ctx, gp->parameters.count, sizeof *grad);
    OK(kr_objective_differentiate(ctx, gp, gp->start, false, evaluation, grad, &data));
    return data;
}

static void check(const char *name, const struct kr_gp_spec *spec, const struct kr_dataset *data, bool x,
                  double wanted[][MOST_DIRECTIONS], size_t count)
{
    static const char *const kinds[] = {"x", "y", "noise"};
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    OK(kr_gp_init(ctx, spec, data, &gp));
    const struct kr_data_gradient got = differentiate(&gp, &evaluation);
    const double *all[] = {got.x, got.y, got.noise};
    for (int kind = x ? 0 : 1; kind < 3; kind++)
        for (size_t s = 0; s < count; s++) {
            const size_t length = data->n * (kind ? 1 : data->d);
            const double along = dot(length, all[kind], normals(length, 10 * s + (size_t)kind)),
                         size = sqrt(dot(length, all[kind], all[kind]));
            CLOSE(along, wanted[kind][s], fmax(fabs(along), 0.1 * size) + 1e-4, 1e-6,
                  "%s, direction %zu of %s", name, s, kinds[kind]);
        }
    for (size_t t = 0; t < gp.test.n; t++) {
        const size_t row = gp.test.rows[t];
        ck_assert(got.y[row] == 0 && got.noise[row] == 0 && got.x[row] == 0);
    }
}

/* Stationary kernels see the inputs; a hamming kernel compares them, and white noise does not look. */
static bool has_derivatives(const struct kernel_case *kernel)
{
    return strcmp(kernel->spec.type->name, "hamming") != 0;
}

static void check_by_all_solvers(const struct kernel_case *kernel, const char *loss, const char *form,
                                 size_t count)
{
    double wanted[3][MOST_DIRECTIONS];
    struct kr_gp_spec spec;
    const bool x = has_derivatives(kernel), noise = strcmp(loss, "mse") != 0;
    const struct kr_dataset data = some_data(ROWS, noise, 5);
    make_raw_spec(&kernel->spec, loss, form, "cholesky", "linear", &spec);
    differences(&spec, &data, x, wanted, count);
    for (const struct kr_type *const *solver = kr_solver_registry.rows; *solver; solver++) {
        char name[200];
        if (strcmp(loss, "evidence") == 0 && !((const struct kr_solver_type *)*solver)->logdet)
            continue; /* an estimate */
        snprintf(name, sizeof name, "%s, %s, %s by %s", kernel->name, loss, form, (*solver)->name);
        spec.solver.type = *solver;
        check(name, &spec, &data, x, wanted, count);
    }
}

START_TEST(every_kernel_form_and_solver)
{
    static const char *const losses[] = {"mse", "nlpd"};
    ck_assert_uint_gt(ncases, 20);
    for (size_t c = 0; c < ncases; c++)
        for (int l = 0; l < 2; l++) {
            struct kr_mark mark = kr_mark(ctx);
            check_by_all_solvers(&cases[c], losses[l], forms[_i], 1);
            kr_release(ctx, mark);
        }
}
END_TEST

START_TEST(every_loss)
{
    for (const struct kr_type *const *loss = kr_loss_registry.rows; *loss; loss++)
        for (size_t c = ncases - 2; c < ncases; c++) {
            struct kr_mark mark = kr_mark(ctx);
            check_by_all_solvers(&cases[c], (*loss)->name, forms[_i], MOST_DIRECTIONS);
            kr_release(ctx, mark);
        }
}
END_TEST

START_TEST(evidence_of_every_kernel)
{
    for (size_t c = 0; c < ncases; c++) {
        struct kr_mark mark = kr_mark(ctx);
        check_by_all_solvers(&cases[c], "evidence", "rows", 1);
        kr_release(ctx, mark);
    }
}
END_TEST

/* One entry at a time: that each stands in its place. */
START_TEST(every_entry)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    const struct kr_dataset data = some_data(ROWS, true, 5);
    make_raw_spec(&cases[ncases - 1].spec, "nlpd", forms[_i], "cholesky", "linear", &spec);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_data_gradient got = differentiate(&gp, &evaluation);
    const double size = sqrt(dot(data.n, got.y, got.y) / (double)data.n);
    for (size_t e = 0; e < data.n * (data.d + 2); e += 3) {
        const size_t kind = e / data.n, row = e % data.n;
        double *z = kr_alloc(ctx, data.n * data.d, sizeof *z);
        z[kind < data.d ? e : row] = 1;
        struct along a = {&spec, &data, kind < data.d ? z : NULL, kind == data.d ? z : NULL,
                          kind > data.d ? z : NULL};
        const double entry = kind < data.d ? got.x[e] : kind == data.d ? got.y[row] : got.noise[row];
        CLOSE(entry, derivative(loss_at, &a, 0), fmax(fabs(entry), size), 1e-6, "%s: column %zu of row %zu",
              forms[_i], kind, row);
    }
}
END_TEST

/* Held out among the rows: the derivative by them. In folds: that of each fold alone, while the others stay.
 */
START_TEST(held_out_inputs)
{
    static const char *const losses[] = {"mse", "nlpd", "crps"};
    const struct kr_dataset data = some_data(ROWS, true, 5);
    for (size_t c = 0; c < ncases; c++)
        for (int l = 0; l < 3; l++) {
            struct kr_mark mark = kr_mark(ctx);
            struct kr_gp_spec spec;
            struct kr_gp gp;
            struct kr_evaluation evaluation;
            make_raw_spec(&cases[c].spec, losses[l], forms[_i], "cholesky", "linear", &spec);
            OK(kr_gp_init(ctx, &spec, &data, &gp));
            const struct kr_data_gradient got = differentiate(&gp, &evaluation);
            const size_t m = gp.validation.n, nfolds = gp.form == KR_FOLDS ? gp.folds.count : 1;
            for (size_t f = 0; f < nfolds; f++) {
                const size_t first = gp.form == KR_FOLDS ? gp.folds.first[f] : 0,
                             k = (gp.form == KR_FOLDS ? gp.folds.first[f + 1] : m) - first;
                struct kr_gp_spec refit = spec;
                struct kr_gp alone;
                OK(kr_variant_init(ctx, &kr_validation_registry, "rows", &refit.objective.validation));
                *(struct kr_ints *)refit.objective.validation.options =
                    (struct kr_ints){k, (size_t *)(uintptr_t)gp.validation.rows + first};
                OK(kr_gp_init(ctx, &refit, &data, &alone));
                const struct kr_data_gradient of_fold = differentiate(&alone, &evaluation);
                const double share = (double)k / (double)m, size = sqrt(dot(data.n, got.x, got.x));
                for (size_t j = 0; j < k; j++)
                    for (size_t e = 0; e < data.d; e++) {
                        const double entry = got.x_validation[e * m + first + j],
                                     wanted = of_fold.x[e * data.n + gp.validation.rows[first + j]] * share;
                        CLOSE(entry, wanted, fmax(fabs(wanted), size), 1e-9, "%s, %s, point %zu",
                              cases[c].name, losses[l], first + j);
                    }
            }
            kr_release(ctx, mark);
        }
}
END_TEST

/* The points that a draw leaves out have zeros; what it takes is right. */
START_TEST(draws)
{
    struct kr_subset_spec subset = {.count = 3, .seed = 7};
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double wanted[3][MOST_DIRECTIONS];
    size_t taken = 0;
    const struct kr_dataset data = some_data(ROWS, true, 5);
    make_raw_spec(&cases[ncases - 1].spec, "nlpd", forms[_i], "cholesky", "linear", &spec);
    spec.objective.subset = &subset;
    differences(&spec, &data, true, wanted, 1);
    check(forms[_i], &spec, &data, true, wanted, 1);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_data_gradient got = differentiate(&gp, &evaluation);
    for (size_t j = 0; j < gp.validation.n; j++) {
        taken += got.x_validation[j] != 0;
        if (gp.form == KR_HOLD_OUT)
            ck_assert(got.x_validation[j] == got.x[gp.validation.rows[j]]);
    }
    ck_assert_uint_ge(taken, 3);
    ck_assert_uint_lt(taken, gp.validation.n);
}
END_TEST

START_TEST(steps_have_no_derivatives)
{
    for (size_t c = 0; c < ncases; c++) {
        struct kr_gp_spec spec;
        struct kr_gp gp;
        struct kr_evaluation evaluation;
        const struct kr_dataset data = some_data(ROWS, false, 5);
        if (has_derivatives(&cases[c]))
            continue;
        make_raw_spec(&cases[c].spec, "nlpd", forms[_i], "cholesky", "constant", &spec);
        OK(kr_gp_init(ctx, &spec, &data, &gp));
        const struct kr_data_gradient got = differentiate(&gp, &evaluation);
        ck_assert(dot(data.n * data.d, got.x, got.x) == 0);
        ck_assert(dot(gp.validation.n * data.d, got.x_validation, got.x_validation) == 0);
        ck_assert(dot(data.n, got.y, got.y) > 0);
    }
}
END_TEST

/* A part that is not wanted changes no other; the gradient by the parameters is the same. */
START_TEST(parts_alone)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    const struct kr_dataset data = some_data(ROWS, true, 5);
    make_raw_spec(&cases[ncases - 1].spec, _i % 2 ? "nlpd" : "mse", forms[_i / 2], "cholesky", "linear",
                  &spec);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_data_gradient all = differentiate(&gp, &evaluation), other = gradient_memory(&gp);
    const size_t rows = data.n, m = gp.validation.n, d = data.d, used = ctx->used;
    double grad[64], plain[64];
    ck_assert_uint_le(gp.parameters.count, 64);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, plain));
    for (int part = 0; part < 4; part++) {
        const struct kr_data_gradient one = {part == 0 ? other.x : NULL, part == 1 ? other.y : NULL,
                                             part == 2 ? other.noise : NULL,
                                             part == 3 ? other.x_validation : NULL};
        OK(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &one));
        ck_assert_mem_eq(grad, plain, gp.parameters.count * sizeof *grad);
    }
    ck_assert_uint_eq(ctx->used, used);
    ck_assert_mem_eq(all.x, other.x, rows * d * sizeof(double));
    ck_assert_mem_eq(all.y, other.y, rows * sizeof(double));
    ck_assert_mem_eq(all.noise, other.noise, rows * sizeof(double));
    ck_assert_mem_eq(all.x_validation, other.x_validation, m * d * sizeof(double));
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    const struct kr_dataset data = some_data(400, true, 6);
    make_raw_spec(&cases[ncases - 1].spec, "nlpd", forms[_i], "cg", "linear", &spec);
    spec.solver.rtol = 1e-4;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    ctx->threads = 1;
    const struct kr_data_gradient one = differentiate(&gp, &evaluation);
    for (ctx->threads = 2; ctx->threads <= 5; ctx->threads += 3) {
        const struct kr_data_gradient other = differentiate(&gp, &evaluation);
        ck_assert_mem_eq(one.x, other.x, data.n * data.d * sizeof(double));
        ck_assert_mem_eq(one.y, other.y, data.n * sizeof(double));
        ck_assert_mem_eq(one.noise, other.noise, data.n * sizeof(double));
        ck_assert_mem_eq(one.x_validation, other.x_validation, gp.validation.n * data.d * sizeof(double));
    }
}
END_TEST

START_TEST(standardised_data_is_refused)
{
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double grad[64];
    const struct kr_dataset data = some_data(ROWS, false, 5);
    make_raw_spec(&cases[0].spec, "nlpd", "rows", "cholesky", "zero", &spec);
    *(_i ? &spec.model.standardize.x : &spec.model.standardize.y) = true;
    OK(kr_gp_init(ctx, &spec, &data, &gp));
    const struct kr_data_gradient some = gradient_memory(&gp);
    ck_assert_int_eq(kr_objective_differentiate(ctx, &gp, gp.start, false, &evaluation, grad, &some),
                     KR_INVALID);
    ck_assert_str_eq(ctx->error.pointer, "/model/standardize");
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("data gradients");
    TCase *tcase = tcase_create("data gradients");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, every_kernel_form_and_solver, 0, 3);
    tcase_add_loop_test(tcase, every_loss, 0, 3);
    tcase_add_test(tcase, evidence_of_every_kernel);
    tcase_add_loop_test(tcase, every_entry, 0, 3);
    tcase_add_loop_test(tcase, held_out_inputs, 0, 3);
    tcase_add_loop_test(tcase, draws, 0, 3);
    tcase_add_loop_test(tcase, steps_have_no_derivatives, 0, 3);
    tcase_add_loop_test(tcase, parts_alone, 0, 6);
    tcase_add_loop_test(tcase, same_bits_with_any_number_of_threads, 0, 3);
    tcase_add_loop_test(tcase, standardised_data_is_refused, 0, 2);
    suite_add_tcase(made, tcase);
    return made;
}
