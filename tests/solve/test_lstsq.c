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

SUITE("lstsq", every_shape_and_rank)
