/* What least squares refuse before they start, problems of no size, and adjoints that are none. */
#include "solve/hostile.h"

static void refused(struct kr_ctx *ctx, kr_status status, const char *pointer, const char *words)
{
    ck_assert_msg(status == KR_INVALID, "not refused: %s", words);
    ck_assert_msg(strstr(ctx->error.detail, words), "\"%s\" is not in: %s", words, ctx->error.detail);
    ck_assert_str_eq(ctx->error.pointer, pointer);
    kr_ctx_clear_error(ctx);
}

/* Every member of the options, below and above its range, by its name. */
START_TEST(options_out_of_range)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq problem;
    struct kr_op A;
    double entries[4] = {1, 0, 0, 1};
    size_t tried = 0;
    kr_ctx_init(ctx, 0);
    OK(kr_op_dense(ctx, 2, 2, entries, &A));
    for (size_t f = 0; f < kr_lstsq_options_schema.count; f++) {
        const struct kr_field *field = &kr_lstsq_options_schema.fields[f];
        const double bad[] = {field->min - 1, field->max * 2, NAN, INFINITY, -INFINITY};
        const bool is_real = field->kind == KR_KIND_REAL;
        for (size_t i = 0; i < 5; i++) {
            struct kr_lstsq_options options = hostile_options(ctx, KR_LSTSQ_NONE);
            void *at = (char *)&options + field->offset;
            if (is_real && !(i == 2 && field->flags & KR_OMIT))
                *(double *)at = bad[i];
            else if ((field->kind == KR_KIND_INT || field->kind == KR_KIND_SEED) && i < 2)
                *(size_t *)at = i ? (size_t)bad[1] : SIZE_MAX;
            else if (field->kind == KR_KIND_CHOICE && i < 2)
                *(int *)at = i ? 99 : -1;
            else
                continue;
            tried++;
            refused(ctx, kr_lstsq_open(ctx, &options, &A, 0, NULL, &problem),
                    kr_printf(ctx, "/%s", field->name), field->name);
        }
    }
    ck_assert_uint_ge(tried, 2 * kr_lstsq_options_schema.count);
    struct kr_lstsq_options zeros = {0};
    refused(ctx, kr_lstsq_open(ctx, &zeros, &A, 0, NULL, &problem), "/condition_limit",
            "must be in [1, 1e+300]");
    kr_ctx_fini(ctx);
}
END_TEST

static kr_status never(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)op, (void)k, (void)X, (void)Y;
    ck_abort_msg("a product was asked for");
    return kr_fail(ctx, KR_INTERNAL, "", "a product was asked for");
}
static const struct kr_op_type never_type = {.name = "never", .apply = never, .apply_t = never};

START_TEST(shapes_and_dampings)
{
    static const size_t sizes[][2] = {
        {0, 3}, {3, 0}, {0, 0}, {(size_t)1 << 31, 2}, {2, (size_t)1 << 31}, {SIZE_MAX, SIZE_MAX}};
    static const double dampings[] = {-1e-300, -1, NAN, INFINITY, -INFINITY};
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq problem;
    kr_ctx_init(ctx, 0);
    const struct kr_lstsq_options options = hostile_options(ctx, KR_LSTSQ_AUTO);
    struct kr_op A = {&never_type, 5, 4, false, NULL};
    for (size_t i = 0; i < 5; i++)
        refused(ctx, kr_lstsq_open(ctx, &options, &A, dampings[i], NULL, &problem), "",
                "the damping must be finite and at least 0");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        A.rows = sizes[i][0];
        A.cols = sizes[i][1];
        refused(ctx, kr_lstsq_open(ctx, &options, &A, 0, NULL, &problem), "",
                kr_printf(ctx, "got %zu x %zu", A.rows, A.cols));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A preconditioner or a tangent that does not fit. */
START_TEST(other_operators_of_other_shapes)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq problem;
    struct kr_lstsq_report report = {0};
    struct hostile tall, wide, other;
    double x[8] = {0};
    kr_ctx_init(ctx, 0);
    struct kr_lstsq_options options = hostile_options(ctx, KR_LSTSQ_NONE);
    hostile_filter(ctx, KR_CONVOLUTION_FULL, 5, &tall);  /* 7 x 5 */
    hostile_filter(ctx, KR_CONVOLUTION_VALID, 7, &wide); /* 5 x 7 */
    hostile_filter(ctx, KR_CONVOLUTION_SAME, 6, &other); /* 6 x 6 */
    refused(ctx, kr_lstsq_open(ctx, &options, &tall.inner, 0, &other.inner, &problem), "", "got 6 x 6");
    refused(ctx, kr_lstsq_open(ctx, &options, &tall.inner, 1, &tall.inner, &problem), "", "got 7 x 5");
    refused(ctx, kr_lstsq_open(ctx, &options, &wide.inner, 0, &other.inner, &problem), "", "got 6 x 6");
    refused(ctx,
            kr_lstsq_open(ctx, &options, &wide.inner, 1, &tall.inner, &problem) == KR_OK
                ? kr_lstsq_open(ctx, &options, &wide.inner, 1, &wide.inner, &problem)
                : KR_OK,
            "", "got 5 x 7");
    options.preconditioner = KR_LSTSQ_GIVEN;
    refused(ctx, kr_lstsq_open(ctx, &options, &tall.inner, 0, NULL, &problem), "", "none was given");
    options.preconditioner = KR_LSTSQ_NONE;
    OK(kr_lstsq_open(ctx, &options, &tall.inner, 0, NULL, &problem));
    refused(ctx, kr_lstsq_push(ctx, &problem, 1, x, x, &wide.inner, NULL, 0, x, &report), "", "is 5 x 7");
    kr_ctx_fini(ctx);
}
END_TEST

