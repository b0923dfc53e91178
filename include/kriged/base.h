/*
 * base: what every layer stands on.
 *
 *   status   one table of errors: enum, slug, HTTP code and sentence in one row
 *   ctx      the first failure, an arena with a byte budget, cancellation, the number of threads
 *   rng      seeded random streams, the same numbers on every machine
 *
 * A kr_status says whether the work could be done. How an iteration ended is a fact in a report (enum
 * kr_stop), never an error.
 */
#ifndef KRIGED_BASE_H
#define KRIGED_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KR_VERSION "0.1.0"

/* S(enum suffix, slug of the problem type, HTTP code, title) */
#define KR_STATUS_TABLE(S)                                                                                   \
    S(OK, "ok", 200, "The work is done")                                                                     \
    S(BAD_REQUEST, "bad-request", 400, "The request is not valid HTTP")                                      \
    S(MALFORMED, "malformed", 400, "The body cannot be parsed")                                              \
    S(FORBIDDEN, "forbidden", 403, "The request is not allowed")                                             \
    S(NOT_FOUND, "not-found", 404, "There is no such thing")                                                 \
    S(METHOD_NOT_ALLOWED, "method-not-allowed", 405, "The method does not apply here")                       \
    S(NOT_ACCEPTABLE, "not-acceptable", 406, "None of the accepted media types can be sent")                 \
    S(TIMEOUT, "request-timeout", 408, "The request did not arrive in time")                                 \
    S(CONFLICT, "conflict", 409, "The request conflicts with what is stored")                                \
    S(CANCELLED, "cancelled", 409, "The work was cancelled")                                                 \
    S(LENGTH_REQUIRED, "length-required", 411, "The request needs a Content-Length")                         \
    S(TOO_LARGE, "too-large", 413, "The body is too large")                                                  \
    S(UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", 415, "The media type of the body is not supported")  \
    S(INVALID, "invalid", 422, "The request is well-formed but invalid")                                     \
    S(NOT_POSITIVE_DEFINITE, "not-positive-definite", 422, "The covariance matrix is not positive definite") \
    S(NOT_CONVERGED, "solver-not-converged", 422, "The linear solver did not reach its tolerance")           \
    S(NON_FINITE, "non-finite-loss", 422, "The loss or its gradient is not finite")                          \
    S(MEMORY_LIMIT, "memory-limit", 422, "The work needs more memory than it may use")                       \
    S(TIME_LIMIT, "time-limit", 422, "The work took longer than it may")                                     \
    S(TOO_MANY_REQUESTS, "too-many-requests", 429, "Too many requests")                                      \
    S(HEADERS_TOO_LARGE, "headers-too-large", 431, "The header fields are too large")                        \
    S(INTERNAL, "internal", 500, "The server failed")                                                        \
    S(UNAVAILABLE, "unavailable", 503, "The service cannot take this now")                                   \
    S(WORKER_DIED, "worker-died", 503, "The worker process of this evaluation ended")                        \
    S(STORAGE, "storage", 507, "The data could not be stored")

typedef enum kr_status {
#define KR_STATUS_ENUM(name, slug, http, title) KR_##name,
    KR_STATUS_TABLE(KR_STATUS_ENUM)
#undef KR_STATUS_ENUM
        KR_STATUS_COUNT
} kr_status;

#define KR_MUST_CHECK __attribute__((warn_unused_result))

/* Passes a failure up. The one way to propagate. */
#define KR_TRY(expression)                                                                                   \
    do {                                                                                                     \
        kr_status kr_try_status_ = (expression);                                                             \
        if (kr_try_status_ != KR_OK)                                                                         \
            return kr_try_status_;                                                                           \
    } while (0)

const char *kr_status_slug(kr_status status);
const char *kr_status_title(kr_status status);
int kr_status_http(kr_status status);
kr_status kr_status_from_slug(const char *slug); /* KR_INTERNAL for an unknown slug */

/* The first failure of a context. `pointer` is the JSON pointer of the culprit in the request ("" = all of
 * it). */
struct kr_error {
    kr_status status;
    char pointer[512];
    char detail[640]; /* what, got, wanted */
};

/*
 * One context per evaluation, request or command; not shared between threads, except that kr_cancel() may be
 * called from anywhere (a signal handler included).
 */
struct kr_ctx {
    struct kr_error error;
    int threads;                 /* OpenMP threads of the numerical layers; results never depend on it */
    _Atomic int cancelled;       /* set by kr_cancel, from anywhere */
    const struct kr_ctx *within; /* its cancellation and deadline count too; NULL = none */
    double deadline;             /* kr_seconds() at which kr_poll fails with TIME_LIMIT; 0 = none */
    size_t budget;               /* bytes the arena may hold; 0 = unlimited */
    size_t used, peak;           /* bytes in the arena now and at most so far */
    struct kr_chunk *chunks;
};

void kr_ctx_init(struct kr_ctx *ctx, size_t byte_budget);
void kr_ctx_fini(struct kr_ctx *ctx);

/* Records the first failure (later ones are kept out) and returns its status. */
kr_status kr_fail(struct kr_ctx *ctx, kr_status status, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5))) KR_MUST_CHECK;
void kr_ctx_clear_error(struct kr_ctx *ctx); /* after a caller dealt with a failure */

