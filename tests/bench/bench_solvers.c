/*
 * One block solve with K(X, X) + noise I, by solver, preconditioner, precision, size and noise: rank,
 * iterations, products, those in single precision, seconds (the factor or the preconditioner included, and
 * opening alone), their ratio to LAPACK's Cholesky factorisation (OpenBLAS dpotrf, one thread) of that n in
 * the same run, and the residual that was measured.
 *
 *     bench_solvers [key=value[,value..]..]
 *
 * takes all combinations; defaults below in `axes`. `together`: columns given to one solve (0 = all);
 * iterations are then the sum. X is normal in d features, lengthscale sqrt(d); the first right-hand side is a
 * smooth function plus noise, the others are columns of K for more normal points.
 */
#include "support.h"

#include "kriged/solve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);

enum { MOST = 16 };

static struct axis {
    const char *name;
    char text[256];
    const char *values[MOST];
    size_t count;
} axes[] = {
    {"kernel", "rbf,matern32", {0}, 0},
    {"d", "1,8", {0}, 0},
    {"n", "1000,2000,4000", {0}, 0},
    {"noise", "1e-1,1e-2,1e-3", {0}, 0},
    {"k", "1", {0}, 0},
    {"together", "0", {0}, 0},
    {"solver", "cholesky,cg", {0}, 0},
    {"preconditioner", "none,auto", {0}, 0},
    {"rank", "0", {0}, 0},
    {"select", "uniform", {0}, 0},
    {"rtol", "1e-8", {0}, 0},
    {"precision", "auto", {0}, 0},
    {"threads", "2", {0}, 0},
};
enum {
    KERNEL,
    D,
    N,
    NOISE,
    K,
    TOGETHER,
    SOLVER,
    PRECONDITIONER,
    RANK,
    SELECT,
    RTOL,
    PRECISION,
    THREADS,
    AXES
};

static double reference(size_t n)
{
    static size_t last;
    static double seconds;
    struct kr_ctx ctx;
    const int order = (int)n;
    int info;
    if (n == last)
        return seconds;
    kr_ctx_init(&ctx, 0);
    double *a = kr_alloc(&ctx, n * n, sizeof *a);
    if (!a)
        die(&ctx);
    seconds = INFINITY;
    for (int repeat = 0; repeat < 3; repeat++) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                a[i * n + j] = exp(-fabs((double)i - (double)j)) + (i == j);
        const double began = kr_seconds();
        dpotrf_("L", &order, a, &order, &info);
        seconds = fmin(seconds, kr_seconds() - began);
    }
    kr_ctx_fini(&ctx);
    last = n;
    return seconds;
}

struct system {
    size_t n, k, d;
    double theta[3];
    struct kr_op gram, noisy;
    double *B, *X;
};

static kr_status build(struct kr_ctx *ctx, const char *const *v, struct system *s)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                        "i", "j", "k", "l", "m", "n", "o", "p"};
    struct kr_variant spec;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_op cross;
    *s = (struct system){
        .n = strtoul(v[N], NULL, 10), .k = strtoul(v[K], NULL, 10), .d = strtoul(v[D], NULL, 10)};
    s->theta[0] = 1;
    s->theta[1] = sqrt((double)s->d);
    s->theta[2] = atof(v[NOISE]);
    KR_TRY(kr_variant_init(ctx, &kr_kernel_registry, v[KERNEL], &spec));
    KR_TRY(kr_kernel_build(ctx, &spec, s->d, names, "", "kernel", &parameters, &kernel));
    const struct kr_points x = {s->n, s->d, s->n, normals(ctx, s->n * s->d, 1)},
                           z = {s->k, s->d, s->k, normals(ctx, s->k * s->d, 2)};
    KR_TRY(kr_op_kernel(ctx, kernel, s->theta, &x, NULL, &s->gram));
    KR_TRY(kr_op_shift(ctx, &s->gram, s->theta, 2, NULL, &s->noisy));
    KR_TRY(kr_op_kernel(ctx, kernel, s->theta, &x, &z, &cross));
    KR_ALLOC(ctx, s->B, s->n * s->k);
    KR_ALLOC(ctx, s->X, s->n * s->k);
    KR_TRY(kr_op_fill(ctx, &cross, s->B));
    const double *noise = normals(ctx, s->n, 3);
    for (size_t i = 0; i < s->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < s->d; j++)
            sum += sin(2 * x.x[j * s->n + i]);
        s->B[i] = sum / sqrt((double)s->d) + sqrt(s->theta[2]) * noise[i];
    }
    return KR_OK;
}

