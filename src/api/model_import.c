/*
 * PUT /v1/models/{name}: a document with its weights. The digest covers the document as its table reads it,
 * name and time aside, so that an export is recognised however it was laid out; a worker checks what members
 * owe each other and writes the weights.
 */
#include "api/routes.h"
#include "api/upload.h"
#include "engine/model.h"

#include <stdlib.h>
#include <string.h>

static kr_status digest_of(struct kr_ctx *ctx, const struct kr_model_document *document, const char **out)
{
    struct kr_model_document bare = *document;
    bare.name = bare.created_at = NULL;
    json_t *json = kr_wire_write(&kr_model_document_schema, &bare);
    char *text = json ? kr_json_dump(json, false) : NULL;
    *out = text ? kr_hex_sha256(ctx, text, strlen(text)) : NULL;
    free(text);
    json_decref(json);
    return *out ? KR_OK : kr_fail(ctx, KR_UNAVAILABLE, "", "there is no memory for the model");
}

/* The worker's reply as the row's document. */
static kr_status check_and_write(struct kr_exchange *x, json_t *tree, const char *directory,
                                 struct kr_model_row *row)
{
    json_t *kept,
        *message = json_pack("{s:s, s:O, s:s}", "op", "import", "model", tree, "directory", directory);
    kr_status status = kr_jobs_call(x->ctx, x->api->jobs, message, &x->request->client_left, &kept);
    json_decref(message);
    KR_TRY(status);
    char *text = kr_json_dump(kept, false);
    json_decref(kept);
    row->document = text ? kr_strdup(x->ctx, text) : NULL;
    free(text);
    return row->document ? KR_OK : kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the model");
}

static kr_status import(struct kr_exchange *x, json_t *tree, struct kr_model_row *row, bool *created)
{
    char id[KR_ID_BYTES], *directory;
    bool found;
    *created = false;
    KR_TRY(kr_store_model_find(x->ctx, x->api->store, row, &found));
    if (found)
        return KR_OK;
    KR_TRY(kr_store_model_directory(x->ctx, x->api->store, id, &directory));
    kr_status status = check_and_write(x, tree, directory, row);
    if (status == KR_OK)
        return kr_store_model_put(x->ctx, x->api->store, id, row, created);
    kr_store_model_directory_drop(x->api->store, id);
    return status;
}

kr_status kr_handle_model_put(struct kr_exchange *x)
{
    struct kr_model_row row = {.name = x->params[0]};
    struct kr_model_document document;
    json_t *tree = NULL;
    bool created;
    KR_TRY(kr_check_name(x->ctx, x->params[0], "/name"));
    KR_TRY(kr_read_body(x, &kr_model_document_schema, &document, &tree));
    kr_status status = digest_of(x->ctx, &document, &row.digest);
    if (status == KR_OK)
        status = import(x, tree, &row, &created);
    json_decref(tree);
    KR_TRY(status);
    kr_http_reply_header(x->reply, "Location", "/v1/models/%s", row.name);
    return kr_send_json(x, created ? 201 : 200, kr_model_json(&row));
}
