/*
 * Inducing inputs Z (q x d): features phi(x) = L^-1 k(Z, x), L L' = K(Z, Z), so that phi(x)'phi(z) = k(x, Z)
 * K(Z, Z)^-1 k(Z, z), what Z know of the kernel (subset of regressors; Quinonero-Candela and Rasmussen 2005).
 *
 * A row of k(x, Z) is what is made by blocks; L is the root that the operator of features.c takes out of
 * products. Derivatives: by theta of k(x, Z) and K(Z, Z) through the kernel's pull; by Z, where Z is a part
 * of theta, through pull_x of the tiles with x and z exchanged; those of L through the reverse of the
 * factorisation,
 *
 *     K_bar = (S + S')/2,   S = L^-T tril(L'L_bar) L^-1, the diagonal of the triangle halved
 *
 * A K(Z, Z) that cannot be factorised, or whose condition is above 1e12, gets jitter, a share of its
 * diagonal, which is reported, and moves with it in the derivative: with a root of condition 1e6 products
 * keep ten digits. Cost of a row: q kernel values; of opening, q^3/3 flops. Source of the reverse: Murray
 * 2016, "Differentiation of the Cholesky decomposition".
 */
#include "kriged/features.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

extern void dpocon_(const char *uplo, const int *n, const double *A, const int *lda, const double *norm,
                    double *inverse, double *work, int *iwork, int *info);
extern void dpotrf_(const char *uplo, const int *n, double *A, const int *lda, int *info);

static const double least_jitter = 1e-12, most_jitter = 1e-6, least_inverse_condition = 1e-12;

struct plan {
    const struct kr_kernel *kernel;
    struct kr_points Z; /* x = NULL when tuned */
    bool tuned;
    size_t first;   /* of Z in theta */
    size_t nkernel; /* entries of theta that the kernel may use */
};

struct state {
    double *L;   /* q x q */
    double *own; /* tuned: Z, feature-major */
    struct kr_points Z;
};

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct kr_tile tile_at(const struct kr_points *x, size_t i, const struct kr_points *z, size_t j)
{
    return (struct kr_tile){
        at_most(KR_TILE, x->n - i), at_most(KR_TILE, z->n - j), x->x + i, z->x + j, x->ld, z->ld};
}

static size_t scratch(const struct kr_feature_map *map)
{
    const struct plan *plan = map->plan;
    return 2 * KR_TILE * KR_TILE + kr_kernel_scratch(plan->kernel);
}

/* F (p x n): k(x_i, z_j) */
static void rows(const struct kr_feature_map *map, const struct kr_points *x, double *F, double *memory)
{
    const struct plan *plan = map->plan;
    const struct state *state = map->state;
    const size_t q = map->p;
    for (size_t i = 0; i < x->n; i += KR_TILE)
        for (size_t j = 0; j < q; j += KR_TILE) {
            const struct kr_tile tile = tile_at(x, i, &state->Z, j);
            plan->kernel->type->eval(plan->kernel, map->theta, &tile, memory, memory + 2 * KR_TILE * KR_TILE);
            for (size_t r = 0; r < tile.m; r++)
                memcpy(F + (i + r) * q + j, memory + r * tile.n, tile.n * sizeof *F);
        }
}

static void pull(const struct kr_feature_map *map, const struct kr_points *x, const double *F, double *W,
                 double *lane, double *memory)
{
    const struct plan *plan = map->plan;
    const struct state *state = map->state;
    const struct kr_kernel_type *type = plan->kernel->type;
    const size_t q = map->p;
    double *turned = memory + KR_TILE * KR_TILE, *own = turned + KR_TILE * KR_TILE;
    (void)F;
    for (size_t i = 0; i < x->n; i += KR_TILE)
        for (size_t j = 0; j < q; j += KR_TILE) {
            const struct kr_tile tile = tile_at(x, i, &state->Z, j),
                                 exchanged = {tile.n, tile.m, tile.z, tile.x, tile.ldz, tile.ldx};
            for (size_t r = 0; r < tile.m; r++)
                memcpy(memory + r * tile.n, W + (i + r) * q + j, tile.n * sizeof *W);
            type->pull(plan->kernel, map->theta, &tile, memory, lane, own);
            if (!plan->tuned || !type->pull_x)
                continue;
            for (size_t c = 0; c < tile.n; c++)
                for (size_t r = 0; r < tile.m; r++)
                    turned[c * tile.m + r] = memory[r * tile.n + c];
            type->pull_x(plan->kernel, map->theta, &exchanged, turned, lane + plan->nkernel + j, q, own);
        }
}

