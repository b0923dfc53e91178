/* The table of routes. Rows of one path stand together: GET, PUT, POST, DELETE. */
#include "api/routes.h"
#include "api/views.h"

#define MIB ((size_t)1 << 20)

#define QUERIES(...)                                                                                         \
    (const struct kr_query_row[])                                                                            \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL, NULL, NULL                                                                                 \
        }                                                                                                    \
    }
#define BODIES(...)                                                                                          \
    (const struct kr_body_row[])                                                                             \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL, NULL                                                                                       \
        }                                                                                                    \
    }
#define REPLIES(...)                                                                                         \
    (const struct kr_reply_row[])                                                                            \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            0, NULL, NULL, NULL                                                                              \
        }                                                                                                    \
    }
#define JSON_BODY(schema) BODIES({KR_JSON_MEDIA, &schema})
#define JSON(status, doc, schema)                                                                            \
    {                                                                                                        \
        status, doc, KR_JSON_MEDIA, &schema                                                                  \
    }
#define ANY_JSON(status, doc)                                                                                \
    {                                                                                                        \
        status, doc, KR_JSON_MEDIA, NULL                                                                     \
    }
#define EMPTY(status, doc)                                                                                   \
    {                                                                                                        \
        status, doc, NULL, NULL                                                                              \
    }

#define PAGE_QUERIES                                                                                         \
    {"page_size", "integer", "entries at most, 1 to 1000; default 50"},                                      \
    {                                                                                                        \
        "page_token", "string", "next_page_token of the page before"                                         \
    }
#define CSV_QUERIES                                                                                          \
    {"target", "string",                                                                                     \
     "CSV: name or index of the target column, or several with commas between; default the last one not "    \
     "otherwise named"},                                                                                     \
        {"noise_variance", "string",                                                                         \
         "CSV: name or index of a column of known noise variances, which is then no feature"},               \
    {                                                                                                        \
        "missing", "string", "CSV: reject (default) or drop rows with a missing value"                       \
    }
#define PREDICT_QUERIES                                                                                      \
    {"variance", "boolean", "CSV: true (default) or false"},                                                 \
        {"quantiles", "string", "CSV: levels, separated by commas"},                                         \
        {"covariance", "boolean", "CSV: true or false (default)"},                                           \
        {"samples", "integer", "CSV: number of joint samples"},                                              \
        {"seed", "integer", "CSV: seed of the samples"},                                                     \
        {"samples_method", "string", "CSV: auto (default), exact or pathwise"},                              \
        {"gradient", "boolean", "CSV: true or false (default)"},                                             \
        {"target", "string", "CSV: the one target to predict, of a model of several: name or index"},        \
        {"observation_noise", "boolean", "CSV: true (default) or false"},                                    \
    {                                                                                                        \
        "missing", "string", "CSV: reject (default) or drop rows with a missing value"                       \
    }

