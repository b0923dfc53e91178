/*
 * The context: first failure, arena, cancellation.
 *
 * The arena is a list of chunks, newest first; a request that does not fit gets a chunk of its own size. A
 * mark remembers the newest chunk and how full it was, so a release frees the chunks made since. Large blocks
 * therefore go back to the system at once, and a tuning loop that marks and releases each evaluation keeps a
 * flat footprint.
 */
#include "kriged/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ALIGNMENT = 64, CHUNK_BYTES = 256 * 1024 };

struct kr_chunk {
    struct kr_chunk *next;
    size_t size, used;
    char *data;
};

void kr_ctx_init(struct kr_ctx *ctx, size_t byte_budget)
{
    kr_blas_single_thread();
    memset(ctx, 0, sizeof *ctx);
    ctx->threads = 1;
    ctx->budget = byte_budget;
}

static void free_chunk(struct kr_ctx *ctx)
{
    struct kr_chunk *chunk = ctx->chunks;
    ctx->chunks = chunk->next;
    free(chunk->data);
    free(chunk);
}

void kr_ctx_fini(struct kr_ctx *ctx)
{
    while (ctx->chunks)
        free_chunk(ctx);
    ctx->used = 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

kr_status kr_fail(struct kr_ctx *ctx, kr_status status, const char *pointer, const char *format, ...)
{
    if (ctx->error.status != KR_OK)
        return ctx->error.status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ctx->error.detail, sizeof ctx->error.detail, format, arguments);
    va_end(arguments);
    copy_text(ctx->error.pointer, sizeof ctx->error.pointer, pointer);
    return ctx->error.status = status;
}

void kr_ctx_clear_error(struct kr_ctx *ctx)
{
    memset(&ctx->error, 0, sizeof ctx->error);
}

void kr_cancel(struct kr_ctx *ctx)
{
    ctx->cancelled = 1;
}

bool kr_due(const struct kr_ctx *ctx)
{
    return ctx->cancelled || (ctx->deadline > 0 && kr_seconds() > ctx->deadline) ||
           (ctx->within && kr_due(ctx->within));
}

kr_status kr_poll(struct kr_ctx *ctx)
{
    const struct kr_ctx *within = ctx->within;
    if (ctx->cancelled || (within && within->cancelled))
        return kr_fail(ctx, KR_CANCELLED, "", "the work was cancelled");
    if (kr_due(ctx))
        return kr_fail(ctx, KR_TIME_LIMIT, "", "the work did not end within its time limit");
    return KR_OK;
}

static struct kr_chunk *new_chunk(size_t size)
{
    struct kr_chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->size = size;
    chunk->data = aligned_alloc(ALIGNMENT, size);
    if (!chunk->data) {
        free(chunk);
        return NULL;
    }
    return chunk;
}

void *kr_alloc(struct kr_ctx *ctx, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        (void)!kr_fail(ctx, KR_MEMORY_LIMIT, "", "%zu elements of %zu bytes cannot be addressed", count,
                       size);
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (bytes == 0)
        bytes = ALIGNMENT;
    struct kr_chunk *chunk = ctx->chunks;
    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t wanted = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
        if (ctx->budget && (ctx->used > ctx->budget || wanted > ctx->budget - ctx->used)) {
            (void)!kr_fail(ctx, KR_MEMORY_LIMIT, "",
                           "%zu bytes more than the %zu in use do not fit the limit of %zu bytes", bytes,
                           ctx->used, ctx->budget);
            return NULL;
        }
        struct kr_chunk *fresh = new_chunk(wanted);
        if (!fresh) {
            (void)!kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no %zu bytes left", wanted);
            return NULL;
        }
        fresh->next = chunk;
        ctx->chunks = chunk = fresh;
        ctx->used += wanted;
        if (ctx->used > ctx->peak)
            ctx->peak = ctx->used;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += bytes;
    return memset(memory, 0, bytes);
}

char *kr_strdup(struct kr_ctx *ctx, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kr_alloc(ctx, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

char *kr_printf(struct kr_ctx *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = kr_alloc(ctx, (size_t)length + 1, 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

struct kr_mark kr_mark(const struct kr_ctx *ctx)
{
    struct kr_chunk *chunk = ctx->chunks;
    return (struct kr_mark){chunk, chunk ? chunk->used : 0, ctx->used};
}

void kr_release(struct kr_ctx *ctx, struct kr_mark mark)
{
    while (ctx->chunks != mark.chunk)
        free_chunk(ctx);
    if (ctx->chunks)
        ctx->chunks->used = mark.chunk_used;
    ctx->used = mark.used;
}

double kr_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
