/*
 * lstsq: a least-squares problem of your own operator, solved and differentiated, the derivative checked.
 *
 *     x(theta) = argmin |A(theta) x - b|^2,    L = |x|^2 / 2,    dL/dtheta by three more products and solves
 *
 * A is a moving average with weights theta over b's rows: y_i = sum_t theta_t x_{i - t}, a tall matrix that
 * is never stored. What an operator owes is apply, apply_t and pull; kr_op_check says whether they agree.
 */
#include "kriged/lstsq.h"
#include "flags.h"

#include <math.h>

enum { N = 2000, TAPS = 5, M = N + TAPS - 1 };

/* Y = A X: k columns, one after the other. */
static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const double *theta = op->self;
    (void)ctx;
    for (size_t c = 0; c < k; c++)
        for (size_t i = 0; i < M; i++) {
            Y[c * M + i] = 0;
            for (size_t t = 0; t < TAPS; t++)
                if (i >= t && i - t < N)
                    Y[c * M + i] += theta[t] * X[c * N + i - t];
        }
    return KR_OK;
}

/* X = A'Y */
static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *Y, double *X)
{
    const double *theta = op->self;
    (void)ctx;
    for (size_t c = 0; c < k; c++)
        for (size_t j = 0; j < N; j++) {
            X[c * N + j] = 0;
            for (size_t t = 0; t < TAPS; t++)
                X[c * N + j] += theta[t] * Y[c * M + j + t];
        }
    return KR_OK;
}

/* grad += alpha d<U, A(theta) V>/dtheta: the one derivative that an operator owes. */
static kr_status pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, const double *V,
                      double alpha, double *grad)
{
    (void)ctx, (void)op;
    for (size_t c = 0; c < k; c++)
        for (size_t j = 0; j < N; j++)
            for (size_t t = 0; t < TAPS; t++)
                grad[t] += alpha * U[c * M + j + t] * V[c * N + j];
    return KR_OK;
}

static const struct kr_op_type average = {
    .name = "moving average", .apply = apply, .apply_t = apply_t, .pull = pull};

/* L and, added to grad where that is not NULL, dL/dtheta. */
static kr_status value(struct kr_ctx *ctx, const double *theta, const double *b, double *L, double *grad)
{
    const struct kr_op A = {.type = &average, .rows = M, .cols = N, .self = theta};
    struct kr_lstsq_options options;
    struct kr_lstsq_report report;
    struct kr_lstsq problem;
    double *x, *r;
    KR_ALLOC(ctx, x, N);
    KR_ALLOC(ctx, r, M);
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_report_schema, &report));
    options.atol = options.btol = 1e-12;
    KR_TRY(kr_lstsq_open(ctx, &options, &A, 0, NULL, &problem));
    KR_TRY(kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, r, NULL, &report));
    KR_TRY(kr_lstsq_require(ctx, &report));
    *L = 0;
    for (size_t i = 0; i < N; i++)
        *L += x[i] * x[i] / 2;
    if (!grad)
        return KR_OK;
    KR_TRY(kr_lstsq_pull(ctx, &problem, 1, x, r, x, NULL, grad, NULL, &report)); /* dL/dx is x itself */
    printf("value and gradient: %zu iterations, %zu products, preconditioner %s (%s)\n", report.iterations,
           report.products, kr_lstsq_preconditioner_names[report.preconditioner], report.reason);
    printf("stopped because: %s; true |A'r|/(|A||r|) = %.1e\n", kr_lstsq_stop_names[report.stop],
           report.normal_residual);
    return KR_OK;
}

static kr_status example(struct kr_ctx *ctx)
{
    double theta[TAPS] = {0.4, 1, 0.7, 0.2, -0.1}, grad[TAPS] = {0}, *b, L, plus, minus, worst = 0;
    const struct kr_op A = {.type = &average, .rows = M, .cols = N, .self = theta};
    struct kr_rng rng;
    KR_ALLOC(ctx, b, M);
    kr_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < M; i++)
        b[i] = kr_rng_normal(&rng);
    KR_TRY(kr_op_check(ctx, &A, 3, 1, TAPS, theta)); /* adjoint, blocks, derivative */
    KR_TRY(value(ctx, theta, b, &L, grad));
    for (size_t t = 0; t < TAPS; t++) {
        const double h = 1e-5, before = theta[t];
        theta[t] = before + h;
        KR_TRY(value(ctx, theta, b, &plus, NULL));
        theta[t] = before - h;
        KR_TRY(value(ctx, theta, b, &minus, NULL));
        theta[t] = before;
        const double difference = (plus - minus) / (2 * h);
        worst = fmax(worst, fabs(grad[t] - difference) / (1 + fabs(difference)));
        printf("dL/dtheta_%zu = %12.6f, central difference %12.6f\n", t, grad[t], difference);
    }
    printf("{\"value\": %.9g, \"gradient_error\": %.1e}\n", L, worst);
    return KR_OK;
}

int main(void)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    return finish(&ctx, example(&ctx));
}