static void pull_x(const struct kr_feature_map *map, const struct kr_points *x, const double *F, double *W,
                   double *grad_x, size_t ld, double *memory)
{
    const struct plan *plan = map->plan;
    const struct state *state = map->state;
    const struct kr_kernel_type *type = plan->kernel->type;
    (void)F;
    for (size_t i = 0; type->pull_x && i < x->n; i += KR_TILE)
        for (size_t j = 0; j < map->p; j += KR_TILE) {
            const struct kr_tile tile = tile_at(x, i, &state->Z, j);
            for (size_t r = 0; r < tile.m; r++)
                memcpy(memory + r * tile.n, W + (i + r) * map->p + j, tile.n * sizeof *W);
            type->pull_x(plan->kernel, map->theta, &tile, memory, grad_x + i, ld,
                         memory + 2 * KR_TILE * KR_TILE);
        }
}

/* A lane: derivatives by theta, then by Z, feature-major. */
static void gather(const struct kr_feature_map *map, const double *lane, double *grad)
{
    const struct plan *plan = map->plan;
    for (size_t p = 0; p < plan->nkernel; p++)
        grad[p] += lane[p];
    for (size_t k = 0; plan->tuned && k < map->d; k++)
        for (size_t j = 0; j < map->p; j++)
            grad[plan->first + j * map->d + k] += lane[plan->nkernel + k * map->p + j];
}

/* ---- the root ---- */

static kr_status evaluate(struct kr_ctx *ctx, const struct kr_feature_map *map, double *K)
{
    const struct state *state = map->state;
    double *memory;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, memory, scratch(map));
    rows(map, &state->Z, K, memory);
    kr_release(ctx, mark);
    return KR_OK;
}

/* L and 1/cond(K), estimated; memory: 3 q doubles, and q integers. */
static double factorise(size_t q, double norm, double *L, double *memory, int *integers)
{
    const int n = (int)q;
    double inverse = 0;
    int info;
    dpotrf_("L", &n, L, &n, &info);
    if (info == 0)
        dpocon_("L", &n, L, &n, &norm, &inverse, memory, integers, &info);
    return inverse;
}

/* Largest sum of absolute entries of a column. */
static double norm_of(size_t q, const double *K)
{
    double most = 0;
    for (size_t j = 0; j < q; j++)
        most = fmax(most, cblas_dasum((int)q, K + j * q, 1));
    return most;
}

static kr_status take_root(struct kr_ctx *ctx, struct kr_feature_map *map)
{
    const struct state *state = map->state;
    const size_t q = map->p;
    double *K, *diagonal, *memory;
    int *integers;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, K, q * q);
    KR_ALLOC(ctx, diagonal, q);
    KR_ALLOC(ctx, memory, 3 * q);
    KR_ALLOC(ctx, integers, q);
    KR_TRY(evaluate(ctx, map, K));
    for (size_t i = 0; i < q; i++)
        diagonal[i] = K[i * (q + 1)];
    const double norm = norm_of(q, K);
    for (double jitter = 0; jitter<2 * most_jitter; jitter = jitter> 0 ? 100 * jitter : least_jitter) {
        KR_TRY(kr_poll(ctx));
        memcpy(state->L, K, q * q * sizeof *K);
        for (size_t i = 0; i < q; i++)
            state->L[i * (q + 1)] = (1 + jitter) * diagonal[i];
        map->jitter = jitter;
        const double inverse = factorise(q, norm, state->L, memory, integers);
        map->condition = 1 / sqrt(inverse);
        if (inverse >= least_inverse_condition) {
            kr_release(ctx, mark);
            return KR_OK;
        }
    }
    return kr_fail(
        ctx, KR_NOT_POSITIVE_DEFINITE, "",
        "the covariance matrix of %zu inducing inputs is not positive definite, even with %g of its "
        "diagonal added: take fewer inducing inputs, or shorter lengthscales",
        q, most_jitter);
}

