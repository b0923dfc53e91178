#include "opt/dense.h"
#include "opt/held.h"

static struct kr_ctx ctx[1];

/* A random Jacobian, a point, a proposal as Adam would make it (any scaling of coordinates), and constraints.
 */
struct setting {
    size_t m, n;
    double *J, *z, *d, *proposal, *c, *out, *lower, *upper;
    struct kr_op op;
    struct kr_nullspace_options options;
    struct kr_nullspace_report report;
};

static struct setting setting(size_t m, size_t n, uint64_t seed)
{
    struct setting s = {.m = m, .n = n, .options = nullspace_options(ctx)};
    s.J = random_numbers(ctx, m * n, seed);
    s.z = random_numbers(ctx, n, seed + 100);
    s.d = random_numbers(ctx, n, seed + 200);
    s.c = random_numbers(ctx, m, seed + 300);
    s.out = numbers(ctx, n);
    s.proposal = numbers(ctx, n);
    s.lower = numbers(ctx, n);
    s.upper = numbers(ctx, n);
    for (size_t i = 0; i < n; i++) {
        s.d[i] *= pow(10, (double)(i % 7) - 4);
        s.proposal[i] = s.z[i] - s.d[i];
        s.lower[i] = -INFINITY;
        s.upper[i] = INFINITY;
    }
    OK(kr_op_dense(ctx, m, n, s.J, &s.op));
    return s;
}

static void filter(struct setting *s)
{
    OK(kr_nullspace_filter(ctx, &s->options, 0, &s->op, s->c, s->lower, s->upper, s->z, s->proposal, s->out,
                           &s->report));
}

static double mismatch(const struct setting *s)
{
    return dense_mismatch(ctx, s->m, s->n, s->J, s->z, s->out, s->report.gamma, s->c);
}

static double restoring(const struct setting *s)
{
    return s->report.gamma * cblas_dnrm2((int)s->m, s->c, 1);
}

/* What had to be removed from the proposal, and added to it: the right-hand side of the projection. */
static double removed(const struct setting *s)
{
    return dense_mismatch(ctx, s->m, s->n, s->J, s->z, s->proposal, s->report.gamma, s->c);
}

/* J step = gamma c after any scaling of the proposal, for every share. */
START_TEST(steps_are_exact)
{
    static const double gammas[] = {1, 0.5, 1e-3};
    kr_ctx_init(ctx, 0);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct setting s = setting(1 + 3 * (seed % 4), 30, seed);
        s.options.gamma = gammas[seed % 3];
        if (seed % 2)
            s.lower = s.upper = NULL;
        filter(&s);
        ck_assert_double_eq(s.report.gamma, s.options.gamma);
        ck_assert_double_le(mismatch(&s), 1e-11 * removed(&s));
        ck_assert_double_le(s.report.mismatch, 1e-11 * removed(&s));
        ck_assert_uint_eq(s.report.held, 0);
        ck_assert_uint_gt(s.report.solver.iterations, 0);
        double largest = 0;
        for (size_t i = 0; i < s.m; i++)
            largest = fmax(largest, fabs(s.c[i]));
        ck_assert_double_eq(s.report.violation, largest);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* The step nearest to the proposed one: they differ by a vector of the row space, the dense answer. */
START_TEST(steps_are_the_nearest)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(5, 24, 3);
    double *multipliers = numbers(ctx, s.m), *tangent = numbers(ctx, s.n), *restoring = numbers(ctx, s.m),
           *gram = numbers(ctx, s.m * s.m);
    filter(&s);
    dense_tangent(ctx, s.m, s.n, s.J, NULL, s.d, tangent, multipliers);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)s.m, (int)s.m, (int)s.n, 1, s.J, (int)s.m, s.J,
                (int)s.m, 0, gram, (int)s.m);
    dense_solve(ctx, s.m, gram, s.c, restoring);
    for (size_t j = 0; j < s.n; j++)
        NEAR(s.z[j] - s.out[j], tangent[j] + cblas_ddot((int)s.m, s.J + j * s.m, 1, restoring, 1), 1e-10);
    kr_ctx_fini(ctx);
}
END_TEST

