/*
 * job: the queue and the worker processes.
 *
 * One supervisor thread owns the workers. A worker is this very binary, exec'ed as `kriged worker --threads
 * T` (never a bare fork: OpenBLAS and OpenMP do not survive one), with a socket pair as file descriptor 3
 * that carries lines of JSON:
 *
 *     to the worker     {"id": 7, "op": "gradient" | "predict" | "tune", ...}     one at a time
 *                       {"cancel": 7}
 *     from the worker   {"id": 7, "event": "step", "data": {..}, "progress": {..}?, "checkpoint": ..?} any
 * number, then one of
 *                       {"id": 7, "reply": ..}
 *                       {"id": 7, "error": {"status": slug, "pointer": "..", "detail": ".."}}
 *
 * A message of op "tune" is {"id", "op", "job", "request", "dataset": {"name", "directory", "meta"},
 * "validation_dataset": the same?, "model_directory", "checkpoint": ..?}; its reply {"result": {..}, "model":
 * {..}}.
 *
 * Events are stored, together with the checkpoint they belong to, in one transaction every 100 ms at most,
 * and only then shown to subscribers. Events that came after the last checkpoint of an attempt wait for the
 * next checkpoint or the end: an attempt that resumes would send them again.
 *
 * A worker that dies takes down its call (WORKER_DIED) or its job's attempt only; a job fails after
 * KR_JOB_ATTEMPTS attempts without a new checkpoint between them. A restart of the daemon takes up queued and
 * running jobs again and does not count.
 *
 * Lock order: kr_jobs' lock, then the store's. No callback runs under a lock.
 */
#ifndef KRIGED_JOB_H
#define KRIGED_JOB_H

#include "store/store.h"

#include <jansson.h>

enum { KR_JOB_ATTEMPTS = 3 };

struct kr_jobs;

struct kr_jobs_config {
    struct kr_store *store; /* borrowed */
    const char *executable; /* NULL = /proc/self/exe */
    int workers;  /* tuning jobs use at most workers - 1 of them (one is for calls); with 1, a second process
                     is  started for calls. 0 = 2 */
    int threads;  /* of each worker; 0 = cores / workers, at least 1 */
    size_t queue; /* queued jobs at most (TOO_MANY_REQUESTS); 0 = 1000 */
    double cancel_seconds; /* that a cancelled job has before its worker is killed; 0 = 10 */
    double call_seconds;   /* the same for a call; 0 = 5 */
    void (*log)(void *self, const char *line); /* worker starts and deaths; NULL = none */
    void *self;
};

/* Takes up the unfinished jobs of the store and starts the workers. */
kr_status kr_jobs_open(struct kr_ctx *ctx, const struct kr_jobs_config *config,
                       struct kr_jobs **out) KR_MUST_CHECK;
/* Begins the end: nothing new is started, running jobs are told to stop after their next checkpoint and go
 * back to the queue (which the store then holds), open calls may finish. Returns at once. */
void kr_jobs_drain(struct kr_jobs *jobs);
/* Drains for `seconds` at most, ends the workers, frees. NULL is fine. */
void kr_jobs_close(struct kr_jobs *jobs, double seconds);

/* Stores and queues a job; events `state` {"state": "queued"} is its first. id (ULID) is filled in. `row`:
 * data sets, labels, request. */
kr_status kr_jobs_submit(struct kr_ctx *ctx, struct kr_jobs *jobs, const struct kr_job_row *row,
                         char id[KR_ID_BYTES]) KR_MUST_CHECK;
/* Idempotent; a queued job is cancelled at once, a running one at its next evaluation (or iteration). A
 * finished one stays as it is. NOT_FOUND. */
kr_status kr_jobs_cancel(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id) KR_MUST_CHECK;
/* Waits until the job is finished or `seconds` are over or *client_left; the state is then read from the
 * store. */
kr_status kr_jobs_wait(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id, double seconds,
                       const _Atomic int *client_left) KR_MUST_CHECK;

/*
 * One gradient or prediction on a reserved worker: `message` is the line without its id (borrowed). *reply:
 * new reference. Blocks the caller; *client_left cancels it. WORKER_DIED, the worker's own error, UNAVAILABLE
 * while draining, TOO_MANY_REQUESTS when too many wait.
 */
kr_status kr_jobs_call(struct kr_ctx *ctx, struct kr_jobs *jobs, json_t *message,
                       const _Atomic int *client_left, json_t **reply) KR_MUST_CHECK;

/* Tells whoever watches a job that its newest stored event has a new id. `wake` must be quick; it may run on
 * any thread, never under a lock, and not after kr_jobs_unsubscribe returned. */
struct kr_subscription;
kr_status kr_jobs_subscribe(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id,
                            void (*wake)(void *self), void *self, struct kr_subscription **out) KR_MUST_CHECK;
void kr_jobs_unsubscribe(struct kr_subscription *subscription); /* NULL is fine */

struct kr_jobs_counts {
    int workers, busy; /* processes */
    size_t queued, running, calls;
    uint64_t worker_deaths;
};
struct kr_jobs_counts kr_jobs_count(struct kr_jobs *jobs);

#endif
