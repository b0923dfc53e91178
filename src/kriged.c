/*
 * kriged: the commands. `serve` and `worker` are the two kinds of processes of the service; the others run in
 * this one. Exit 0 done, 1 failed, 2 usage.
 */
#include "api/api.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/kept.h"

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKER_FD = 3 };

/* HOST:PORT, [IPV6]:PORT. */
static bool split_listen(const char *text, char *host, size_t room, int *port)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    char *end_of_port;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (!colon || length == 0 || length >= room || !colon[1])
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    const long value = strtol(colon + 1, &end_of_port, 10);
    *port = (int)value;
    return !*end_of_port && value >= 0 && value <= 65535;
}

/* Posted by the first SIGTERM or SIGINT. A handler and not sigwait, because the threads that OpenBLAS starts
 * when it is loaded block nothing: a signal may come to one of them, and end the process while nobody waits.
 */
static sem_t told_to_end;

static void end_of_service(int signal_number)
{
    (void)signal_number;
    signal(SIGTERM, SIG_DFL); /* a second one ends the process at once */
    signal(SIGINT, SIG_DFL);
    sem_post(&told_to_end);
}

static int serve(int argc, char **argv)
{
    static const int allowed[] = {KR_FLAG_LISTEN,  KR_FLAG_DATA_DIR, KR_FLAG_WORKERS,
                                  KR_FLAG_THREADS, KR_FLAG_INSECURE, 0};
    struct kr_api *api;
    struct kr_options o;
    struct kr_ctx ctx;
    char host[256];
    int port;
    sigset_t ends;
    if (kr_options_parse(argc, argv, allowed, false, &o) != KR_EXIT_DONE)
        return KR_EXIT_USAGE;
    if (!split_listen(o.listen, host, sizeof host, &port))
        return kr_usage("--listen must be HOST:PORT, got \"%s\"", o.listen);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sem_init(&told_to_end, 0, 0);
    signal(SIGTERM, end_of_service);
    signal(SIGINT, end_of_service);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* threads of our own are not interrupted */
    kr_ctx_init(&ctx, 0);
    const struct kr_api_config config = {host, port, o.data_dir, o.workers, o.threads, o.insecure};
    if (kr_api_open(&ctx, &config, &api) != KR_OK)
        return kr_report_failure(&ctx);
    printf("kriged listening on http://%s%s%s:%d\n", strchr(host, ':') ? "[" : "", host,
           strchr(host, ':') ? "]" : "", kr_api_port(api));
    fflush(stdout);
    pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
    while (sem_wait(&told_to_end) != 0)
        ; /* interrupted */
    kr_api_close(api);
    kr_ctx_fini(&ctx);
    return KR_EXIT_DONE;
}

static int worker(int argc, char **argv)
{
    static const int allowed[] = {KR_FLAG_THREADS, 0};
    struct kr_options o;
    if (kr_options_parse(argc, argv, allowed, false, &o) != KR_EXIT_DONE)
        return KR_EXIT_USAGE;
    const int threads = o.threads ? o.threads : 1;
    static struct kr_kept kept;
    return kr_worker_main(WORKER_FD, threads, kr_engine_budget(kr_cores() / threads), kr_engine_run, &kept);
}

static int print(const char *text)
{
    const bool fine = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    return fine ? KR_EXIT_DONE : KR_EXIT_FAILED;
}

/* A document from the heap, and the end of its last line. */
static int print_document(char *text)
{
    const int code = print(text);
    free(text);
    return code == KR_EXIT_DONE ? print("\n") : code;
}

/* Commands that only print something. */
static int print_command(const char *name)
{
    if (strcmp(name, "openapi") == 0)
        return print_document(kr_api_openapi());
    if (strcmp(name, "manual") == 0)
        return print_document(kr_api_manual());
    if (strcmp(name, "version") == 0)
        return print("kriged " KR_VERSION "\n");
    if (strcmp(name, "help") == 0)
        return print(kr_usage_text);
    return kr_usage(*name ? "there is no command %s" : "a command is needed%s", name);
}

/* Threads that wait for each other sleep, as in the workers that the daemon starts: on a busy machine
 * spinning ones take the core from those they wait for. OpenMP reads this when it is loaded, so the process
 * starts once more. */
static void wait_passively(char **argv)
{
    if (getenv("OMP_WAIT_POLICY"))
        return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv); /* where it fails, the work is only slower */
}

int main(int argc, char **argv)
{
    wait_passively(argv);
    const char *name = argc > 1 ? argv[1] : "";
    argc--;
    argv++;
    name += strncmp(name, "--", 2) == 0 ? 2 : 0; /* --help and --version as well */
    if (strcmp(name, "serve") == 0)
        return serve(argc, argv);
    if (strcmp(name, "worker") == 0)
        return worker(argc, argv);
    if (strcmp(name, "tune") == 0)
        return kr_command_tune(argc, argv);
    if (strcmp(name, "gradient") == 0)
        return kr_command_gradient(argc, argv);
    if (strcmp(name, "predict") == 0)
        return kr_command_predict(argc, argv);
    return argc > 1 ? kr_usage("%s is one argument too many", argv[1]) : print_command(name);
}