/* Narrow boxes: some coordinates end at a bound, and the others still make the step exact. */
START_TEST(steps_are_exact_inside_a_box)
{
    kr_ctx_init(ctx, 0);
    size_t bound = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct setting s = setting(4, 40, seed);
        for (size_t i = 0; i < s.n; i++) {
            s.c[i % s.m] = 0.05 * (double)(i % 3);
            s.lower[i] = s.z[i] - (i % 5 == 0 ? 0 : 0.02 * (double)(1 + i % 4));
            s.upper[i] = s.z[i] + (i % 10 == 0 ? 0 : 0.03 * (double)(i % 6));
        }
        filter(&s);
        ck_assert_double_le(mismatch(&s), 1e-10 * restoring(&s));
        ck_assert_double_le(s.report.mismatch, 1e-10 * restoring(&s));
        ck_assert_uint_lt(s.report.held, s.n);
        size_t at = 0, fixed = 0;
        for (size_t i = 0; i < s.n; i++) {
            ck_assert(s.out[i] >= s.lower[i] && s.out[i] <= s.upper[i]);
            fixed += s.lower[i] == s.upper[i];
            at += s.out[i] == s.lower[i] || s.out[i] == s.upper[i];
            if (s.lower[i] == s.upper[i])
                ck_assert_double_eq(s.out[i], s.z[i]);
        }
        ck_assert_uint_ge(s.report.held, fixed);
        ck_assert_uint_ge(at, s.report.held);
        bound += s.report.held - fixed;
    }
    ck_assert_uint_gt(bound, 40);
    kr_ctx_fini(ctx);
}
END_TEST

/* The proposal brings everything to a bound, but there is a way back: it is taken. */
START_TEST(a_proposal_that_leaves_nothing_free)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(4, 20, 6);
    for (size_t i = 0; i < s.n; i++) {
        s.lower[i] = s.z[i] - 0.1;
        s.upper[i] = s.z[i] + 10;
        s.proposal[i] = s.z[i] - 1;
    }
    filter(&s);
    ck_assert_double_le(mismatch(&s), 1e-10 * removed(&s));
    ck_assert_double_le(s.report.mismatch, 1e-10 * removed(&s));
    ck_assert_uint_lt(s.report.held, s.n);
    for (size_t i = 0; i < s.n; i++)
        ck_assert(s.out[i] >= s.lower[i] && s.out[i] <= s.upper[i]);
    kr_ctx_fini(ctx);
}
END_TEST

/* No coordinate is left that could satisfy J step = c: the step is what the bounds allow. */
START_TEST(what_the_bounds_forbid_is_reported)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(3, 6, 1);
    for (size_t i = 0; i < s.n; i++) {
        s.lower[i] = s.z[i] - 1e-3;
        s.upper[i] = s.z[i] + 1e-3;
    }
    for (size_t i = 0; i < s.m; i++)
        s.c[i] = 5;
    filter(&s);
    ck_assert_double_gt(s.report.mismatch, 1);
    NEAR(s.report.mismatch, mismatch(&s), 1e-10);
    ck_assert_uint_gt(s.report.held, s.n - s.m);
    for (size_t i = 0; i < s.n; i++)
        ck_assert(s.out[i] >= s.lower[i] && s.out[i] <= s.upper[i]);

    memcpy(s.upper, s.z, s.n * sizeof *s.z);
    memcpy(s.lower, s.z, s.n * sizeof *s.z);
    filter(&s);
    ck_assert_uint_eq(s.report.held, s.n);
    ck_assert_mem_eq(s.out, s.z, s.n * sizeof *s.z);
    NEAR(s.report.mismatch, restoring(&s), 1e-12);
    kr_ctx_fini(ctx);
}
END_TEST

