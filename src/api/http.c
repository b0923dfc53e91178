/*
 * Opening and closing the server: the listening socket, the table of connections, the threads, the log.
 */
#include "api/http_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void http_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void http_wait(pthread_cond_t *condition, pthread_mutex_t *lock, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(condition, lock, &until);
}

/* At most ten lines a second, and none that would block: a full pipe must not hang a network thread. */
static void log_line(struct kr_http *http, const char *line)
{
    pthread_mutex_lock(&http->log_lock);
    double second = kr_seconds();
    if (second - http->log_second > 1) {
        http->log_second = second;
        http->log_lines = 0;
    }
    bool quiet = ++http->log_lines > 10;
    pthread_mutex_unlock(&http->log_lock);
    if (quiet)
        return;
    if (http->config.log) {
        http->config.log(http->self, line);
        return;
    }
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
        dprintf(STDERR_FILENO, "%s\n", line);
}

void http_log(struct kr_http *http, const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log_line(http, line);
}

__attribute__((format(printf, 2, 0))) static void log_library(void *self, const char *format,
                                                              va_list arguments)
{
    char line[400];
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\r\n")] = '\0';
    log_line(self, line);
}

void http_set_phase(struct kr_http *http, struct http_connection *connection, enum http_phase phase,
                    double seconds)
{
    pthread_mutex_lock(&http->lock);
    connection->phase = phase;
    connection->deadline = kr_seconds() + seconds;
    pthread_mutex_unlock(&http->lock);
}

static void watch_socket(int fd)
{
    int on = 1, idle = 30, interval = 10, probes = 3;
    unsigned patience = 60000; /* ms that sent bytes may stay unacknowledged */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
}

static void connection_begins(struct kr_http *http, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = calloc(1, sizeof *connection);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (!connection || !info) {
        free(connection);
        return; /* requests on it find no row, and are closed */
    }
    connection->fd = info->connect_fd;
    connection->phase = PHASE_HEADERS;
    connection->deadline = kr_seconds() + http->config.header_seconds;
    if (getpeername(connection->fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, connection->peer, sizeof connection->peer, NULL, 0,
                    NI_NUMERICHOST) != 0)
        strcpy(connection->peer, "unknown");
    watch_socket(connection->fd);
    *context = connection;
    pthread_mutex_lock(&http->lock);
    connection->next = http->connections;
    if (connection->next)
        connection->next->previous = connection;
    http->connections = connection;
    http->connection_count++;
    pthread_mutex_unlock(&http->lock);
}

static void connection_ends(struct kr_http *http, struct http_connection *connection)
{
    if (!connection)
        return;
    pthread_mutex_lock(&http->lock);
    if (connection->stream)
        http_stream_detach(connection->stream);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        http->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    http->connection_count--;
    if (http->closing)
        pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    free(connection);
}

static void notify_connection(void *self, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begins(self, mhd, context);
    } else {
        connection_ends(self, *context);
        *context = NULL;
    }
}

static kr_status listen_on(struct kr_ctx *ctx, struct kr_http *http)
{
    const struct kr_http_config *config = &http->config;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char port[16];
    int on = 1;
    snprintf(port, sizeof port, "%d", config->port);
    int code = getaddrinfo(config->host, port, &hints, &found);
    if (code != 0)
        return kr_fail(ctx, KR_UNAVAILABLE, "", "cannot resolve %.200s: %s", config->host,
                       gai_strerror(code));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool fine = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 512) == 0 &&
                getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    int reason = errno;
    freeaddrinfo(found);
    if (!fine) {
        if (fd >= 0)
            close(fd);
        return kr_fail(ctx, KR_UNAVAILABLE, "", "cannot listen on %.200s port %d: %s", config->host,
                       config->port, strerror(reason));
    }
    http->listen_fd = fd;
    http->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                     : ((struct sockaddr_in *)&address)->sin_port);
    return KR_OK;
}

static void default_int(int *value, int standard)
{
    if (*value <= 0)
        *value = standard;
}

static void default_seconds(double *value, double standard)
{
    if (!(*value > 0))
        *value = standard;
}

static void fill_in(struct kr_http_config *config)
{
    if (!config->host)
        config->host = "127.0.0.1";
    default_int(&config->pool_threads, 2);
    default_int(&config->request_threads, 8);
    default_int(&config->queue, 128);
    default_int(&config->max_connections, 2048);
    if (config->max_connections < config->pool_threads)
        config->max_connections = config->pool_threads;
    default_int(&config->max_streams, 1000);
    if (config->max_streams > config->max_connections / 4 * 3)
        config->max_streams = config->max_connections / 4 * 3;
    if (config->body_limit == 0)
        config->body_limit = (size_t)1 << 20;
    default_seconds(&config->header_seconds, 30);
    default_seconds(&config->body_seconds, 300);
    default_seconds(&config->idle_seconds, 75);
    default_seconds(&config->heartbeat_seconds, 15);
    default_seconds(&config->close_seconds, 8);
}

