/*
 * The loop of a worker process: one thread reads the socket, the main thread runs one request at a time.
 *
 * The reader only queues requests, hands a cancel to the context of the request it is meant for, and ends the
 * process when the socket ends. `lock` guards the queue and the running context, `writing` a whole line on
 * the socket; neither is taken under the other.
 */
#include "engine/worker.h"
#include "wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 65536, KEPT_BYTES = 1 << 20, EXIT_BROKEN = 3 };

struct request {
    struct request *next;
    uint64_t id;
    json_t *message;
    bool cancelled;
};

struct worker {
    struct kr_emit emit; /* first: an emit is its worker */
    int fd, threads;
    size_t budget;
    kr_engine_fn *run;
    void *self;
    pthread_mutex_t lock, writing;
    pthread_cond_t arrived;
    struct request *first, **end;
    uint64_t running; /* 0 = none */
    struct kr_ctx *ctx;
};

/* Nobody could be told of it any other way. */
static void must(const void *memory)
{
    if (!memory)
        _exit(EXIT_BROKEN);
}

/* ---- words to the daemon ---- */

static void write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            _exit(EXIT_SUCCESS); /* the daemon is gone */
        text += sent;
        length -= (size_t)sent;
    }
}

/* {"id":7, and the members of `json` (an object, taken): the daemon looks at the id without parsing the line.
 */
static void say(struct worker *worker, json_t *json)
{
    char head[48];
    char *text = json ? kr_json_dump(json, false) : NULL;
    must(text);
    json_decref(json);
    int length = snprintf(head, sizeof head, "{\"id\":%" PRIu64 ",", worker->running);
    pthread_mutex_lock(&worker->writing);
    write_all(worker->fd, head, (size_t)length);
    write_all(worker->fd, text + 1, strlen(text + 1));
    write_all(worker->fd, "\n", 1);
    pthread_mutex_unlock(&worker->writing);
    free(text);
}

/* The engine calls it from the thread that runs the request, which alone writes `running`. */
static void say_event(struct kr_emit *emit, const char *kind, json_t *data, json_t *progress,
                      json_t *checkpoint)
{
    struct worker *worker = (struct worker *)emit;
    must(data);
    say(worker, json_pack("{s:s, s:o, s:o*, s:o*}", "event", kind, "data", data, "progress", progress,
                          "checkpoint", checkpoint));
}

/* ---- the reader ---- */

static void cancel(struct worker *worker, uint64_t id)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->ctx && worker->running == id)
        kr_cancel(worker->ctx);
    for (struct request *at = worker->first; at; at = at->next)
        at->cancelled |= at->id == id;
    pthread_mutex_unlock(&worker->lock);
}

static void enqueue(struct worker *worker, uint64_t id, json_t *message)
{
    struct request *request = calloc(1, sizeof *request);
    must(request);
    request->id = id;
    request->message = message;
    pthread_mutex_lock(&worker->lock);
    *worker->end = request;
    worker->end = &request->next;
    pthread_cond_signal(&worker->arrived);
    pthread_mutex_unlock(&worker->lock);
}

/* Not kr_json_parse: its limit on nesting is for clients, and their requests are one level deeper here. */
static void take_line(struct worker *worker, const char *line, size_t length)
{
    json_t *json = json_loadb(line, length, 0, NULL);
    const json_t *target = json_object_get(json, "cancel"), *id = json_object_get(json, "id");
    if (json_is_integer(target)) {
        cancel(worker, (uint64_t)json_integer_value(target));
        json_decref(json);
    } else if (json_is_integer(id) && json_integer_value(id) > 0) {
        enqueue(worker, (uint64_t)json_integer_value(id), json);
    } else {
        _exit(EXIT_BROKEN); /* not our daemon */
    }
}

static size_t take_lines(struct worker *worker, char *buffer, size_t scanned, size_t end)
{
    char *start = buffer, *from = buffer + scanned, *stop;
    while ((stop = memchr(from, '\n', (size_t)(buffer + end - from)))) {
        take_line(worker, start, (size_t)(stop - start));
        start = from = stop + 1;
    }
    size_t left = (size_t)(buffer + end - start);
    memmove(buffer, start, left);
    return left;
}

static void *read_socket(void *argument)
{
    struct worker *worker = argument;
    char *buffer = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (room - used < READ_BYTES) {
            room = 2 * room + READ_BYTES;
            buffer = realloc(buffer, room);
            must(buffer);
        }
        ssize_t got = recv(worker->fd, buffer + used, READ_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(EXIT_SUCCESS); /* at once: a result would have no reader */
        used = take_lines(worker, buffer, used, used + (size_t)got);
        if (used == 0 && room > KEPT_BYTES) {
            free(buffer);
            buffer = NULL;
            room = 0;
        }
    }
    return NULL;
}

/* ---- the requests ---- */

static struct request *next_request(struct worker *worker, struct kr_ctx *ctx)
{
    pthread_mutex_lock(&worker->lock);
    while (!worker->first)
        pthread_cond_wait(&worker->arrived, &worker->lock);
    struct request *request = worker->first;
    worker->first = request->next;
    if (!worker->first)
        worker->end = &worker->first;
    worker->running = request->id;
    worker->ctx = ctx;
    if (request->cancelled)
        kr_cancel(ctx);
    pthread_mutex_unlock(&worker->lock);
    return request;
}

static void serve_one(struct worker *worker)
{
    struct kr_ctx ctx;
    json_t *reply = NULL;
    kr_ctx_init(&ctx, worker->budget);
    ctx.threads = worker->threads;
    struct request *request = next_request(worker, &ctx);
    kr_status status = worker->run(&ctx, request->message, &worker->emit, worker->self, &reply);
    if (status == KR_OK && !reply)
        status = kr_fail(&ctx, KR_INTERNAL, "", "the engine gave no reply");
    json_t *last = status == KR_OK ? json_pack("{s:O}", "reply", reply)
                                   : json_pack("{s:o}", "error", kr_error_json(&ctx.error));
    json_decref(reply);
    json_decref(request->message);
    free(request);
    pthread_mutex_lock(&worker->lock);
    worker->ctx = NULL; /* a late cancel finds nothing */
    pthread_mutex_unlock(&worker->lock);
    kr_ctx_fini(&ctx); /* before the last word: the next request should find the memory free */
    say(worker, last);
}

int kr_worker_main(int fd, int threads, size_t budget, kr_engine_fn *run, void *self)
{
    struct worker worker = {.emit = {.event = say_event},
                            .fd = fd,
                            .threads = threads > 0 ? threads : 1,
                            .budget = budget,
                            .run = run,
                            .self = self,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .writing = PTHREAD_MUTEX_INITIALIZER,
                            .arrived = PTHREAD_COND_INITIALIZER};
    pthread_t reader;
    worker.end = &worker.first;
    /* A daemon that died before this line is noticed by the reader: its socket has ended. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_create(&reader, NULL, read_socket, &worker) != 0)
        return EXIT_BROKEN;
    for (;;)
        serve_one(&worker);
}