/* No columns: nothing happens. So many that they cannot be counted: refused before anything is read. */
START_TEST(no_columns_and_too_many)
{
    static const size_t many[] = {(size_t)1 << 31, SIZE_MAX, SIZE_MAX / 5, SIZE_MAX / 8 / 7 + 1};
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq problem;
    struct kr_lstsq_report report = {0};
    kr_ctx_init(ctx, 0);
    const struct kr_lstsq_options options = hostile_options(ctx, KR_LSTSQ_NONE);
    struct hostile h;
    hostile_filter(ctx, KR_CONVOLUTION_FULL, 5, &h); /* 7 x 5 */
    const struct kr_op A = hostile_op(&h);
    double x = 3, damping_bar = 0;
    for (int damped = 0; damped < 2; damped++) {
        OK(kr_lstsq_open(ctx, &options, &A, damped, NULL, &problem));
        h.calls = 0;
        for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
            const size_t k = many[i];
            refused(ctx, kr_lstsq_solve(ctx, &problem, k, &x, NULL, &x, &x, NULL, &report), "", "too large");
            refused(ctx, kr_lstsq_solve_t(ctx, &problem, k, &x, &x, &x, NULL, &report), "", "too large");
            refused(ctx, kr_lstsq_pull(ctx, &problem, k, &x, &x, &x, &x, &x, &x, &report), "", "too large");
            refused(ctx, kr_lstsq_push(ctx, &problem, k, &x, &x, NULL, &x, 1, &x, &report), "", "too large");
        }
        ck_assert_uint_eq(h.calls, 0);
    }
    for (int damped = 0; damped < 2; damped++) {
        report = (struct kr_lstsq_report){0};
        OK(kr_lstsq_open(ctx, &options, &h.inner, damped, NULL, &problem));
        OK(kr_lstsq_solve(ctx, &problem, 0, &x, NULL, &x, &x, NULL, &report));
        OK(kr_lstsq_solve_t(ctx, &problem, 0, &x, &x, &x, NULL, &report));
        OK(kr_lstsq_pull(ctx, &problem, 0, &x, &x, &x, &x, &x, &damping_bar, &report));
        OK(kr_lstsq_push(ctx, &problem, 0, &x, &x, &h.inner, &x, 1, &x, &report));
        ck_assert(x == 3 && damping_bar == 0);
        ck_assert_int_eq(report.stop, KR_LSTSQ_STOP_NONE);
        ck_assert(kr_lstsq_converged(&report));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Adjoints that are wrong in every way that kr_op_check knows. */
struct wrong {
    struct kr_op inner;
    int how;
    size_t products;
};

static kr_status wrong_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    struct wrong *self = (struct wrong *)(uintptr_t)op->self;
    self->products += k;
    return kr_op_apply(ctx, &self->inner, k, X, Y);
}

