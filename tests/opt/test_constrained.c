/* The null-space method against the KKT points of problems whose constrained optimum is known otherwise. */
#include "opt/constrained.h"

static struct kr_ctx ctx[1];

/* ---- a quadratic, with linear constraints ---- */

enum { QN = 10, QM = 3 };
/* Q (n x n), then A (m x n), then b (n), then e (m): z'Qz / 2 - b'z subject to A z = e. */
enum { Q_AT = 0, A_AT = QN * QN, B_AT = A_AT + QM * QN, E_AT = B_AT + QN, QUADRATIC_SIZE = E_AT + QM };

static double quadratic_loss(const struct constrained *p, const double *z, double *g)
{
    const double *Q = p->data + Q_AT, *b = p->data + B_AT;
    double f = 0;
    for (size_t i = 0; i < QN; i++) {
        double product = cblas_ddot(QN, Q + i * QN, 1, z, 1);
        g[i] = product - b[i];
        f += z[i] * (product / 2 - b[i]);
    }
    return f;
}

static void quadratic_constraints(const struct constrained *p, const double *z, double *c, double *J)
{
    memcpy(J, p->data + A_AT, QM * QN * sizeof *J);
    for (size_t a = 0; a < QM; a++)
        c[a] = cblas_ddot(QN, J + a, QM, z, 1) - p->data[E_AT + a];
}

/* Random, with eigenvalues of Q between 1 and about 5. */
static struct constrained quadratic_problem(uint64_t seed)
{
    struct constrained p = {
        .name = "quadratic", .n = QN, .m = QM, .loss = quadratic_loss, .constraints = quadratic_constraints};
    double *data = random_numbers(ctx, QUADRATIC_SIZE, seed), *half = random_numbers(ctx, QN * QN, seed + 1);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, QN, QN, QN, 0.1, half, QN, half, QN, 0, data + Q_AT,
                QN);
    for (size_t i = 0; i < QN; i++) {
        data[Q_AT + i + i * QN] += 1;
        p.start[i] = (double)(i % 3) - 1;
        p.lower[i] = -INFINITY;
        p.upper[i] = INFINITY;
    }
    p.data = data;
    return p;
}

/* The dense KKT system [Q -A'; A 0] (z, multipliers) = (b, e). */
static void quadratic_optimum(const struct constrained *p, double *z_and_multipliers)
{
    enum { SIZE = QN + QM };
    double *K = numbers(ctx, SIZE * SIZE), right[SIZE];
    for (size_t j = 0; j < QN; j++) {
        for (size_t i = 0; i < QN; i++)
            K[i + j * SIZE] = p->data[Q_AT + i + j * QN];
        for (size_t a = 0; a < QM; a++) {
            K[QN + a + j * SIZE] = p->data[A_AT + a + j * QM];
            K[j + (QN + a) * SIZE] = -p->data[A_AT + a + j * QM];
        }
    }
    memcpy(right, p->data + B_AT, sizeof right);
    dense_solve(ctx, SIZE, K, right, z_and_multipliers);
}

/* ---- Rosenbrock's function on the unit circle ---- */

static double valley(const struct constrained *p, const double *z, double *g)
{
    return rosenbrock(p->n, z, g);
}

static void circle(const struct constrained *p, const double *z, double *c, double *J)
{
    (void)p;
    c[0] = z[0] * z[0] + z[1] * z[1] - 1;
    J[0] = 2 * z[0];
    J[1] = 2 * z[1];
}

/* The angle of the best point: where the derivative along the circle changes its sign, by bisection. */
static void circle_optimum(double *z, double *multiplier)
{
    double low = 0.1, high = 1.2, g[2];
    for (int k = 0; k < 100; k++) {
        double middle = (low + high) / 2;
        z[0] = cos(middle);
        z[1] = sin(middle);
        rosenbrock(2, z, g);
        *(g[1] * z[0] - g[0] * z[1] < 0 ? &low : &high) = middle;
    }
    *multiplier = (g[0] * z[0] + g[1] * z[1]) / 2;
}

static const struct constrained on_a_circle = {.name = "Rosenbrock on a circle",
                                               .n = 2,
                                               .m = 1,
                                               .loss = valley,
                                               .constraints = circle,
                                               .start = {0.3, 1.4},
                                               FREE};

/* ---- a nonlinear system with more unknowns than equations ---- */

/* sum (z_i - a_i)^2 / 2 + log cosh(z_i z_{i+1}), a smooth loss without symmetry. */
static double smooth(const struct constrained *p, const double *z, double *g)
{
    double f = 0;
    memset(g, 0, p->n * sizeof *g);
    for (size_t i = 0; i < p->n; i++) {
        double e = z[i] - 0.3 * (double)i + 1, product = z[i] * z[(i + 1) % p->n];
        f += e * e / 2 + log(cosh(product));
        g[i] += e + tanh(product) * z[(i + 1) % p->n];
        g[(i + 1) % p->n] += tanh(product) * z[i];
    }
    return f;
}