/* Every thread starts with all signals blocked: they are for the main thread. */
static bool start_threads(struct kr_http *http)
{
    const struct kr_http_config *config = &http->config;
    /* The pool needs two members; a single thread is libmicrohttpd's default. */
    unsigned pool = config->pool_threads > 1 ? (unsigned)config->pool_threads : 0;
    unsigned silence = (unsigned)(config->idle_seconds < 1 ? 1 : config->idle_seconds);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < config->request_threads; i++)
        if (pthread_create(&http->threads[http->thread_count], NULL, http_request_thread, http) == 0)
            http->thread_count++;
    http->has_pump = pthread_create(&http->pump, NULL, http_pump_thread, http) == 0;
    http->has_watchdog = pthread_create(&http->watchdog, NULL, http_watch_thread, http) == 0;
    if (http->thread_count == config->request_threads && http->has_pump && http->has_watchdog)
        http->daemon = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
            NULL, NULL, http_access, http, MHD_OPTION_EXTERNAL_LOGGER, log_library, http,
            MHD_OPTION_LISTEN_SOCKET, http->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, pool,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->max_connections,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_CONNECTION_TIMEOUT, silence,
            MHD_OPTION_NOTIFY_CONNECTION, notify_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
            http_completed, http, MHD_OPTION_URI_LOG_CALLBACK, http_request_line, http,
            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return http->daemon != NULL;
}

static void stop_threads(struct kr_http *http)
{
    pthread_mutex_lock(&http->queue_lock);
    http->queue_stop = true;
    pthread_cond_broadcast(&http->queue_ready);
    pthread_mutex_unlock(&http->queue_lock);
    for (int i = 0; i < http->thread_count; i++)
        pthread_join(http->threads[i], NULL);
    pthread_mutex_lock(&http->pump_lock);
    http->pump_stop = true;
    pthread_cond_broadcast(&http->pump_ready);
    pthread_mutex_unlock(&http->pump_lock);
    if (http->has_pump)
        pthread_join(http->pump, NULL);
    pthread_mutex_lock(&http->lock);
    http->stop = true;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    if (http->has_watchdog)
        pthread_join(http->watchdog, NULL);
}

static void free_http(struct kr_http *http)
{
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    pthread_cond_destroy(&http->changed);
    pthread_cond_destroy(&http->queue_ready);
    pthread_cond_destroy(&http->pump_ready);
    pthread_mutex_destroy(&http->lock);
    pthread_mutex_destroy(&http->queue_lock);
    pthread_mutex_destroy(&http->pump_lock);
    pthread_mutex_destroy(&http->log_lock);
    free(http->queue);
    free(http->threads);
    free(http);
}

static struct kr_http *new_http(const struct kr_http_config *config)
{
    struct kr_http *http = calloc(1, sizeof *http);
    if (!http)
        return NULL;
    http->config = *config;
    fill_in(&http->config);
    http->listen_fd = -1;
    if (getrandom(&http->id_prefix, sizeof http->id_prefix, GRND_NONBLOCK) != (ssize_t)sizeof http->id_prefix)
        http->id_prefix = (uint32_t)time(NULL);
    pthread_mutex_init(&http->lock, NULL);
    pthread_mutex_init(&http->queue_lock, NULL);
    pthread_mutex_init(&http->pump_lock, NULL);
    pthread_mutex_init(&http->log_lock, NULL);
    http_cond_init(&http->changed);
    http_cond_init(&http->queue_ready);
    http_cond_init(&http->pump_ready);
    http->queue = calloc((size_t)http->config.queue, sizeof *http->queue);
    http->threads = calloc((size_t)http->config.request_threads, sizeof *http->threads);
    if (!http->queue || !http->threads) {
        free_http(http);
        return NULL;
    }
    return http;
}

kr_status kr_http_open(struct kr_ctx *ctx, const struct kr_http_config *config, kr_http_handler *handler,
                       void *self, struct kr_http **out)
{
    *out = NULL;
    struct kr_http *http = new_http(config);
    if (!http)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "out of memory for the HTTP server");
    http->handler = handler;
    http->self = self;
    kr_status status = listen_on(ctx, http);
    if (status != KR_OK) {
        free_http(http);
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!start_threads(http)) {
        stop_threads(http);
        free_http(http);
        return kr_fail(ctx, KR_UNAVAILABLE, "", "cannot start the threads of the HTTP server");
    }
    *out = http;
    return KR_OK;
}

int kr_http_port(const struct kr_http *http)
{
    return http->port;
}

bool kr_http_closing(const struct kr_http *http)
{
    return http->closing;
}

struct kr_http_counts kr_http_counts(struct kr_http *http)
{
    struct kr_http_counts counts;
    pthread_mutex_lock(&http->lock);
    counts.connections = http->connection_count;
    counts.requests = http->request_count;
    pthread_mutex_unlock(&http->lock);
    pthread_mutex_lock(&http->queue_lock);
    counts.queued = http->queue_count;
    pthread_mutex_unlock(&http->queue_lock);
    pthread_mutex_lock(&http->pump_lock);
    counts.streams = http->stream_count;
    pthread_mutex_unlock(&http->pump_lock);
    return counts;
}

void kr_http_close(struct kr_http *http)
{
    if (!http)
        return;
    MHD_quiesce_daemon(http->daemon);
    http->closing = 1;
    shutdown(http->listen_fd, SHUT_RDWR); /* refuse what would wait in the backlog */
    http_streams_wake(http);
    http_drain(http);
    MHD_stop_daemon(http->daemon);
    stop_threads(http);
    free_http(http);
}
