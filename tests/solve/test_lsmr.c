/* The core of LSMR: its estimates are the truth, each of its rules ends it, and what a block owes its
 * columns. */
#include "least_squares.h"
#include "solve/lsmr.h"

static struct kr_lsmr_rules plain_rules(double damping, size_t iterations)
{
    return (struct kr_lsmr_rules){
        .damping = damping, .condition_limit = INFINITY, .max_iterations = iterations};
}

/* |rbar|, |Abar'rbar|, |x| of x, from the entries. */
static void truth(struct kr_ctx *ctx, const struct known *a, double damping, const double *b, const double *x,
                  double *rbar, double *normal)
{
    const int m = (int)a->m, n = (int)a->n;
    double *r = kr_alloc(ctx, a->m, sizeof *r), *g = kr_alloc(ctx, a->n, sizeof *g);
    memcpy(r, b, a->m * sizeof *r);
    memcpy(g, x, a->n * sizeof *g);
    cblas_dgemv(CblasColMajor, CblasNoTrans, m, n, -1, a->A, m, x, 1, 1, r, 1);
    cblas_dgemv(CblasColMajor, CblasTrans, m, n, 1, a->A, m, r, 1, -damping * damping, g, 1);
    *rbar = hypot(length_of(r, a->m), damping * length_of(x, a->n));
    *normal = length_of(g, a->n);
}

static double frobenius(const struct known *a, double damping)
{
    return hypot(length_of(a->sigma, a->r), damping * sqrt((double)a->n));
}

static double condition_of(const struct known *a, double damping)
{
    return hypot(1, damping) / hypot(a->sigma[a->r - 1], damping);
}

/* The estimates after `iterations` steps; with all directions kept the norms have bounds. */
static void check_estimates(struct kr_ctx *ctx, const struct known *a, double damping, size_t iterations)
{
    struct kr_lsmr_rules rules = plain_rules(damping, iterations);
    struct kr_lsmr_column fact;
    size_t products = 0;
    double *b = normal(ctx, a->m, 5), *x = normal(ctx, a->n, 6), rbar, g;
    rules.reorthogonalize = 1000;
    OK(kr_lsmr(ctx, &a->op, &rules, 1, b, NULL, x, &fact, &products));
    truth(ctx, a, damping, b, x, &rbar, &g);
    const double scale = length_of(b, a->m);
    CLOSE(fact.rhs, scale, scale, 1e-15, "|b|");
    CLOSE(fact.residual, rbar, scale, 1e-12, "|r| after %zu of %zu x %zu", iterations, a->m, a->n);
    CLOSE(fact.normal_residual, g, scale, 1e-12, "|A'r| after %zu of %zu x %zu", iterations, a->m, a->n);
    CLOSE(fact.length, length_of(x, a->n), fact.length, 1e-14, "|x|");
    ck_assert_msg(fact.norm <= frobenius(a, damping) * (1 + 1e-12), "|A| %g, at most %g", fact.norm,
                  frobenius(a, damping));
    ck_assert_msg(fact.condition <= condition_of(a, damping) * (1 + 1e-10), "cond %g, at most %g",
                  fact.condition, condition_of(a, damping));
    if (fact.iterations == a->r && a->r == a->n) {
        CLOSE(fact.norm, frobenius(a, damping), fact.norm, 1e-10, "|A|_F after all steps");
        ck_assert_msg(fact.condition >= 0.1 * condition_of(a, damping), "cond %g of %g", fact.condition,
                      condition_of(a, damping));
    }
    if (fact.stop == KR_LSTSQ_STOP_ITERATIONS) {
        ck_assert_uint_eq(fact.iterations, iterations);
        ck_assert_uint_eq(products, 1 + 2 * iterations);
    }
}

START_TEST(estimates_are_the_truth)
{
    static const double dampings[] = {0, 0.02, 1};
    for (size_t s = 0; s < SHAPES; s++)
        for (size_t d = 0; d < 3; d++)
            for (size_t iterations = 1; iterations <= shapes[s].r; iterations++) {
                struct kr_ctx context, *ctx = &context;
                struct known a;
                kr_ctx_init(ctx, 0);
                known_matrix(ctx, shapes[s].m, shapes[s].n, shapes[s].r, 30, 4, &a);
                check_estimates(ctx, &a, dampings[d], iterations);
                kr_ctx_fini(ctx);
            }
}
END_TEST

