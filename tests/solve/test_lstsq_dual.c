/* The dual solution is exact whatever it starts from; leftovers of solvable systems are told from residuals.
 */
#include "lstsq_cases.h"
#include "solve/lstsq_dual.h"

static struct kr_ctx context, *ctx;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* w = (M M' + lambda^2 I)^-1 c from a u that is rubbish. M = A or A'. */
static void check_dual(size_t m, size_t n, bool transposed, double lambda)
{
    struct kr_mark mark = kr_mark(ctx);
    const struct model model = conditioned_model(ctx, m, n, smaller(m, n), 100);
    const size_t rows = transposed ? n : m, cols = transposed ? m : n, k = 2;
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0};
    lstsq_prepare(ctx, &model, lambda, k, &p);
    OK(kr_lstsq_open(ctx, &p.options, &model.op, lambda, NULL, &p.lstsq));
    double *C = normals(ctx, rows * k, 51), *U = normals(ctx, cols * k, 52), *R = kr_alloc(ctx, rows * k, 8),
           *Mt = kr_alloc(ctx, m * n, 8);
    OK((transposed ? kr_op_apply_t : kr_op_apply)(ctx, &model.op, k, U, R));
    for (size_t i = 0; i < rows * k; i++)
        R[i] = C[i] - R[i];
    struct kr_lstsq_dual dual = {.problem = &p.lstsq,
                                 .transposed = transposed,
                                 .rows = rows,
                                 .cols = cols,
                                 .k = k,
                                 .C = C,
                                 .U = U,
                                 .R = R,
                                 .scale = {1, 100},
                                 .atol = 1e-14,
                                 .btol = 1e-14};
    OK(kr_lstsq_dual_open(ctx, &dual, &report));
    ck_assert(!kr_lstsq_dual_agrees(&dual, 1e-6) && !kr_lstsq_dual_is_known(&dual, 1e-6));
    double *before = kr_alloc(ctx, rows * k, 8), bound[2];
    memcpy(before, dual.W, rows * k * sizeof *before);
    for (size_t c = 0; c < k; c++)
        bound[c] = kr_lstsq_dual_error(&dual, c);
    OK(kr_lstsq_dual_close(ctx, &dual, &report));
    ck_assert(kr_lstsq_dual_is_known(&dual, 0));
    ck_assert_uint_eq(report.solves, 1);
    /* quad_solve has M'M of what it is given: M' */
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            Mt[transposed ? i + j * m : j + i * n] = model.theta[i + j * m];
    quad *c = kr_alloc(ctx, rows, sizeof *c), *w = kr_alloc(ctx, rows, sizeof *w);
    double *wanted = kr_alloc(ctx, rows * k, sizeof *wanted);
    for (size_t col = 0; col < k; col++) {
        for (size_t i = 0; i < rows; i++)
            c[i] = C[col * rows + i];
        quad_solve(ctx, cols, rows, Mt, lambda, c, w);
        for (size_t i = 0; i < rows; i++)
            wanted[col * rows + i] = (double)w[i];
        double *moved = before + col * rows;
        cblas_daxpy((int)rows, -1, wanted + col * rows, 1, moved, 1);
        ck_assert_msg(length(rows, moved) <= bound[col] * (1 + 1e-9), "moved by %g, bound %g",
                      length(rows, moved), bound[col]);
    }
    const double error = off(rows * k, dual.W, wanted);
    ck_assert_msg(error < 1e-9, "%zu x %zu, transposed %d, lambda %g: off by %g", m, n, transposed, lambda,
                  error);
    /* U - gap = M'W */
    double *MtW = kr_alloc(ctx, cols * k, sizeof *MtW);
    OK((transposed ? kr_op_apply : kr_op_apply_t)(ctx, &model.op, k, dual.W, MtW));
    kr_lstsq_dual_correct(&dual, U);
    ck_assert(off(cols * k, U, MtW) < 1e-9);
    kr_release(ctx, mark);
}

START_TEST(closing_the_gap_is_exact_from_anywhere)
{
    static const double lambdas[] = {1e-4, 1e-2, 1, 30};
    for (size_t l = 0; l < 4; l++)
        for (int transposed = 0; transposed < 2; transposed++) {
            check_dual(30, 20, transposed, lambdas[l]);
            check_dual(20, 30, transposed, lambdas[l]);
            check_dual(25, 25, transposed, lambdas[l]);
        }
}
END_TEST

/* x is large: |r| is below atol |A||x| in both, and only A'r tells. */
START_TEST(leftovers_and_residuals)
{
    static const size_t shapes[][2] = {{30, 20}, {20, 20}};
    for (int s = 0; s < 2; s++) {
        const size_t m = shapes[s][0], n = shapes[s][1];
        const struct model model = conditioned_model(ctx, m, n, n, 1e6);
        struct lstsq_problem p;
        struct kr_lstsq_report report = {0};
        bool zero;
        lstsq_prepare(ctx, &model, 0, 1, &p);
        p.options.max_iterations = 100000;
        lstsq_forward(&p);
        struct kr_lstsq_residual residual = {false, 1, p.B, p.X, p.R, 1e-4, 1e-4, 1};
        ck_assert(length(m, p.R) < 10e-4 * length(n, p.X));
        OK(kr_lstsq_is_zero(ctx, &p.lstsq, &residual, &zero, &report));
        ck_assert_msg(zero == (m == n), "%zu x %zu", m, n);
        /* a step along the first singular direction: r is in the range of A */
        double *left = kr_alloc(ctx, m, sizeof *left);
        OK(kr_op_apply(ctx, &model.op, 1, p.C, left));
        cblas_dscal((int)m, 0.1 * length(m, p.B) / length(m, left), left, 1);
        residual.R = left;
        OK(kr_lstsq_is_zero(ctx, &p.lstsq, &residual, &zero, &report));
        ck_assert_msg(zero, "%zu x %zu", m, n);
        residual.R = p.B;
        residual.norm = 1e-9; /* now nothing is explained by x */
        OK(kr_lstsq_is_zero(ctx, &p.lstsq, &residual, &zero, &report));
        ck_assert(!zero);
    }
}
END_TEST

START_TEST(damping_that_cannot_be_squared)
{
    struct kr_lstsq problem = {.damping = 1e-140};
    ck_assert(kr_lstsq_is_damped(&problem));
    problem.damping = 1e-160;
    ck_assert(!kr_lstsq_is_damped(&problem));
    problem.damping = 0;
    ck_assert(!kr_lstsq_is_damped(&problem));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {closing_the_gap_is_exact_from_anywhere, leftovers_and_residuals,
                                  damping_that_cannot_be_squared};
    Suite *made = suite_create("lstsq_dual");
    TCase *tcase = tcase_create("lstsq_dual");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
