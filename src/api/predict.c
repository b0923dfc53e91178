/*
 * POST /v1/models/{name}/predict. Points as JSON with their options, or as CSV with options in the query;
 * the reply as JSON or CSV by Accept, by the body's type where both are equally welcome. What CSV has no
 * column for is said in header fields.
 */
#include "api/routes.h"
#include "engine/request.h"
#include "engine/text.h"

#include <stdlib.h>
#include <string.h>

static const json_t *features_of(const json_t *model)
{
    return json_object_get(json_object_get(model, "dataset"), "feature_names");
}

/* Options stand in the body, where the body can hold them. */
static kr_status refuse_query(struct kr_exchange *x)
{
    if (x->request->query_count == 0)
        return KR_OK;
    return kr_fail(x->ctx, KR_INVALID, kr_printf(x->ctx, "/%.60s", x->request->query[0].name),
                   "is an option of CSV, and the body is JSON");
}

static kr_status read_csv(struct kr_exchange *x, const json_t *model, json_t **out)
{
    struct kr_predict_request checked;
    const struct kr_http_request *request = x->request;
    const char *missing = kr_http_query(request, "missing");
    json_t *points;
    if (missing && strcmp(missing, "drop") != 0 && strcmp(missing, "reject") != 0)
        return kr_fail(x->ctx, KR_INVALID, "/missing", "must be reject or drop, got \"%.40s\"", missing);
    KR_TRY(kr_points_from_csv(x->ctx, request->body, request->length, missing && strcmp(missing, "drop") == 0,
                              features_of(model), &points));
    *out = json_pack("{s:o}", "x", points);
    for (int i = 0; *out && i < request->query_count; i++)
        if (strcmp(request->query[i].name, "missing") != 0)
            kr_predict_option(*out, request->query[i].name, request->query[i].value);
    if (*out && kr_wire_read(x->ctx, &kr_predict_request_schema, *out, "", &checked) == KR_OK)
        return KR_OK;
    json_decref(*out);
    *out = NULL;
    return x->ctx->error.status ? x->ctx->error.status
                                : kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the points");
}

static kr_status read_json(struct kr_exchange *x, json_t **out)
{
    struct kr_predict_request checked;
    KR_TRY(refuse_query(x));
    return kr_read_body(x, &kr_predict_request_schema, &checked, out);
}

static bool wants_csv(const struct kr_exchange *x)
{
    const char *accept = kr_http_header(x->request, "Accept");
    const double csv = kr_accepts(accept, KR_CSV_MEDIA), json = kr_accepts(accept, KR_JSON_MEDIA);
    return csv > json || (csv == json && strcmp(x->media, KR_CSV_MEDIA) == 0);
}

static kr_status send_csv(struct kr_exchange *x, const json_t *request, const json_t *reply,
                          const json_t *model)
{
    const json_t *clamped = json_object_get(reply, "clamped_variances"),
                 *method = json_object_get(reply, "samples_method"),
                 *jitter = json_object_get(reply, "samples_jitter");
    char *text = kr_predict_csv(x->ctx, request, reply, model);
    if (!text)
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the reply");
    if (clamped)
        kr_http_reply_header(x->reply, "X-Clamped-Variances", "%lld", (long long)json_integer_value(clamped));
    if (method)
        kr_http_reply_header(x->reply, "X-Samples-Method", "%s", json_string_value(method));
    if (jitter)
        kr_http_reply_header(x->reply, "X-Samples-Jitter", "%.3g", json_number_value(jitter));
    x->reply->status = 200;
    x->reply->content_type = KR_CSV_MEDIA;
    x->reply->body = text;
    x->reply->length = strlen(text);
    return KR_OK;
}

static kr_status answer(struct kr_exchange *x, json_t *request, json_t *model, const char *directory)
{
    json_t *reply, *message = json_pack("{s:s, s:O, s:O, s:s}", "op", "predict", "request", request, "model",
                                        model, "directory", directory);
    kr_status status = kr_jobs_call(x->ctx, x->api->jobs, message, &x->request->client_left, &reply);
    json_decref(message);
    KR_TRY(status);
    if (!wants_csv(x))
        return kr_send_json(x, 200, reply);
    status = send_csv(x, request, reply, model);
    json_decref(reply);
    return status;
}

kr_status kr_handle_model_predict(struct kr_exchange *x)
{
    struct kr_model_row row;
    json_t *request = NULL;
    const bool csv = strcmp(x->media, KR_CSV_MEDIA) == 0;
    if (!csv)
        KR_TRY(read_json(x, &request));
    json_t *model = NULL;
    kr_status status = kr_store_model_get(x->ctx, x->api->store, x->params[0], &row);
    if (status == KR_OK) {
        model = kr_model_json(&row);
        status = csv ? read_csv(x, model, &request) : KR_OK;
    }
    if (status == KR_OK)
        status = answer(x, request, model, row.directory);
    json_decref(request);
    json_decref(model);
    return status;
}
