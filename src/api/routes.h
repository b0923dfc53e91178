/*
 * routes: the HTTP surface as a table. Routing, 405, 406, 411, 413 and 415, query checks, the OpenAPI
 * document and the manual come from its rows; to add an endpoint, write a handler and add a row.
 */
#ifndef KRIGED_API_ROUTES_H
#define KRIGED_API_ROUTES_H

#include "api/exchange.h"

#define KR_JSON_MEDIA    "application/json"
#define KR_CSV_MEDIA     "text/csv"
#define KR_PROBLEM_MEDIA "application/problem+json"
#define KR_SSE_MEDIA     "text/event-stream"
#define KR_NDJSON_MEDIA  "application/x-ndjson"

/* Arrays end with a NULL name, media or a zero status. */
struct kr_query_row {
    const char *name, *type, *doc; /* type of JSON Schema */
};
struct kr_body_row {
    const char *media;
    const struct kr_schema *schema; /* NULL = text */
};
struct kr_reply_row {
    int status;
    const char *doc;
    const char *media;              /* NULL = no body */
    const struct kr_schema *schema; /* NULL = text, or any JSON */
};
struct kr_route {
    const char *method, *path, *name, *tag, *summary;
    kr_handler *handler;
    size_t body_limit; /* bytes */
    const struct kr_query_row *queries;
    const struct kr_body_row *bodies; /* NULL = takes no body */
    const struct kr_reply_row *replies;
    const char *refusals; /* codes beside those that every route has: "404 409" */
};

extern const struct kr_route kr_routes[]; /* ends with a NULL method */

/* The row of method and path; NULL with *allow (heap, "GET, PUT") when only the method is wrong, or NULL when
 * the path is. */
const struct kr_route *kr_route_find(const char *method, const char *const *segments, int count,
                                     const char *params[KR_MAX_PARAMS], char **allow);

/* system.c */
kr_handler kr_handle_index, kr_handle_livez, kr_handle_readyz, kr_handle_openapi, kr_handle_capabilities,
    kr_handle_problem;
/* datasets.c, upload.c */
kr_handler kr_handle_dataset_put, kr_handle_dataset_post, kr_handle_dataset_list, kr_handle_dataset_get,
    kr_handle_dataset_delete;
/* gradients.c */
kr_handler kr_handle_gradient;
/* jobs.c, events.c */
kr_handler kr_handle_job_post, kr_handle_job_list, kr_handle_job_get, kr_handle_job_cancel,
    kr_handle_job_delete, kr_handle_job_events;
/* models.c */
kr_handler kr_handle_model_list, kr_handle_model_get, kr_handle_model_put, kr_handle_model_delete,
    kr_handle_model_predict;
/* What GET says of a stored model; NULL without memory. New reference. */
json_t *kr_model_json(const struct kr_model_row *row);

#endif
