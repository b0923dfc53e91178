/* How a least-squares solve ends: every stop in its report, what is refused, and what it costs. */
#include "least_squares.h"

/* A problem whose options a test changes before it solves. */
struct setting {
    struct kr_ctx context, *ctx;
    struct known a;
    struct wrapped w;
    struct kr_op op;
    struct kr_lstsq_options options;
    struct kr_lstsq problem;
    struct kr_lstsq_report report;
    double *b, *x, *truth;
    double damping;
};

static void set_up(struct setting *s, size_t m, size_t n, size_t r, double condition)
{
    *s = (struct setting){.ctx = &s->context};
    struct kr_ctx *ctx = s->ctx;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, m, n, r, condition, 6, &s->a);
    s->op = wrap(ctx, &s->a.op, &s->w);
    s->options = tight_options(ctx, 1e-10, KR_LSTSQ_NONE);
    s->b = normal(ctx, m, 1);
    s->x = normal(ctx, n, 2);
    s->truth = normal(ctx, n, 3);
}

static void into_range(struct setting *s)
{
    struct kr_ctx *ctx = s->ctx;
    OK(kr_op_apply(ctx, &s->a.op, 1, s->x, s->b));
}

static void open_problem(struct setting *s)
{
    struct kr_ctx *ctx = s->ctx;
    OK(kr_lstsq_open(ctx, &s->options, &s->op, s->damping, NULL, &s->problem));
    s->w.columns = s->w.columns_t = 0;
}

static void solve_problem(struct setting *s)
{
    struct kr_ctx *ctx = s->ctx;
    OK(kr_lstsq_solve(ctx, &s->problem, 1, s->b, NULL, s->x, NULL, NULL, &s->report));
}

#define ENDS(s, name)                                                                                        \
    ck_assert_msg((s)->report.stop == KR_LSTSQ_STOP_##name, "ended with %s (%s), residual %g, normal %g",    \
                  kr_lstsq_stop_names[(s)->report.stop], (s)->report.reason, (s)->report.residual,           \
                  (s)->report.normal_residual)

START_TEST(solutions)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    set_up(&s, 50, 20, 20, 10);
    memset(s.b, 0, 50 * sizeof *s.b);
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, ZERO);
    ck_assert(length_of(s.x, 20) == 0 && s.report.products == 0);
    kr_ctx_fini(ctx);

    set_up(&s, 50, 20, 20, 10);
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, LEAST_SQUARES);
    ck_assert(kr_lstsq_converged(&s.report));
    OK(kr_lstsq_require(ctx, &s.report));
    kr_ctx_fini(ctx);

    set_up(&s, 50, 20, 20, 10);
    into_range(&s);
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, COMPATIBLE);
    ck_assert(kr_lstsq_converged(&s.report));
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(solutions_as_far_as_doubles_go)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    for (int compatible = 0; compatible < 2; compatible++) {
        set_up(&s, 50, 20, 20, 1e3);
        s.options.atol = s.options.btol = 0;
        if (compatible)
            into_range(&s);
        open_problem(&s);
        solve_problem(&s);
        if (compatible)
            ENDS(&s, COMPATIBLE_AT_PRECISION);
        else
            ENDS(&s, LEAST_SQUARES_AT_PRECISION);
        ck_assert(kr_lstsq_converged(&s.report));
        known_solution(ctx, &s.a, false, 0, 1, s.b, s.truth);
        ck_assert(distance(s.x, s.truth, 20) <= 1e-10 * length_of(s.truth, 20));
        kr_ctx_fini(ctx);
    }
}
END_TEST

START_TEST(limits)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    set_up(&s, 50, 20, 20, 1e5);
    s.options.condition_limit = 1e3;
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, CONDITION);
    ck_assert(s.report.condition >= 1e3 && !kr_lstsq_converged(&s.report));
    ck_assert_int_eq(kr_lstsq_require(ctx, &s.report), KR_NOT_CONVERGED);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "condition_limit"));
    kr_ctx_fini(ctx);

    set_up(&s, 50, 20, 20, 1e5);
    s.options.max_iterations = 9;
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, ITERATIONS);
    ck_assert_uint_eq(s.report.iterations, 9);
    ck_assert(length_of(s.x, 20) > 0);
    ck_assert_int_eq(kr_lstsq_require(ctx, &s.report), KR_NOT_CONVERGED);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "9 iterations"));
    kr_ctx_fini(ctx);
}
END_TEST

