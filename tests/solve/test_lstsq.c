/* LstSq values against the pseudo-inverse: every shape and rank, damped or not, both directions. */
#include "least_squares.h"

enum { K = 4 };

/* Right-hand sides of different difficulty: generic, zero, orthogonal to the range, in the range. */
static double *right_hand_sides(struct kr_ctx *ctx, size_t m, size_t r, const double *U)
{
    double *B = normal(ctx, m * K, 5), *c = kr_alloc(ctx, r, sizeof *c);
    memset(B + m, 0, m * sizeof *B);
    for (int pass = 0; pass < 2; pass++) {
        cblas_dgemv(CblasColMajor, CblasTrans, (int)m, (int)r, 1, U, (int)m, B + 2 * m, 1, 0, c, 1);
        cblas_dgemv(CblasColMajor, CblasNoTrans, (int)m, (int)r, -1, U, (int)m, c, 1, 1, B + 2 * m, 1);
    }
    cblas_dgemv(CblasColMajor, CblasTrans, (int)m, (int)r, 1, U, (int)m, B + 3 * m, 1, 0, c, 1);
    cblas_dgemv(CblasColMajor, CblasNoTrans, (int)m, (int)r, 1, U, (int)m, c, 1, 0, B + 3 * m, 1);
    return B;
}

static void check_shape(const struct shape *shape, double lambda, bool transposed,
                        enum kr_lstsq_preconditioner preconditioner)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_options options;
    struct kr_lstsq_report report = {0};
    struct kr_lstsq_column columns[K];
    struct kr_lstsq problem;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, shape->m, shape->n, shape->r, 20, 3, &a);
    const size_t m = transposed ? a.n : a.m, n = transposed ? a.m : a.n;
    double *B = right_hand_sides(ctx, m, a.r, transposed ? a.V : a.U), *X = normal(ctx, n * K, 7),
           *R = normal(ctx, m * K, 8), *truth = kr_alloc(ctx, n * K, sizeof *truth);
    options = tight_options(ctx, 1e-13, preconditioner);
    OK(kr_lstsq_open(ctx, &options, &a.op, lambda, NULL, &problem));
    if (transposed)
        OK(kr_lstsq_solve_t(ctx, &problem, K, B, X, R, columns, &report));
    else
        OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, R, columns, &report));
    known_solution(ctx, &a, transposed, lambda, K, B, truth);
    ck_assert_msg(kr_lstsq_converged(&report), "p%d %s, damping %g, %s: %s (%s)", preconditioner, shape->name,
                  lambda, transposed ? "A'" : "A", kr_lstsq_stop_names[report.stop], report.reason);
    for (size_t c = 0; c < K; c++) {
        const double scale = fmax(length_of(truth + c * n, n), 20 * length_of(B + c * m, m));
        const double off = distance(X + c * n, truth + c * n, n);
        ck_assert_msg(off <= 1e-11 * scale, "p%d %s %s, damping %g, %s, column %zu: off by %g of %g (%s)",
                      preconditioner, problem.reason, shape->name, lambda, transposed ? "A'" : "A", c, off,
                      scale, kr_lstsq_stop_names[columns[c].stop]);
    }
    kr_ctx_fini(ctx);
}

START_TEST(every_shape_and_rank)
{
    static const double dampings[] = {0, 0.03, 2};
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
        for (size_t s = 0; s < SHAPES; s++)
            for (size_t d = 0; d < 3; d++)
                for (int transposed = 0; transposed < 2; transposed++)
                    check_shape(&shapes[s], dampings[d], transposed, (enum kr_lstsq_preconditioner)p);
}
END_TEST

