/*
 * Random Fourier features. A stationary kernel is the mean of cos(w'(x - z)) over its spectral density, so
 * with q frequencies w_j = s_j g_j / l (g_j standard normal, s_j the kernel's `spectrum`, l its lengthscales)
 *
 *     phi(x) = sqrt(v/q) [cos(w_1'x), .., cos(w_q'x), sin(w_1'x), .., sin(w_q'x)],    E phi(x)'phi(z) = k(x,
 * z)
 *
 * and phi(x)'phi(x) = v exactly. The draws s_j g_j come from the seed alone and are moved by l: phi is a
 * smooth function of theta. Orthogonal: the g_j of a group of d are the rows of a random orthogonal matrix,
 * each with the length of a normal vector of its own; each is still standard normal, and the error falls.
 * Derivatives of a weighted sum <W, F>, with T = W_sin F_cos - W_cos F_sin of each angle:
 *
 *     by v: <W, F>/(2 v)         by l_k: -(1/l_k) sum_i x_ik (w'T_i)_k         by x_ik: (w'T_i)_k
 *
 * The cosine kernel is one wave with w = 2 pi/period; a constant is the feature sqrt(v), a linear kernel
 * sqrt(v_k) x_k; a sum has all features of its parts. Cost of a row: q (2 d + 12) flops and a sine with
 * cosine for each frequency. Sources: Rahimi and Recht 2007; Yu et al. 2016 (orthogonal); Rasmussen and
 * Williams 2006, section 4.2 (spectral densities).
 */
#include "kernel/vmath.h"
#include "kriged/features.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

KR_DEFINE(kr_fourier_options, KR_FOURIER_FIELDS, "random Fourier features");

enum { STREAM = 500 /* and upward, one of random numbers a part */ };

/* The features of one kernel: from column `first` of phi on, q waves (2 q features) or `features` others. */
struct part {
    const struct kr_kernel *kernel;
    enum kr_feature_kind kind;
    size_t first, q, features;
    size_t offset;      /* of its frequencies in the state */
    const double *base; /* q x nfeatures */
};

struct plan {
    size_t nparts, numbers; /* numbers: of all frequencies */
    struct part *parts;
};

/* ---- draws ---- */

/* Rows of a random orthogonal d x d matrix, by Gram and Schmidt, twice. */
static void orthogonalise(struct kr_rng *rng, size_t d, double *Q)
{
    for (size_t r = 0; r < d; r++) {
        double *row = Q + r * d;
        for (size_t k = 0; k < d; k++)
            row[k] = kr_rng_normal(rng);
        for (int twice = 0; twice < 2; twice++)
            for (size_t s = 0; s < r; s++)
                cblas_daxpy((int)d, -cblas_ddot((int)d, row, 1, Q + s * d, 1), Q + s * d, 1, row, 1);
        cblas_dscal((int)d, 1 / cblas_dnrm2((int)d, row, 1), row, 1);
    }
}

static kr_status draw(struct kr_ctx *ctx, const struct kr_fourier_options *options, const double *theta,
                      size_t index, struct part *part)
{
    const struct kr_kernel *kernel = part->kernel;
    const size_t d = kernel->nfeatures;
    struct kr_rng rng;
    double *base, *Q, *normal;
    KR_ALLOC(ctx, base, part->q * d);
    part->base = base;
    const struct kr_mark mark = kr_mark(ctx);
    KR_ALLOC(ctx, Q, options->orthogonal ? d * d : 1);
    KR_ALLOC(ctx, normal, d);
    kr_rng_init(&rng, options->seed, STREAM + index);
    for (size_t j = 0; j < part->q; j++) {
        double factor = kernel->type->spectrum(kernel, theta, &rng);
        const double *direction = normal;
        for (size_t k = 0; k < d; k++)
            normal[k] = kr_rng_normal(&rng);
        if (options->orthogonal) {
            if (j % d == 0)
                orthogonalise(&rng, d, Q);
            direction = Q + j % d * d;
            factor *= cblas_dnrm2((int)d, normal, 1);
        }
        for (size_t k = 0; k < d; k++)
            base[k * part->q + j] = factor * direction[k];
    }
    kr_release(ctx, mark);
    return KR_OK;
}

/* ---- the plan ---- */