/* Without a limit of its own a hopeless problem ends all the same. */
START_TEST(iterations_never_run_away)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    set_up(&s, 60, 60, 60, 1e9);
    open_problem(&s);
    solve_problem(&s);
    ENDS(&s, ITERATIONS);
    ck_assert_uint_eq(s.report.iterations, 1000 + 20 * 60);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(cancelling_fails_and_is_in_the_report)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    set_up(&s, 50, 20, 20, 1e5);
    open_problem(&s);
    s.w.cancel_after = 11;
    ck_assert_int_eq(kr_lstsq_solve(ctx, &s.problem, 1, s.b, NULL, s.x, NULL, NULL, &s.report), KR_CANCELLED);
    ENDS(&s, CANCELLED);
    ck_assert(!kr_lstsq_converged(&s.report));
    kr_ctx_fini(ctx);

    set_up(&s, 50, 20, 20, 1e5);
    open_problem(&s);
    ctx->deadline = kr_seconds() - 1;
    ck_assert_int_eq(kr_lstsq_solve_t(ctx, &s.problem, 1, s.x, s.b, NULL, NULL, &s.report), KR_TIME_LIMIT);
    ENDS(&s, CANCELLED);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(numbers_that_are_not_finite)
{
    static const char *const reasons[] = {"the right-hand side is not finite",
                                          "a product with A is not finite",
                                          "a product with A' is not finite"};
    for (int kind = 0; kind < 3; kind++)
        for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++) {
            struct setting s;
            struct kr_ctx *ctx = &s.context;
            set_up(&s, 200, 20, 20, 20); /* tall enough for a sketch that is not exact */
            s.options.preconditioner = p;
            open_problem(&s);
            if (kind == 0)
                s.b[3] = NAN;
            s.w.spoil_after = kind == 1 ? 2 : 0;
            s.w.spoil_t_after = kind == 2 ? 2 : 0;
            solve_problem(&s);
            ENDS(&s, NON_FINITE);
            ck_assert_str_eq(s.report.reason, reasons[kind]);
            ck_assert(!kr_lstsq_converged(&s.report));
            ck_assert_int_eq(kr_lstsq_require(ctx, &s.report), KR_NON_FINITE);
            ck_assert_ptr_nonnull(strstr(ctx->error.detail, reasons[kind]));
            kr_ctx_fini(ctx);
        }
}
END_TEST

/* One column that is not finite leaves the others alone. */
START_TEST(columns_beside_one_that_is_not_finite)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    struct kr_lstsq_column columns[3];
    set_up(&s, 50, 20, 20, 20);
    double *B = normal(ctx, 150, 5), *X = normal(ctx, 60, 6), *X0 = normal(ctx, 60, 7),
           *truth = normal(ctx, 60, 8);
    B[60] = INFINITY;
    X0[41] = NAN;
    open_problem(&s);
    OK(kr_lstsq_solve(ctx, &s.problem, 3, B, X0, X, NULL, columns, &s.report));
    known_solution(ctx, &s.a, false, 0, 1, B, truth);
    ck_assert_int_eq(columns[0].stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    ck_assert_int_eq(columns[1].stop, KR_LSTSQ_STOP_NON_FINITE);
    ck_assert_int_eq(columns[2].stop, KR_LSTSQ_STOP_NON_FINITE);
    ck_assert(distance(X, truth, 20) <= 1e-7 * length_of(truth, 20));
    ENDS(&s, NON_FINITE);
    kr_ctx_fini(ctx);
}
END_TEST

