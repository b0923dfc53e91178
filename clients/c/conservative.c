/*
 * conservative: a small network for a force field in the plane that can create no energy.
 *
 *     f(x) = sum_h v_h tanh(w_h'x + b_h) + u,   f, x in R^2, fitted to noisy measurements of a gradient field
 *     subject to     curl f(x_i) = df_1/dx_0 - df_0/dx_1 = 0     at collocation points x_i
 *
 * The instrument also turns the field a little, so that what it measures has a curl: the unconstrained fit
 * learns that, and a particle gains energy on every round. The constrained fit is conservative between the
 * collocation points too, at almost the same loss, and nearer to the truth.
 *
 * What to look at: the products J v (forward mode) and J'u (reverse mode) of the constraints, written by hand
 * as two functions of a few lines and tested by kr_op_check; the loop in fit.
 *
 *     build/examples/conservative --steps 2000
 */
#include "flags.h"
#include "kriged/nullspace.h"
#include "kriged/opt.h"

#include <math.h>

/* What one hidden unit consists of; parameters are units one after the other, then u. */
struct unit {
    double w[2], b, v[2];
};
enum { UNIT = sizeof(struct unit) / sizeof(double) };

struct points {
    size_t count;
    double (*x)[2], (*y)[2];
};

struct field {
    size_t units, n; /* n = UNIT units + 2 */
    struct points samples, held_out, truth, collocation;
    const double *z; /* where the constraints were evaluated, and */
    double *t;       /* the tanh of every unit there, one point after the other */
};

static const struct unit *units_of(const double *z)
{
    return (const struct unit *)z;
}

static double output(const struct unit *p, const double *x)
{
    return tanh(p->w[0] * x[0] + p->w[1] * x[1] + p->b);
}

/* ---- the field and its loss ---- */

static void value(const struct field *field, const double *z, const double *x, double *f)
{
    f[0] = z[field->n - 2];
    f[1] = z[field->n - 1];
    for (size_t h = 0; h < field->units; h++) {
        const struct unit *p = units_of(z) + h;
        const double t = output(p, x);
        f[0] += p->v[0] * t;
        f[1] += p->v[1] * t;
    }
}

/* Mean of |f(x) - y|^2; adds its gradient when there is room for it. */
static double loss(const struct field *field, const struct points *points, const double *z, double *gradient)
{
    double sum = 0;
    for (size_t i = 0; i < points->count; i++) {
        const double *x = points->x[i];
        double e[2];
        value(field, z, x, e);
        e[0] -= points->y[i][0];
        e[1] -= points->y[i][1];
        sum += e[0] * e[0] + e[1] * e[1];
        for (size_t h = 0; gradient && h < field->units; h++) {
            const struct unit *p = units_of(z) + h;
            struct unit *g = (struct unit *)gradient + h;
            const double share = 2 / (double)points->count, t = output(p, x),
                         a = share * (e[0] * p->v[0] + e[1] * p->v[1]) * (1 - t * t);
            for (int k = 0; k < 2; k++) {
                g->w[k] += a * x[k];
                g->v[k] += share * e[k] * t;
            }
            g->b += a;
        }
        for (int k = 0; gradient && k < 2; k++)
            gradient[field->n - 2 + (size_t)k] += 2 / (double)points->count * e[k];
    }
    return sum / (double)points->count;
}

/* ---- the constraints: curl f(x) = sum_h s q,  s = 1 - t^2,  q = v_1 w_0 - v_0 w_1 ---- */

static double turn_of(const struct unit *p)
{
    return p->v[1] * p->w[0] - p->v[0] * p->w[1];
}

static double curl(const struct field *field, const double *z, const double *x)
{
    double sum = 0;
    for (size_t h = 0; h < field->units; h++) {
        const double t = output(units_of(z) + h, x);
        sum += (1 - t * t) * turn_of(units_of(z) + h);
    }
    return sum;
}

/* Forward mode: how the curl at every point changes along the direction d. */
static kr_status forward(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *D, double *Y)
{
    const struct field *field = op->self;
    (void)ctx;
    memset(Y, 0, k * op->rows * sizeof *Y);
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            for (size_t h = 0; h < field->units; h++) {
                const struct unit *p = units_of(field->z) + h, *d = units_of(D + c * op->cols) + h;
                const double *x = field->collocation.x[i], t = field->t[i * field->units + h], s = 1 - t * t;
                const double da = d->w[0] * x[0] + d->w[1] * x[1] + d->b, ds = -2 * t * s * da,
                             dq = d->v[1] * p->w[0] + p->v[1] * d->w[0] - d->v[0] * p->w[1] -
                                  p->v[0] * d->w[1];
                Y[c * op->rows + i] += s * dq + ds * turn_of(p);
            }
    return KR_OK;
}

