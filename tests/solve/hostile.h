/*
 * Operators that misbehave at a chosen call, and everything that can be asked of a least-squares problem.
 */
#ifndef KRIGED_TESTS_SOLVE_HOSTILE_H
#define KRIGED_TESTS_SOLVE_HOSTILE_H

#include "kriged/lstsq.h"
#include "solve/least_squares.h"

/* A debug build checks an operator when a problem with it is opened: wrong ones end there. */
#ifdef KR_DEBUG
enum { CHECKED_WHEN_OPENED = 1 };
#else
enum { CHECKED_WHEN_OPENED = 0 };
#endif

enum mischief {
    GOOD,
    FAILS,           /* with STORAGE and words */
    FAILS_SILENTLY,  /* with STORAGE only */
    CANCELS,         /* the work, and finishes its product */
    PASSES_DEADLINE, /* likewise */
    RETURNS_NAN,
    RETURNS_INFINITY
};

/* `inner`, until call number `at` (from 0), and counted. */
struct hostile {
    struct kr_op inner;
    enum mischief what;
    size_t at, calls;
};

static inline kr_status hostile_end(struct kr_ctx *ctx, struct hostile *self, size_t count, double *Y)
{
    if (self->calls++ != self->at)
        return KR_OK;
    switch (self->what) {
    case FAILS:
        return kr_fail(ctx, KR_STORAGE, "/disk", "the disk is gone");
    case FAILS_SILENTLY:
        return KR_STORAGE;
    case CANCELS:
        kr_cancel(ctx);
        return KR_OK;
    case PASSES_DEADLINE:
        ctx->deadline = kr_seconds() - 1;
        return KR_OK;
    case RETURNS_NAN:
        Y[count / 2] = NAN;
        return KR_OK;
    case RETURNS_INFINITY:
        Y[count - 1] = INFINITY;
        return KR_OK;
    default:
        return KR_OK;
    }
}

static inline kr_status hostile_apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                      double *Y)
{
    struct hostile *self = (struct hostile *)(uintptr_t)op->self;
    KR_TRY(self->inner.type->apply(ctx, &self->inner, k, X, Y));
    return hostile_end(ctx, self, op->rows * k, Y);
}

static inline kr_status hostile_apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X,
                                        double *Y)
{
    struct hostile *self = (struct hostile *)(uintptr_t)op->self;
    KR_TRY(self->inner.type->apply_t(ctx, &self->inner, k, X, Y));
    return hostile_end(ctx, self, op->cols * k, Y);
}

enum { TAPS = 3 };

static inline kr_status hostile_pull(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *U,
                                     const double *V, double alpha, double *grad)
{
    struct hostile *self = (struct hostile *)(uintptr_t)op->self;
    KR_TRY(self->inner.type->pull(ctx, &self->inner, k, U, V, alpha, grad));
    return hostile_end(ctx, self, TAPS, grad);
}

static const struct kr_op_type hostile_type = {
    .name = "hostile", .apply = hostile_apply, .apply_t = hostile_apply_t, .pull = hostile_pull};

static inline struct kr_op hostile_op(struct hostile *self)
{
    return (struct kr_op){&hostile_type, self->inner.rows, self->inner.cols, false, self};
}

/* Well-conditioned operators of each shape: a signal of `length` numbers, filtered with three taps. */
static const double filter_taps[TAPS] = {0.2, 1, 0.35};
static const enum kr_convolution tall_square_wide[] = {KR_CONVOLUTION_FULL, KR_CONVOLUTION_SAME,
                                                       KR_CONVOLUTION_VALID};

static inline void hostile_filter(struct kr_ctx *ctx, enum kr_convolution mode, size_t length,
                                  struct hostile *out)
{
    *out = (struct hostile){.what = GOOD};
    OK(kr_op_convolution(ctx, mode, 1, length, 1, TAPS, filter_taps, &out->inner));
}

/* Blocks of everything: made once, so that runs can be compared to the bit. */
enum { K = 3 };
struct answers {
    size_t m, n;
    double *B, *C, *X_bar, *B_dot;
    double *X, *R, *Y, *B_bar, *X_dot, grad[TAPS], damping_bar;
    struct kr_lstsq_report report;
};

static inline void make_answers(struct kr_ctx *ctx, const struct kr_op *A, struct answers *out)
{
    const size_t m = A->rows * K, n = A->cols * K;
    *out = (struct answers){.m = m, .n = n};
    out->B = normal(ctx, m, 1);
    out->C = normal(ctx, n, 2);
    out->X_bar = normal(ctx, n, 3);
    out->B_dot = normal(ctx, m, 4);
    out->X = normal(ctx, n, 5);
    out->R = normal(ctx, m, 6);
    out->Y = normal(ctx, m, 7);
    out->B_bar = normal(ctx, m, 8);
    out->X_dot = normal(ctx, n, 9);
}

/* Opens a problem and asks for everything, with A itself as the tangent of A. */
static inline kr_status ask_everything(struct kr_ctx *ctx, const struct kr_lstsq_options *options,
                                       const struct kr_op *A, double damping, struct answers *a)
{
    struct kr_lstsq problem;
    struct kr_mark mark = kr_mark(ctx);
    memset(a->grad, 0, sizeof a->grad);
    a->damping_bar = 0;
    a->report = (struct kr_lstsq_report){0};
    KR_TRY(kr_lstsq_open(ctx, options, A, damping, NULL, &problem));
    KR_TRY(kr_lstsq_solve(ctx, &problem, K, a->B, NULL, a->X, a->R, NULL, &a->report));
    KR_TRY(kr_lstsq_solve_t(ctx, &problem, K, a->C, a->Y, NULL, NULL, &a->report));
    KR_TRY(kr_lstsq_pull(ctx, &problem, K, a->X, a->R, a->X_bar, a->B_bar, a->grad, &a->damping_bar,
                         &a->report));
    KR_TRY(kr_lstsq_push(ctx, &problem, K, a->X, a->R, A, a->B_dot, 0.5, a->X_dot, &a->report));
    kr_release(ctx, mark);
    return KR_OK;
}

/* The same numbers to the bit. */
static inline void same_answers(const struct answers *a, const struct answers *b)
{
    ck_assert_mem_eq(a->X, b->X, a->n * sizeof *a->X);
    ck_assert_mem_eq(a->R, b->R, a->m * sizeof *a->R);
    ck_assert_mem_eq(a->Y, b->Y, a->m * sizeof *a->Y);
    ck_assert_mem_eq(a->B_bar, b->B_bar, a->m * sizeof *a->B_bar);
    ck_assert_mem_eq(a->X_dot, b->X_dot, a->n * sizeof *a->X_dot);
    ck_assert_mem_eq(a->grad, b->grad, sizeof a->grad);
    ck_assert(a->damping_bar == b->damping_bar);
    ck_assert_uint_eq(a->report.products, b->report.products);
}

static inline struct kr_lstsq_options hostile_options(struct kr_ctx *ctx, int preconditioner)
{
    struct kr_lstsq_options options;
    OK(kr_schema_init(ctx, &kr_lstsq_options_schema, &options));
    options.preconditioner = preconditioner;
    return options;
}

#endif
