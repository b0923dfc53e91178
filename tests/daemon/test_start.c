/* How the daemon starts, or says why it does not. */
#include "daemon_raw.h"

/* A directory of its own, with a daemon that runs on another one. */
static const char *own_directory(const char *name)
{
    return text("%s/%s", the_daemon.directory, name);
}

static void says(const struct command *command, int status, const char *what)
{
    ck_assert_msg(command->status == status, "status %d, wanted %d: %s", command->status, status,
                  command->err);
    ck_assert_msg(strcasestr(command->err, what) != NULL, "wanted \"%s\": %s", what, command->err);
    ck_assert_str_eq(command->out, "");
}

START_TEST(one_daemon_a_directory)
{
    struct command second = KRIGED("serve", "--listen", "127.0.0.1:0", "--data-dir", the_daemon.directory);
    says(&second, 1, "in use");
    ck_assert_ptr_nonnull(strstr(second.err, the_daemon.directory));
    ck_assert_ptr_nonnull(strstr(second.err, text("%d", (int)the_daemon.pid)));
    ck_status(get("/readyz"), 200); /* the first one is unharmed */
}
END_TEST

START_TEST(addresses)
{
    struct command command = KRIGED("serve", "--listen", "0.0.0.0:0", "--data-dir", own_directory("a"));
    says(&command, 1, "--insecure");
    ck_assert_int_ne(access(own_directory("a/kriged.db"), F_OK), 0); /* before anything is touched */
    command = KRIGED("serve", "--listen", "[::]:0", "--data-dir", own_directory("a"));
    says(&command, 1, "--insecure");
    command =
        KRIGED("serve", "--listen", text("127.0.0.1:%d", the_daemon.port), "--data-dir", own_directory("b"));
    says(&command, 1, text("%d", the_daemon.port));
    static const char *const bad[] = {
        "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", ":0", ""};
    for (int i = 0; i < 7; i++) {
        command = KRIGED("serve", "--listen", bad[i], "--data-dir", own_directory("c"));
        says(&command, 2, "--listen");
    }
    command =
        KRIGED("serve", "--listen", "no.such.host.invalid:0", "--data-dir", own_directory("d"), "--insecure");
    says(&command, 1, "no.such.host.invalid");
}
END_TEST

START_TEST(insecure)
{
    char line[128] = "";
    int out, err;
    const char *const arguments[] = {
        "serve", "--listen", "0.0.0.0:0", "--data-dir", own_directory("open"), "--insecure", NULL};
    const pid_t pid = spawn_kriged(arguments, &out, &err);
    struct pollfd in = {.fd = out, .events = POLLIN};
    ck_assert_int_eq(poll(&in, 1, 10000), 1);
    ck_assert_int_gt((int)read(out, line, sizeof line - 1), 0);
    const int first = the_daemon.port;
    ck_assert_msg(sscanf(line, "kriged listening on http://0.0.0.0:%d", &the_daemon.port) == 1, "%s", line);
    /* Any Host is fine where the address is open to others. */
    char *got = exchange("GET /livez HTTP/1.1\r\nHost: kriged.example\r\nConnection: close\r\n\r\n", 5);
    ck_assert_int_eq(raw_status(got), 200);
    the_daemon.port = first;
    kill(pid, SIGTERM);
    ck_assert_int_eq(wait_exit(pid, 10), 0);
    close(out);
    close(err);
}
END_TEST

/* However soon it comes, whichever thread gets it. */
START_TEST(told_to_end_at_once)
{
    char line[128];
    for (int i = 0; i < 20; i++) {
        int out, err;
        const char *const arguments[] = {
            "serve", "--listen", "127.0.0.1:0", "--data-dir", own_directory("brief"), NULL};
        const pid_t pid = spawn_kriged(arguments, &out, &err);
        struct pollfd in = {.fd = out, .events = POLLIN};
        ck_assert_int_eq(poll(&in, 1, 10000), 1);
        ck_assert_int_gt((int)read(out, line, sizeof line - 1), 0);
        kill(pid, i % 2 ? SIGTERM : SIGINT);
        ck_assert_int_eq(wait_exit(pid, 10), 0);
        close(out);
        close(err);
    }
}
END_TEST

START_TEST(usage)
{
    static const char *const bad[][3] = {
        {"--colour", "red", "--colour"},       {"--workers", "0", "--workers"},
        {"--workers", "two", "--workers"},     {"--threads", "-1", "--threads"},
        {"--quantiles", "0.5", "--quantiles"}, {"extra", NULL, "extra"},
        {"--data-dir", NULL, "--data-dir"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct command command = KRIGED("serve", bad[i][0], bad[i][1]);
        says(&command, 2, bad[i][2]);
    }
    struct command none = KRIGED(NULL);
    says(&none, 2, "usage");
    struct command unknown = KRIGED("bake");
    says(&unknown, 2, "bake");
    struct command help = KRIGED("help");
    ck_assert_int_eq(help.status, 0);
    ck_assert_ptr_nonnull(strstr(help.out, "serve"));
    struct command missing = KRIGED("tune");
    says(&missing, 2, "file");
    struct command file = KRIGED("gradient", own_directory("no-such.json"));
    says(&file, 1, "no-such.json");
}
END_TEST

START_TEST(directories)
{
    struct command command = KRIGED("serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/no/such/place");
    says(&command, 1, "/proc/no");
    const char *path = own_directory("a-file");
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    command = KRIGED("serve", "--listen", "127.0.0.1:0", "--data-dir", path);
    says(&command, 1, "a-file");
}
END_TEST

DAEMON_SUITE("start", one_daemon_a_directory, addresses, insecure, told_to_end_at_once, usage, directories)
