/* Least squares with operators that fail, cancel or return no numbers at any of their calls, and no memory.
 */
#include "solve/hostile.h"

enum { LENGTH = 20 };

static const int preconditioners[] = {KR_LSTSQ_NONE, KR_LSTSQ_JACOBI, KR_LSTSQ_SKETCH};

/* Test number i of 18: shape, damping, preconditioner. */
struct setting {
    enum kr_convolution mode;
    double damping;
    struct kr_lstsq_options options;
};
enum { SETTINGS = 18 };
static struct setting setting(struct kr_ctx *ctx, int i)
{
    return (struct setting){tall_square_wide[i % 3], i / 3 % 2 ? 0.4 : 0,
                            hostile_options(ctx, preconditioners[i / 6])};
}

/* What must have happened at call `at`; false when there was no such call. */
static bool as_it_should(struct kr_ctx *ctx, const struct hostile *h, kr_status status)
{
    if (h->what == FAILS || h->what == FAILS_SILENTLY) {
        if (status == KR_OK)
            return false;
        ck_assert_int_eq(status, KR_STORAGE);
        ck_assert_int_eq(ctx->error.status, h->what == FAILS ? KR_STORAGE : KR_OK);
        ck_assert_str_eq(ctx->error.detail, h->what == FAILS ? "the disk is gone" : "");
        ck_assert_str_eq(ctx->error.pointer, h->what == FAILS ? "/disk" : "");
    } else {
        if (status == KR_OK) /* nothing was asked after the last call */
            return h->calls == h->at + 1;
        ck_assert_int_eq(status, h->what == CANCELS ? KR_CANCELLED : KR_TIME_LIMIT);
        ck_assert_int_eq(ctx->error.status, status);
    }
    ck_assert_msg(h->calls == h->at + 1, "%zu calls after the one that failed", h->calls - h->at - 1);
    return true;
}

/* Misbehaves at every call in turn: it shows at once, and afterwards the context and its memory are as
 * before. */
static void at_every_call(enum mischief what, int number)
{
    struct kr_ctx context, *ctx = &context;
    struct hostile h;
    struct answers good, answers;
    kr_ctx_init(ctx, 0);
    const struct setting s = setting(ctx, number);
    hostile_filter(ctx, s.mode, LENGTH, &h);
    const struct kr_op A = hostile_op(&h);
    make_answers(ctx, &A, &good);
    make_answers(ctx, &A, &answers);
    h.at = SIZE_MAX;
    OK(ask_everything(ctx, &s.options, &A, s.damping, &good));
    const size_t calls = h.calls;
    const struct kr_mark mark = kr_mark(ctx);
    h.what = what;
    for (h.at = 0; h.at < calls; h.at++) {
        h.calls = 0;
        kr_status status = ask_everything(ctx, &s.options, &A, s.damping, &answers);
        ck_assert_msg(as_it_should(ctx, &h, status), "call %zu of %zu: %s, %zu calls", h.at, calls,
                      kr_status_slug(status), h.calls);
        kr_ctx_clear_error(ctx);
        ctx->cancelled = 0;
        ctx->deadline = 0;
        kr_release(ctx, mark);
    }
    h.calls = 0;
    h.what = GOOD;
    OK(ask_everything(ctx, &s.options, &A, s.damping, &answers));
    ck_assert_uint_eq(h.calls, calls);
    same_answers(&good, &answers);
    kr_ctx_fini(ctx);
}

START_TEST(failures_propagate_at_once)
{
    at_every_call(FAILS, _i);
    at_every_call(FAILS_SILENTLY, _i);
}
END_TEST

START_TEST(cancelled_at_any_call)
{
    at_every_call(CANCELS, _i);
    at_every_call(PASSES_DEADLINE, _i);
}
END_TEST

/* In a debug build the check meets the number first. */
static bool found_when_opened(struct kr_ctx *ctx, kr_status status)
{
    if (CHECKED_WHEN_OPENED && status == KR_INVALID) {
        ck_assert_ptr_nonnull(strstr(ctx->error.detail, "operator \"hostile\""));
        kr_ctx_clear_error(ctx);
        return true;
    }
    OK(status);
    return false;
}

