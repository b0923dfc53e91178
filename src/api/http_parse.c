/*
 * Strict reading of a request's header lines. libmicrohttpd forgives what an attacker needs: bare LF line
 * ends, continuation lines, NUL bytes, two lengths. It parses in place, and writes a NUL over each CR, LF and
 * colon, so the lines can be walked again in its buffer: a line that ended in CR LF is followed by two NULs,
 * and the next one begins right after them, up to the end of the header block. Anything else was not strict
 * HTTP. One thing cannot be told any more: NUL LF, which has become the two NULs of CR LF.
 */
#include "api/http_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

kr_status http_refuse(struct kr_error *error, kr_status status, const char *format, ...)
{
    va_list arguments;
    memset(error, 0, sizeof *error);
    error->status = status;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof error->detail, format, arguments);
    va_end(arguments);
    return status;
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return length > 0;
}

static bool is_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

struct walk {
    struct http_request *request;
    struct kr_error *error;
    const char *at; /* where the next line has to begin */
    kr_status status;
};

static enum MHD_Result walk_header(void *self, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                   const char *value, size_t value_length)
{
    struct walk *walk = self;
    struct kr_http_request *view = &walk->request->view;
    (void)kind;
    if (name != walk->at || !value) {
        walk->status = http_refuse(walk->error, KR_BAD_REQUEST,
                                   "header lines must end in CR LF, without NUL bytes or continuation lines");
        return MHD_NO;
    }
    if (!is_token(name, name_length) || !is_value(value, value_length)) {
        walk->status =
            http_refuse(walk->error, KR_BAD_REQUEST,
                        "a header has a character that is not allowed, or a space before its colon");
        return MHD_NO;
    }
    if (view->header_count == KR_HTTP_MAX_HEADERS) {
        walk->status = http_refuse(walk->error, KR_HEADERS_TOO_LARGE, "at most %d headers are read",
                                   KR_HTTP_MAX_HEADERS);
        return MHD_NO;
    }
    view->headers[view->header_count].name = name;
    view->headers[view->header_count++].value = value;
    walk->at = value + value_length + 2;
    if (value[value_length + 1] != '\0') {
        walk->status = http_refuse(walk->error, KR_BAD_REQUEST, "header lines must end in CR LF");
        return MHD_NO;
    }
    return MHD_YES;
}

/* The view gets its own copy: the headers outlive what libmicrohttpd does with its buffer. */
static kr_status copy_headers(struct http_request *request, const char *first, const char *end,
                              struct kr_error *error)
{
    struct kr_http_request *view = &request->view;
    char *copy = malloc((size_t)(end - first) + 1);
    if (!copy) {
        view->header_count = 0;
        return http_refuse(error, KR_UNAVAILABLE, "out of memory");
    }
    memcpy(copy, first, (size_t)(end - first));
    request->headers = copy;
    for (int i = 0; i < view->header_count; i++) {
        char *value = copy + (view->headers[i].value - first);
        for (size_t n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
            value[n - 1] = '\0';
        view->headers[i].name = copy + (view->headers[i].name - first);
        view->headers[i].value = value;
    }
    return KR_OK;
}

static void take_request_id(struct http_request *request)
{
    const char *id = kr_http_header(&request->view, "X-Request-Id");
    size_t length = id ? strlen(id) : 0;
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (length > 0 && length <= 64 && strspn(id, allowed) == length)
        memcpy(request->id, id, length + 1);
}

kr_status http_read_headers(struct http_request *request, const char *method, const char *version,
                            struct kr_error *error)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *first = version + strlen(version) + 2;
    struct walk walk = {.request = request, .error = error, .at = first, .status = KR_OK};

    if (!info)
        return http_refuse(error, KR_INTERNAL, "the size of the headers is not known");
    if (!is_token(method, strlen(method)) || method + strlen(method) + 1 != request->raw_uri ||
        request->raw_uri + request->raw_length + 1 != version || version[strlen(version) + 1] != '\0')
        return http_refuse(error, KR_BAD_REQUEST,
                           "the request line must be a method, a target and a version, and end in CR LF");
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, walk_header, &walk);
    const char *end = method + info->header_size;
    if (walk.status == KR_OK && (walk.at + 2 != end || walk.at[0] != '\0' || walk.at[1] != '\0'))
        walk.status = http_refuse(error, KR_BAD_REQUEST,
                                  "header lines must end in CR LF, without NUL bytes or continuation lines");
    if (walk.status != KR_OK) {
        request->view.header_count = 0;
        return walk.status;
    }
    KR_TRY(copy_headers(request, first, end, error));
    take_request_id(request);
    return KR_OK;
}

static int count_headers(const struct http_request *request, const char *name)
{
    int count = 0;
    for (int i = 0; i < request->view.header_count; i++)
        count += strcasecmp(request->view.headers[i].name, name) == 0;
    return count;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits <= 5 && text[digits] == '\0';
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (strncasecmp(host, names[i], length) != 0)
            continue;
        if (host[length] == '\0' || (host[length] == ':' && is_port(host + length + 1)))
            return true;
    }
    return false;
}

kr_status http_check_host(const struct http_request *request, bool http11, bool loopback_only,
                          struct kr_error *error)
{
    const char *host = kr_http_header(&request->view, "Host");
    int count = count_headers(request, "Host");
    if (count > 1 || (http11 && count == 0))
        return http_refuse(error, KR_BAD_REQUEST, "a request needs one Host header, got %d", count);
    if (host && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~%:[]") !=
                    strlen(host))
        return http_refuse(error, KR_BAD_REQUEST, "the Host header is not a host and a port");
    if (loopback_only && !(host ? is_loopback(host) : !http11))
        return http_refuse(error, KR_FORBIDDEN,
                           "the Host must be 127.0.0.1, localhost or [::1] here, got \"%.200s\"", host);
    return KR_OK;
}

/* How long the body is. What is unclear is refused: a proxy in front may have read it the other way. */
kr_status http_read_framing(struct http_request *request, bool http11, struct kr_error *error)
{
    int lengths = count_headers(request, "Content-Length");
    int codings = count_headers(request, "Transfer-Encoding");
    /* libmicrohttpd's own, untrimmed value: it reads chunks only when that is the word and nothing else. */
    const char *coding = MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, "Transfer-Encoding");

    if (lengths > 0 && codings > 0)
        return http_refuse(error, KR_BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
    if (lengths > 1)
        return http_refuse(error, KR_BAD_REQUEST, "at most one Content-Length is allowed, got %d", lengths);
    if (codings > 1 || (codings == 1 && (!http11 || !coding || strcasecmp(coding, "chunked") != 0)))
        return http_refuse(error, KR_BAD_REQUEST, "the only Transfer-Encoding is chunked, once, in HTTP/1.1");
    request->chunked = codings == 1;
    request->has_length = lengths == 1;
    if (request->has_length) {
        const char *text = kr_http_header(&request->view, "Content-Length");
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 18 || text[digits] != '\0')
            return http_refuse(error, KR_BAD_REQUEST, "Content-Length must be a number, got \"%.40s\"", text);
        request->content_length = strtoull(text, NULL, 10);
    }
    return KR_OK;
}
