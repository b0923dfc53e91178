/* Interactive requests: callers wait in line for an idle process, then for its word. */
#include "job/job_impl.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_SECONDS 0.05 /* how often a caller looks at its client */

static bool client_gone(const struct kr_ctx *ctx, const _Atomic int *client_left)
{
    return kr_due(ctx) || (client_left && *client_left);
}

static void take_out(struct kr_jobs *jobs, struct kr_call *call)
{
    struct kr_call **link = &jobs->calls;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    if (jobs->calls_end == &call->next)
        jobs->calls_end = link;
    jobs->ncalls_waiting--;
}

static kr_status enter(struct kr_ctx *ctx, struct kr_jobs *jobs, struct kr_call *call)
{
    if (jobs->draining)
        return kr_fail(ctx, KR_UNAVAILABLE, "", "the daemon is shutting down");
    if (jobs->ncalls_waiting >= KR_CALLS_WAITING)
        return kr_fail(ctx, KR_TOO_MANY_REQUESTS, "", "%d evaluations wait for a worker already",
                       KR_CALLS_WAITING);
    *jobs->calls_end = call;
    jobs->calls_end = &call->next;
    jobs->ncalls_waiting++;
    jobs->visitors++;
    return KR_OK;
}

static void await(struct kr_ctx *ctx, struct kr_jobs *jobs, struct kr_call *call,
                  const _Atomic int *client_left)
{
    while (call->phase != KR_CALL_DONE) {
        if (!call->cancel && client_gone(ctx, client_left)) {
            call->cancel = true;
            if (call->phase == KR_CALL_WAITING) {
                take_out(jobs, call);
                call->phase = KR_CALL_DONE;
                call->status = KR_CANCELLED;
                break;
            }
            jobs->attention = true;
            kr_jobs_wake(jobs);
        }
        kr_jobs_sleep(jobs, &call->done, kr_seconds() + LOOK_SECONDS);
    }
    jobs->visitors--;
    pthread_cond_broadcast(&jobs->changed);
}

static kr_status read_line(struct kr_ctx *ctx, const struct kr_call *call, json_t **reply)
{
    json_error_t error;
    json_t *line = json_loadb(call->line, call->length, 0, &error);
    if (!line)
        return kr_fail(ctx, KR_INTERNAL, "", "the worker's reply cannot be read: %s", error.text);
    kr_status status = KR_OK;
    json_t *failure = json_object_get(line, "error");
    if (failure)
        status = kr_error_take(ctx, failure);
    else if ((*reply = json_object_get(line, "reply")))
        json_incref(*reply);
    else
        status = kr_fail(ctx, KR_INTERNAL, "", "the worker's reply is empty");
    json_decref(line);
    return status;
}

static kr_status outcome(struct kr_ctx *ctx, const struct kr_call *call, json_t **reply)
{
    if (call->cancel && ctx->cancelled == 0 && kr_due(ctx))
        return kr_poll(ctx);
    if (call->line)
        return read_line(ctx, call, reply);
    switch (call->status) {
    case KR_CANCELLED:
        return kr_fail(ctx, KR_CANCELLED, "", "the evaluation was cancelled");
    case KR_UNAVAILABLE:
        return kr_fail(ctx, KR_UNAVAILABLE, "", "the daemon is shutting down");
    default:
        return kr_fail(ctx, call->status, "", "the worker process ended during this evaluation");
    }
}

/* Text is written and read in the caller's thread: it can be long, and the supervisor has others to serve. */
kr_status kr_jobs_call(struct kr_ctx *ctx, struct kr_jobs *jobs, json_t *message,
                       const _Atomic int *client_left, json_t **reply)
{
    struct kr_call call = {.phase = KR_CALL_WAITING};
    *reply = NULL;
    call.text = kr_json_dump(message, false);
    if (!call.text)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for this request");
    kr_condition_init(&call.done);
    pthread_mutex_lock(&jobs->lock);
    kr_status status = enter(ctx, jobs, &call);
    if (status == KR_OK) {
        kr_jobs_wake(jobs);
        await(ctx, jobs, &call, client_left);
    }
    pthread_mutex_unlock(&jobs->lock);
    pthread_cond_destroy(&call.done);
    free(call.text);
    if (status == KR_OK)
        status = outcome(ctx, &call, reply);
    free(call.line);
    return status;
}

/* ---- the supervisor's side ---- */

struct kr_call *kr_call_take(struct kr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct kr_call *call = jobs->calls;
    if (call) {
        take_out(jobs, call);
        call->phase = KR_CALL_RUNNING;
        jobs->ncalls_running++;
    }
    pthread_mutex_unlock(&jobs->lock);
    return call;
}

void kr_call_end(struct kr_jobs *jobs, struct kr_call *call, const char *line, size_t length,
                 kr_status status)
{
    char *copy = NULL;
    if (line)
        copy = memcpy(kr_must(malloc(length + 1)), line, length + 1);
    pthread_mutex_lock(&jobs->lock);
    call->line = copy;
    call->length = length;
    call->status = status;
    call->phase = KR_CALL_DONE;
    jobs->ncalls_running--;
    pthread_cond_signal(&call->done);
    pthread_mutex_unlock(&jobs->lock);
}

bool kr_call_cancelled(struct kr_jobs *jobs, const struct kr_call *call)
{
    pthread_mutex_lock(&jobs->lock);
    bool cancelled = call->cancel;
    pthread_mutex_unlock(&jobs->lock);
    return cancelled;
}
