/*
 * Pathwise samples, by Matheron's rule: a function drawn from the prior, corrected by what the data say,
 *
 *     f(x) + k(x, X) A^-1 (y - m - f(X) - e),     e ~ N(0, noise),  f ~ N(0, k), f(x) = phi(x)'w, w ~ N(0, I)
 *
 * with phi random Fourier features of the kernel (features.h). The correction uses the kernel itself, so that
 * only the prior is approximate: where the data say all, so do the samples, and elsewhere covariances are off
 * by O(v/sqrt(features)). White kernels are noise at the rows and at the points, drawn apart. n rows, k
 * points, p features, S samples: one solve with S columns whatever k is, and 2 (n + k) (p + n) S flops; (2 n
 * + 2 k + p) S doubles.
 *
 * Features, weights and e come from the seed alone and in this order: the same seed is the same function,
 * whatever points it is asked at (to the tolerance of the solve). Source: Wilson, Borovitskiy, Terenin,
 * Mostowsky and Deisenroth, "Pathwise Conditioning of Gaussian Processes" (2021).
 */
#include "gp/weight_space.h"

#include <math.h>
#include <string.h>

enum { STREAM = 0x7a740000 /* and upward, one of random numbers a sample */ };

/* One call at work: blocks have one column a sample. */
struct paths {
    const struct kr_posterior *p;
    const struct kr_points *x;
    size_t count;
    struct kr_feature_map map;
    bool smooth;  /* the kernel is more than white noise: there is a map */
    double white; /* variance of its white parts */
    double *W;    /* weights: map.p x count */
    double *V;    /* A^-1 (f(X) + e): n x count */
    double *at_x; /* noise of the function at the points, then the samples: k x count */
    bool observe; /* new observations at x, with noise of their own (or NULL), else the function */
    const double *noise;
};

/* The kernel's theta as parameters that stay. */
static kr_status fixed_parameters(struct kr_ctx *ctx, const struct kr_posterior *p, struct kr_parameters *out)
{
    *out = (struct kr_parameters){.count = p->noise_index + 1};
    KR_ALLOC(ctx, out->items, out->count);
    for (size_t i = 0; i < out->count; i++)
        out->items[i].spec = (struct kr_param_value){.value = p->theta[i], .fixed = true};
    return KR_OK;
}

static kr_status open_map(struct kr_ctx *ctx, struct paths *w, size_t features, uint64_t seed)
{
    const struct kr_fourier_options options = {.count = features, .seed = seed, .orthogonal = true};
    const struct kr_kernel *smooth;
    struct kr_parameters parameters;
    struct kr_feature_map map;
    size_t nwhite, *white;
    KR_TRY(kr_kernel_split(ctx, w->p->kernel, "/kernel", &smooth, &nwhite, &white));
    for (size_t i = 0; i < nwhite; i++)
        w->white += w->p->theta[white[i]];
    w->smooth = smooth != NULL;
    if (!smooth)
        return KR_OK;
    KR_TRY(fixed_parameters(ctx, w->p, &parameters));
    KR_TRY(kr_features_fourier(ctx, &options, smooth, w->p->x.d, &parameters, "", &map));
    return kr_features_open(ctx, &map, w->p->theta, &w->map);
}

/* All random numbers of sample s: weights, e into V, then what belongs to the points. */
static void draw(struct paths *w, uint64_t seed, size_t s)
{
    const struct kr_posterior *p = w->p;
    const double s2 = p->theta[p->noise_index];
    struct kr_rng rng;
    kr_rng_init(&rng, seed, STREAM + s);
    for (size_t j = 0; j < w->map.p; j++)
        w->W[s * w->map.p + j] = kr_rng_normal(&rng);
    for (size_t i = 0; i < p->x.n; i++)
        w->V[s * p->x.n + i] = sqrt(s2 + w->white + (p->noise ? p->noise[i] : 0)) * kr_rng_normal(&rng);
    for (size_t j = 0; j < w->x->n; j++) {
        const double noise = w->observe ? s2 + (w->noise ? w->noise[j] : 0) : 0;
        w->at_x[s * w->x->n + j] = sqrt(w->white + noise) * kr_rng_normal(&rng);
    }
}

