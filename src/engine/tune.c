/* A tuning run: events go out as JSON, the result and the model come back. */
#include "engine/model.h"
#include "engine/session.h"
#include "wire/wire.h"

#include <string.h>

/* A request made ready: everything that can be refused before any work has been. */
struct prepared {
    struct kr_tune_request request;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_gp_constraints constraints;
    struct kr_tune_spec tune;
    bool *clamped; /* parameters: a warm start beyond its bounds */
};

/* Options of the projection belong to constraints, and are shown with them. */
static kr_status take_projection(struct kr_ctx *ctx, struct kr_tune_request *request)
{
    if (!request->constraints.count)
        return request->projection
                   ? kr_fail(ctx, KR_INVALID, "/projection",
                             "must not be given without constraints: there is nothing to keep")
                   : KR_OK;
    if (request->projection)
        return KR_OK;
    KR_ALLOC(ctx, request->projection, 1);
    return kr_schema_init(ctx, &kr_nullspace_options_schema, request->projection);
}

/* The parts borrow from each other: `out` stays where it is. */
static kr_status prepare(struct kr_ctx *ctx, json_t *json, const struct kr_source *source,
                         struct prepared *out)
{
    struct kr_tune_request *request = &out->request;
    KR_TRY(kr_wire_read(ctx, &kr_tune_request_schema, json, "", request));
    KR_TRY(take_projection(ctx, request));
    out->spec = (struct kr_gp_spec){request->model, request->objective, request->test, request->solver};
    kr_session_limits(ctx, &out->spec.solver);
    KR_TRY(kr_session_fill(ctx, json, request->recipe, source, request->constraints.count > 0, &out->spec,
                           &request->restarts));
    request->objective = out->spec.objective;
    KR_TRY(kr_gp_init_with(ctx, &out->spec, &source->data, source->held_out, &out->gp));
    KR_TRY(kr_session_start(ctx, request->warm_start, &out->gp, &out->clamped));
    KR_TRY(kr_gp_constrain(ctx, &out->gp, &request->constraints, "/constraints", &out->constraints));
    out->tune = (struct kr_tune_spec){&out->gp, &request->optimizer, &out->constraints, request->projection,
                                      request->restarts};
    KR_TRY(kr_tune_check(ctx, &out->tune));
    return kr_objective_fits(ctx, &out->gp, out->constraints.needs_variance, out->constraints.count);
}

static kr_status effective(struct kr_ctx *ctx, const struct kr_tune_request *request, json_t **out)
{
    *out = kr_wire_write(&kr_tune_request_schema, request);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the request");
}

kr_status kr_engine_check(struct kr_ctx *ctx, json_t *json, const struct kr_source *source, json_t **out)
{
    struct prepared prepared;
    KR_TRY(prepare(ctx, json, source, &prepared));
    return effective(ctx, &prepared.request, out);
}

static void forward(void *self, const struct kr_tune_event *event)
{
    struct kr_emit *emit = self;
    if (event->warning)
        emit->event(emit, "warning", kr_wire_write(&kr_warning_schema, event->warning), NULL, NULL);
    else
        emit->event(emit, "step", kr_wire_write(&kr_step_schema, event->step),
                    kr_wire_write(&kr_progress_schema, event->progress),
                    kr_json_blob(event->ncheckpoint, event->checkpoint));
}

static kr_status warn_start(struct kr_ctx *ctx, struct kr_emit *emit, const char *code, const char *name,
                            const char *detail)
{
    const struct kr_warning warning = {code, detail, name};
    if (!detail)
        return ctx->error.status;
    forward(emit, &(struct kr_tune_event){.warning = &warning});
    return KR_OK;
}

/* Values of a warm start that could not be taken over as they were. */
static kr_status warn_warm_start(struct kr_ctx *ctx, const struct prepared *prepared, struct kr_emit *emit)
{
    const struct kr_parameters *parameters = &prepared->gp.parameters;
    const struct kr_warm_start *warm = prepared->request.warm_start;
    for (size_t p = 0; warm && p < parameters->count; p++)
        if (prepared->clamped[p])
            KR_TRY(warn_start(ctx, emit, "warm-start-clamped", parameters->items[p].name,
                              kr_printf(ctx,
                                        "%s of the warm start lies beyond its bounds here: the start is %.6g",
                                        parameters->items[p].name, prepared->gp.start[p])));
    for (size_t i = 0; warm && i < warm->parameters.count; i++) {
        const char *name = warm->parameters.names[i];
        size_t p = 0;
        while (p < parameters->count && strcmp(parameters->items[p].name, name) != 0)
            p++;
        if (p == parameters->count)
            KR_TRY(warn_start(
                ctx, emit, "warm-start-unused", name,
                kr_printf(ctx, "%s of the warm start belongs to another mean or approximation", name)));
    }
    return KR_OK;
}

kr_status kr_engine_tune(struct kr_ctx *ctx, json_t *json, const struct kr_source *source,
                         const json_t *checkpoint, const char *model_directory, struct kr_emit *emit,
                         json_t **reply)
{
    struct prepared prepared;
    struct kr_tune_result result;
    const double *theta;
    double *state = NULL;
    size_t count = 0;
    json_t *shown, *model = NULL;
    if (checkpoint)
        KR_TRY(kr_json_unblob(ctx, checkpoint, &count, &state));
    KR_TRY(prepare(ctx, json, source, &prepared));
    if (!checkpoint)
        KR_TRY(warn_warm_start(ctx, &prepared, emit));
    KR_TRY(kr_tune(ctx, &prepared.tune, count, state, forward, emit, &result, &theta));
    KR_TRY(effective(ctx, &prepared.request, &shown));
    kr_status status =
        kr_model_make(ctx, &prepared.gp, theta, source, shown, &result, model_directory, &model);
    json_decref(shown);
    KR_TRY(status);
    *reply =
        json_pack("{s:o, s:o}", "result", kr_wire_write(&kr_tune_result_schema, &result), "model", model);
    return *reply ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the result");
}
