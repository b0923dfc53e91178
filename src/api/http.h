/*
 * http: moves bytes between sockets and handlers. It knows nothing of what kriged does, and is the only part
 * that includes microhttpd.h.
 *
 * A request is read whole, checked, and given to one of a few request threads, which may block. A stream is
 * filled by one pump thread, through its pull function, only while less than KR_HTTP_STREAM_BUFFER bytes wait
 * to be sent. No callback runs under a lock of this layer. `self` of kr_http_open is handed to handler,
 * max_body, problem and log.
 */
#ifndef KRIGED_API_HTTP_H
#define KRIGED_API_HTTP_H

#include "kriged/base.h"

#define KR_HTTP_STREAM_BUFFER ((size_t)65536)
#define KR_HTTP_MAX_HEADERS   100 /* of a request */
#define KR_HTTP_MAX_SEGMENTS  16  /* of a path */
#define KR_HTTP_MAX_QUERY     32  /* query parameters */
#define KR_HTTP_REPLY_HEADERS 8   /* extra headers of a reply */

struct kr_http;
struct kr_http_stream;

struct kr_http_pair {
    const char *name;
    const char *value;
};

/* Belongs to the layer; valid until the handler returns. */
struct kr_http_request {
    const char *id; /* X-Request-Id of the client when well-formed, else generated */
    const char
        *method; /* "GET" for a HEAD too: `head` tells them apart, and the body of the reply is left out */
    bool head;
    const char *path;                           /* as sent, without the query */
    int segment_count;                          /* "/" has none, "/a/" has "a" and "" */
    const char *segments[KR_HTTP_MAX_SEGMENTS]; /* percent-decoded once, no NUL inside */
    int query_count;
    struct kr_http_pair query[KR_HTTP_MAX_QUERY]; /* decoded, in order, duplicates kept; no '=': value "" */
    int header_count;
    struct kr_http_pair headers[KR_HTTP_MAX_HEADERS];
    const char *body; /* never NULL; a NUL follows the last byte */
    size_t length;
    const char *peer;        /* numeric address of the client */
    _Atomic int client_left; /* becomes 1 when the client closed, or a shutdown lost its patience */
    struct kr_http *http;
};

const char *kr_http_query(const struct kr_http_request *request, const char *name);  /* first one, or NULL */
const char *kr_http_header(const struct kr_http_request *request, const char *name); /* first one, or NULL */

/* Zeroed before the handler runs; status 0 becomes 500. */
struct kr_http_reply {
    int status;
    const char *content_type; /* a constant, or NULL */
    char *body;               /* from malloc; taken */
    size_t length;
    int header_count;
    struct {
        const char *name; /* a constant */
        char *value;
    } headers[KR_HTTP_REPLY_HEADERS];
    struct kr_http_stream *stream; /* instead of a body; taken */
    bool close;                    /* end the connection after this reply */
};

/* Adds one header; false when the table is full or memory is short. */
bool kr_http_reply_header(struct kr_http_reply *reply, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills the reply with the problem document of `error`; Retry-After is added to a 429 and a 503. */
void kr_http_reply_problem(const struct kr_http_request *request, const struct kr_error *error,
                           struct kr_http_reply *reply);

typedef void kr_http_handler(void *self, struct kr_http_request *request, struct kr_http_reply *reply);

struct kr_http_config {
    const char *host;    /* "127.0.0.1" */
    int port;            /* 0 takes a free one */
    int pool_threads;    /* 2 */
    int request_threads; /* 8 */
    int queue;           /* 128 requests may wait for a request thread; one more gets 503 */
    int max_connections; /* 2048 */
    int max_streams;     /* 1000, and at most 3/4 of the connections */

    size_t body_limit;  /* 1 MiB: bytes of a body when max_body is NULL */
    size_t body_memory; /* bytes of all bodies together, 0 = no bound; above it 503 */
    /* Limit for one request, asked before the body is read, on a network thread: must be quick. `*required`
     * is true for POST, PUT and PATCH: a request without a body length is then refused with 411. */
    size_t (*max_body)(void *self, const char *method, const char *path, const char *content_type,
                       bool *required);

    double header_seconds;    /* 30, from the accept or from the request line to the last header */
    double body_seconds;      /* 300, from there to the last byte of the body; also for sending one reply */
    double idle_seconds;      /* 75 between requests, and for a reader that takes nothing */
    double heartbeat_seconds; /* 15 of silence on a stream */
    double close_seconds;     /* 8 for what is in flight when closing */

    bool loopback_hosts_only; /* Host must be 127.0.0.1, localhost or [::1], else 403 */

    /* A malloc'ed problem document (application/problem+json); must be quick. NULL: one line of plain text.
     */
    char *(*problem)(void *self, const struct kr_error *error, const char *request_id, size_t *length);
    /* One line without its end; must not block. NULL: standard error, when that does not block. */
    void (*log)(void *self, const char *line);
};

/* Zero members of the configuration take the defaults above. */
kr_status kr_http_open(struct kr_ctx *ctx, const struct kr_http_config *config, kr_http_handler *handler,
                       void *self, struct kr_http **http) KR_MUST_CHECK;
int kr_http_port(const struct kr_http *http);
bool kr_http_closing(const struct kr_http *http);
/* Stops accepting, lets requests in flight finish for close_seconds, ends the streams, joins every thread. A
 * handler that outlives that sees client_left and must return. NULL is fine. */
void kr_http_close(struct kr_http *http);

struct kr_http_counts {
    int connections, requests, queued, streams; /* now; requests includes the queued ones */
};
struct kr_http_counts kr_http_counts(struct kr_http *http);

/* What pull fills in; all zero means "nothing now, wake me". Some 64 KiB at most at a time is polite. */
struct kr_http_chunk {
    char *bytes; /* from malloc; taken */
    size_t length;
    bool end;     /* out: the stream ends after these bytes */
    bool closing; /* in: the server closes, these bytes are the last ones */
};

struct kr_http_stream_options {
    void (*pull)(void *self, struct kr_http_chunk *chunk); /* pump thread; again until it gives nothing */
    void (*closed)(void *self); /* pump thread, exactly once, after the last pull */
    void *self;
    const char *heartbeat; /* a constant: ": keep-alive\n\n" for server-sent events; NULL: "\n" */
};

/* For reply->stream. NULL when there are too many streams (answer with UNAVAILABLE) or the server closes:
 * `closed` is not called then. A stream in a reply that is never sent, or is the reply to a HEAD, only gets
 * its `closed`. */
struct kr_http_stream *kr_http_stream_new(struct kr_http *http, const struct kr_http_stream_options *options);
/* There may be something to pull. From any thread, under any lock of the caller that neither pull nor closed
 * needs to be released by another; no call may be running or begin once `closed` has returned. */
void kr_http_stream_wake(struct kr_http_stream *stream);

#endif