/* |z|^2 = 4;  exp(z_0) + z_1 z_2 = 1.5;  sin(z_3) + z_4^2 - z_5 + z_6 z_9 = 0.2 */
static void nonlinear(const struct constrained *p, const double *z, double *c, double *J)
{
    c[0] = cblas_ddot((int)p->n, z, 1, z, 1) - 4;
    c[1] = exp(z[0]) + z[1] * z[2] - 1.5;
    c[2] = sin(z[3]) + z[4] * z[4] - z[5] + z[6] * z[9] - 0.2;
    memset(J, 0, 3 * p->n * sizeof *J);
    for (size_t i = 0; i < p->n; i++)
        J[3 * i] = 2 * z[i];
    J[1] = exp(z[0]);
    J[1 + 3] = z[2];
    J[1 + 6] = z[1];
    J[2 + 9] = cos(z[3]);
    J[2 + 12] = 2 * z[4];
    J[2 + 15] = -1;
    J[2 + 18] = z[9];
    J[2 + 27] = z[6];
}

static const struct constrained system_of_three = {.name = "three nonlinear equations",
                                                   .n = 10,
                                                   .m = 3,
                                                   .loss = smooth,
                                                   .constraints = nonlinear,
                                                   .start = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
                                                   FREE};

/* g - J'multipliers and c, of (z, multipliers). */
static void kkt(const struct constrained *p, const double *x, double *out)
{
    double J[MOST * MOST], g[MOST];
    p->loss(p, x, g);
    p->constraints(p, x, out + p->n, J);
    for (size_t i = 0; i < p->n; i++)
        out[i] = g[i] - cblas_ddot((int)p->m, J + i * p->m, 1, x + p->n, 1);
}

/* Newton's method on the KKT system from x = (z, multipliers), its matrix by central differences. */
static void newton(const struct constrained *p, double *x)
{
    const size_t size = p->n + p->m;
    double *K = numbers(ctx, size * size), r[2 * MOST], plus[2 * MOST], minus[2 * MOST];
    for (int k = 0; k < 8; k++) {
        for (size_t j = 0; j < size; j++) {
            const double before = x[j], h = 1e-5;
            x[j] = before + h;
            kkt(p, x, plus);
            x[j] = before - h;
            kkt(p, x, minus);
            x[j] = before;
            for (size_t i = 0; i < size; i++)
                K[i + j * size] = (plus[i] - minus[i]) / (2 * h);
        }
        kkt(p, x, r);
        dense_solve(ctx, size, K, r, r);
        cblas_daxpy((int)size, -1, r, 1, x, 1);
    }
    kkt(p, x, r);
    ck_assert_double_le(largest(size, r), 1e-12);
}

/* ---- runs ---- */

/* Both optimisers that take a filter: constant steps for one, falling ones for Adam, which never rests else.
 */
static struct how how(int which, double gamma)
{
    struct how made = {
        .optimizer = "gradient_descent", .rate = 0.05, .decay = 1, .momentum = 0.5, .steps = 3000};
    if (which == 1)
        made = (struct how){.optimizer = "adam", .rate = 0.1, .decay = 0.99, .steps = 2500};
    made.options = nullspace_options(ctx);
    made.options.gamma = gamma;
    return made;
}

static void assert_kkt(const struct constrained *p, const struct how *how, const struct outcome *end,
                       const double *z, const double *multipliers)
{
    for (size_t i = 0; i < p->n; i++)
        ck_assert_msg(fabs(end->z[i] - z[i]) <= 1e-6, "%s by %s: z[%zu] = %.12g, wanted %.12g", p->name,
                      how->optimizer, i, end->z[i], z[i]);
    for (size_t a = 0; a < p->m; a++)
        ck_assert_msg(fabs(end->multipliers[a] - multipliers[a]) <= 1e-5 * (1 + fabs(multipliers[a])),
                      "%s by %s: multiplier %zu = %.12g, wanted %.12g", p->name, how->optimizer, a,
                      end->multipliers[a], multipliers[a]);
    ck_assert_msg(end->violation <= 1e-10, "%s by %s: |c| = %g", p->name, how->optimizer, end->violation);
    ck_assert_msg(end->gradient <= 1e-5, "%s by %s: projected gradient %g", p->name, how->optimizer,
                  end->gradient);
}

