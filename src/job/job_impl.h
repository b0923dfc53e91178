/*
 * job, inside: what its files share.
 *
 *   jobs.c       open, close and the calls of other threads (submit, cancel, wait, count)
 *   supervise.c  the supervisor thread: its loop, who works on what, cancellations and kills
 *   attempt.c    the life of a job: begin, what its worker says, every way to end
 *   change.c     events and states on their way to the store, committed in groups
 *   calls.c      interactive requests
 *   process.c    one worker process: spawn, lines in and out, its end
 *   subscribe.c  who wants to know of new events
 *
 * Who may touch what. `lock` guards the list of jobs, a job's `phase` and `cancel`, the calls, the flags and
 * the counts. Everything else of jobs and processes belongs to the supervisor thread alone: the store, the
 * sockets and the log are used without a lock. `subscriptions.lock` is taken alone.
 */
#ifndef KRIGED_JOB_IMPL_H
#define KRIGED_JOB_IMPL_H

#include "job/job.h"

#include <pthread.h>
#include <sys/types.h>

enum { KR_CALLS_WAITING = 64, KR_HOW_BYTES = 64 };
#define KR_COMMIT_SECONDS 0.1 /* at most one group commit in that time, final states apart */

/* One step in the life of a job on its way to the store; all heap. */
struct kr_change {
    struct kr_change *next;
    int state, attempt; /* -1 = unchanged */
    char *progress, *checkpoint, *result, *error, *model;
    char model_id[KR_ID_BYTES];
    size_t nevents, room;
    struct kr_event_row *events;
};

enum kr_job_phase {
    KR_PHASE_ADDING, /* being stored by submit */
    KR_PHASE_QUEUED,
    KR_PHASE_RUNNING,
    KR_PHASE_ENDING, /* its final change waits for the commit */
};

struct kr_job {
    struct kr_job *previous, *next; /* the queue's order */
    char id[KR_ID_BYTES];
    enum kr_job_phase phase;
    bool cancel; /* somebody asked */

    /* the supervisor's */
    struct kr_process *process;     /* while running */
    char model_id[KR_ID_BYTES];     /* directory of the running attempt, "" = none */
    int attempt;                    /* shown to users */
    int deaths;                     /* of workers, since the last checkpoint */
    struct kr_change *held;         /* since the last checkpoint of this attempt */
    struct kr_change *first, *last; /* what the next commit stores */
    bool dirty;
    struct kr_job *next_dirty;
};

enum kr_call_phase { KR_CALL_WAITING, KR_CALL_RUNNING, KR_CALL_DONE };

/* Lives on its caller's stack: the caller leaves only when it is DONE, or takes it out while it is WAITING.
 */
struct kr_call {
    struct kr_call *next;
    enum kr_call_phase phase;
    char *text;       /* the message */
    bool cancel;      /* the client left */
    kr_status status; /* when there is no line */
    char *line;       /* the worker's last word, unread */
    size_t length;
    pthread_cond_t done;
};

struct kr_process {
    int number;
    pid_t pid;
    int fd; /* -1 = not running */
    char *in, *out;
    size_t in_start, in_scanned, in_end, in_room; /* lines not yet taken begin at in_start */
    size_t out_start, out_end, out_room;
    double started, restart_at, backoff;

    uint64_t request; /* 0 = idle */
    struct kr_job *job;
    struct kr_call *call;
    bool cancel_sent;
    double kill_at; /* 0 = never */
};

struct kr_subscriptions {
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* a wake has returned */
    struct kr_subscription *first;
};

struct kr_jobs {
    struct kr_store *store;
    char *executable;
    int nprocesses, slots, threads; /* slots: processes that jobs may occupy */
    size_t queue;
    double cancel_seconds, call_seconds;
    void (*log)(void *self, const char *line);
    void *self;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job left the list or changed its phase, a visitor left, the supervisor
                               started or ended */
    struct kr_job *first, *last;
    struct kr_call *calls, **calls_end; /* waiting */
    size_t ncalls_waiting, ncalls_running;
    int visitors; /* callers inside */
    int busy;
    uint64_t deaths;
    bool attention; /* a cancel has not been looked at */
    bool draining, closing, started, stopped;
    double close_at;
    char failure[160]; /* why the first processes could not start */

