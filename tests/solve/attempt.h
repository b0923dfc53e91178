/* One least-squares solve of a known problem, and how far off it is. */
#ifndef KRIGED_TESTS_SOLVE_ATTEMPT_H
#define KRIGED_TESTS_SOLVE_ATTEMPT_H

#include "least_squares.h"

enum { K = 2 };

struct outcome {
    struct kr_lstsq problem;
    struct kr_lstsq_report report;
    double error; /* largest |x - truth|/|truth| of the columns */
};

/* Solves with A or A' by the options; `given` may be NULL. */
static inline struct outcome attempt(struct kr_ctx *ctx, const struct known *a,
                                     const struct kr_lstsq_options *options, double lambda, bool transposed,
                                     const struct kr_op *given)
{
    struct outcome out = {.error = 0};
    const size_t m = transposed ? a->n : a->m, n = transposed ? a->m : a->n;
    double *B = normal(ctx, m * K, 11), *X = normal(ctx, n * K, 12), *truth = normal(ctx, n * K, 13);
    OK(kr_lstsq_open(ctx, options, &a->op, lambda, given, &out.problem));
    if (transposed)
        OK(kr_lstsq_solve_t(ctx, &out.problem, K, B, X, NULL, NULL, &out.report));
    else
        OK(kr_lstsq_solve(ctx, &out.problem, K, B, NULL, X, NULL, NULL, &out.report));
    known_solution(ctx, a, transposed, lambda, K, B, truth);
    for (size_t c = 0; c < K; c++)
        out.error = fmax(out.error, distance(X + c * n, truth + c * n, n) / length_of(truth + c * n, n));
    return out;
}

#endif
