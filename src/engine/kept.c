/*
 * Between two predictions of the same model a worker keeps what does not depend on the points: the model
 * read, and the factor of its matrix (n^2 doubles by cholesky) or its preconditioner. It stands in a context
 * of its own; while it is opened, the request's cancellation and deadline count.
 */
#include "engine/kept.h"

#include <string.h>

enum { SHARE = 4 };

void kr_kept_close(struct kr_kept *kept)
{
    if (!kept->open)
        return;
    kr_dataset_unmap(&kept->model.mapping);
    json_decref(kept->document);
    kr_ctx_fini(&kept->ctx);
    *kept = (struct kr_kept){0};
}

static bool is_it(const struct kr_kept *kept, const json_t *document, const char *directory)
{
    return kept->open && strcmp(kept->directory, directory) == 0 && json_equal(kept->document, document);
}

static kr_status open_model(struct kr_kept *kept, const json_t *document, const char *directory)
{
    struct kr_ctx *ctx = &kept->ctx;
    kept->directory = kr_strdup(ctx, directory);
    if (!kept->directory)
        return ctx->error.status;
    kept->document = json_deep_copy(document);
    if (!kept->document)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the model");
    return kr_model_open(ctx, kept->document, kept->directory, &kept->model);
}

/* Of the matrix, with columns for one block. */
static bool affordable(const struct kr_ctx *ctx, const struct kr_model *model)
{
    const char *reason;
    const size_t n = model->posterior.x.n;
    const struct kr_solver_type *solver =
        kr_solver_choose(model->posterior.solver, NULL, n, ctx->budget, &reason);
    const size_t bytes =
        solver->bytes(n, 1) +
        (solver->preconditioned
             ? kr_preconditioner_bytes(&model->posterior.solver->preconditioner, n, ctx->budget)
             : 0);
    return !ctx->budget || bytes <= ctx->budget / SHARE;
}

static kr_status prepare(struct kr_ctx *ctx, struct kr_kept *kept)
{
    struct kr_ctx *own = &kept->ctx;
    if (!affordable(ctx, &kept->model))
        return KR_OK;
    own->within = ctx;
    own->threads = ctx->threads;
    const kr_status status = kr_posterior_prepare(own, &kept->model.posterior);
    own->within = NULL;
    return status;
}

/* The mean of a transformed target depends on the variance. */
static bool sees_variance(const struct kr_model *model)
{
    const struct kr_transform transform = kr_model_transform(&model->document);
    return kr_transforms(&transform);
}

kr_status kr_kept_open(struct kr_ctx *ctx, struct kr_kept *kept, const json_t *document,
                       const char *directory, bool solves, const struct kr_model **out)
{
    kr_status status = KR_OK;
    if (!is_it(kept, document, directory)) {
        kr_kept_close(kept);
        kr_ctx_init(&kept->ctx, ctx->budget);
        kept->open = true;
        status = open_model(kept, document, directory);
    }
    if (status == KR_OK && (solves || sees_variance(&kept->model)))
        status = prepare(ctx, kept);
    if (status != KR_OK) {
        ctx->error = kept->ctx.error;
        kr_kept_close(kept);
    } else if (ctx->budget) {
        ctx->budget -= kept->ctx.used < ctx->budget ? kept->ctx.used : ctx->budget - 1;
    }
    *out = &kept->model;
    return status;
}
