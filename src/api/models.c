/* /v1/models */
#include "api/routes.h"

#include <string.h>

json_t *kr_model_json(const struct kr_model_row *row)
{
    json_t *stored = kr_stored_json(row->document);
    json_t *json = json_pack("{s:s, s:s}", "name", row->name, "created_at", row->created_at);
    json_object_update(json, stored);
    json_decref(stored);
    return json;
}

/* The document with the weights that a worker reads. */
static kr_status with_weights(struct kr_exchange *x, json_t **reply)
{
    struct kr_model_row row;
    KR_TRY(kr_store_model_get(x->ctx, x->api->store, x->params[0], &row));
    json_t *message = json_pack("{s:s, s:o, s:s}", "op", "weights", "model", kr_model_json(&row), "directory",
                                row.directory);
    kr_status status = kr_jobs_call(x->ctx, x->api->jobs, message, &x->request->client_left, reply);
    json_decref(message);
    return status;
}

kr_status kr_handle_model_get(struct kr_exchange *x)
{
    struct kr_model_row row;
    const char *weights = kr_http_query(x->request, "weights");
    json_t *reply;
    if (weights && strcmp(weights, "true") != 0 && strcmp(weights, "false") != 0)
        return kr_fail(x->ctx, KR_INVALID, "/weights", "must be true or false, got \"%.40s\"", weights);
    if (weights && strcmp(weights, "true") == 0) {
        KR_TRY(with_weights(x, &reply));
        return kr_send_json(x, 200, reply);
    }
    KR_TRY(kr_store_model_get(x->ctx, x->api->store, x->params[0], &row));
    return kr_send_json(x, 200, kr_model_json(&row));
}

kr_status kr_handle_model_list(struct kr_exchange *x)
{
    struct kr_page page;
    struct kr_model_row *rows;
    size_t count;
    KR_TRY(kr_read_page(x, &page));
    KR_TRY(kr_store_model_list(x->ctx, x->api->store, &page, &count, &rows));
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *stored = kr_stored_json(rows[i].document);
        json_array_append_new(items,
                              json_pack("{s:s, s:s, s:O*, s:O*}", "name", rows[i].name, "created_at",
                                        rows[i].created_at, "dataset", json_object_get(stored, "dataset"),
                                        "loss", json_object_get(stored, "loss")));
        json_decref(stored);
    }
    return kr_send_page(x, "models", items, &page);
}

kr_status kr_handle_model_delete(struct kr_exchange *x)
{
    KR_TRY(kr_store_model_delete(x->ctx, x->api->store, x->params[0]));
    x->reply->status = 204;
    return KR_OK;
}
