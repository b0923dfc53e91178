/*
 * Streams. The pump thread fills a stream's buffer; libmicrohttpd's threads only copy out of it, and suspend
 * the connection, under the stream's lock, when it is empty. Whoever changes that state resumes it, under the
 * same lock, so that no wake is lost and no suspended connection is resumed twice.
 *
 * A stream is freed by the pump only: after its connection let go of it (released), and after closed().
 */
#include "api/http_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct kr_http_stream {
    struct kr_http *http;
    struct kr_http_stream_options options;

    /* under http->lock */
    struct http_connection *connection;

    /* under http->pump_lock */
    struct kr_http_stream *next, *previous; /* all streams */
    struct kr_http_stream *queue_next;      /* those to be pumped */
    bool queued;

    pthread_mutex_t lock;
    struct MHD_Connection *mhd;
    bool opened, ended, gone, released, suspended, starved;
    char *buffer;
    size_t start, end, capacity;
    double last; /* when bytes were added */
};

struct kr_http_stream *kr_http_stream_new(struct kr_http *http, const struct kr_http_stream_options *options)
{
    struct kr_http_stream *stream = calloc(1, sizeof *stream);
    bool room;
    if (!stream)
        return NULL;
    stream->http = http;
    stream->options = *options;
    if (!stream->options.heartbeat)
        stream->options.heartbeat = "\n";
    stream->last = kr_seconds();
    pthread_mutex_init(&stream->lock, NULL);

    pthread_mutex_lock(&http->pump_lock);
    room = http->stream_count < http->config.max_streams && !http->closing;
    if (room) {
        http->stream_count++;
        stream->next = http->streams;
        if (stream->next)
            stream->next->previous = stream;
        http->streams = stream;
    }
    pthread_mutex_unlock(&http->pump_lock);
    if (!room) {
        pthread_mutex_destroy(&stream->lock);
        free(stream);
        return NULL;
    }
    return stream;
}

static void queue_stream(struct kr_http *http, struct kr_http_stream *stream)
{
    if (stream->queued)
        return;
    stream->queued = true;
    stream->queue_next = NULL;
    if (http->pump_last)
        http->pump_last->queue_next = stream;
    else
        http->pump_first = stream;
    http->pump_last = stream;
    pthread_cond_signal(&http->pump_ready);
}

void kr_http_stream_wake(struct kr_http_stream *stream)
{
    pthread_mutex_lock(&stream->http->pump_lock);
    queue_stream(stream->http, stream);
    pthread_mutex_unlock(&stream->http->pump_lock);
}

void http_streams_wake(struct kr_http *http)
{
    pthread_mutex_lock(&http->pump_lock);
    for (struct kr_http_stream *stream = http->streams; stream; stream = stream->next)
        queue_stream(http, stream);
    pthread_mutex_unlock(&http->pump_lock);
}

/* Under the stream's lock. */
static void resume(struct kr_http_stream *stream)
{
    if (stream->suspended && (stream->start < stream->end || stream->ended || stream->gone)) {
        stream->suspended = false;
        MHD_resume_connection(stream->mhd);
    }
}

/*
 * Ends a stream whose client must see that it is not complete. Told of an error, libmicrohttpd 0.9.75 would
 * close the connection but forget it outside its lists until its silence times out: so the socket is cut, and
 * the end of the chunks then fails to be sent, which it handles.
 */
static ssize_t cut(struct kr_http_stream *stream)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(stream->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    shutdown(info->connect_fd, SHUT_RDWR);
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t stream_read(void *self, uint64_t position, char *out, size_t most)
{
    struct kr_http_stream *stream = self;
    size_t waiting;
    ssize_t result = 0;
    bool wake = false;
    (void)position;
    pthread_mutex_lock(&stream->lock);
    waiting = stream->end - stream->start;
    if (stream->gone) {
        result = cut(stream);
    } else if (waiting > 0) {
        result = (ssize_t)(waiting < most ? waiting : most);
        memcpy(out, stream->buffer + stream->start, (size_t)result);
        stream->start += (size_t)result;
        wake = stream->starved && waiting - (size_t)result < KR_HTTP_STREAM_BUFFER / 2;
        stream->starved &= !wake;
        if (stream->start == stream->end && stream->capacity > 16384) { /* idle streams stay small */
            free(stream->buffer);
            stream->buffer = NULL;
            stream->start = stream->end = stream->capacity = 0;
        }
    } else if (stream->ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->mhd);
    }
    pthread_mutex_unlock(&stream->lock);
    if (wake)
        kr_http_stream_wake(stream);
    return result;
}

struct MHD_Response *http_stream_response(struct kr_http_stream *stream)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, stream_read, stream,
                                             http_stream_release);
}

/* Before the response is queued: from then on the reader may run. */
void http_stream_attach(struct kr_http_stream *stream, struct MHD_Connection *mhd,
                        struct http_connection *connection)
{
    struct kr_http *http = stream->http;
    pthread_mutex_lock(&http->lock);
    connection->phase = PHASE_STREAM;
    connection->deadline = 0;
    connection->stream = stream;
    stream->connection = connection;
    pthread_mutex_unlock(&http->lock);
    pthread_mutex_lock(&stream->lock);
    stream->mhd = mhd;
    stream->opened = true;
    pthread_mutex_unlock(&stream->lock);
    kr_http_stream_wake(stream);
}

