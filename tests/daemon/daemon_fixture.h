/*
 * The real daemon in a process of its own, and requests to it by libcurl. KRIGED_BINARY names the program. A
 * test program starts one daemon for all its tests (DAEMON_SUITE); when that does not end well, neither does
 * the program.
 */
#ifndef KRIGED_TESTS_DAEMON_FIXTURE_H
#define KRIGED_TESTS_DAEMON_FIXTURE_H

#include "daemon_json.h"
#include "suite.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static UNUSED void nap(double seconds)
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

static const char *binary(void)
{
    const char *path = getenv("KRIGED_BINARY");
    return path ? path : "build/kriged";
}

/* Starts `kriged ARGUMENTS`; *out and *err (unless NULL: inherited) become the ends of pipes to read. */
static pid_t spawn_kriged(const char *const *arguments, int *out, int *err)
{
    posix_spawn_file_actions_t actions;
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, *ends[2] = {out, err};
    const char *argv[24] = {binary()};
    pid_t pid;
    for (int i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    for (int i = 0; i < 2; i++)
        if (ends[i]) {
            ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
            posix_spawn_file_actions_adddup2(&actions, pipes[i][1], i + 1);
        }
    const int failed = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    ck_assert_msg(failed == 0, "%s cannot be started: %s", argv[0], strerror(failed));
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2; i++)
        if (ends[i]) {
            close(pipes[i][1]);
            *ends[i] = pipes[i][0];
        }
    return pid;
}

static char *read_all(int fd)
{
    size_t length = 0, room = 1 << 20;
    char *read_ = calloc(room + 1, 1);
    ssize_t n;
    while (length < room && (n = read(fd, read_ + length, room - length)) > 0)
        length += (size_t)n;
    close(fd);
    return keep(read_);
}

/* The exit status, 128 + signal when one ended it, -1 when it still runs after `seconds` (then it is killed).
 */
static int wait_exit(pid_t pid, double seconds)
{
    int status;
    const double until = now() + seconds;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now() > until) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        nap(0.005);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct command {
    int status;
    char *out, *err;
};

static UNUSED struct command run_kriged(const char *const *arguments)
{
    struct command command;
    int out, err;
    const pid_t pid = spawn_kriged(arguments, &out, &err);
    command.out = read_all(out); /* what goes to err is short */
    command.err = read_all(err);
    command.status = wait_exit(pid, 20);
    return command;
}
#define KRIGED(...) run_kriged((const char *const[]){__VA_ARGS__, NULL})

/* ---- the daemon ---- */

struct daemon {
    pid_t pid;
    int out, port;
    char directory[64], base[64];
};
static struct daemon the_daemon;

static UNUSED void start_again(void)
{
    char line[128] = "";
    size_t length = 0;
    const double until = now() + 20;
    const char *const arguments[] = {"serve",      "--listen",           "127.0.0.1:0",
                                     "--data-dir", the_daemon.directory, NULL};
    the_daemon.pid = spawn_kriged(arguments, &the_daemon.out, NULL);
    while (!strchr(line, '\n') && length + 1 < sizeof line && now() < until) {
        struct pollfd in = {.fd = the_daemon.out, .events = POLLIN};
        if (poll(&in, 1, 100) > 0) {
            const ssize_t n = read(the_daemon.out, line + length, sizeof line - 1 - length);
            if (n <= 0)
                break;
            length += (size_t)n;
        }
    }
    ck_assert_msg(sscanf(line, "kriged listening on http://127.0.0.1:%d", &the_daemon.port) == 1,
                  "the daemon says: %s", line);
    snprintf(the_daemon.base, sizeof the_daemon.base, "http://127.0.0.1:%d", the_daemon.port);
}

