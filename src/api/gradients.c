/* /v1/gradients: checked here, evaluated by a worker. */
#include "api/routes.h"
#include "engine/request.h"

static kr_status call(struct kr_exchange *x, const struct kr_gradient_request *request, json_t *tree,
                      json_t **reply)
{
    const char *validation = NULL;
    kr_validation_elsewhere(&request->objective.validation, &validation);
    json_t *message = json_pack("{s:s, s:O}", "op", "gradient", "request", tree);
    kr_status status = kr_datasets_message(x, request->dataset, validation, message);
    if (status == KR_OK)
        status = kr_jobs_call(x->ctx, x->api->jobs, message, &x->request->client_left, reply);
    json_decref(message);
    return status;
}

kr_status kr_handle_gradient(struct kr_exchange *x)
{
    struct kr_gradient_request request;
    json_t *tree = NULL, *reply = NULL;
    KR_TRY(kr_read_body(x, &kr_gradient_request_schema, &request, &tree));
    kr_status status = call(x, &request, tree, &reply);
    json_decref(tree);
    KR_TRY(status);
    return kr_send_json(x, 200, reply);
}
