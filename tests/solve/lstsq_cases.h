/*
 * Least-squares problems of every shape and rank whose operators have parameters, and dense answers to them:
 * LAPACK's minimum-norm solution (dgelsd), and quadruple precision for damped ones (lstsq_exact.h).
 */
#ifndef KRIGED_TESTS_LSTSQ_CASES_H
#define KRIGED_TESTS_LSTSQ_CASES_H

#include "../conform/models.h"
#include "lstsq_exact.h"

extern void dgelsd_(const int *m, const int *n, const int *nrhs, double *a, const int *lda, double *b,
                    const int *ldb, double *s, const double *rcond, int *rank, double *work, const int *lwork,
                    int *iwork, int *info);

enum { MOST_MODELS = 16 };

/* An operator that borrows theta: what is written there is what it multiplies by. */
struct model {
    const char *name;
    size_t rank, count;
    double *theta;
    struct kr_op op;
};

/* A stored matrix, its entries the parameters. */
static inline struct model dense_model(struct kr_ctx *ctx, const char *name, size_t m, size_t n)
{
    struct model model = {name, smaller(m, n), m * n, normals(ctx, m * n, 11), {0}};
    for (size_t i = 0; i < smaller(m, n); i++)
        model.theta[i + i * m] += 4;
    OK(kr_op_dense(ctx, m, n, model.theta, &model.op));
    return model;
}

/* L (m x rank) times R (rank x n), both read from the same parameters: the rank is the same for all of them.
 */
static inline struct model product_model(struct kr_ctx *ctx, const char *name, size_t m, size_t n,
                                         size_t rank)
{
    const size_t count = rank * (m > n ? m : n);
    struct model model = {name, rank, count, normals(ctx, count, 12), {0}};
    struct kr_op left, right;
    OK(kr_op_dense(ctx, m, rank, model.theta, &left));
    OK(kr_op_dense(ctx, rank, n, model.theta, &right));
    OK(kr_op_compose(ctx, &left, &right, &model.op));
    return model;
}

/*
 * Matern 3/2 with a lengthscale a feature, between m and n points of which `distinct` differ on the shorter
 * side: duplicates stay duplicates, and so the rank is `distinct` for all parameters.
 */
static inline struct model kernel_model(struct kr_ctx *ctx, const char *name, size_t m, size_t n,
                                        size_t distinct)
{
    struct kr_parameters parameters = {0};
    struct kr_kernel *kernel;
    struct kr_variant spec = leaf(ctx, kernel_type("matern32"), 1);
    struct kr_dataset data = small_data(ctx, m + n, false, 5);
    double *x = kr_alloc(ctx, (m + n) * FEATURES, sizeof *x);
    struct kr_points rows = {m, FEATURES, m + n, x}, cols = {n, FEATURES, m + n, x + m};
    struct model model = {name, smaller(distinct, smaller(m, n)), 0, NULL, {0}};
    OK(kr_kernel_build(ctx, &spec, FEATURES, data.feature_names, "", "kernel", &parameters, &kernel));
    for (size_t k = 0; k < FEATURES; k++)
        for (size_t i = 0; i < m + n; i++) {
            const size_t side = i < m ? 0 : m, point = side + (i - side) % distinct;
            x[k * (m + n) + i] = data.x[k * (m + n) + (distinct < smaller(m, n) ? point : i)];
        }
    model.count = parameters.count;
    model.theta = kr_alloc(ctx, parameters.count, sizeof *model.theta);
    for (size_t p = 0; p < parameters.count; p++)
        model.theta[p] = parameters.items[p].spec.value;
    struct kr_points *kept = kr_alloc(ctx, 2, sizeof *kept);
    kept[0] = rows, kept[1] = cols;
    OK(kr_op_kernel(ctx, kernel, model.theta, &kept[0], &kept[1], &model.op));
    return model;
}

