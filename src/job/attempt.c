/*
 * The life of a job, from the queue to its end; all in the supervisor's thread.
 *
 *     queued --begin--> running --reply--> succeeded
 *       ^                 | |--error, or too many deaths--> failed
 *       |                 |----cancel--> cancelled
 *       '--death, shutdown'
 *
 * What a worker says after its last checkpoint is held back: an attempt that goes on from the checkpoint says
 * it again.
 */
#include "job/job_impl.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_event = "state", *const done_event = "done", *const warning_event = "warning";

static char *dump_new(json_t *json)
{
    char *text = kr_must(kr_json_dump(kr_must(json), false));
    json_decref(json);
    return text;
}

static struct kr_change *enter_state(const struct kr_job *job, enum kr_job_state state, const char *reason)
{
    struct kr_change *change = kr_change_new();
    json_t *data = json_pack("{s:s, s:s*}", "state", kr_job_state_names[state], "reason", reason);
    if (state == KR_JOB_RUNNING)
        json_object_set_new(data, "attempt", json_integer(job->attempt));
    change->state = state;
    change->attempt = job->attempt;
    kr_change_event(change, state_event, dump_new(data));
    return change;
}

static void release_held(struct kr_jobs *jobs, struct kr_job *job)
{
    kr_change_push(jobs, job, job->held, false);
    job->held = NULL;
}

static void drop_held(struct kr_job *job)
{
    kr_change_free(job->held);
    job->held = NULL;
}

/* The attempt is over: its process is free for others, its model directory goes unless a model took it. */
static void leave(struct kr_jobs *jobs, struct kr_job *job, enum kr_job_phase phase)
{
    if (job->model_id[0])
        kr_store_model_directory_drop(jobs->store, job->model_id);
    job->model_id[0] = '\0';
    job->process = NULL;
    jobs->urgent = true;
    kr_jobs_phase(jobs, job, phase);
}

/* Everything borrowed; NULL for what there is not. */
static void finish(struct kr_jobs *jobs, struct kr_job *job, enum kr_job_state state, json_t *result,
                   json_t *error, const json_t *model)
{
    release_held(jobs, job);
    struct kr_change *change = enter_state(job, state, NULL);
    json_t *done =
        json_pack("{s:s, s:O*, s:O*}", "state", kr_job_state_names[state], "result", result, "error", error);
    kr_change_event(change, done_event, dump_new(done));
    if (result)
        change->result = kr_must(kr_json_dump(result, false));
    if (error)
        change->error = kr_must(kr_json_dump(error, false));
    if (model) {
        change->model = kr_must(kr_json_dump(model, false));
        memcpy(change->model_id, job->model_id, sizeof change->model_id);
        job->model_id[0] = '\0';
    }
    kr_change_push(jobs, job, change,
                   true); /* alone: the store may refuse a model, and then only this is taken back */
    leave(jobs, job, KR_PHASE_ENDING);
}

void kr_job_cancelled(struct kr_jobs *jobs, struct kr_job *job)
{
    finish(jobs, job, KR_JOB_CANCELLED, NULL, NULL, NULL);
}

void kr_job_failed(struct kr_jobs *jobs, struct kr_job *job, const struct kr_error *error)
{
    json_t *problem = kr_must(kr_problem_json(error, NULL));
    finish(jobs, job, KR_JOB_FAILED, NULL, problem, NULL);
    json_decref(problem);
}

void kr_job_requeue(struct kr_jobs *jobs, struct kr_job *job, const char *reason)
{
    drop_held(job);
    kr_change_push(jobs, job, enter_state(job, KR_JOB_QUEUED, reason), false);
    leave(jobs, job, KR_PHASE_QUEUED); /* its place in the list is before all that have not begun */
}

static bool cancel_wanted(struct kr_jobs *jobs, const struct kr_job *job)
{
    pthread_mutex_lock(&jobs->lock);
    bool wanted = job->cancel;
    pthread_mutex_unlock(&jobs->lock);
    return wanted;
}

void kr_job_worker_died(struct kr_jobs *jobs, struct kr_job *job, const char *how)
{
    if (cancel_wanted(jobs, job)) {
        kr_job_cancelled(jobs, job);
    } else if (++job->deaths >= KR_JOB_ATTEMPTS) {
        struct kr_ctx ctx;
        kr_ctx_init(&ctx, 0);
        (void)!kr_fail(&ctx, KR_WORKER_DIED, "", "the worker process %s, %d times without a new checkpoint",
                       how, job->deaths);
        kr_job_failed(jobs, job, &ctx.error);
        kr_ctx_fini(&ctx);
    } else {
        struct kr_change *warning = kr_change_new();
        json_t *data =
            json_pack("{s:s, s:o}", "code", kr_status_slug(KR_WORKER_DIED), "detail",
                      json_sprintf("the worker process %s; the job goes on from its last checkpoint", how));
        kr_change_event(warning, warning_event, dump_new(data));
        drop_held(job);
        kr_change_push(jobs, job, warning, false);
        kr_job_requeue(jobs, job, kr_status_slug(KR_WORKER_DIED));
    }
}

/* ---- what the worker says ---- */

