/*
 * How exact a gradient of the least-squares operator is: its relative error against forward and backward
 * tolerance and condition number, tall, wide, square and damped, as a Markdown table. The gradient is that of
 * a linear loss for every entry of a stored A whose singular values fall evenly by their logarithms from 1 to
 * 1/condition; b and the loss are random; the truth is computed in quadruple precision.
 *
 *     bench_lstsq_tolerance [PRECONDITIONER]     default: none, then sketch
 */
#include "../solve/lstsq_exact.h"

#include <stdio.h>
#include <stdlib.h>

static const double conditions[] = {1e1, 1e2, 1e4, 1e6, 1e8};
static const double tolerances[][2] = {{1e-4, 1e-4},  {1e-4, 1e-8},  {1e-8, 1e-4},   {1e-8, 1e-8},
                                       {1e-8, 1e-12}, {1e-12, 1e-8}, {1e-12, 1e-12}, {1e-15, 1e-15}};
static const struct tolerance_case cases[] = {
    {"tall", 300, 40, 0, 0},
    {"wide", 40, 300, 0, 0},
    {"square", 60, 60, 0, 0},
    {"tall, damped", 300, 40, 1e-3, 0},
    {"wide, damped", 40, 300, 1e-3, 0},
};

enum { TOLERANCES = sizeof tolerances / sizeof *tolerances };

static void die(const struct kr_ctx *ctx)
{
    fprintf(stderr, "%s\n", ctx->error.detail);
    exit(1);
}

static void head(const char *preconditioner)
{
    printf("\nPreconditioner %s; forward / backward tolerance:\n\n| problem | condition |", preconditioner);
    for (size_t t = 0; t < TOLERANCES; t++)
        printf(" %.0e / %.0e |", tolerances[t][0], tolerances[t][1]);
    printf(" products |\n|---|---|");
    for (size_t t = 0; t < TOLERANCES; t++)
        printf("---|");
    printf("---|\n");
}

/* One line: the errors, and the products at 1e-8 / 1e-8. An error marked with * has a solve that did not
 * reach its tolerance. */
static void line(struct kr_ctx *ctx, const struct tolerance_case *c, int preconditioner)
{
    struct kr_lstsq_options options;
    struct kr_mark mark = kr_mark(ctx);
    const struct exact exact = exact_case(ctx, c);
    size_t products = 0;
    if (kr_schema_init(ctx, &kr_lstsq_options_schema, &options) != KR_OK)
        die(ctx);
    options.preconditioner = preconditioner;
    options.max_iterations = 200000;
    printf("| %s | %.0e |", c->name, c->condition);
    for (size_t t = 0; t < TOLERANCES; t++) {
        struct kr_lstsq_report report = {0};
        double error;
        options.atol = options.btol = tolerances[t][0];
        options.backward_tolerance = tolerances[t][1];
        if (gradient_error(ctx, c, &exact, &options, &error, &report) != KR_OK)
            die(ctx);
        printf(" %.0e%s |", error, kr_lstsq_converged(&report) ? "" : "*");
        if (t == 3)
            products = report.products;
    }
    printf(" %zu |\n", products);
    kr_release(ctx, mark);
}

static void table(struct kr_ctx *ctx, int preconditioner)
{
    head(kr_lstsq_preconditioner_names[preconditioner]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t c = 0; c < sizeof conditions / sizeof *conditions; c++) {
            struct tolerance_case one = cases[i];
            one.condition = conditions[c];
            line(ctx, &one, preconditioner);
        }
}

int main(int argc, char **argv)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    ctx->threads = 1;
    bool found = argc < 2;
    for (int p = 0; kr_lstsq_preconditioner_names[p]; p++)
        if (argc < 2 ? p == KR_LSTSQ_NONE || p == KR_LSTSQ_SKETCH
                     : strcmp(argv[1], kr_lstsq_preconditioner_names[p]) == 0) {
            table(ctx, p);
            found = true;
        }
    kr_ctx_fini(ctx);
    if (!found)
        fprintf(stderr, "no preconditioner is named %s\n", argv[1]);
    return found ? 0 : 1;
}
