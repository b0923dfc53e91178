/* /v1/datasets */
#include "api/routes.h"
#include "api/upload.h"
#include "api/views.h"

#include <stdlib.h>
#include <string.h>

/* The description that GET replies, as it is stored: the time is the row's. */
static kr_status describe(struct kr_exchange *x, const struct kr_upload *upload, const char *name, char **out)
{
    const struct kr_dataset *data = &upload->data;
    struct kr_summary summary;
    KR_TRY(kr_dataset_summary(x->ctx, data, &summary));
    const char **warnings;
    KR_ALLOC(x->ctx, warnings, summary.warnings.count + 1);
    struct kr_texts said = {0, warnings};
    if (upload->dropped)
        warnings[said.count++] = kr_printf(
            x->ctx, "%zu rows with a missing value were left out; row indices count those that remain",
            upload->dropped);
    for (size_t i = 0; i < summary.warnings.count; i++)
        warnings[said.count++] = summary.warnings.items[i];
    const struct kr_dataset_view view = {
        .name = name,
        .rows = data->n,
        .features = data->d,
        .targets = kr_dataset_targets(data),
        .feature_names = {data->d, (const char **)data->feature_names},
        .target_name = data->target_name,
        .target_names = {data->target_names ? data->targets : 0, (const char **)data->target_names},
        .sha256 = upload->sha256,
        .bytes = x->request->length,
        .columns = summary.columns,
        .warnings = said};
    json_t *json = kr_wire_write(&kr_dataset_view_schema, &view);
    char *text = json ? kr_json_dump(json, false) : NULL;
    *out = text ? kr_strdup(x->ctx, text) : NULL;
    free(text);
    json_decref(json);
    return *out ? KR_OK : kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the description");
}

static json_t *view(const struct kr_dataset_row *row)
{
    json_t *json = kr_stored_json(row->meta);
    json_object_set_new(json, "created_at", json_string(row->created_at));
    return json;
}

static kr_status store(struct kr_exchange *x, const struct kr_upload *upload, const char *name)
{
    struct kr_dataset_row row = {.name = name, .digest = upload->digest};
    char *meta;
    bool created;
    KR_TRY(describe(x, upload, name, &meta));
    row.meta = meta;
    KR_TRY(kr_store_dataset_put(x->ctx, x->api->store, &upload->data, &row, &created));
    kr_http_reply_header(x->reply, "Location", "/v1/datasets/%s", name);
    return kr_send_json(x, created ? 201 : 200, view(&row));
}

kr_status kr_handle_dataset_put(struct kr_exchange *x)
{
    struct kr_upload upload;
    KR_TRY(kr_check_name(x->ctx, x->params[0], "/name"));
    KR_TRY(kr_upload_read(x, &upload));
    return store(x, &upload, x->params[0]);
}

kr_status kr_handle_dataset_post(struct kr_exchange *x)
{
    struct kr_upload upload;
    char made[KR_ID_BYTES];
    KR_TRY(kr_upload_read(x, &upload));
    if (upload.name) {
        KR_TRY(kr_check_name(x->ctx, upload.name, "/name"));
        return store(x, &upload, upload.name);
    }
    kr_store_id(made);
    for (char *c = made; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return store(x, &upload, kr_printf(x->ctx, "dataset-%s", made));
}

kr_status kr_handle_dataset_get(struct kr_exchange *x)
{
    struct kr_dataset_row row;
    KR_TRY(kr_store_dataset_get(x->ctx, x->api->store, x->params[0], &row));
    return kr_send_json(x, 200, view(&row));
}

kr_status kr_handle_dataset_list(struct kr_exchange *x)
{
    struct kr_page page;
    struct kr_dataset_row *rows;
    size_t count;
    KR_TRY(kr_read_page(x, &page));
    KR_TRY(kr_store_dataset_list(x->ctx, x->api->store, &page, &count, &rows));
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(items, view(&rows[i]));
    return kr_send_page(x, "datasets", items, &page);
}

kr_status kr_handle_dataset_delete(struct kr_exchange *x)
{
    KR_TRY(kr_store_dataset_delete(x->ctx, x->api->store, x->params[0]));
    x->reply->status = 204;
    return KR_OK;
}