/* X0 + LstSq(A, b - A X0) where nothing is damped; the one solution where something is. */
static void check_start(const struct shape *shape, double lambda, enum kr_lstsq_preconditioner preconditioner)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_options options = {0};
    struct kr_lstsq_report report = {0};
    struct kr_lstsq problem;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, shape->m, shape->n, shape->r, 20, 3, &a);
    const size_t m = a.m, n = a.n;
    double *B = right_hand_sides(ctx, m, a.r, a.U), *X = normal(ctx, n * K, 7),
           *truth = normal(ctx, n * K, 9), *R = kr_alloc(ctx, m * K, sizeof *R),
           *X0 = kr_alloc(ctx, n * K, sizeof *X0);
    memcpy(X0, X, n * K * sizeof *X);
    if (lambda > 0) {
        known_solution(ctx, &a, false, lambda, K, B, truth);
    } else {
        OK(kr_op_apply(ctx, &a.op, K, X0, R));
        for (size_t i = 0; i < m * K; i++)
            R[i] = B[i] - R[i];
        known_solution(ctx, &a, false, 0, K, R, truth);
        cblas_daxpy((int)(n * K), 1, X0, 1, truth, 1);
    }
    options = tight_options(ctx, 1e-13, preconditioner);
    OK(kr_lstsq_open(ctx, &options, &a.op, lambda, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, K, B, X, X, R, NULL, &report));
    ck_assert_msg(kr_lstsq_converged(&report), "%s, damping %g, %s: %s", shape->name, lambda,
                  kr_lstsq_preconditioner_names[preconditioner], kr_lstsq_stop_names[report.stop]);
    for (size_t c = 0; c < K; c++) {
        const double off = distance(X + c * n, truth + c * n, n),
                     scale = length_of(X0 + c * n, n) + 20 * length_of(B + c * m, m);
        ck_assert_msg(off <= 1e-11 * scale, "%s, damping %g, %s, column %zu: off by %g of %g", shape->name,
                      lambda, kr_lstsq_preconditioner_names[preconditioner], c, off, scale);
    }
    kr_ctx_fini(ctx);
}

START_TEST(wherever_it_starts)
{
    static const double dampings[] = {0, 0.03, 2};
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
        for (size_t s = 0; s < SHAPES; s++)
            for (size_t d = 0; d < 3; d++)
                check_start(&shapes[s], dampings[d], (enum kr_lstsq_preconditioner)p);
}
END_TEST

/* |A| is not known at a start, so its share of the tolerance is not used there. */
START_TEST(a_solution_needs_a_few_iterations_at_most)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_report first = {0}, again = {0};
    struct kr_lstsq problem;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 20, 50, 20, 100, 3, &a);
    double *b = normal(ctx, 20, 1), *x = normal(ctx, 50, 2), *y = normal(ctx, 50, 3);
    struct kr_lstsq_options options = tight_options(ctx, 1e-9, KR_LSTSQ_NONE);
    OK(kr_lstsq_open(ctx, &options, &a.op, 0, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &first));
    OK(kr_lstsq_solve(ctx, &problem, 1, b, x, y, NULL, NULL, &again));
    ck_assert_uint_gt(first.iterations, 20);
    ck_assert_uint_le(again.iterations, 3);
    ck_assert(distance(x, y, 50) <= 1e-7 * length_of(x, 50));
    kr_ctx_fini(ctx);
}
END_TEST

/* Everything in a report and its columns against the entries of A; products against the operator's own count.
 */
static void check_report(double lambda, enum kr_lstsq_preconditioner preconditioner)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_report report = {0}, second = {0};
    struct kr_lstsq_column columns[K];
    struct kr_lstsq problem;
    struct wrapped w;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 60, 25, 25, 20, 3, &a);
    struct kr_op op = wrap(ctx, &a.op, &w);
    double *B = right_hand_sides(ctx, 60, 25, a.U), *X = normal(ctx, 25 * K, 7), *R = normal(ctx, 60 * K, 8),
           *g = kr_alloc(ctx, 25, sizeof *g), worst = 0, normal_worst = 0;
    size_t iterations = 0;
    struct kr_lstsq_options options = tight_options(ctx, 1e-6, preconditioner);
    OK(kr_lstsq_open(ctx, &options, &op, lambda, NULL, &problem));
#ifdef KR_DEBUG
    w.columns = problem.products; /* without those of the operator's check */
    w.columns_t = 0;
