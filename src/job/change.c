/*
 * Events and states on their way to the store.
 *
 * Every job has a list of changes that wait; a commit takes those of all jobs in one transaction, at most
 * every KR_COMMIT_SECONDS, sooner when a job has ended. Subscribers hear of them afterwards. When the store
 * fails, nothing is dropped: the changes stay in memory, no new job begins, and the commit is tried again
 * with growing pauses.
 */
#include "job/job_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double first_pause = 0.1, longest_pause = 5.0;

struct kr_change *kr_change_new(void)
{
    struct kr_change *change = kr_must(calloc(1, sizeof *change));
    change->state = change->attempt = -1;
    return change;
}

static void free_texts(struct kr_change *change)
{
    free(change->progress);
    free(change->checkpoint);
    free(change->result);
    free(change->error);
    free(change->model);
    free(change->events);
    free(change);
}

void kr_change_free(struct kr_change *change)
{
    while (change) {
        struct kr_change *next = change->next;
        for (size_t i = 0; i < change->nevents; i++) {
            free((char *)change->events[i].kind);
            free((char *)change->events[i].data);
        }
        free_texts(change);
        change = next;
    }
}

void kr_job_free(struct kr_job *job)
{
    kr_change_free(job->held);
    kr_change_free(job->first);
    free(job);
}

static void reserve(struct kr_change *change, size_t wanted)
{
    if (wanted <= change->room)
        return;
    change->room = wanted > 2 * change->room ? wanted : 2 * change->room;
    change->events = kr_must(realloc(change->events, change->room * sizeof *change->events));
}

void kr_change_event(struct kr_change *change, const char *kind, char *data)
{
    reserve(change, change->nevents + 1);
    change->events[change->nevents++] = (struct kr_event_row){.kind = kr_must(strdup(kind)), .data = data};
}

static void replace(char **old, char *fresh)
{
    if (!fresh)
        return;
    free(*old);
    *old = fresh;
}

/* `from` happened after `into`; at most one of them has a state. */
static void merge(struct kr_change *into, struct kr_change *from)
{
    reserve(into, into->nevents + from->nevents);
    for (size_t i = 0; i < from->nevents; i++)
        into->events[into->nevents++] = from->events[i];
    replace(&into->progress, from->progress);
    replace(&into->checkpoint, from->checkpoint);
    if (from->state >= 0) {
        into->state = from->state;
        into->attempt = from->attempt;
    }
    from->progress = from->checkpoint = NULL;
    free_texts(from);
}

void kr_change_push(struct kr_jobs *jobs, struct kr_job *job, struct kr_change *change, bool alone)
{
    if (!change)
        return;
    if (job->last && !alone && (job->last->state < 0 || change->state < 0)) {
        merge(job->last, change);
    } else {
        *(job->last ? &job->last->next : &job->first) = change;
        job->last = change;
    }
    if (!job->dirty) {
        job->dirty = true;
        job->next_dirty = NULL;
        *jobs->dirty_end = job;
        jobs->dirty_end = &job->next_dirty;
    }
}

double kr_commit_due(const struct kr_jobs *jobs)
{
    if (!jobs->dirty)
        return INFINITY;
    if (jobs->retry_wait > 0)
        return jobs->retry_at;
    return jobs->urgent ? 0 : jobs->committed_at + KR_COMMIT_SECONDS;
}

static size_t count_changes(const struct kr_job *from, bool only_first)
{
    size_t count = 0;
    for (const struct kr_job *job = from; job; job = only_first ? NULL : job->next_dirty)
        for (const struct kr_change *change = job->first; change; change = change->next)
            count++;
    return count;
}

static struct kr_job_change row_of(const struct kr_job *job, const struct kr_change *change)
{
    return (struct kr_job_change){.id = job->id,
                                  .state = change->state,
                                  .attempt = change->attempt,
                                  .progress = change->progress,
                                  .result = change->result,
                                  .error = change->error,
                                  .checkpoint = change->checkpoint,
                                  .nevents = change->nevents,
                                  .events = change->events,
                                  .model = change->model,
                                  .model_id = change->model ? change->model_id : NULL};
}

/* All that waits, or what waits for one job, in one transaction. */
static kr_status apply(struct kr_ctx *ctx, struct kr_jobs *jobs, const struct kr_job *from, bool only_first)
{
    size_t count = count_changes(from, only_first), used = 0;
    struct kr_job_change *rows;
    uint64_t *last;
    KR_ALLOC(ctx, rows, count);
    KR_ALLOC(ctx, last, count);
    for (const struct kr_job *job = from; job; job = only_first ? NULL : job->next_dirty)
        for (const struct kr_change *change = job->first; change; change = change->next)
            rows[used++] = row_of(job, change);
    return kr_store_apply(ctx, jobs->store, count, rows, last);
}

