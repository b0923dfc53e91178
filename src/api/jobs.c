/* /v1/jobs, but for the events. */
#include "api/routes.h"
#include "engine/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_LABELS = 32, MOST_LABEL_BYTES = 128, MOST_WAIT_SECONDS = 60 };

static json_t *links(const struct kr_job_row *row)
{
    json_t *json = json_pack("{s:o, s:o}", "self", json_sprintf("/v1/jobs/%s", row->id), "events",
                             json_sprintf("/v1/jobs/%s/events", row->id));
    if (!kr_job_state_finished(row->state))
        json_object_set_new(json, "cancel", json_sprintf("/v1/jobs/%s/cancel", row->id));
    if (row->state == KR_JOB_SUCCEEDED)
        json_object_set_new(json, "model", json_sprintf("/v1/models/%s", row->id));
    return json;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *view(const struct kr_job_row *row)
{
    json_t *labels = json_object();
    for (size_t i = 0; i < row->nlabels; i++)
        json_object_set_new(labels, row->label_names[i], json_string(row->label_texts[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "id", row->id, "state",
                     kr_job_state_names[row->state], "created_at", row->created_at, "started_at",
                     text_or_null(row->started_at), "finished_at", text_or_null(row->finished_at), "attempt",
                     row->attempt, "labels", labels, "request", kr_stored_json(row->request), "progress",
                     kr_stored_json(row->progress), "result", kr_stored_json(row->result), "error",
                     kr_stored_json(row->error), "links", links(row));
}

static kr_status send_job(struct kr_exchange *x, int status, const char *id)
{
    struct kr_job_row row;
    KR_TRY(kr_store_job_get(x->ctx, x->api->store, id, &row));
    return kr_send_json(x, status, view(&row));
}

static kr_status check_labels(struct kr_ctx *ctx, const struct kr_map *labels)
{
    if (labels->count > MOST_LABELS)
        return kr_fail(ctx, KR_INVALID, "/labels", "must be %d at most, got %zu", MOST_LABELS, labels->count);
    for (size_t i = 0; i < labels->count; i++)
        if (!labels->names[i][0] || strlen(labels->names[i]) > MOST_LABEL_BYTES ||
            strlen(labels->texts[i]) > MOST_LABEL_BYTES)
            return kr_fail(ctx, KR_INVALID, "/labels",
                           "names and texts must have at most %d bytes, names one at least",
                           MOST_LABEL_BYTES);
    return KR_OK;
}

/* The parameters of the job that a warm start names, for the worker. What a request brings itself is not
 * looked up. */
static kr_status find_warm_start(struct kr_exchange *x, const struct kr_warm_start *warm, json_t *message)
{
    struct kr_job_row row;
    if (!warm || !warm->job || warm->parameters.count)
        return KR_OK;
    kr_status status = kr_store_job_get(x->ctx, x->api->store, warm->job, &row);
    if (status == KR_NOT_FOUND) {
        kr_ctx_clear_error(x->ctx);
        return kr_fail(x->ctx, KR_INVALID, "/warm_start/job", "there is no job \"%.40s\"", warm->job);
    }
    KR_TRY(status);
    if (row.state != KR_JOB_SUCCEEDED)
        return kr_fail(x->ctx, KR_INVALID, "/warm_start/job", "must have succeeded, and is %s",
                       kr_job_state_names[row.state]);
    json_t *request = kr_stored_json(row.request), *result = kr_stored_json(row.result);
    const json_t *model = json_object_get(request, "model");
    json_object_set_new(message, "warm_start",
                        json_pack("{s:O*, s:O*, s:O*}", "parameters", json_object_get(result, "parameters"),
                                  "standardize", json_object_get(model, "standardize"), "target_transform",
                                  json_object_get(model, "target_transform")));
    json_decref(request);
    json_decref(result);
    return KR_OK;
}

/* A worker looks at the data too: whatever can be refused is refused now. */
static kr_status check(struct kr_exchange *x, const struct kr_tune_request *request, json_t *tree,
                       const char *validation, char **effective)
{
    json_t *reply = NULL;
    KR_TRY(check_labels(x->ctx, &request->labels));
    json_t *message = json_pack("{s:s, s:O}", "op", "check", "request", tree);
    kr_status status = kr_datasets_message(x, request->dataset, validation, message);
    if (status == KR_OK)
        status = find_warm_start(x, request->warm_start, message);
    if (status == KR_OK)
        status = kr_jobs_call(x->ctx, x->api->jobs, message, &x->request->client_left, &reply);
    json_decref(message);
    KR_TRY(status);
    char *text = kr_json_dump(reply, false);
    json_decref(reply);
    *effective = text ? kr_strdup(x->ctx, text) : NULL;
    free(text);
    return *effective ? KR_OK : kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the request");
}

kr_status kr_handle_job_post(struct kr_exchange *x)
{
    struct kr_tune_request request;
    json_t *tree = NULL;
    char *effective, id[KR_ID_BYTES];
    const char *validation = NULL;
    KR_TRY(kr_read_body(x, &kr_tune_request_schema, &request, &tree));
    kr_validation_elsewhere(&request.objective.validation, &validation);
    kr_status status = check(x, &request, tree, validation, &effective);
    json_decref(tree);
    KR_TRY(status);
    const struct kr_job_row row = {.dataset = request.dataset,
                                   .validation_dataset = validation,
                                   .request = effective,
                                   .nlabels = request.labels.count,
                                   .label_names = request.labels.names,
                                   .label_texts = request.labels.texts};
    KR_TRY(kr_jobs_submit(x->ctx, x->api->jobs, &row, id));
    kr_http_reply_header(x->reply, "Location", "/v1/jobs/%s", id);
    return send_job(x, 202, id);
}

/* Seconds of "Prefer: wait=N" (RFC 7240), 0 = none. */
static double wait_of(const struct kr_http_request *request)
{
    const char *prefer = kr_http_header(request, "Prefer");
    for (; prefer && *prefer; prefer += *prefer == ',' || *prefer == ';') {
        prefer += strspn(prefer, " \t");
        if (strncasecmp(prefer, "wait=", 5) == 0)
            return strtod(prefer + 5, NULL);
        prefer += strcspn(prefer, ",;");
    }
    return 0;
}

kr_status kr_handle_job_get(struct kr_exchange *x)
{
    double seconds = wait_of(x->request);
    if (seconds > 0) {
        seconds = seconds < MOST_WAIT_SECONDS ? seconds : MOST_WAIT_SECONDS;
        KR_TRY(kr_jobs_wait(x->ctx, x->api->jobs, x->params[0], seconds, &x->request->client_left));
        kr_http_reply_header(x->reply, "Preference-Applied", "wait=%g", seconds);
    }
    return send_job(x, 200, x->params[0]);
}

/* ?state= and ?label=name=text */
static kr_status read_filter(struct kr_exchange *x, struct kr_job_filter *filter)
{
    const char *state = kr_http_query(x->request, "state"), *label = kr_http_query(x->request, "label");
    *filter = (struct kr_job_filter){.state = -1};
    for (int s = 0; state && kr_job_state_names[s]; s++)
        if (strcmp(kr_job_state_names[s], state) == 0)
            filter->state = s;
    if (state && filter->state < 0)
        return kr_fail(x->ctx, KR_INVALID, "/state", "must be a state of jobs, got \"%.40s\"", state);
    if (!label)
        return KR_OK;
    char *name = kr_strdup(x->ctx, label), *equals = name ? strchr(name, '=') : NULL;
    if (name && !equals)
        return kr_fail(x->ctx, KR_INVALID, "/label", "must be name=text, got \"%.80s\"", label);
    if (!name)
        return x->ctx->error.status;
    *equals = 0;
    filter->label_name = name;
    filter->label_text = equals + 1;
    return KR_OK;
}

kr_status kr_handle_job_list(struct kr_exchange *x)
{
    struct kr_job_filter filter;
    struct kr_page page;
    struct kr_job_row *rows;
    size_t count;
    KR_TRY(read_filter(x, &filter));
    KR_TRY(kr_read_page(x, &page));
    KR_TRY(kr_store_job_list(x->ctx, x->api->store, &filter, &page, &count, &rows));
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(items, view(&rows[i]));
    return kr_send_page(x, "jobs", items, &page);
}

kr_status kr_handle_job_cancel(struct kr_exchange *x)
{
    KR_TRY(kr_jobs_cancel(x->ctx, x->api->jobs, x->params[0]));
    return send_job(x, 202, x->params[0]);
}

kr_status kr_handle_job_delete(struct kr_exchange *x)
{
    KR_TRY(kr_store_job_delete(x->ctx, x->api->store, x->params[0]));
    x->reply->status = 204;
    return KR_OK;
}
