/* The queue as other threads see it: open, submit, cancel, wait, count, close. */
#include "job/job_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_WORKERS = 2, DEFAULT_QUEUE = 1000 };
static const double default_cancel_seconds = 10, default_call_seconds = 5;
static const double look_seconds = 0.1;    /* how often a waiting caller looks at its client */
static const double stored_seconds = 10.0; /* that a cancellation of a queued job may take to be stored */

/* ---- helpers of all files ---- */

void *kr_must(void *memory)
{
    if (!memory) {
        static const char message[] =
            "kriged: the machine has no memory left; jobs go on at the next start\n";
        (void)!write(STDERR_FILENO, message, sizeof message - 1);
        abort();
    }
    return memory;
}

void kr_jobs_log(struct kr_jobs *jobs, const char *format, ...)
{
    char line[512];
    va_list arguments;
    if (!jobs->log)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    jobs->log(jobs->self, line);
}

void kr_jobs_wake(struct kr_jobs *jobs)
{
    const uint64_t one = 1;
    (void)!write(jobs->wake_fd, &one, sizeof one); /* full is as good: it is awake already */
}

void kr_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void kr_jobs_sleep(struct kr_jobs *jobs, pthread_cond_t *condition, double until)
{
    struct timespec time = {.tv_sec = (time_t)until};
    time.tv_nsec = (long)((until - (double)time.tv_sec) * 1e9);
    pthread_cond_timedwait(condition, &jobs->lock, &time);
}

struct kr_job *kr_jobs_find(struct kr_jobs *jobs, const char *id)
{
    struct kr_job *job = jobs->first;
    while (job && strcmp(job->id, id) != 0)
        job = job->next;
    return job;
}

void kr_jobs_append(struct kr_jobs *jobs, struct kr_job *job)
{
    job->previous = jobs->last;
    *(jobs->last ? &jobs->last->next : &jobs->first) = job;
    jobs->last = job;
}

void kr_jobs_unlink(struct kr_jobs *jobs, struct kr_job *job)
{
    *(job->previous ? &job->previous->next : &jobs->first) = job->next;
    *(job->next ? &job->next->previous : &jobs->last) = job->previous;
}