/* Without kept directions |A| and cond(A) may drift, but not the residuals. */
START_TEST(residual_estimates_without_reorthogonalisation)
{
    struct kr_ctx context, *ctx = &context;
    struct known a;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 80, 40, 40, 1e3, 4, &a);
    for (size_t iterations = 10; iterations <= 400; iterations += 30) {
        struct kr_lsmr_rules rules = plain_rules(0, iterations);
        struct kr_lsmr_column fact;
        size_t products = 0;
        double *b = normal(ctx, 80, 5), *x = normal(ctx, 40, 6), rbar, g;
        OK(kr_lsmr(ctx, &a.op, &rules, 1, b, NULL, x, &fact, &products));
        truth(ctx, &a, 0, b, x, &rbar, &g);
        CLOSE(fact.residual, rbar, rbar, 1e-9, "|r| after %zu", iterations);
        CLOSE(fact.normal_residual, g, length_of(b, 80), 1e-12, "|A'r| after %zu", iterations);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* One column by the given rules on a tall or square problem; `compatible`: b in the range. */
static struct kr_lsmr_column run(const struct kr_lsmr_rules *rules, double condition, bool compatible,
                                 const struct kr_lsmr_goal *goal)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_column fact;
    struct known a;
    size_t products = 0;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 50, 20, 20, condition, 6, &a);
    double *x = normal(ctx, 20, 1), *b = normal(ctx, 50, 2);
    if (compatible)
        OK(kr_op_apply(ctx, &a.op, 1, x, b));
    OK(kr_lsmr(ctx, &a.op, rules, 1, b, goal, x, &fact, &products));
    kr_ctx_fini(ctx);
    return fact;
}

START_TEST(each_rule_ends_it)
{
    struct kr_lsmr_rules rules = plain_rules(0, 100000);
    struct kr_lsmr_column fact;
    rules.btol = 1e-6;
    fact = run(&rules, 10, true, NULL);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_COMPATIBLE);
    ck_assert(fact.residual <= 1e-6 * fact.rhs && fact.residual > 1e-9 * fact.rhs);
    rules.btol = 0;
    rules.atol = 1e-6;
    fact = run(&rules, 10, true, NULL);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_COMPATIBLE);
    ck_assert(fact.residual <= 1e-6 * fact.norm * fact.length && fact.residual > 1e-9 * fact.rhs);
    fact = run(&rules, 10, false, NULL);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    ck_assert(fact.normal_residual <= 1e-6 * fact.norm * fact.residual);
    rules.atol = 0;
    ck_assert_int_eq(run(&rules, 10, true, NULL).stop, KR_LSTSQ_STOP_COMPATIBLE_AT_PRECISION);
    ck_assert_int_eq(run(&rules, 10, false, NULL).stop, KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION);
    rules.condition_limit = 1e3;
    fact = run(&rules, 1e5, false, NULL);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_CONDITION);
    ck_assert(fact.condition >= 1e3);
    rules.max_iterations = 7;
    fact = run(&rules, 1e5, false, NULL);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_ITERATIONS);
    ck_assert_uint_eq(fact.iterations, 7);
}
END_TEST

/* A singular value below epsilon |A| shows only when |A'r| has fallen to it: the normal equations end first,
 * with a condition number that leaves the direction out. */
