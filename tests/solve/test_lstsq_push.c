/* Forward mode against central differences of dense answers, and against reverse mode. */
#include "lstsq_cases.h"

static struct kr_ctx context, *ctx;
static struct model models[MOST_MODELS];
static size_t model_count;

static void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    model_count = all_models(ctx, models);
}

static void teardown(void)
{
    kr_ctx_fini(ctx);
}

/* A direction of everything that X depends on, and A's tangent along it as a stored matrix. */
struct direction {
    double *theta, *B, lambda;
    struct kr_op A;
};

/* Differences around 0 are taken over steps of 2e-5, of unit length: longer ones round less. */
enum { STRIDE = 20 };

/* One entry of a filled matrix or of the dense answer, `steps` along the direction. */
struct walk {
    struct lstsq_problem *p;
    const struct direction *along;
    double *theta, *B, lambda; /* where it started */
    size_t entry;
    bool matrix;
    double *out;
};

static double walk_to(void *self, double steps)
{
    struct walk *w = self;
    struct lstsq_problem *p = w->p;
    const double t = STRIDE * steps;
    for (size_t i = 0; i < p->model.count; i++)
        p->model.theta[i] = w->theta[i] + t * w->along->theta[i];
    for (size_t i = 0; i < p->m * p->k; i++)
        p->B[i] = w->B[i] + t * w->along->B[i];
    if (w->matrix)
        OK(kr_op_fill(ctx, &p->model.op, w->out));
    else
        dense_lstsq(ctx, &p->model.op, w->lambda + t * w->along->lambda, p->k, p->B, w->out);
    memcpy(p->model.theta, w->theta, p->model.count * sizeof *w->theta);
    memcpy(p->B, w->B, p->m * p->k * sizeof *w->B);
    return w->out[w->entry];
}

/* The derivative of all entries (count) of A or X at t = 0. */
static double *differences(struct lstsq_problem *p, const struct direction *along, bool matrix, size_t count)
{
    double *out = kr_alloc(ctx, count, sizeof *out);
    struct walk w = {p,
                     along,
                     kr_alloc(ctx, p->model.count, sizeof *w.theta),
                     kr_alloc(ctx, p->m * p->k, sizeof *w.B),
                     p->lambda,
                     0,
                     matrix,
                     kr_alloc(ctx, count, sizeof *w.out)};
    memcpy(w.theta, p->model.theta, p->model.count * sizeof *w.theta);
    memcpy(w.B, p->B, p->m * p->k * sizeof *w.B);
    for (w.entry = 0; w.entry < count; w.entry++)
        out[w.entry] = derivative(walk_to, &w, 0) / STRIDE;
    return out;
}

static struct direction random_direction(struct lstsq_problem *p)
{
    struct direction along = {
        normals(ctx, p->model.count, 41), normals(ctx, p->m * p->k, 42), p->lambda > 0 ? 0.3 : 0, {0}};
    OK(kr_op_dense(ctx, p->m, p->n, differences(p, &along, true, p->m * p->n), &along.A));
    return along;
}

