/* Every method for positive definite systems, with every preconditioner, against operators that fail, cancel
 * or return no numbers at any call, right-hand sides that are none, and memory that ends. */
#include "solve/hostile.h"

static struct kr_ctx context, *const ctx = &context;

enum { SIZE = 24, LONG = 9000 };

/* A method with a preconditioner. */
struct setting {
    struct kr_solver_options options;
    struct hostile h;
    struct kr_op A;
    double *B, *X, *R, *X_bar, *B_bar, grad[TAPS];
    struct kr_solve_report report;
};

static size_t rows_of(const struct kr_registry *registry)
{
    size_t count = 0;
    while (registry->rows[count])
        count++;
    return count;
}

/* Number i of methods x preconditioners, where there are two lists of names. */
static bool setting(int i, size_t n, struct setting *s)
{
    static const double taps[TAPS] = {0.3, 1, 0.3};
    const size_t methods = rows_of(&kr_solver_registry);
    const struct kr_type *const *preconditioner = kr_preconditioner_registry.rows + (size_t)i / methods;
    *s = (struct setting){0};
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &s->options));
    s->options.type = kr_solver_registry.rows[(size_t)i % methods];
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, (*preconditioner)->name,
                       &s->options.preconditioner));
    s->h = (struct hostile){.what = GOOD, .at = SIZE_MAX};
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_SAME, 1, n, 1, TAPS, taps, &s->h.inner));
    s->A = hostile_op(&s->h);
    s->A.symmetric = true;
    s->B = normal(ctx, n * K, 1);
    s->X = normal(ctx, n * K, 2);
    s->R = normal(ctx, n * K, 3);
    s->X_bar = normal(ctx, n * K, 4);
    s->B_bar = normal(ctx, n * K, 5);
    /* a method without preconditioner is looked at once */
    return i < (int)methods || ((const struct kr_solver_type *)s->options.type)->preconditioned;
}

static int settings(void)
{
    return (int)(rows_of(&kr_solver_registry) * rows_of(&kr_preconditioner_registry));
}

static kr_status ask(struct setting *s)
{
    struct kr_solver solver;
    s->report = (struct kr_solve_report){0};
    memset(s->grad, 0, sizeof s->grad);
    KR_TRY(kr_solver_open(ctx, &s->options, &s->A, &solver));
    KR_TRY(kr_solver_solve(ctx, &solver, K, s->B, NULL, s->X, s->R, &s->report));
    return kr_solve_pull(ctx, &solver, K, s->X, s->X_bar, NULL, s->B_bar, s->grad, &s->report);
}

static void same(const struct setting *a, const struct setting *b)
{
    const size_t bytes = a->A.rows * K * sizeof(double);
    ck_assert_mem_eq(a->X, b->X, bytes);
    ck_assert_mem_eq(a->R, b->R, bytes);
    ck_assert_mem_eq(a->B_bar, b->B_bar, bytes);
    ck_assert_mem_eq(a->grad, b->grad, sizeof a->grad);
}