const struct kr_route kr_routes[] = {
    {"GET", "/", "index", "service", "Names the service and where its documents are", kr_handle_index, 0,
     NULL, NULL, REPLIES(ANY_JSON(200, "name, version, links")), ""},
    {"GET", "/livez", "livez", "service", "Is the process alive?", kr_handle_livez, 0, NULL, NULL,
     REPLIES(JSON(200, "it is", kr_health_view_schema)), ""},
    {"GET", "/readyz", "readyz", "service",
     "Can work be taken: store writable, workers up, not shutting down?", kr_handle_readyz, 0, NULL, NULL,
     REPLIES(JSON(200, "it can", kr_health_view_schema)), "503"},
    {"GET", "/openapi.json", "openapi", "service", "This document", kr_handle_openapi, 0, NULL, NULL,
     REPLIES(ANY_JSON(200, "OpenAPI 3.1")), ""},
    {"GET", "/v1/capabilities", "capabilities", "service",
     "Kernels, losses, solvers, optimizers with their options; limits", kr_handle_capabilities, 0, NULL, NULL,
     REPLIES(ANY_JSON(200, "straight from the registries")), ""},
    {"GET", "/problems/{slug}", "problem", "service", "What a type of problem means", kr_handle_problem, 0,
     NULL, NULL, REPLIES(JSON(200, "its title and status", kr_problem_view_schema)), "404"},

    {"GET", "/v1/datasets", "listDatasets", "data sets", "Lists data sets", kr_handle_dataset_list, 0,
     QUERIES(PAGE_QUERIES), NULL, REPLIES(JSON(200, "a page", kr_dataset_page_schema)), "422"},
    {"POST", "/v1/datasets", "postDataset", "data sets",
     "Stores a data set under a name in the body, in the query, or made", kr_handle_dataset_post, 256 * MIB,
     QUERIES({"name", "string", "CSV: name of the data set"}, CSV_QUERIES),
     BODIES({KR_JSON_MEDIA, &kr_named_data_schema}, {KR_CSV_MEDIA, NULL}),
     REPLIES(JSON(201, "stored", kr_dataset_view_schema),
             JSON(200, "the same was there already", kr_dataset_view_schema)),
     "409 411 413 415 422 507"},
    {"GET", "/v1/datasets/{name}", "getDataset", "data sets", "Describes a data set", kr_handle_dataset_get,
     0, NULL, NULL, REPLIES(JSON(200, "its description", kr_dataset_view_schema)), "404"},
    {"PUT", "/v1/datasets/{name}", "putDataset", "data sets", "Stores a data set", kr_handle_dataset_put,
     256 * MIB, QUERIES(CSV_QUERIES), BODIES({KR_JSON_MEDIA, &kr_data_schema}, {KR_CSV_MEDIA, NULL}),
     REPLIES(JSON(201, "stored", kr_dataset_view_schema),
             JSON(200, "the same was there already", kr_dataset_view_schema)),
     "409 411 413 415 422 507"},
    {"DELETE", "/v1/datasets/{name}", "deleteDataset", "data sets",
     "Deletes a data set that no unfinished job needs", kr_handle_dataset_delete, 0, NULL, NULL,
     REPLIES(EMPTY(204, "deleted")), "404 409"},

    {"POST", "/v1/gradients", "gradient", "gradients", "One evaluation of a held-out loss and its gradient",
     kr_handle_gradient, 64 * MIB, NULL, JSON_BODY(kr_gradient_request_schema),
     REPLIES(JSON(200, "loss and gradient", kr_gradient_reply_schema)), "404 411 413 415 422 429 503"},

    {"GET", "/v1/jobs", "listJobs", "jobs", "Lists jobs", kr_handle_job_list, 0,
     QUERIES({"state", "string", "only jobs in this state"},
             {"label", "string", "only jobs with this label: name=text"}, PAGE_QUERIES),
     NULL, REPLIES(JSON(200, "a page", kr_job_page_schema)), "422"},
    {"POST", "/v1/jobs", "postJob", "jobs", "Queues a tuning job", kr_handle_job_post, MIB, NULL,
     JSON_BODY(kr_tune_request_schema),
     REPLIES(JSON(202, "queued, and on the disk; Location names it", kr_job_view_schema)),
     "404 411 413 415 422 429 503 507"},
    {"GET", "/v1/jobs/{id}", "getJob", "jobs",
     "A job; with Prefer: wait=SECONDS (60 at most) once it is finished", kr_handle_job_get, 0, NULL, NULL,
     REPLIES(JSON(200, "the job", kr_job_view_schema)), "404"},
    {"DELETE", "/v1/jobs/{id}", "deleteJob", "jobs", "Deletes a finished job and its events; its model stays",
     kr_handle_job_delete, 0, NULL, NULL, REPLIES(EMPTY(204, "deleted")), "404 409"},
    {"POST", "/v1/jobs/{id}/cancel", "cancelJob", "jobs", "Ends a job; one that is finished stays as it is",
     kr_handle_job_cancel, 0, NULL, NULL, REPLIES(JSON(202, "the job", kr_job_view_schema)), "404"},
    {"GET", "/v1/jobs/{id}/events", "jobEvents", "jobs",
     "Streams events, replayed from after Last-Event-ID (or ?after=); ends after done, and then answers 204",
     kr_handle_job_events, 0,
     QUERIES({"after", "integer", "id of the last event that the client has; Last-Event-ID goes before it"}),
     NULL,
     REPLIES({200, "server-sent events: id, event, data", KR_SSE_MEDIA, NULL},
             {200, "one event a line", KR_NDJSON_MEDIA, &kr_event_view_schema},
             EMPTY(204, "the client has them all")),
     "404 422 503"},

    {"GET", "/v1/models", "listModels", "models", "Lists models", kr_handle_model_list, 0,
     QUERIES(PAGE_QUERIES), NULL, REPLIES(JSON(200, "a page", kr_model_page_schema)), "422"},
    {"GET", "/v1/models/{name}", "getModel", "models", "A model", kr_handle_model_get, 0,
     QUERIES({"weights", "boolean", "true adds inputs and solved weights, so that it predicts anywhere"}),
     NULL, REPLIES(JSON(200, "the model", kr_model_document_schema)), "404 422"},
    {"PUT", "/v1/models/{name}", "putModel", "models",
     "Imports a model: what GET with ?weights=true gave, here or elsewhere, under a name of its own",
     kr_handle_model_put, 256 * MIB, NULL, JSON_BODY(kr_model_document_schema),
     REPLIES(JSON(201, "imported; the model without its weights", kr_model_document_schema),
             JSON(200, "the same was there already", kr_model_document_schema)),
     "409 411 413 415 422 429 503 507"},
    {"DELETE", "/v1/models/{name}", "deleteModel", "models", "Deletes a model", kr_handle_model_delete, 0,
     NULL, NULL, REPLIES(EMPTY(204, "deleted")), "404"},
    {"POST", "/v1/models/{name}/predict", "predict", "models", "Predicts at new points",
     kr_handle_model_predict, 64 * MIB, QUERIES(PREDICT_QUERIES),
     BODIES({KR_JSON_MEDIA, &kr_predict_request_schema}, {KR_CSV_MEDIA, NULL}),
     REPLIES(
         JSON(200, "predictions", kr_predict_reply_schema),
         {200,
          "one line a point: mean, variance, q0.05, .., as asked for; of several targets mean_<target>, ..",
          KR_CSV_MEDIA, NULL}),
     "404 411 413 415 422 429 503"},
    {0}};
