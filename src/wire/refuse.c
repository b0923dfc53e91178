/* Refusals with their JSON pointer (RFC 6901), and the checks of single numbers and texts that lead to them.
 */
#include "wire/impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Text cut at the end of a buffer. */
struct line {
    char text[1024];
    size_t length;
};

static void add(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof line->text - 1 - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
    line->text[line->length] = 0;
}

static void spell(struct line *line, const struct wire_path *path)
{
    char number[32];
    if (!path->up) {
        add(line, path->name, strlen(path->name));
        return;
    }
    spell(line, path->up);
    add(line, "/", 1);
    if (!path->name) {
        add(line, number, (size_t)snprintf(number, sizeof number, "%zu", path->index));
        return;
    }
    for (const char *c = path->name; *c; c++) {
        if (*c == '~')
            add(line, "~0", 2);
        else if (*c == '/')
            add(line, "~1", 2);
        else
            add(line, c, 1);
    }
}

kr_status wire_refuse(struct kr_ctx *ctx, const struct wire_path *path, const char *format, ...)
{
    struct line pointer = {.length = 0}, detail = {.length = 0};
    va_list arguments;
    spell(&pointer, path);
    va_start(arguments, format);
    vsnprintf(detail.text, sizeof detail.text, format, arguments);
    va_end(arguments);
    return kr_fail(ctx, KR_INVALID, pointer.text, "%s", detail.text);
}

static const char *type_name(const json_t *json)
{
    if (json_is_object(json))
        return "an object";
    if (json_is_array(json))
        return "an array";
    if (json_is_string(json))
        return "a string";
    if (json_is_number(json))
        return "a number";
    return json_is_boolean(json) ? "a boolean" : "null";
}

kr_status wire_refuse_type(struct kr_ctx *ctx, const struct wire_path *path, const char *wanted,
                           const json_t *json)
{
    return wire_refuse(ctx, path, "must be %s, got %s", wanted, type_name(json));
}

kr_status wire_refuse_name(struct kr_ctx *ctx, const struct wire_path *path, const char *noun,
                           const char *got, const struct kr_registry *registry, const char *const *names)
{
    struct line known = {.length = 0};
    for (size_t i = 0; registry ? registry->rows[i] != NULL : names[i] != NULL; i++) {
        const char *name = registry ? registry->rows[i]->name : names[i];
        add(&known, ", ", i > 0 ? 2 : 0);
        add(&known, name, strlen(name));
    }
    return wire_refuse(ctx, path, "there is no %s called \"%.64s\"; there are: %s", noun, got, known.text);
}

bool wire_has_range(const struct kr_field *field)
{
    return field->min != 0 || field->max != 0;
}

kr_status wire_check_range(struct kr_ctx *ctx, const struct kr_field *field, double value,
                           const struct wire_path *path)
{
    const bool open_min = field->flags & KR_OPEN_MIN, open_max = field->flags & KR_OPEN_MAX;
    if (!isfinite(value))
        return wire_refuse(ctx, path, "must be finite");
    if (!wire_has_range(field))
        return KR_OK;
    if ((open_min ? value > field->min : value >= field->min) &&
        (open_max ? value < field->max : value <= field->max))
        return KR_OK;
    char min[WIRE_NUMBER_TEXT], max[WIRE_NUMBER_TEXT], got[WIRE_NUMBER_TEXT];
    wire_number_text(field->min, min);
    wire_number_text(field->max, max);
    wire_number_text(value, got);
    return wire_refuse(ctx, path, "must be in %c%s, %s%c, got %s", open_min ? '(' : '[', min, max,
                       open_max ? ')' : ']', got);
}

kr_status wire_read_real(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                         const struct wire_path *path, double *out)
{
    if (!json_is_number(json))
        return wire_refuse_type(ctx, path, "a number", json);
    double value = json_number_value(json);
    KR_TRY(wire_check_range(ctx, field, value, path));
    *out = value;
    return KR_OK;
}

kr_status wire_read_integer(struct kr_ctx *ctx, const struct kr_field *field, const json_t *json,
                            const struct wire_path *path, uint64_t *out)
{
    struct kr_field row = *field;
    char got[WIRE_NUMBER_TEXT];
    if (!json_is_number(json))
        return wire_refuse_type(ctx, path, "an integer", json);
    double value = json_number_value(json);
    if (value != floor(value)) {
        wire_number_text(value, got);
        return wire_refuse(ctx, path, "must be an integer, got %s", got);
    }
    if (!wire_has_range(field) || row.max > WIRE_LARGEST_INTEGER)
        row.max = WIRE_LARGEST_INTEGER;
    row.min = fmax(row.min, 0);
    KR_TRY(wire_check_range(ctx, &row, value, path));
    *out = (uint64_t)value;
    return KR_OK;
}

kr_status wire_read_text(struct kr_ctx *ctx, const json_t *json, const struct wire_path *path,
                         const char **out)
{
    if (!json_is_string(json))
        return wire_refuse_type(ctx, path, "a string", json);
    if (strlen(json_string_value(json)) != json_string_length(json))
        return wire_refuse(ctx, path, "must not contain a NUL character");
    *out = kr_strdup(ctx, json_string_value(json));
    return *out ? KR_OK : ctx->error.status;
}
