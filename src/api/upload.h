/* upload: the body of a data set, read by its media type; digests of bodies. */
#ifndef KRIGED_API_UPLOAD_H
#define KRIGED_API_UPLOAD_H

#include "api/exchange.h"
#include "kriged/data.h"

/* Of some bytes, hexadecimal; NULL when the arena is full. */
const char *kr_hex_sha256(struct kr_ctx *ctx, const char *bytes, size_t length);

struct kr_upload {
    struct kr_dataset data;
    const char *name;   /* from the body or the query; NULL = none */
    const char *sha256; /* of the body, hexadecimal */
    const char *digest; /* of the body and of how it is read */
    size_t dropped;     /* rows left out because a value is missing */
};
kr_status kr_upload_read(struct kr_exchange *x, struct kr_upload *out) KR_MUST_CHECK;

#endif
