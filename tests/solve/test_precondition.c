/*
 * What every preconditioner owes: a symmetric positive definite inverse of the P that it stands for, P <= A
 * on a matrix with noise, exactness at full rank, the same bits for any number of threads,
 * and no failure whatever the matrix is.
 */
#include "noisy.h"

extern void dsygv_(const int *type, const char *jobz, const char *uplo, const int *n, double *A,
                   const int *lda, double *B, const int *ldb, double *w, double *work, const int *lwork,
                   int *info);
extern void dpotri_(const char *uplo, const int *n, double *A, const int *lda, int *info);
extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

START_TEST(every_row_is_tested)
{
    for (const struct kr_type *const *row = kr_preconditioner_registry.rows + 1; *row; row++) {
        bool found = false;
        for (size_t s = 0; s < SHAPES; s++)
            found = found || strcmp(shapes[s].name, (*row)->name) == 0;
        ck_assert_msg(found, "the preconditioner %s has no row in this test", (*row)->name);
    }
}
END_TEST

/* P^-1 as a matrix, through its application to the identity. */
static double *inverse_of(struct kr_ctx *ctx, const struct kr_preconditioner *P)
{
    const size_t n = P->n;
    double *unit = kr_alloc(ctx, n * n, sizeof *unit), *out = normal(ctx, n * n, 9);
    for (size_t i = 0; i < n; i++)
        unit[i + i * n] = 1;
    OK(kr_preconditioner_apply(ctx, P, n, unit, out));
    return out;
}

/* Ascending eigenvalues of P^-1 A (dsygv, type 2: A B x = w x with B = P^-1); fails where P^-1 is not
 * symmetric, to rounding of its largest part 1/min(D), or not positive definite. */
static double *eigenvalues(struct kr_ctx *ctx, const struct kr_preconditioner *P, const double *A,
                           double largest, const char *name)
{
    const size_t n = P->n;
    const int type = 2, order = (int)n, room = (int)(40 * n);
    int info;
    double *inverse = inverse_of(ctx, P), *copy = kr_alloc(ctx, n * n, sizeof *copy),
           *w = kr_alloc(ctx, n, sizeof *w), *work = kr_alloc(ctx, 40 * n, sizeof *work), scale = largest;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(inverse[i + i * n]));
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < j; i++)
            CLOSE(inverse[i + j * n], inverse[j + i * n], scale, 1e-14, "%s is symmetric at %zu, %zu", name,
                  i, j);
    memcpy(copy, A, n * n * sizeof *A);
    dsygv_(&type, "N", "L", &order, copy, &order, inverse, &order, w, work, &room, &info);
    ck_assert_msg(info == 0, "%s: P^-1 is not positive definite (%d)", name, info);
    return w;
}

START_TEST(symmetric_positive_definite_and_below)
{
    enum { N = 100 };
    static const char *const kernels[] = {"rbf", "matern12"};
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (int k = 0; k < 2; k++)
        for (double noise = 1; noise > 1e-9; noise *= 1e-4)
            for (int known = 0; known < 2; known++) {
                struct noisy s;
                make_noisy(ctx, kernels[k], N, noise, known, &s);
                for (size_t p = 0; p < SHAPES; p++)
                    for (size_t rank = 1; rank <= N; rank = rank * 5 > N && rank < N ? N : rank * 5) {
                        struct kr_mark mark = kr_mark(ctx);
                        struct kr_variant variant = variant_of(ctx, &shapes[p], rank);
                        struct kr_preconditioner P;
                        char name[128];
                        snprintf(name, sizeof name, "%s %d, rank %zu, %s, noise %g%s", shapes[p].name,
                                 (int)shapes[p].select, rank, kernels[k], noise, known ? " and more" : "");
                        OK(kr_preconditioner_open(ctx, &variant, &s.op, &P));
                        ck_assert_uint_le(P.rank, rank);
                        ck_assert(shapes[p].low_rank == (P.rank > 0));
                        const double *w = eigenvalues(ctx, &P, s.A, 1 / noise, name);
                        ck_assert_msg(w[0] > 0, "%s: %g", name, w[0]);
                        /* P <= A, to the rounding of A against its smallest eigenvalue */
                        if (shapes[p].low_rank)
                            ck_assert_msg(w[0] >= 1 - 1e-3 * fmin(1, 1e-7 / noise) - 1e-9, "%s: %.12g", name,
                                          w[0]);
                        if (shapes[p].low_rank && rank == N)
                            ck_assert_msg(w[N - 1] <= 1.11, "%s: up to %.12g", name, w[N - 1]);
                        kr_release(ctx, mark);
                    }
            }
    kr_ctx_fini(ctx);
}
END_TEST