static kr_status refuse(struct kr_ctx *ctx, const struct kr_kernel *kernel, const char *pointer)
{
    return kr_fail(
        ctx, KR_INVALID, kr_printf(ctx, "%s/type", pointer),
        "%s has no Fourier features: rbf, matern12, matern32, matern52, rational_quadratic, cosine, "
        "linear, constant and sums of them have; inducing inputs take every kernel",
        kernel->type->base.name);
}

/* A spectrum that depends on a parameter is drawn once: the parameter must stay. */
static kr_status require_fixed(struct kr_ctx *ctx, const struct kr_kernel *kernel,
                               const struct kr_parameters *parameters)
{
    const size_t first = kernel->first + kernel->entries[0] + kernel->entries[1];
    for (size_t p = first; p < kernel->first + kernel->nparams; p++)
        if (!parameters->items[p].spec.fixed)
            return kr_fail(
                ctx, KR_INVALID, parameters->items[p].pointer,
                "must be fixed ({\"value\": %g, \"fixed\": true}): Fourier features are drawn for one "
                "value of it",
                parameters->items[p].spec.value);
    return KR_OK;
}

static kr_status collect(struct kr_ctx *ctx, const struct kr_kernel *kernel,
                         const struct kr_parameters *parameters, const char *pointer, struct plan *plan)
{
    const enum kr_feature_kind kind = kernel->type->feature_kind;
    if (!pointer)
        return ctx->error.status;
    if (kind == KR_FEATURES_NONE || kind == KR_FEATURES_NOISE)
        return refuse(ctx, kernel, pointer);
    if (kind == KR_FEATURES_SPECTRAL)
        KR_TRY(require_fixed(ctx, kernel, parameters));
    for (size_t c = 0; kind == KR_FEATURES_SUM && c < kernel->nkernels; c++)
        KR_TRY(
            collect(ctx, kernel->kernels[c], parameters, kr_printf(ctx, "%s/kernels/%zu", pointer, c), plan));
    if (kind != KR_FEATURES_SUM)
        plan->parts[plan->nparts++] =
            (struct part){.kernel = kernel,
                          .kind = kind,
                          .q = kind == KR_FEATURES_WAVE,
                          .features = kind == KR_FEATURES_CONSTANT ? 1
                                      : kind == KR_FEATURES_LINEAR ? kernel->nfeatures
                                                                   : 0};
    return KR_OK;
}

static kr_status share_out(struct kr_ctx *ctx, const struct kr_fourier_options *options, const char *pointer,
                           struct plan *plan)
{
    size_t random = 0, next = 0;
    for (size_t i = 0; i < plan->nparts; i++)
        random += plan->parts[i].kind == KR_FEATURES_SPECTRAL;
    if (options->count % 2 || (options->count / 2 < random))
        return kr_fail(
            ctx, KR_INVALID, kr_printf(ctx, "%s/approximation/count", pointer),
            "must be even, and at least 2 for each of %zu kernels that have random features, got %zu", random,
            options->count);
    for (size_t i = 0; i < plan->nparts; i++)
        if (plan->parts[i].kind == KR_FEATURES_SPECTRAL) {
            plan->parts[i].q =
                (options->count / 2 * (next + 1)) / random - options->count / 2 * next / random;
            next++;
        }
    return KR_OK;
}

static size_t nodes(const struct kr_kernel *kernel)
{
    size_t count = 1;
    for (size_t c = 0; c < kernel->nkernels; c++)
        count += nodes(kernel->kernels[c]);
    return count;
}

/* ---- features ---- */

struct state {
    double *frequencies; /* of all parts, q x nfeatures each */
};

static kr_status prepare(struct kr_ctx *ctx, struct kr_feature_map *map)
{
    const struct plan *plan = map->plan;
    struct state *state = map->state;
    if (!state) {
        KR_ALLOC(ctx, state, 1);
        KR_ALLOC(ctx, state->frequencies, plan->numbers);
        map->state = state;
    }
    for (size_t i = 0; i < plan->nparts; i++) {
        const struct part *part = &plan->parts[i];
        const struct kr_kernel *kernel = part->kernel;
        for (size_t k = 0; part->q && k < kernel->nfeatures; k++) {
            const double length = map->theta[kernel->first + 1 + (kernel->entries[1] == 1 ? 0 : k)];
            for (size_t j = 0; j < part->q; j++) {
                const size_t at = k * part->q + j;
                state->frequencies[part->offset + at] = (part->base ? part->base[at] : 2 * M_PI) / length;
            }
        }
    }
    return KR_OK;
}

