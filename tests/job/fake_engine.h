/*
 * A worker without numerics: the test program, exec'ed again as `worker`, does what the request says.
 *
 *     tune       {"steps": n, "ms": of each step, "every": steps between checkpoints (1; 0 = none), "error":
 * slug, "stubborn": ignores a cancel, "crash_at": step, or "crash_after": steps of the attempt, "crashes":
 * how many attempts end so, "count": file with a byte for each attempt} gradient   {"ms", "error", "crash",
 * "stubborn", "echo": anything}
 *
 * A step's data is {"evaluation": k, "sum": s} with a sum that only comes out right when every step was made
 * once.
 */
#ifndef KRIGED_TESTS_JOB_FAKE_ENGINE_H
#define KRIGED_TESTS_JOB_FAKE_ENGINE_H

#include "engine/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FAKE_BUDGET = 1 << 26, FAKE_FD = 3 };

static int fake_number(const json_t *script, const char *name, int otherwise)
{
    const json_t *value = json_object_get(script, name);
    return value ? (int)json_integer_value(value) : otherwise;
}

static inline void sleep_ms(int ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static kr_status fake_sleep(struct kr_ctx *ctx, const json_t *script)
{
    for (int ms = fake_number(script, "ms", 0); ms > 0; ms -= 2) {
        if (!json_is_true(json_object_get(script, "stubborn")))
            KR_TRY(kr_poll(ctx));
        sleep_ms(2);
    }
    return KR_OK;
}

static void fake_crash(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* Which attempt this is, from 1. */
static int fake_attempt(const json_t *script)
{
    const char *path = json_string_value(json_object_get(script, "count"));
    struct stat info = {0};
    if (!path)
        return 1;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)!write(fd, "x", 1);
    fstat(fd, &info);
    close(fd);
    return (int)info.st_size;
}

static kr_status fake_error(struct kr_ctx *ctx, const json_t *script)
{
    const char *slug = json_string_value(json_object_get(script, "error"));
    return slug ? kr_fail(ctx, kr_status_from_slug(slug), "/model", "as the script says") : KR_OK;
}

static kr_status fake_tune(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit, json_t **reply)
{
    const json_t *script = json_object_get(message, "request"),
                 *checkpoint = json_object_get(message, "checkpoint");
    int attempt = fake_attempt(script), steps = fake_number(script, "steps", 1),
        every = fake_number(script, "every", 1);
    double sum = json_real_value(json_object_get(checkpoint, "sum"));
    int done = fake_number(checkpoint, "step", 0), crash_after = fake_number(script, "crash_after", steps);
    int crash_at = fake_number(script, "crash_at", done + crash_after + 1);
    for (int k = done + 1; k <= steps; k++) {
        KR_TRY(fake_sleep(ctx, script));
        if (k == crash_at && attempt <= fake_number(script, "crashes", 1))
            fake_crash();
        sum = sum / 3 + k;
        bool save = every > 0 && k % every == 0;
        emit->event(emit, "step", json_pack("{s:i, s:f}", "evaluation", k, "sum", sum),
                    json_pack("{s:i}", "evaluation", k),
                    save ? json_pack("{s:i, s:f}", "step", k, "sum", sum) : NULL);
    }
    KR_TRY(fake_error(ctx, script));
    const char *directory = json_string_value(json_object_get(message, "model_directory"));
    char path[4096];
    snprintf(path, sizeof path, "%s/y.npy", directory ? directory : "/nonexistent");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return kr_fail(ctx, KR_INTERNAL, "", "no directory for the model");
    close(fd);
    *reply = json_pack("{s:{s:i, s:f, s:O*, s:O*}, s:{s:s}}", "result", "steps", steps, "sum", sum, "dataset",
                       json_object_get(message, "dataset"), "validation_dataset",
                       json_object_get(message, "validation_dataset"), "model", "kind", "fake");
    return KR_OK;
}

static kr_status fake_gradient(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit,
                               json_t **reply)
{
    KR_TRY(fake_sleep(ctx, message));
    if (json_is_true(json_object_get(message, "crash")))
        fake_crash();
    KR_TRY(fake_error(ctx, message));
    emit->event(emit, "step", json_object(), NULL, NULL);
    *reply = json_pack("{s:i, s:i, s:O*}", "threads", ctx->threads, "budget", (int)ctx->budget, "echo",
                       json_object_get(message, "echo"));
    return KR_OK;
}

static kr_status fake_run(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit, void *self,
                          json_t **reply)
{
    const char *op = json_string_value(json_object_get(message, "op"));
    (void)self;
    if (op && strcmp(op, "tune") == 0)
        return fake_tune(ctx, message, emit, reply);
    return fake_gradient(ctx, message, emit, reply);
}

/* tests/main.c knows nothing of workers, so this comes before it. glibc hands the arguments to constructors.
 */
__attribute__((constructor)) static void fake_worker(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "worker") == 0 && strcmp(argv[2], "--threads") == 0)
        _exit(kr_worker_main(FAKE_FD, atoi(argv[3]), FAKE_BUDGET, fake_run, NULL));
}

#endif
