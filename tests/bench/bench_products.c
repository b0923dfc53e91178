/*
 * Products with kernel matrices and their pulls, as ratios to this machine's sgemm in one run.
 *
 *     bench_products [key=value[,value..]..]
 *
 * takes all combinations of kernel, d, k (right-hand sides, vector pairs) and n. Per combination, in single
 * and double precision: Gpairs/s (n^2 entries a second, 10^9) of K(X, Z) V, of the symmetric form and of the
 * pull, the unfused path beside them, and
 *
 *     roof      the full product in units of gemm/(2 (d + 6 + k - 1)): what gemm would do with the same
 *               multiply-adds, kernel evaluation counted as 5 of them
 *     sym       symmetric form by full product
 *     pull      full products (by symmetric ones) that a pull costs
 *     gain      full product by unfused (double) one
 *     error     of the product by the unfused double path, relative to it in norm
 *
 * A table, and the same numbers as JSON lines on the standard error's side with json=1. One thread is timed
 * by its own clock, which other processes do not disturb much; threads=2 by the wall.
 */
#include "support.h"

#include "kernel/fused.h"
#include "kriged/op.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16 };

static struct axis {
    const char *name;
    char text[256];
    const char *values[MOST];
    size_t count;
} axes[] = {
    {"kernel", "rbf,matern32", {0}, 0},
    {"d", "2,8,16,32", {0}, 0},
    {"k", "1,4,16,64,256", {0}, 0},
    {"n", "4000", {0}, 0},
    {"threads", "1", {0}, 0},
    {"json", "0", {0}, 0},
    {"level", "2", {0}, 0},
};
enum { KERNEL, D, K, N, THREADS, JSON, LEVEL, AXES };

static int threads;

static double now(void)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s of square matrix products of one thread, times the threads. */
static double gemm_rate(struct kr_ctx *ctx, bool single)
{
    enum { ORDER = 1024 };
    struct kr_mark mark = kr_mark(ctx);
    double best = INFINITY, *a = normals(ctx, 3 * ORDER * ORDER, 9);
    float *f = kr_alloc(ctx, 3 * ORDER * ORDER, sizeof *f);
    if (!f)
        die(ctx);
    for (size_t e = 0; e < 3 * ORDER * ORDER; e++)
        f[e] = (float)a[e];
    for (int repeat = 0; repeat < 6; repeat++) {
        const double began = now();
        if (single)
            cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, ORDER, ORDER, ORDER, 1, f, ORDER,
                        f + ORDER * ORDER, ORDER, 0, f + 2 * ORDER * ORDER, ORDER);
        else
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, ORDER, ORDER, ORDER, 1, a, ORDER,
                        a + ORDER * ORDER, ORDER, 0, a + 2 * ORDER * ORDER, ORDER);
        best = fmin(best, now() - began);
    }
    kr_release(ctx, mark);
    return 2e-9 * ORDER * ORDER * ORDER * threads / best;
}

struct problem {
    size_t n, d, k, nparameters;
    struct kr_points x, z;
    double *theta, *U, *V, *Y, *W, *wanted, *grad;
    struct kr_op gram, cross, plain_gram, plain_cross;
};

static kr_status build(struct kr_ctx *ctx, const char *const *v, struct problem *p)
{
    struct kr_variant spec;
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel, *plain;
    struct kr_kernel_type *unfused;
    const char **names;
    *p = (struct problem){
        .n = strtoul(v[N], NULL, 10), .d = strtoul(v[D], NULL, 10), .k = strtoul(v[K], NULL, 10)};
    KR_ALLOC(ctx, names, p->d);
    for (size_t f = 0; f < p->d; f++)
        names[f] = kr_printf(ctx, "x%zu", f);
    KR_TRY(kr_variant_init(ctx, &kr_kernel_registry, v[KERNEL], &spec));
    /* every stationary kernel's options have this member */
    const struct kr_kernel_type *type = (const struct kr_kernel_type *)spec.type;
    *(bool *)((char *)spec.options + type->ard) = true;
    KR_TRY(kr_kernel_build(ctx, &spec, p->d, names, "", "kernel", &parameters, &kernel));
    p->nparameters = parameters.count;
    KR_ALLOC(ctx, p->theta, parameters.count);
    for (size_t q = 0; q < parameters.count; q++)
        p->theta[q] = parameters.items[q].unit == KR_UNIT_LENGTH ? sqrt((double)p->d) : 1.1;
    KR_ALLOC(ctx, plain, 1);
    KR_ALLOC(ctx, unfused, 1);
    *unfused = *kernel->type;
    unfused->fused = NULL;
    *plain = *kernel;
    plain->type = unfused;
    p->x = (struct kr_points){p->n, p->d, p->n, normals(ctx, p->n * p->d, 1)};
    p->z = (struct kr_points){p->n, p->d, p->n, normals(ctx, p->n * p->d, 2)};
    KR_TRY(kr_op_kernel(ctx, kernel, p->theta, &p->x, NULL, &p->gram));
    KR_TRY(kr_op_kernel(ctx, kernel, p->theta, &p->x, &p->z, &p->cross));
    KR_TRY(kr_op_kernel(ctx, plain, p->theta, &p->x, NULL, &p->plain_gram));
    KR_TRY(kr_op_kernel(ctx, plain, p->theta, &p->x, &p->z, &p->plain_cross));
    p->U = normals(ctx, p->n * p->k, 3);
    p->V = normals(ctx, p->n * p->k, 4);
    p->Y = normals(ctx, p->n * p->k, 5);
    p->wanted = normals(ctx, p->n * p->k, 6);
    KR_ALLOC(ctx, p->grad, parameters.count);
    return KR_OK;
}

