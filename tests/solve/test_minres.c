/* MINRES: indefinite and singular systems, the residual it minimises, and its preconditioners. */
#include "systems.h"

static void make(struct kr_ctx *ctx, size_t n, size_t k, const double *w, const char *preconditioner,
                 double rtol, struct problem *p)
{
    prepare(ctx, kr_registry_find(&kr_solver_registry, "minres"), n, k, w, rtol, p);
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, preconditioner, &p->options.preconditioner));
}

/* Eigenvalues of both signs, all preconditioners: none of them has anything to do with such a matrix, and
 * each must still give the solution. */
START_TEST(indefinite_systems)
{
    enum { N = 120, K = 5 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (const struct kr_type *const *with = kr_preconditioner_registry.rows; *with; with++) {
        struct problem p;
        double *w = spectrum(ctx, N, 100);
        for (size_t i = 0; i < N; i += 3)
            w[i] = -w[i];
        make(ctx, N, K, w, (*with)->name, 1e-10, &p);
        solve(ctx, &p);
        check_residual(&p, (*with)->name);
        ck_assert_msg(p.report.stop == KR_STOP_RTOL, "%s: %s", (*with)->name, kr_stop_names[p.report.stop]);
        for (size_t i = 0; i < N * K; i++)
            CLOSE(p.X[i], p.truth[i], sqrt(N), 1e-8, "%s, entry %zu", (*with)->name, i);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* b in the range of a singular A: a solution, and the shortest one. b outside: the least-squares residual,
 * which is no solution, and the report says so. */
START_TEST(singular_systems)
{
    enum { N = 60 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    double *w = spectrum(ctx, N, 10);
    for (size_t i = 0; i < 5; i++)
        w[10 * i] = 0;
    for (int outside = 0; outside < 2; outside++) {
        struct problem p;
        make(ctx, N, 1, w, "none", 1e-9, &p);
        if (outside)
            for (size_t i = 0; i < N; i++)
                p.B[i] += p.truth[(7 * i) % N];
        solve(ctx, &p);
        check_residual(&p, "singular");
        double *Ar = kr_alloc(ctx, N, sizeof *Ar);
        OK(kr_op_apply(ctx, &p.op, 1, p.residual, Ar));
        if (!outside) {
            ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
            continue;
        }
        ck_assert_msg(p.report.stop == KR_STOP_PRECISION, "%s", kr_stop_names[p.report.stop]);
        ck_assert(!kr_solve_converged(&p.report));
        ck_assert_double_gt(p.report.residual, 0.01);
        ck_assert_double_lt(cblas_dnrm2(N, Ar, 1), 1e-7 * cblas_dnrm2(N, p.residual, 1));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* After so many iterations no vector of the Krylov space leaves a smaller residual, CG's among them. */
START_TEST(the_residual_is_minimal)
{
    enum { N = 100 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    double before = 1;
    for (size_t most = 1; most < 40; most++) {
        struct problem minimal, conjugate;
        make(ctx, N, 1, spectrum(ctx, N, 1e3), "none", 1e-13, &minimal);
        make(ctx, N, 1, spectrum(ctx, N, 1e3), "none", 1e-13, &conjugate);
        conjugate.options.type = kr_registry_find(&kr_solver_registry, "cg");
        minimal.options.max_iterations = conjugate.options.max_iterations = most;
        solve(ctx, &minimal);
        solve(ctx, &conjugate);
        ck_assert_uint_eq(minimal.report.iterations, most);
        ck_assert_msg(minimal.report.residual <= conjugate.report.residual * (1 + 1e-10) &&
                          minimal.report.residual <= before * (1 + 1e-10),
                      "%zu iterations: %g, cg %g, before %g", most, minimal.report.residual,
                      conjugate.report.residual, before);
        before = minimal.report.residual;
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Columns that are done leave the block; what they share is counted once a column. */
START_TEST(columns_leave_the_block)
{
    enum { N = 80, K = 3 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct problem p, alone;
    struct kr_solve_report each = {0};
    make(ctx, N, K, spectrum(ctx, N, 1e3), "jacobi", 1e-8, &p);
    OK(kr_op_apply(ctx, &p.op, 1, p.B,
                   p.B + N)); /* of another shape in the eigenvectors: done at another time */
    OK(kr_op_apply(ctx, &p.op, 1, p.B + N, p.B + 2 * N));
    solve(ctx, &p);
    check_residual(&p, "block");
    for (size_t c = 0; c < K; c++) {
        alone = p;
        alone.k = 1;
        alone.B = p.B + c * N;
        alone.X = kr_alloc(ctx, N, sizeof *alone.X);
        alone.residual = kr_alloc(ctx, N, sizeof *alone.residual);
        alone.report = (struct kr_solve_report){0};
        solve(ctx, &alone);
        each.iterations =
            alone.report.iterations > each.iterations ? alone.report.iterations : each.iterations;
        each.products += alone.report.products;
        for (size_t i = 0; i < N; i++)
            CLOSE(p.X[c * N + i], alone.X[i], cblas_dnrm2(N, alone.X, 1), 1e-10, "column %zu, entry %zu", c,
                  i);
    }
    ck_assert_uint_eq(p.report.iterations, each.iterations);
    ck_assert_uint_eq(p.report.products, each.products);
    ck_assert_uint_lt(p.report.products, K * (p.report.iterations + 1));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("minres", indefinite_systems, singular_systems, the_residual_is_minimal, columns_leave_the_block)