static kr_status measure(struct kr_ctx *ctx, const char *const *v)
{
    struct system s;
    struct kr_solver_options options;
    struct kr_solver solver;
    struct kr_solve_report report = {0};
    const double potrf = reference(strtoul(v[N], NULL, 10));
    KR_TRY(build(ctx, v, &s));
    KR_TRY(kr_schema_init(ctx, &kr_solver_options_schema, &options));
    options.type = kr_registry_find(&kr_solver_registry, v[SOLVER]);
    options.rtol = atof(v[RTOL]);
    for (int p = 0; kr_precision_names[p]; p++)
        if (strcmp(v[PRECISION], kr_precision_names[p]) == 0)
            options.precision = p;
    KR_TRY(kr_variant_init(ctx, &kr_preconditioner_registry, v[PRECONDITIONER], &options.preconditioner));
    if (strcmp(v[PRECONDITIONER], "nystrom") == 0)
        *(struct kr_nystrom_options *)options.preconditioner.options =
            (struct kr_nystrom_options){strtoul(v[RANK], NULL, 10), strcmp(v[SELECT], "projection") == 0, 0};
    if (strcmp(v[PRECONDITIONER], "pivoted_cholesky") == 0)
        *(size_t *)options.preconditioner.options = strtoul(v[RANK], NULL, 10);
    const double start = kr_seconds();
    KR_TRY(kr_solver_open(ctx, &options, &s.noisy, &solver));
    const double opened = kr_seconds();
    const size_t asked = strtoul(v[TOGETHER], NULL, 10), together = asked ? asked : s.k;
    for (size_t c = 0; c < s.k; c += together)
        KR_TRY(kr_solver_solve(ctx, &solver, s.k - c < together ? s.k - c : together, s.B + c * s.n, NULL,
                               s.X + c * s.n, NULL, &report));
    const double seconds = kr_seconds() - start;
    printf("%8s %2s %6zu %6s %4zu %3s  %8s %16s %5zu %6zu %8zu %8zu %8.3f %8.3f %8.2f %8.1e %s; %s\n",
           v[KERNEL], v[D], s.n, v[NOISE], s.k, v[TOGETHER], report.type,
           report.preconditioner ? report.preconditioner : "-", report.rank, report.iterations,
           report.products, report.single_products, opened - start, seconds, seconds / potrf, report.residual,
           kr_stop_names[report.stop], report.precision);
    return KR_OK;
}

static void combinations(size_t axis, const char **v)
{
    if (axis < AXES) {
        for (size_t i = 0; i < axes[axis].count; i++) {
            v[axis] = axes[axis].values[i];
            /* what does not matter is tried once */
            if (i > 0 && axis > SOLVER && axis < RTOL && strcmp(v[SOLVER], "cholesky") == 0)
                break;
            if (i > 0 && axis == RANK &&
                (strcmp(v[PRECONDITIONER], "none") == 0 || strcmp(v[PRECONDITIONER], "jacobi") == 0 ||
                 strcmp(v[PRECONDITIONER], "auto") == 0))
                break;
            if (i > 0 && axis == SELECT && strcmp(v[PRECONDITIONER], "nystrom") != 0)
                break;
            combinations(axis + 1, v);
        }
        return;
    }
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ctx.threads = atoi(v[THREADS]);
    if (measure(&ctx, v) != KR_OK)
        printf("%8s %2s %6s %6s %4s  %8s: %s\n", v[KERNEL], v[D], v[N], v[NOISE], v[K], v[SOLVER],
               ctx.error.detail);
    fflush(stdout);
    kr_ctx_fini(&ctx);
}

int main(int argc, char **argv)
{
    const char *v[AXES];
    for (int a = 1; a < argc; a++)
        for (size_t i = 0; i < AXES; i++) {
            const size_t length = strlen(axes[i].name);
            if (strncmp(argv[a], axes[i].name, length) == 0 && argv[a][length] == '=')
                snprintf(axes[i].text, sizeof axes[i].text, "%s", argv[a] + length + 1);
        }
    for (size_t i = 0; i < AXES; i++)
        for (char *value = strtok(axes[i].text, ","); value && axes[i].count < MOST;
             value = strtok(NULL, ","))
            axes[i].values[axes[i].count++] = value;
    printf("%8s %2s %6s %6s %4s %3s  %8s %16s %5s %6s %8s %8s %8s %8s %8s %8s\n", "kernel", "d", "n", "noise",
           "k", "tog", "solver", "preconditioner", "rank", "iter", "products", "single", "open s", "all s",
           "x dpotrf", "residual");
    combinations(0, v);
    return 0;
}