START_TEST(what_doubles_cannot_see_is_left_out)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_rules rules = {.condition_limit = 1e300, .max_iterations = 100, .reorthogonalize = 3};
    struct kr_lsmr_column fact;
    struct kr_op op;
    const double A[9] = {1, 0, 0, 0, 0.5, 0, 0, 0, 1e-17}, b[3] = {1, 1, 1};
    double x[3];
    size_t products = 0;
    kr_ctx_init(ctx, 0);
    OK(kr_op_dense(ctx, 3, 3, A, &op));
    OK(kr_lsmr(ctx, &op, &rules, 1, b, NULL, x, &fact, &products));
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_LEAST_SQUARES_AT_PRECISION);
    ck_assert_msg(fact.condition < 2.1, "%g", fact.condition);
    CLOSE(x[0], 1, 1, 1e-14, "x[0]");
    CLOSE(x[1], 2, 1, 1e-14, "x[1]");
    CLOSE(x[2], 0, 1, 1e-14, "x[2]");
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(goals_are_shares_of_the_start)
{
    struct kr_lsmr_rules rules = plain_rules(0, 100000);
    struct kr_lsmr_goal goal = {.residual = 1e-4};
    struct kr_lsmr_column fact = run(&rules, 10, true, &goal), first;
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_COMPATIBLE);
    ck_assert(fact.residual <= 1e-4 * fact.rhs && fact.residual > 1e-7 * fact.rhs);
    rules.max_iterations = 1;
    first = run(&rules, 10, false, NULL);
    rules.max_iterations = 100000;
    goal = (struct kr_lsmr_goal){.normal = 1e-4};
    fact = run(&rules, 10, false, &goal);
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    /* |A'b| is not reported, but the first step does not gain much more than a digit on it */
    ck_assert(fact.normal_residual <= 1e-2 * first.normal_residual);
    ck_assert(fact.normal_residual >= 1e-9 * first.normal_residual);
}
END_TEST

/* Zero, orthogonal to the range, easy and hard ones: each as if it were alone. */
START_TEST(columns_of_a_block_are_independent)
{
    enum { M = 70, N = 30, K = 6 };
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_rules rules = {
        .atol = 1e-10, .btol = 1e-10, .condition_limit = INFINITY, .max_iterations = 5000};
    struct kr_lsmr_column facts[K], alone;
    struct known a;
    size_t products = 0, sum = 0;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, M, N, N, 1e3, 8, &a);
    double *B = normal(ctx, M * K, 2), *X = normal(ctx, N * K, 3), *x = normal(ctx, N, 4);
    memset(B + M, 0, M * sizeof *B);
    memcpy(B + 2 * M, a.U, M * sizeof *B);         /* one singular direction: one step */
    memcpy(B + 4 * M, a.U + 5 * M, M * sizeof *B); /* another */
    OK(kr_lsmr(ctx, &a.op, &rules, K, B, NULL, X, facts, &products));
    for (size_t c = 0; c < K; c++) {
        OK(kr_lsmr(ctx, &a.op, &rules, 1, B + c * M, NULL, x, &alone, &sum));
        ck_assert_int_eq(facts[c].stop, alone.stop);
        ck_assert_msg(c == 1 || distance(x, X + c * N, N) <= 1e-6 * length_of(x, N), "column %zu: %g of %g",
                      c, distance(x, X + c * N, N), length_of(x, N));
    }
    ck_assert_int_eq(facts[1].stop, KR_LSTSQ_STOP_ZERO);
    ck_assert_uint_eq(facts[1].iterations, 0);
    ck_assert_uint_le(facts[2].iterations, 2);
    ck_assert_uint_le(facts[4].iterations, 2);
    ck_assert(facts[0].iterations > 50);
    /* no product is spent on a column that is done */
    size_t owed = 0;
    for (size_t c = 0; c < K; c++)
        owed += c == 1 ? 0 : 1 + 2 * facts[c].iterations;
    ck_assert_uint_eq(products, owed);
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(units_do_not_matter)
{
    static const double powers[] = {-300, -160, -100, 0, 100, 160, 290};
    for (size_t p = 0; p < sizeof powers / sizeof *powers; p++)
        for (int of_A = 0; of_A < 2; of_A++) {
            struct kr_ctx context, *ctx = &context;
            struct kr_lsmr_rules rules = {
                .atol = 1e-12, .btol = 1e-12, .condition_limit = 1e8, .max_iterations = 500};
            struct kr_lsmr_column fact;
            struct known a;
            size_t products = 0;
            const double unit = pow(10, of_A ? powers[p] / 2 : powers[p]);
            kr_ctx_init(ctx, 0);
            known_matrix(ctx, 30, 12, 12, 20, 9, &a);
            double *b = normal(ctx, 30, 2), *x = normal(ctx, 12, 3), *expected = normal(ctx, 12, 4);
            known_solution(ctx, &a, false, 0, 1, b, expected);
            for (size_t i = 0; i < 360 && of_A; i++)
                a.A[i] *= unit;
            for (size_t i = 0; i < 30 && !of_A; i++)
                b[i] *= unit;
            OK(kr_lsmr(ctx, &a.op, &rules, 1, b, NULL, x, &fact, &products));
            ck_assert_msg(fact.stop == KR_LSTSQ_STOP_LEAST_SQUARES, "1e%g: %s (%s)", powers[p],
                          kr_lstsq_stop_names[fact.stop], fact.reason);
            for (size_t i = 0; i < 12; i++)
                CLOSE(of_A ? x[i] * unit : x[i] / unit, expected[i], length_of(expected, 12), 1e-9,
                      "%s times %g", of_A ? "A" : "b", unit);
            kr_ctx_fini(ctx);
        }
}
END_TEST

