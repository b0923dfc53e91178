/*
 * The request target: path and query, percent-decoded once. The raw path stays beside the decoded segments,
 * so that
 * "%2F" never becomes a separator.
 */
#include "api/http_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *kr_http_query(const struct kr_http_request *request, const char *name)
{
    for (int i = 0; i < request->query_count; i++)
        if (strcmp(request->query[i].name, name) == 0)
            return request->query[i].value;
    return NULL;
}

const char *kr_http_header(const struct kr_http_request *request, const char *name)
{
    for (int i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static kr_status decode(char *text, bool plus, struct kr_error *error)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in == '%') {
            int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0 || high * 16 + low == 0)
                return http_refuse(error, KR_BAD_REQUEST,
                                   "a %% in the target needs two hexadecimal digits, and not 00");
            *out++ = (char)(high * 16 + low);
            in += 2;
        } else {
            *out++ = plus && *in == '+' ? ' ' : *in;
        }
    }
    *out = '\0';
    return KR_OK;
}

static kr_status split_query(struct kr_http_request *view, char *query, struct kr_error *error)
{
    while (query) {
        char *pair = strsep(&query, "&");
        if (!*pair)
            continue;
        if (view->query_count == KR_HTTP_MAX_QUERY)
            return http_refuse(error, KR_BAD_REQUEST, "at most %d query parameters are read",
                               KR_HTTP_MAX_QUERY);
        char *equals = strchr(pair, '=');
        if (equals)
            *equals++ = '\0';
        KR_TRY(decode(pair, true, error));
        if (equals)
            KR_TRY(decode(equals, true, error));
        view->query[view->query_count].name = pair;
        view->query[view->query_count++].value = equals ? equals : "";
    }
    return KR_OK;
}

static kr_status split_path(struct kr_http_request *view, char *path, struct kr_error *error)
{
    while (path) {
        char *segment = strsep(&path, "/");
        if (view->segment_count == KR_HTTP_MAX_SEGMENTS)
            return http_refuse(error, KR_NOT_FOUND, "no path here has more than %d segments",
                               KR_HTTP_MAX_SEGMENTS);
        KR_TRY(decode(segment, false, error));
        view->segments[view->segment_count++] = segment;
    }
    return KR_OK;
}

/* "http://host/path" is the form for proxies: its host has to be the Host header's, which was checked. */
static char *strip_authority(const struct http_request *request, char *target)
{
    const char *host = kr_http_header(&request->view, "Host");
    size_t length;
    if (strncasecmp(target, "http://", 7) != 0)
        return target;
    target += 7;
    length = strcspn(target, "/?");
    if (!host || strlen(host) != length || strncasecmp(host, target, length) != 0)
        return NULL;
    return target + length;
}

kr_status http_read_target(struct http_request *request, struct kr_error *error)
{
    struct kr_http_request *view = &request->view;
    char *target = request->target;
    for (const char *c = target; *c; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '#')
            return http_refuse(error, KR_BAD_REQUEST, "the target has a character that must be escaped");
    if (strcmp(target, "*") == 0)
        return KR_OK;
    target = strip_authority(request, target);
    if (!target)
        return http_refuse(error, KR_BAD_REQUEST, "the host in the target is not that of the Host header");
    if (*target != '/' && !(target > request->target && (*target == '\0' || *target == '?')))
        return http_refuse(error, KR_BAD_REQUEST, "the target must begin with a slash");

    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    request->path = strdup(*target ? target : "/");
    if (!request->path)
        return http_refuse(error, KR_UNAVAILABLE, "out of memory");
    view->path = request->path;
    if (*target && target[1])
        KR_TRY(split_path(view, target + 1, error));
    return split_query(view, query, error);
}
