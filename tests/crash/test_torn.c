/* What a crash leaves in the data directory is cleared away, and nothing else: no half data set is ever seen.
 */
#include "service.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

static char *below(const char *name)
{
    static char paths[4][160];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", service.directory, name);
    return path;
}

static size_t entries(const char *name)
{
    size_t count = 0;
    DIR *directory = opendir(below(name));
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(below(name), "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    fclose(out);
}

static void make_garbage(const char *kind)
{
    char name[80];
    snprintf(name, sizeof name, "%s/01HZZZZZZZZZZZZZZZZZZZZZZZ", kind);
    ck_assert_int_eq(mkdir(below(name), 0700), 0);
    snprintf(name, sizeof name, "%s/01HZZZZZZZZZZZZZZZZZZZZZZZ/x.npy", kind);
    write_file(name, "half of a fi");
    snprintf(name, sizeof name, "%s/01HZZZZZZZZZZZZZZZZZZZZZZY", kind);
    ck_assert_int_eq(mkdir(below(name), 0700), 0);
}

static const char gradient[] =
    "{\"dataset\": \"good\", \"model\": {\"kernel\": {\"type\": \"rbf\"}}, \"objective\": {\"loss\": "
    "\"mse\", \"validation\": {\"type\": \"rows\", \"rows\": [1]}}}";

START_TEST(leftovers_are_removed_and_the_rest_is_kept)
{
    json_decref(expect(201, "PUT", "/v1/datasets/good", "text/csv", "a,y\n1,2\n2,3\n3,5\n4,4\n"));
    json_t *before = expect(200, "GET", "/v1/datasets/good", NULL, NULL);
    json_decref(expect(200, "POST", "/v1/gradients", NULL, gradient));
    kill_service();
    make_garbage("datasets");
    make_garbage("models");
    ck_assert_uint_eq(entries("datasets"), 3);
    start_service();
    ck_assert_uint_eq(entries("datasets"), 1);
    ck_assert_uint_eq(entries("models"), 0);
    json_t *after = expect(200, "GET", "/v1/datasets/good", NULL, NULL);
    ck_assert_int_eq(json_equal(before, after), 1);
    json_decref(before);
    json_decref(after);
    json_decref(expect(200, "POST", "/v1/gradients", NULL, gradient));
}
END_TEST

/* Sends the head of an upload and a part of its body. */
static int begin_upload(size_t length, const char *body)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)service.port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char head[256];
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    snprintf(head, sizeof head,
             "PUT /v1/datasets/half HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
             "text/csv\r\nContent-Length: %zu\r\n\r\n",
             service.port, length);
    ck_assert_int_eq(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
    ck_assert_int_eq(send(fd, body, strlen(body), MSG_NOSIGNAL), (ssize_t)strlen(body));
    return fd;
}

START_TEST(half_an_upload_is_nothing)
{
    const char *part = "a,y\n1,2\n2,3\n3,5\n";
    const int fd = begin_upload(1000000, part);
    nap(0.2);
    ck_assert_int_eq(status_of("GET", "/v1/datasets/half"), 404);
    kill_service();
    close(fd);
    start_service();
    json_decref(expect(404, "GET", "/v1/datasets/half", NULL, NULL));
    ck_assert_uint_eq(entries("datasets"), 0);
    json_decref(expect(201, "PUT", "/v1/datasets/half", "text/csv", part));
    ck_assert_uint_eq(entries("datasets"), 1);
}
END_TEST

/* ---- killed at any moment of an upload ---- */

enum { ROWS = 20000, MOMENTS = 10 };
static char *table;

static void make_table(void)
{
    size_t used = 0;
    table = malloc(ROWS * 40 + 8);
    used += (size_t)sprintf(table, "a,b,y\n");
    for (int i = 0; i < ROWS; i++)
        used += (size_t)sprintf(table + used, "%d,%d.5,%d\n", i, i * 7 % 1000, i % 13);
}

static void *upload(void *self)
{
    struct answer *answer = self;
    *answer = ask("PUT", "/v1/datasets/table", "text/csv", table);
    return NULL;
}

/* All of it or nothing; all of it when the client was told so. */
static void assert_whole_or_absent(const struct answer *told)
{
    struct answer found = ask("GET", "/v1/datasets/table", NULL, NULL);
    if (found.status == 404) {
        ck_assert_msg(told->status != 201, "an upload that was confirmed is gone");
        ck_assert_uint_eq(entries("datasets"), 0);
    } else {
        ck_assert_int_eq(found.status, 200);
        ck_assert_double_eq(number_at(found.json, "rows"), ROWS);
        ck_assert_uint_eq(entries("datasets"), 1);
        json_decref(expect(200, "PUT", "/v1/datasets/table", "text/csv", table)); /* the same bytes */
        json_decref(ask("DELETE", "/v1/datasets/table", NULL, NULL).json);
        ck_assert_uint_eq(entries("datasets"), 0);
    }
    json_decref(found.json);
}

START_TEST(an_upload_is_there_or_not)
{
    make_table();
    const double began = now();
    struct answer told = {0};
    upload(&told);
    const double seconds = now() - began;
    ck_assert_int_eq(told.status, 201);
    json_decref(told.json);
    told.json = NULL;
    assert_whole_or_absent(&told);
    for (int k = 0; k < MOMENTS; k++) {
        pthread_t thread;
        told = (struct answer){0};
        ck_assert_int_eq(pthread_create(&thread, NULL, upload, &told), 0);
        nap(seconds * (0.3 + 0.9 * k / MOMENTS));
        kill_service();
        pthread_join(thread, NULL);
        json_decref(told.json);
        start_service();
        assert_whole_or_absent(&told);
    }
    free(table);
}
END_TEST

/* Two daemons never share a directory, and a killed one does not keep it. */
START_TEST(the_lock_goes_with_the_process)
{
    const char *argv[] = {binary(),     "serve",           "--listen", "127.0.0.1:0",
                          "--data-dir", service.directory, NULL};
    posix_spawn_file_actions_t files;
    pid_t second;
    int status;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawn(&second, argv[0], &files, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    ck_assert_int_eq(waitpid(second, &status, 0), second);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    kill_service();
    start_service();
    json_decref(expect(200, "GET", "/livez", NULL, NULL));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {leftovers_are_removed_and_the_rest_is_kept, half_an_upload_is_nothing,
                                  an_upload_is_there_or_not, the_lock_goes_with_the_process};
    Suite *made = suite_create("torn");
    TCase *tcase = tcase_create("torn");
    tcase_add_checked_fixture(tcase, open_service, close_service);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(made, tcase);
    return made;
}
