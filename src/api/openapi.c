/* The OpenAPI 3.1 document, from the tables of routes and fields. */
#include "api/routes.h"
#include "api/views.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static json_t *text_schema(void)
{
    return json_pack("{s:s}", "type", "string");
}

static json_t *content(const char *media, const struct kr_schema *schema, json_t *definitions)
{
    json_t *shape = schema                              ? kr_wire_json_schema(schema, definitions)
                    : strcmp(media, KR_JSON_MEDIA) == 0 ? json_pack("{s:s}", "type", "object")
                                                        : text_schema();
    return json_pack("{s:o}", "schema", shape);
}

static void add_path_parameters(const char *path, json_t *parameters)
{
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{'))
        json_array_append_new(parameters, json_pack("{s:o, s:s, s:b, s:o}", "name",
                                                    json_stringn(open + 1, strcspn(open + 1, "}")), "in",
                                                    "path", "required", 1, "schema", text_schema()));
}

static json_t *parameters_of(const struct kr_route *route)
{
    json_t *parameters = json_array();
    add_path_parameters(route->path, parameters);
    for (const struct kr_query_row *row = route->queries; row && row->name; row++)
        json_array_append_new(parameters,
                              json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", row->name, "in", "query",
                                        "description", row->doc, "schema", "type", row->type));
    return parameters;
}

static json_t *body_of(const struct kr_route *route, json_t *definitions)
{
    json_t *media = json_object();
    for (const struct kr_body_row *row = route->bodies; row->media; row++)
        json_object_set_new(media, row->media, content(row->media, row->schema, definitions));
    return json_pack("{s:b, s:o}", "required", 1, "content", media);
}

static json_t *problem(const char *title, json_t *definitions)
{
    return json_pack("{s:s, s:{s:o}}", "description", title, "content", KR_PROBLEM_MEDIA,
                     content(KR_PROBLEM_MEDIA, &kr_problem_view_schema, definitions));
}

/* Title of the first status with that code. */
static const char *title_of(int code)
{
    for (int s = 0; s < KR_STATUS_COUNT; s++)
        if (kr_status_http((kr_status)s) == code)
            return kr_status_title((kr_status)s);
    return "";
}

static void add_refusals(json_t *replies, const char *codes, json_t *definitions)
{
    while (*codes) {
        char key[4] = {codes[0], codes[1], codes[2], 0};
        json_object_set_new(replies, key, problem(title_of(atoi(key)), definitions));
        codes += 3;
        codes += strspn(codes, " ");
    }
}

static json_t *replies_of(const struct kr_route *route, json_t *definitions)
{
    json_t *replies = json_object();
    for (const struct kr_reply_row *row = route->replies; row->status; row++) {
        char key[4];
        snprintf(key, sizeof key, "%d", row->status);
        json_t *reply = json_object_get(replies, key);
        if (!reply) {
            reply = json_pack("{s:s}", "description", row->doc);
            json_object_set_new(replies, key, reply);
        }
        if (!row->media)
            continue;
        json_t *media = json_object_get(reply, "content");
        if (!media) {
            media = json_object();
            json_object_set_new(reply, "content", media);
        }
        json_object_set_new(media, row->media, content(row->media, row->schema, definitions));
    }
    add_refusals(replies, route->refusals, definitions);
    add_refusals(replies, "400 403 406 431 500", definitions);
    return replies;
}

static json_t *operation(const struct kr_route *route, json_t *definitions)
{
    json_t *json = json_pack("{s:s, s:s, s:[s]}", "operationId", route->name, "summary", route->summary,
                             "tags", route->tag);
    json_t *parameters = parameters_of(route);
    if (json_array_size(parameters))
        json_object_set(json, "parameters", parameters);
    json_decref(parameters);
    if (route->bodies)
        json_object_set_new(json, "requestBody", body_of(route, definitions));
    json_object_set_new(json, "responses", replies_of(route, definitions));
    return json;
}

char *kr_api_openapi(void)
{
    json_t *paths = json_object(), *definitions = json_object();
    for (const struct kr_route *route = kr_routes; route->method; route++) {
        char method[8] = "";
        for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
            method[i] = (char)tolower((unsigned char)route->method[i]);
        json_t *path = json_object_get(paths, route->path);
        if (!path) {
            path = json_object();
            json_object_set_new(paths, route->path, path);
        }
        json_object_set_new(path, method, operation(route, definitions));
    }
    json_decref(kr_wire_json_schema(&kr_step_schema, definitions));
    json_decref(kr_wire_json_schema(&kr_warning_schema, definitions));
    json_t *document =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:o, s:{s:o}}", "openapi", "3.1.0", "info", "title",
                  "kriged", "version", KR_VERSION, "description",
                  "Gaussian processes tuned by gradients of how well they predict held-out data", "license",
                  "name", "MIT", "identifier", "MIT", "paths", paths, "components", "schemas", definitions);
    char *text = kr_json_dump(document, true);
    json_decref(document);
    return text;
}
