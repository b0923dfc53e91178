/* [J_F 0]: J without its held columns, whose shape it keeps. n k doubles of scratch for a product with J. */
#include "opt/held.h"

#include <string.h>

struct view {
    const struct kr_op *J;
    const unsigned char *held;
};

void kr_held_clear(const struct kr_ctx *ctx, size_t n, const unsigned char *held, double *x)
{
#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (n > 32768)
    for (size_t i = 0; i < n; i++)
        if (held[i])
            x[i] = 0;
}

static kr_status apply(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct view *view = op->self;
    struct kr_mark mark = kr_mark(ctx);
    double *kept;
    KR_ALLOC(ctx, kept, op->cols * k);
    memcpy(kept, X, op->cols * k * sizeof *kept);
    for (size_t c = 0; c < k; c++)
        kr_held_clear(ctx, op->cols, view->held, kept + c * op->cols);
    KR_TRY(kr_op_apply(ctx, view->J, k, kept, Y));
    kr_release(ctx, mark);
    return KR_OK;
}

static kr_status apply_t(struct kr_ctx *ctx, const struct kr_op *op, size_t k, const double *X, double *Y)
{
    const struct view *view = op->self;
    KR_TRY(kr_op_apply_t(ctx, view->J, k, X, Y));
    for (size_t c = 0; c < k; c++)
        kr_held_clear(ctx, op->cols, view->held, Y + c * op->cols);
    return KR_OK;
}

static const struct kr_op_type type = {.name = "held", .apply = apply, .apply_t = apply_t};

kr_status kr_op_held(struct kr_ctx *ctx, const struct kr_op *J, const unsigned char *held, struct kr_op *out)
{
    struct view *view;
    KR_ALLOC(ctx, view, 1);
    *view = (struct view){J, held};
    *out = (struct kr_op){.type = &type, .rows = J->rows, .cols = J->cols, .self = view};
    return KR_OK;
}