/* A product that is not finite: the run ends, and says so unless its answer is right all the same. */
static void not_finite_at_every_call(enum mischief what, int number)
{
    struct kr_ctx context, *ctx = &context;
    struct hostile h;
    struct answers good, answers;
    kr_ctx_init(ctx, 0);
    const struct setting s = setting(ctx, number);
    hostile_filter(ctx, s.mode, LENGTH, &h);
    const struct kr_op A = hostile_op(&h);
    make_answers(ctx, &A, &good);
    make_answers(ctx, &A, &answers);
    h.at = SIZE_MAX;
    OK(ask_everything(ctx, &s.options, &A, s.damping, &good));
    const size_t calls = h.calls;
    h.what = what;
    for (h.at = 0; h.at < calls; h.at++) {
        struct kr_lstsq problem;
        struct kr_lstsq_report report = {0};
        struct kr_mark mark = kr_mark(ctx);
        h.calls = 0;
        if (found_when_opened(ctx, kr_lstsq_open(ctx, &s.options, &A, s.damping, NULL, &problem)))
            continue;
        OK(kr_lstsq_solve(ctx, &problem, K, answers.B, NULL, answers.X, answers.R, NULL, &report));
        ck_assert_msg(h.calls < 10 * calls, "%zu calls where %zu were enough for everything", h.calls, calls);
        if (h.calls > h.at && kr_lstsq_converged(&report))
            ck_assert_msg(distance(good.X, answers.X, good.n) < 1e-7 * cblas_dnrm2((int)good.n, good.X, 1),
                          "call %zu of %zu: wrong, and says %s", h.at, calls,
                          kr_lstsq_stop_names[report.stop]);
        if (!kr_lstsq_converged(&report)) {
            ck_assert_int_eq(kr_lstsq_require(ctx, &report),
                             report.stop == KR_LSTSQ_STOP_NON_FINITE ? KR_NON_FINITE : KR_NOT_CONVERGED);
            kr_ctx_clear_error(ctx);
        }
        h.calls = 0;
        OK(ask_everything(ctx, &s.options, &A, s.damping, &answers));
        kr_release(ctx, mark);
    }
    kr_ctx_fini(ctx);
}

START_TEST(products_that_are_not_finite)
{
    not_finite_at_every_call(RETURNS_NAN, _i);
    not_finite_at_every_call(RETURNS_INFINITY, _i);
}
END_TEST

/* One bad column of three: it is named, the others are solved. */
START_TEST(right_hand_sides_that_are_not_finite)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    struct kr_ctx context, *ctx = &context;
    struct hostile h;
    struct answers good, answers;
    kr_ctx_init(ctx, 0);
    const struct setting s = setting(ctx, _i);
    hostile_filter(ctx, s.mode, LENGTH, &h);
    const size_t m = h.inner.rows, n = h.inner.cols;
    make_answers(ctx, &h.inner, &good);
    make_answers(ctx, &h.inner, &answers);
    OK(ask_everything(ctx, &s.options, &h.inner, s.damping, &good));
    for (size_t i = 0; i < 3; i++)
        for (int guess = 0; guess < 2; guess++) {
            struct kr_lstsq problem;
            struct kr_lstsq_column columns[K];
            struct kr_lstsq_report report = {0};
            double *B = normal(ctx, m * K, 1), *X0 = kr_alloc(ctx, n * K, sizeof *X0);
            (guess ? X0 : B)[guess ? n + 3 : m + 3] = bad[i];
            OK(kr_lstsq_open(ctx, &s.options, &h.inner, s.damping, NULL, &problem));
            OK(kr_lstsq_solve(ctx, &problem, K, B, guess ? X0 : NULL, answers.X, answers.R, columns,
                              &report));
            /* a start that the damped solver from the left does not take does no harm */
            if (columns[1].stop == KR_LSTSQ_STOP_NON_FINITE || !guess) {
                ck_assert_int_eq(report.stop, KR_LSTSQ_STOP_NON_FINITE);
                ck_assert_int_eq(columns[1].stop, KR_LSTSQ_STOP_NON_FINITE);
                ck_assert_msg(strstr(report.reason, guess ? "the initial guess is not finite"
                                                          : "the right-hand side is not finite"),
                              "%s", report.reason);
                ck_assert_int_eq(kr_lstsq_require(ctx, &report), KR_NON_FINITE);
                ck_assert_ptr_nonnull(strstr(ctx->error.detail, report.reason));
                kr_ctx_clear_error(ctx);
            }
            for (size_t c = 0; c < K; c += 2) {
                ck_assert(columns[c].stop <= KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION);
                ck_assert(distance(answers.X + c * n, good.X + c * n, n) < 1e-7 * columns[c].length);
            }
        }
    kr_ctx_fini(ctx);
}
END_TEST

