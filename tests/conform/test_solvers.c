/*
 * What every solver owes, with every preconditioner that it takes: known solutions, a report that says what
 * was measured, stops as facts, a derivative, and the same bits for any number of threads.
 */
#include "../solve/systems.h"

extern void dgesv_(const int *n, const int *k, double *A, const int *lda, int *pivots, double *B,
                   const int *ldb, int *info);

/* What methods differ in. A new one needs a row here. */
static const struct behaviour {
    const char *name;
    bool iterates;
    double condition; /* that it copes with before its own iteration limit */
    /* of a matrix that is not positive definite */
    kr_status open;
    enum kr_stop stop;
} behaviours[] = {
    {"cholesky", false, 1e6, KR_NOT_POSITIVE_DEFINITE, KR_STOP_NONE},
    {"cg", true, 1e6, KR_OK, KR_STOP_BREAKDOWN},
    {"minres", true, 1e6, KR_OK, KR_STOP_RTOL}, /* solves indefinite systems */
    {"lsmr", true, 1e4, KR_OK, KR_STOP_RTOL},   /* solves any system, with the condition squared */
};

static const struct behaviour *behaviour_of(const char *name)
{
    for (size_t b = 0; b < sizeof behaviours / sizeof *behaviours; b++)
        if (strcmp(behaviours[b].name, name) == 0)
            return &behaviours[b];
    ck_abort_msg("the solver %s has no row in this test", name);
    return NULL;
}

struct method {
    const struct kr_type *solver;
    struct kr_variant preconditioner;
    char name[64];
};

/* All pairs of a solver and a preconditioner that it takes; NULL after the last. */
static const struct method *const *methods(struct kr_ctx *ctx)
{
    const struct method **list = kr_alloc(ctx, 64, sizeof *list);
    size_t count = 0;
    for (const struct kr_type *const *row = kr_solver_registry.rows; *row; row++)
        for (const struct kr_type *const *with = kr_preconditioner_registry.rows; *with; with++) {
            struct method *m = kr_alloc(ctx, 1, sizeof *m);
            m->solver = *row;
            OK(kr_variant_init(ctx, &kr_preconditioner_registry, (*with)->name, &m->preconditioner));
            snprintf(m->name, sizeof m->name, "%s with %s", (*row)->name, (*with)->name);
            list[count++] = m;
            ck_assert_uint_lt(count, 64);
            if (!((const struct kr_solver_type *)*row)->preconditioned)
                break;
        }
    return list;
}

#define EACH_METHOD(ctx, m)                                                                                  \
    struct kr_ctx context_, *ctx = &context_;                                                                \
    kr_ctx_init(ctx, 0);                                                                                     \
    ctx->threads = 1; /* small systems: threads would only wait for each other */                            \
    const struct method *m;                                                                                  \
    for (const struct method *const *row_ = methods(ctx); (m = *row_); row_++)

static void set_up(struct kr_ctx *ctx, const struct method *m, size_t n, size_t k, const double *eigenvalues,
                   double rtol, struct problem *p)
{
    prepare(ctx, m->solver, n, k, eigenvalues, rtol, p);
    p->options.preconditioner = m->preconditioner;
}