static size_t scratch(const struct kr_feature_map *map)
{
    return 2 * map->d * KR_TILE;
}

/* Columns of x that a kernel sees, nfeatures x n. */
static void gather_points(const struct kr_kernel *kernel, const struct kr_points *x, double *out)
{
    for (size_t k = 0; k < kernel->nfeatures; k++)
        for (size_t i = 0; i < x->n; i++)
            out[i * kernel->nfeatures + k] = x->x[kernel->features[k] * x->ld + i];
}

/* Angles become cosines; sines beside them. */
KR_CLONES static void waves(size_t q, double scale, double *cosines, double *sines)
{
    double most = 0;
    for (size_t j = 0; j < q; j++)
        most = fabs(cosines[j]) > most ? fabs(cosines[j]) : most;
    if (!(most <= KR_SINCOS_MOST)) {
        for (size_t j = 0; j < q; j++) {
            const double angle = cosines[j];
            cosines[j] = scale * cos(angle);
            sines[j] = scale * sin(angle);
        }
        return;
    }
    for (size_t j = 0; j < q; j++) {
        double s, c;
        kr_sincos(cosines[j], &s, &c);
        cosines[j] = scale * c;
        sines[j] = scale * s;
    }
}

static void wave_rows(const struct kr_feature_map *map, const struct part *part, const struct kr_points *x,
                      double *F, double *points)
{
    const struct state *state = map->state;
    const struct kr_kernel *kernel = part->kernel;
    const int q = (int)part->q, n = (int)x->n, d = (int)kernel->nfeatures, p = (int)map->p;
    const double scale = sqrt(map->theta[kernel->first] / (double)part->q);
    gather_points(kernel, x, points);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, q, n, d, 1, state->frequencies + part->offset, q,
                points, d, 0, F + part->first, p);
    for (size_t i = 0; i < x->n; i++) {
        double *row = F + i * map->p + part->first;
        waves(part->q, scale, row, row + part->q);
    }
}

static double linear_variance(const struct kr_feature_map *map, const struct kr_kernel *kernel, size_t k)
{
    return map->theta[kernel->first + (kernel->entries[0] == 1 ? 0 : k)];
}

static void rows(const struct kr_feature_map *map, const struct kr_points *x, double *F, double *memory)
{
    const struct plan *plan = map->plan;
    for (const struct part *part = plan->parts; part < plan->parts + plan->nparts; part++) {
        if (part->q)
            wave_rows(map, part, x, F, memory);
        for (size_t k = 0; k < part->features; k++) {
            const double scale = sqrt(linear_variance(map, part->kernel, k));
            for (size_t i = 0; i < x->n; i++)
                F[i * map->p + part->first + k] = part->kind == KR_FEATURES_CONSTANT
                                                      ? scale
                                                      : scale * x->x[part->kernel->features[k] * x->ld + i];
        }
    }
}

/* ---- derivatives ---- */

/* W_cos becomes T, which is the derivative by the angles; returns <W, F>. */
KR_CLONES static double by_angles(size_t q, const double *F, double *W)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < q; j++) {
        sum += W[j] * F[j] + W[q + j] * F[q + j];
        W[j] = W[q + j] * F[j] - W[j] * F[q + j];
    }
    return sum;
}

/* w'T of a block, nfeatures x n: the derivatives by x. Returns <W, F>. */
static double by_points(const struct kr_feature_map *map, const struct part *part, size_t points,
                        const double *F, double *W, double *moved)
{
    const struct state *state = map->state;
    const int q = (int)part->q, d = (int)part->kernel->nfeatures, p = (int)map->p;
    double sum = 0;
    for (size_t i = 0; i < points; i++)
        sum += by_angles(part->q, F + i * map->p + part->first, W + i * map->p + part->first);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, d, (int)points, q, 1,
                state->frequencies + part->offset, q, W + part->first, p, 0, moved, d);
    return sum;
}

