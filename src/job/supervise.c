/*
 * The supervisor thread: waits for its workers' words and for other threads' wishes, and decides who works on
 * what.
 *
 * It starts every worker itself and lives until it has ended them all: a worker's PR_SET_PDEATHSIG fires when
 * the *thread* that spawned it ends. Should the daemon be killed, the signal and the end of the socket both
 * end the workers.
 */
#include "job/job_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double healthy_seconds = 1.0, first_backoff = 0.1, longest_backoff = 5.0, begin_pause = 1.0;

/* ---- one process ---- */

void kr_process_request(struct kr_jobs *jobs, struct kr_process *process, const char *text)
{
    char head[48];
    process->request = ++jobs->last_request;
    const char *comma = text[1] == '}' ? "" : ",";
    int length = snprintf(head, sizeof head, "{\"id\":%" PRIu64 "%s", process->request, comma);
    kr_process_send(process, head, (size_t)length);
    kr_process_send(process, text + 1, strlen(text + 1));
    kr_process_send(process, "\n", 1);
    pthread_mutex_lock(&jobs->lock);
    jobs->busy++;
    pthread_mutex_unlock(&jobs->lock);
}

void kr_process_idle(struct kr_jobs *jobs, struct kr_process *process)
{
    if (process->request) {
        pthread_mutex_lock(&jobs->lock);
        jobs->busy--;
        pthread_mutex_unlock(&jobs->lock);
    }
    process->request = 0;
    process->job = NULL;
    process->call = NULL;
    process->cancel_sent = false;
    process->kill_at = 0;
}

static int start_process(struct kr_jobs *jobs, struct kr_process *process)
{
    int error = kr_process_start(process, jobs->executable, jobs->threads);
    if (error)
        kr_jobs_log(jobs, "jobs: worker %d cannot start: %s", process->number, strerror(error));
    else
        kr_jobs_log(jobs, "jobs: worker %d started, pid %d, %d threads", process->number, (int)process->pid,
                    jobs->threads);
    return error;
}

static void back_off(struct kr_process *process, double now)
{
    if (now - process->started >= healthy_seconds)
        process->backoff = 0;
    process->restart_at = now + process->backoff;
    process->backoff = process->backoff > 0 ? fmin(2 * process->backoff, longest_backoff) : first_backoff;
}

/* Ends what is left of a process and whatever it was doing; another one follows. */
static void lose(struct kr_jobs *jobs, struct kr_process *process)
{
    char how[KR_HOW_BYTES];
    int pid = (int)process->pid;
    struct kr_job *job = process->job;
    struct kr_call *call = process->call;
    kr_process_end(process, how);
    kr_jobs_log(jobs, "jobs: worker %d, pid %d, %s while it %s%s", process->number, pid, how,
                job    ? "ran job "
                : call ? "evaluated"
                       : "waited",
                job ? job->id : "");
    pthread_mutex_lock(&jobs->lock);
    jobs->deaths++;
    pthread_mutex_unlock(&jobs->lock);
    kr_process_idle(jobs, process);
    back_off(process, kr_seconds());
    if (job)
        kr_job_worker_died(jobs, job, how);
    if (call)
        kr_call_end(jobs, call, NULL, 0, kr_call_cancelled(jobs, call) ? KR_CANCELLED : KR_WORKER_DIED);
}

/* False for a line that no worker of ours would send. */
static bool take_line(struct kr_jobs *jobs, struct kr_process *process, const char *line, size_t length)
{
    static const char event[] = "\"event\":";
    char head[48];
    int size = snprintf(head, sizeof head, "{\"id\":%" PRIu64 ",", process->request);
    if (process->request == 0 || strncmp(line, head, (size_t)size) != 0)
        return false;
    struct kr_job *job = process->job;
    struct kr_call *call = process->call;
    if (job) {
        if (!kr_job_line(jobs, job, line, length))
            return false;
        if (job->process)
            return true;
    } else if (strncmp(line + size, event, sizeof event - 1) == 0) {
        return true; /* nobody watches the events of a call */
    }
    process->backoff = 0;
    kr_process_idle(jobs, process); /* first: who has the reply counts the process as free */
    if (call)
        kr_call_end(jobs, call, line, length, KR_OK);
    return true;
}

