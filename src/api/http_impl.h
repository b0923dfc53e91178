/*
 * What the http_*.c files share. Not for others.
 *
 * Lock order, outermost first:
 *   http->lock        the table of connections, their phases and deadlines, body bytes
 *   http->pump_lock   the list of streams and the pump's queue
 *   stream->lock      one stream's buffer, and whether its connection is suspended
 *   locks inside libmicrohttpd (suspend, resume)
 * http->queue_lock (requests that wait for a thread) is taken with no other lock held, and only a suspend
 * happens under it. libmicrohttpd holds a lock of its own, that of one response, when it calls the content
 * reader: nothing here takes that one. It calls nothing back while it holds the locks of suspend and resume.
 */
#ifndef KRIGED_API_HTTP_IMPL_H
#define KRIGED_API_HTTP_IMPL_H

#include "api/http.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>

enum http_phase { PHASE_IDLE, PHASE_HEADERS, PHASE_BODY, PHASE_BUSY, PHASE_REPLY, PHASE_STREAM };

/* One row for every open socket, from its accept until just before libmicrohttpd closes the descriptor. */
struct http_connection {
    struct http_connection *next, *previous;
    int fd;
    enum http_phase phase;
    double deadline; /* kr_seconds(); 0 = none */
    struct http_request *request;
    struct kr_http_stream *stream;
    char peer[INET6_ADDRSTRLEN];
};

enum http_state { STATE_LINE, STATE_BODY, STATE_QUEUED, STATE_REPLIED, STATE_SENT };

struct http_request {
    struct kr_http_request view;
    struct kr_http_reply reply;
    enum http_state state;
    struct MHD_Connection *mhd;
    struct http_connection *connection;
    const char *raw_uri; /* where the target lay in libmicrohttpd's buffer: an address to compare with */
    size_t raw_length;
    char *target;  /* copy of the target, split and decoded in place */
    char *path;    /* copy of the path */
    char *headers; /* copy of the header lines */
    char id[65];
    char *body;
    size_t capacity, limit;
    bool chunked, has_length;
    uint64_t content_length;
    uint64_t swallowed;      /* bytes of a chunked body read after it was refused */
    struct kr_error refused; /* why, when the whole body has to pass first */
};

struct kr_http {
    struct kr_http_config config;
    kr_http_handler *handler;
    void *self;
    struct MHD_Daemon *daemon;
    int listen_fd, port;
    _Atomic int closing;
    uint32_t id_prefix;
    uint64_t id_counter;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a connection went, or the watchdog should look at `stop` */
    struct http_connection *connections;
    int connection_count, request_count;
    size_t body_bytes;
    bool stop; /* the watchdog */
    int linger_fds[64];
    double linger_until[64];
    int linger_count;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_ready;
    struct http_request **queue;
    int queue_first, queue_count;
    bool queue_stop;

    pthread_mutex_t pump_lock;
    pthread_cond_t pump_ready;
    struct kr_http_stream *streams, *pump_first, *pump_last;
    int stream_count;
    bool pump_stop;

    pthread_mutex_t log_lock; /* a leaf: libmicrohttpd may log from anywhere */
    double log_second;        /* begin of the second that log_lines counts; see http_log */
    int log_lines;

    pthread_t watchdog, pump, *threads;
    int thread_count;
    bool has_watchdog, has_pump;
};

#define HTTP_LOOK_SECONDS 0.1 /* between two looks of the watchdog */

/* http.c */
void http_cond_init(pthread_cond_t *condition);
void http_wait(pthread_cond_t *condition, pthread_mutex_t *lock, double seconds);
void http_log(struct kr_http *http, const char *format, ...) __attribute__((format(printf, 2, 3)));
void http_set_phase(struct kr_http *http, struct http_connection *connection, enum http_phase phase,
                    double seconds);

/* http_parse.c */
kr_status http_refuse(struct kr_error *error, kr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
kr_status http_read_headers(struct http_request *request, const char *method, const char *version,
                            struct kr_error *error);
kr_status http_check_host(const struct http_request *request, bool http11, bool loopback_only,
                          struct kr_error *error);
kr_status http_read_framing(struct http_request *request, bool http11, struct kr_error *error);

/* http_target.c */
kr_status http_read_target(struct http_request *request, struct kr_error *error);

/* http_request.c */
void *http_request_line(void *http, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_access(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                            const char *version, const char *data, size_t *size, void **context);
void http_completed(void *http, struct MHD_Connection *mhd, void **context,
                    enum MHD_RequestTerminationCode how);
void *http_request_thread(void *http);

/* http_reply.c */
enum MHD_Result http_send(struct kr_http *http, struct http_request *request);
void http_reply_fini(struct kr_http_reply *reply);

/* http_stream.c */
struct MHD_Response *http_stream_response(struct kr_http_stream *stream);
void http_stream_attach(struct kr_http_stream *stream, struct MHD_Connection *mhd,
                        struct http_connection *connection);
void http_stream_open(struct kr_http_stream *stream);
void http_stream_detach(struct kr_http_stream *stream); /* its connection's row goes; under http->lock */
void http_stream_abort(struct kr_http_stream *stream);  /* the client left; under http->lock */
void http_stream_release(void *stream);
void http_streams_wake(struct kr_http *http);
void *http_pump_thread(void *http);

/* http_watch.c */
void http_linger(struct kr_http *http, int fd);
void *http_watch_thread(void *http);
void http_drain(struct kr_http *http);

#endif
