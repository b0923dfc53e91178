/*
 * inducing: the kernel by what inducing inputs know of it (op/inducing.c), with the variance of the
 * deterministic training conditional: what phi misses of k(x, x) is uncertain in every prediction.
 *
 * The inputs are centres of clusters of the training inputs, by the iteration of Lloyd from centres that are
 * drawn far from each other (Arthur and Vassilvitskii 2007, k-means++), on a seeded sample of large data; or
 * training inputs at random, no two the same. Where the kernel compares categories (hamming), a centre is
 * moved to the training input nearest to it, so that it is one of them. O(sample count d) an iteration.
 */
#include "kriged/gp.h"

#include <math.h>
#include <string.h>

const char *const kr_inducing_select_names[] = {"kmeans", "random", NULL};

KR_DEFINE(kr_inducing_options, KR_INDUCING_FIELDS, "inducing inputs");

enum { STREAM = 600, SAMPLE = 20000, SAMPLE_EACH = 40, ITERATIONS = 25 };

/* Training inputs at choice, row-major, and the centres (count x d, row-major). */
struct choice {
    size_t n, d, count;
    double *x, *centres, *distance; /* distance (n): squared, to the nearest centre */
    size_t *nearest;                /* n */
    struct kr_rng rng;
};

static double squared(size_t d, const double *a, const double *b)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

/* Rows in a random order, of which the first few thousand are enough for clusters. */
static kr_status take_sample(struct kr_ctx *ctx, const struct kr_points *from, bool all, struct choice *c)
{
    size_t *order, most = SAMPLE_EACH * c->count;
    most = all ? from->n : most > SAMPLE ? most : SAMPLE;
    KR_ALLOC(ctx, order, from->n);
    for (size_t i = 0; i < from->n; i++)
        order[i] = i;
    kr_rng_shuffle(&c->rng, from->n, order);
    c->n = from->n < most ? from->n : most;
    KR_ALLOC(ctx, c->x, c->n * c->d);
    KR_ALLOC(ctx, c->distance, c->n);
    KR_ALLOC(ctx, c->nearest, c->n);
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->d; k++)
            c->x[i * c->d + k] = from->x[k * from->ld + order[i]];
    return KR_OK;
}

static kr_status too_few(struct kr_ctx *ctx, const struct choice *c, size_t found, const char *pointer)
{
    return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/approximation/count", pointer),
                   "must be at most the number of different training inputs: wanted %zu, found %zu", c->count,
                   found);
}

/* The first rows of the random order that differ from those before. */
static kr_status choose_random(struct kr_ctx *ctx, const char *pointer, struct choice *c)
{
    size_t found = 0;
    for (size_t i = 0; i < c->n && found < c->count; i++) {
        bool fresh = true;
        for (size_t j = 0; j < found && fresh; j++)
            fresh = squared(c->d, c->x + i * c->d, c->centres + j * c->d) > 0;
        if (fresh)
            memcpy(c->centres + found++ * c->d, c->x + i * c->d, c->d * sizeof *c->x);
    }
    return found == c->count ? KR_OK : too_few(ctx, c, found, pointer);
}

/* Centres drawn one by one, with chances as the squared distance to those before. */
static kr_status begin(struct kr_ctx *ctx, const char *pointer, struct choice *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->distance[i] = 1;
    for (size_t j = 0; j < c->count; j++) {
        double total = 0, drawn;
        size_t at = 0;
        KR_TRY(kr_poll(ctx));
        for (size_t i = 0; i < c->n; i++)
            total += c->distance[i];
        if (!(total > 0))
            return too_few(ctx, c, j, pointer);
        drawn = kr_rng_uniform(&c->rng) * total;
        for (size_t i = 0; i < c->n && drawn >= 0; i++)
            if (c->distance[i] > 0) {
                at = i;
                drawn -= c->distance[i];
            }
        const double *centre = memcpy(c->centres + j * c->d, c->x + at * c->d, c->d * sizeof *c->x);
        for (size_t i = 0; i < c->n; i++) {
            const double distance = squared(c->d, c->x + i * c->d, centre);
            if (j == 0 || distance < c->distance[i])
                c->distance[i] = distance;
        }
    }
    return KR_OK;
}

static size_t nearest_centre(const struct choice *c, size_t i)
{
    double least = INFINITY;
    size_t nearest = 0;
    for (size_t j = 0; j < c->count; j++) {
        const double distance = squared(c->d, c->x + i * c->d, c->centres + j * c->d);
        if (distance < least) {
            least = distance;
            nearest = j;
        }
    }
    return nearest;
}

/* Centres become the means of what is nearest to them; one that lost all keeps its place. */
static kr_status iterate(struct kr_ctx *ctx, struct choice *c)
{
    size_t *members;
    double *sums;
    KR_ALLOC(ctx, members, c->count);
    KR_ALLOC(ctx, sums, c->count * c->d);
    for (int round = 0; round < ITERATIONS; round++) {
        bool moved = round == 0;
        KR_TRY(kr_poll(ctx));
        memset(members, 0, c->count * sizeof *members);
        memset(sums, 0, c->count * c->d * sizeof *sums);
#pragma omp parallel for schedule(static) num_threads(ctx->threads) reduction(| : moved)
        for (size_t i = 0; i < c->n; i++) {
            const size_t nearest = nearest_centre(c, i);
            moved |= nearest != c->nearest[i];
            c->nearest[i] = nearest;
        }
        for (size_t i = 0; i < c->n; i++) {
            members[c->nearest[i]]++;
            for (size_t k = 0; k < c->d; k++)
                sums[c->nearest[i] * c->d + k] += c->x[i * c->d + k];
        }
        for (size_t j = 0; j < c->count; j++)
            for (size_t k = 0; members[j] && k < c->d; k++)
                c->centres[j * c->d + k] = sums[j * c->d + k] / (double)members[j];
        if (!moved)
            break;
    }
    return KR_OK;
}

