/* Specs with approximations, and the dense Gaussian process that they stand for. */
#ifndef KRIGED_TESTS_GP_APPROXIMATIONS_H
#define KRIGED_TESTS_GP_APPROXIMATIONS_H

#include "specs.h"

#include <cblas.h>

extern void dposv_(const char *uplo, const int *n, const int *nrhs, double *A, const int *lda, double *B,
                   const int *ldb, int *info);

enum { N = 60 };

static struct kr_ctx context, *ctx;

static inline void setup(void)
{
    ctx = &context;
    kr_ctx_init(ctx, 0);
}

static inline void teardown(void)
{
    kr_ctx_fini(ctx);
}

static inline struct kr_fourier_options *fourier(struct kr_gp_spec *spec, size_t count)
{
    OK(kr_variant_init(ctx, &kr_approximation_registry, "fourier_features", &spec->model.approximation));
    struct kr_fourier_options *options = spec->model.approximation.options;
    options->count = count;
    return options;
}

static inline struct kr_inducing_options *inducing(struct kr_gp_spec *spec, size_t count)
{
    OK(kr_variant_init(ctx, &kr_approximation_registry, "inducing", &spec->model.approximation));
    struct kr_inducing_options *options = spec->model.approximation.options;
    options->count = count;
    return options;
}

/* A sum with white noise, a mean, rows 0, 5, 10.. held out. */
static inline void spec_of(struct kr_gp_spec *spec, const char *loss)
{
    struct kr_variant parts[3] = {leaf(ctx, kernel_type("rbf"), 1), leaf(ctx, kernel_type("white"), 0),
                                  leaf(ctx, kernel_type("linear"), 0)};
    plain_spec(ctx, spec);
    composite(ctx, kernel_type("sum"), 3, parts, &spec->model.kernel);
    OK(kr_variant_init(ctx, &kr_mean_registry, "constant", &spec->model.mean));
    OK(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    struct kr_ints rows = {0, kr_alloc(ctx, N, sizeof(size_t))};
    for (size_t i = 0; i < N; i += 5)
        rows.items[rows.count++] = i;
    hold_out(ctx, spec, rows);
}

/* ---- a dense Gaussian process with covariance Q + what phi misses of k(x, x) in predictions + noise ---- */

struct dense {
    const struct kr_gp *gp;
    const struct kr_part *part; /* all rows */
    size_t n, p;
    double *phi;         /* n x p */
    double *k;           /* n: k(x, x) without white noise */
    double noise, *mean; /* of theta; m(x) */
};

static inline struct dense dense_of(const struct kr_gp *gp, const struct kr_part *part)
{
    struct dense d = {gp, part, part->n, gp->space->map.p, NULL, NULL, 0, NULL};
    struct kr_feature_map map;
    struct kr_op op;
    d.phi = kr_alloc(ctx, d.n * d.p, sizeof(double));
    d.k = kr_alloc(ctx, d.n, sizeof(double));
    d.mean = kr_alloc(ctx, d.n, sizeof(double));
    OK(kr_features_open(ctx, &gp->space->map, gp->start, &map));
    OK(kr_op_features(ctx, &map, &part->x, NULL, &op));
    OK(kr_op_fill(ctx, &op, d.phi));
    kr_kernel_diagonal(gp->space->kernel, gp->start, &part->x,
                       kr_alloc(ctx, kr_kernel_scratch(gp->kernel), sizeof(double)), d.k);
    for (size_t c = 0; c < gp->space->nnoise; c++)
        d.noise += gp->start[gp->space->noise[c]];
    gp->mean->eval(gp->start + gp->mean_first, &part->x, d.mean);
    return d;
}

static inline double q(const struct dense *d, size_t i, size_t j)
{
    return cblas_ddot((int)d->p, d->phi + i, (int)d->n, d->phi + j, (int)d->n);
}

static inline double noise_at(const struct dense *d, size_t i)
{
    return d->noise + (d->part->noise ? d->part->noise[i] : 0);
}

/* The held-out points of `row` from the training ones, rows of d both. */
static inline void predict_dense(const struct dense *d, size_t n, const size_t *train, size_t m,
                                 const size_t *row, double *mean, double *variance)
{
    const int size = (int)n, columns = (int)m + 1;
    int info;
    double *A = kr_alloc(ctx, n * n, sizeof *A), *B = kr_alloc(ctx, n * (m + 1), sizeof *B);
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < n; i++)
            A[i + j * n] = q(d, train[i], train[j]) + (i == j ? noise_at(d, train[i]) : 0);
        B[j] = d->part->y[train[j]] - d->mean[train[j]];
        for (size_t c = 0; c < m; c++)
            B[j + (1 + c) * n] = q(d, train[j], row[c]);
    }
    dposv_("L", &size, &columns, A, &size, B, &size, &info);
    ck_assert_int_eq(info, 0);
    for (size_t c = 0; c < m; c++) {
        mean[c] = d->mean[row[c]];
        variance[c] = q(d, row[c], row[c]) + noise_at(d, row[c]);
        if (d->gp->space->residual)
            variance[c] += d->k[row[c]] - q(d, row[c], row[c]);
        for (size_t j = 0; j < n; j++) {
            mean[c] += q(d, train[j], row[c]) * B[j];
            variance[c] -= q(d, train[j], row[c]) * B[j + (1 + c) * n];
        }
    }
}

/* Rows of gp->fit that are, or are not, in a part. */
static inline size_t places(const struct kr_gp *gp, const struct kr_part *part, size_t first, size_t count,
                            bool in, size_t *out)
{
    size_t found = 0;
    for (size_t i = 0; i < gp->fit.n; i++) {
        bool there = false;
        for (size_t j = first; j < first + count; j++)
            there |= part->rows[j] == gp->fit.rows[i];
        if (there == in)
            out[found++] = i;
    }
    return found;
}

static inline double loss_of(const struct kr_gp *gp)
{
    struct kr_evaluation evaluation;
    OK(kr_objective_eval(ctx, gp, gp->start, false, &evaluation, NULL));
    return evaluation.loss;
}

#endif
