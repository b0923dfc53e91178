/*
 * The watchdog looks at every open socket ten times a second: absolute deadlines (libmicrohttpd's timeout is
 * about silence only) and clients that left (a suspended connection does not notice). It also drains the
 * sockets of refused requests for a while, because closing with unread bytes resets the connection and loses
 * the reply.
 */
#include "api/http_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_SECONDS 2.0
#define LINGER_PIECES  64 /* of 64 KiB in one look */

void http_linger(struct kr_http *http, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    pthread_mutex_lock(&http->lock);
    if (http->linger_count < (int)(sizeof http->linger_fds / sizeof *http->linger_fds)) {
        http->linger_until[http->linger_count] = kr_seconds() + LINGER_SECONDS;
        http->linger_fds[http->linger_count++] = copy;
        copy = -1;
    }
    pthread_mutex_unlock(&http->lock);
    if (copy >= 0)
        close(copy);
}

/* True when nothing more will come. */
static bool discard(int fd, char *scratch, size_t size)
{
    for (int i = 0; i < LINGER_PIECES; i++) {
        ssize_t n = recv(fd, scratch, size, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (n <= 0)
            return true;
    }
    return false;
}

static void look_at_lingering(struct kr_http *http, char *scratch, size_t size, bool all)
{
    double now = kr_seconds();
    for (int i = 0; i < http->linger_count;) {
        if (discard(http->linger_fds[i], scratch, size) || now > http->linger_until[i] || all) {
            close(http->linger_fds[i]);
            http->linger_count--;
            http->linger_fds[i] = http->linger_fds[http->linger_count];
            http->linger_until[i] = http->linger_until[http->linger_count];
        } else {
            i++;
        }
    }
}

static void look_at_deadlines(struct kr_http *http)
{
    double now = kr_seconds();
    for (struct http_connection *c = http->connections; c; c = c->next) {
        if (c->deadline > 0 && now > c->deadline) {
            shutdown(c->fd, SHUT_RDWR);
            c->deadline = 0;
        }
    }
}

struct look {
    struct pollfd *fds;
    struct http_connection **rows;
    int capacity;
};

/* Descriptors stay open while the lock is held: their rows go first. */
static void look_for_leavers(struct kr_http *http, struct look *look)
{
    nfds_t count = 0;
    if (http->connection_count > look->capacity) {
        int capacity = http->connection_count + 64;
        struct pollfd *fds = realloc(look->fds, (size_t)capacity * sizeof *fds);
        look->fds = fds ? fds : look->fds;
        struct http_connection **rows =
            realloc(look->rows, (size_t)capacity * sizeof(struct http_connection *));
        look->rows = rows ? rows : look->rows;
        if (fds && rows)
            look->capacity = capacity;
    }
    for (struct http_connection *c = http->connections; c && count < (nfds_t)look->capacity; c = c->next) {
        if (!c->stream && !(c->request && !c->request->view.client_left))
            continue;
        look->fds[count] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
        look->rows[count++] = c;
    }
    if (count == 0 || poll(look->fds, count, 0) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        struct http_connection *c = look->rows[i];
        if (!look->fds[i].revents)
            continue;
        if (c->request)
            c->request->view.client_left = 1;
        if (c->stream)
            http_stream_abort(c->stream);
    }
}

void *http_watch_thread(void *self)
{
    static const size_t size = 65536;
    struct kr_http *http = self;
    struct look look = {NULL, NULL, 0};
    char *scratch = malloc(size);
    pthread_mutex_lock(&http->lock);
    while (!http->stop) {
        look_at_deadlines(http);
        look_for_leavers(http, &look);
        if (scratch)
            look_at_lingering(http, scratch, size, false);
        http_wait(&http->changed, &http->lock, HTTP_LOOK_SECONDS);
    }
    if (scratch)
        look_at_lingering(http, scratch, size, true);
    pthread_mutex_unlock(&http->lock);
    free(scratch);
    free(look.fds);
    free(look.rows);
    return NULL;
}

/* What waits for its client gives up: called again and again while closing. */
static void hurry(struct kr_http *http, bool patient)
{
    double soon = kr_seconds() + 1;
    for (struct http_connection *c = http->connections; c; c = c->next) {
        if (c->phase == PHASE_IDLE || !patient)
            shutdown(c->fd, SHUT_RDWR);
        else if (c->phase == PHASE_HEADERS && (c->deadline == 0 || c->deadline > soon))
            c->deadline = soon;
        if (!patient && c->request)
            c->request->view.client_left = 1;
        if (!patient && c->stream)
            http_stream_abort(c->stream);
    }
}

/* Until no socket is open: stopping libmicrohttpd with a suspended connection would abort the process. */
void http_drain(struct kr_http *http)
{
    double until = kr_seconds() + http->config.close_seconds;
    pthread_mutex_lock(&http->lock);
    while (http->connections) {
        hurry(http, kr_seconds() < until);
        http_wait(&http->changed, &http->lock, 0.02);
    }
    pthread_mutex_unlock(&http->lock);
}