void kr_jobs_phase(struct kr_jobs *jobs, struct kr_job *job, enum kr_job_phase phase)
{
    pthread_mutex_lock(&jobs->lock);
    job->phase = phase;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- submit, cancel, wait, count ---- */

static size_t count_phase(const struct kr_jobs *jobs, enum kr_job_phase phase)
{
    size_t count = 0;
    for (const struct kr_job *job = jobs->first; job; job = job->next)
        count += job->phase == phase;
    return count;
}

/* A place in the queue, before the slow part: ids are in the queue's order, and a cancel finds the job. */
static kr_status reserve(struct kr_ctx *ctx, struct kr_jobs *jobs, struct kr_job *job)
{
    kr_status status = KR_OK;
    pthread_mutex_lock(&jobs->lock);
    size_t waiting = count_phase(jobs, KR_PHASE_QUEUED) + count_phase(jobs, KR_PHASE_ADDING);
    if (jobs->draining)
        status = kr_fail(ctx, KR_UNAVAILABLE, "", "the daemon is shutting down");
    else if (waiting >= jobs->queue)
        status = kr_fail(ctx, KR_TOO_MANY_REQUESTS, "", "%zu jobs are queued already, and at most %zu may be",
                         waiting, jobs->queue);
    if (status == KR_OK) {
        kr_store_id(job->id);
        job->phase = KR_PHASE_ADDING;
        kr_jobs_append(jobs, job);
        jobs->visitors++;
    }
    pthread_mutex_unlock(&jobs->lock);
    return status;
}

static kr_status store_new(struct kr_ctx *ctx, struct kr_jobs *jobs, const struct kr_job_row *row,
                           const char *id)
{
    const struct kr_event_row event = {.kind = "state", .data = "{\"state\":\"queued\"}"};
    struct kr_job_row full = *row;
    full.id = id;
    full.state = KR_JOB_QUEUED;
    return kr_store_job_add(ctx, jobs->store, &full, 1, &event);
}

static void leave(struct kr_jobs *jobs)
{
    jobs->visitors--;
    pthread_cond_broadcast(&jobs->changed);
}

kr_status kr_jobs_submit(struct kr_ctx *ctx, struct kr_jobs *jobs, const struct kr_job_row *row,
                         char id[KR_ID_BYTES])
{
    struct kr_job *job = calloc(1, sizeof *job);
    if (!job)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for a job");
    kr_status status = reserve(ctx, jobs, job);
    if (status != KR_OK) {
        free(job);
        return status;
    }
    memcpy(id, job->id, KR_ID_BYTES);
    status = store_new(ctx, jobs, row, id);
    pthread_mutex_lock(&jobs->lock);
    if (status == KR_OK) {
        job->phase = KR_PHASE_QUEUED;
        jobs->attention |= job->cancel;
        kr_jobs_wake(jobs);
    } else {
        kr_jobs_unlink(jobs, job);
        free(job);
    }
    leave(jobs);
    pthread_mutex_unlock(&jobs->lock);
    return status;
}

/* Until a queued job is out of the list, which is after the commit, or has begun to run. */
static kr_status await_cancelled(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id)
{
    double until = kr_seconds() + stored_seconds;
    struct kr_job *job;
    while ((job = kr_jobs_find(jobs, id)) && job->phase != KR_PHASE_RUNNING) {
        if (jobs->stopped)
            return kr_fail(ctx, KR_UNAVAILABLE, "", "the daemon is shutting down");
        if (kr_seconds() >= until)
            return kr_fail(ctx, KR_STORAGE, "", "the job is cancelled, but that could not be stored yet");
        kr_jobs_sleep(jobs, &jobs->changed, until);
    }
    return KR_OK;
}

static kr_status must_exist(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id)
{
    struct kr_job_row row;
    return kr_store_job_get(ctx, jobs->store, id, &row);
}

kr_status kr_jobs_cancel(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id)
{
    kr_status status = KR_OK;
    pthread_mutex_lock(&jobs->lock);
    struct kr_job *job = kr_jobs_find(jobs, id);
    bool known = job != NULL;
    if (known) {
        job->cancel = true;
        jobs->attention = true;
        jobs->visitors++;
        kr_jobs_wake(jobs);
        status = await_cancelled(ctx, jobs, id);
        leave(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
    return known ? status : must_exist(ctx, jobs, id);
}

kr_status kr_jobs_wait(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id, double seconds,
                       const _Atomic int *client_left)
{
    double end = kr_seconds() + seconds, now;
    pthread_mutex_lock(&jobs->lock);
    bool known = kr_jobs_find(jobs, id) != NULL;
    jobs->visitors++;
    while (kr_jobs_find(jobs, id) && !jobs->draining && !(client_left && *client_left) && !kr_due(ctx) &&
           (now = kr_seconds()) < end)
        kr_jobs_sleep(jobs, &jobs->changed, now + look_seconds < end ? now + look_seconds : end);
    leave(jobs);
    pthread_mutex_unlock(&jobs->lock);
    return known ? KR_OK : must_exist(ctx, jobs, id);
}

struct kr_jobs_counts kr_jobs_count(struct kr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct kr_jobs_counts counts = {
        .workers = jobs->nprocesses,
        .busy = jobs->busy,
        .queued = count_phase(jobs, KR_PHASE_QUEUED) + count_phase(jobs, KR_PHASE_ADDING),
        .running = count_phase(jobs, KR_PHASE_RUNNING),
        .calls = jobs->ncalls_waiting + jobs->ncalls_running,
        .worker_deaths = jobs->deaths,
    };
    pthread_mutex_unlock(&jobs->lock);
    return counts;
}

/* ---- open and close ---- */

/* One unfinished job of an earlier life. What ran then goes back to the queue, and that attempt does not
 * count. */
static kr_status recover_one(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *id)
{
    static const struct kr_event_row event = {.kind = "state",
                                              .data = "{\"state\":\"queued\",\"reason\":\"restart\"}"};
    struct kr_job_row row;
    uint64_t last;
    KR_TRY(kr_store_job_get(ctx, jobs->store, id, &row));
    if (row.state == KR_JOB_RUNNING && row.attempt > 0)
        row.attempt--;
    const struct kr_job_change change = {
        .id = id, .state = KR_JOB_QUEUED, .attempt = row.attempt, .nevents = 1, .events = &event};
    if (row.state != KR_JOB_QUEUED)
        KR_TRY(kr_store_apply(ctx, jobs->store, 1, &change, &last));
    struct kr_job *job = calloc(1, sizeof *job);
    if (!job)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for the queue");
    strncpy(job->id, id, sizeof job->id - 1);
    job->attempt = row.attempt;
    job->phase = KR_PHASE_QUEUED;
    kr_jobs_append(jobs, job);
    return KR_OK;
}

static kr_status recover(struct kr_ctx *ctx, struct kr_jobs *jobs)
{
    size_t count;
    char **ids;
    KR_TRY(kr_store_job_unfinished(ctx, jobs->store, &count, &ids));
    for (size_t i = 0; i < count; i++) {
        struct kr_mark mark = kr_mark(ctx);
        KR_TRY(recover_one(ctx, jobs, ids[i]));
        kr_release(ctx, mark);
    }
    if (count > 0)
        kr_jobs_log(jobs, "jobs: %zu unfinished jobs taken up again", count);
    return KR_OK;
}

static double or_else(double value, double otherwise)
{
    return value > 0 ? value : otherwise;
}

static void configure(struct kr_jobs *jobs, const struct kr_jobs_config *config)
{
    int workers = config->workers > 0 ? config->workers : DEFAULT_WORKERS;
    int share = kr_cores() / workers > 0 ? kr_cores() / workers : 1;
    jobs->store = config->store;
    jobs->nprocesses = workers > 1 ? workers : 2; /* one is always left for calls */
    jobs->slots = jobs->nprocesses - 1;
    jobs->threads = config->threads > 0 ? config->threads : share;
    jobs->queue = config->queue > 0 ? config->queue : DEFAULT_QUEUE;
    jobs->cancel_seconds = or_else(config->cancel_seconds, default_cancel_seconds);
    jobs->call_seconds = or_else(config->call_seconds, default_call_seconds);
    jobs->log = config->log;
    jobs->self = config->self;
    jobs->calls_end = &jobs->calls;
    jobs->dirty_end = &jobs->dirty;
}

static void free_jobs(struct kr_jobs *jobs)
{
    while (jobs->first) {
        struct kr_job *job = jobs->first;
        kr_jobs_unlink(jobs, job);
        kr_job_free(job);
    }
    if (jobs->wake_fd >= 0)
        close(jobs->wake_fd);
    kr_subscriptions_fini(&jobs->subscriptions);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->changed);
    free(jobs->processes);
    free(jobs->executable);
    free(jobs);
}

static kr_status prepare(struct kr_ctx *ctx, struct kr_jobs *jobs, const struct kr_jobs_config *config)
{
    jobs->executable = strdup(config->executable ? config->executable : "/proc/self/exe");
    jobs->processes = calloc((size_t)jobs->nprocesses, sizeof *jobs->processes);
    if (!jobs->executable || !jobs->processes)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for %d workers",
                       jobs->nprocesses);
    for (int i = 0; i < jobs->nprocesses; i++) {
        jobs->processes[i].number = i + 1;
        jobs->processes[i].fd = -1;
    }
    if (jobs->wake_fd < 0)
        return kr_fail(ctx, KR_INTERNAL, "", "an event descriptor cannot be made: %s", strerror(errno));
    KR_TRY(recover(ctx, jobs));
    int error = pthread_create(&jobs->thread, NULL, kr_supervise, jobs);
    return error ? kr_fail(ctx, KR_INTERNAL, "", "the supervisor cannot start: %s", strerror(error)) : KR_OK;
}

kr_status kr_jobs_open(struct kr_ctx *ctx, const struct kr_jobs_config *config, struct kr_jobs **out)
{
    struct kr_jobs *jobs = calloc(1, sizeof *jobs);
    *out = NULL;
    if (!jobs)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for the queue");
    configure(jobs, config);
    pthread_mutex_init(&jobs->lock, NULL);
    kr_condition_init(&jobs->changed);
    kr_subscriptions_init(&jobs->subscriptions);
    jobs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    kr_status status = prepare(ctx, jobs, config);
    if (status != KR_OK) {
        free_jobs(jobs);
        return status;
    }
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->started)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->failure[0]) {
        status = kr_fail(ctx, KR_INTERNAL, "", "%s", jobs->failure);
        kr_jobs_close(jobs, 0);
        return status;
    }
    *out = jobs;
    return KR_OK;
}

void kr_jobs_drain(struct kr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->draining = true;
    pthread_mutex_unlock(&jobs->lock);
    kr_jobs_wake(jobs);
}

void kr_jobs_close(struct kr_jobs *jobs, double seconds)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->draining = jobs->closing = true;
    jobs->close_at = kr_seconds() + seconds;
    pthread_mutex_unlock(&jobs->lock);
    kr_jobs_wake(jobs);
    pthread_join(jobs->thread, NULL);
    pthread_mutex_lock(&jobs->lock);
    while (jobs->visitors > 0)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    free_jobs(jobs);
}