static void start_daemon(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
    setenv("no_proxy", "*", 1);
    strcpy(the_daemon.directory, "/tmp/kriged-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(the_daemon.directory));
    start_again();
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Its exit status; -1 when it did not end in 10 s after SIGTERM. */
static UNUSED int end_daemon(void)
{
    kill(the_daemon.pid, SIGTERM);
    const int status = wait_exit(the_daemon.pid, 10);
    close(the_daemon.out);
    the_daemon.pid = 0;
    return status;
}

static void remove_directory(void)
{
    nftw(the_daemon.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    curl_global_cleanup();
}

static UNUSED void stop_daemon(void)
{
    const int status = end_daemon();
    remove_directory();
    if (status != 0) {
        fprintf(stderr, "the daemon ended with status %d (-1: not in time), wanted 0\n", status);
        exit(EXIT_FAILURE);
    }
}

/* Entries of a directory below the data directory. */
static UNUSED int entries(const char *name)
{
    char path[128];
    int count = 0;
    snprintf(path, sizeof path, "%s/%s", the_daemon.directory, name);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Defines suite(): the tests, in order, with one daemon. */
#define DAEMON_SUITE(name, ...)                                                                              \
    Suite *suite(void)                                                                                       \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        Suite *made = suite_create(name);                                                                    \
        TCase *tcase = tcase_create(name);                                                                   \
        tcase_add_unchecked_fixture(tcase, start_daemon, stop_daemon);                                       \
        tcase_set_timeout(tcase, 60);                                                                        \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)                                          \
            tcase_add_test(tcase, tests[i]);                                                                 \
        suite_add_tcase(made, tcase);                                                                        \
        return made;                                                                                         \
    }

/* ---- requests ---- */

struct answer {
    long status;
    double seconds;
    size_t length;
    char *headers, *body;
    json_t *json; /* NULL when the body is none */
};

struct growing {
    char *bytes;
    size_t length;
};

static size_t collect(char *bytes, size_t size, size_t count, void *self)
{
    struct growing *growing = self;
    growing->bytes = realloc(growing->bytes, growing->length + size * count + 1);
    memcpy(growing->bytes + growing->length, bytes, size * count);
    growing->length += size * count;
    growing->bytes[growing->length] = '\0';
    return size * count;
}

static char *collected(const struct growing *growing)
{
    return keep(growing->bytes ? growing->bytes : strdup(""));
}

/* A request with these header lines (NULL ends them); body = NULL sends none. */
static struct answer ask(const char *method, const char *path, const char *body, size_t length,
                         const char *const *headers)
{
    struct growing head = {0}, content = {0};
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    struct answer answer = {0};
    CURL *curl = curl_easy_init();
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    curl_easy_setopt(curl, CURLOPT_URL, text("%s%s", the_daemon.base, path));
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 50L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &content);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    const double start = now();
    const CURLcode code = curl_easy_perform(curl);
    answer.seconds = now() - start;
    ck_assert_msg(code == CURLE_OK, "%s %s: %s", method, path, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(list);
    answer.headers = collected(&head);
    answer.body = collected(&content);
    answer.length = content.length;
    if ((answer.json = json_loads(answer.body, JSON_REJECT_DUPLICATES, NULL)))
        keep_json(answer.json);
    return answer;
}
#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static UNUSED struct answer get(const char *path)
{
    return ask("GET", path, NULL, 0, NULL);
}

static UNUSED struct answer send_text(const char *method, const char *path, const char *type,
                                      const char *body)
{
    return ask(method, path, body, strlen(body), HEADERS(text("Content-Type: %s", type)));
}

static UNUSED struct answer send_json(const char *method, const char *path, json_t *json)
{
    return send_text(method, path, "application/json", dump(json));
}

/* The value of a header, or NULL. */
static UNUSED const char *header_of(const struct answer *answer, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = answer->headers; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1 + strspn(line + length + 1, " \t");
            return text("%.*s", (int)strcspn(line, "\r\n"), line);
        }
    return NULL;
}

#define ck_status(answer, wanted)                                                                            \
    ck_assert_msg((answer).status == (wanted), "status %ld, wanted %d: %.1500s", (answer).status,            \
                  (int)(wanted), (answer).body)

/* A problem document with everything that belongs to one; pointer = NULL: whichever, or none. */
static UNUSED void is_problem(const struct answer answer, int status, const char *slug, const char *pointer,
                              const char *what)
{
    const char *type = header_of(&answer, "Content-Type"), *id = header_of(&answer, "X-Request-Id");
    ck_assert_msg(answer.status == status, "%s: status %ld, wanted %d: %.1500s", what, answer.status, status,
                  answer.body);
    ck_assert_msg(type && strcmp(type, "application/problem+json") == 0, "%s: type %s", what,
                  type ? type : "none");
    ck_assert_msg(answer.json != NULL, "%s: no JSON: %s", what, answer.body);
    ck_assert_msg(strcmp(text_at(answer.json, "/type") + strlen("/problems/"), slug) == 0,
                  "%s: wanted %s: %s", what, slug, answer.body);
    ck_assert_int_eq(strncmp(text_at(answer.json, "/type"), "/problems/", 10), 0);
    ck_assert_str_ne(text_at(answer.json, "/title"), "");
    ck_assert_str_ne(text_at(answer.json, "/detail"), "");
    ck_assert_int_eq((int)number_at(answer.json, "/status"), status);
    ck_assert_msg(id && strcmp(text_at(answer.json, "/instance"), id) == 0,
                  "%s: instance %s, X-Request-Id %s", what, text_at(answer.json, "/instance"),
                  id ? id : "none");
    if (!pointer)
        return;
    ck_assert_msg(find(answer.json, "/errors/0/pointer") != NULL, "%s: no pointer, wanted %s: %s", what,
                  pointer, answer.body);
    ck_assert_msg(strcmp(text_at(answer.json, "/errors/0/pointer"), pointer) == 0,
                  "%s: wanted pointer %s: %s", what, pointer, answer.body);
    ck_assert_str_ne(text_at(answer.json, "/errors/0/detail"), "");
}

#endif