/* The job's changes are on the disk. */
static void settle(struct kr_jobs *jobs, struct kr_job *job)
{
    char id[KR_ID_BYTES];
    memcpy(id, job->id, sizeof id);
    kr_change_free(job->first);
    job->first = job->last = NULL;
    job->dirty = false;
    if (job->phase == KR_PHASE_ENDING) {
        pthread_mutex_lock(&jobs->lock);
        kr_jobs_unlink(jobs, job);
        pthread_cond_broadcast(&jobs->changed);
        pthread_mutex_unlock(&jobs->lock);
        kr_job_free(job);
    }
    kr_subscriptions_notify(&jobs->subscriptions, id);
}

static struct kr_job *pop_dirty(struct kr_jobs *jobs)
{
    struct kr_job *job = jobs->dirty;
    if (job && !(jobs->dirty = job->next_dirty))
        jobs->dirty_end = &jobs->dirty;
    return job;
}

static void pause_commits(struct kr_jobs *jobs, double now, const struct kr_error *error)
{
    if (jobs->retry_wait == 0)
        kr_jobs_log(jobs, "jobs: progress cannot be stored and waits in memory: %s", error->detail);
    jobs->retry_wait = jobs->retry_wait > 0 ? fmin(2 * jobs->retry_wait, longest_pause) : first_pause;
    jobs->retry_at = now + jobs->retry_wait;
}

static bool will_pass(kr_status status)
{
    return status != KR_NOT_FOUND && status != KR_CONFLICT && status != KR_INVALID;
}

static void drop_changes(struct kr_job *job)
{
    kr_change_free(job->first);
    job->first = job->last = NULL;
}

/* The end with a model, pushed alone, becomes a failure. */
static void refuse_model(struct kr_jobs *jobs, struct kr_job *job, const struct kr_error *error)
{
    struct kr_change **link = &job->first, *before = NULL;
    for (; (*link)->next; link = &before->next)
        before = *link;
    kr_store_model_directory_drop(jobs->store, (*link)->model_id);
    kr_change_free(*link);
    *link = NULL;
    job->last = before;
    kr_job_failed(jobs, job, error);
}

/* The store refuses this job's changes for good. A model that it does not take makes the job fail; a job that
 * is not there any more is forgotten. False when the same is worth another try. */
static bool give_in(struct kr_jobs *jobs, struct kr_job *job, const struct kr_error *error)
{
    if (will_pass(error->status))
        return false;
    kr_jobs_log(jobs, "jobs: the store refuses what job %s did: %s", job->id, error->detail);
    if (error->status != KR_NOT_FOUND && job->last->model) {
        refuse_model(jobs, job, error);
    } else {
        drop_changes(job);
        if (job->phase == KR_PHASE_QUEUED)
            kr_jobs_phase(jobs, job, KR_PHASE_ENDING);
    }
    return true;
}

static bool commit_one(struct kr_jobs *jobs, struct kr_job *job, double now)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    kr_status status = apply(&ctx, jobs, job, true);
    if (status != KR_OK && give_in(jobs, job, &ctx.error)) {
        kr_ctx_clear_error(&ctx);
        status = apply(&ctx, jobs, job, true);
    }
    if (status != KR_OK)
        pause_commits(jobs, now, &ctx.error);
    kr_ctx_fini(&ctx);
    return status == KR_OK;
}

/* One bad job must not hold up the others: each gets a transaction of its own. */
static bool commit_each(struct kr_jobs *jobs, double now)
{
    struct kr_job *next;
    bool good = true;
    struct kr_job *job = jobs->dirty;
    jobs->dirty = NULL;
    jobs->dirty_end = &jobs->dirty;
    for (; job; job = next) {
        next = job->next_dirty;
        if (commit_one(jobs, job, now)) {
            settle(jobs, job);
            continue;
        }
        good = false;
        job->next_dirty = NULL;
        *jobs->dirty_end = job;
        jobs->dirty_end = &job->next_dirty;
    }
    return good;
}

void kr_commit(struct kr_jobs *jobs, double now)
{
    if (kr_commit_due(jobs) > now)
        return;
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    bool good = apply(&ctx, jobs, jobs->dirty, false) == KR_OK;
    if (good) {
        for (struct kr_job *job; (job = pop_dirty(jobs));)
            settle(jobs, job);
    } else if (will_pass(ctx.error.status)) {
        pause_commits(jobs, now, &ctx.error);
    } else {
        good = commit_each(jobs, now);
    }
    kr_ctx_fini(&ctx);
    if (!good)
        return;
    if (jobs->retry_wait > 0)
        kr_jobs_log(jobs, "jobs: progress is being stored again");
    jobs->retry_wait = 0;
    jobs->urgent = false;
    jobs->committed_at = now;
}