static inline struct model convolution_model(struct kr_ctx *ctx, const char *name, enum kr_convolution mode,
                                             size_t height, size_t width)
{
    struct model model = {name, 0, 6, normals(ctx, 6, 13), {0}};
    model.theta[2] += 4;
    OK(kr_op_convolution(ctx, mode, height, width, 2, 3, model.theta, &model.op));
    model.rank = smaller(model.op.rows, model.op.cols);
    return model;
}

/* Onto what sees no border, and back by the transpose: square, with the rank of the smaller image. */
static inline struct model deficient_convolution(struct kr_ctx *ctx, const char *name)
{
    struct model model = convolution_model(ctx, name, KR_CONVOLUTION_VALID, 4, 5);
    struct kr_op valid = model.op, full;
    OK(kr_op_convolution(ctx, KR_CONVOLUTION_FULL, 3, 3, 2, 3, model.theta, &full));
    OK(kr_op_compose(ctx, &full, &valid, &model.op));
    return model;
}

static inline struct model conditioned_model(struct kr_ctx *ctx, size_t m, size_t n, size_t rank,
                                             double condition)
{
    struct model model = {"conditioned", rank, m * n, conditioned(ctx, m, n, rank, condition), {0}};
    OK(kr_op_dense(ctx, m, n, model.theta, &model.op));
    return model;
}

/* Tall, wide, square and rank-deficient ones. */
static inline size_t all_models(struct kr_ctx *ctx, struct model *out)
{
    const struct model models[] = {
        dense_model(ctx, "dense tall", 12, 7),
        dense_model(ctx, "dense wide", 7, 12),
        dense_model(ctx, "dense square", 8, 8),
        product_model(ctx, "product tall", 12, 7, 4),
        product_model(ctx, "product wide", 7, 12, 4),
        kernel_model(ctx, "kernel tall", 11, 6, 17),
        kernel_model(ctx, "kernel wide", 6, 11, 17),
        kernel_model(ctx, "kernel square", 7, 7, 14),
        kernel_model(ctx, "kernel tall, duplicates", 11, 7, 5),
        kernel_model(ctx, "kernel wide, duplicates", 7, 11, 5),
        convolution_model(ctx, "convolution tall", KR_CONVOLUTION_FULL, 4, 5),
        convolution_model(ctx, "convolution wide", KR_CONVOLUTION_VALID, 5, 5),
        convolution_model(ctx, "convolution square", KR_CONVOLUTION_SAME, 4, 4),
        deficient_convolution(ctx, "convolution, deficient"),
    };
    memcpy(out, models, sizeof models);
    return sizeof models / sizeof *models;
}

/* X (n x k) = A^+ B by singular values. */
static inline void dense_minimum_norm(struct kr_ctx *ctx, size_t m, size_t n, const double *A, size_t k,
                                      const double *B, double *X)
{
    const size_t tallest = m > n ? m : n;
    double *M = kr_alloc(ctx, m * n, sizeof *M), *Y = kr_alloc(ctx, tallest * k, sizeof *Y),
           *s = kr_alloc(ctx, tallest, sizeof *s), *work = kr_alloc(ctx, 100000, sizeof *work), rcond = 1e-9;
    const int im = (int)m, in = (int)n, ik = (int)k, ld = (int)tallest, lwork = 100000;
    int *iwork = kr_alloc(ctx, 100000, sizeof *iwork), rank, info;
    memcpy(M, A, m * n * sizeof *M);
    for (size_t c = 0; c < k; c++)
        memcpy(Y + c * tallest, B + c * m, m * sizeof *Y);
    dgelsd_(&im, &in, &ik, M, &im, Y, &ld, s, &rcond, &rank, work, &lwork, iwork, &info);
    ck_assert_int_eq(info, 0);
    for (size_t c = 0; c < k; c++)
        memcpy(X + c * n, Y + c * tallest, n * sizeof *X);
}