static void pull_waves(const struct kr_feature_map *map, const struct part *part, const struct kr_points *x,
                       const double *F, double *W, double *lane, double *memory)
{
    const struct kr_kernel *kernel = part->kernel;
    double *moved = memory, *grad = lane + kernel->first;
    grad[0] += by_points(map, part, x->n, F, W, moved) / (2 * map->theta[kernel->first]);
    for (size_t k = 0; k < kernel->nfeatures; k++) {
        const size_t at = 1 + (kernel->entries[1] == 1 ? 0 : k);
        double sum = 0;
        for (size_t i = 0; i < x->n; i++)
            sum += x->x[kernel->features[k] * x->ld + i] * moved[i * kernel->nfeatures + k];
        grad[at] -= sum / map->theta[kernel->first + at];
    }
}

static void pull(const struct kr_feature_map *map, const struct kr_points *x, const double *F, double *W,
                 double *lane, double *memory)
{
    const struct plan *plan = map->plan;
    for (const struct part *part = plan->parts; part < plan->parts + plan->nparts; part++) {
        const struct kr_kernel *kernel = part->kernel;
        if (part->q)
            pull_waves(map, part, x, F, W, lane, memory);
        for (size_t k = 0; k < part->features; k++) {
            double sum = 0;
            for (size_t i = 0; i < x->n; i++)
                sum += W[i * map->p + part->first + k] * F[i * map->p + part->first + k];
            lane[kernel->first + (kernel->entries[0] == 1 ? 0 : k)] +=
                sum / (2 * linear_variance(map, kernel, k));
        }
    }
}

static void pull_x(const struct kr_feature_map *map, const struct kr_points *x, const double *F, double *W,
                   double *grad_x, size_t ld, double *memory)
{
    const struct plan *plan = map->plan;
    for (const struct part *part = plan->parts; part < plan->parts + plan->nparts; part++) {
        const struct kr_kernel *kernel = part->kernel;
        if (part->q)
            by_points(map, part, x->n, F, W, memory);
        for (size_t k = 0; k < kernel->nfeatures && part->kind != KR_FEATURES_CONSTANT; k++)
            for (size_t i = 0; i < x->n; i++)
                grad_x[kernel->features[k] * ld + i] +=
                    part->q ? memory[i * kernel->nfeatures + k]
                            : sqrt(linear_variance(map, kernel, k)) * W[i * map->p + part->first + k];
    }
}

static void gather(const struct kr_feature_map *map, const double *lane, double *grad)
{
    for (size_t i = 0; i < map->lane; i++)
        grad[i] += lane[i];
}

static const struct kr_feature_map_type fourier = {
    .name = "fourier_features",
    .prepare = prepare,
    .scratch = scratch,
    .rows = rows,
    .pull = pull,
    .pull_x = pull_x,
    .gather = gather,
};

kr_status kr_features_fourier(struct kr_ctx *ctx, const struct kr_fourier_options *options,
                              const struct kr_kernel *kernel, size_t d,
                              const struct kr_parameters *parameters, const char *pointer,
                              struct kr_feature_map *out)
{
    struct plan *plan;
    double *theta;
    KR_ALLOC(ctx, plan, 1);
    KR_ALLOC(ctx, plan->parts, nodes(kernel));
    KR_ALLOC(ctx, theta, parameters->count);
    for (size_t p = 0; p < parameters->count; p++)
        theta[p] = parameters->items[p].spec.value;
    KR_TRY(collect(ctx, kernel, parameters, kr_printf(ctx, "%s/kernel", pointer), plan));
    KR_TRY(share_out(ctx, options, pointer, plan));
    *out = (struct kr_feature_map){.type = &fourier, .d = d, .plan = plan, .condition = 1};
    for (size_t i = 0; i < plan->nparts; i++) {
        struct part *part = &plan->parts[i];
        if (part->kind == KR_FEATURES_SPECTRAL)
            KR_TRY(draw(ctx, options, theta, i, part));
        part->first = out->p;
        part->offset = plan->numbers;
        plan->numbers += part->q * part->kernel->nfeatures;
        out->p += 2 * part->q + part->features;
        const size_t end = part->kernel->first + part->kernel->nparams;
        out->count = end > out->count ? end : out->count;
    }
    out->lane = out->count;
    return KR_OK;
}