static kr_status wrong_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                               double *Y)
{
    struct wrong *self = (struct wrong *)(uintptr_t)op->self;
    const size_t n = op->cols;
    double *right = kr_alloc(ctx, n * k, sizeof *right);
    self->products += k;
    KR_TRY(kr_op_apply_t(ctx, &self->inner, k, X, right));
    for (size_t i = 0; i < n * k; i++) {
        const size_t c = i / n * n, j = i % n;
        switch (self->how) {
        case 0:
            Y[i] = -right[i];
            break;
        case 1:
            Y[i] = right[c + (j + 1) % n];
            break;
        case 2:
            Y[i] = 1e-3 * right[i];
            break;
        case 3:
            Y[i] = 1e3 * right[i];
            break;
        case 4:
            Y[i] = right[c + n - 1 - j];
            break;
        case 5:
            Y[i] = j % 2 ? right[i] : 0;
            break;
        case 6:
            Y[i] = right[i] * (1 + 1e-5 * sin((double)j));
            break;
        default:
            Y[i] = sin((double)(i + self->products)); /* a different one each time */
        }
    }
    return KR_OK;
}
enum { WRONG = 8 };

/* They are found by the check; a solve ends in the time of a right one, and does not claim a residual that is
 * not there: what it reports as |b - A x| and |A'r| is so, with A and A' as they are. */
START_TEST(wrong_adjoints)
{
    static const struct kr_op_type type = {.name = "wrong", .apply = wrong_apply, .apply_t = wrong_apply_t};
    enum { LENGTH = 60 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    const int preconditioners[] = {KR_LSTSQ_NONE, KR_LSTSQ_JACOBI, KR_LSTSQ_SKETCH};
    const struct kr_lstsq_options options = hostile_options(ctx, preconditioners[_i / WRONG]);
    for (int shape = 0; shape < 3; shape++)
        for (int damped = 0; damped < 2; damped++) {
            struct wrong self = {.how = _i % WRONG};
            struct hostile h;
            struct kr_lstsq problem;
            struct kr_lstsq_column column;
            struct kr_lstsq_report report = {0};
            hostile_filter(ctx, tall_square_wide[shape], LENGTH, &h);
            self.inner = h.inner;
            const struct kr_op A = {&type, h.inner.rows, h.inner.cols, false, &self};
            refused(ctx, kr_op_check(ctx, &A, 1, 1, 0, NULL), "",
                    self.how == WRONG - 1 ? "is not that of its columns" : "the adjoint is wrong");
            double *b = normal(ctx, A.rows, 1), *x = normal(ctx, A.cols, 2), *r = normal(ctx, A.rows, 3),
                   *Ax = normal(ctx, A.rows, 4);
            self.products = 0;
            kr_status status = kr_lstsq_open(ctx, &options, &A, damped ? 0.3 : 0, NULL, &problem);
            if (CHECKED_WHEN_OPENED) {
                ck_assert_int_eq(status, KR_INVALID);
                kr_ctx_clear_error(ctx);
                continue;
            }
            OK(status);
            OK(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, r, &column, &report));
            ck_assert_msg(self.products < 40000, "%zu products", self.products);
            OK(kr_op_apply(ctx, &h.inner, 1, x, Ax));
            double true_residual = 0;
            for (size_t i = 0; i < A.rows; i++) {
                CLOSE(r[i], b[i] - Ax[i], fabs(b[i]) + fabs(Ax[i]), 1e-12, "residual %zu", i);
                true_residual = hypot(true_residual, b[i] - Ax[i]);
            }
            CLOSE(column.residual, true_residual, true_residual, 1e-10, "reported residual");
            if (report.stop == KR_LSTSQ_STOP_COMPATIBLE)
                ck_assert(hypot(true_residual, damped * 0.3 * column.length) <=
                          1e-8 * cblas_dnrm2((int)A.rows, b, 1));
        }
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {options_out_of_range, shapes_and_dampings, other_operators_of_other_shapes,
                                  no_columns_and_too_many};
    Suite *made = suite_of("least squares refuse", tests, sizeof tests / sizeof *tests);
    TCase *wrong = tcase_create("wrong adjoints");
    tcase_add_loop_test(wrong, wrong_adjoints, 0, 3 * WRONG);
    suite_add_tcase(made, wrong);
    return made;
}