/* Each centre to the input nearest to it that no other centre has taken. */
static kr_status snap(struct kr_ctx *ctx, struct choice *c)
{
    bool *taken;
    KR_ALLOC(ctx, taken, c->n);
    for (size_t j = 0; j < c->count; j++) {
        double least = INFINITY;
        size_t at = 0;
        for (size_t i = 0; i < c->n; i++) {
            const double distance = squared(c->d, c->x + i * c->d, c->centres + j * c->d);
            if (!taken[i] && distance < least) {
                least = distance;
                at = i;
            }
        }
        for (size_t i = 0; i < c->n; i++)
            taken[i] |= squared(c->d, c->x + i * c->d, c->x + at * c->d) == 0;
        memcpy(c->centres + j * c->d, c->x + at * c->d, c->d * sizeof *c->x);
    }
    return KR_OK;
}

static bool compares(const struct kr_kernel *kernel)
{
    bool found = kernel->type->compares;
    for (size_t k = 0; k < kernel->nkernels; k++)
        found |= compares(kernel->kernels[k]);
    return found;
}

/* Rows of centres to points. */
static kr_status set_inputs(struct kr_ctx *ctx, size_t count, size_t d, const double *rows,
                            struct kr_points *out)
{
    double *x;
    KR_TRY(kr_transpose(ctx, count, d, rows, &x));
    *out = (struct kr_points){count, d, count, x};
    return KR_OK;
}

static kr_status choose(struct kr_ctx *ctx, const struct kr_inducing_options *o,
                        const struct kr_weight_site *site, const struct kr_kernel *kernel,
                        struct kr_points *out)
{
    const bool random = o->select == KR_INDUCING_RANDOM;
    struct choice c = {.d = site->d, .count = o->count};
    double *centres;
    KR_ALLOC(ctx, centres, o->count * site->d);
    const struct kr_mark mark = kr_mark(ctx);
    c.centres = centres;
    kr_rng_init(&c.rng, o->seed, STREAM);
    KR_TRY(take_sample(ctx, site->choice, random, &c));
    if (random)
        KR_TRY(choose_random(ctx, site->pointer, &c));
    else {
        KR_TRY(begin(ctx, site->pointer, &c));
        KR_TRY(iterate(ctx, &c));
        if (compares(kernel))
            KR_TRY(snap(ctx, &c));
    }
    kr_release(ctx, mark);
    return set_inputs(ctx, o->count, site->d, centres, out);
}

/* Inputs that came with the request, or with a model. */
static kr_status take(struct kr_ctx *ctx, const struct kr_inducing_options *o,
                      const struct kr_weight_site *site, struct kr_points *out)
{
    if (o->inputs.cols != site->d)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/approximation/inputs", site->pointer),
                       "must have one column for each of %zu features, got %zu", site->d, o->inputs.cols);
    return set_inputs(ctx, o->inputs.rows, site->d, o->inputs.items, out);
}

static kr_status add_inputs(struct kr_ctx *ctx, const struct kr_weight_site *site, const struct kr_points *Z)
{
    for (size_t j = 0; j < Z->n; j++)
        for (size_t k = 0; k < Z->d; k++)
            KR_TRY(kr_parameters_add(
                ctx, site->parameters,
                (struct kr_parameter){
                    .name = kr_printf(ctx, "approximation.inputs[%zu][%zu]", j, k),
                    .pointer = kr_printf(ctx, "%s/approximation/inputs/%zu/%zu", site->pointer, j, k),
                    .unit = KR_UNIT_NONE,
                    .spec = {.value = Z->x[k * Z->ld + j]}}));
    return KR_OK;
}

static kr_status build(struct kr_ctx *ctx, const void *options, const struct kr_weight_site *site,
                       struct kr_weight_space *space)
{
    const struct kr_inducing_options *o = options;
    const size_t first = site->parameters->count;
    if (!o->inputs.rows && !site->choice)
        return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "%s/approximation/inputs", site->pointer),
                       "is required: without data there is nothing to choose inducing inputs from");
    KR_TRY(o->inputs.rows ? take(ctx, o, site, &space->Z) : choose(ctx, o, site, space->kernel, &space->Z));
    space->residual = true;
    if (o->tune_inputs) {
        space->inputs = first;
        KR_TRY(add_inputs(ctx, site, &space->Z));
    }
    return kr_features_inducing(ctx, space->kernel, &space->Z, o->tune_inputs, first, &space->map);
}

extern const struct kr_approximation_type kr_approximation_inducing;
const struct kr_approximation_type kr_approximation_inducing = {
    {"inducing", "inducing inputs: every kernel; the deterministic training conditional",
     &kr_inducing_options_schema},
    build};
