/*
 * worker: the loop of a worker process. Reads requests from the socket (job.h has the protocol), runs one at
 * a time, and watches the socket meanwhile: a cancel for the running request, or the end of the daemon, stops
 * it.
 */
#ifndef KRIGED_ENGINE_WORKER_H
#define KRIGED_ENGINE_WORKER_H

#include "kriged/base.h"

#include <jansson.h>

/* Sends {"event": kind, "data": .., "progress"?: .., "checkpoint"?: ..} for the running request; steals the
 * references. */
struct kr_emit {
    void (*event)(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress, json_t *checkpoint);
};

/* Runs one message; *reply: new reference. ctx carries cancel and the threads. */
typedef kr_status kr_engine_fn(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit, void *self,
                               json_t **reply);

/*
 * Serves until the socket ends; then exits the process even while a request runs (its result would have no
 * reader). `budget`: bytes that one request may use in its arena. Sets PR_SET_PDEATHSIG. Returns the exit
 * code.
 */
int kr_worker_main(int fd, int threads, size_t budget, kr_engine_fn *run, void *self);

#endif
