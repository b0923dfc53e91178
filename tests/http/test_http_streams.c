/* Streams of the HTTP layer: wakes, heartbeats, clients that leave or do not read, caps, shutdown. */
#include "http_fixture.h"
#include "suite.h"

#include <time.h>

static char text[1 << 20];

static int count_of(const char *all, const char *part)
{
    int count = 0;
    for (const char *at = all; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

START_TEST(wakes)
{
    struct server *server = start();
    int fd = dial(server);
    put(fd, GET("/stream?due=1"));
    take(fd, text, sizeof text, "tick", 3);
    ck_assert_int_eq(status_of(text), 200);
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/event-stream"));
    for (int i = 0; i < 50; i++) {
        publish(server, 1, false);
        take(fd, text, sizeof text, "tick", 3);
        ck_assert_int_eq(count_of(text, "tick"), 1);
    }
    publish(server, 1000, true);
    take(fd, text, sizeof text, "\r\n0\r\n\r\n", 3);
    ck_assert_int_eq(count_of(text, "tick"), 1000);
    EVENTUALLY(closed_streams(server) == 1);
    put(fd, GET("/served")); /* the connection goes on */
    take(fd, text, sizeof text, "served", 3);
    ck_assert_int_eq(server->served, 1);
    close(fd);
    stop(server);
}
END_TEST

START_TEST(heartbeats)
{
    struct server *server = start_with((struct kr_http_config){.heartbeat_seconds = 0.2});
    int fd = dial(server);
    put(fd, GET("/stream"));
    take(fd, text, sizeof text, NULL, 1.5);
    int beats = count_of(text, ": keep-alive\n\n");
    ck_assert_int_ge(beats, 4);
    ck_assert_int_le(beats, 8);
    close(fd);
    stop(server);
}
END_TEST

START_TEST(leaving_is_seen)
{
    struct server *server = start(); /* heartbeats are far away */
    int fd = dial(server);
    put(fd, GET("/stream?due=1"));
    take(fd, text, sizeof text, "tick", 3);
    close(fd);
    EVENTUALLY(closed_streams(server) == 1);
    EVENTUALLY(kr_http_counts(server->http).connections == 0);
    ck_assert_int_eq(kr_http_counts(server->http).streams, 0);
    publish(server, 1, false);
    fd = dial(server);
    put(fd, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    take(fd, text, sizeof text, "\r\n\r\n", 3);
    ck_assert_int_eq(status_of(text), 200);
    EVENTUALLY(closed_streams(server) == 2);
    ck_assert_int_eq(server->streams->pulled, 0);
    close(fd);
    stop(server);
}
END_TEST

START_TEST(slow_readers)
{
    struct server *server = start();
    int fd = dial_with(server, 4096), quick = dial(server);
    put(fd, GET("/stream?size=10000&due=100000"));
    put(quick, GET("/stream"));
    nap(0.7);
    /* A gigabyte is due; only the buffers of the stream and the kernel were filled. */
    int left = server->streams->due + server->streams->next->due;
    ck_assert_int_gt(left, 99000);
    publish(server, 1, false);
    take(quick, text, sizeof text, "tick", 3);
    ck_assert_ptr_nonnull(strstr(text, "tick"));
    /* It goes on when it is read. */
    for (int i = 0; i < 200; i++)
        take(fd, text, sizeof text, NULL, 0.002);
    EVENTUALLY(server->streams->due + server->streams->next->due < left - 50);
    close(fd);
    close(quick);
    EVENTUALLY(closed_streams(server) == 2);
    stop(server);
}
END_TEST

START_TEST(stuck_reader_is_dropped)
{
    struct server *server = start_with((struct kr_http_config){.idle_seconds = 1});
    int fd = dial_with(server, 4096);
    put(fd, GET("/stream?size=10000&due=100000"));
    EVENTUALLY(closed_streams(server) == 1);
    close(fd);
    stop(server);
}
END_TEST

START_TEST(cap)
{
    struct server *server = start_with((struct kr_http_config){.max_streams = 3});
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(server);
        put(fds[i], GET("/stream"));
        take(fds[i], text, sizeof text, "\r\n\r\n", 3);
        ck_assert_int_eq(status_of(text), i < 3 ? 200 : 503);
    }
    ck_assert_ptr_nonnull(strstr(text, "Retry-After: "));
    close(fds[0]);
    EVENTUALLY(closed_streams(server) == 1);
    put(fds[3], GET("/stream"));
    take(fds[3], text, sizeof text, "\r\n\r\n", 3);
    ck_assert_int_eq(status_of(text), 200);
    for (int i = 1; i < 4; i++)
        close(fds[i]);
    stop(server);
}
END_TEST

START_TEST(closing_ends_streams)
{
    struct server *server = start();
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial_with(server, i == 3 ? 4096 : 0);
        put(fds[i], i == 3 ? GET("/stream?size=10000&due=100000") : GET("/stream?due=1"));
        if (i < 3)
            take(fds[i], text, sizeof text, "tick", 3);
    }
    nap(0.2);
    close(fds[3]); /* the slow one only leaves now */
    double begin = kr_seconds();
    stop(server);
    ck_assert_double_lt(kr_seconds() - begin, 2);
    for (int i = 0; i < 3; i++) {
        ck_assert(take(fds[i], text, sizeof text, NULL, 1));
        ck_assert_ptr_nonnull(strstr(text, "bye"));
        ck_assert_ptr_nonnull(strstr(text, "\r\n0\r\n"));
        close(fds[i]);
    }
}
END_TEST

/* A reader that takes nothing cannot hold up the end. */
START_TEST(closing_with_a_stuck_reader)
{
    struct server *server = start_with((struct kr_http_config){.close_seconds = 0.5});
    int fd = dial_with(server, 4096);
    put(fd, GET("/stream?size=10000&due=100000"));
    nap(0.3);
    double begin = kr_seconds();
    stop(server);
    ck_assert_double_lt(kr_seconds() - begin, 2);
    close(fd);
}
END_TEST

static double processor_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

START_TEST(many)
{
    enum { COUNT = 200 };
    struct server *server = start();
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial(server);
        put(fds[i], GET("/stream"));
    }
    EVENTUALLY(kr_http_counts(server->http).streams == COUNT);
    double used = processor_seconds();
    nap(0.5);
    ck_assert_double_lt(processor_seconds() - used, 0.25); /* no one spins */
    publish(server, 20, false);
    for (int i = 0; i < COUNT; i++) {
        for (int seen = 0, tries = 0; seen < 20; tries++) {
            take(fds[i], text, sizeof text, "tick", 3);
            seen += count_of(text, "tick");
            ck_assert_int_lt(tries, 21);
        }
    }
    for (int i = 0; i < COUNT; i += 2)
        close(fds[i]);
    EVENTUALLY(closed_streams(server) == COUNT / 2);
    double begin = kr_seconds();
    stop(server);
    ck_assert_double_lt(kr_seconds() - begin, 2);
    for (int i = 1; i < COUNT; i += 2)
        close(fds[i]);
}
END_TEST

