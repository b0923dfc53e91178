/* Bytes over a socket to the daemon, for what libcurl would never send. */
#ifndef KRIGED_TESTS_DAEMON_RAW_H
#define KRIGED_TESTS_DAEMON_RAW_H

#include "daemon_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define RAW_HOST "Host: 127.0.0.1\r\n"

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)the_daemon.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void put(int fd, const char *bytes)
{
    for (size_t left = strlen(bytes); left > 0;) {
        const ssize_t sent = send(fd, bytes, left, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        left -= (size_t)sent;
    }
}

/* What comes until the end, `until` (unless NULL) or the time; *ended: the daemon closed the connection. */
static char *take(int fd, const char *until, double seconds, bool *ended)
{
    struct growing got = {0};
    const double limit = now() + seconds;
    char part[4096];
    *ended = false;
    while (now() < limit && !(until && got.bytes && strstr(got.bytes, until))) {
        struct pollfd in = {.fd = fd, .events = POLLIN};
        if (poll(&in, 1, 20) <= 0)
            continue;
        const ssize_t n = recv(fd, part, sizeof part, 0);
        if (n <= 0) {
            *ended = true;
            break;
        }
        collect(part, 1, (size_t)n, &got);
    }
    return collected(&got);
}

/* One exchange on a connection of its own, which the daemon has to close within `seconds`. */
static UNUSED char *exchange(const char *bytes, double seconds)
{
    bool ended;
    const int fd = dial();
    put(fd, bytes);
    char *got = take(fd, NULL, seconds, &ended);
    close(fd);
    ck_assert_msg(ended, "the connection is still open after: %s\n%s", bytes, got);
    return got;
}

static UNUSED int raw_status(const char *got)
{
    return strncmp(got, "HTTP/1.1 ", 9) == 0 ? atoi(got + 9) : -1;
}

#endif