    int wake_fd;
    pthread_t thread;
    struct kr_process *processes;
    uint64_t last_request;
    struct kr_job *dirty, **dirty_end;
    bool urgent;                               /* a final state waits */
    double committed_at, retry_at, retry_wait; /* retry_wait > 0: the store fails */
    double begin_at;                           /* no job begins before */
    struct kr_subscriptions subscriptions;
};

/* The supervisor has no caller to hand a failed allocation to, and may not lose what it promised: it ends the
 * daemon, and the next start goes on from what is stored. */
void *kr_must(void *memory);
void kr_jobs_log(struct kr_jobs *jobs, const char *format, ...) __attribute__((format(printf, 2, 3)));
void kr_jobs_wake(struct kr_jobs *jobs);
struct kr_job *kr_jobs_find(struct kr_jobs *jobs, const char *id);                     /* under the lock */
void kr_jobs_unlink(struct kr_jobs *jobs, struct kr_job *job);                         /* under the lock */
void kr_jobs_append(struct kr_jobs *jobs, struct kr_job *job);                         /* under the lock */
void kr_jobs_phase(struct kr_jobs *jobs, struct kr_job *job, enum kr_job_phase phase); /* takes the lock */
/* Waits for `condition` until kr_seconds() is `until`, under the lock. */
void kr_jobs_sleep(struct kr_jobs *jobs, pthread_cond_t *condition, double until);
void kr_condition_init(pthread_cond_t *condition); /* on the monotonic clock */

void *kr_supervise(void *jobs);
/* Hands text (an object) to an idle process as a new request. */
void kr_process_request(struct kr_jobs *jobs, struct kr_process *process, const char *text);
void kr_process_idle(struct kr_jobs *jobs, struct kr_process *process);

/* ---- attempt.c ---- */

/* Sends a queued job to an idle process. False when the store cannot be read now. */
bool kr_job_begin(struct kr_jobs *jobs, struct kr_job *job, struct kr_process *process);
/* One line of its worker; false when it makes no sense. */
bool kr_job_line(struct kr_jobs *jobs, struct kr_job *job, const char *line, size_t length);
void kr_job_worker_died(struct kr_jobs *jobs, struct kr_job *job, const char *how);
void kr_job_cancelled(struct kr_jobs *jobs, struct kr_job *job);
void kr_job_failed(struct kr_jobs *jobs, struct kr_job *job, const struct kr_error *error);
/* Back to the front of the queue; events after the last checkpoint are dropped, for the next attempt sends
 * them again. */
void kr_job_requeue(struct kr_jobs *jobs, struct kr_job *job, const char *reason);

/* ---- change.c ---- */

struct kr_change *kr_change_new(void);
void kr_change_free(struct kr_change *change);                                /* with all after it */
void kr_change_event(struct kr_change *change, const char *kind, char *data); /* data is taken */
/* Hands a change (taken) to the next commit; `alone`: not merged with what waits already. */
void kr_change_push(struct kr_jobs *jobs, struct kr_job *job, struct kr_change *change, bool alone);
/* Commits when it is due. */
void kr_commit(struct kr_jobs *jobs, double now);
double kr_commit_due(const struct kr_jobs *jobs); /* kr_seconds(), INFINITY when nothing waits */
void kr_job_free(struct kr_job *job);

/* ---- calls.c ---- */

struct kr_call *kr_call_take(struct kr_jobs *jobs); /* the first that waits, now running; NULL */
/* Ends it with the worker's line (copied), or with a status when line is NULL. */
void kr_call_end(struct kr_jobs *jobs, struct kr_call *call, const char *line, size_t length,
                 kr_status status);
bool kr_call_cancelled(struct kr_jobs *jobs, const struct kr_call *call);

/* ---- process.c ---- */

int kr_process_start(struct kr_process *process, const char *executable, int threads); /* errno */
void kr_process_send(struct kr_process *process, const char *text, size_t length);
void kr_process_flush(struct kr_process *process);
bool kr_process_receive(struct kr_process *process);               /* false when the process has ended */
char *kr_process_line(struct kr_process *process, size_t *length); /* valid until the next receive; NULL */
/* Kills and reaps it; `how` it ended, as words. */
void kr_process_end(struct kr_process *process, char how[KR_HOW_BYTES]);

/* ---- subscribe.c ---- */

void kr_subscriptions_init(struct kr_subscriptions *subscriptions);
void kr_subscriptions_fini(struct kr_subscriptions *subscriptions);
void kr_subscriptions_notify(struct kr_subscriptions *subscriptions, const char *job);

#endif