/* Reverse mode: the gradient of sum_i u_i curl f(x_i). */
static kr_status reverse(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, double *Y)
{
    const struct field *field = op->self;
    (void)ctx;
    memset(Y, 0, k * op->cols * sizeof *Y);
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < op->rows; i++)
            for (size_t h = 0; h < field->units; h++) {
                const struct unit *p = units_of(field->z) + h;
                struct unit *g = (struct unit *)(Y + c * op->cols) + h;
                const double *x = field->collocation.x[i], t = field->t[i * field->units + h], s = 1 - t * t;
                const double q_bar = U[c * op->rows + i] * s, a_bar = -2 * t * q_bar * turn_of(p);
                g->w[0] += a_bar * x[0] + q_bar * p->v[1];
                g->w[1] += a_bar * x[1] - q_bar * p->v[0];
                g->b += a_bar;
                g->v[0] -= q_bar * p->w[1];
                g->v[1] += q_bar * p->w[0];
            }
    return KR_OK;
}

static const struct kr_op_type jacobian = {.name = "curl", .apply = forward, .apply_t = reverse};

static void constraints(struct field *field, const double *z, double *c, struct kr_op *J)
{
    const struct points *points = &field->collocation;
    field->z = z;
    for (size_t i = 0; i < points->count; i++) {
        c[i] = curl(field, z, points->x[i]);
        for (size_t h = 0; h < field->units; h++)
            field->t[i * field->units + h] = output(units_of(z) + h, points->x[i]);
    }
    *J = (struct kr_op){.type = &jacobian, .rows = points->count, .cols = field->n, .self = field};
}

/* ---- fitting ---- */

/* The true field, the gradient of sin(2 x_0) cos(x_1) + x_0 x_1 / 2; measured turned a little, with noise. */
static kr_status make_points(struct kr_ctx *ctx, struct kr_rng *rng, size_t side, bool measured,
                             struct points *points)
{
    points->count = side * side;
    KR_ALLOC(ctx, points->x, points->count);
    KR_ALLOC(ctx, points->y, points->count);
    for (size_t i = 0; i < points->count; i++) {
        double *x = points->x[i], *y = points->y[i];
        x[0] = 3 * (measured ? kr_rng_uniform(rng) : ((double)(i / side) + 0.5) / (double)side) - 1.5;
        x[1] = 3 * (measured ? kr_rng_uniform(rng) : ((double)(i % side) + 0.5) / (double)side) - 1.5;
        const double turn = measured ? 0.2 * exp(-x[0] * x[0] - x[1] * x[1]) : 0, noise = measured ? 0.1 : 0;
        y[0] = 2 * cos(2 * x[0]) * cos(x[1]) + x[1] / 2 - turn * x[1] + noise * kr_rng_normal(rng);
        y[1] = -sin(2 * x[0]) * sin(x[1]) + x[0] / 2 + turn * x[0] + noise * kr_rng_normal(rng);
    }
    return KR_OK;
}

struct fit {
    const struct kr_optimizer_type *adam;
    struct kr_adam_options *options;
    struct kr_nullspace_options nullspace;
    double *z, *next, *g, *g_free, *c, *state;
};

static kr_status fit_init(struct kr_ctx *ctx, const struct field *field, uint64_t seed, struct fit *fit)
{
    struct kr_variant row;
    struct kr_rng rng;
    KR_TRY(kr_variant_init(ctx, &kr_optimizer_registry, "adam", &row));
    fit->adam = (const struct kr_optimizer_type *)row.type;
    fit->options = row.options;
    KR_TRY(kr_schema_init(ctx, &kr_nullspace_options_schema, &fit->nullspace));
    fit->nullspace.gamma = 0.5;
    fit->nullspace.solver_tolerance = 1e-8;
    KR_ALLOC(ctx, fit->z, field->n);
    KR_ALLOC(ctx, fit->next, field->n);
    KR_ALLOC(ctx, fit->g, field->n);
    KR_ALLOC(ctx, fit->g_free, field->n);
    KR_ALLOC(ctx, fit->c, field->collocation.count);
    KR_ALLOC(ctx, fit->state, fit->adam->state_size(fit->options, field->n));
    kr_rng_init(&rng, seed, 1);
    for (size_t i = 0; i < field->n; i++)
        fit->z[i] = kr_rng_normal(&rng) * (i % UNIT < 3 ? 1 : 0.1);
    fit->adam->init(fit->options, field->n, NULL, NULL, fit->z, fit->state);
    return KR_OK;
}