/* P itself, put together here: P^-1 P = I on random vectors. */
START_TEST(an_inverse_of_what_it_stands_for)
{
    enum { N = 120, RANK = 20 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct noisy s;
    make_noisy(ctx, "matern32", N, 1e-3, true, &s);
    for (size_t p = 0; p < SHAPES; p++) {
        struct kr_variant variant = variant_of(ctx, &shapes[p], RANK);
        struct kr_preconditioner P;
        const int order = N;
        int info;
        OK(kr_preconditioner_open(ctx, &variant, &s.op, &P));
        double *M = inverse_of(ctx, &P), *x = normal(ctx, N, 4), *y = kr_alloc(ctx, N, sizeof *y),
               *back = normal(ctx, N, 5);
        dpotrf_("L", &order, M, &order, &info);
        ck_assert_int_eq(info, 0);
        dpotri_("L", &order, M, &order, &info);
        cblas_dsymv(CblasColMajor, CblasLower, N, 1, M, N, x, 1, 0, y, 1);
        OK(kr_preconditioner_apply(ctx, &P, 1, y, back));
        for (size_t i = 0; i < N; i++)
            CLOSE(back[i], x[i], 1, 1e-9, "%s, entry %zu", shapes[p].name, i);
        if (!shapes[p].low_rank)
            continue;
        /* P - diag(D) has the rank that is reported: all eigenvalues of D^-1/2 P D^-1/2 but so many are 1 */
        double *D = kr_alloc(ctx, N, sizeof *D), *w;
        ck_assert_ptr_nonnull(kr_op_shifted(&s.op, D));
        double *diagonal = kr_alloc(ctx, N * N, sizeof *D);
        for (size_t i = 0; i < N; i++)
            diagonal[i + i * N] = D[i];
        w = eigenvalues(ctx, &P, diagonal, 1e3, shapes[p].name);
        ck_assert_uint_eq(P.rank, RANK);
        for (size_t i = 0; i < N; i++)
            ck_assert_msg(i < RANK ? w[i] < 0.9999 : fabs(w[i] - 1) < 2e-3,
                          "%s: eigenvalue %zu of P^-1 D is %g", shapes[p].name, i, w[i]);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Without noise of its own too, where there is no noise to set the scale: P = A, to what a condition allows.
 */
START_TEST(exact_at_full_rank)
{
    enum { N = 60 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (size_t p = 0; p < SHAPES; p++) {
        struct problem q;
        struct kr_preconditioner P;
        struct kr_variant variant = variant_of(ctx, &shapes[p], 10 * N);
        if (!shapes[p].low_rank)
            continue;
        prepare(ctx, NULL, N, 1, spectrum(ctx, N, 1e4), 1e-10, &q);
        OK(kr_preconditioner_open(ctx, &variant, &q.op, &P));
        ck_assert_uint_eq(P.rank, N);
        const double *w = eigenvalues(ctx, &P, q.A, 1e10, shapes[p].name);
        for (size_t i = 0; i < N; i++)
            CLOSE(w[i], 1, 1, 1e-4, "%s, eigenvalue %zu", shapes[p].name, i);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Badly scaled unknowns: the diagonal takes the scale out. */
START_TEST(jacobi_undoes_a_scaling)
{
    enum { N = 80 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    size_t count[2];
    for (int with = 0; with < 2; with++) {
        struct problem p;
        prepare(ctx, kr_registry_find(&kr_solver_registry, "cg"), N, 1, spectrum(ctx, N, 20), 1e-8, &p);
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++)
                p.A[i + j * N] *= pow(10, 3 * (double)(i + j) / N - 3);
        OK(kr_op_apply(ctx, &p.op, 1, p.truth, p.B));
        OK(kr_variant_init(ctx, &kr_preconditioner_registry, with ? "jacobi" : "none",
                           &p.options.preconditioner));
        solve(ctx, &p);
        check_residual(&p, "scaled");
        ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
        count[with] = p.report.iterations;
    }
    ck_assert_msg(4 * count[1] < count[0], "%zu, %zu", count[0], count[1]);
    kr_ctx_fini(ctx);
}
END_TEST

/* Indefinite, zero, not finite: an operator that is wrong is the solver's to report. */
START_TEST(nothing_numerical_fails)
{
    enum { N = 40 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    for (size_t p = 0; p < SHAPES; p++)
        for (int wrong = 0; wrong < 4; wrong++) {
            struct problem q;
            struct kr_op shifted;
            struct kr_preconditioner P;
            struct kr_variant variant = variant_of(ctx, &shapes[p], 10);
            double *w = spectrum(ctx, N, 100), noise = 0.1;
            w[0] = wrong == 0 ? -1 : 1;
            prepare(ctx, NULL, N, 1, w, 1e-10, &q);
            if (wrong == 1)
                memset(q.A, 0, N * N * sizeof *q.A);
            if (wrong == 2)
                q.A[3 + 3 * N] = NAN;
            if (wrong == 3)
                q.A[N * N - 1] = INFINITY;
            OK(kr_op_shift(ctx, &q.op, &noise, 0, NULL, &shifted));
            for (int s = 0; s < 2; s++) {
                OK(kr_preconditioner_open(ctx, &variant, s ? &shifted : &q.op, &P));
                double *r = normal(ctx, N, 6), *z = kr_alloc(ctx, N, sizeof *z);
                OK(kr_preconditioner_apply(ctx, &P, 1, r, z));
                const double curvature = cblas_ddot(N, r, 1, z, 1);
                ck_assert_msg(isfinite(curvature) && curvature > 0, "%s, wrong %d, shifted %d: %g",
                              shapes[p].name, wrong, s, curvature);
            }
        }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 1300, RANK = 150, K = 3 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    make_noisy(ctx, "matern52", N, 1e-2, true, &s);
    for (size_t p = 0; p < SHAPES; p++) {
        double *R = normal(ctx, N * K, 7), *Z[3];
        struct kr_variant variant = variant_of(ctx, &shapes[p], RANK);
        for (int t = 0; t < 3; t++) {
            struct kr_preconditioner P;
            ctx->threads = t + 1;
            Z[t] = kr_alloc(ctx, N * K, sizeof **Z);
            OK(kr_preconditioner_open(ctx, &variant, &s.op, &P));
            OK(kr_preconditioner_apply(ctx, &P, K, R, Z[t]));
            ck_assert_mem_eq(Z[t], Z[0], N * K * sizeof **Z);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* The memory that is announced holds, and a small budget makes the rank smaller. */
START_TEST(memory_is_announced)
{
    enum { N = 900 };
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    struct noisy s;
    make_noisy(ctx, "rbf", N, 1e-2, false, &s);
    for (size_t p = 0; p < SHAPES; p++)
        for (size_t rank = 0; rank <= 300; rank += 100) {
            struct kr_variant variant = variant_of(ctx, &shapes[p], rank);
            struct kr_preconditioner P;
            struct kr_mark mark = kr_mark(ctx);
            /* beside the operator's own tiles and packed vectors */
            const size_t used = ctx->used, allowed = kr_preconditioner_bytes(&variant, N, 0) + 256 * N * 8 +
                                                     (size_t)ctx->threads * 5 * KR_TILE * KR_TILE * 8;
            ctx->peak = used;
            OK(kr_preconditioner_open(ctx, &variant, &s.op, &P));
            double *R = normal(ctx, N, 7), *Z = kr_alloc(ctx, N, sizeof *Z);
            OK(kr_preconditioner_apply(ctx, &P, 1, R, Z));
            ck_assert_msg(ctx->peak - used <= allowed + 4 * N * 8, "%s, rank %zu: %zu of %zu", shapes[p].name,
                          rank, ctx->peak - used, allowed);
            kr_release(ctx, mark);
        }
    struct kr_variant automatic;
    struct kr_preconditioner P;
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "auto", &automatic));
    OK(kr_preconditioner_open(ctx, &automatic, &s.op, &P));
    const size_t plenty = P.rank;
    ctx->budget = ctx->used + (4 << 20);
    OK(kr_preconditioner_open(ctx, &automatic, &s.op, &P));
    ck_assert(P.rank > 0 && P.rank < plenty);
    kr_ctx_fini(ctx);
}
END_TEST

/* Low rank: few columns that stand out; none: a random sample; little to go by: less. */
START_TEST(what_auto_takes)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    struct noisy smooth, rough, small;
    struct problem dense;
    struct kr_op_type products_only;
    struct kr_preconditioner P;
    struct kr_variant automatic;
    OK(kr_variant_init(ctx, &kr_preconditioner_registry, "auto", &automatic));
    make_noisy(ctx, "rbf", 1000, 1, false, &smooth);
    make_noisy(ctx, "matern12", 1000, 1e-3, false, &rough);
    make_noisy(ctx, "rbf", 99, 1, false, &small);
    prepare(ctx, NULL, 120, 1, spectrum(ctx, 120, 10), 1e-10, &dense);
    OK(kr_preconditioner_open(ctx, &automatic, &smooth.op, &P));
    ck_assert_str_eq(P.type->base.name, "pivoted_cholesky");
    ck_assert(P.rank > 20 && P.rank < 250);
    ck_assert_ptr_nonnull(strstr(P.reason, "low rank"));
    OK(kr_preconditioner_open(ctx, &automatic, &rough.op, &P));
    ck_assert_str_eq(P.type->base.name, "nystrom");
    ck_assert_uint_eq(P.rank, 250);
    ck_assert_ptr_nonnull(strstr(P.reason, "sample"));
    OK(kr_preconditioner_open(ctx, &automatic, &small.op, &P));
    ck_assert_str_eq(P.type->base.name, "none");
    OK(kr_preconditioner_open(ctx, &automatic, &dense.op, &P));
    ck_assert_str_eq(P.type->base.name, "jacobi");
    dense.A[0] = 0;
    OK(kr_preconditioner_open(ctx, &automatic, &dense.op, &P));
    ck_assert_str_eq(P.type->base.name, "none");
    ck_assert_ptr_nonnull(strstr(P.reason, "not positive"));
    products_only = *dense.op.type;
    products_only.diagonal = NULL;
    dense.op.type = &products_only;
    OK(kr_preconditioner_open(ctx, &automatic, &dense.op, &P));
    ck_assert_str_eq(P.type->base.name, "none");
    ck_assert_ptr_nonnull(strstr(P.reason, "products only"));
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("preconditioners", what_auto_takes, every_row_is_tested, symmetric_positive_definite_and_below,
      an_inverse_of_what_it_stands_for, exact_at_full_rank, jacobi_undoes_a_scaling, nothing_numerical_fails,
      same_bits_with_any_number_of_threads, memory_is_announced)
