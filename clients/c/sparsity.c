/*
 * sparsity: a linear layer y = W x with 50 million weights, made sparse by constraints while it is trained.
 *
 *     minimise |W X - Y|^2 / (2 N)   subject to   log(N_r / budget) = 0   for every row and column r of W
 *
 * N_r = (sum |w|)^2 / sum w^2 is the effective number of weights of a row or column: k for k equal ones among
 * zeros. There are more inputs than samples: without constraints the data are fitted exactly and little is
 * learned. The truth, a sparse circular convolution, has few weights a row: with the constraints it is found.
 *
 * What to look at: the Jacobian of the constraints, an operator of two functions (apply, apply_t) that stores
 * no matrix and recomputes what it needs from W; make_step, the five calls that make a step. Memory is eleven
 * times that of W: W, the next one, the gradient, three vectors of the optimiser's state, and five while a
 * projection is solved. The data are generated in blocks from their seed and never stored.
 *
 *     build/examples/sparsity --parameters 50000000 --steps 100
 */
#include "flags.h"
#include "kriged/nullspace.h"
#include "kriged/opt.h"

#include <cblas.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

/* Samples of a block; pieces of W's rows that threads take; weights of a row of the truth. */
enum { BLOCK = 128, PANELS = 32, TAPS = 8 };

struct layer {
    size_t d; /* W is d x d, row-major */
    uint64_t seed;
    double budget;   /* effective weights of a row or column */
    double *l1, *l2; /* sum |w| and sum w^2 of the d rows, then of the d columns */
    double *X, *E;   /* a block of data and its errors, d x BLOCK each */
    double *panel;   /* sums of panels, 2 PANELS x d */
    double *scratch; /* 4 d */
    const double *W; /* where the constraints were evaluated */
};

/* |w| and its derivative, smooth at 0. */
static const double SMOOTH = 1e-4;
static inline double size_of(double w)
{
    return sqrt(w * w + SMOOTH * SMOOTH) - SMOOTH;
}
static inline double slope_of(double w)
{
    return w / sqrt(w * w + SMOOTH * SMOOTH);
}

/* ---- data: block b of the samples, X and Y = true W X + noise, each BLOCK to a row ---- */

static void generate(const struct layer *layer, size_t b, double *X, double *Y)
{
    struct kr_rng rng;
    size_t d = layer->d, shift[TAPS];
    kr_rng_init(&rng, layer->seed, 0); /* the truth: y_i is a sum of TAPS inputs, counted from i on */
    for (size_t t = 0; t < TAPS; t++)
        shift[t] = kr_rng_below(&rng, d);
    kr_rng_init(&rng, layer->seed, 1 + b);
    for (size_t i = 0; i < d * BLOCK; i++)
        X[i] = kr_rng_normal(&rng);
    for (size_t i = 0; i < d; i++) {
        for (size_t s = 0; s < BLOCK; s++)
            Y[i * BLOCK + s] = 0.1 * kr_rng_normal(&rng);
        for (size_t t = 0; t < TAPS; t++)
            cblas_daxpy(BLOCK, (t % 2 ? -1 : 1) / sqrt(TAPS), X + (i + shift[t]) % d * BLOCK, 1,
                        Y + i * BLOCK, 1);
    }
}

/* The loss over `count` samples from block `first` on, and its gradient (or NULL). Panels of rows in
 * parallel. */
static double loss(struct kr_ctx *ctx, const struct layer *layer, size_t first, size_t count, const double *W,
                   double *gradient)
{
    const size_t d = layer->d, blocks = count / BLOCK;
    double sum = 0, part[PANELS];
    for (size_t b = 0; b < blocks; b++) {
        generate(layer, first + b, layer->X, layer->E);
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
        for (size_t p = 0; p < PANELS; p++) {
            const size_t from = p * d / PANELS, rows = (p + 1) * d / PANELS - from;
            double *E = layer->E + from * BLOCK;
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, BLOCK, (int)d, 1, W + from * d,
                        (int)d, layer->X, BLOCK, -1, E, BLOCK);
            part[p] = cblas_ddot((int)rows * BLOCK, E, 1, E, 1);
            if (gradient)
                cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)d, BLOCK,
                            1.0 / (double)count, E, BLOCK, layer->X, BLOCK, b > 0, gradient + from * d,
                            (int)d);
        }
        for (size_t p = 0; p < PANELS; p++)
            sum += part[p];
    }
    return sum / (2 * (double)count);
}

/* ---- constraints: c, J v and J'u, in one pass over W each ---- */

/* Sums over rows and over columns of two functions of an entry, into out[0] (2 d) and out[1] (2 d). V = NULL:
 * of |w| and w^2; else of d|w| v and w v. Panels add their columns in a fixed order: the same bits for any
 * number of threads. */