/* The recurrence believes what it is told; the products do not confirm it. */
START_TEST(a_wrong_adjoint_is_no_solution)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    set_up(&s, 50, 20, 20, 5);
    into_range(&s);
    open_problem(&s);
    s.w.adjoint_factor = -0.9;
    solve_problem(&s);
    ck_assert_msg(!kr_lstsq_converged(&s.report), "%s, residual %g", kr_lstsq_stop_names[s.report.stop],
                  s.report.residual);
    ck_assert_msg(s.report.iterations <= 1000 + 20 * 20, "%zu", s.report.iterations);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(tiny_and_huge_right_hand_sides)
{
    static const double powers[] = {-290, -150, 150, 290};
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
        for (size_t power = 0; power < 4; power++)
            for (int damped = 0; damped < 2; damped++)
                for (int start = 0; start < 2; start++) {
                    struct setting s;
                    struct kr_ctx *ctx = &s.context;
                    const double unit = pow(10, powers[power]);
                    set_up(&s, 50, 20, 20, 20);
                    s.options.preconditioner = p;
                    s.damping = damped ? 0.3 : 0;
                    known_solution(ctx, &s.a, false, s.damping, 1, s.b, s.truth);
                    cblas_dscal(50, unit, s.b, 1);
                    cblas_dscal(20, unit, s.x, 1);
                    open_problem(&s);
                    OK(kr_lstsq_solve(ctx, &s.problem, 1, s.b, start ? s.x : NULL, s.x, NULL, NULL,
                                      &s.report));
                    ENDS(&s, LEAST_SQUARES);
                    for (size_t i = 0; i < 20; i++)
                        CLOSE(s.x[i] / unit, s.truth[i], length_of(s.truth, 20), 1e-7, "1e%g, %s",
                              powers[power], kr_lstsq_preconditioner_names[p]);
                    kr_ctx_fini(ctx);
                }
}
END_TEST

/* The estimates promise more than products give; rounds of refinement keep the promise. */
START_TEST(promises_are_kept_by_refinement)
{
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    for (int wide = 0; wide < 2; wide++) {
        set_up(&s, wide ? 40 : 90, wide ? 90 : 40, 40, 1e4);
        s.options.atol = s.options.btol = 2e-15;
        s.options.max_iterations = 100000;
        open_problem(&s);
        solve_problem(&s);
        ck_assert_msg(kr_lstsq_converged(&s.report), "%s", kr_lstsq_stop_names[s.report.stop]);
        if (!wide)
            ck_assert_msg(s.report.normal_residual <= 2e-14, "%g", s.report.normal_residual);
        else
            ck_assert_msg(s.report.residual <=
                              1e-15 * (1 + s.report.norm * length_of(s.x, s.a.n) / length_of(s.b, s.a.m)),
                          "%g", s.report.residual);
        known_solution(ctx, &s.a, false, 0, 1, s.b, s.truth);
        const double off = distance(s.x, s.truth, s.a.n);
        ck_assert_msg(off <= 1e-8 * length_of(s.truth, s.a.n), "%g of %g", off, length_of(s.truth, s.a.n));
        kr_ctx_fini(ctx);
    }
}
END_TEST

START_TEST(kept_directions_reach_the_iteration)
{
    size_t iterations[2];
    for (int kept = 0; kept < 2; kept++) {
        struct setting s;
        struct kr_ctx *ctx = &s.context;
        set_up(&s, 90, 40, 40, 1e4);
        s.options.reorthogonalize = kept ? 40 : 0;
        s.options.atol = 1e-13;
        open_problem(&s);
        solve_problem(&s);
        iterations[kept] = s.report.iterations;
        kr_ctx_fini(ctx);
    }
    ck_assert_msg(iterations[1] * 8 < iterations[0], "%zu against %zu", iterations[1], iterations[0]);
}
END_TEST

