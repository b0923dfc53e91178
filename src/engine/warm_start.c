/* warm_start of a request: the values of an earlier job or model become part of the request, so that it needs
 * neither any more. */
#include "engine/session.h"
#include "wire/wire.h"

#include <string.h>

KR_DEFINE(kr_warm_start, KR_WARM_START_FIELDS, "values of an earlier job to start at");

/* standardize.x or .y of a model: true where it is left out. */
static bool standardizes(const json_t *model, const char *what)
{
    return !json_is_false(json_object_get(json_object_get(model, "standardize"), what));
}

/* The type of target_transform of a model: none where it is left out. */
static const char *transform_of(const json_t *model)
{
    const char *type = json_string_value(json_object_get(json_object_get(model, "target_transform"), "type"));
    return type ? type : "none";
}

/* [{"name", "value"}] to {name: value}. */
static json_t *by_name(const json_t *parameters)
{
    json_t *values = json_object();
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *one = json_array_get(parameters, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *value = json_object_get(one, "value");
        if (name && json_is_number(value))
            json_object_set(values, name, value);
    }
    return values;
}

kr_status kr_engine_warm_start(struct kr_ctx *ctx, json_t *request, const json_t *earlier)
{
    json_t *warm = json_object_get(request, "warm_start");
    const json_t *model = json_object_get(request, "model");
    static const char *const columns[] = {"x", "y"};
    if (!json_is_object(request) || (warm && !json_is_object(warm)))
        return KR_OK; /* no request: reading it says so */
    if (json_object_get(warm, "parameters"))
        return kr_fail(ctx, KR_INVALID, "/warm_start/parameters",
                       "must not stand beside the model whose values they would be");
    if (!json_is_array(json_object_get(earlier, "parameters")))
        return kr_fail(ctx, KR_INVALID, "/warm_start",
                       "must start from a model: what is given has no parameters");
    for (int c = 0; c < 2; c++)
        if (standardizes(model, columns[c]) != standardizes(earlier, columns[c]))
            return kr_fail(ctx, KR_INVALID, "/warm_start",
                           "is of a model with standardize.%s %s, and this one has %s: values would be in "
                           "other units",
                           columns[c], standardizes(earlier, columns[c]) ? "true" : "false",
                           standardizes(model, columns[c]) ? "true" : "false");
    if (strcmp(transform_of(model), transform_of(earlier)) != 0)
        return kr_fail(
            ctx, KR_INVALID, "/warm_start",
            "is of a model with target_transform %.40s, and this one has %.40s: values would be in other "
            "units",
            transform_of(earlier), transform_of(model));
    if (!warm) {
        warm = json_object();
        json_object_set_new(request, "warm_start", warm);
    }
    json_object_set_new(warm, "parameters", by_name(json_object_get(earlier, "parameters")));
    return json_object_get(warm, "parameters") ? KR_OK
                                               : kr_fail(ctx, KR_MEMORY_LIMIT, "", "no memory for the start");
}

kr_status kr_session_start(struct kr_ctx *ctx, const struct kr_warm_start *warm, struct kr_gp *gp,
                           bool **clamped)
{
    KR_ALLOC(ctx, *clamped, gp->parameters.count);
    if (!warm)
        return KR_OK;
    if (!warm->parameters.count && warm->job)
        return kr_fail(ctx, KR_INVALID, "/warm_start/job",
                       "only the service knows jobs: name a model by --warm-start MODEL.json");
    if (!warm->parameters.count)
        return kr_fail(ctx, KR_INVALID, "/warm_start", "must have a job, or parameters");
    return kr_tune_warm_start(ctx, gp, &warm->parameters,
                              warm->job ? "/warm_start/job" : "/warm_start/parameters", *clamped);
}
