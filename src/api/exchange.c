/* What handlers share: JSON replies, bodies, pages. */
#include "api/exchange.h"
#include "api/routes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PAGE = 50, MOST_PAGE = 1000 };

/* A strong validator: a hash of the bytes. */
static bool has_already(struct kr_exchange *x, const char *text, size_t length)
{
    unsigned char hash[16];
    char hex[2 * sizeof hash + 1], tag[sizeof hex + 2];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, length, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    tag[0] = '"';
    memcpy(tag + 1, hex, sizeof hex - 1);
    strcpy(tag + sizeof hex, "\"");
    kr_http_reply_header(x->reply, "ETag", "%s", tag);
    const char *known = kr_http_header(x->request, "If-None-Match");
    return known && (strcmp(known, "*") == 0 || strstr(known, tag));
}

kr_status kr_send_json(struct kr_exchange *x, int status, json_t *json)
{
    char *text = json ? kr_json_dump(json, false) : NULL;
    json_decref(json);
    if (!text)
        return kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the reply");
    const size_t length = strlen(text);
    if (status == 200 && strcmp(x->request->method, "GET") == 0 && has_already(x, text, length)) {
        free(text);
        x->reply->status = 304;
        return KR_OK;
    }
    x->reply->status = status;
    x->reply->content_type = KR_JSON_MEDIA;
    x->reply->body = text;
    x->reply->length = length;
    return KR_OK;
}

kr_status kr_read_body(struct kr_exchange *x, const struct kr_schema *schema, void *out, json_t **tree)
{
    return kr_wire_parse(x->ctx, schema, x->request->body, x->request->length, out, tree);
}

kr_status kr_read_page(struct kr_exchange *x, struct kr_page *page)
{
    const char *size = kr_http_query(x->request, "page_size");
    *page = (struct kr_page){.size = DEFAULT_PAGE, .token = kr_http_query(x->request, "page_token")};
    if (!size)
        return KR_OK;
    char *end;
    const unsigned long value = strtoul(size, &end, 10);
    if (size[0] < '0' || size[0] > '9' || *end || value < 1 || value > MOST_PAGE)
        return kr_fail(x->ctx, KR_INVALID, "/page_size", "must be an integer from 1 to %d, got \"%.40s\"",
                       MOST_PAGE, size);
    page->size = value;
    return KR_OK;
}

kr_status kr_send_page(struct kr_exchange *x, const char *member, json_t *items, const struct kr_page *page)
{
    json_t *json = json_pack("{s:o}", member, items);
    if (json && page->next)
        json_object_set_new(json, "next_page_token", json_string(page->next));
    return kr_send_json(x, 200, json);
}

json_t *kr_stored_json(const char *text)
{
    json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return json ? json : json_null();
}

kr_status kr_check_name(struct kr_ctx *ctx, const char *name, const char *pointer)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789",
                      others[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t length = strlen(name);
    if (length >= 1 && length <= 64 && strchr(first, name[0]) && strspn(name, others) == length)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, pointer,
                   "must be a name of 1 to 64 of a-z, 0-9, \".\", \"_\" and \"-\", beginning with a letter "
                   "or digit, got \"%.80s\"",
                   name);
}

static kr_status put_dataset(struct kr_exchange *x, const char *name, const char *member, const char *pointer,
                             json_t *message)
{
    struct kr_dataset_row row;
    if (!name)
        return KR_OK;
    if (kr_store_dataset_get(x->ctx, x->api->store, name, &row) != KR_OK) {
        if (x->ctx->error.status != KR_NOT_FOUND)
            return x->ctx->error.status;
        kr_ctx_clear_error(x->ctx);
        return kr_fail(x->ctx, KR_NOT_FOUND, pointer, "there is no data set called \"%.80s\"", name);
    }
    json_t *dataset = json_pack("{s:s, s:s, s:o}", "name", row.name, "directory", row.directory, "meta",
                                kr_stored_json(row.meta));
    return json_object_set_new(message, member, dataset) == 0
               ? KR_OK
               : kr_fail(x->ctx, KR_UNAVAILABLE, "", "there is no memory for the request");
}

kr_status kr_datasets_message(struct kr_exchange *x, const char *dataset, const char *validation,
                              json_t *message)
{
    KR_TRY(put_dataset(x, dataset, "dataset", "/dataset", message));
    return put_dataset(x, validation, "validation_dataset", "/objective/validation/name", message);
}