START_TEST(memory_does_not_grow_with_iterations)
{
    size_t peak[2];
    for (int longer = 0; longer < 2; longer++) {
        struct setting s;
        struct kr_ctx *ctx = &s.context;
        set_up(&s, 3000, 150, 150, 1e7);
        s.options.max_iterations = longer ? 2000 : 3;
        open_problem(&s);
        const size_t before = ctx->used;
        ctx->peak = before;
        solve_problem(&s);
        ck_assert_uint_eq(s.report.iterations, s.options.max_iterations);
        ck_assert_uint_eq(ctx->used, before);
        peak[longer] = ctx->peak - before;
        kr_ctx_fini(ctx);
    }
    ck_assert_uint_eq(peak[0], peak[1]);
    ck_assert_msg(peak[0] <= 8 * (4 * 3000 + 6 * 150) + 300000, "%zu bytes", peak[0]);
}
END_TEST

/* Every budget too small fails as such, in opening or in solving, and the next one larger goes further. */
START_TEST(memory_that_runs_out_is_a_failure)
{
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
        for (int damped = 0; damped < 2; damped++) {
            size_t failures = 0;
            for (size_t budget = 0;; budget += 100000) {
                struct setting s;
                struct kr_ctx *ctx = &s.context;
                set_up(&s, 20000, 20, 20, 5);
                s.options.preconditioner = p;
                ctx->budget = ctx->used + budget;
                kr_status status = kr_lstsq_open(ctx, &s.options, &s.op, damped ? 0.1 : 0, NULL, &s.problem);
                if (status == KR_OK)
                    status = kr_lstsq_solve(ctx, &s.problem, 1, s.b, NULL, s.x, NULL, NULL, &s.report);
                kr_ctx_fini(ctx);
                if (status == KR_OK)
                    break;
                ck_assert_int_eq(status, KR_MEMORY_LIMIT);
                failures++;
            }
            ck_assert_uint_gt(failures, 3);
        }
}
END_TEST

/* The operator cancels its own work at every product in turn: each call ends at once. */
START_TEST(failures_of_products_go_up)
{
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
        for (int damped = 0; damped < 2; damped++)
            for (size_t product = 1;; product++) {
                struct setting s;
                struct kr_ctx *ctx = &s.context;
                set_up(&s, 100, 20, 20, 5);
                s.options.preconditioner = p;
                s.w.cancel_after = product;
                kr_status status = kr_lstsq_open(ctx, &s.options, &s.op, damped ? 0.1 : 0, NULL, &s.problem);
                if (status == KR_OK)
                    status = kr_lstsq_solve(ctx, &s.problem, 1, s.b, NULL, s.x, NULL, NULL, &s.report);
                const bool reached = ctx->cancelled;
                kr_ctx_fini(ctx);
                if (status == KR_OK) {
                    /* the last product of all may be the one that cancels */
                    ck_assert_uint_gt(product, 20);
                    if (!reached)
                        break;
                    continue;
                }
                ck_assert_int_eq(status, KR_CANCELLED);
            }
}
END_TEST

START_TEST(what_cannot_be_opened)
{
    static const double dampings[] = {-1, NAN, INFINITY};
    struct setting s;
    struct kr_ctx *ctx = &s.context;
    struct kr_op empty;
    set_up(&s, 50, 20, 20, 10);
    for (int d = 0; d < 3; d++) {
        ck_assert_int_eq(kr_lstsq_open(ctx, &s.options, &s.op, dampings[d], NULL, &s.problem), KR_INVALID);
        ck_assert_ptr_nonnull(strstr(ctx->error.detail, "damping"));
        kr_ctx_clear_error(ctx);
    }
    empty = s.op;
    empty.cols = 0;
    ck_assert_int_eq(kr_lstsq_open(ctx, &s.options, &empty, 0, NULL, &s.problem), KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "50 x 0"));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("lstsq_stops", solutions, solutions_as_far_as_doubles_go, limits, iterations_never_run_away,
      cancelling_fails_and_is_in_the_report, numbers_that_are_not_finite,
      columns_beside_one_that_is_not_finite, a_wrong_adjoint_is_no_solution, tiny_and_huge_right_hand_sides,
      promises_are_kept_by_refinement, kept_directions_reach_the_iteration,
      memory_does_not_grow_with_iterations, memory_that_runs_out_is_a_failure, failures_of_products_go_up,
      what_cannot_be_opened)
