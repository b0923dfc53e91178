/* exchange: one request on its way to a reply, as handlers see it. */
#ifndef KRIGED_API_EXCHANGE_H
#define KRIGED_API_EXCHANGE_H

#include "api/api.h"
#include "api/http.h"
#include "job/job.h"
#include "wire/wire.h"

struct kr_api {
    struct kr_api_config config;
    struct kr_store *store;
    struct kr_jobs *jobs;
    struct kr_http *http;
    volatile int draining;
};

enum { KR_MAX_PARAMS = 2 };

struct kr_exchange {
    struct kr_ctx *ctx;
    struct kr_api *api;
    struct kr_http_request *request;
    struct kr_http_reply *reply;
    const struct kr_route *route;
    const char *media;                 /* of the body: one of the route's, NULL = no body */
    const char *params[KR_MAX_PARAMS]; /* what stands in the path's braces */
};

/* A handler fills the reply, or fails: the failure becomes a problem document. */
typedef kr_status kr_handler(struct kr_exchange *x);

/* Sends `json` (stolen; NULL = no memory). A GET gets an ETag, and 304 when the client has it. */
kr_status kr_send_json(struct kr_exchange *x, int status, json_t *json) KR_MUST_CHECK;
/* The body as a struct; *tree, when not NULL, is the caller's to decref. */
kr_status kr_read_body(struct kr_exchange *x, const struct kr_schema *schema, void *out,
                       json_t **tree) KR_MUST_CHECK;

/* ?page_size= and ?page_token=. */
kr_status kr_read_page(struct kr_exchange *x, struct kr_page *page) KR_MUST_CHECK;
/* {member: items (stolen), "next_page_token": ..} */
kr_status kr_send_page(struct kr_exchange *x, const char *member, json_t *items,
                       const struct kr_page *page) KR_MUST_CHECK;

/* JSON that the store kept as text; null when there is none. New reference. */
json_t *kr_stored_json(const char *text);
/* INVALID unless it is a name for data sets: [a-z0-9][a-z0-9._-]{0,63}. */
kr_status kr_check_name(struct kr_ctx *ctx, const char *name, const char *pointer) KR_MUST_CHECK;
/* Puts {"name", "directory", "meta"} of the stored data sets of a request into a message for a worker, as
 * "dataset" and "validation_dataset"; NULL = there is none. NOT_FOUND at /dataset or
 * /objective/validation/name. */
kr_status kr_datasets_message(struct kr_exchange *x, const char *dataset, const char *validation,
                              json_t *message) KR_MUST_CHECK;

/* How welcome `media` is by an Accept header ("text/html;q=0.1, application/json"), 0 (not at all) to 1; an
 * absent header welcomes all. */
double kr_accepts(const char *text, const char *media);
/* Is the media type of a Content-Type header `media`, parameters aside? */
bool kr_media_is(const char *content_type, const char *media);

#endif
