/*
 * Joint samples of a posterior: by the Cholesky factor of the points' covariance, and pathwise. Seconds of
 * both, by rows, points and samples; and how far covariances of pathwise samples are from the exact ones, by
 * the number of features (no sampling error: the covariance that those features have).
 *
 *     C_path = P P' + T diag(noise) T',   T = k(x, X) A^-1,   P = Phi(x) - T Phi(X)
 */
#include "../conform/models.h"
#include "kriged/features.h"

#include <cblas.h>

#include <stdlib.h>

static struct kr_ctx context, *ctx = &context;

#undef OK
#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != KR_OK) {                                                                         \
            fprintf(stderr, "%s: %s\n", #expression, ctx->error.detail);                                     \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

struct problem {
    struct kr_dataset data, fresh;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_posterior posterior;
    struct kr_points x;
    struct kr_solve_report report;
};

static void make(struct problem *p, const char *kernel, size_t n, size_t k)
{
    memset(p, 0, sizeof *p);
    p->data = small_data(ctx, n, false, 1);
    p->fresh = small_data(ctx, k, false, 2);
    OK(kr_schema_init(ctx, &kr_gp_spec_schema, &p->spec));
    OK(kr_variant_init(ctx, &kr_kernel_registry, kernel, &p->spec.model.kernel));
    OK(kr_variant_init(ctx, &kr_loss_registry, "evidence", &p->spec.objective.loss));
    OK(kr_gp_init(ctx, &p->spec, &p->data, &p->gp));
    for (size_t f = 0; f < FEATURES; f++) /* points of the same distribution, standardised alike */
        for (size_t i = 0; i < k; i++)
            ((double *)(uintptr_t)p->fresh.x)[f * k + i] =
                (p->fresh.x[f * k + i] - p->gp.scale.x_mean[f]) / p->gp.scale.x_sd[f];
    p->x = (struct kr_points){k, FEATURES, k, p->fresh.x};
    OK(kr_posterior_init(ctx, &p->gp, &p->gp.fit, p->gp.start, &p->posterior, &p->report));
}

static double exact_seconds(struct problem *p, size_t count)
{
    struct kr_mark mark = kr_mark(ctx);
    const size_t k = p->x.n;
    double *mean = kr_alloc(ctx, k, sizeof *mean), *variance = kr_alloc(ctx, k, sizeof *variance),
           *C = kr_alloc(ctx, k * k, sizeof *C), *out = kr_alloc(ctx, k * count, sizeof *out), jitter;
    const double start = kr_seconds();
    OK(kr_posterior_predict(ctx, &p->posterior, &p->x, NULL, false, mean, NULL, &p->report));
    OK(kr_posterior_covariance(ctx, &p->posterior, &p->x, NULL, true, variance, C, NULL, &p->report));
    OK(kr_normal_samples(ctx, k, mean, C, count, 0, out, &jitter));
    const double seconds = kr_seconds() - start;
    kr_release(ctx, mark);
    return seconds;
}

static double paths_seconds(struct problem *p, size_t count, size_t features)
{
    struct kr_mark mark = kr_mark(ctx);
    double *out = kr_alloc(ctx, p->x.n * count, sizeof *out);
    const double start = kr_seconds();
    OK(kr_posterior_paths(ctx, &p->posterior, &p->x, NULL, true, features, count, 0, out, &p->report));
    const double seconds = kr_seconds() - start;
    kr_release(ctx, mark);
    return seconds;
}

/* Root mean squared and largest difference of covariances, over the prior variance (1). */
static void error(struct problem *p, size_t features, uint64_t seed, double *rms, double *most)
{
    struct kr_mark mark = kr_mark(ctx);
    const size_t n = p->posterior.x.n, k = p->x.n;
    const struct kr_fourier_options options = {.count = features, .seed = seed, .orthogonal = true};
    struct kr_feature_map map, opened;
    struct kr_op cross, noisy, gram, at_rows, at_points;
    struct kr_solver solver;
    double *variance = kr_alloc(ctx, k, sizeof *variance), *C = kr_alloc(ctx, k * k, sizeof *C),
           *K = kr_alloc(ctx, n * k, sizeof *K), *T = kr_alloc(ctx, n * k, sizeof *T),
           *F = kr_alloc(ctx, n * features, sizeof *F), *P = kr_alloc(ctx, k * features, sizeof *P);
    OK(kr_posterior_covariance(ctx, &p->posterior, &p->x, NULL, false, variance, C, NULL, &p->report));
    OK(kr_features_fourier(ctx, &options, p->gp.kernel, FEATURES, &p->gp.parameters, "", &map));
    OK(kr_features_open(ctx, &map, p->gp.start, &opened));
    OK(kr_op_features(ctx, &opened, &p->posterior.x, NULL, &at_rows));
    OK(kr_op_features(ctx, &opened, &p->x, NULL, &at_points));
    OK(kr_op_fill(ctx, &at_rows, F));
    OK(kr_op_fill(ctx, &at_points, P));
    OK(kr_op_kernel(ctx, p->gp.kernel, p->gp.start, &p->posterior.x, &p->x, &cross));
    OK(kr_op_fill(ctx, &cross, K));
    OK(kr_op_kernel(ctx, p->gp.kernel, p->gp.start, &p->posterior.x, NULL, &gram));
    OK(kr_op_shift(ctx, &gram, p->gp.start, p->gp.noise_index, NULL, &noisy));
    OK(kr_solver_open(ctx, &p->spec.solver, &noisy, &solver));
    OK(kr_solver_solve(ctx, &solver, k, K, NULL, T, NULL, &p->report));
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)k, (int)features, (int)n, -1, T, (int)n, F,
                (int)n, 1, P, (int)k);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)k, (int)k, (int)features, -1, P, (int)k, P,
                (int)k, 1, C, (int)k);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)k, (int)k, (int)n,
                -p->gp.start[p->gp.noise_index], T, (int)n, T, (int)n, 1, C, (int)k);
    *rms = *most = 0;
    for (size_t e = 0; e < k * k; e++) {
        *rms += C[e] * C[e] / (double)(k * k);
        *most = fmax(*most, fabs(C[e]));
    }
    *rms = sqrt(*rms);
    kr_release(ctx, mark);
}

