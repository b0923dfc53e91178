/*
 * api: the HTTP surface. A table of routes (routes.c) gives each its handler, its documentation and its
 * checks.
 */
#ifndef KRIGED_API_API_H
#define KRIGED_API_API_H

#include "kriged/base.h"

struct kr_api;

struct kr_api_config {
    const char *host; /* where to listen */
    int port;         /* 0 = a free one */
    const char *directory;
    int workers, threads; /* 0 = by the number of cores */
    bool insecure; /* listen on an address that is not loopback although nobody has to identify himself */
};

/* Opens store, workers and listener. INVALID for an address that is not loopback, unless insecure. */
kr_status kr_api_open(struct kr_ctx *ctx, const struct kr_api_config *config,
                      struct kr_api **out) KR_MUST_CHECK;
int kr_api_port(const struct kr_api *api);
/* Not ready from now on; running jobs stop at their next checkpoint, streams are told, requests in flight
 * end. Then frees. Some 9 seconds at most. NULL is fine. */
void kr_api_close(struct kr_api *api);

/* The OpenAPI 3.1 document and the reference manual (Markdown), from the tables. Heap strings; NULL without
 * memory. */
char *kr_api_openapi(void);
char *kr_api_manual(void);

#endif
