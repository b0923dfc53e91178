/* Data sets as JSON and CSV. The digest covers the bytes and the reading options, so that the same upload is
 * recognised. */
#include "api/upload.h"
#include "api/routes.h"
#include "api/views.h"
#include "engine/session.h"

#include <sodium.h>
#include <string.h>

const char *kr_hex_sha256(struct kr_ctx *ctx, const char *bytes, size_t length)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char *hex = kr_alloc(ctx, 2 * sizeof hash + 1, 1);
    if (!hex)
        return NULL;
    crypto_hash_sha256(hash, (const unsigned char *)bytes, length);
    return sodium_bin2hex(hex, 2 * sizeof hash + 1, hash, sizeof hash);
}

/* Options of CSV mean nothing beside JSON: refused rather than ignored. */
static kr_status refuse_csv_options(struct kr_exchange *x)
{
    if (x->request->query_count == 0)
        return KR_OK;
    return kr_fail(x->ctx, KR_INVALID, kr_printf(x->ctx, "/%.60s", x->request->query[0].name),
                   "is an option of CSV, and the body is JSON");
}

static kr_status read_json(struct kr_exchange *x, struct kr_upload *out)
{
    struct kr_named_data named = {0};
    struct kr_data data;
    KR_TRY(refuse_csv_options(x));
    if (strcmp(x->request->method, "POST") == 0) {
        KR_TRY(kr_read_body(x, &kr_named_data_schema, &named, NULL));
        data =
            (struct kr_data){named.x,           named.y,           named.noise_variance, named.feature_names,
                             named.target_name, named.target_names};
        out->name = named.name;
    } else {
        KR_TRY(kr_read_body(x, &kr_data_schema, &data, NULL));
    }
    return kr_data_take(x->ctx, &data, "", &out->data);
}

static kr_status read_csv(struct kr_exchange *x, struct kr_upload *out)
{
    const struct kr_http_request *request = x->request;
    const char *missing = kr_http_query(request, "missing");
    const struct kr_csv_options options = {.target = kr_http_query(request, "target"),
                                           .noise_variance = kr_http_query(request, "noise_variance"),
                                           .drop_missing = missing && strcmp(missing, "drop") == 0};
    if (missing && strcmp(missing, "drop") != 0 && strcmp(missing, "reject") != 0)
        return kr_fail(x->ctx, KR_INVALID, "/missing", "must be reject or drop, got \"%.40s\"", missing);
    out->name = kr_http_query(request, "name");
    return kr_dataset_from_csv(x->ctx, request->body, request->length, &options, &out->data, &out->dropped);
}

kr_status kr_upload_read(struct kr_exchange *x, struct kr_upload *out)
{
    const struct kr_http_request *request = x->request;
    const char *target = kr_http_query(request, "target"), *noise = kr_http_query(request, "noise_variance"),
               *missing = kr_http_query(request, "missing");
    const bool csv = strcmp(x->media, KR_CSV_MEDIA) == 0;
    *out = (struct kr_upload){.sha256 = kr_hex_sha256(x->ctx, request->body, request->length)};
    KR_TRY(csv ? read_csv(x, out) : read_json(x, out));
    char *reading = kr_printf(x->ctx, "%s %s|%s|%s|%s", out->sha256, x->media, target ? target : "",
                              noise ? noise : "", missing ? missing : "reject");
    out->digest = reading ? kr_hex_sha256(x->ctx, reading, strlen(reading)) : NULL;
    return out->digest ? KR_OK : x->ctx->error.status;
}