int main(void)
{
    static const char *const kernels[] = {"rbf", "matern32", "matern12"};
    static const size_t counts[] = {256, 1024, 4096, 16384}, rows[] = {500, 2000},
                        points[] = {100, 500, 1000, 2000, 4000};
    struct problem p;
    kr_ctx_init(ctx, 0);
    ctx->threads = kr_cores();
    printf(
        "error of covariances over the prior variance: root mean square (largest); 300 rows, 200 points, 3 "
        "features\n");
    for (size_t k = 0; k < 3; k++) {
        struct kr_mark mark = kr_mark(ctx);
        make(&p, kernels[k], 300, 200);
        printf("%-10s", kernels[k]);
        for (size_t c = 0; c < 4; c++) {
            double rms, most;
            error(&p, counts[c], 0, &rms, &most);
            printf("  %zu features: %.1e (%.1e)", counts[c], rms, most);
        }
        printf("\n");
        kr_release(ctx, mark);
    }
    printf("seconds of exact and of pathwise samples (4096 features), rbf\n  rows points samples    exact "
           "pathwise\n");
    for (size_t r = 0; r < 2; r++)
        for (size_t k = 0; k < 5; k++)
            for (size_t count = 10; count <= 1000; count *= 10) {
                struct kr_mark mark = kr_mark(ctx);
                make(&p, "rbf", rows[r], points[k]);
                printf("%6zu %6zu %7zu %8.3f %8.3f\n", rows[r], points[k], count, exact_seconds(&p, count),
                       paths_seconds(&p, count, 4096));
                fflush(stdout);
                kr_release(ctx, mark);
            }
    kr_ctx_fini(ctx);
    return 0;
}
