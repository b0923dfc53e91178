/*
 * One worker process: this binary again, exec'ed, with a socket as descriptor 3.
 *
 * The parent end does not block and is inherited by nobody, so that a worker sees the end of the socket
 * exactly when the daemon is gone. Lines have no length limit: both buffers grow.
 */
#include "job/job_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { WORKER_FD = 3, READ_BYTES = 65536, READS_A_TURN = 64, KEPT_BYTES = 1 << 20, ENVIRONMENT = 3 };

/* Our OpenMP and BLAS settings come first; the rest is the daemon's environment. */
static char **make_environment(int threads, char threads_text[32])
{
    static const char *const names[ENVIRONMENT] = {
        "OMP_NUM_THREADS=", "OMP_WAIT_POLICY=", "OPENBLAS_NUM_THREADS="};
    size_t count = 0, used = ENVIRONMENT;
    while (environ[count])
        count++;
    char **made = calloc(count + ENVIRONMENT + 1, sizeof *made);
    if (!made)
        return NULL;
    snprintf(threads_text, 32, "OMP_NUM_THREADS=%d", threads);
    made[0] = threads_text;
    made[1] = (char *)"OMP_WAIT_POLICY=passive"; /* posix_spawn only reads them */
    made[2] = (char *)"OPENBLAS_NUM_THREADS=1";
    for (size_t i = 0; i < count; i++) {
        bool ours = false;
        for (int j = 0; j < ENVIRONMENT; j++)
            ours |= strncmp(environ[i], names[j], strlen(names[j])) == 0;
        if (!ours)
            made[used++] = environ[i];
    }
    return made;
}

/* Default signals, nothing blocked, and an own process group: Ctrl-C on a terminal is for the daemon, which
 * lets its workers come to a checkpoint first. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETPGROUP);
    return error;
}

static int set_files(posix_spawn_file_actions_t *files, int socket)
{
    int error = posix_spawn_file_actions_adddup2(files, socket, WORKER_FD);
    if (!error)
        error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(files, WORKER_FD + 1);
    return error;
}

static int spawn(const char *executable, int threads, int socket, pid_t *pid)
{
    char number[16], threads_text[32];
    snprintf(number, sizeof number, "%d", threads);
    char *arguments[] = {(char *)"kriged", (char *)"worker", (char *)"--threads", number, NULL};
    char **environment = make_environment(threads, threads_text);
    if (!environment)
        return ENOMEM;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&files);
    int error = set_attributes(&attributes);
    if (!error)
        error = set_files(&files, socket);
    if (!error)
        error = posix_spawn(pid, executable, &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    return error;
}

int kr_process_start(struct kr_process *process, const char *executable, int threads)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    int error = 0;
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0)
        error = errno;
    if (!error)
        error = spawn(executable, threads, pair[1], &process->pid);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        return error;
    }
    process->fd = pair[0];
    process->started = kr_seconds();
    process->in_start = process->in_scanned = process->in_end = 0;
    process->out_start = process->out_end = 0;
    return 0;
}

static void make_room(char **buffer, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return;
    *room = wanted > 2 * *room ? wanted : 2 * *room;
    *buffer = kr_must(realloc(*buffer, *room));
}

/* An empty buffer that one long line has made large goes back to the system. */
static void give_back(char **buffer, size_t *room)
{
    if (*room <= KEPT_BYTES)
        return;
    free(*buffer);
    *buffer = NULL;
    *room = 0;
}

void kr_process_send(struct kr_process *process, const char *text, size_t length)
{
    make_room(&process->out, &process->out_room, process->out_end + length);
    memcpy(process->out + process->out_end, text, length);
    process->out_end += length;
}

/* A failed send needs no answer here: the socket's end follows on the reading side. */
void kr_process_flush(struct kr_process *process)
{
    while (process->out_start < process->out_end) {
        ssize_t sent = send(process->fd, process->out + process->out_start,
                            process->out_end - process->out_start, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0)
            break;
        process->out_start += (size_t)sent;
    }
    process->out_start = process->out_end = 0;
    give_back(&process->out, &process->out_room);
}

bool kr_process_receive(struct kr_process *process)
{
    if (process->in_start > 0) {
        memmove(process->in, process->in + process->in_start, process->in_end - process->in_start);
        process->in_end -= process->in_start;
        process->in_scanned -= process->in_start;
        process->in_start = 0;
    }
    if (process->in_end == 0)
        give_back(&process->in, &process->in_room);
    for (int i = 0; i < READS_A_TURN; i++) { /* a chatty worker must not keep the others waiting */
        make_room(&process->in, &process->in_room, process->in_end + READ_BYTES);
        ssize_t got = recv(process->fd, process->in + process->in_end, READ_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0)
            return false;
        process->in_end += (size_t)got;
    }
    return true;
}

char *kr_process_line(struct kr_process *process, size_t *length)
{
    char *from = process->in + process->in_scanned;
    char *end = process->in_end > process->in_scanned
                    ? memchr(from, '\n', process->in_end - process->in_scanned)
                    : NULL;
    if (!end) {
        process->in_scanned = process->in_end;
        return NULL;
    }
    char *line = process->in + process->in_start;
    *end = '\0';
    *length = (size_t)(end - line);
    process->in_start = process->in_scanned = (size_t)(end - process->in) + 1;
    return line;
}

static void describe(int status, char how[KR_HOW_BYTES])
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(how, KR_HOW_BYTES, "was ended by signal %d (SIG%s)", WTERMSIG(status), name ? name : "?");
    } else {
        snprintf(how, KR_HOW_BYTES, "exited with code %d", WEXITSTATUS(status));
    }
}

/* A process whose socket has ended is past its own exit or signal already: the kill does not change how it
 * ended. */
void kr_process_end(struct kr_process *process, char how[KR_HOW_BYTES])
{
    int status = 0;
    pid_t got;
    kill(process->pid, SIGKILL);
    do
        got = waitpid(process->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got == process->pid)
        describe(status, how);
    else
        snprintf(how, KR_HOW_BYTES, "ended unseen");
    close(process->fd);
    free(process->in);
    free(process->out);
    process->fd = -1;
    process->pid = 0;
    process->in = process->out = NULL;
    process->in_room = process->out_room = 0;
}
