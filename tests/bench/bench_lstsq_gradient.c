/*
 * One value and one gradient of the least-squares operator: by the implicit formulas (kr_lstsq_solve and
 * kr_lstsq_pull) against differentiation through the iterations, in the same run. The rival (unrolled_lsmr.h)
 * runs as many LSMR iterations as the forward solve took, keeps the vectors of all of them, and sweeps back
 * with one product with A and one with A' an iteration; its weighted derivatives are collected and done in
 * blocks of 32 iterations, as a good tape would, and, once more, in every iteration, as automatic
 * differentiation does. A linear loss; the gradient is that of b and of A's parameters (stored matrix: its
 * entries; convolution: 5 x 5 taps). The best of 3 runs of each; in brackets, times the seconds of the
 * implicit one. MiB: what the arena grew by (what still fitted it counts 0), implicit / unrolled. Error: of
 * A's gradient against the implicit one at 1e-13, implicit / unrolled.
 *
 *     bench_lstsq_gradient [large]          one thread; large: twice the size
 */
#include "../solve/lstsq_exact.h"
#include "unrolled_lsmr.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 3 };

struct task {
    const char *name;
    struct kr_op A;
    size_t count; /* parameters */
    double damping;
    const double *b, *x_bar;
};

struct result {
    double seconds, mebibytes, *grad, *b_bar;
    size_t iterations, solves;
};

static void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s\n", ctx->error.detail);
    exit(1);
}

static kr_status outputs(struct kr_ctx *ctx, const struct task *t, struct result *out)
{
    KR_ALLOC(ctx, out->grad, t->count);
    KR_ALLOC(ctx, out->b_bar, t->A.rows);
    ctx->peak = ctx->used;
    return KR_OK;
}

static kr_status implicit(struct kr_ctx *ctx, const struct task *t, double tolerance, struct result *out)
{
    struct kr_lstsq_options options;
    struct kr_lstsq_report report = {0};
    struct kr_lstsq problem;
    double *x, *r;
    KR_TRY(outputs(ctx, t, out));
    const size_t before = ctx->used;
    struct kr_mark mark = kr_mark(ctx);
    const double began = kr_seconds();
    KR_TRY(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.atol = options.btol = tolerance;
    options.preconditioner = KR_LSTSQ_NONE;
    KR_ALLOC(ctx, x, t->A.cols);
    KR_ALLOC(ctx, r, t->A.rows);
    KR_TRY(kr_lstsq_open(ctx, &options, &t->A, t->damping, NULL, &problem));
    KR_TRY(kr_lstsq_solve(ctx, &problem, 1, t->b, NULL, x, r, NULL, &report));
    out->iterations = report.iterations;
    KR_TRY(kr_lstsq_pull(ctx, &problem, 1, x, r, t->x_bar, out->b_bar, out->grad, NULL, &report));
    KR_TRY(kr_lstsq_require(ctx, &report));
    out->seconds = kr_seconds() - began;
    out->solves = report.solves;
    out->mebibytes = (double)(ctx->peak - before) / (1 << 20);
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status through_iterations(struct kr_ctx *ctx, const struct task *t, size_t iterations, size_t chunk,
                                    struct result *out)
{
    double *x;
    KR_TRY(outputs(ctx, t, out));
    const size_t before = ctx->used;
    struct kr_mark mark = kr_mark(ctx);
    const double began = kr_seconds();
    struct unrolled run = {.A = &t->A, .damping = t->damping, .iterations = iterations, .chunk = chunk};
    KR_ALLOC(ctx, x, t->A.cols);
    KR_TRY(unrolled_forward(ctx, &run, t->b, x));
    KR_TRY(unrolled_reverse(ctx, &run, t->x_bar, out->b_bar, out->grad));
    out->seconds = kr_seconds() - began;
    out->iterations = run.iterations;
    out->mebibytes = (double)(ctx->peak - before) / (1 << 20);
    kr_release(ctx, mark);
    return KR_OK;
}

/* The best of RUNS, each with outputs that start at 0; the last one's outputs stay. chunk = 0: implicit. */
static void measure(struct kr_ctx *ctx, const struct task *t, double tolerance, size_t iterations,
                    size_t chunk, struct result *out)
{
    double best = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        if ((chunk ? through_iterations(ctx, t, iterations, chunk, out) : implicit(ctx, t, tolerance, out)) !=
            KR_OK)
            die(ctx);
        best = fmin(best, out->seconds);
    }
    out->seconds = best;
}

static void compare(struct kr_ctx *ctx, const struct task *t, double tolerance)
{
    struct kr_mark mark = kr_mark(ctx);
    struct result exact, ours, each, theirs;
    if (implicit(ctx, t, 1e-13, &exact) != KR_OK)
        die(ctx);
    measure(ctx, t, tolerance, 0, 0, &ours);
    measure(ctx, t, tolerance, ours.iterations, 32, &theirs);
    measure(ctx, t, tolerance, ours.iterations, 1, &each);
    printf(
        "| %s | %zu x %zu | %.0e | %zu | %zu | %.3f | %.3f (%.1f) | %.3f (%.1f) | %.1f / %.1f | %.0e / %.0e "
        "|\n",
        t->name, t->A.rows, t->A.cols, tolerance, theirs.iterations, ours.solves, ours.seconds,
        theirs.seconds, theirs.seconds / ours.seconds, each.seconds, each.seconds / ours.seconds,
        ours.mebibytes, theirs.mebibytes, off(t->count, ours.grad, exact.grad),
        off(t->count, theirs.grad, exact.grad));
    fflush(stdout);
    kr_release(ctx, mark);
}

static void at_two_tolerances(struct kr_ctx *ctx, const struct task *t)
{
    compare(ctx, t, 1e-4);
    compare(ctx, t, 1e-8);
}

/* Random entries, rows or columns (the shorter side) scaled from 1 to 1/spread; I added to a square one. */
static void dense(struct kr_ctx *ctx, const char *name, size_t m, size_t n, double spread, double damping)
{
    struct kr_mark mark = kr_mark(ctx);
    struct task t = {.name = name,
                     .count = m * n,
                     .damping = damping,
                     .b = normals(ctx, m, 21),
                     .x_bar = normals(ctx, n, 22)};
    double *A = normals(ctx, m * n, 23);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++) {
            A[i + j * m] /= 4 * sqrt((double)(m > n ? m : n));
            A[i + j * m] += m == n && i == j;
            A[i + j * m] *= pow(spread, -(double)(m < n ? i : j) / (double)smaller(m, n));
        }
    if (kr_op_dense(ctx, m, n, A, &t.A) != KR_OK)
        die(ctx);
    at_two_tolerances(ctx, &t);
    kr_release(ctx, mark);
}