static kr_status prepare(struct kr_ctx *ctx, struct kr_feature_map *map)
{
    const struct plan *plan = map->plan;
    struct state *state = map->state;
    const size_t q = map->p, d = map->d;
    if (!state) {
        KR_ALLOC(ctx, state, 1);
        KR_ALLOC(ctx, state->L, q * q);
        KR_ALLOC(ctx, state->own, plan->tuned ? q * d : 1);
        map->state = state;
    }
    state->Z = plan->Z;
    if (plan->tuned) {
        state->Z = (struct kr_points){q, d, q, state->own};
        for (size_t j = 0; j < q; j++)
            for (size_t k = 0; k < d; k++)
                state->own[k * q + j] = map->theta[plan->first + j * d + k];
    }
    return take_root(ctx, map);
}

static const double *root(const struct kr_feature_map *map)
{
    return ((const struct state *)map->state)->L;
}

/* L_bar becomes K_bar, both triangles. */
static void reverse(size_t q, const double *L, double *L_bar)
{
    const int n = (int)q;
    for (size_t j = 0; j < q; j++)
        memset(L_bar + j * q, 0, j * sizeof *L_bar);
    cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, n, 1, L, n, L_bar, n);
    for (size_t j = 0; j < q; j++) {
        memset(L_bar + j * q, 0, j * sizeof *L_bar);
        L_bar[j * (q + 1)] *= 0.5;
    }
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, n, 1, L, n, L_bar, n);
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, n, n, 1, L, n, L_bar, n);
    for (size_t j = 0; j < q; j++)
        for (size_t i = j; i < q; i++)
            L_bar[i * q + j] = L_bar[j * q + i] = 0.5 * (L_bar[i * q + j] + L_bar[j * q + i]);
}

/* Each z is both arguments of K(Z, Z), and K is symmetric: twice the derivative by the first. */
static kr_status pull_root(struct kr_ctx *ctx, const struct kr_feature_map *map, double *L_bar, double *grad)
{
    const struct plan *plan = map->plan;
    const struct state *state = map->state;
    const size_t q = map->p, own = plan->nkernel;
    double *lane, *memory;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, lane, map->lane);
    KR_ALLOC(ctx, memory, scratch(map));
    reverse(q, state->L, L_bar);
    for (size_t i = 0; i < q; i++)
        L_bar[i * (q + 1)] *= 1 + map->jitter;
    pull(map, &state->Z, NULL, L_bar, lane, memory);
    for (size_t e = own; e < map->lane; e++)
        lane[e] *= 2;
    gather(map, lane, grad);
    kr_release(ctx, mark);
    return KR_OK;
}

static const struct kr_feature_map_type inducing = {
    .name = "inducing",
    .prepare = prepare,
    .scratch = scratch,
    .rows = rows,
    .pull = pull,
    .pull_x = pull_x,
    .gather = gather,
    .root = root,
    .pull_root = pull_root,
};

static size_t end_of(const struct kr_kernel *kernel)
{
    size_t end = kernel->first + kernel->nparams;
    for (size_t c = 0; c < kernel->nkernels; c++) {
        const size_t child = end_of(kernel->kernels[c]);
        end = child > end ? child : end;
    }
    return end;
}

kr_status kr_features_inducing(struct kr_ctx *ctx, const struct kr_kernel *kernel, const struct kr_points *Z,
                               bool tuned, size_t first, struct kr_feature_map *out)
{
    struct plan *plan;
    KR_ALLOC(ctx, plan, 1);
    *plan = (struct plan){kernel, *Z, tuned, first, end_of(kernel)};
    const size_t own = tuned ? Z->n * Z->d : 0;
    *out = (struct kr_feature_map){.type = &inducing,
                                   .p = Z->n,
                                   .d = Z->d,
                                   .count = tuned ? first + own : plan->nkernel,
                                   .lane = plan->nkernel + own,
                                   .plan = plan};
    return KR_OK;
}
