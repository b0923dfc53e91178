/*
 * Loss and gradient, by solver and size: seconds, peak memory of the process, and the ratio to a reference
 * timed in the same run, LAPACK's Cholesky factorisation (OpenBLAS dpotrf, one thread) of an n x n matrix.
 * Friedman's first function with 8 features, 10 % of the rows held out, Matern 5/2 with ARD. Each case runs
 * in a process of its own, so that its peak is its own.
 *
 *     bench_gradient [N..]     default 1000 2000 5000
 */
#include "kriged/gp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);

enum { FEATURES = 8 };

struct measured {
    double seconds, reference, residual, loss;
    size_t iterations;
    bool done;
};

static void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s: %s\n", ctx->error.pointer, ctx->error.detail);
    _exit(1);
}

static void friedman(struct kr_ctx *ctx, size_t n, struct kr_dataset *out)
{
    struct kr_rng rng;
    double *x = kr_alloc(ctx, n * FEATURES, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y);
    static const char *const names[FEATURES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    if (!x || !y)
        die(ctx);
    kr_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < n * FEATURES; i++)
        x[i] = kr_rng_uniform(&rng);
    for (size_t i = 0; i < n; i++)
        y[i] = 10 * sin(M_PI * x[i] * x[n + i]) + 20 * pow(x[2 * n + i] - 0.5, 2) + 10 * x[3 * n + i] +
               5 * x[4 * n + i] + kr_rng_normal(&rng);
    *out = (struct kr_dataset){
        .n = n, .d = FEATURES, .x = x, .y = y, .feature_names = names, .target_name = "y"};
}

/* matern52 with ARD, a tenth held out, everything else by default. */
static kr_status describe(struct kr_ctx *ctx, const char *loss, const char *solver, size_t n,
                          struct kr_gp_spec *spec)
{
    struct kr_ints rows = {n / 10, NULL};
    KR_TRY(kr_schema_init(ctx, &kr_gp_spec_schema, spec));
    KR_TRY(kr_variant_init(ctx, &kr_kernel_registry, "matern52", &spec->model.kernel));
    KR_TRY(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    KR_TRY(kr_variant_init(ctx, &kr_validation_registry, "rows", &spec->objective.validation));
    KR_ALLOC(ctx, rows.items, rows.count);
    for (size_t i = 0; i < rows.count; i++)
        rows.items[i] = 10 * i;
    *(struct kr_ints *)spec->objective.validation.options = rows;
    const struct kr_kernel_type *kernel = (const struct kr_kernel_type *)spec->model.kernel.type;
    *(bool *)((char *)spec->model.kernel.options + kernel->ard) = true;
    spec->solver.type = kr_registry_find(&kr_solver_registry, solver);
    return KR_OK;
}

static double reference(struct kr_ctx *ctx, size_t n)
{
    double *a = kr_alloc(ctx, n * n, sizeof *a);
    const int order = (int)n;
    int info;
    if (!a)
        die(ctx);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = exp(-fabs((double)i - (double)j)) + (i == j);
    const double began = kr_seconds();
    dpotrf_("L", &order, a, &order, &info);
    return kr_seconds() - began;
}

static void measure(const char *loss, const char *solver, size_t n, struct measured *out)
{
    struct kr_ctx ctx;
    struct kr_dataset data;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    kr_ctx_init(&ctx, 0);
    ctx.threads = kr_cores();
    friedman(&ctx, n, &data);
    if (describe(&ctx, loss, solver, n, &spec) != KR_OK || kr_gp_init(&ctx, &spec, &data, &gp) != KR_OK)
        die(&ctx);
    double *grad = kr_alloc(&ctx, gp.parameters.count, sizeof *grad);
    const double began = kr_seconds();
    if (!grad || kr_objective_eval(&ctx, &gp, gp.start, false, &evaluation, grad) != KR_OK)
        die(&ctx);
    *out = (struct measured){kr_seconds() - began,         0,   evaluation.solver.residual, evaluation.loss,
                             evaluation.solver.iterations, true};
    kr_ctx_fini(&ctx);
}

/* In a child: `solver` NULL times the reference. Returns the peak in MiB. */
static double in_child(const char *loss, const char *solver, size_t n, struct measured *out)
{
    int fds[2], status;
    struct rusage usage;
    memset(out, 0, sizeof *out);
    if (pipe(fds) != 0)
        exit(1);
    fflush(stdout);
    const pid_t child = fork(); /* nothing has started OpenMP or BLAS in this process */
    if (child == 0) {
        struct measured mine = {0};
        struct kr_ctx ctx;
        kr_ctx_init(&ctx, 0);
        if (solver)
            measure(loss, solver, n, &mine);
        else
            mine = (struct measured){.reference = reference(&ctx, n), .done = true};
        _exit(write(fds[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
    }
    close(fds[1]);
    if (read(fds[0], out, sizeof *out) != sizeof *out)
        out->done = false;
    close(fds[0]);
    if (wait4(child, &status, 0, &usage) != child)
        exit(1);
    return (double)usage.ru_maxrss / 1024;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1000, 2000, 5000};
    static const struct {
        const char *loss, *solver;
        size_t most; /* rows: above, it takes minutes */
    } cases[] = {{"mse", "cholesky", 20000},  {"mse", "cg", 100000}, {"mse", "lsmr", 0},
                 {"nlpd", "cholesky", 20000}, {"nlpd", "cg", 10000}, {"nlpd", "lsmr", 0}};
    const size_t count = argc > 1 ? (size_t)argc - 1 : sizeof sizes / sizeof sizes[0];
    printf("%6s %5s %9s %10s %9s %10s %12s %12s\n", "n", "loss", "solver", "seconds", "x dpotrf", "peak MiB",
           "iterations", "residual");
    for (size_t s = 0; s < count; s++) {
        const size_t n = argc > 1 ? strtoul(argv[s + 1], NULL, 10) : sizes[s];
        struct measured potrf, case_of;
        in_child(NULL, NULL, n * 9 / 10, &potrf);
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            if (n > cases[c].most)
                continue;
            const double peak = in_child(cases[c].loss, cases[c].solver, n, &case_of);
            if (!case_of.done)
                return 1;
            printf("%6zu %5s %9s %10.3f %9.1f %10.0f %12zu %12.1e\n", n, cases[c].loss, cases[c].solver,
                   case_of.seconds, case_of.seconds / potrf.reference, peak, case_of.iterations,
                   case_of.residual);
        }
    }
    return 0;
}