/* A derivative from numbers that are not finite says that it is none. */
START_TEST(derivatives_that_are_not_finite)
{
    struct kr_ctx context, *ctx = &context;
    struct hostile h;
    struct answers good;
    kr_ctx_init(ctx, 0);
    const struct setting s = setting(ctx, _i);
    hostile_filter(ctx, s.mode, LENGTH, &h);
    make_answers(ctx, &h.inner, &good);
    OK(ask_everything(ctx, &s.options, &h.inner, s.damping, &good));
    double *inputs[] = {good.X_bar, good.X, good.R, good.B_dot};
    for (size_t i = 0; i < 4; i++) {
        struct kr_lstsq problem;
        struct kr_lstsq_report pulled = {0}, pushed = {0};
        double damping_bar = 0, grad[TAPS] = {0};
        const double before = inputs[i][1];
        inputs[i][1] = NAN;
        OK(kr_lstsq_open(ctx, &s.options, &h.inner, s.damping, NULL, &problem));
        OK(kr_lstsq_pull(ctx, &problem, K, good.X, good.R, good.X_bar, good.B_bar, grad, &damping_bar,
                         &pulled));
        OK(kr_lstsq_push(ctx, &problem, K, good.X, good.R, &h.inner, good.B_dot, 0.5, good.X_dot, &pushed));
        bool shows = !isfinite(grad[0] + grad[1] + grad[2]);
        ck_assert_msg(i == 3 || !kr_lstsq_converged(&pulled) || shows, "input %zu: the pull says %s", i,
                      kr_lstsq_stop_names[pulled.stop]);
        shows = false;
        for (size_t j = 0; j < good.n; j++)
            shows |= !isfinite(good.X_dot[j]);
        ck_assert_msg(i == 0 || !kr_lstsq_converged(&pushed) || shows, "input %zu: the push says %s", i,
                      kr_lstsq_stop_names[pushed.stop]);
        inputs[i][1] = before;
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Memory that ends at every allocation: said, survived, and without a trace. */
START_TEST(memory_that_ends)
{
    enum { STEP = 1 << 17, LONG = 9000 };
    struct kr_ctx context, *ctx = &context;
    struct hostile h;
    struct answers good, answers;
    kr_ctx_init(ctx, 0);
    struct setting s = setting(ctx, _i);
    /* a sketch is for few rows or columns, and large all the same */
    hostile_filter(ctx, s.mode, s.options.preconditioner == KR_LSTSQ_SKETCH ? 200 : LONG, &h);
    make_answers(ctx, &h.inner, &good);
    make_answers(ctx, &h.inner, &answers);
    OK(ask_everything(ctx, &s.options, &h.inner, s.damping, &good));
    const struct kr_mark mark = kr_mark(ctx);
    const size_t used = ctx->used, most = ctx->peak;
    size_t failures = 0;
    kr_status status = KR_INTERNAL;
    for (size_t budget = used; status != KR_OK; budget += STEP) {
        ck_assert_uint_le(budget, most + STEP);
        ctx->budget = budget;
        status = ask_everything(ctx, &s.options, &h.inner, s.damping, &answers);
        if (status == KR_OK)
            break;
        failures++;
        ck_assert_int_eq(status, KR_MEMORY_LIMIT);
        ck_assert_int_eq(ctx->error.status, KR_MEMORY_LIMIT);
        kr_ctx_clear_error(ctx);
        kr_release(ctx, mark);
        ck_assert_uint_eq(ctx->used, used);
        ctx->budget = 0;
        OK(kr_poll(ctx));
    }
    ck_assert_uint_ge(failures, 3);
    same_answers(&good, &answers);
    kr_ctx_fini(ctx);
}
END_TEST

Suite *suite(void)
{
    const struct {
        const TTest *test;
        int count;
    } loops[] = {
        {failures_propagate_at_once, SETTINGS},      {cancelled_at_any_call, SETTINGS},
        {products_that_are_not_finite, SETTINGS},    {right_hand_sides_that_are_not_finite, SETTINGS},
        {derivatives_that_are_not_finite, SETTINGS}, {memory_that_ends, SETTINGS}};
    Suite *made = suite_create("hostile least squares");
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        TCase *tcase = tcase_create(loops[i].test->name);
        tcase_set_timeout(tcase, 20);
        tcase_add_loop_test(tcase, loops[i].test, 0, loops[i].count);
        suite_add_tcase(made, tcase);
    }
    return made;
}
