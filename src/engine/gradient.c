/* One evaluation of the loss and its gradient: JSON in, JSON out. */
#include "engine/session.h"
#include "wire/wire.h"

#include <math.h>
#include <string.h>

/* What to differentiate by, in the order of the names. */
enum target { PARAMETERS, X, Y, X_VALIDATION, NOISE, TARGETS };
static const char *const target_names[TARGETS] = {"parameters", "x", "y", "x_validation", "noise_variance"};

struct targets {
    bool wanted[TARGETS];
    bool data; /* one beside the parameters */
};

static kr_status read_targets(struct kr_ctx *ctx, const struct kr_texts *names, struct targets *out)
{
    *out = (struct targets){0};
    for (size_t i = 0; i < names->count; i++) {
        const char *at = kr_printf(ctx, "/with_respect_to/%zu", i);
        int t = 0;
        while (t < TARGETS && strcmp(names->items[i], target_names[t]) != 0)
            t++;
        if (t == TARGETS)
            return kr_fail(ctx, KR_INVALID, at,
                           "must be one of parameters, x, y, x_validation and noise_variance, got \"%.40s\"",
                           names->items[i]);
        if (out->wanted[t])
            return kr_fail(ctx, KR_INVALID, at, "names %s a second time", target_names[t]);
        out->wanted[t] = true;
        out->data |= t != PARAMETERS;
    }
    return KR_OK;
}

/* The effective request, without the data that it came with. */
static json_t *effective(const struct kr_gradient_request *request)
{
    struct kr_gradient_request shown = *request;
    shown.data = shown.validation_data = NULL;
    return kr_wire_write(&kr_gradient_request_schema, &shown);
}

/* Memory for the derivatives that are wanted; their order is the data's, not the reply's. */
static kr_status open_gradients(struct kr_ctx *ctx, const struct kr_gp *gp, const struct targets *targets,
                                struct kr_data_gradient *out)
{
    const size_t rows = gp->rows, d = gp->train.x.d, m = gp->validation.n;
    *out = (struct kr_data_gradient){0};
    if (targets->wanted[X])
        KR_ALLOC(ctx, out->x, rows * d);
    if (targets->wanted[Y])
        KR_ALLOC(ctx, out->y, rows * gp->targets);
    if (targets->wanted[NOISE])
        KR_ALLOC(ctx, out->noise, rows);
    if (targets->wanted[X_VALIDATION])
        KR_ALLOC(ctx, out->x_validation, m * d);
    return KR_OK;
}

/* Feature-major to rows. */
static kr_status take_matrix(struct kr_ctx *ctx, size_t rows, size_t d, const double *from,
                             struct kr_matrix *out)
{
    if (!from)
        return KR_OK;
    out->rows = rows;
    out->cols = d;
    return kr_transpose(ctx, d, rows, from, &out->items);
}

static kr_status report_gradients(struct kr_ctx *ctx, const struct kr_gp *gp,
                                  const struct kr_data_gradient *data, struct kr_gradients *out)
{
    const size_t rows = gp->rows, d = gp->train.x.d;
    *out = (struct kr_gradients){.noise_variance = {data->noise ? rows : 0, data->noise}};
    KR_TRY(take_matrix(ctx, rows, gp->targets, data->y, &out->y));
    KR_TRY(take_matrix(ctx, rows, d, data->x, &out->x));
    return take_matrix(ctx, gp->validation.n, d, data->x_validation, &out->x_validation);
}

