/*
 * Approximations at scale: seconds of an evaluation (loss, then loss and gradient) and the peak memory of the
 * process with its data, which must stay below 4 GiB. Friedman's first function with 8 features, a tenth of
 * the rows held out, Matern 5/2 with ARD, every core. Each case runs in a process of its own.
 *
 *     bench_weight_space [N [P [EVALUATIONS]]]     default 1000000 512 0
 *
 * With EVALUATIONS, a tuning run of so many by lbfgs comes after them: from the start's loss to the best one,
 * with the scores that a run ends with.
 */
#include "kriged/opt.h"
#include "kriged/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FEATURES = 8, MOST_MIB = 4096 };

struct measured {
    double value, gradient, loss, error, residual; /* seconds; of the loss */
    double tuning, first, best;                    /* seconds; losses */
    size_t products;
};

static void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s: %s\n", ctx->error.pointer, ctx->error.detail);
    _exit(1);
}

static void friedman(struct kr_ctx *ctx, size_t n, struct kr_dataset *out)
{
    struct kr_rng rng;
    static const char *const names[FEATURES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    double *x = kr_alloc(ctx, n * FEATURES, sizeof *x), *y = kr_alloc(ctx, n, sizeof *y);
    if (!x || !y)
        die(ctx);
    kr_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < n * FEATURES; i++)
        x[i] = kr_rng_uniform(&rng);
    for (size_t i = 0; i < n; i++)
        y[i] = 10 * sin(M_PI * x[i] * x[n + i]) + 20 * pow(x[2 * n + i] - 0.5, 2) + 10 * x[3 * n + i] +
               5 * x[4 * n + i] + kr_rng_normal(&rng);
    *out = (struct kr_dataset){
        .n = n, .d = FEATURES, .x = x, .y = y, .feature_names = names, .target_name = "y"};
}

static kr_status describe(struct kr_ctx *ctx, const char *approximation, const char *loss, size_t n, size_t p,
                          struct kr_gp_spec *spec)
{
    KR_TRY(kr_schema_init(ctx, &kr_gp_spec_schema, spec));
    KR_TRY(kr_variant_init(ctx, &kr_kernel_registry, "matern52", &spec->model.kernel));
    KR_TRY(kr_variant_init(ctx, &kr_loss_registry, loss, &spec->objective.loss));
    KR_TRY(kr_variant_init(ctx, &kr_validation_registry, "rows", &spec->objective.validation));
    struct kr_ints *held = spec->objective.validation.options; /* the only member */
    held->count = n / 10;
    KR_ALLOC(ctx, held->items, held->count);
    for (size_t i = 0; i < held->count; i++)
        held->items[i] = 10 * i;
    KR_TRY(kr_variant_init(ctx, &kr_approximation_registry, approximation, &spec->model.approximation));
    *(size_t *)spec->model.approximation.options = p; /* count is the first member of both */
    struct kr_param *length =
        (void *)((char *)spec->model.kernel.options +
                 ((const struct kr_kernel_type *)spec->model.kernel.type)->parameters[1].offset);
    length->array = true;
    length->count = FEATURES;
    KR_ALLOC(ctx, length->values, FEATURES);
    for (size_t k = 0; k < FEATURES; k++)
        length->values[k].value = 2 + 0.3 * (double)k;
    return KR_OK;
}

static void note(void *self, const struct kr_tune_event *event)
{
    struct measured *out = self;
    if (event->step && event->step->evaluation == 1)
        out->first = event->step->loss;
}

static kr_status tune(struct kr_ctx *ctx, const struct kr_gp *gp, size_t evaluations, struct measured *out)
{
    const double began = kr_seconds();
    struct kr_tune_result result;
    struct kr_variant optimizer;
    const double *theta;
    KR_TRY(kr_variant_init(ctx, &kr_optimizer_registry, "lbfgs", &optimizer));
    ((struct kr_stop_options *)optimizer.options)->max_evaluations =
        evaluations; /* the head of all of them */
    const struct kr_tune_spec spec = {.gp = gp, .optimizer = &optimizer};
    KR_TRY(kr_tune(ctx, &spec, 0, NULL, note, out, &result, &theta));
    out->best = result.best_loss;
    out->tuning = kr_seconds() - began;
    return KR_OK;
}