/* Opening, waking, leaving and ending at the same time. */
static _Atomic int churning;

static void *wake_all(void *self)
{
    while (churning) {
        publish(self, 1, false);
        nap(0.0005);
    }
    return NULL;
}

START_TEST(churn)
{
    struct server *server = start();
    pthread_t waker;
    churning = 1;
    pthread_create(&waker, NULL, wake_all, server);
    double until = kr_seconds() + 1;
    for (int i = 0; kr_seconds() < until; i++) {
        int fd = dial(server);
        put(fd, GET("/stream?due=2"));
        if (i % 3)
            take(fd, text, sizeof text, i % 3 == 1 ? "tick" : "\r\n\r\n", 0.05);
        close(fd);
    }
    int fd = dial(server);
    put(fd, GET("/stream"));
    take(fd, text, sizeof text, "tick", 3);
    kr_http_close(server->http); /* while being woken */
    churning = 0;
    pthread_join(waker, NULL);
    for (struct test_stream *s = server->streams, *next; s; s = next) {
        next = s->next;
        ck_assert_int_eq(s->closed, 1);
        free(s);
    }
    close(fd);
}
END_TEST

Suite *suite(void)
{
    Suite *all = suite_create("http streams");
    TCase *c = tcase_create("streams");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, wakes);
    tcase_add_test(c, heartbeats);
    tcase_add_test(c, leaving_is_seen);
    tcase_add_test(c, slow_readers);
    tcase_add_test(c, stuck_reader_is_dropped);
    tcase_add_test(c, cap);
    tcase_add_test(c, closing_ends_streams);
    tcase_add_test(c, closing_with_a_stuck_reader);
    tcase_add_test(c, many);
    tcase_add_test(c, churn);
    suite_add_tcase(all, c);
    return all;
}