/* The loss, its gradients and, when asked for, their check, at the values of the request. */
static kr_status differentiate(struct kr_ctx *ctx, const struct kr_gradient_request *request,
                               const struct targets *targets, const struct kr_gp *gp,
                               struct kr_evaluation *evaluation, struct kr_gradient_reply *out)
{
    const bool all = request->metrics == 1;
    struct kr_data_gradient data;
    double *grad;
    KR_ALLOC(ctx, grad, gp->parameters.count);
    KR_TRY(open_gradients(ctx, gp, targets, &data));
    KR_TRY(kr_objective_fits(ctx, gp, all, 0));
    KR_TRY(targets->data ? kr_objective_differentiate(ctx, gp, gp->start, all, evaluation, grad, &data)
                         : kr_objective_eval(ctx, gp, gp->start, all, evaluation, grad));
    KR_TRY(kr_require_converged(ctx, &gp->spec->solver, &evaluation->solver));
    KR_TRY(kr_parameters_report(ctx, gp, gp->start, grad, &out->parameters));
    if (targets->data) {
        KR_ALLOC(ctx, out->gradients, 1);
        KR_TRY(report_gradients(ctx, gp, &data, out->gradients));
    }
    if (!request->check)
        return KR_OK;
    KR_ALLOC(ctx, out->check, 1);
    return kr_gradient_check(ctx, gp, gp->start, grad, targets->data ? &data : NULL, request->check,
                             out->check);
}

static kr_status evaluate(struct kr_ctx *ctx, const json_t *json, struct kr_gradient_request *request,
                          const struct targets *targets, const struct kr_source *source, json_t **reply)
{
    struct kr_gp_spec spec = {request->model, request->objective, request->test, request->solver};
    struct kr_gradient_reply out = {0};
    struct kr_evaluation evaluation;
    struct kr_gp gp;
    kr_session_limits(ctx, &spec.solver);
    KR_TRY(kr_session_fill(ctx, json, request->recipe, source, false, &spec, NULL));
    request->objective = spec.objective;
    KR_TRY(kr_gp_init_with(ctx, &spec, &source->data, source->held_out, &gp));
    if (targets->wanted[X_VALIDATION] && !gp.validation.n)
        return kr_fail(ctx, KR_INVALID, "/with_respect_to",
                       "must not name x_validation: nothing is held out");
    KR_TRY(differentiate(ctx, request, targets, &gp, &evaluation, &out));
    KR_TRY(kr_gp_penalty(ctx, &gp, gp.start, &out.penalty, NULL));
    out.loss = evaluation.loss;
    out.value_error = evaluation.value_error;
    out.value_bound = evaluation.value_bound;
    out.standard_error = evaluation.standard_error;
    out.variance_bracket = evaluation.variance_bracket;
    out.metrics = evaluation.metrics;
    out.clamped_variances = evaluation.clamped;
    out.jitter = evaluation.jitter > 0 ? evaluation.jitter : NAN;
    out.solver = evaluation.solver;
    json_t *shown = effective(request);
    out.request = shown;
    *reply = kr_wire_write(&kr_gradient_reply_schema, &out);
    json_decref(shown);
    return *reply ? KR_OK : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the reply");
}

/* Data that comes with the request takes the place of stored data that it does not name. */
static kr_status take_inline(struct kr_ctx *ctx, const struct kr_gradient_request *request,
                             struct kr_dataset *held_out, struct kr_source *source)
{
    const char *name = NULL;
    if (!source->data.n == !request->data)
        return kr_fail(ctx, KR_INVALID, request->data ? "/data" : "/dataset",
                       request->data ? "must not stand beside a data set" : "is required, or data inline");
    if (request->data)
        KR_TRY(kr_data_take(ctx, request->data, "/data", &source->data));
    if (!request->validation_data)
        return KR_OK;
    if (kr_validation_elsewhere(&request->objective.validation, &name) && (name || source->held_out))
        return kr_fail(ctx, KR_INVALID, "/validation_data",
                       "must not stand beside the name of a validation data set");
    KR_TRY(kr_data_take(ctx, request->validation_data, "/validation_data", held_out));
    source->held_out = held_out;
    return KR_OK;
}

kr_status kr_engine_gradient(struct kr_ctx *ctx, json_t *json, const struct kr_source *stored, json_t **reply)
{
    struct kr_gradient_request request;
    struct kr_source source = {0};
    struct kr_dataset held_out;
    struct targets targets;
    if (stored)
        source = *stored;
    KR_TRY(kr_wire_read(ctx, &kr_gradient_request_schema, json, "", &request));
    KR_TRY(read_targets(ctx, &request.with_respect_to, &targets));
    KR_TRY(take_inline(ctx, &request, &held_out, &source));
    return evaluate(ctx, json, &request, &targets, &source, reply);
}
