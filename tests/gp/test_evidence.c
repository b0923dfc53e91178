/* The evidence without a factor: estimates that are unbiased, the same for the same seed, and close. */
#include "../conform/objectives.h"
#include "gp/evidence.h"

#include <cblas.h>

static struct kr_ctx context, *ctx;
static struct kr_gp gp;
static struct kr_gp_spec spec;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    struct kernel_case *cases = kr_alloc(ctx, MOST_CASES, sizeof *cases);
    struct kr_dataset data = small_data(ctx, 150, true, 5);
    kernel_cases(ctx, cases);
    make_spec(ctx, &cases[1].spec, "evidence", "cholesky", "constant", &spec);
    OK(kr_gp_init(ctx, &spec, &data, &gp));
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

static void by(const char *solver)
{
    spec.solver.type = kr_registry_find(&kr_solver_registry, solver);
    spec.solver.rtol = 1e-10;
}

/* Within four standard errors of the exact value and gradient, over many seeds; one seed is near. */
START_TEST(estimates_are_unbiased)
{
    enum { SEEDS = 60 };
    struct kr_evidence_options *options = spec.objective.loss.options;
    struct kr_evaluation exact, estimate;
    const size_t n = gp.parameters.count;
    double *wanted = kr_alloc(ctx, n, sizeof *wanted), *grad = kr_alloc(ctx, n, sizeof *grad),
           *sum = kr_alloc(ctx, n + 1, sizeof *sum), *squares = kr_alloc(ctx, n + 1, sizeof *sum);
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &exact, wanted));
    by("cg");
    for (options->seed = 0; options->seed < SEEDS; options->seed++) {
        OK(kr_objective_eval(ctx, &gp, gp.start, false, &estimate, grad));
        ck_assert(fabs(estimate.loss - exact.loss) < 0.1);
        for (size_t p = 0; p <= n; p++) {
            const double off = p == n ? estimate.loss - exact.loss : grad[p] - wanted[p];
            sum[p] += off / SEEDS;
            squares[p] += off * off / SEEDS;
        }
    }
    for (size_t p = 0; p <= n; p++)
        ck_assert_msg(fabs(sum[p]) < 4 * sqrt(squares[p] / SEEDS) + 1e-9,
                      "entry %zu: biased by %g, standard error %g", p, sum[p], sqrt(squares[p] / SEEDS));
}
END_TEST

/* With the unit vectors as probes and as many steps as rows nothing is left to chance. */
START_TEST(quadrature_is_exact_when_complete)
{
    enum { N = 40 };
    struct kr_op op;
    double *A = kr_alloc(ctx, N * N, sizeof *A), *Z = kr_alloc(ctx, N * N, sizeof *Z), got, wanted = 0;
    size_t products = 0;
    for (size_t i = 0; i < N; i++) {
        A[i + i * N] = 1 + (double)i;
        wanted += log(1 + (double)i);
        Z[i + i * N] = sqrt(N); /* of length sqrt(n), like a vector of signs */
    }
    OK(kr_op_dense(ctx, N, N, A, &op));
    OK(kr_lanczos_logdet(ctx, &op, N, Z, N, &got, &products));
    CLOSE(got, wanted, wanted, 1e-12, "diagonal");
    for (size_t i = 0; i < N; i++) /* a vector of signs sees all eigenvalues: exact for a diagonal too */
        Z[i] = i % 3 ? 1 : -1;
    OK(kr_lanczos_logdet(ctx, &op, 1, Z, N, &got, &products));
    CLOSE(got, wanted, wanted, 1e-10, "one probe");
    A[5 + 5 * N] = -1;
    ck_assert_int_eq(kr_lanczos_logdet(ctx, &op, 1, Z, N, &got, &products), KR_NOT_POSITIVE_DEFINITE);
    kr_ctx_clear_error(ctx);
}
END_TEST

START_TEST(same_seed_same_bits)
{
    struct kr_evaluation first, second;
    double *one = kr_alloc(ctx, gp.parameters.count, sizeof *one),
           *two = kr_alloc(ctx, gp.parameters.count, sizeof *two);
    by("cg");
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &first, one));
    ctx->threads = 3;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &second, two));
    ck_assert_mem_eq(&first.loss, &second.loss, sizeof first.loss);
    ck_assert_mem_eq(one, two, gp.parameters.count * sizeof *one);
    ((struct kr_evidence_options *)spec.objective.loss.options)->seed = 1;
    OK(kr_objective_eval(ctx, &gp, gp.start, false, &second, two));
    ck_assert(first.loss != second.loss);
}
END_TEST

Suite *suite(void)
{
    Suite *suite = suite_create("evidence");
    TCase *tests = tcase_create("evidence");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, estimates_are_unbiased);
    tcase_add_test(tests, quadrature_is_exact_when_complete);
    tcase_add_test(tests, same_seed_same_bits);
    suite_add_tcase(suite, tests);
    return suite;
}
