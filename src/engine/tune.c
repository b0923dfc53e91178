/* A tuning run: events go out as JSON, the result and the model come back. */
#include "engine/model.h"
#include "engine/session.h"
#include "wire/wire.h"

static kr_status read_request(struct kr_ctx *ctx, json_t *json, struct kr_tune_request *request,
                              struct kr_gp_spec *spec)
{
    KR_TRY(kr_wire_read(ctx, &kr_tune_request_schema, json, "", request));
    *spec = (struct kr_gp_spec){request->model, request->objective, request->test, request->solver};
    kr_session_limits(ctx, &spec->solver);
    return KR_OK;
}

static kr_status effective(struct kr_ctx *ctx, const struct kr_tune_request *request, json_t **out)
{
    *out = kr_wire_write(&kr_tune_request_schema, request);
    return *out ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the request");
}

kr_status kr_engine_check(struct kr_ctx *ctx, json_t *json, const struct kr_source *source, json_t **out)
{
    struct kr_tune_request request;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    KR_TRY(read_request(ctx, json, &request, &spec));
    KR_TRY(kr_gp_init(ctx, &spec, &source->data, &gp));
    KR_TRY(kr_tune_check(ctx, &gp));
    KR_TRY(kr_objective_fits(ctx, &gp, false, 0));
    return effective(ctx, &request, out);
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

static kr_status run(struct kr_ctx *ctx, const struct kr_tune_request *request, const struct kr_gp_spec *spec,
                     const struct kr_source *source, const json_t *checkpoint, struct kr_emit *emit,
                     struct kr_gp *gp, struct kr_tune_result *result, const double **theta)
{
    size_t count = 0;
    double *state = NULL;
    if (checkpoint)
        KR_TRY(kr_json_unblob(ctx, checkpoint, &count, &state));
    KR_TRY(kr_gp_init(ctx, spec, &source->data, gp));
    KR_TRY(kr_objective_fits(ctx, gp, false, 0));
    return kr_tune(ctx, gp, &request->optimizer, count, state, forward, emit, result, theta);
}

kr_status kr_engine_tune(struct kr_ctx *ctx, json_t *json, const struct kr_source *source,
                         const json_t *checkpoint, const char *model_directory, struct kr_emit *emit,
                         json_t **reply)
{
    struct kr_tune_request request;
    struct kr_gp_spec spec;
    struct kr_gp gp;
    struct kr_tune_result result;
    const double *theta;
    json_t *shown, *model = NULL;
    KR_TRY(read_request(ctx, json, &request, &spec));
    KR_TRY(run(ctx, &request, &spec, source, checkpoint, emit, &gp, &result, &theta));
    KR_TRY(effective(ctx, &request, &shown));
    kr_status status = kr_model_make(ctx, &gp, theta, source, shown, &result, model_directory, &model);
    json_decref(shown);
    KR_TRY(status);
    *reply =
        json_pack("{s:o, s:o}", "result", kr_wire_write(&kr_tune_result_schema, &result), "model", model);
    return *reply ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the result");
}