static kr_status step(struct kr_ctx *ctx, struct field *field, struct fit *fit, bool constrained,
                      size_t number)
{
    struct kr_op J;
    struct kr_lstsq_report solve;
    struct kr_nullspace_report filter;
    memset(fit->g, 0, field->n * sizeof *fit->g);
    const double f = loss(field, &field->samples, fit->z, fit->g);
    if (!constrained) {
        fit->adam->tell(fit->options, field->n, NULL, NULL, fit->state, fit->z, f, fit->g);
        fit->adam->ask(fit->options, field->n, NULL, NULL, fit->state, fit->z);
        return KR_OK;
    }
    constraints(field, fit->z, fit->c, &J);
    if (number == 0) /* are forward and reverse each other's adjoint? */
        KR_TRY(kr_op_check(ctx, &J, 3, 1, 0, NULL));
    KR_TRY(kr_nullspace_gradient(ctx, &fit->nullspace, &J, NULL, NULL, fit->z, fit->g, fit->g_free, NULL,
                                 &solve));
    fit->adam->tell(fit->options, field->n, NULL, NULL, fit->state, fit->z, f, fit->g_free);
    fit->adam->ask(fit->options, field->n, NULL, NULL, fit->state, fit->next);
    KR_TRY(kr_nullspace_filter(ctx, &fit->nullspace, number, &J, fit->c, NULL, NULL, fit->z, fit->next,
                               fit->next, &filter));
    memcpy(fit->z, fit->next, field->n * sizeof *fit->z);
    return KR_OK;
}

/* Largest |curl| at the points. */
static double largest_curl(const struct field *field, const struct points *points, const double *z)
{
    double most = 0;
    for (size_t i = 0; i < points->count; i++)
        most = fmax(most, fabs(curl(field, z, points->x[i])));
    return most;
}

/* Mean squared errors on the samples, on others, and to the true field; the largest |curl| at the collocation
 * points and on a fine grid. */
struct quality {
    double mse, held_out, error, curl, elsewhere;
};

static struct quality quality(const struct field *field, const double *z)
{
    return (struct quality){loss(field, &field->samples, z, NULL), loss(field, &field->held_out, z, NULL),
                            loss(field, &field->truth, z, NULL), largest_curl(field, &field->collocation, z),
                            largest_curl(field, &field->truth, z)};
}

static void print(const char *before, struct quality q, const char *after)
{
    printf("%s{\"mse\": %.5f, \"held_out_mse\": %.5f, \"error\": %.5f, \"curl\": %.1e, \"curl_elsewhere\": "
           "%.1e}%s",
           before, q.mse, q.held_out, q.error, q.curl, q.elsewhere, after);
}

static kr_status compare(struct kr_ctx *ctx, struct field *field, size_t steps, size_t points, uint64_t seed)
{
    struct kr_rng rng;
    struct fit fits[2];
    kr_rng_init(&rng, seed, 0);
    KR_TRY(make_points(ctx, &rng, 16, true, &field->samples));
    KR_TRY(make_points(ctx, &rng, 32, true, &field->held_out));
    KR_TRY(make_points(ctx, &rng, 40, false, &field->truth));
    KR_TRY(make_points(ctx, &rng, points, false, &field->collocation));
    KR_ALLOC(ctx, field->t, field->collocation.count * field->units);
    for (int k = 0; k < 2; k++)
        KR_TRY(fit_init(ctx, field, seed, &fits[k]));
    printf("       mse held out    error     curl elsewhere | the same, constrained\n");
    for (size_t s = 0; s <= steps; s++) {
        for (int k = 0; k < 2 && s % 100 == 0; k++) {
            const struct quality q = quality(field, fits[k].z);
            printf("  %8.5f %8.5f %8.5f %8.1e %8.1e%s", q.mse, q.held_out, q.error, q.curl, q.elsewhere,
                   k == 0 ? " |" : "\n");
        }
        for (int k = 0; k < 2 && s < steps; k++) {
            fits[k].options->learning_rate = 0.02 * (1 - (double)s / (double)steps);
            KR_TRY(step(ctx, field, &fits[k], k == 1, s));
        }
    }
    print("{\"unconstrained\": ", quality(field, fits[0].z), ", ");
    print("\"constrained\": ", quality(field, fits[1].z), "}\n");
    return KR_OK;
}

int main(int argc, char **argv)
{
    size_t steps = 1000, units = 32, points = 7, seed = 1;
    const struct flag flags[] = {
        {"--steps", &steps}, {"--units", &units}, {"--points", &points}, {"--seed", &seed}};
    if (!read_flags(argc, argv, flags, sizeof flags / sizeof flags[0]))
        return 2;
    struct kr_ctx ctx;
    struct field field = {.units = units, .n = UNIT * units + 2};
    kr_ctx_init(&ctx, 0);
    return finish(&ctx, compare(&ctx, &field, steps, points, seed));
}