void kr_cancel(struct kr_ctx *ctx);
/* CANCELLED or TIME_LIMIT when due, else OK. Called once an iteration by every solver and once a tile row. */
kr_status kr_poll(struct kr_ctx *ctx) KR_MUST_CHECK;
bool kr_due(
    const struct kr_ctx *ctx); /* the same question without an error, for loops inside OpenMP regions */

/*
 * The arena. Memory is zeroed, aligned to 64 bytes, and lives until kr_release of an earlier mark or
 * kr_ctx_fini: nothing is freed one by one. NULL (with MEMORY_LIMIT recorded) when the budget or the machine
 * is exhausted.
 */
void *kr_alloc(struct kr_ctx *ctx, size_t count, size_t size);
char *kr_strdup(struct kr_ctx *ctx, const char *text);
char *kr_printf(struct kr_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct kr_mark {
    struct kr_chunk *chunk;
    size_t chunk_used, used;
};
struct kr_mark kr_mark(const struct kr_ctx *ctx);
void kr_release(struct kr_ctx *ctx, struct kr_mark mark);

/* pointer = arena memory for count elements, or return the failure. */
#define KR_ALLOC(ctx, pointer, count)                                                                        \
    do {                                                                                                     \
        (pointer) = kr_alloc((ctx), (count), sizeof *(pointer));                                             \
        if (!(pointer))                                                                                      \
            return (ctx)->error.status;                                                                      \
    } while (0)

void kr_blas_single_thread(
    void);               /* called by kr_ctx_init: BLAS runs on one thread inside our own parallel tiles */
int kr_thread(void);     /* number of the calling OpenMP thread */
double kr_seconds(void); /* monotonic clock, s */
size_t kr_memory(void);  /* bytes that this process may use: machine and cgroup limit */
int kr_cores(void);      /* cores that this process may use: affinity mask and cgroup quota, at least 1 */

/*
 * Seeded random streams: xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64 from (seed, stream), so
 * that draws for different purposes never share numbers. Not for secrets.
 */
struct kr_rng {
    uint64_t s[4];
};
void kr_rng_init(struct kr_rng *rng, uint64_t seed, uint64_t stream);
uint64_t kr_rng_next(struct kr_rng *rng);
double kr_rng_uniform(struct kr_rng *rng);             /* in [0, 1), 53 bits */
uint64_t kr_rng_below(struct kr_rng *rng, uint64_t n); /* in [0, n), unbiased; n > 0 */
double kr_rng_normal(struct kr_rng *rng);              /* standard normal, by Box and Muller */
double kr_rng_gamma(struct kr_rng *rng, double shape); /* Gamma(shape, scale 1), shape > 0 */
void kr_rng_shuffle(struct kr_rng *rng, size_t n, size_t *items);

#endif