/* A blur whose width says how hard it is to undo. */
static void convolution(struct kr_ctx *ctx, const char *name, enum kr_convolution mode, size_t size,
                        double width, double damping)
{
    struct kr_mark mark = kr_mark(ctx);
    double taps[25], sum = 0;
    struct task t = {.name = name, .count = 25, .damping = damping};
    for (int i = 0; i < 25; i++)
        sum += taps[i] = exp(-((i / 5 - 2) * (i / 5 - 2) + (i % 5 - 2) * (i % 5 - 2)) / (2 * width * width));
    for (int i = 0; i < 25; i++)
        taps[i] /= sum;
    if (kr_op_convolution(ctx, mode, size, size, 5, 5, taps, &t.A) != KR_OK)
        die(ctx);
    t.b = normals(ctx, t.A.rows, 21);
    t.x_bar = normals(ctx, t.A.cols, 22);
    at_two_tolerances(ctx, &t);
    kr_release(ctx, mark);
}

int main(int argc, char **argv)
{
    struct kr_ctx context, *ctx = &context;
    const bool large = argc > 1 && strcmp(argv[1], "large") == 0;
    const size_t rows = large ? 4000 : 1200, size = large ? 512 : 256;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    printf("| problem | size | tolerance | iterations | solves | s, implicit | s, unrolled | s, unrolled by "
           "iteration | MiB | error |\n|---|---|---|---|---|---|---|---|---|---|\n");
    dense(ctx, "dense, tall", rows, rows / 2, 10, 0);
    dense(ctx, "dense, wide", rows / 2, rows, 10, 0);
    dense(ctx, "dense, square", rows * 7 / 10, rows * 7 / 10, 10, 0);
    dense(ctx, "dense, damped", rows, rows / 2, 1e3, 0.02);
    for (size_t s = size / 2; s <= size; s *= 2) {
        convolution(ctx, "blur, tall", KR_CONVOLUTION_FULL, s, 0.6, 0);
        convolution(ctx, "blur, wide", KR_CONVOLUTION_VALID, s, 0.6, 0);
        convolution(ctx, "blur, square", KR_CONVOLUTION_SAME, s, 0.6, 0);
        convolution(ctx, "blur, damped", KR_CONVOLUTION_SAME, s, 0.8, 0.05);
    }
    kr_ctx_fini(ctx);
    return 0;
}
