/*
 * The checks that every route has, in this order: path, method, query parameters, media types of body and
 * reply. Then the handler; its failure becomes a problem document.
 */
#include "api/dispatch.h"
#include "api/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { UNASKED_BODY = 4096 /* bytes that are read and left alone where no body is wanted */ };

/* Does the pattern "/v1/datasets/{name}" fit these segments? */
static bool fits(const char *pattern, const char *const *segments, int count,
                 const char *params[KR_MAX_PARAMS])
{
    int nparams = 0;
    if (strcmp(pattern, "/") == 0)
        return count == 0;
    for (int i = 0; *pattern; i++) {
        const size_t length = strcspn(++pattern, "/");
        if (i == count || !segments[i][0])
            return false;
        if (*pattern == '{')
            params[nparams++] = segments[i];
        else if (strlen(segments[i]) != length || strncmp(segments[i], pattern, length) != 0)
            return false;
        pattern += length;
        if (!*pattern)
            return i + 1 == count;
    }
    return false;
}

const struct kr_route *kr_route_find(const char *method, const char *const *segments, int count,
                                     const char *params[KR_MAX_PARAMS], char **allow)
{
    *allow = NULL;
    for (const struct kr_route *route = kr_routes; route->method; route++) {
        if (!fits(route->path, segments, count, params))
            continue;
        if (strcmp(route->method, method) == 0) {
            free(*allow);
            *allow = NULL;
            return route;
        }
        char *longer;
        const char *head = strcmp(route->method, "GET") == 0 ? ", HEAD" : "";
        if (asprintf(&longer, "%s%s%s%s", *allow ? *allow : "", *allow ? ", " : "", route->method, head) < 0)
            break;
        free(*allow);
        *allow = longer;
    }
    return NULL;
}

static kr_status check_query(struct kr_exchange *x)
{
    const struct kr_http_request *request = x->request;
    for (int i = 0; i < request->query_count; i++) {
        const char *name = request->query[i].name;
        const struct kr_query_row *row = x->route->queries;
        while (row && row->name && strcmp(row->name, name) != 0)
            row++;
        if (!row || !row->name)
            return kr_fail(x->ctx, KR_INVALID, kr_printf(x->ctx, "/%.60s", name),
                           "is not a query parameter of %s %s", x->route->method, x->route->path);
        for (int j = 0; j < i; j++)
            if (strcmp(request->query[j].name, name) == 0)
                return kr_fail(x->ctx, KR_INVALID, kr_printf(x->ctx, "/%.60s", name),
                               "is given twice in the query");
    }
    return KR_OK;
}

/* Finds the body's row; a body without a Content-Type is of the first one. */
static kr_status check_media(struct kr_exchange *x)
{
    const char *type = kr_http_header(x->request, "Content-Type"),
               *encoding = kr_http_header(x->request, "Content-Encoding");
    const struct kr_body_row *body = x->route->bodies;
    char known[160] = "";
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return kr_fail(x->ctx, KR_UNSUPPORTED_MEDIA_TYPE, "",
                       "Content-Encoding must be identity, got \"%.60s\"", encoding);
    if (!body)
        return KR_OK;
    for (; body->media; body++) {
        if (!type || kr_media_is(type, body->media))
            return x->media = body->media, KR_OK;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? " or " : "",
                 body->media);
    }
    return kr_fail(x->ctx, KR_UNSUPPORTED_MEDIA_TYPE, "", "Content-Type must be %s, got \"%.80s\"", known,
                   type);
}

static kr_status check_accept(struct kr_exchange *x)
{
    const char *accept = kr_http_header(x->request, "Accept");
    bool any = false;
    for (const struct kr_reply_row *reply = x->route->replies; reply->status; reply++) {
        any |= reply->media != NULL;
        if (reply->media && kr_accepts(accept, reply->media) > 0)
            return KR_OK;
    }
    return any ? kr_fail(x->ctx, KR_NOT_ACCEPTABLE, "", "none of the reply's media types is in Accept: %.80s",
                         accept)
               : KR_OK;
}

static kr_status handle(struct kr_exchange *x)
{
    struct kr_http_request *request = x->request;
    char *allow;
    x->route = kr_route_find(request->method, request->segments, request->segment_count, x->params, &allow);
    if (!x->route && allow) {
        kr_http_reply_header(x->reply, "Allow", "%s", allow);
        free(allow);
        return kr_fail(x->ctx, KR_METHOD_NOT_ALLOWED, "", "%.20s does not apply to %.200s", request->method,
                       request->path);
    }
    if (!x->route)
        return kr_fail(x->ctx, KR_NOT_FOUND, "", "there is nothing at %.200s", request->path);
    KR_TRY(check_query(x));
    KR_TRY(check_media(x));
    KR_TRY(check_accept(x));
    return x->route->handler(x);
}

void kr_dispatch(void *self, struct kr_http_request *request, struct kr_http_reply *reply)
{
    struct kr_ctx ctx;
    struct kr_exchange x = {.ctx = &ctx, .api = self, .request = request, .reply = reply};
    kr_ctx_init(&ctx, kr_memory() / 4);
    if (handle(&x) != KR_OK)
        kr_http_reply_problem(request, &ctx.error, reply);
    kr_ctx_fini(&ctx);
}

size_t kr_dispatch_max_body(void *self, const char *method, const char *path, const char *content_type,
                            bool *required)
{
    /* Only lengths matter here: names are taken as they are, still encoded. */
    const char *segments[KR_HTTP_MAX_SEGMENTS], *params[KR_MAX_PARAMS];
    char copy[512], *rest = copy, *token, *allow;
    int count = 0;
    (void)self;
    (void)content_type;
    snprintf(copy, sizeof copy, "%s", path[0] == '/' ? path + 1 : path);
    while (*copy && count < KR_HTTP_MAX_SEGMENTS && (token = strsep(&rest, "/")))
        segments[count++] = token;
    const struct kr_route *route = kr_route_find(method, segments, count, params, &allow);
    free(allow);
    *required = route && route->bodies;
    return route && route->bodies ? route->body_limit : UNASKED_BODY;
}

char *kr_dispatch_problem(void *self, const struct kr_error *error, const char *request_id, size_t *length)
{
    json_t *json = kr_problem_json(error, request_id);
    char *text = json ? kr_json_dump(json, false) : NULL;
    (void)self;
    json_decref(json);
    *length = text ? strlen(text) : 0;
    return text;
}
