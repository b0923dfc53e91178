/* Failures as JSON: RFC 9457 for clients, and a short form between worker and daemon. */
#include "wire/impl.h"

#include <string.h>

/* Where in the request; of a whole body that is invalid too. */
static json_t *culprits(const struct kr_error *error)
{
    return json_pack("[{s:o, s:o}]", "pointer", wire_string(error->pointer), "detail",
                     wire_string(error->detail));
}

json_t *kr_problem_json(const struct kr_error *error, const char *instance)
{
    json_t *problem = json_object();
    bool done = problem &&
                wire_put(problem, "type", json_sprintf("/problems/%s", kr_status_slug(error->status))) &&
                wire_put(problem, "title", wire_string(kr_status_title(error->status))) &&
                wire_put(problem, "status", json_integer(kr_status_http(error->status))) &&
                wire_put(problem, "detail", wire_string(error->detail));
    if (instance)
        done = done && wire_put(problem, "instance", wire_string(instance));
    if (error->pointer[0] || error->status == KR_INVALID)
        done = done && wire_put(problem, "errors", culprits(error));
    if (done)
        return problem;
    json_decref(problem);
    return NULL;
}

json_t *kr_error_json(const struct kr_error *error)
{
    return json_pack("{s:s, s:o, s:o}", "status", kr_status_slug(error->status), "pointer",
                     wire_string(error->pointer), "detail", wire_string(error->detail));
}

kr_status kr_error_take(struct kr_ctx *ctx, const json_t *json)
{
    const char *slug = json_string_value(json_object_get(json, "status"));
    const char *pointer = json_string_value(json_object_get(json, "pointer"));
    const char *detail = json_string_value(json_object_get(json, "detail"));
    if (!slug || !detail || strcmp(slug, kr_status_slug(KR_OK)) == 0)
        return kr_fail(ctx, KR_INTERNAL, "", "a worker reported a failure that cannot be read");
    return kr_fail(ctx, kr_status_from_slug(slug), pointer, "%s", detail);
}