/* Constraints that repeat each other, consistently or not. */
START_TEST(dependent_constraints)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(4, 20, 5);
    for (size_t j = 0; j < s.n; j++)
        s.J[3 + j * s.m] = 2 * s.J[0 + j * s.m] - s.J[1 + j * s.m];
    s.c[3] = 2 * s.c[0] - s.c[1];
    filter(&s);
    ck_assert_double_le(mismatch(&s), 1e-10 * restoring(&s));
    s.c[3] += 1; /* the part that no step can restore: along (2, -1, 0, -1) */
    filter(&s);
    NEAR(s.report.mismatch, 1 / sqrt(6), 1e-9);
    NEAR(mismatch(&s), 1 / sqrt(6), 1e-9);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_output_may_replace_the_proposal)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(4, 20, 8);
    filter(&s);
    OK(kr_nullspace_filter(ctx, &s.options, 0, &s.op, s.c, s.lower, s.upper, s.z, s.proposal, s.proposal,
                           &s.report));
    ck_assert_mem_eq(s.proposal, s.out, s.n * sizeof *s.out);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(gamma_scale_and_warm_up)
{
    kr_ctx_init(ctx, 0);
    struct kr_nullspace_options o = nullspace_options(ctx);
    ck_assert_double_eq(kr_nullspace_gamma(&o, 0, 1e300), 1);
    o.gamma = 0.8;
    ck_assert_double_eq(kr_nullspace_gamma(&o, 0, 7), 0.8);
    o.warm_up = 3; /* a quarter, a half, three quarters, then all of it */
    for (size_t step = 0; step < 6; step++)
        NEAR(kr_nullspace_gamma(&o, step, 7), 0.8 * fmin(1, (double)(step + 1) / 4), 1e-15);
    o.scale = 2; /* the restored part of |c| is at most 0.8 x 2 */
    NEAR(kr_nullspace_gamma(&o, 9, 2), 0.8, 1e-15);
    NEAR(kr_nullspace_gamma(&o, 9, 8), 0.2, 1e-15);
    NEAR(kr_nullspace_gamma(&o, 0, 8), 0.05, 1e-15);

    struct setting s = setting(3, 12, 2);
    s.options = o;
    memcpy(s.proposal, s.z, s.n * sizeof *s.z);
    cblas_dscal((int)s.m, 100, s.c, 1);
    OK(kr_nullspace_filter(ctx, &o, 9, &s.op, s.c, NULL, NULL, s.z, s.proposal, s.out, &s.report));
    NEAR(restoring(&s), 1.6, 1e-12);
    ck_assert_double_le(mismatch(&s), 1e-10 * 1.6);
    kr_ctx_fini(ctx);
}
END_TEST

/* An operator that answers with NaN, or with it from some product on. */
static int good_products;
static kr_status nan_apply(struct kr_ctx *c, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)c;
    for (size_t i = 0; i < op->rows * k; i++)
        Y[i] = good_products > 0 ? X[i] : NAN;
    good_products--;
    return KR_OK;
}
static const struct kr_op_type nan_type = {.name = "nan", .apply = nan_apply, .apply_t = nan_apply};

