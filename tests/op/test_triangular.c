/* Inverses of triangular matrices as operators. */
#include "checks.h"
#include "kriged/features.h"

START_TEST(they_are_inverses)
{
    enum { N = 9 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    double *L = normals(ctx, N * N, 1), *inverse = kr_alloc(ctx, N * N, sizeof *inverse);
    for (size_t i = 0; i < N; i++)
        L[i * (N + 1)] = 2 + (double)i;
    for (int transposed = 0; transposed < 2; transposed++) {
        struct kr_op op;
        memset(inverse, 0, N * N * sizeof *inverse);
        for (size_t i = 0; i < N; i++)
            inverse[i * (N + 1)] = 1;
        cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, transposed ? CblasTrans : CblasNoTrans,
                    CblasNonUnit, N, N, 1, L, N, inverse, N);
        OK(kr_op_solve_triangular(ctx, N, L, transposed, &op));
        check_products(ctx, &op, inverse, 1);
        check_products(ctx, &op, inverse, 3);
        check_fill(ctx, &op, inverse);
        check_questions(ctx, &op, inverse);
        check_manners(ctx, &op, 1);
    }
    struct kr_op op;
    ck_assert_int_eq(kr_op_solve_triangular(ctx, (size_t)1 << 31, L, false, &op), KR_INVALID);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("triangular", they_are_inverses)
