/*
 * What the preconditioners of least squares cost and save: columns multiplied by A or A' and seconds, of
 * opening and the first solve, and of one more solve, as a Markdown table. Singular values fall evenly by
 * their logarithms from 1 to 1/condition; "scaled" has columns (rows, wide) of lengths 1 to 1/condition in
 * front of a matrix of condition 10. One random right-hand side, tolerances 1e-10, default iteration limit.
 */
#include "../solve/lstsq_exact.h"

#include <stdio.h>
#include <stdlib.h>

static const double conditions[] = {1e2, 1e4, 1e6, 1e8};
static const struct shape {
    const char *name;
    size_t m, n;
    double lambda;
    bool scaled;
} shapes[] = {{"tall", 2000, 100, 0, false},           {"wide", 100, 2000, 0, false},
              {"square", 300, 300, 0, false},          {"tall, scaled", 2000, 100, 0, true},
              {"wide, scaled", 100, 2000, 0, true},    {"tall, damped", 2000, 100, 1e-3, false},
              {"wide, damped", 100, 2000, 1e-3, false}};

static void require(const struct kr_ctx *ctx, kr_status status)
{
    if (status == KR_OK)
        return;
    fprintf(stderr, "%s\n", ctx->error.detail);
    exit(1);
}

static double *matrix(struct kr_ctx *ctx, const struct shape *s, double condition)
{
    const size_t d = smaller(s->m, s->n);
    double *A = conditioned(ctx, s->m, s->n, d, s->scaled ? 10 : condition);
    for (size_t j = 0; j < s->n && s->scaled; j++)
        for (size_t i = 0; i < s->m; i++)
            A[i + j * s->m] *= pow(condition, -(double)((s->m < s->n ? i : j) * 37 % d) / (double)(d - 1));
    return A;
}

static void cell(struct kr_ctx *ctx, const struct kr_op *A, const double *b, double lambda,
                 int preconditioner)
{
    struct kr_lstsq_options options;
    struct kr_lstsq_report first = {0}, next = {0};
    struct kr_lstsq problem;
    double *x;
    struct kr_mark mark = kr_mark(ctx);
    require(ctx, kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.preconditioner = preconditioner;
    x = kr_alloc(ctx, A->cols, sizeof *x);
    const double start = kr_seconds();
    require(ctx, kr_lstsq_open(ctx, &options, A, lambda, NULL, &problem));
    require(ctx, kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &first));
    const double middle = kr_seconds();
    require(ctx, kr_lstsq_solve(ctx, &problem, 1, b, NULL, x, NULL, NULL, &next));
    const double end = kr_seconds();
    const bool refused = preconditioner != KR_LSTSQ_NONE && problem.preconditioner == KR_LSTSQ_NONE;
    printf(" %zu (%.3f s), %zu (%.3f s)%s%s |", first.products, middle - start, next.products, end - middle,
           kr_lstsq_converged(&first) ? "" : "*", refused ? " refused" : "");
    kr_release(ctx, mark);
}

int main(void)
{
    struct kr_ctx context, *ctx = &context;
    kr_ctx_init(ctx, 0);
    printf("| problem | condition | none | jacobi | sketch |\n|---|---|---|---|---|\n");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t c = 0; c < sizeof conditions / sizeof *conditions; c++) {
            struct kr_mark mark = kr_mark(ctx);
            struct kr_op A;
            require(ctx,
                    kr_op_dense(ctx, shapes[s].m, shapes[s].n, matrix(ctx, &shapes[s], conditions[c]), &A));
            const double *b = normals(ctx, shapes[s].m, 5);
            printf("| %s | %.0e |", shapes[s].name, conditions[c]);
            for (int p = KR_LSTSQ_NONE; p <= KR_LSTSQ_SKETCH; p++)
                cell(ctx, &A, b, shapes[s].lambda, p);
            printf("\n");
            kr_release(ctx, mark);
        }
    printf("\n* did not reach its tolerance\n");
    kr_ctx_fini(ctx);
    return 0;
}
