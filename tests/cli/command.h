/* The binary as a process of its own, its words captured. KRIGED_BINARY names it. */
#ifndef KRIGED_TESTS_CLI_COMMAND_H
#define KRIGED_TESTS_CLI_COMMAND_H

#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED   __attribute__((unused))
#define CONCRETE "clients/data/concrete.csv"

enum { MOST_BYTES = 8 << 20, MOST_ARGUMENTS = 20 };

struct said {
    char *text;
    size_t length;
};

struct command {
    pid_t pid;
    int out, err; /* to read from; -1 at their ends */
    struct said on_out, on_err;
    int status; /* exit status, or 128 + signal */
};

static char directory[64];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static UNUSED void open_directory(void)
{
    strcpy(directory, "/tmp/kriged-cli-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static UNUSED void remove_directory(void)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file of the test; with text, written. */
static UNUSED const char *file(const char *name, const char *text)
{
    static char paths[8][128];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    if (text) {
        FILE *out = fopen(path, "w");
        ck_assert_ptr_nonnull(out);
        for (; *text; text++)
            fputc(*text == '\'' ? '"' : *text, out);
        fclose(out);
    }
    return path;
}

/* Starts it; `input` becomes its standard input. */
static struct command start(const char *const *arguments, const char *input)
{
    const char *binary = getenv("KRIGED_BINARY"), *argv[MOST_ARGUMENTS] = {binary ? binary : "build/kriged"};
    struct command command = {0};
    posix_spawn_file_actions_t files;
    int pipes[2][2];
    for (int i = 0; arguments[i]; i++) {
        ck_assert_int_lt(i, MOST_ARGUMENTS - 2);
        argv[i + 1] = arguments[i];
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, input ? input : "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
        posix_spawn_file_actions_adddup2(&files, pipes[i][1], i + 1);
    }
    const int error = posix_spawn(&command.pid, argv[0], &files, NULL, (char *const *)argv, environ);
    ck_assert_msg(error == 0, "%s cannot be started: %s", argv[0], strerror(error));
    posix_spawn_file_actions_destroy(&files);
    for (int i = 0; i < 2; i++)
        close(pipes[i][1]);
    command.out = pipes[0][0];
    command.err = pipes[1][0];
    command.on_out.text = calloc(MOST_BYTES + 1, 1);
    command.on_err.text = calloc(MOST_BYTES + 1, 1);
    return command;
}

static void take(int *fd, struct said *said)
{
    const ssize_t got = read(*fd, said->text + said->length, MOST_BYTES - said->length);
    ck_assert_uint_lt(said->length, MOST_BYTES);
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        close(*fd);
        *fd = -1;
        return;
    }
    said->length += (size_t)got;
    said->text[said->length] = '\0';
}

/* Listens until stdout contains `wanted` or (NULL) until both ends are reached. */
static void listen_to(struct command *command, const char *wanted, double seconds)
{
    const double until = now() + seconds;
    while ((command->out >= 0 || command->err >= 0) && !(wanted && strstr(command->on_out.text, wanted))) {
        struct pollfd polled[] = {{command->out, POLLIN, 0}, {command->err, POLLIN, 0}};
        poll(polled, 2, 100);
        if (polled[0].revents)
            take(&command->out, &command->on_out);
        if (polled[1].revents)
            take(&command->err, &command->on_err);
        if (now() > until) {
            kill(command->pid, SIGKILL);
            waitpid(command->pid, NULL, 0);
            ck_abort_msg("it runs longer than %g s and has said: %.2000s %.2000s", seconds,
                         command->on_out.text, command->on_err.text);
        }
    }
}

static void finish(struct command *command, double seconds)
{
    int status;
    listen_to(command, NULL, seconds);
    waitpid(command->pid, &status, 0);
    command->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static UNUSED struct command run(const char *const *arguments, const char *input)
{
    struct command command = start(arguments, input);
    finish(&command, 50);
    return command;
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL}, NULL)

static UNUSED void forget(struct command *command)
{
    free(command->on_out.text);
    free(command->on_err.text);
}

#define ck_exits(command, wanted)                                                                            \
    ck_assert_msg((command).status == (wanted), "exit status %d, wanted %d: %.2000s", (command).status,      \
                  (int)(wanted), (command).on_err.text)
#define ck_says(said, part)                                                                                  \
    ck_assert_msg(strstr((said).text, part) != NULL, "\"%s\" is not in: %.2000s", part, (said).text)

static UNUSED json_t *json_of(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json != NULL, "%s in %.500s", error.text, text);
    return json;
}

#define REQUEST(optimizer)                                                                                   \
    "{'model': {'kernel': {'type': 'matern32', 'ard': true}}, 'objective': {'loss': 'nlpd', 'validation': "  \
    "{'type': 'fraction', 'fraction': 0.2}}, 'test': {'fraction': 0.5, 'seed': 1}, 'optimizer': " optimizer  \
    "}"
#define GRADIENT                                                                                             \
    "{'model': {'kernel': {'type': 'matern32', 'ard': true}}, 'objective': {'loss': 'nlpd', 'validation': "  \
    "{'type': 'fraction', 'fraction': 0.2}}, 'test': {'fraction': 0.5, 'seed': 1}}"
#define SHORT "{'type': 'lbfgs', 'max_evaluations': 4}"

#endif
