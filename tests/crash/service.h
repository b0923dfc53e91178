/* A daemon that is killed and started again: its process, its workers, requests to it, and the events that it
 * streams. */
#ifndef KRIGED_TESTS_CRASH_SERVICE_H
#define KRIGED_TESTS_CRASH_SERVICE_H

#include "../suite.h"

#include <curl/curl.h>
#include <dirent.h>
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void nap(double seconds)
{
    usleep((useconds_t)(seconds * 1e6));
}

#define EVENTUALLY(seconds, condition)                                                                       \
    do {                                                                                                     \
        const double until_ = now() + (seconds);                                                             \
        while (!(condition) && now() < until_)                                                               \
            nap(0.01);                                                                                       \
        ck_assert_msg(condition, "never: %s", #condition);                                                   \
    } while (0)

/* ---- processes ---- */

enum { MOST_WORKERS = 16 };

static struct {
    pid_t pid;
    int out, port; /* the port is kept from start to start */
    char directory[64];
} service;

static UNUSED const char *binary(void)
{
    const char *path = getenv("KRIGED_BINARY");
    return path ? path : "build/kriged";
}

/* Waits for the line that says it is ready. */
static UNUSED void start_service(void)
{
    char address[40], line[128] = "";
    const char *argv[] = {binary(),          "serve",     "--listen", address, "--data-dir",
                          service.directory, "--threads", "1",        NULL};
    posix_spawn_file_actions_t files;
    int ends[2];
    size_t length = 0;
    snprintf(address, sizeof address, "127.0.0.1:%d", service.port);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    const int error = posix_spawn(&service.pid, argv[0], &files, NULL, (char *const *)argv, environ);
    ck_assert_msg(error == 0, "%s cannot be started: %s", argv[0], strerror(error));
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    service.out = ends[0];
    while (!strchr(line, '\n') && length + 1 < sizeof line) {
        const ssize_t got = read(service.out, line + length, sizeof line - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    ck_assert_msg(sscanf(line, "kriged listening on http://127.0.0.1:%d", &service.port) == 1,
                  "the daemon says: %s", line);
}

/* Reads the state and the parent of a process; false when it is gone. CPU time is in clock ticks. */
static bool look(pid_t pid, char *state, pid_t *parent, unsigned long *ticks)
{
    char path[40], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (!in)
        return false;
    const size_t got = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[got] = '\0';
    const char *after = strrchr(text, ')');
    if (!after || sscanf(after + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", state, parent,
                         &user, &system) != 4)
        return false;
    *ticks = user + system;
    return true;
}

static UNUSED bool alive(pid_t pid)
{
    char state;
    pid_t parent;
    unsigned long ticks;
    return look(pid, &state, &parent, &ticks) && state != 'Z' && state != 'X';
}

/* The daemon's workers now. */
static UNUSED size_t workers(pid_t *pids)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    ck_assert_ptr_nonnull(proc);
    for (struct dirent *entry; (entry = readdir(proc));) {
        const pid_t pid = (pid_t)atoi(entry->d_name);
        char state;
        pid_t parent;
        unsigned long ticks;
        if (pid > 0 && look(pid, &state, &parent, &ticks) && parent == service.pid && state != 'Z') {
            ck_assert_uint_lt(count, MOST_WORKERS);
            pids[count++] = pid;
        }
    }
    closedir(proc);
    return count;
}

/* The worker that computes: the one whose CPU time grows. */
static UNUSED pid_t busy_worker(void)
{
    const double until = now() + 10;
    while (now() < until) {
        pid_t pids[MOST_WORKERS], parent;
        unsigned long before[MOST_WORKERS], after;
        char state;
        const size_t count = workers(pids);
        for (size_t i = 0; i < count; i++)
            if (!look(pids[i], &state, &parent, &before[i]))
                before[i] = 0;
        nap(0.1);
        for (size_t i = 0; i < count; i++)
            if (look(pids[i], &state, &parent, &after) && after >= before[i] + 2)
                return pids[i];
    }
    ck_abort_msg("no worker computes");
    return 0;
}

/* kill -9; its workers end within two seconds. */
static UNUSED void kill_service(void)
{
    pid_t pids[MOST_WORKERS];
    const size_t count = workers(pids);
    ck_assert_uint_ge(count, 1);
    kill(service.pid, SIGKILL);
    waitpid(service.pid, NULL, 0);
    close(service.out);
    const double until = now() + 2;
    for (size_t i = 0; i < count; i++) {
        while (alive(pids[i]) && now() < until)
            nap(0.005);
        ck_assert_msg(!alive(pids[i]), "worker %d lives 2 s longer than its daemon", (int)pids[i]);
    }
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static UNUSED void open_service(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
    setenv("no_proxy", "*", 1);
    strcpy(service.directory, "/tmp/kriged-crash-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(service.directory));
    service.port = 0;
    start_service();
}

/* A daemon that is told to ends well, whatever it went through. */
static UNUSED void close_service(void)
{
    int status = -1;
    const double until = now() + 15;
    kill(service.pid, SIGTERM);
    while (waitpid(service.pid, &status, WNOHANG) == 0 && now() < until)
        nap(0.01);
    if (now() >= until)
        kill(service.pid, SIGKILL);
    close(service.out);
    nftw(service.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    curl_global_cleanup();
    ck_assert_int_eq(status, 0);
}

/* ---- requests ---- */

struct answer {
    long status;  /* 0: the connection ended before a reply */
    json_t *json; /* NULL when the body is none */
};

struct body {
    char *text;
    size_t length;
};

static size_t collect(char *bytes, size_t size, size_t count, void *self)
{
    struct body *body = self;
    body->text = realloc(body->text, body->length + size * count + 1);
    memcpy(body->text + body->length, bytes, size * count);
    body->length += size * count;
    body->text[body->length] = '\0';
    return size * count;
}

static UNUSED struct answer ask(const char *method, const char *path, const char *type, const char *text)
{
    char url[256], header[80];
    struct answer answer = {0};
    struct body body = {0};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", service.port, path);
    snprintf(header, sizeof header, "Content-Type: %s", type ? type : "application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    if (text) {
        headers = curl_slist_append(headers, header);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    answer.json = body.text ? json_loads(body.text, 0, NULL) : NULL;
    free(body.text);
    return answer;
}

/* The reply's JSON (the caller's) to a request that must have this status. */
static UNUSED json_t *expect(long status, const char *method, const char *path, const char *type,
                             const char *text)
{
    struct answer answer = ask(method, path, type, text);
    char *said = answer.json ? json_dumps(answer.json, 0) : NULL;
    ck_assert_msg(answer.status == status, "%s %s: status %ld, wanted %ld: %.1000s", method, path,
                  answer.status, status, said ? said : "");
    free(said);
    return answer.json;
}

static UNUSED long status_of(const char *method, const char *path)
{
    struct answer answer = ask(method, path, NULL, NULL);
    json_decref(answer.json);
    return answer.status;
}

static UNUSED const char *text_at(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    ck_assert_msg(text != NULL, "there is no %s", name);
    return text;
}

static UNUSED double number_at(const json_t *json, const char *name)
{
    ck_assert_msg(json_is_number(json_object_get(json, name)), "there is no number %s", name);
    return json_number_value(json_object_get(json, name));
}

static UNUSED char *read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    ck_assert_msg(in != NULL, "%s cannot be read", path);
    char *text = calloc(1 << 20, 1);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, in), (1 << 20) - 1);
    fclose(in);
    return text;
}

static UNUSED void put_concrete(void)
{
    char *csv = read_file("clients/data/concrete.csv");
    json_decref(expect(201, "PUT", "/v1/datasets/concrete", "text/csv", csv));
    free(csv);
}

/* Submits; the id goes into `id`. */
static UNUSED void submit(const char *request, char id[40])
{
    json_t *job = expect(202, "POST", "/v1/jobs", NULL, request);
    snprintf(id, 40, "%s", text_at(job, "id"));
    json_decref(job);
}

static UNUSED json_t *job_of(const char *id)
{
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    return expect(200, "GET", path, NULL, NULL);
}

#endif