static kr_status measure(struct kr_ctx *ctx, const char *approximation, const char *loss, size_t n, size_t p,
                         size_t evaluations, struct measured *out)
{
    struct kr_gp_spec spec;
    struct kr_dataset data;
    struct kr_gp gp;
    struct kr_evaluation evaluation;
    double *grad, began;
    friedman(ctx, n, &data);
    KR_TRY(describe(ctx, approximation, loss, n, p, &spec));
    KR_TRY(kr_gp_init(ctx, &spec, &data, &gp));
    if (evaluations)
        return tune(ctx, &gp, evaluations, out);
    KR_ALLOC(ctx, grad, gp.parameters.count);
    began = kr_seconds();
    KR_TRY(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, NULL));
    out->value = kr_seconds() - began;
    began = kr_seconds();
    KR_TRY(kr_objective_eval(ctx, &gp, gp.start, false, &evaluation, grad));
    out->gradient = kr_seconds() - began;
    out->loss = evaluation.loss;
    out->error = evaluation.value_error;
    out->residual = evaluation.solver.residual;
    out->products = evaluation.solver.products;
    return KR_OK;
}

/* Peak memory of the child, MiB. */
static double in_child(const char *approximation, const char *loss, size_t n, size_t p, size_t evaluations,
                       struct measured *out)
{
    int fds[2], status;
    struct rusage usage;
    if (pipe(fds) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        struct kr_ctx ctx;
        struct measured mine = {0};
        kr_ctx_init(&ctx, 0);
        ctx.threads = kr_cores();
        if (measure(&ctx, approximation, loss, n, p, evaluations, &mine) != KR_OK)
            die(&ctx);
        _exit(write(fds[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
    }
    close(fds[1]);
    const bool done = read(fds[0], out, sizeof *out) == sizeof *out;
    close(fds[0]);
    if (wait4(child, &status, 0, &usage) != child || !done)
        exit(1);
    return (double)usage.ru_maxrss / 1024;
}

int main(int argc, char **argv)
{
    static const char *const approximations[] = {"fourier_features", "inducing"}, *const losses[] = {"mse",
                                                                                                     "nlpd"};
    const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000,
                 p = argc > 2 ? strtoul(argv[2], NULL, 10) : 512,
                 evaluations = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    bool fits = true;
    printf("| n | p | approximation | loss | value, s | with gradient, s | peak, MiB | products | value "
           "error |\n");
    printf("|---|---|---|---|---|---|---|---|---|\n");
    for (size_t c = 0; c < 4; c++) {
        struct measured m;
        const char *approximation = approximations[c / 2], *loss = losses[c % 2];
        const double peak = in_child(approximation, loss, n, p, 0, &m);
        printf("| %zu | %zu | %s | %s | %.2f | %.2f | %.0f | %zu | %.0e |\n", n, p, approximation, loss,
               m.value, m.gradient, peak, m.products, m.error);
        fflush(stdout);
        fits &= peak < MOST_MIB;
    }
    for (size_t c = 0; evaluations && c < 2; c++) {
        struct measured m;
        const double peak = in_child(approximations[c], "nlpd", n, p, evaluations, &m);
        printf("%s, nlpd: %zu evaluations of lbfgs from %.6f to %.6f in %.0f s, peak %.0f MiB\n",
               approximations[c], evaluations, m.first, m.best, m.tuning, peak);
        fflush(stdout);
        fits &= peak < MOST_MIB;
    }
    if (!fits)
        fprintf(stderr, "more than %d MiB\n", MOST_MIB);
    return fits ? 0 : 1;
}