/* to += Phi(x) W or K(x, X) V. */
static kr_status add_product(struct kr_ctx *ctx, const struct kr_op *op, size_t count, const double *B,
                             double *to)
{
    double *product;
    struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, product, op->rows * count);
    KR_TRY(kr_op_apply(ctx, op, count, B, product));
    for (size_t e = 0; e < op->rows * count; e++)
        to[e] += product[e];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status add_prior(struct kr_ctx *ctx, struct paths *w, const struct kr_points *x, double *to)
{
    struct kr_op phi;
    if (!w->smooth)
        return KR_OK;
    KR_TRY(kr_op_features(ctx, &w->map, x, NULL, &phi));
    return add_product(ctx, &phi, w->count, w->W, to);
}

/* V = alpha - A^-1 (f(X) + e): what the kernel's columns at the rows are multiplied with. */
static kr_status solve(struct kr_ctx *ctx, struct paths *w, struct kr_solve_report *report)
{
    const struct kr_posterior *p = w->p;
    const size_t n = p->x.n;
    struct covariance A;
    struct kr_mark mark = kr_mark(ctx);
    double *rhs;
    KR_TRY(add_prior(ctx, w, &p->x, w->V));
    KR_ALLOC(ctx, rhs, n * w->count);
    memcpy(rhs, w->V, n * w->count * sizeof *rhs);
    KR_TRY(kr_posterior_open(ctx, p, &A));
    KR_TRY(kr_solver_solve(ctx, &A.solver, w->count, rhs, NULL, w->V, NULL, report));
    for (size_t s = 0; s < w->count; s++)
        for (size_t i = 0; i < n; i++)
            w->V[s * n + i] = p->alpha[i] - w->V[s * n + i];
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status evaluate(struct kr_ctx *ctx, struct paths *w)
{
    const struct kr_posterior *p = w->p;
    const size_t k = w->x->n;
    struct kr_op cross;
    double *offset;
    KR_ALLOC(ctx, offset, k);
    KR_TRY(add_prior(ctx, w, w->x, w->at_x));
    KR_TRY(kr_op_kernel(ctx, p->kernel, p->theta, w->x, &p->x, &cross));
    KR_TRY(add_product(ctx, &cross, w->count, w->V, w->at_x));
    p->mean->eval(p->theta + p->mean_first, w->x, offset);
    for (size_t s = 0; s < w->count; s++)
        for (size_t j = 0; j < k; j++)
            w->at_x[s * k + j] += offset[j];
    return KR_OK;
}

kr_status kr_posterior_paths(struct kr_ctx *ctx, const struct kr_posterior *posterior,
                             const struct kr_points *x, const double *noise, bool observe, size_t features,
                             size_t count, uint64_t seed, double *out, struct kr_solve_report *report)
{
    struct paths w = {
        .p = posterior, .x = x, .count = count, .noise = noise, .observe = observe, .at_x = out};
    struct kr_mark mark = kr_mark(ctx);
    if (posterior->space)
        return kr_weight_posterior_paths(ctx, posterior, x, noise, observe, count, seed, out);
    KR_TRY(open_map(ctx, &w, features, seed));
    KR_ALLOC(ctx, w.W, w.map.p * count);
    KR_ALLOC(ctx, w.V, posterior->x.n * count);
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (size_t s = 0; s < count; s++)
        draw(&w, seed, s);
    KR_TRY(solve(ctx, &w, report));
    KR_TRY(evaluate(ctx, &w));
    kr_release(ctx, mark);
    return KR_OK;
}

static bool has_paths(const struct kr_kernel *kernel)
{
    bool has = kernel->type->feature_kind != KR_FEATURES_NONE;
    for (size_t c = 0; c < kernel->nkernels; c++)
        has = has && has_paths(kernel->kernels[c]);
    return has;
}

bool kr_posterior_has_paths(const struct kr_posterior *posterior)
{
    return posterior->space ? !posterior->space->residual : has_paths(posterior->kernel);
}