/* X (n x k) = LstSq(A, B, lambda) of the filled matrix. */
static inline void dense_lstsq(struct kr_ctx *ctx, const struct kr_op *op, double lambda, size_t k,
                               const double *B, double *X)
{
    struct kr_mark mark = kr_mark(ctx);
    const size_t m = op->rows, n = op->cols;
    double *A = kr_alloc(ctx, m * n, sizeof *A);
    quad *b = kr_alloc(ctx, m, sizeof *b), *c = kr_alloc(ctx, 2 * n, sizeof *c), *x = c + n;
    OK(kr_op_fill(ctx, op, A));
    if (lambda == 0)
        dense_minimum_norm(ctx, m, n, A, k, B, X);
    for (size_t col = 0; lambda > 0 && col < k; col++) {
        for (size_t i = 0; i < m; i++)
            b[i] = B[col * m + i];
        memset(c, 0, n * sizeof *c);
        quad_add(m, n, A, true, 1, b, c);
        quad_solve(ctx, m, n, A, lambda, c, x);
        for (size_t i = 0; i < n; i++)
            X[col * n + i] = (double)x[i];
    }
    kr_release(ctx, mark);
}

/* One problem: L(X) = sum C o X + X o X / 2, options with tight tolerances. */
struct lstsq_problem {
    struct kr_ctx *ctx;
    struct model model;
    double lambda;
    size_t m, n, k;
    double *B, *C, *X, *R, *X_bar;
    struct kr_lstsq_options options;
    struct kr_lstsq lstsq;
    struct kr_lstsq_report forward;
    double *varied; /* the number that loss_at sets */
};

static inline double loss_of(const struct lstsq_problem *p, const double *X)
{
    return dot(p->n * p->k, p->C, X) + 0.5 * dot(p->n * p->k, X, X);
}

/* The loss by the dense answer, with the varied number (of theta, B or lambda) set to `value`. */
static inline double loss_at(void *self, double value)
{
    struct lstsq_problem *p = self;
    struct kr_mark mark = kr_mark(p->ctx);
    double *X = kr_alloc(p->ctx, p->n * p->k, sizeof *X), before = *p->varied;
    *p->varied = value;
    dense_lstsq(p->ctx, &p->model.op, p->lambda, p->k, p->B, X);
    *p->varied = before;
    double loss = loss_of(p, X);
    kr_release(p->ctx, mark);
    return loss;
}

static inline void lstsq_prepare(struct kr_ctx *ctx, const struct model *model, double lambda, size_t k,
                                 struct lstsq_problem *p)
{
    *p = (struct lstsq_problem){.ctx = ctx, .model = *model, .lambda = lambda, .k = k};
    p->m = model->op.rows;
    p->n = model->op.cols;
    p->B = normals(ctx, p->m * k, 21);
    p->C = normals(ctx, p->n * k, 22);
    p->X = normals(ctx, p->n * k, 23);
    p->R = normals(ctx, p->m * k, 24);
    p->X_bar = kr_alloc(ctx, p->n * k, sizeof *p->X_bar);
    OK(kr_schema_init(ctx, &kr_lstsq_options_schema, &p->options));
    p->options.atol = p->options.btol = 1e-14;
    p->options.preconditioner = KR_LSTSQ_NONE;
}

/* The value, and X_bar at it. */
static inline void lstsq_forward(struct lstsq_problem *p)
{
    struct kr_ctx *ctx = p->ctx;
    p->forward = (struct kr_lstsq_report){0};
    OK(kr_lstsq_open(ctx, &p->options, &p->model.op, p->lambda, NULL, &p->lstsq));
    OK(kr_lstsq_solve(ctx, &p->lstsq, p->k, p->B, NULL, p->X, p->R, NULL, &p->forward));
    for (size_t i = 0; i < p->n * p->k; i++)
        p->X_bar[i] = p->C[i] + p->X[i];
}

static inline double largest(size_t n, const double *x)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

#endif