static void sums(struct kr_ctx *ctx, const struct layer *layer, const double *V, double *restrict out[2])
{
    const size_t d = layer->d;
    memset(layer->panel, 0, 2 * PANELS * d * sizeof(double));
#pragma omp parallel for schedule(dynamic) num_threads(ctx->threads)
    for (size_t p = 0; p < PANELS; p++) {
        double *restrict first = layer->panel + 2 * p * d, *restrict second = first + d;
        for (size_t i = p * d / PANELS; i < (p + 1) * d / PANELS; i++) {
            const double *restrict w = layer->W + i * d, *restrict v = V ? V + i * d : w;
            double a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
            for (size_t j = 0; j < d; j++) {
                const double f = V ? slope_of(w[j]) * v[j] : size_of(w[j]), g = w[j] * v[j];
                a += f;
                b += g;
                first[j] += f;
                second[j] += g;
            }
            out[0][i] = a;
            out[1][i] = b;
        }
    }
    for (int k = 0; k < 2; k++) {
        memset(out[k] + d, 0, d * sizeof(double));
        for (size_t p = 0; p < PANELS; p++)
            cblas_daxpy((int)d, 1, layer->panel + (2 * p + (size_t)k) * d, 1, out[k] + d, 1);
    }
}

/* d log N_r = 2 (sum d|w| v / l1 - sum w v / l2) */
static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *V, double *Y)
{
    const struct layer *layer = op->self;
    for (size_t c = 0; c < k; c++) {
        double *y = Y + c * op->rows, *sum[2] = {y, layer->scratch};
        sums(ctx, layer, V + c * op->cols, sum);
        for (size_t r = 0; r < op->rows; r++)
            y[r] = 2 * (sum[0][r] / layer->l1[r] - sum[1][r] / layer->l2[r]);
    }
    return KR_OK;
}

/* Entry i, j gets what row i and column j say about it. */
static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U, double *Y)
{
    const struct layer *layer = op->self;
    const size_t d = layer->d;
    double *by_l1 = layer->scratch, *by_l2 = by_l1 + op->rows;
    for (size_t c = 0; c < k; c++) {
        for (size_t r = 0; r < op->rows; r++) {
            by_l1[r] = 2 * U[c * op->rows + r] / layer->l1[r];
            by_l2[r] = 2 * U[c * op->rows + r] / layer->l2[r];
        }
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
        for (size_t i = 0; i < d; i++) {
            const double *w = layer->W + i * d;
            double *y = Y + c * op->cols + i * d;
            for (size_t j = 0; j < d; j++)
                y[j] = slope_of(w[j]) * (by_l1[i] + by_l1[d + j]) - w[j] * (by_l2[i] + by_l2[d + j]);
        }
    }
    return KR_OK;
}

static const struct kr_op_type jacobian = {.name = "effective weights", .apply = apply, .apply_t = apply_t};

static void constraints(struct kr_ctx *ctx, struct layer *layer, const double *W, double *c, struct kr_op *J)
{
    layer->W = W;
    sums(ctx, layer, NULL, (double *[2]){layer->l1, layer->l2});
    for (size_t r = 0; r < 2 * layer->d; r++)
        c[r] = log(layer->l1[r] * layer->l1[r] / layer->l2[r] / layer->budget);
    *J = (struct kr_op){.type = &jacobian, .rows = 2 * layer->d, .cols = layer->d * layer->d, .self = layer};
}

/* ---- training ---- */

struct training {
    size_t n, m, samples;
    const struct kr_optimizer_type *optimizer;
    struct kr_gradient_descent_options *descent;
    struct kr_nullspace_options nullspace;
    double *W, *next, *g, *c, *state; /* g also serves as the proposal */
    double loss, violation, gradient; /* at W; largest |c_r|; largest entry of the (projected) gradient */
    size_t iterations;                /* of the two least-squares solves of the last step */
};

static kr_status prepare(struct kr_ctx *ctx, struct layer *layer, struct training *t)
{
    struct kr_variant row;
    struct kr_rng rng;
    const size_t d = layer->d, n = t->n = d * d, m = t->m = 2 * d;
    KR_TRY(kr_variant_init(ctx, &kr_optimizer_registry, "gradient_descent", &row));
    t->optimizer = (const struct kr_optimizer_type *)row.type;
    t->descent = row.options;
    t->descent->learning_rate = 0.5; /* at most: the measured curvature shortens it */
    t->descent->momentum = 0.8;
    KR_TRY(kr_schema_init(ctx, &kr_nullspace_options_schema, &t->nullspace));
    /* The constraints are far from linear: restore 0.15 of each a step at most, and solve no more precisely
     * than that deserves. */
    t->nullspace.gamma = 0.15;
    t->nullspace.scale = sqrt((double)m);
    t->nullspace.solver_tolerance = 1e-3;
    const struct {
        double **at;
        size_t count;
    } memory[] = {{&t->W, n},
                  {&t->next, n},
                  {&t->g, n},
                  {&t->state, t->optimizer->state_size(t->descent, n)},
                  {&t->c, m},
                  {&layer->l1, m},
                  {&layer->l2, m},
                  {&layer->scratch, 2 * m},
                  {&layer->X, d * BLOCK},
                  {&layer->E, d * BLOCK},
                  {&layer->panel, 2 * PANELS * d}};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        KR_ALLOC(ctx, *memory[i].at, memory[i].count);
    kr_rng_init(&rng, layer->seed, UINT64_MAX);
    for (size_t i = 0; i < n; i++)
        t->W[i] = 0.3 * kr_rng_normal(&rng) / sqrt((double)d);
    t->optimizer->init(t->descent, n, NULL, NULL, t->W, t->state);
    return KR_OK;
}

