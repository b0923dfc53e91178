/* What the service says of itself. */
#include "api/routes.h"
#include "api/views.h"
#include "engine/request.h"

#include <stdlib.h>
#include <string.h>

kr_status kr_handle_index(struct kr_exchange *x)
{
    return kr_send_json(x, 200,
                        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "name", "kriged", "version",
                                  KR_VERSION, "links", "openapi", "/openapi.json", "capabilities",
                                  "/v1/capabilities", "datasets", "/v1/datasets", "jobs", "/v1/jobs",
                                  "models", "/v1/models"));
}

kr_status kr_handle_livez(struct kr_exchange *x)
{
    return kr_send_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

kr_status kr_handle_readyz(struct kr_exchange *x)
{
    if (__atomic_load_n(&x->api->draining, __ATOMIC_SEQ_CST))
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "the service is shutting down");
    if (kr_store_check(x->ctx, x->api->store) != KR_OK) {
        kr_ctx_clear_error(x->ctx);
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "the store cannot be written");
    }
    if (kr_jobs_count(x->api->jobs).workers == 0)
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "no worker process is up");
    return kr_send_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

kr_status kr_handle_openapi(struct kr_exchange *x)
{
    char *text = kr_api_openapi();
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return kr_send_json(x, 200, json);
}

kr_status kr_handle_capabilities(struct kr_exchange *x)
{
    static const struct {
        const char *name;
        const struct kr_registry *registry;
    } families[] = {{"kernels", &kr_kernel_registry},
                    {"means", &kr_mean_registry},
                    {"losses", &kr_loss_registry},
                    {"validations", &kr_validation_registry},
                    {"priors", &kr_prior_registry},
                    {"calibrations", &kr_calibration_registry},
                    {"recipes", &kr_recipe_registry},
                    {"approximations", &kr_approximation_registry},
                    {"solvers", &kr_solver_registry},
                    {"preconditioners", &kr_preconditioner_registry},
                    {"optimizers", &kr_optimizer_registry},
                    {"schedules", &kr_schedule_registry},
                    {"constraints", &kr_constraint_registry},
                    {"target_transforms", &kr_transform_registry}};
    const struct kr_jobs_counts counts = kr_jobs_count(x->api->jobs);
    json_t *json = json_pack("{s:s}", "version", KR_VERSION);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        json_object_set_new(json, families[i].name, kr_wire_registry(families[i].registry));
    json_t *bodies = json_object();
    for (const struct kr_route *route = kr_routes; route->method; route++)
        if (route->bodies)
            json_object_set_new(bodies, route->name, json_integer((json_int_t)route->body_limit));
    json_object_set_new(json, "limits",
                        json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:i}", "body_bytes", bodies,
                                  "covariance_points", KR_MOST_COVARIANCE_POINTS, "sample_numbers",
                                  KR_MOST_REPLY_NUMBERS, "json_depth", KR_JSON_DEPTH, "kernel_depth",
                                  KR_KERNEL_DEPTH, "kernel_parts", KR_MAX_KERNEL_NODES, "workers",
                                  counts.workers));
    return kr_send_json(x, 200, json);
}

kr_status kr_handle_problem(struct kr_exchange *x)
{
    const kr_status status = kr_status_from_slug(x->params[0]);
    if (strcmp(kr_status_slug(status), x->params[0]) != 0)
        return kr_fail(x->ctx, KR_NOT_FOUND, "", "there is no type of problem called \"%.60s\"",
                       x->params[0]);
    return kr_send_json(x, 200,
                        json_pack("{s:o, s:s, s:i}", "type",
                                  json_sprintf("/problems/%s", kr_status_slug(status)), "title",
                                  kr_status_title(status), "status", kr_status_http(status)));
}