START_TEST(known_solutions)
{
    EACH_METHOD(ctx, m)
    {
        for (double condition = 1e2; condition < 2e6; condition *= 1e2) {
            struct problem p;
            const size_t n = 200;
            char name[128];
            snprintf(name, sizeof name, "%s, condition %g", m->name, condition);
            set_up(ctx, m, n, 4, spectrum(ctx, n, condition), 1e-10, &p);
            solve(ctx, &p);
            check_residual(&p, name);
            const bool helped = strcmp(m->preconditioner.type->name, "none") != 0;
            if (condition > behaviour_of(m->solver->name)->condition &&
                !(helped && p.report.stop == KR_STOP_RTOL)) {
                ck_assert_int_eq(p.report.stop, KR_STOP_ITERATIONS);
                ck_assert(!kr_solve_converged(&p.report));
                continue;
            }
            ck_assert_msg(p.report.residual <= 1e-10 && p.report.stop == KR_STOP_RTOL, "%s: %g, %s", name,
                          p.report.residual, kr_stop_names[p.report.stop]);
            ck_assert(kr_solve_converged(&p.report));
            ck_assert_str_eq(p.report.type, m->solver->name);
            ck_assert_int_eq(behaviour_of(m->solver->name)->iterates, p.report.iterations > 0);
            ck_assert_uint_ge(p.report.products, p.k);
            for (size_t c = 0; c < p.k; c++) {
                double error = 0, *x = p.X + c * n;
                for (size_t i = 0; i < n; i++)
                    error = hypot(error, x[i] - p.truth[c * n + i]);
                /* |x - truth| <= |A^-1| |r| */
                double allowed = condition * 1.01e-10 * cblas_dnrm2((int)n, p.B + c * n, 1);
                ck_assert_msg(error <= allowed, "%s, column %zu: off by %g of %g", name, c, error, allowed);
            }
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* More right-hand sides than a method takes at a time. */
START_TEST(groups_of_columns)
{
    EACH_METHOD(ctx, m)
    {
        struct problem p;
        const size_t n = 12, k = ((const struct kr_solver_type *)m->solver)->columns + 3;
        set_up(ctx, m, n, k, spectrum(ctx, n, 50), 1e-12, &p);
        solve(ctx, &p);
        check_residual(&p, m->name);
        ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
        for (size_t i = 0; i < n * k; i++)
            CLOSE(p.X[i], p.truth[i], 10, 1e-10, "%s, entry %zu", m->name, i);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(nothing_to_solve)
{
    EACH_METHOD(ctx, m)
    {
        struct problem p;
        set_up(ctx, m, 20, 2, spectrum(ctx, 20, 10), 1e-8, &p);
        memset(p.B, 0, 40 * sizeof *p.B);
        solve(ctx, &p);
        ck_assert_int_eq(p.report.stop, KR_STOP_ZERO);
        ck_assert(kr_solve_converged(&p.report));
        ck_assert(p.report.residual == 0);
        for (size_t i = 0; i < 40; i++)
            ck_assert(p.X[i] == 0 && p.residual[i] == 0);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(the_iteration_limit_is_a_fact)
{
    EACH_METHOD(ctx, m)
    {
        struct problem p;
        set_up(ctx, m, 100, 3, spectrum(ctx, 100, 1e4), 1e-10, &p);
        p.options.max_iterations = 5;
        solve(ctx, &p);
        check_residual(&p, m->name);
        if (!behaviour_of(m->solver->name)->iterates) {
            ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
            continue;
        }
        ck_assert_int_eq(p.report.stop, KR_STOP_ITERATIONS);
        ck_assert_uint_eq(p.report.iterations, 5);
        ck_assert(p.report.residual > 1e-10);
        ck_assert(!kr_solve_converged(&p.report));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* An rtol that double precision cannot give: the stop says so, and the residual is near it. */
START_TEST(the_limit_of_double_precision)
{
    EACH_METHOD(ctx, m)
    {
        struct problem p;
        struct kr_solver opened;
        set_up(ctx, m, 100, 2, spectrum(ctx, 100, 1e3), 1e-15, &p);
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        p.options.rtol = 1e-17; /* below what options may ask for: never reached */
        OK(kr_solver_solve(ctx, &opened, p.k, p.B, NULL, p.X, p.residual, &p.report));
        check_residual(&p, m->name);
        ck_assert_msg(p.report.stop == KR_STOP_PRECISION, "%s: %s", m->name, kr_stop_names[p.report.stop]);
        ck_assert_msg(p.report.residual < 1e-11, "%s: %g", m->name, p.report.residual);
        ck_assert(kr_solve_converged(&p.report));
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(matrices_that_are_not_positive_definite)
{
    EACH_METHOD(ctx, m)
    {
        const struct behaviour *behaviour = behaviour_of(m->solver->name);
        double *w = spectrum(ctx, 40, 10);
        struct kr_solver opened;
        struct problem p;
        w[3] = -0.5;
        set_up(ctx, m, 40, 1, w, 1e-10, &p);
        kr_status status = kr_solver_open(ctx, &p.options, &p.op, &opened);
        ck_assert_msg(status == behaviour->open, "%s: %d", m->name, status);
        if (status != KR_OK) {
            ck_assert_ptr_nonnull(strstr(ctx->error.detail, "pivot"));
            kr_ctx_clear_error(ctx);
            continue;
        }
        OK(kr_solver_solve(ctx, &opened, 1, p.B, NULL, p.X, p.residual, &p.report));
        ck_assert_msg(p.report.stop == (int)behaviour->stop, "%s: %s", m->name, kr_stop_names[p.report.stop]);
        ck_assert_int_eq(kr_solve_converged(&p.report), behaviour->stop == KR_STOP_RTOL);
        check_residual(&p, m->name);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(matrices_that_are_not_finite)
{
    EACH_METHOD(ctx, m)
    {
        struct kr_solver opened;
        struct problem p;
        set_up(ctx, m, 40, 1, spectrum(ctx, 40, 10), 1e-10, &p);
        p.A[7 + 7 * 40] = NAN;
        if (kr_solver_open(ctx, &p.options, &p.op, &opened) == KR_OK) {
            OK(kr_solver_solve(ctx, &opened, 1, p.B, NULL, p.X, p.residual, &p.report));
            ck_assert_msg(p.report.stop == KR_STOP_BREAKDOWN, "%s: %s", m->name,
                          kr_stop_names[p.report.stop]);
            ck_assert(!kr_solve_converged(&p.report));
        }
        kr_ctx_clear_error(ctx);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(cancelling_is_a_failure)
{
    EACH_METHOD(ctx, m)
    {
        struct kr_solver opened;
        struct problem p;
        set_up(ctx, m, 60, 2, spectrum(ctx, 60, 10), 1e-10, &p);
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        kr_cancel(ctx);
        ck_assert_int_eq(kr_solver_solve(ctx, &opened, 2, p.B, NULL, p.X, NULL, &p.report), KR_CANCELLED);
        kr_ctx_clear_error(ctx);
        ctx->cancelled = 0;
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* <X_bar, A^-1 B> by an LU that does not need symmetry. */
struct through {
    const struct problem *p;
    const double *X_bar;
    double *A, *B, *entry;
};

static double through_solve(void *self, double value)
{
    struct through *t = self;
    const int n = (int)t->p->n, k = (int)t->p->k;
    int pivots[64], info;
    double lu[64 * 64], X[64 * 4], before = *t->entry;
    *t->entry = value;
    memcpy(lu, t->A, t->p->n * t->p->n * sizeof *lu);
    memcpy(X, t->B, t->p->n * t->p->k * sizeof *X);
    *t->entry = before;
    dgesv_(&n, &k, lu, &n, pivots, X, &n, &info);
    ck_assert_int_eq(info, 0);
    return cblas_ddot(n * k, t->X_bar, 1, X, 1);
}

START_TEST(pulls_are_derivatives)
{
    EACH_METHOD(ctx, m)
    {
        const size_t n = 10, k = 3;
        struct kr_solver opened;
        struct problem p;
        set_up(ctx, m, n, k, spectrum(ctx, n, 20), 1e-14, &p);
        solve(ctx, &p);
        OK(kr_solver_open(ctx, &p.options, &p.op, &opened));
        double *X_bar = normal(ctx, n * k, 7), *B_bar = kr_alloc(ctx, n * k, sizeof *B_bar);
        double *grad = kr_alloc(ctx, n * n, sizeof *grad), *again = kr_alloc(ctx, n * n, sizeof *again),
               scale = 0;
        OK(kr_solve_pull(ctx, &opened, k, p.X, X_bar, NULL, B_bar, grad, &p.report));
        OK(kr_solve_pull(ctx, &opened, k, p.X, NULL, NULL, B_bar, again, &p.report));
        ck_assert_mem_eq(grad, again, n * n * sizeof *grad);
        for (size_t e = 0; e < n * n; e++)
            scale = fmax(scale, fabs(grad[e]));
        for (size_t e = 0; e < n * n; e++) {
            struct through t = {&p, X_bar, p.A, p.B, &p.A[e]};
            CLOSE(grad[e], derivative(through_solve, &t, p.A[e]), scale, 1e-8, "%s, A %zu", m->name, e);
        }
        for (size_t e = 0; e < n * k; e++) {
            struct through t = {&p, X_bar, p.A, p.B, &p.B[e]};
            CLOSE(B_bar[e], derivative(through_solve, &t, p.B[e]), fabs(B_bar[e]) + 1, 1e-8, "%s, B %zu",
                  m->name, e);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* The system of a Gaussian process, over several tiles and blocks of the factor. */
START_TEST(same_bits_with_any_number_of_threads)
{
    enum { N = 300, K = 3 };
    EACH_METHOD(ctx, m)
    {
        struct kr_dataset data = small_data(ctx, N, true, 3);
        struct kr_points x = {N, FEATURES, N, data.x};
        struct kr_variant spec = leaf(ctx, kernel_type("matern52"), 1);
        struct kr_parameters parameters = {0};
        struct kr_kernel *kernel;
        struct kr_op gram, noisy;
        struct problem p = {.n = N, .k = K, .B = normal(ctx, N * K, 4)};
        double theta[] = {1.3, 0.9, 1.1, 1.2, 2}, *X[3], grad[3][5] = {{0}};
        OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
        OK(kr_op_kernel(ctx, kernel, theta, &x, NULL, &gram));
        OK(kr_op_shift(ctx, &gram, theta, 4, data.noise_variance, &noisy));
        OK(kr_schema_init(ctx, &kr_solver_options_schema, &p.options));
        p.options.type = m->solver;
        p.options.preconditioner = m->preconditioner;
        p.options.rtol = 1e-4;
        for (int t = 0; t < 3; t++) {
            struct kr_solver opened;
            double *B_bar = kr_alloc(ctx, N * K, sizeof *B_bar);
            ctx->threads = t + 1;
            X[t] = kr_alloc(ctx, N * K, sizeof **X);
            p.report = (struct kr_solve_report){0};
            OK(kr_solver_open(ctx, &p.options, &noisy, &opened));
            OK(kr_solver_solve(ctx, &opened, K, p.B, NULL, X[t], NULL, &p.report));
            OK(kr_solve_pull(ctx, &opened, K, X[t], p.B, NULL, B_bar, grad[t], &p.report));
            ck_assert(kr_solve_converged(&p.report));
            ck_assert_mem_eq(X[t], X[0], N * K * sizeof **X);
            ck_assert_mem_eq(grad[t], grad[0], sizeof grad[0]);
        }
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* Blocks, preconditioners and the driver take what they announce, but for some chunks of the arena (256 KiB).
 */
START_TEST(memory_is_announced)
{
    enum { N = 900, K = 260 };
    EACH_METHOD(ctx, m)
    {
        const struct kr_solver_type *type = (const struct kr_solver_type *)m->solver;
        struct kr_mark mark = kr_mark(ctx);
        struct problem p;
        struct kr_op shifted;
        struct kr_solver opened;
        double noise = 0.3;
        set_up(ctx, m, N, K, spectrum(ctx, N, 3), 1e-6, &p);
        OK(kr_op_shift(ctx, &p.op, &noise, 0, NULL, &shifted));
        shifted.symmetric = true;
        const size_t together = K < type->columns ? K : type->columns, used = ctx->used,
                     announced =
                         type->bytes(N, together) + 3 * N * together * sizeof(double) +
                         (type->preconditioned ? kr_preconditioner_bytes(&m->preconditioner, N, 0) : 0);
        ctx->peak = used;
        OK(kr_solver_open(ctx, &p.options, &shifted, &opened));
        OK(kr_solver_solve(ctx, &opened, K, p.B, NULL, p.X, NULL, &p.report));
        ck_assert_int_eq(p.report.stop, KR_STOP_RTOL);
        ck_assert_msg(ctx->peak - used <= announced + (5 << 18), "%s: %zu bytes, announced %zu", m->name,
                      ctx->peak - used, announced);
        kr_release(ctx, mark);
    }
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("solvers", memory_is_announced, known_solutions, groups_of_columns, nothing_to_solve,
      the_iteration_limit_is_a_fact, the_limit_of_double_precision, matrices_that_are_not_positive_definite,
      matrices_that_are_not_finite, cancelling_is_a_failure, pulls_are_derivatives,
      same_bits_with_any_number_of_threads)