START_TEST(a_quadratic_ends_at_its_kkt_point)
{
    kr_ctx_init(ctx, 0);
    for (int k = 0; k < 8; k++) {
        struct constrained p = quadratic_problem((uint64_t)k / 2);
        struct how h = how(k % 2, k < 4 ? 1 : 0.3);
        double wanted[QN + QM];
        quadratic_optimum(&p, wanted);
        struct outcome end = minimise(ctx, &p, &h);
        assert_kkt(&p, &h, &end, wanted, wanted + QN);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(rosenbrock_on_a_circle)
{
    kr_ctx_init(ctx, 0);
    for (int k = 0; k < 4; k++) {
        struct how h = how(k % 2, k < 2 ? 1 : 0.5);
        double z[2], multiplier;
        circle_optimum(z, &multiplier);
        struct outcome end = minimise(ctx, &on_a_circle, &h);
        assert_kkt(&on_a_circle, &h, &end, z, &multiplier);
    }
    kr_ctx_fini(ctx);
}
END_TEST

START_TEST(a_nonlinear_system_ends_at_its_kkt_point)
{
    kr_ctx_init(ctx, 0);
    for (int k = 0; k < 4; k++) {
        struct how h = how(k % 2, k < 2 ? 1 : 0.5);
        double x[2 * MOST], g[MOST];
        struct outcome end = minimise(ctx, &system_of_three, &h);
        memcpy(x, end.z, sizeof end.z);
        memcpy(x + system_of_three.n, end.multipliers, sizeof end.multipliers);
        newton(&system_of_three, x);
        assert_kkt(&system_of_three, &h, &end, x, x + system_of_three.n);
        ck_assert_double_lt(end.f, smooth(&system_of_three, system_of_three.start, g));
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* The optimum is made: z, multipliers of both kinds and active bounds are chosen, b and e follow. */
START_TEST(bounds_that_are_active_at_the_optimum)
{
    kr_ctx_init(ctx, 0);
    for (int k = 0; k < 8; k++) {
        struct constrained p = quadratic_problem(20 + (uint64_t)k / 2);
        struct how h = how(k % 2, 1);
        double *data = (double *)p.data, *z = random_numbers(ctx, QN, 40 + (uint64_t)k / 2),
               multipliers[QM] = {0.7, -1.5, 0.4};
        for (size_t i = 0; i < QN; i++) {
            double push = i % 4 == 0 ? 1 + 0.1 * (double)i : i % 4 == 2 ? -0.8 : 0;
            data[B_AT + i] = cblas_ddot(QN, data + Q_AT + i * QN, 1, z, 1) - push -
                             cblas_ddot(QM, data + A_AT + i * QM, 1, multipliers, 1);
            p.lower[i] = i % 4 == 0 ? z[i] : z[i] - 3;
            p.upper[i] = i % 4 == 2 ? z[i] : z[i] + 3;
            p.start[i] = fmin(fmax(p.start[i], p.lower[i]), p.upper[i]);
        }
        for (size_t a = 0; a < QM; a++)
            data[E_AT + a] = cblas_ddot(QN, data + A_AT + a, QM, z, 1);
        struct outcome end = minimise(ctx, &p, &h);
        assert_kkt(&p, &h, &end, z, multipliers);
        for (size_t i = 0; i < QN; i += 4)
            ck_assert_double_eq(end.z[i], p.lower[i]);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* ---- what gamma does ---- */

/* |c| falls by 1 - gamma: exactly for linear constraints, to first order for others. */
START_TEST(gamma_contracts_the_violation)
{
    static const double gammas[] = {0.1, 0.5, 0.9};
    kr_ctx_init(ctx, 0);
    for (int k = 0; k < 6; k++) {
        struct constrained p = k < 3 ? quadratic_problem(3) : system_of_three;
        struct how h = how(0, gammas[k % 3]);
        h.steps = 8;
        if (k >= 3) { /* near the constraint set and with short steps, second-order terms are small */
            struct how near = how(0, 1);
            near.steps = 50;
            struct outcome end = minimise(ctx, &p, &near);
            memcpy(p.start, end.z, sizeof p.start);
            p.start[5] += 1e-4;
            h.rate = 1e-9;
        }
        struct outcome end = minimise(ctx, &p, &h);
        for (int i = 1; i < 8; i++)
            NEAR(end.first[i] / end.first[0], pow(1 - gammas[k % 3], i), k < 3 ? 1e-11 : 1e-3);
    }
    kr_ctx_fini(ctx);
}
END_TEST

/* scale limits what a step restores; warm_up begins with less. Linear constraints, one of them violated. */
START_TEST(scale_and_warm_up_act_in_the_loop)
{
    kr_ctx_init(ctx, 0);
    struct constrained p = quadratic_problem(3);
    struct how h = how(0, 1);
    double g[MOST], c[QM], J[QM * QN], norm;
    h.steps = 8;
    quadratic_constraints(&p, p.start, c, J);
    quadratic_loss(&p, p.start, g);
    norm = cblas_dnrm2(QM, c, 1);
    h.options.scale = norm / 4; /* |c| falls by a quarter of its start a step, and is gone after four */
    struct outcome end = minimise(ctx, &p, &h);
    for (int i = 0; i < 8; i++)
        NEAR(end.first[i] / end.first[0], fmax(0, 1 - i / 4.0), 1e-11);
    h.options.scale = NAN;
    h.options.warm_up = 2; /* shares of 1/3, 2/3, 1 */
    end = minimise(ctx, &p, &h);
    NEAR(end.first[1] / end.first[0], 2.0 / 3, 1e-11);
    NEAR(end.first[2] / end.first[0], 2.0 / 9, 1e-11);
    NEAR(end.first[3] / end.first[0], 0, 1e-11);
    kr_ctx_fini(ctx);
}
END_TEST

SUITE("constrained", a_quadratic_ends_at_its_kkt_point, rosenbrock_on_a_circle,
      a_nonlinear_system_ends_at_its_kkt_point, bounds_that_are_active_at_the_optimum,
      gamma_contracts_the_violation, scale_and_warm_up_act_in_the_loop)
