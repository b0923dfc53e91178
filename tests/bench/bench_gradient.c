/*
 * Loss and gradient, by solver and size: seconds, products with the matrix, peak memory of the process, the
 * error of the gradient against a factorisation in double with tight solves (by log-parameters, largest over
 * largest), and ratios to what others need for the same in the same run: LAPACK's Cholesky factorisation
 * (OpenBLAS dpotrf, one thread), plain dense torch in double, and scikit-learn's gradient of the evidence
 * (peers_gradient.py, two threads; a dash where it is not installed, or would take minutes). RBF with ARD, 8
 * normal features, lengthscales sqrt(8), noise 0.1, a fifth of the rows held out. Each case runs in a process
 * of its own, so that its peak is its own.
 *
 *     bench_gradient [N..]     default 1000 2000 5000 10000
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
    double gradient[FEATURES + 2]; /* by log-parameters */
    size_t products, single;
    bool done;
};

static void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s: %s\n", ctx->error.pointer, ctx->error.detail);
    _exit(1);
}

static void draw(struct kr_ctx *ctx, size_t n, struct kr_dataset *out)
{
    struct kr_rng rng;
    double *x = kr_alloc(ctx, n * FEATURES, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y);
    static const char *const names[FEATURES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    if (!x || !y)
        die(ctx);
    kr_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < n * FEATURES; i++)
        x[i] = kr_rng_normal(&rng);
    for (size_t i = 0; i < n; i++) {
        y[i] = 0.3 * kr_rng_normal(&rng);
        for (size_t k = 0; k < FEATURES; k++)
            y[i] += sin(2 * x[k * n + i]) / sqrt(FEATURES);
    }
    *out = (struct kr_dataset){
        .n = n, .d = FEATURES, .x = x, .y = y, .feature_names = names, .target_name = "y"};
}

/* RBF with ARD, a fifth held out; a tight reference, or everything else by default. */
static kr_status describe(struct kr_ctx *ctx, const char *loss, const char *solver, size_t n,
                          struct kr_gp_spec *spec)
{
    struct kr_ints rows = {n / 5, NULL};
    KR_TRY(kr_schema_init(ctx, &kr_gp_spec_schema, spec));
    KR_TRY(kr_variant_init(ctx, &kr_kernel_registry, "rbf", &spec->model.kernel));
    KR_TRY(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    KR_TRY(kr_variant_init(ctx, &kr_validation_registry, "rows", &spec->objective.validation));
    KR_ALLOC(ctx, rows.items, rows.count);
    for (size_t i = 0; i < rows.count; i++)
        rows.items[i] = 5 * i;
    *(struct kr_ints *)spec->objective.validation.options = rows;
    const struct kr_kernel_type *kernel = (const struct kr_kernel_type *)spec->model.kernel.type;
    *(bool *)((char *)spec->model.kernel.options + kernel->ard) = true;
    for (size_t p = 0; p < kernel->nparameters; p++)
        if (strcmp(kernel->parameters[p].name, "lengthscale") == 0)
            ((struct kr_param *)(void *)((char *)spec->model.kernel.options + kernel->parameters[p].offset))
                ->values[0]
                .value = sqrt(FEATURES);
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
    draw(&ctx, n, &data);
    if (describe(&ctx, loss, solver, n, &spec) != KR_OK || kr_gp_init(&ctx, &spec, &data, &gp) != KR_OK)
        die(&ctx);
    double *grad = kr_alloc(&ctx, gp.parameters.count, sizeof *grad);
    const double began = kr_seconds();
    if (!grad || kr_objective_eval(&ctx, &gp, gp.start, false, &evaluation, grad) != KR_OK)
        die(&ctx);
    *out = (struct measured){.seconds = kr_seconds() - began,
                             .residual = evaluation.solver.residual,
                             .loss = evaluation.loss,
                             .products = evaluation.solver.products,
                             .single = evaluation.solver.single_products,
                             .done = true};
    for (size_t p = 0; p < gp.parameters.count && p < FEATURES + 2; p++)
        out->gradient[p] = grad[p] * gp.start[p];
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

/* Seconds of a peer, by its script beside the sources; NaN where there is none. */
static double peer(const char *what, size_t n, size_t most)
{
    char command[256];
    double seconds = NAN;
    if (n > most)
        return NAN;
    snprintf(command, sizeof command, "/usr/bin/env python3 tests/bench/peers_gradient.py %s %zu 2>/dev/null",
             what, n);
    FILE *pipe = popen(command, "r");
    if (!pipe || fscanf(pipe, "%lf", &seconds) != 1)
        seconds = NAN;
    if (pipe)
        pclose(pipe);
    return seconds;
}

static double error_of(const struct measured *a, const struct measured *exact)
{
    double most = 0, size = 0;
    for (size_t p = 0; p < FEATURES + 2; p++) {
        most = fmax(most, fabs(a->gradient[p] - exact->gradient[p]));
        size = fmax(size, fabs(exact->gradient[p]));
    }
    return most / size;
}

static void ratio(double peer, double own)
{
    if (isnan(peer))
        printf(" %10s", "-");
    else
        printf(" %10.1f", peer / own);
}

/* All solvers for one loss and size. */
static bool compare(const char *loss, size_t n, double torch, double sklearn, double potrf)
{
    static const char *const solvers[] = {"cholesky", "cg"};
    struct measured of[2];
    for (int s = 0; s < 2; s++) {
        const double peak = in_child(loss, solvers[s], n, &of[s]);
        if (!of[s].done)
            return false;
        printf("%6zu %5s %9s %9.3f %9.1f %8zu %8zu %9.0f %10.1e", n, loss, solvers[s], of[s].seconds,
               of[s].seconds / potrf, of[s].products, of[s].single, peak, error_of(&of[s], &of[0]));
        ratio(torch, of[s].seconds);
        ratio(sklearn, of[s].seconds);
        printf("\n");
    }
    return true;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1000, 2000, 5000, 10000};
    const size_t count = argc > 1 ? (size_t)argc - 1 : sizeof sizes / sizeof sizes[0];
    printf("%6s %5s %9s %9s %9s %8s %8s %9s %10s %10s %10s\n", "n", "loss", "solver", "seconds", "x dpotrf",
           "products", "single", "peak MiB", "grad error", "torch /", "sklearn /");
    for (size_t s = 0; s < count; s++) {
        const size_t n = argc > 1 ? strtoul(argv[s + 1], NULL, 10) : sizes[s];
        const double mse = peer("torch-mse", n, 5000), nlpd = peer("torch-nlpd", n, 5000),
                     sklearn = peer("sklearn-evidence", n, 5000);
        struct measured potrf;
        in_child(NULL, NULL, n * 4 / 5, &potrf);
        if (!compare("mse", n, mse, sklearn, potrf.reference) ||
            !compare("nlpd", n, nlpd, sklearn, potrf.reference))
            return 1;
    }
    return 0;
}
