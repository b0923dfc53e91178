/* What a factorisation gives beside solves: the inverse and the log-determinant, of sizes around its blocks,
 * with the same bits for any number of threads. */
#include "systems.h"

static void check_size(size_t n)
{
    struct kr_ctx context, *ctx = &context;
    struct problem p;
    struct kr_solver solver;
    double *w, *inverse[3], expected = 0;
    kr_ctx_init(ctx, 0);
    w = spectrum(ctx, n, 1e3);
    prepare(ctx, kr_registry_find(&kr_solver_registry, "cholesky"), n, 1, w, 1e-10, &p);
    for (size_t i = 0; i < n; i++)
        expected += log(w[i]);
    for (int t = 0; t < 3; t++) {
        ctx->threads = 1 + 2 * t;
        OK(kr_solver_open(ctx, &p.options, &p.op, &solver));
        CLOSE(solver.type->logdet(&solver), expected, fabs(expected) + 1, 1e-11, "log-determinant of %zu", n);
        inverse[t] = normal(ctx, n * n, 4);
        OK(solver.type->inverse(ctx, &solver, inverse[t]));
        ck_assert_mem_eq(inverse[t], inverse[0], n * n * sizeof *inverse[t]);
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) {
            ck_assert(inverse[0][i + j * n] == inverse[0][j + i * n]);
            const double product = cblas_ddot((int)n, p.A + i * n, 1, inverse[0] + j * n, 1);
            ck_assert_msg(fabs(product - (i == j)) < 1e-9, "%zu rows, entry %zu %zu: %g", n, i, j, product);
        }
    kr_ctx_fini(ctx);
}

START_TEST(inverse_and_determinant)
{
    static const size_t sizes[] = {2, 3, 63, 64, 65, 129, 200, 400};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        check_size(sizes[s]);
}
END_TEST

/* The inverse is at hand where the determinant is. */
START_TEST(they_come_together)
{
    for (const struct kr_type *const *row = kr_solver_registry.rows; *row; row++) {
        const struct kr_solver_type *type = (const struct kr_solver_type *)*row;
        ck_assert_int_eq(type->inverse != NULL, type->logdet != NULL);
    }
}
END_TEST

SUITE("cholesky", inverse_and_determinant, they_come_together)