static double largest(size_t n, const double *x)
{
    return fabs(x[cblas_idamax((int)n, x, 1)]);
}

/* Loss, gradient and constraints at W, and the next W in t->next; without constraints to compare with. */
static kr_status make_step(struct kr_ctx *ctx, struct layer *layer, struct training *t, size_t step,
                           bool constrained)
{
    struct kr_op J;
    struct kr_lstsq_report solve;
    struct kr_nullspace_report filter;
    t->loss = loss(ctx, layer, 0, t->samples, t->W, t->g);
    constraints(ctx, layer, t->W, t->c, &J);
    t->violation = largest(t->m, t->c);
    if (!constrained) {
        t->gradient = largest(t->n, t->g);
        t->optimizer->tell(t->descent, t->n, NULL, NULL, t->state, t->W, t->loss, t->g);
        t->optimizer->ask(t->descent, t->n, NULL, NULL, t->state, t->next);
        return KR_OK;
    }
    if (step == 0 && t->n <= 1000000) /* are apply and apply_t each other's adjoint? */
        KR_TRY(kr_op_check(ctx, &J, 1, layer->seed, 0, NULL));
    KR_TRY(kr_nullspace_gradient(ctx, &t->nullspace, &J, NULL, NULL, t->W, t->g, t->next, NULL, &solve));
    t->gradient = largest(t->n, t->next);
    t->optimizer->tell(t->descent, t->n, NULL, NULL, t->state, t->W, t->loss, t->next);
    t->optimizer->ask(t->descent, t->n, NULL, NULL, t->state, t->g);
    KR_TRY(kr_nullspace_filter(ctx, &t->nullspace, step, &J, t->c, NULL, NULL, t->W, t->g, t->next, &filter));
    t->iterations = solve.iterations + filter.solver.iterations;
    return KR_OK;
}

static kr_status train(struct kr_ctx *ctx, struct layer *layer, struct training *t, size_t steps,
                       bool constrained)
{
    const double begun = kr_seconds(), d = (double)layer->d;
    size_t weights = 0;
    struct rusage usage;
    KR_TRY(prepare(ctx, layer, t));
    for (size_t step = 0; step <= steps; step++) {
        KR_TRY(make_step(ctx, layer, t, step, constrained));
        printf("%4zu  mse %9.6f  violation %8.2e  gradient %8.2e  iterations %2zu  %7.1f s\n", step,
               2 * t->loss / d, t->violation, t->gradient, t->iterations, kr_seconds() - begun);
        fflush(stdout);
        double *W = t->W;
        t->W = step < steps ? t->next : W;
        t->next = W;
    }
    const double seconds = (kr_seconds() - begun) / (double)(steps + 1), threshold = largest(t->n, t->W) / 20;
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = (double)clock() / CLOCKS_PER_SEC / (double)(steps + 1);
    for (size_t i = 0; i < t->n; i++)
        weights += fabs(t->W[i]) > threshold;
    printf("{\"parameters\": %zu, \"constraints\": %zu, \"mse\": %.6f, \"held_out_mse\": %.6f, "
           "\"violation\": %.2e, \"weights_a_row\": %.2f, \"seconds_a_step\": %.3f, "
           "\"cpu_seconds_a_step\": %.3f, \"memory_in_parameter_vectors\": %.2f}\n",
           t->n, constrained ? t->m : 0, 2 * t->loss / d,
           2 * loss(ctx, layer, 1 << 20, BLOCK, t->W, NULL) / d, t->violation, (double)weights / d, seconds,
           cpu, 1024.0 * (double)usage.ru_maxrss / (double)(8 * t->n));
    return KR_OK;
}

int main(int argc, char **argv)
{
    size_t parameters = 1000000, steps = 100, samples = 256, threads = (size_t)kr_cores(), seed = 1,
           constrained = 1;
    const struct flag flags[] = {
        {"--parameters", &parameters}, {"--steps", &steps}, {"--samples", &samples},
        {"--threads", &threads},       {"--seed", &seed},   {"--constrained", &constrained}};
    if (!read_flags(argc, argv, flags, sizeof flags / sizeof flags[0]))
        return 2;
    struct kr_ctx ctx;
    struct layer layer = {.d = (size_t)ceil(sqrt((double)parameters)), .seed = seed, .budget = 1.25 * TAPS};
    struct training training = {.samples = (samples + BLOCK - 1) / BLOCK * BLOCK};
    kr_ctx_init(&ctx, 0);
    ctx.threads = (int)threads;
    return finish(&ctx, train(&ctx, &layer, &training, steps, constrained));
}