static void receive(struct kr_jobs *jobs, struct kr_process *process)
{
    bool alive = kr_process_receive(process);
    size_t length;
    for (char *line; (line = kr_process_line(process, &length));)
        if (!take_line(jobs, process, line, length)) {
            kr_jobs_log(jobs, "jobs: worker %d says what makes no sense: %.200s", process->number, line);
            alive = false;
            break;
        }
    if (!alive)
        lose(jobs, process);
}

/* ---- cancellations ---- */

static void send_cancel(struct kr_process *process)
{
    char line[48];
    if (process->cancel_sent)
        return;
    int length = snprintf(line, sizeof line, "{\"cancel\":%" PRIu64 "}\n", process->request);
    kr_process_send(process, line, (size_t)length);
    process->cancel_sent = true;
}

static struct kr_job *next_cancelled(struct kr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct kr_job *job = jobs->attention ? jobs->first : NULL;
    while (job && !(job->cancel && job->phase == KR_PHASE_QUEUED))
        job = job->next;
    if (!job)
        jobs->attention = false;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void look_after(struct kr_jobs *jobs, struct kr_process *process, double now)
{
    if (process->request == 0)
        return;
    pthread_mutex_lock(&jobs->lock);
    bool wanted = process->job ? process->job->cancel : process->call->cancel;
    bool draining = jobs->draining;
    pthread_mutex_unlock(&jobs->lock);
    if (wanted && process->kill_at == 0)
        process->kill_at = now + (process->job ? jobs->cancel_seconds : jobs->call_seconds);
    if (wanted || (draining && process->job))
        send_cancel(process);
    if (process->kill_at > 0 && now >= process->kill_at) {
        kr_jobs_log(jobs, "jobs: worker %d does not stop and is ended", process->number);
        lose(jobs, process);
    }
}

/* ---- who works on what ---- */

/* Jobs take the first idle process and calls the last: so that those of one kind tend to meet the caches they
 * left. */
static struct kr_process *idle_process(struct kr_jobs *jobs, bool for_job)
{
    struct kr_process *found = NULL;
    int working = 0;
    for (int i = 0; i < jobs->nprocesses; i++) {
        struct kr_process *process = &jobs->processes[i];
        working += process->job != NULL;
        if (process->fd >= 0 && process->request == 0 && !(for_job && found))
            found = process;
    }
    return for_job && working >= jobs->slots ? NULL : found;
}

/* A job whose last attempt is not stored yet waits: it would not find its checkpoint. */
static struct kr_job *next_queued(struct kr_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct kr_job *job = jobs->draining ? NULL : jobs->first;
    while (job && (job->phase != KR_PHASE_QUEUED || job->cancel || job->dirty))
        job = job->next;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void dispatch(struct kr_jobs *jobs, double now)
{
    struct kr_process *process;
    struct kr_call *call;
    struct kr_job *job;
    while ((process = idle_process(jobs, false)) && (call = kr_call_take(jobs))) {
        process->call = call;
        kr_process_request(jobs, process, call->text);
    }
    while (jobs->retry_wait == 0 && now >= jobs->begin_at && (process = idle_process(jobs, true)) &&
           (job = next_queued(jobs)))
        if (!kr_job_begin(jobs, job, process))
            jobs->begin_at = now + begin_pause;
}

/* ---- the loop ---- */

static int poll_timeout(const struct kr_jobs *jobs, double close_at)
{
    double now = kr_seconds(), until = fmin(kr_commit_due(jobs), close_at);
    if (jobs->begin_at > now)
        until = fmin(until, jobs->begin_at);
    for (int i = 0; i < jobs->nprocesses; i++) {
        const struct kr_process *process = &jobs->processes[i];
        if (process->fd < 0)
            until = fmin(until, process->restart_at);
        else if (process->kill_at > 0)
            until = fmin(until, process->kill_at);
    }
    if (isinf(until))
        return -1;
    return until <= now ? 0 : (int)fmin(ceil((until - now) * 1e3), 60e3);
}

static void await_words(struct kr_jobs *jobs, struct pollfd *polled, double close_at)
{
    for (int i = 0; i < jobs->nprocesses; i++) {
        struct kr_process *process = &jobs->processes[i];
        if (process->fd >= 0)
            kr_process_flush(process);
        bool more = process->out_start < process->out_end;
        polled[i] = (struct pollfd){.fd = process->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
    }
    polled[jobs->nprocesses] = (struct pollfd){.fd = jobs->wake_fd, .events = POLLIN};
    if (poll(polled, (nfds_t)jobs->nprocesses + 1, poll_timeout(jobs, close_at)) <= 0)
        return;
    uint64_t count;
    if (polled[jobs->nprocesses].revents)
        (void)!read(jobs->wake_fd, &count, sizeof count);
    for (int i = 0; i < jobs->nprocesses; i++)
        if (polled[i].fd >= 0 && (polled[i].revents & (POLLIN | POLLHUP | POLLERR)))
            receive(jobs, &jobs->processes[i]);
}

/* *close_at: when patience ends, INFINITY before kr_jobs_close. */
static bool all_done(struct kr_jobs *jobs, double *close_at)
{
    pthread_mutex_lock(&jobs->lock);
    bool done = jobs->closing && jobs->busy == 0 && !jobs->calls && !jobs->dirty;
    *close_at = jobs->closing ? jobs->close_at : INFINITY;
    pthread_mutex_unlock(&jobs->lock);
    return done || kr_seconds() >= *close_at;
}

static void turn(struct kr_jobs *jobs)
{
    double now = kr_seconds();
    for (struct kr_job *job; (job = next_cancelled(jobs));)
        kr_job_cancelled(jobs, job);
    for (int i = 0; i < jobs->nprocesses; i++) {
        struct kr_process *process = &jobs->processes[i];
        look_after(jobs, process, now);
        if (process->fd < 0 && now >= process->restart_at && start_process(jobs, process) != 0)
            back_off(process, now);
    }
    kr_commit(jobs, now);
    dispatch(jobs, now);
}

static void announce(struct kr_jobs *jobs, bool *flag)
{
    pthread_mutex_lock(&jobs->lock);
    *flag = true;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

/* Patience is over, or nothing is left to do: what still runs goes back to the queue. */
static void end_all(struct kr_jobs *jobs)
{
    char how[KR_HOW_BYTES];
    for (int i = 0; i < jobs->nprocesses; i++) {
        struct kr_process *process = &jobs->processes[i];
        struct kr_job *job = process->job;
        struct kr_call *call = process->call;
        if (process->fd >= 0)
            kr_process_end(process, how);
        kr_process_idle(jobs, process);
        if (call)
            kr_call_end(jobs, call, NULL, 0, KR_UNAVAILABLE);
        if (!job)
            continue;
        pthread_mutex_lock(&jobs->lock);
        bool cancel = job->cancel;
        pthread_mutex_unlock(&jobs->lock);
        if (cancel) {
            kr_job_cancelled(jobs, job);
        } else {
            job->attempt--;
            kr_job_requeue(jobs, job, "shutdown");
        }
    }
    for (struct kr_call *call; (call = kr_call_take(jobs));)
        kr_call_end(jobs, call, NULL, 0, KR_UNAVAILABLE);
    for (struct kr_job *job; (job = next_cancelled(jobs));)
        kr_job_cancelled(jobs, job);
    jobs->urgent = true;
    jobs->retry_at = 0;
    kr_commit(jobs, kr_seconds());
    if (jobs->dirty)
        kr_jobs_log(jobs, "jobs: the last progress could not be stored; the next start repeats it");
}

static bool start_all(struct kr_jobs *jobs)
{
    for (int i = 0; i < jobs->nprocesses; i++) {
        int error = start_process(jobs, &jobs->processes[i]);
        if (!error)
            continue;
        snprintf(jobs->failure, sizeof jobs->failure, "a worker process cannot start: %s", strerror(error));
        return false;
    }
    return true;
}

void *kr_supervise(void *argument)
{
    struct kr_jobs *jobs = argument;
    struct pollfd *polled = kr_must(calloc((size_t)jobs->nprocesses + 1, sizeof *polled));
    double close_at;
    bool good = start_all(jobs);
    announce(jobs, &jobs->started);
    for (; good; await_words(jobs, polled, close_at)) {
        turn(jobs);
        if (all_done(jobs, &close_at))
            break;
    }
    end_all(jobs);
    announce(jobs, &jobs->stopped);
    free(polled);
    return NULL;
}