static bool take_event(struct kr_jobs *jobs, struct kr_job *job, const char *kind, const json_t *line)
{
    const json_t *data = json_object_get(line, "data"), *progress = json_object_get(line, "progress"),
                 *checkpoint = json_object_get(line, "checkpoint");
    if (!data)
        return false;
    if (!job->held)
        job->held = kr_change_new();
    kr_change_event(job->held, kind, kr_must(kr_json_dump(data, false)));
    if (progress && !json_is_null(progress)) {
        free(job->held->progress);
        job->held->progress = kr_must(kr_json_dump(progress, false));
    }
    if (checkpoint && !json_is_null(checkpoint)) {
        job->held->checkpoint = kr_must(kr_json_dump(checkpoint, false));
        job->deaths = 0;
        release_held(jobs, job);
    }
    return true;
}

static void take_error(struct kr_jobs *jobs, struct kr_job *job, const json_t *error)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    if (kr_error_take(&ctx, error) != KR_CANCELLED) {
        kr_job_failed(jobs, job, &ctx.error);
    } else {
        pthread_mutex_lock(&jobs->lock);
        bool again = jobs->draining && !job->cancel;
        pthread_mutex_unlock(&jobs->lock);
        if (again) {
            job->attempt--; /* it did not end by itself */
            kr_job_requeue(jobs, job, "shutdown");
        } else {
            kr_job_cancelled(jobs, job);
        }
    }
    kr_ctx_fini(&ctx);
}

static bool take_reply(struct kr_jobs *jobs, struct kr_job *job, const json_t *reply)
{
    json_t *result = json_object_get(reply, "result");
    const json_t *model = json_object_get(reply, "model");
    if (!json_is_object(result))
        return false;
    finish(jobs, job, KR_JOB_SUCCEEDED, result, NULL, json_is_object(model) ? model : NULL);
    return true;
}

/* Not kr_json_parse: that limits what clients nest, and a request of theirs is one level deeper in a message.
 */
bool kr_job_line(struct kr_jobs *jobs, struct kr_job *job, const char *text, size_t length)
{
    json_t *line = json_loadb(text, length, 0, NULL), *error = json_object_get(line, "error");
    const char *kind = json_string_value(json_object_get(line, "event"));
    bool good = true;
    if (kind)
        good = take_event(jobs, job, kind, line);
    else if (error)
        take_error(jobs, job, error);
    else
        good = take_reply(jobs, job, json_object_get(line, "reply"));
    json_decref(line);
    return good;
}

/* ---- the beginning ---- */

/* Stored JSON of any type, new reference in the message under `name`. */
static kr_status put_stored(struct kr_ctx *ctx, json_t *message, const char *name, const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text ? text : "null", JSON_DECODE_ANY, &error);
    if (!json)
        return kr_fail(ctx, KR_INTERNAL, "", "the stored %s cannot be read: %s", name, error.text);
    if (json_object_set_new(message, name, json) != 0)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for the job");
    return KR_OK;
}

/* A stored data set (NULL: none) as the message's `member`. */
static kr_status put_dataset(struct kr_ctx *ctx, struct kr_jobs *jobs, const char *name, const char *member,
                             json_t *message)
{
    struct kr_dataset_row row;
    if (!name)
        return KR_OK;
    json_t *dataset = json_object();
    if (!dataset || json_object_set_new(message, member, dataset) != 0)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for the job");
    KR_TRY(kr_store_dataset_get(ctx, jobs->store, name, &row));
    json_object_set_new(dataset, "name", json_string(row.name));
    json_object_set_new(dataset, "directory", json_string(row.directory));
    return put_stored(ctx, dataset, "meta", row.meta);
}

static kr_status make_message(struct kr_ctx *ctx, struct kr_jobs *jobs, struct kr_job *job, json_t *message)
{
    struct kr_job_row row;
    char *checkpoint, *directory;
    KR_TRY(kr_store_job_get(ctx, jobs->store, job->id, &row));
    json_object_set_new(message, "op", json_string("tune"));
    json_object_set_new(message, "job", json_string(job->id));
    KR_TRY(put_stored(ctx, message, "request", row.request));
    KR_TRY(put_dataset(ctx, jobs, row.dataset, "dataset", message));
    KR_TRY(put_dataset(ctx, jobs, row.validation_dataset, "validation_dataset", message));
    KR_TRY(kr_store_checkpoint(ctx, jobs->store, job->id, &checkpoint));
    if (checkpoint)
        KR_TRY(put_stored(ctx, message, "checkpoint", checkpoint));
    KR_TRY(kr_store_model_directory(ctx, jobs->store, job->model_id, &directory));
    json_object_set_new(message, "model_directory", json_string(directory));
    return KR_OK;
}

bool kr_job_begin(struct kr_jobs *jobs, struct kr_job *job, struct kr_process *process)
{
    struct kr_ctx ctx;
    kr_ctx_init(&ctx, 0);
    json_t *message = kr_must(json_object());
    kr_status status = make_message(&ctx, jobs, job, message);
    if (status == KR_OK) {
        char *text = kr_must(kr_json_dump(message, false));
        job->attempt++;
        job->process = process;
        process->job = job;
        kr_jobs_phase(jobs, job, KR_PHASE_RUNNING);
        kr_change_push(jobs, job, enter_state(job, KR_JOB_RUNNING, NULL), false);
        kr_process_request(jobs, process, text);
        free(text);
    } else if (status != KR_STORAGE && status != KR_MEMORY_LIMIT) {
        kr_job_failed(jobs, job, &ctx.error);
        status = KR_OK;
    } else {
        kr_jobs_log(jobs, "jobs: job %s cannot begin now: %s", job->id, ctx.error.detail);
        if (job->model_id[0])
            kr_store_model_directory_drop(jobs->store, job->model_id);
        job->model_id[0] = '\0';
    }
    json_decref(message);
    kr_ctx_fini(&ctx);
    return status == KR_OK;
}
