/* One evaluation of the loss and its gradient: JSON in, JSON out. */
#include "engine/session.h"
#include "wire/wire.h"

#include <string.h>

static kr_status check_targets(struct kr_ctx *ctx, const struct kr_texts *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (strcmp(wanted->items[i], "parameters") != 0)
            return kr_fail(ctx, KR_INVALID, kr_printf(ctx, "/with_respect_to/%zu", i),
                           "must be \"parameters\", got \"%.40s\"", wanted->items[i]);
    return KR_OK;
}

/* The effective request, without the data that it came with. */
static json_t *effective(const struct kr_gradient_request *request)
{
    struct kr_gradient_request shown = *request;
    shown.data = NULL;
    return kr_wire_write(&kr_gradient_request_schema, &shown);
}

static kr_status evaluate(struct kr_ctx *ctx, const struct kr_gradient_request *request,
                          const struct kr_dataset *data, json_t **reply)
{
    const struct kr_gp_spec spec = {request->model, request->objective, request->test, request->solver};
    const bool all = request->metrics == 1;
    struct kr_evaluation evaluation;
    struct kr_gp gp;
    double *grad, penalty;
    kr_session_limits(ctx, &spec.solver);
    KR_TRY(kr_gp_init(ctx, &spec, data, &gp));
    KR_TRY(kr_objective_fits(ctx, &gp, all, 0));
    KR_ALLOC(ctx, grad, gp.parameters.count);
    KR_TRY(kr_objective_eval(ctx, &gp, gp.start, all, &evaluation, grad));
    KR_TRY(kr_require_converged(ctx, &spec.solver, &evaluation.solver));
    KR_TRY(kr_gp_penalty(ctx, &gp, gp.start, &penalty, NULL));
    struct kr_gradient_reply out = {.loss = evaluation.loss,
                                    .penalty = penalty,
                                    .value_error = evaluation.value_error,
                                    .value_bound = evaluation.value_bound,
                                    .metrics = evaluation.metrics,
                                    .clamped_variances = evaluation.clamped,
                                    .solver = evaluation.solver};
    KR_TRY(kr_parameters_report(ctx, &gp, gp.start, grad, &out.parameters));
    json_t *shown = effective(request);
    out.request = shown;
    *reply = kr_wire_write(&kr_gradient_reply_schema, &out);
    json_decref(shown);
    return *reply ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the reply");
}

kr_status kr_engine_gradient(struct kr_ctx *ctx, json_t *json, const struct kr_source *source, json_t **reply)
{
    struct kr_gradient_request request;
    struct kr_dataset inline_data;
    KR_TRY(kr_wire_read(ctx, &kr_gradient_request_schema, json, "", &request));
    KR_TRY(check_targets(ctx, &request.with_respect_to));
    if (!source == !request.data)
        return kr_fail(ctx, KR_INVALID, request.data ? "/data" : "/dataset",
                       request.data ? "must not stand beside a data set" : "is required, or data inline");
    if (request.data)
        KR_TRY(kr_data_take(ctx, request.data, "/data", &inline_data));
    return evaluate(ctx, &request, source ? &source->data : &inline_data, reply);
}