static size_t iterations_with(size_t directions)
{
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_rules rules = {.atol = 1e-12,
                                  .btol = 1e-12,
                                  .condition_limit = INFINITY,
                                  .max_iterations = 100000,
                                  .reorthogonalize = directions};
    struct kr_lsmr_column fact;
    struct known a;
    size_t products = 0;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, 120, 60, 60, 1e4, 9, &a);
    double *b = normal(ctx, 120, 2), *x = normal(ctx, 60, 3);
    OK(kr_lsmr(ctx, &a.op, &rules, 1, b, NULL, x, &fact, &products));
    ck_assert_int_eq(fact.stop, KR_LSTSQ_STOP_LEAST_SQUARES);
    kr_ctx_fini(ctx);
    return fact.iterations;
}

/* With all directions kept, n steps are enough; a few help less, and none at all least. */
START_TEST(kept_directions_save_iterations)
{
    const size_t none = iterations_with(0), half = iterations_with(30), all = iterations_with(60);
    ck_assert_msg(all <= 61, "%zu", all);
    ck_assert_msg(none > 10 * all, "%zu against %zu", none, all);
    ck_assert_msg(half <= none && half > all, "%zu against %zu and %zu", half, none, all);
}
END_TEST

/* Long vectors, cut into pieces: the sum of a row of neighbours, by an image that is one row high. */
START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 30011, K = 3, TAPS = 3, M = N + TAPS - 1 };
    static const double taps[TAPS] = {1, -0.7, 0.3};
    static const int threads[] = {1, 2, 5};
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_rules rules = {.damping = 0.1,
                                  .atol = 1e-8,
                                  .condition_limit = INFINITY,
                                  .max_iterations = 40,
                                  .reorthogonalize = 3};
    struct kr_lsmr_column facts[3][K];
    struct kr_op op;
    double *X[3];
    kr_ctx_init(ctx, 0);
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_FULL, 1, N, 1, TAPS, taps, &op));
    double *B = normal(ctx, M * K, 2);
    for (int t = 0; t < 3; t++) {
        size_t products = 0;
        ctx->threads = threads[t];
        X[t] = normal(ctx, N * K, 3);
        memset(facts[t], 0, sizeof facts[t]);
        OK(kr_lsmr(ctx, &op, &rules, K, B, NULL, X[t], facts[t], &products));
        ck_assert_int_eq(facts[t][0].stop, KR_LSTSQ_STOP_LEAST_SQUARES);
        ck_assert_mem_eq(X[t], X[0], N * K * sizeof(double));
        ck_assert_mem_eq(facts[t], facts[0], sizeof facts[0]);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(memory_does_not_grow_with_iterations)
{
    size_t peak[2];
    for (int longer = 0; longer < 2; longer++) {
        struct kr_ctx context, *ctx = &context;
        struct kr_lsmr_rules rules = plain_rules(0, longer ? 2000 : 2);
        struct kr_lsmr_column fact;
        struct known a;
        size_t products = 0;
        kr_ctx_init(ctx, 0);
        known_matrix(ctx, 3000, 150, 150, 1e6, 9, &a);
        double *b = normal(ctx, 3000, 2), *x = normal(ctx, 150, 3);
        const size_t before = ctx->used;
        ctx->peak = ctx->used;
        OK(kr_lsmr(ctx, &a.op, &rules, 1, b, NULL, x, &fact, &products));
        ck_assert_uint_eq(fact.iterations, longer ? 2000 : 2);
        peak[longer] = ctx->peak - before;
        ck_assert_uint_eq(ctx->used, before);
        kr_ctx_fini(ctx);
    }
    ck_assert_uint_eq(peak[0], peak[1]);
}
END_TEST

/* The products of column 0 go wrong after a while: it keeps its last x, the others are solved. */
START_TEST(products_that_are_not_finite_end_their_column)
{
    enum { M = 40, N = 15, K = 2 };
    for (int transposed = 0; transposed < 2; transposed++) {
        struct kr_ctx context, *ctx = &context;
        struct kr_lsmr_rules rules = {
            .atol = 1e-12, .btol = 1e-12, .condition_limit = INFINITY, .max_iterations = 500};
        struct kr_lsmr_column facts[K];
        struct wrapped w;
        struct known a;
        size_t products = 0;
        kr_ctx_init(ctx, 0);
        known_matrix(ctx, M, N, N, 50, 9, &a);
        struct kr_op op = wrap(ctx, &a.op, &w);
        double *B = normal(ctx, M * K, 2), *X = normal(ctx, N * K, 3), *expected = normal(ctx, N * K, 4);
        w.spoil_after = transposed ? 0 : 7;
        w.spoil_t_after = transposed ? 7 : 0;
        OK(kr_lsmr(ctx, &op, &rules, K, B, NULL, X, facts, &products));
        /* the block's first column is spoiled, then the one that took its place */
        for (size_t c = 0; c < K; c++) {
            ck_assert_int_eq(facts[c].stop, KR_LSTSQ_STOP_NON_FINITE);
            ck_assert_str_eq(facts[c].reason, transposed ? "a product with A' is not finite"
                                                         : "a product with A is not finite");
            ck_assert(isfinite(length_of(X + c * N, N)) && length_of(X + c * N, N) > 0);
        }
        B[0] = INFINITY;
        w.spoil_after = w.spoil_t_after = 0;
        OK(kr_lsmr(ctx, &op, &rules, K, B, NULL, X, facts, &products));
        known_solution(ctx, &a, false, 0, K, B, expected);
        ck_assert_int_eq(facts[0].stop, KR_LSTSQ_STOP_NON_FINITE);
        ck_assert_str_eq(facts[0].reason, "the right-hand side is not finite");
        ck_assert_int_eq(facts[1].stop, KR_LSTSQ_STOP_LEAST_SQUARES);
        ck_assert(distance(X + N, expected + N, N) <= 1e-9 * length_of(expected + N, N));
        kr_ctx_fini(ctx);
    }
}
END_TEST

START_TEST(cancelling_leaves_what_was_reached)
{
    enum { M = 40, N = 15, K = 2 };
    struct kr_ctx context, *ctx = &context;
    struct kr_lsmr_rules rules = plain_rules(0, 500);
    struct kr_lsmr_column facts[K];
    struct wrapped w;
    struct known a;
    size_t products = 0;
    kr_ctx_init(ctx, 0);
    known_matrix(ctx, M, N, N, 50, 9, &a);
    struct kr_op op = wrap(ctx, &a.op, &w);
    double *B = normal(ctx, M * K, 2), *X = normal(ctx, N * K, 3);
    w.cancel_after = 20;
    ck_assert_int_eq(kr_lsmr(ctx, &op, &rules, K, B, NULL, X, facts, &products), KR_CANCELLED);
    for (size_t c = 0; c < K; c++) {
        ck_assert_int_eq(facts[c].stop, KR_LSTSQ_STOP_CANCELLED);
        ck_assert(facts[c].iterations >= 4 && facts[c].iterations <= 6);
        ck_assert(length_of(X + c * N, N) > 0);
    }
    ck_assert_uint_eq(products, w.columns + w.columns_t);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("lsmr", estimates_are_the_truth, residual_estimates_without_reorthogonalisation, each_rule_ends_it,
      what_doubles_cannot_see_is_left_out, goals_are_shares_of_the_start, columns_of_a_block_are_independent,
      units_do_not_matter, kept_directions_save_iterations, same_bits_with_any_number_of_threads,
      memory_does_not_grow_with_iterations, products_that_are_not_finite_end_their_column,
      cancelling_leaves_what_was_reached)