START_TEST(what_is_not_finite_is_named)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(4, 4, 2);
    struct kr_op J = {.type = &nan_type, .rows = 4, .cols = 4};
    for (int good = 0; good < 4; good++) {
        good_products = good;
        const kr_status status =
            kr_nullspace_filter(ctx, &s.options, 0, &J, s.c, NULL, NULL, s.z, s.proposal, s.out, &s.report);
#ifdef KR_DEBUG /* the check of operators is there first */
        ck_assert(status == KR_NON_FINITE || status == KR_INVALID);
#else
        ck_assert_int_eq(status, KR_NON_FINITE);
#endif
        ck_assert_uint_gt(strlen(ctx->error.detail), 20);
        kr_ctx_clear_error(ctx);
    }
    s.c[2] = NAN;
    ck_assert_int_eq(
        kr_nullspace_filter(ctx, &s.options, 0, &s.op, s.c, NULL, NULL, s.z, s.proposal, s.out, &s.report),
        KR_NON_FINITE);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "c[2]"));
    kr_ctx_clear_error(ctx);
    s.c[2] = 0;
    s.proposal[1] = INFINITY;
    ck_assert_int_eq(
        kr_nullspace_filter(ctx, &s.options, 0, &s.op, s.c, NULL, NULL, s.z, s.proposal, s.out, &s.report),
        KR_NON_FINITE);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(columns_are_held)
{
    kr_ctx_init(ctx, 0);
    struct setting s = setting(3, 5, 4);
    const unsigned char held[] = {0, KR_HELD_FIXED, 0, KR_HELD_AT_LOWER, 0};
    struct kr_op op;
    OK(kr_op_held(ctx, &s.op, held, &op));
    double *X = random_numbers(ctx, 10, 1), *Y = numbers(ctx, 6), *W = numbers(ctx, 10);
    OK(kr_op_apply(ctx, &op, 2, X, Y));
    OK(kr_op_apply_t(ctx, &op, 2, Y, W));
    for (size_t k = 0; k < 2; k++) {
        for (size_t a = 0; a < 3; a++) {
            double sum = 0;
            for (size_t j = 0; j < 5; j += 2)
                sum += s.J[a + 3 * j] * X[5 * k + j];
            NEAR(Y[3 * k + a], sum, 1e-13);
        }
        for (size_t j = 0; j < 5; j++)
            NEAR(W[5 * k + j], j % 2 ? 0 : cblas_ddot(3, s.J + 3 * j, 1, Y + 3 * k, 1), 1e-13);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* m averages of interleaved coordinates and one of all: an operator that stores nothing. */
static kr_status mean_apply(struct kr_ctx *c, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)c;
    for (size_t b = 0; b < k; b++) {
        double *y = Y + b * op->rows;
        memset(y, 0, op->rows * sizeof *y);
        for (size_t i = 0; i < op->cols; i++) {
            y[i % (op->rows - 1)] += X[b * op->cols + i];
            y[op->rows - 1] += X[b * op->cols + i] * (double)(i % 3);
        }
    }
    return KR_OK;
}
static kr_status mean_apply_t(struct kr_ctx *c, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    (void)c;
    for (size_t b = 0; b < k; b++)
        for (size_t i = 0; i < op->cols; i++)
            Y[b * op->cols + i] =
                X[b * op->rows + i % (op->rows - 1)] + (double)(i % 3) * X[b * op->rows + op->rows - 1];
    return KR_OK;
}
static const struct kr_op_type mean_type = {.name = "means", .apply = mean_apply, .apply_t = mean_apply_t};

/* A long vector: memory is a few vectors, and threads change no bit. */
START_TEST(long_vectors)
{
    enum { N = 200000, M = 50 };
    double *out[2], *lower, *upper, *z, *proposal, *c;
    struct kr_op J = {.type = &mean_type, .rows = M, .cols = N};
    struct kr_nullspace_report report;
    kr_ctx_init(ctx, 0);
    z = random_numbers(ctx, N, 1);
    proposal = random_numbers(ctx, N, 2);
    c = random_numbers(ctx, M, 3);
    lower = numbers(ctx, N);
    upper = numbers(ctx, N);
    for (size_t i = 0; i < N; i++) {
        lower[i] = z[i] - 0.5 * (double)(i % 3);
        upper[i] = z[i] + 0.5 * (double)(i % 4);
    }
    for (int t = 0; t < 2; t++) {
        struct kr_nullspace_options o = nullspace_options(ctx);
        out[t] = numbers(ctx, N);
        ctx->threads = t ? 3 : 1;
        const size_t before = ctx->peak = ctx->used;
        OK(kr_nullspace_filter(ctx, &o, 0, &J, c, lower, upper, z, proposal, out[t], &report));
        ck_assert_double_le(report.mismatch, 1e-10 * cblas_dnrm2(M, c, 1));
        ck_assert_uint_gt(report.held, 0);
        ck_assert_double_le((double)(ctx->peak - before), 8.5 * N * sizeof(double));
        ck_assert_uint_le(ctx->used - before, 4096);
    }
    ck_assert_mem_eq(out[0], out[1], N * sizeof *z);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("nullspace", steps_are_exact, steps_are_the_nearest, steps_are_exact_inside_a_box,
      a_proposal_that_leaves_nothing_free, what_the_bounds_forbid_is_reported, dependent_constraints,
      the_output_may_replace_the_proposal, gamma_scale_and_warm_up, what_is_not_finite_is_named,
      columns_are_held, long_vectors)