void http_stream_detach(struct kr_http_stream *stream)
{
    stream->connection = NULL;
}

void http_stream_abort(struct kr_http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    resume(stream);
    pthread_mutex_unlock(&stream->lock);
}

/* The response is destroyed, or the reply never sent: nothing reads any more. */
void http_stream_release(void *self)
{
    struct kr_http_stream *stream = self;
    struct kr_http *http = stream->http;
    pthread_mutex_lock(&http->lock);
    if (stream->connection)
        stream->connection->stream = NULL;
    stream->connection = NULL;
    pthread_mutex_unlock(&http->lock);
    pthread_mutex_lock(&http->pump_lock);
    pthread_mutex_lock(&stream->lock);
    stream->released = true;
    pthread_mutex_unlock(&stream->lock);
    queue_stream(http, stream);
    pthread_mutex_unlock(&http->pump_lock);
}

/* Under the stream's lock. False when memory is short. */
static bool append(struct kr_http_stream *stream, const char *bytes, size_t length)
{
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    if (stream->capacity - stream->end < length && stream->start > 0) {
        memmove(stream->buffer, stream->buffer + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    if (stream->capacity - stream->end < length) {
        size_t capacity = stream->capacity ? 2 * stream->capacity : 1024;
        if (capacity < stream->end + length)
            capacity = stream->end + length;
        char *buffer = realloc(stream->buffer, capacity);
        if (!buffer)
            return false;
        stream->buffer = buffer;
        stream->capacity = capacity;
    }
    memcpy(stream->buffer + stream->end, bytes, length);
    stream->end += length;
    stream->last = kr_seconds();
    return true;
}

static void destroy(struct kr_http *http, struct kr_http_stream *stream)
{
    if (stream->options.closed)
        stream->options.closed(stream->options.self);
    pthread_mutex_lock(&http->pump_lock);
    if (stream->queued) { /* woken once more meanwhile */
        struct kr_http_stream **link = &http->pump_first, *last = NULL;
        while (*link != stream) {
            last = *link;
            link = &(*link)->queue_next;
        }
        *link = stream->queue_next;
        if (http->pump_last == stream)
            http->pump_last = last;
    }
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        http->streams = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    http->stream_count--;
    pthread_mutex_unlock(&http->pump_lock);
    pthread_mutex_destroy(&stream->lock);
    free(stream->buffer);
    free(stream);
}

/* One pull; false when there was nothing, no room, or no more to come. */
static bool pull_once(struct kr_http *http, struct kr_http_stream *stream)
{
    struct kr_http_chunk chunk = {.closing = http->closing};
    bool more;
    pthread_mutex_lock(&stream->lock);
    bool full = stream->end - stream->start >= KR_HTTP_STREAM_BUFFER && !chunk.closing;
    bool over = !stream->opened || stream->ended || stream->gone || stream->released;
    stream->starved = full;
    pthread_mutex_unlock(&stream->lock);
    if (full || over)
        return false;

    stream->options.pull(stream->options.self, &chunk);
    pthread_mutex_lock(&stream->lock);
    if (chunk.length > 0 && !append(stream, chunk.bytes, chunk.length))
        stream->gone = true; /* a hole in a stream would be worse than its end */
    stream->ended |= chunk.end || chunk.closing;
    more = chunk.length > 0 && !stream->ended && !stream->gone;
    resume(stream);
    pthread_mutex_unlock(&stream->lock);
    free(chunk.bytes);
    return more;
}

static void pump(struct kr_http *http, struct kr_http_stream *stream)
{
    const char *heartbeat = stream->options.heartbeat;
    bool released;
    while (pull_once(http, stream)) {
    }
    pthread_mutex_lock(&stream->lock);
    released = stream->released;
    if (stream->opened && !released && !stream->ended && !stream->gone && stream->start == stream->end &&
        kr_seconds() - stream->last >= http->config.heartbeat_seconds) {
        append(stream, heartbeat, strlen(heartbeat));
        resume(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    if (released)
        destroy(http, stream);
}

/* Under http->pump_lock: queues the streams that were silent too long. */
static void queue_silent(struct kr_http *http)
{
    double since = kr_seconds() - http->config.heartbeat_seconds;
    for (struct kr_http_stream *stream = http->streams; stream; stream = stream->next) {
        pthread_mutex_lock(&stream->lock);
        bool silent = stream->opened && stream->last <= since && stream->start == stream->end;
        pthread_mutex_unlock(&stream->lock);
        if (silent)
            queue_stream(http, stream);
    }
}

void *http_pump_thread(void *self)
{
    struct kr_http *http = self;
    double period = http->config.heartbeat_seconds / 8, next = 0;
    if (period > 1)
        period = 1;
    pthread_mutex_lock(&http->pump_lock);
    while (!http->pump_stop || http->streams) {
        struct kr_http_stream *stream = http->pump_first;
        if (stream) {
            http->pump_first = stream->queue_next;
            if (!http->pump_first)
                http->pump_last = NULL;
            stream->queued = false;
            pthread_mutex_unlock(&http->pump_lock);
            pump(http, stream);
            pthread_mutex_lock(&http->pump_lock);
        } else {
            http_wait(&http->pump_ready, &http->pump_lock, period);
        }
        if (kr_seconds() >= next) {
            queue_silent(http);
            next = kr_seconds() + period;
        }
    }
    pthread_mutex_unlock(&http->pump_lock);
    return NULL;
}