static void check_tangent(const struct model *model, double lambda, size_t k, size_t *solves)
{
    struct kr_mark mark = kr_mark(ctx);
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0}, backward = {0};
    lstsq_prepare(ctx, model, lambda, k, &p);
    lstsq_forward(&p);
    const size_t count = p.n * k;
    struct direction along = random_direction(&p);
    double *X_dot = normals(ctx, count, 43), *grad = kr_alloc(ctx, model->count, sizeof *grad),
           *B_bar = kr_alloc(ctx, p.m * k, sizeof *B_bar), lambda_bar = 0;
    OK(kr_lstsq_push(ctx, &p.lstsq, k, p.X, p.R, &along.A, along.B, along.lambda, X_dot, &report));
    ck_assert_msg(kr_lstsq_converged(&report), "%s: %s", model->name, kr_lstsq_stop_names[report.stop]);
    const double *wanted = differences(&p, &along, false, count);
    for (size_t i = 0; i < count; i++)
        CLOSE(X_dot[i], wanted[i], fmax(fabs(X_dot[i]), 1e-2 * largest(count, X_dot)), 1e-6,
              "%s, lambda %g, k %zu: entry %zu", model->name, lambda, k, i);
    OK(kr_lstsq_pull(ctx, &p.lstsq, k, p.X, p.R, p.X_bar, B_bar, grad, &lambda_bar, &backward));
    const double forward = dot(count, p.X_bar, X_dot), reverse = dot(model->count, grad, along.theta) +
                                                                 dot(p.m * k, B_bar, along.B) +
                                                                 lambda_bar * along.lambda;
    CLOSE(forward, reverse, length(count, p.X_bar) * length(count, X_dot), 1e-9,
          "%s, lambda %g, k %zu: <xbar, xdot>", model->name, lambda, k);
    *solves = report.solves;
    kr_release(ctx, mark);
}

START_TEST(undamped_tangents)
{
    for (size_t i = 0; i < model_count; i++)
        for (size_t k = 1; k <= 3; k += 2) {
            const struct model *a = &models[i];
            const bool solvable = a->rank == a->op.rows; /* no residual: no Z */
            size_t solves;
            check_tangent(a, 0, k, &solves);
            ck_assert_msg(solves == (solvable ? 2 : 3), "%s: %zu solves", a->name, solves);
        }
}
END_TEST

START_TEST(damped_tangents)
{
    static const double lambdas[] = {0.1, 1, 30};
    for (size_t i = 0; i < model_count; i++)
        for (size_t l = 0; l < 3; l++)
            for (size_t k = 1; k <= 3; k += 2) {
                size_t solves;
                check_tangent(&models[i], lambdas[l], k, &solves);
                ck_assert_msg(solves <= 3 && solves >= 2, "%s, lambda %g: %zu solves", models[i].name,
                              lambdas[l], solves);
            }
}
END_TEST

/* x for (A'A + lambda^2 I) x = A'b + g, in quadruple precision. */
static void quad_tangent(const struct lstsq_problem *p, const struct direction *along, double *out)
{
    const size_t m = p->m, n = p->n;
    const double *A = p->model.theta, *A_dot = along->A.self;
    quad *r = kr_alloc(ctx, 2 * m, sizeof *r), *f = r + m, *x = kr_alloc(ctx, 3 * n, sizeof *x), *g = x + n,
         *x_dot = g + n;
    for (size_t i = 0; i < m; i++)
        r[i] = p->B[i], f[i] = along->B[i];
    quad_add(m, n, A, true, 1, r, g);
    quad_solve(ctx, m, n, A, p->lambda, g, x);
    quad_add(m, n, A, false, -1, x, r);
    quad_add(m, n, A_dot, false, -1, x, f);
    for (size_t j = 0; j < n; j++)
        g[j] = -2 * (quad)p->lambda * along->lambda * x[j];
    quad_add(m, n, A_dot, true, 1, r, g);
    quad_add(m, n, A, true, 1, f, g);
    quad_solve(ctx, m, n, A, p->lambda, g, x_dot);
    for (size_t j = 0; j < n; j++)
        out[j] = (double)x_dot[j];
}

