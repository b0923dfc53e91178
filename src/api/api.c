/* Opening and closing the service: store, then workers, then the listener; closed the other way round. */
#include "api/api.h"
#include "api/dispatch.h"
#include "api/exchange.h"

#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shutting down takes ten seconds at most: requests in flight have the first part, meanwhile jobs stop at a
 * checkpoint. */
static const double close_seconds = 5, drain_seconds = 4;

/* A pipe that nobody reads must not hang a thread. */
static void log_line(void *self, const char *line)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    (void)self;
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
        dprintf(STDERR_FILENO, "%s\n", line);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static kr_status open_parts(struct kr_ctx *ctx, struct kr_api *api)
{
    const struct kr_api_config *config = &api->config;
    const int cores = kr_cores();
    const int workers = config->workers ? config->workers : 2;
    const int threads = config->threads ? config->threads : cores / workers > 1 ? cores / workers : 1;
    if (workers * threads > cores)
        log_line(NULL, "workers times threads are more than the cores: everything will be slower");
    KR_TRY(kr_store_open(ctx, config->directory, &api->store));
    KR_TRY(kr_jobs_open(ctx,
                        &(struct kr_jobs_config){
                            .store = api->store, .workers = workers, .threads = threads, .log = log_line},
                        &api->jobs));
    const struct kr_http_config http = {.host = config->host,
                                        .port = config->port,
                                        .body_memory = kr_memory() / 4,
                                        .close_seconds = close_seconds,
                                        .max_body = kr_dispatch_max_body,
                                        .loopback_hosts_only = is_loopback(config->host),
                                        .problem = kr_dispatch_problem,
                                        .log = log_line};
    return kr_http_open(ctx, &http, kr_dispatch, api, &api->http);
}

kr_status kr_api_open(struct kr_ctx *ctx, const struct kr_api_config *config, struct kr_api **out)
{
    if (!is_loopback(config->host) && !config->insecure)
        return kr_fail(ctx, KR_INVALID, "/listen",
                       "%.100s is not a loopback address, and nobody has to identify himself: --insecure "
                       "listens there all the same",
                       config->host);
    struct kr_api *api = calloc(1, sizeof *api);
    if (!api || sodium_init() < 0) {
        free(api);
        return kr_fail(ctx, KR_INTERNAL, "", "the service cannot start");
    }
    api->config = *config;
    if (open_parts(ctx, api) != KR_OK) {
        kr_api_close(api);
        return ctx->error.status;
    }
    *out = api;
    return KR_OK;
}

int kr_api_port(const struct kr_api *api)
{
    return kr_http_port(api->http);
}

void kr_api_close(struct kr_api *api)
{
    if (!api)
        return;
    __atomic_store_n(&api->draining, 1, __ATOMIC_SEQ_CST);
    if (api->jobs)
        kr_jobs_drain(api->jobs);
    kr_http_close(api->http); /* streams and requests use jobs and store */
    kr_jobs_close(api->jobs, drain_seconds);
    kr_store_close(api->store);
    free(api);
}
