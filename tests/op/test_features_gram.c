/* Quadratic forms of the rows of feature operators, against dense ones and central differences. */
#include "feature_settings.h"

extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

/* sum_i c_i a_i'N a_i at the setting's theta */
struct quadratic {
    struct kr_op *op;
    const double *c, *N;
    double *theta;
};

static double quadratic_form(void *self, double value)
{
    struct quadratic *q = self;
    const size_t p = q->op->cols;
    const double before = *q->theta;
    double *G = kr_alloc(ctx, p * p, sizeof *G), sum;
    *q->theta = value;
    OK(kr_features_gram(ctx, q->op, q->c, G));
    *q->theta = before;
    sum = dot(p * p, G, q->N);
    return sum;
}

static void check_gram(struct setting *s, const double *c)
{
    const size_t p = s->map.p;
    struct kr_op op;
    OK(kr_op_features(ctx, &s->open, &s->x, &s->noise, &op));
    double *A = entries(s, true), *G = normals(ctx, p * p, 1), *N = symmetric(p, 2),
           *grad = kr_alloc(ctx, s->count, sizeof *grad), scale = 0, size = 0;
    OK(kr_features_gram(ctx, &op, c, G));
    for (size_t e = 0; e < p * p; e++)
        size = fmax(size, fabs(G[e]));
    for (size_t j = 0; j < p; j++)
        for (size_t i = 0; i < p; i++) {
            double sum = 0;
            for (size_t r = 0; r < POINTS; r++)
                sum += (c ? c[r] : 1) * A[r + i * POINTS] * A[r + j * POINTS];
            CLOSE(G[i + j * p], sum, size, 1e-12, "Gram entry %zu, %zu", i, j);
        }
    OK(kr_features_pull_gram(ctx, &op, c, N, G, 0.5, grad));
    for (size_t e = 0; e < s->count; e++)
        scale = fmax(scale, fabs(grad[e] *= 2));
    for (size_t e = 0; e < s->count; e++) {
        struct quadratic q = {&op, c, N, &s->theta[e]};
        const double x = s->theta[e], h = 1e-5 * fmax(fabs(x), 0.1),
                     wide = (quadratic_form(&q, x + 2 * h) - quadratic_form(&q, x - 2 * h)) / (4 * h),
                     near = (quadratic_form(&q, x + h) - quadratic_form(&q, x - h)) / (2 * h);
        CLOSE(grad[e], near + (near - wide) / 3, fmax(fabs(grad[e]), 1e-2 * scale), 1e-6,
              "parameter %zu of %zu", e, s->count);
    }
}

static void check_lengths(struct setting *s)
{
    const size_t p = s->map.p;
    const int n = (int)p, rows = POINTS;
    int info;
    struct kr_op op;
    OK(kr_op_features(ctx, &s->open, &s->x, &s->noise, &op));
    double *A = entries(s, true), *L = kr_alloc(ctx, p * p, sizeof *L), *out = normals(ctx, POINTS, 1);
    OK(kr_features_gram(ctx, &op, NULL, L));
    for (size_t i = 0; i < p; i++)
        L[i * (p + 1)] += 1;
    dpotrf_("L", &n, L, &n, &info);
    for (int factor = 0; factor < 2; factor++) {
        OK(kr_features_lengths(ctx, &op, factor ? L : NULL, out));
        if (factor)
            cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rows, n, 1, L, n, A,
                        rows);
        for (int i = 0; i < rows; i++)
            CLOSE(out[i], cblas_ddot(n, A + i, rows, A + i, rows), fmax(out[i], 1e-3), 1e-10, "row %d", i);
    }
}

START_TEST(gram_matrices_and_their_derivatives)
{
    struct kr_variant spec;
    struct setting s;
    double *c = normals(ctx, POINTS, 9);
    rbf_and_linear(&spec);
    for (int kind = 0; kind < 3; kind++) {
        ck_assert(kind == 0 ? fourier(&spec, &s) : inducing(&spec, kind == 2, &s));
        ck_assert(s.open.jitter == 0);
        check_gram(&s, NULL);
        check_gram(&s, c);
        check_lengths(&s);
    }
}
END_TEST

FIXTURE_SUITE("features gram", 60, gram_matrices_and_their_derivatives)