#endif
    OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, R, columns, &report));
    ck_assert_uint_eq(report.products, w.columns + w.columns_t);
    ck_assert_uint_eq(report.solves, 1);
    ck_assert_int_eq(report.preconditioner, preconditioner);
    ck_assert_str_eq(report.reason, "asked for");
    for (size_t c = 0; c < K; c++) {
        const double *b = B + c * 60, *x = X + c * 25, *r = R + c * 60;
        double *exact = kr_alloc(ctx, 60, sizeof *exact);
        memcpy(exact, b, 60 * sizeof *exact);
        cblas_dgemv(CblasColMajor, CblasNoTrans, 60, 25, -1, a.A, 60, x, 1, 1, exact, 1);
        ck_assert(distance(exact, r, 60) <= 1e-13 * (1 + length_of(b, 60)));
        memcpy(g, x, 25 * sizeof *g);
        cblas_dgemv(CblasColMajor, CblasTrans, 60, 25, 1, a.A, 60, exact, 1, -lambda * lambda, g, 1);
        CLOSE(columns[c].residual, length_of(exact, 60), length_of(b, 60), 1e-13, "|r| of column %zu", c);
        CLOSE(columns[c].normal_residual, length_of(g, 25), length_of(b, 60), 1e-13, "|g| of column %zu", c);
        CLOSE(columns[c].length, length_of(x, 25), columns[c].length, 1e-13, "|x| of column %zu", c);
        iterations += columns[c].iterations;
        if (c == 1)
            continue;
        worst = fmax(worst, length_of(exact, 60) / length_of(b, 60));
        if (columns[c].stop != KR_LSTSQ_STOP_COMPATIBLE)
            normal_worst =
                fmax(normal_worst, length_of(g, 25) / (columns[c].norm * hypot(length_of(exact, 60),
                                                                               lambda * length_of(x, 25))));
    }
    ck_assert_uint_eq(report.iterations, iterations);
    CLOSE(report.residual, worst, worst, 1e-12, "the worst residual");
    CLOSE(report.normal_residual, normal_worst, 1e-6, 1e-6, "the worst normal residual");
    ck_assert_msg(report.normal_residual <= 1e-6, "%g", report.normal_residual);
    ck_assert_int_eq(columns[1].stop, KR_LSTSQ_STOP_ZERO);
    ck_assert_int_eq(columns[0].stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    ck_assert_int_eq(columns[3].stop, lambda > 0 ? KR_LSTSQ_STOP_LEAST_SQUARES : KR_LSTSQ_STOP_COMPATIBLE);
    ck_assert_int_eq(report.stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    /* what opening cost is told once; a report adds up */
    w.columns = w.columns_t = 0;
    OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, R, columns, &second));
    ck_assert_uint_eq(second.products, w.columns + w.columns_t);
    ck_assert_uint_eq(second.products + problem.products, report.products);
    OK(kr_lstsq_solve(ctx, &problem, K, B, NULL, X, NULL, NULL, &second));
    ck_assert_uint_eq(second.iterations, 2 * report.iterations);
    ck_assert_uint_eq(second.solves, 2);
    kr_ctx_fini(ctx);
}

START_TEST(reports_are_measured)
{
    for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++) {
        check_report(0, (enum kr_lstsq_preconditioner)p);
        check_report(0.2, (enum kr_lstsq_preconditioner)p);
    }
}
END_TEST

START_TEST(more_columns_than_a_group)
{
    enum { MANY = 150 };
    struct kr_ctx context, *ctx = &context;
    struct kr_lstsq_report report = {0};
    struct kr_lstsq_column columns[MANY];
    struct kr_lstsq problem;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 12, 20, 9, 20, 3, &a);
    double *B = normal(ctx, 12 * MANY, 1), *X = normal(ctx, 20 * MANY, 2), *R = normal(ctx, 12 * MANY, 3),
           *truth = normal(ctx, 20 * MANY, 4);
    struct kr_lstsq_options options = tight_options(ctx, 1e-13, KR_LSTSQ_NONE);
    OK(kr_lstsq_open(ctx, &options, &a.op, 0, NULL, &problem));
    OK(kr_lstsq_solve(ctx, &problem, MANY, B, NULL, X, R, columns, &report));
    known_solution(ctx, &a, false, 0, MANY, B, truth);
    for (size_t c = 0; c < MANY; c++) {
        ck_assert(distance(X + c * 20, truth + c * 20, 20) <= 1e-10 * length_of(truth + c * 20, 20));
        CLOSE(columns[c].residual, length_of(R + c * 12, 12), 1, 1e-13, "column %zu", c);
    }
    ck_assert_uint_eq(report.solves, 1);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("lstsq", every_shape_and_rank, wherever_it_starts, a_solution_needs_a_few_iterations_at_most,
      reports_are_measured, more_columns_than_a_group)