START_TEST(damping_from_tiny_to_huge)
{
    static const size_t shapes[][3] = {{12, 7, 7}, {7, 12, 7}, {8, 8, 8}, {12, 7, 4}, {7, 12, 4}};
    for (size_t s = 0; s < 5; s++)
        for (int power = -8; power <= 2; power++) {
            const size_t m = shapes[s][0], n = shapes[s][1], rank = shapes[s][2];
            struct kr_mark mark = kr_mark(ctx);
            struct model from = product_model(ctx, "product", m, n, rank), model = dense_model(ctx, "", m, n);
            struct lstsq_problem p;
            struct kr_lstsq_report report = {0};
            for (size_t i = 0; i < from.count; i++)
                from.theta[i] = rint(4 * from.theta[i]); /* the rank is exact: the product is not rounded */
            OK(kr_op_fill(ctx, &from.op, model.theta));
            const double size = length(m * n, model.theta);
            lstsq_prepare(ctx, &model, pow(10, power) * size, 1, &p);
            lstsq_forward(&p);
            struct direction along = {normals(ctx, m * n, 41), normals(ctx, m, 42), 0.1 * p.lambda, {0}};
            OK(kr_op_dense(ctx, m, n, along.theta, &along.A));
            double *got = kr_alloc(ctx, n, sizeof *got), *wanted = kr_alloc(ctx, n, sizeof *wanted);
            OK(kr_lstsq_push(ctx, &p.lstsq, 1, p.X, p.R, &along.A, along.B, along.lambda, got, &report));
            quad_tangent(&p, &along, wanted);
            const double error = off(n, got, wanted);
            ck_assert_msg(error < 1e-6, "%zu x %zu, rank %zu, lambda 1e%d |A|: off by %g", m, n, rank, power,
                          error);
            kr_release(ctx, mark);
        }
}
END_TEST

/* Tangents that are left out are zero ones, and cost nothing. */
START_TEST(tangents_that_are_absent)
{
    for (size_t i = 0; i < model_count; i++)
        for (int damped = 0; damped < 2; damped++) {
            struct kr_mark mark = kr_mark(ctx);
            struct lstsq_problem p;
            struct kr_lstsq_report report = {0};
            const size_t k = 2;
            lstsq_prepare(ctx, &models[i], damped ? 0.2 : 0, k, &p);
            lstsq_forward(&p);
            struct direction along = random_direction(&p);
            const size_t count = p.n * k;
            double *all = kr_alloc(ctx, count, sizeof *all), *sum = kr_alloc(ctx, count, sizeof *sum),
                   *part = normals(ctx, count, 44), *zero = kr_alloc(ctx, count, sizeof *zero);
            OK(kr_lstsq_push(ctx, &p.lstsq, k, p.X, p.R, &along.A, along.B, along.lambda, all, &report));
            report = (struct kr_lstsq_report){0};
            OK(kr_lstsq_push(ctx, &p.lstsq, k, p.X, p.R, NULL, along.B, 0, part, &report));
            ck_assert_uint_eq(report.solves, 1);
            cblas_daxpy((int)count, 1, part, 1, sum, 1);
            OK(kr_lstsq_push(ctx, &p.lstsq, k, p.X, p.R, &along.A, NULL, 0, part, &report));
            cblas_daxpy((int)count, 1, part, 1, sum, 1);
            OK(kr_lstsq_push(ctx, &p.lstsq, k, p.X, p.R, NULL, NULL, along.lambda, part, &report));
            if (damped)
                cblas_daxpy((int)count, 1, part, 1, sum, 1);
            else
                ck_assert_mem_eq(part, zero, count * sizeof *zero);
            ck_assert_msg(off(count, sum, all) < 1e-11, "%s, damped %d", models[i].name, damped);
            kr_release(ctx, mark);
        }
}
END_TEST

START_TEST(tangents_of_another_shape)
{
    struct lstsq_problem p;
    struct kr_lstsq_report report = {0};
    lstsq_prepare(ctx, &models[0], 0, 1, &p);
    lstsq_forward(&p);
    ck_assert_int_eq(kr_lstsq_push(ctx, &p.lstsq, 1, p.X, p.R, &models[1].op, NULL, 0, p.X_bar, &report),
                     KR_INVALID);
    ck_assert_ptr_nonnull(strstr(ctx->error.detail, "7 x 12"));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {undamped_tangents, damped_tangents, damping_from_tiny_to_huge,
                                  tangents_that_are_absent, tangents_of_another_shape};
    Suite *made = suite_create("lstsq_push");
    TCase *tcase = tcase_create("lstsq_push");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