/* Gpairs/s of the best of some repeats. */
static double product_rate(struct kr_ctx *ctx, const struct problem *p, const struct kr_op *op, double *Y)
{
    double best = INFINITY, spent = 0;
    for (int repeat = 0; repeat < 2 || (repeat < 20 && spent < 0.3); repeat++) {
        const double began = now();
        if (kr_op_apply(ctx, op, p->k, p->V, Y) != KR_OK)
            die(ctx);
        best = fmin(best, now() - began);
        spent += now() - began;
    }
    return 1e-9 * (double)p->n * (double)p->n / best;
}

static double pull_rate(struct kr_ctx *ctx, const struct problem *p, const struct kr_op *op)
{
    double best = INFINITY, spent = 0;
    for (int repeat = 0; repeat < 2 || (repeat < 20 && spent < 0.3); repeat++) {
        const double began = now();
        if (kr_op_pull(ctx, op, p->k, p->U, p->V, 1, p->grad) != KR_OK)
            die(ctx);
        best = fmin(best, now() - began);
        spent += now() - began;
    }
    return 1e-9 * (double)p->n * (double)p->n / best;
}

static double error(const struct problem *p, const double *Y, const double *wanted)
{
    double off = 0, size = 0;
    for (size_t e = 0; e < p->n * p->k; e++) {
        off += (Y[e] - wanted[e]) * (Y[e] - wanted[e]);
        size += wanted[e] * wanted[e];
    }
    return sqrt(off / size);
}

static void measure(struct kr_ctx *ctx, const char *const *v)
{
    struct problem p;
    /* beside what it is compared with: the clock drifts */
    const double gemm[2] = {gemm_rate(ctx, true), gemm_rate(ctx, false)};
    if (build(ctx, v, &p) != KR_OK)
        die(ctx);
    const double plain = product_rate(ctx, &p, &p.plain_cross, p.wanted),
                 plain_pull = pull_rate(ctx, &p, &p.plain_gram);
    for (int single = 1; single >= 0; single--) {
        const struct kr_op *gram = single ? kr_op_single(&p.gram) : &p.gram,
                           *cross = single ? kr_op_single(&p.cross) : &p.cross;
        if (!gram || !cross)
            continue;
        const double full = product_rate(ctx, &p, cross, p.Y), off = error(&p, p.Y, p.wanted),
                     symmetric = product_rate(ctx, &p, gram, p.Y);
        const double pull = gram->type->pull ? pull_rate(ctx, &p, gram) : NAN;
        const double roof = full * 2 * ((double)p.d + 5 + (double)p.k) / gemm[!single];
        printf("%10s %3zu %4zu %6zu %6s  %7.2f %7.2f %7.3f %7.3f %7.3f %7.1f  %6.0f%% %5.2f %6.2f %6.2f "
               "%6.1f  %.1e\n",
               v[KERNEL], p.d, p.k, p.n, single ? "single" : "double", full, symmetric, pull, plain,
               plain_pull, gemm[!single], 100 * roof, symmetric / full, full / pull, symmetric / pull,
               full / plain, off);
        if (atoi(v[JSON]))
            fprintf(
                stderr,
                "{\"kernel\": \"%s\", \"d\": %zu, \"k\": %zu, \"n\": %zu, \"threads\": %d, \"precision\": "
                "\"%s\", \"gemm\": %.4g, \"full\": %.4g, \"symmetric\": %.4g, \"pull\": %.4g, "
                "\"unfused\": %.4g, \"unfused_pull\": %.4g, \"roof\": %.4g, \"error\": %.3g}\n",
                v[KERNEL], p.d, p.k, p.n, threads, single ? "single" : "double", gemm[!single], full,
                symmetric, pull, plain, plain_pull, roof, off);
    }
    fflush(stdout);
}

static void combinations(size_t axis, const char **v)
{
    if (axis < AXES) {
        for (size_t i = 0; i < axes[axis].count; i++) {
            v[axis] = axes[axis].values[i];
            combinations(axis + 1, v);
        }
        return;
    }
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    ctx.threads = threads;
    measure(&ctx, v);
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
    threads = atoi(axes[THREADS].values[0]);
    const int level = kr_fused_use(atoi(axes[LEVEL].values[0]));
    printf("instructions %d of 2, threads %d\n", level, threads);
    printf("%10s %3s %4s %6s %6s  %7s %7s %7s %7s %7s %7s  %7s %5s %6s %6s %6s  %s\n", "kernel", "d", "k",
           "n", "", "full", "sym", "pull", "unfused", "its pull", "gemm", "roof", "sym", "pull", "pull/s",
           "gain", "error");
    combinations(0, v);
    return 0;
}
