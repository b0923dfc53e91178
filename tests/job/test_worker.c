/* The loop of a worker process, from the other end of its socket. */
#include "fake_engine.h"
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

static pid_t pid;
static int fd;
static FILE *words;

static void start(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid = fork();
    if (pid == 0) {
        dup2(pair[1], FAKE_FD);
        fcntl(FAKE_FD, F_SETFD, 0);
        execl("/proc/self/exe", "kriged", "worker", "--threads", "2", NULL);
        _exit(127);
    }
    close(pair[1]);
    fd = pair[0];
    words = fdopen(dup(fd), "r");
}

/* The exit code, or minus the signal. */
static int ended(void)
{
    int status;
    fclose(words);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void stop(void)
{
    shutdown(fd, SHUT_RDWR);
    close(fd);
    ck_assert_int_eq(ended(), 0);
}

static void say(const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

static json_t *hear(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length = getline(&line, &room, words);
    ck_assert_int_gt((int)length, 0);
    json_t *json = json_loadb(line, (size_t)length, 0, NULL);
    ck_assert_msg(json != NULL, "%s", line);
    free(line);
    return json;
}

static json_t *hear_last(int id)
{
    json_t *json = hear();
    while (json_object_get(json, "event")) {
        json_decref(json);
        json = hear();
    }
    ck_assert_int_eq((int)json_integer_value(json_object_get(json, "id")), id);
    return json;
}

static const char *error_of(const json_t *json)
{
    const char *slug = json_string_value(json_object_get(json_object_get(json, "error"), "status"));
    return slug ? slug : "none";
}

START_TEST(replies_with_threads_and_budget)
{
    start();
    say("{\"id\":7,\"op\":\"gradient\",\"echo\":[0.1,1e300,5e-324]}\n");
    json_t *json = hear_last(7), *reply = json_object_get(json, "reply");
    ck_assert_int_eq(fake_number(reply, "threads", 0), 2);
    ck_assert_int_eq(fake_number(reply, "budget", 0), FAKE_BUDGET);
    json_t *echo = json_object_get(reply, "echo");
    ck_assert(json_real_value(json_array_get(echo, 0)) == 0.1);
    ck_assert(json_real_value(json_array_get(echo, 2)) == 5e-324);
    json_decref(json);
    stop();
}
END_TEST

START_TEST(events_come_in_order_with_checkpoints)
{
    start();
    say("{\"id\":1,\"op\":\"tune\",\"model_directory\":\"/"
        "nonexistent\",\"request\":{\"steps\":5,\"every\":2}}\n");
    for (int k = 1; k <= 5; k++) {
        json_t *json = hear();
        ck_assert_int_eq(fake_number(json, "id", 0), 1);
        ck_assert_str_eq(json_string_value(json_object_get(json, "event")), "step");
        ck_assert_int_eq(fake_number(json_object_get(json, "data"), "evaluation", 0), k);
        ck_assert_int_eq(json_object_get(json, "checkpoint") != NULL, k % 2 == 0);
        json_decref(json);
    }
    json_t *json = hear_last(1);
    ck_assert_str_eq(error_of(json), "internal"); /* there is no such directory */
    json_decref(json);
    stop();
}
END_TEST

START_TEST(an_error_keeps_status_pointer_and_detail)
{
    start();
    say("{\"id\":2,\"op\":\"gradient\",\"error\":\"not-positive-definite\"}\n");
    json_t *json = hear_last(2), *error = json_object_get(json, "error");
    ck_assert_str_eq(error_of(json), "not-positive-definite");
    ck_assert_str_eq(json_string_value(json_object_get(error, "pointer")), "/model");
    ck_assert_str_eq(json_string_value(json_object_get(error, "detail")), "as the script says");
    json_decref(json);
    say("{\"id\":3,\"op\":\"gradient\"}\n"); /* and leaves nothing behind */
    json_decref(hear_last(3));
    stop();
}
END_TEST

START_TEST(cancel_meets_only_its_request)
{
    start();
    say("{\"id\":1,\"op\":\"gradient\",\"ms\":60000}\n{\"id\":2,\"op\":\"gradient\",\"ms\":60000}\n"
        "{\"id\":3,\"op\":\"gradient\"}\n{\"cancel\":99}\n{\"cancel\":2}\n");
    sleep_ms(50);
    say("{\"cancel\":1}\n");
    for (int id = 1; id <= 2; id++) { /* the second before it began */
        json_t *json = hear_last(id);
        ck_assert_str_eq(error_of(json), "cancelled");
        json_decref(json);
    }
    json_t *json = hear_last(3);
    ck_assert_ptr_nonnull(json_object_get(json, "reply"));
    json_decref(json);
    say("{\"cancel\":3}\n{\"id\":4,\"op\":\"gradient\"}\n");
    json = hear_last(4);
    ck_assert_ptr_nonnull(json_object_get(json, "reply"));
    json_decref(json);
    stop();
}
END_TEST

START_TEST(the_end_of_the_socket_ends_a_busy_worker)
{
    start();
    say("{\"id\":1,\"op\":\"gradient\",\"ms\":60000,\"stubborn\":true}\n");
    sleep_ms(50);
    double before = kr_seconds();
    stop();
    ck_assert_double_lt(kr_seconds() - before, 2.0);
}
END_TEST

START_TEST(long_lines_both_ways)
{
    enum { SIZE = 3000000 };
    char *text = malloc(SIZE + 100);
    int used = sprintf(text, "{\"id\":1,\"op\":\"gradient\",\"echo\":\"");
    memset(text + used, 'a', SIZE);
    strcpy(text + used + SIZE, "\"}\n");
    start();
    for (size_t sent = 0, length = strlen(text); sent < length;)
        sent += (size_t)send(fd, text + sent, length - sent > 100000 ? 100000 : length - sent, MSG_NOSIGNAL);
    json_t *json = hear_last(1);
    ck_assert_int_eq((int)json_string_length(json_object_get(json_object_get(json, "reply"), "echo")), SIZE);
    json_decref(json);
    free(text);
    stop();
}
END_TEST

START_TEST(garbage_ends_the_worker)
{
    static const char *const lines[] = {"no json\n", "{\"op\":\"gradient\"}\n", "{\"id\":-1}\n", "\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        start();
        say(lines[i]);
        ck_assert_int_eq(ended(), 3);
        close(fd);
    }
}
END_TEST

START_TEST(a_crash_ends_by_its_signal)
{
    start();
    say("{\"id\":1,\"op\":\"gradient\",\"crash\":true}\n");
    ck_assert_int_eq(ended(), -SIGABRT);
    close(fd);
}
END_TEST

SUITE("worker", replies_with_threads_and_budget, events_come_in_order_with_checkpoints,
      an_error_keeps_status_pointer_and_detail, cancel_meets_only_its_request,
      the_end_of_the_socket_ends_a_busy_worker, long_lines_both_ways, garbage_ends_the_worker,
      a_crash_ends_by_its_signal)
