/* Block conjugate gradients: blocks whose columns depend on each other, what a block gains, and breakdown. */
#include "noisy.h"

static void make(struct kr_ctx *ctx, size_t n, size_t k, double condition, const char *preconditioner,
                 double rtol, struct problem *p)
{
    prepare(ctx, kr_registry_find(&kr_solver_registry, "cg"), n, k, spectrum(ctx, n, condition), rtol, p);
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, preconditioner, &p->options.preconditioner));
}

static void combine(struct problem *p, size_t to, double a, size_t x, double b, size_t y)
{
    for (size_t i = 0; i < p->n; i++)
        p->truth[to * p->n + i] = a * p->truth[x * p->n + i] + b * p->truth[y * p->n + i];
}

/* Every kind of dependence at once; all columns come out right, and the block is no wider than it must be. */
START_TEST(dependent_columns)
{
    static const char *const preconditioners[] = {"none", "jacobi", "pivoted_cholesky", "nystrom"};
    enum { N = 150, K = 12 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (size_t with = 0; with < 4; with++)
        for (double condition = 10; condition < 1e5; condition *= 30) {
            struct problem p;
            make(ctx, N, K, condition, preconditioners[with], 1e-11, &p);
            /* 0, 2, 3 are free; 1 is zero */
            combine(&p, 4, 1, 0, 0, 0);      /* a copy */
            combine(&p, 5, -1e200, 2, 0, 0); /* a multiple, far away */
            combine(&p, 6, 2, 0, -3, 2);     /* a combination */
            combine(&p, 7, 1, 2, 1e-14, 3);  /* nearly copies, at every distance */
            combine(&p, 8, 1, 2, 1e-11, 3);
            combine(&p, 9, 1, 0, 1e-7, 3);
            combine(&p, 10, 1, 3, 1e-5, 0);
            combine(&p, 11, 1, 3, 1e-3, 2);
            for (size_t c = 0; c < K; c++)
                OK(kr_op_apply(ctx, &p.op, 1, p.truth + c * N, p.B + c * N));
            solve(ctx, &p);
            ck_assert_msg(p.report.stop == KR_STOP_RTOL && p.report.residual <= 1e-11, "%s, %g: %s, %g",
                          preconditioners[with], condition, kr_stop_names[p.report.stop], p.report.residual);
            for (size_t c = 0; c < K; c++) {
                const double scale = cblas_dnrm2(N, p.truth + c * N, 1);
                for (size_t i = 0; i < N; i++)
                    CLOSE(p.X[c * N + i], p.truth[c * N + i], scale, 1.01e-11 * condition + 1e-14,
                          "%s, condition %g, entry %zu of column %zu", preconditioners[with], condition, i,
                          c);
            }
            /* three columns span the block but for the last five digits: most iterations have few columns */
            ck_assert_msg(p.report.products < 7 * p.report.iterations + 9 * K,
                          "%s, %g: %zu products, %zu iterations", preconditioners[with], condition,
                          p.report.products, p.report.iterations);
        }
    kr_ctx_fini(ctx);
}
END_TEST

/* A block of all unit vectors is the inverse: one iteration finds everything. */
START_TEST(as_many_columns_as_rows)
{
    enum { N = 40 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct problem p;
    make(ctx, N, 2 * N, 1e3, "none", 1e-10, &p);
    memset(p.B, 0, 2 * N * N * sizeof *p.B);
    for (size_t c = 0; c < 2 * N; c++)
        p.B[c * N + c % N] = 1 + (double)c;
    solve(ctx, &p);
    ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
    ck_assert_uint_le(p.report.iterations, 2);
    check_residual(&p, "inverse");
    kr_ctx_fini(ctx);
}
END_TEST

/* The columns of a block search one space together: fewer iterations, and fewer products than each alone. */
START_TEST(a_block_needs_fewer_products)
{
    enum { N = 400, K = 16 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct problem p;
    struct kr_solver solver;
    struct kr_solve_report alone = {0};
    make(ctx, N, K, 1e5, "none", 1e-8, &p);
    solve(ctx, &p);
    check_residual(&p, "block");
    OK(kr_solver_open(ctx, &p.options, &p.op, &solver));
    for (size_t c = 0; c < K; c++)
        OK(kr_solver_solve(ctx, &solver, 1, p.B + c * N, NULL, p.X + c * N, NULL, &alone));
    ck_assert_int_eq(alone.stop, KR_STOP_RTOL);
    ck_assert_msg(2 * p.report.products < alone.products && 10 * p.report.iterations < alone.iterations,
                  "%zu products, %zu iterations; alone %zu, %zu", p.report.products, p.report.iterations,
                  alone.products, alone.iterations);
    kr_ctx_fini(ctx);
}
END_TEST

/* One negative eigenvalue is found as soon as the space holds it, in blocks and alone. */
START_TEST(an_indefinite_matrix_breaks_down)
{
    enum { N = 60 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (size_t k = 1; k <= 9; k += 4)
        for (double negative = -1; negative < -1e-4; negative /= 10) {
            struct problem p;
            struct kr_solver opened;
            double *w = spectrum(ctx, N, 100);
            w[N / 2] = negative;
            make(ctx, N, k, 100, "none", 1e-10, &p);
            p.A = from_eigenvalues(ctx, N, w);
            OK(kr_op_dense(ctx, N, N, p.A, &p.op));
            OK(kr_op_apply(ctx, &p.op, k, p.truth, p.B));
            OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
            OK(kr_solver_solve(ctx, &opened, k, p.B, NULL, p.X, p.residual, &p.report));
            ck_assert_msg(p.report.stop == KR_STOP_BREAKDOWN, "%zu columns, %g: %s", k, negative,
                          kr_stop_names[p.report.stop]);
            ck_assert(!kr_solve_converged(&p.report));
            check_residual(&p, "indefinite");
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 1100, K = 40 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *X[3];
    for (int t = 0; t < 3; t++) {
        struct problem p;
        ctx->threads = t + 1;
        make(ctx, N, K, 1e2, "nystrom", 1e-6, &p);
        solve(ctx, &p);
        ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
        X[t] = p.X;
        ck_assert_mem_eq(X[t], X[0], N * K * sizeof **X);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Told what r'P^-1 r is enough, a block stops there: sooner, with that much left and no more, and a quadratic
 * form in error by no more than that. */
START_TEST(columns_stop_by_their_energy)
{
    enum { N = 400, K = 6 };
    struct kr_ctx context, *ctx = &context;
    struct noisy s;
    struct kr_solver_options options;
    struct kr_solver solver;
    struct kr_solve_report loose = {0}, tight = {0};
    double energy[K];
    kr_ctx_init(ctx, 0);
    make_noisy(ctx, "matern32", N, 0.01, false, &s);
    OK(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    options.type = kr_registry_find(&kr_solver_registry, "cg");
    options.preconditioner = variant_of(ctx, &shapes[3], 30);
    options.rtol = 1e-12;
    OK(kr_solver_open(ctx, &options, &s.op, &solver));
    double *B = normal(ctx, N * K, 5), *X = kr_alloc(ctx, N * K, sizeof *X),
           *exact = kr_alloc(ctx, N * K, sizeof *X), *R = kr_alloc(ctx, N * K, sizeof *R),
           *Z = kr_alloc(ctx, N * K, sizeof *Z);
    OK(kr_solver_solve(ctx, &solver, K, B, NULL, exact, NULL, &tight));
    for (size_t c = 0; c < K; c++)
        energy[c] = pow(10, -(double)c) * cblas_ddot(N, B + c * N, 1, exact + c * N, 1) * 1e-2;
    solver.energy = energy;
    OK(kr_solver_solve(ctx, &solver, K, B, NULL, X, R, &loose));
    ck_assert_int_eq(loose.stop, KR_STOP_RTOL);
    ck_assert_uint_lt(loose.iterations, tight.iterations);
    OK(kr_preconditioner_apply(ctx, &solver.P, K, R, Z));
    for (size_t c = 0; c < K; c++) {
        const double left = cblas_ddot(N, R + c * N, 1, Z + c * N, 1),
                     form = cblas_ddot(N, B + c * N, 1, X + c * N, 1) +
                            cblas_ddot(N, X + c * N, 1, R + c * N, 1),
                     truth = cblas_ddot(N, B + c * N, 1, exact + c * N, 1);
        ck_assert_msg(left <= energy[c], "column %zu: %g left, %g allowed", c, left, energy[c]);
        ck_assert_msg(form <= truth * (1 + 1e-9) && truth - form <= left * (1 + 1e-6) + 1e-9 * truth,
                      "column %zu: %g, exactly %g, at most %g below", c, form, truth, left);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("cg", columns_stop_by_their_energy, dependent_columns, as_many_columns_as_rows,
      a_block_needs_fewer_products, an_indefinite_matrix_breaks_down, same_bits_with_any_number_of_threads)