START_TEST(at_every_call)
{
    static const enum mischief kinds[] = {FAILS, FAILS_SILENTLY, CANCELS, PASSES_DEADLINE};
    static const kr_status wanted[] = {KR_STORAGE, KR_STORAGE, KR_CANCELLED, KR_TIME_LIMIT};
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    if (setting(_i, SIZE, &good) && setting(_i, SIZE, &s)) {
        OK(ask(&good));
        ck_assert(kr_solve_converged(&good.report));
        for (size_t kind = 0; kind < 4; kind++)
            for (s.h.at = 0; s.h.at < good.h.calls; s.h.at++) {
                const struct kr_mark mark = kr_mark(ctx);
                s.h.what = kinds[kind];
                s.h.calls = 0;
                const kr_status status = ask(&s);
                if (status != KR_OK || s.h.at + 1 < good.h.calls)
                    ck_assert_msg(status == wanted[kind], "%s, %s, call %zu of %zu: %s", s.options.type->name,
                                  s.options.preconditioner.type->name, s.h.at, good.h.calls,
                                  kr_status_slug(status));
                ck_assert_uint_eq(s.h.calls, s.h.at + 1);
                if (kinds[kind] == FAILS)
                    ck_assert_str_eq(ctx->error.detail, "the disk is gone");
                kr_ctx_clear_error(ctx);
                ctx->cancelled = 0;
                ctx->deadline = 0;
                kr_release(ctx, mark);
            }
        s.h.what = GOOD;
        OK(ask(&s));
        same(&good, &s);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* What is reported as solved is solved. */
START_TEST(products_that_are_not_finite)
{
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    if (setting(_i, SIZE, &good) && setting(_i, SIZE, &s)) {
        OK(ask(&good));
        for (int infinite = 0; infinite < 2; infinite++)
            for (s.h.at = 0; s.h.at < good.h.calls; s.h.at++) {
                const struct kr_mark mark = kr_mark(ctx);
                s.h.what = infinite ? RETURNS_INFINITY : RETURNS_NAN;
                s.h.calls = 0;
                const kr_status status = ask(&s);
                ck_assert_uint_lt(s.h.calls, 20 * good.h.calls);
                if (status != KR_OK)
                    ck_assert_msg(status == KR_NOT_POSITIVE_DEFINITE || status == KR_NON_FINITE ||
                                      (CHECKED_WHEN_OPENED && status == KR_INVALID),
                                  "%s: %s", kr_status_slug(status), ctx->error.detail);
                else if (kr_solve_converged(&s.report))
                    ck_assert_msg(distance(s.X, good.X, SIZE * K) < 1e-5, "%s, %s, call %zu of %zu: %s",
                                  s.options.type->name, s.options.preconditioner.type->name, s.h.at,
                                  good.h.calls, kr_stop_names[s.report.stop]);
                kr_ctx_clear_error(ctx);
                kr_release(ctx, mark);
            }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* A right-hand side that is not finite does not count as solved; a start that is not finite is not used. */
START_TEST(right_hand_sides_that_are_not_finite)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    struct setting s;
    kr_ctx_init(ctx, 0);
    if (setting(_i, SIZE, &s))
        for (size_t b = 0; b < 3; b++)
            for (int guess = 0; guess < 2; guess++) {
                struct kr_solver solver;
                struct kr_solve_report report = {0};
                double *X0 = kr_alloc(ctx, SIZE * K, sizeof *X0), *B = normal(ctx, SIZE * K, 1);
                (guess ? X0 : B)[SIZE + 5] = bad[b];
                OK(kr_solver_open(ctx, &s.options, &s.A, &solver));
                s.h.calls = 0;
                OK(kr_solver_solve(ctx, &solver, K, B, guess ? X0 : NULL, s.X, s.R, &report));
                ck_assert_uint_lt(s.h.calls, 1000);
                ck_assert_msg(kr_solve_converged(&report) == (guess == 1), "%s: %s", s.options.type->name,
                              kr_stop_names[report.stop]);
                for (size_t i = 0; guess && i < SIZE * K; i++)
                    ck_assert(isfinite(s.X[i]) && isfinite(s.R[i]));
            }
    kr_ctx_fini(ctx);
}
END_TEST

/* Matrices that are not positive definite, or not symmetric though they say so: a method may solve them; if
 * it says so, it is so. */
START_TEST(matrices_that_are_something_else)
{
    static const double kinds[][TAPS] = {{0.3, -1, 0.3}, {1, 0.1, 1}, {0, 0, 0}, {1, 0, -1}, {0.8, 1, 0.1}};
    struct setting s;
    kr_ctx_init(ctx, 0);
    if (setting(_i, SIZE, &s))
        for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
            OK(kr_op_convolution(ctx, KR_CONVOLUTION_SAME, 1, SIZE, 1, TAPS, kinds[kind], &s.h.inner));
            s.h.calls = 0;
            const kr_status status = ask(&s);
            ck_assert_uint_lt(s.h.calls, 100000);
            if (CHECKED_WHEN_OPENED && kind >= 3) {
                ck_assert_int_eq(status, KR_INVALID);
                kr_ctx_clear_error(ctx);
                continue;
            }
            if (status != KR_OK) {
                ck_assert_int_eq(status, KR_NOT_POSITIVE_DEFINITE);
                kr_ctx_clear_error(ctx);
                continue;
            }
            if (!kr_solve_converged(&s.report))
                continue;
            double *AX = kr_alloc(ctx, SIZE * K, sizeof *AX);
            OK(kr_op_apply(ctx, &s.h.inner, K, s.X, AX));
            for (size_t c = 0; c < K; c++)
                ck_assert_msg(distance(AX + c * SIZE, s.B + c * SIZE, SIZE) <=
                                  1e-5 * cblas_dnrm2(SIZE, s.B + c * SIZE, 1),
                              "%s says %s of matrix %zu", s.options.type->name, kr_stop_names[s.report.stop],
                              kind);
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(memory_that_ends)
{
    enum { STEP = 1 << 17 };
    struct setting good, s;
    kr_ctx_init(ctx, 0);
    const bool wanted = setting(_i, LONG, &good);
    const struct kr_solver_type *type = (const struct kr_solver_type *)good.options.type;
    const bool stored = !type->preconditioned && type->bytes(LONG, K) > 100000000;
    setting(_i, stored ? 300 : LONG, &good);
    setting(_i, stored ? 300 : LONG, &s);
    if (wanted) {
        const struct kr_mark mark = kr_mark(ctx);
        const size_t used = ctx->used;
        ctx->peak = used;
        OK(ask(&good));
        kr_release(ctx, mark);
        const size_t most = ctx->peak;
        size_t failures = 0;
        for (size_t budget = used;; budget += STEP, failures++) {
            ck_assert_uint_le(budget, most + STEP);
            ctx->budget = budget;
            const kr_status status = ask(&s);
            if (status == KR_OK)
                break;
            ck_assert_int_eq(status, KR_MEMORY_LIMIT);
            ck_assert_int_eq(ctx->error.status, KR_MEMORY_LIMIT);
            kr_ctx_clear_error(ctx);
            kr_release(ctx, mark);
            ck_assert_uint_eq(ctx->used, used);
        }
        ck_assert_uint_ge(failures, 2);
        /* the rank of a preconditioner may depend on the memory, the solution not */
        for (size_t i = 0; i < s.A.rows * K; i++)
            CLOSE(s.X[i], good.X[i], 1, 1e-6, "entry %zu", i);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(shapes_options_and_columns)
{
    static const size_t many[] = {(size_t)1 << 31, SIZE_MAX, SIZE_MAX / SIZE, SIZE_MAX / 8 / SIZE + 1};
    struct setting s;
    struct kr_solver solver;
    kr_ctx_init(ctx, 0);
    if (setting(_i, SIZE, &s)) {
        OK(kr_solver_open(ctx, &s.options, &s.A, &solver));
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(kr_solver_solve(ctx, &solver, many[i], s.B, NULL, s.X, s.R, &s.report),
                             KR_INVALID);
            ck_assert_ptr_nonnull(strstr(ctx->error.detail, "too large"));
            kr_ctx_clear_error(ctx);
        }
        const double before = s.X[0];
        s.report = (struct kr_solve_report){0};
        OK(kr_solver_solve(ctx, &solver, 0, s.B, NULL, s.X, s.R, &s.report));
        OK(kr_solve_pull(ctx, &solver, 0, s.X, s.X_bar, NULL, s.B_bar, s.grad, &s.report));
        ck_assert(s.X[0] == before && kr_solve_converged(&s.report));
        s.options.rtol = 1;
        ck_assert_int_eq(kr_solver_open(ctx, &s.options, &s.A, &solver), KR_INVALID);
        ck_assert_str_eq(ctx->error.pointer, "/rtol");
        kr_ctx_clear_error(ctx);
        s.options.rtol = 1e-8;
        s.A.cols++;
        ck_assert_int_eq(kr_solver_open(ctx, &s.options, &s.A, &solver), KR_INVALID);
        ck_assert_ptr_nonnull(strstr(ctx->error.detail, "got 24 x 25"));
    }
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("hostile solver");
    TCase *every = tcase_create("every method");
    tcase_set_timeout(every, 30);
    tcase_add_loop_test(every, at_every_call, 0, settings());
    tcase_add_loop_test(every, products_that_are_not_finite, 0, settings());
    tcase_add_loop_test(every, right_hand_sides_that_are_not_finite, 0, settings());
    tcase_add_loop_test(every, matrices_that_are_something_else, 0, settings());
    tcase_add_loop_test(every, memory_that_ends, 0, settings());
    tcase_add_loop_test(every, shapes_options_and_columns, 0, settings());
    suite_add_tcase(made, every);
    return made;
}
