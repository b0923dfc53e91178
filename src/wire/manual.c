/* Tables as Markdown: a line a member, those of nested objects with their path. */
#include "wire/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends; what does not fit in memory is left out. */
static void add(char **text, const char *more)
{
    size_t used = *text ? strlen(*text) : 0, length = strlen(more);
    char *grown = realloc(*text, used + length + 1);
    if (!grown)
        return;
    memcpy(grown + used, more, length + 1);
    *text = grown;
}

/* A cell of a table: a bar or a line's end would end it. */
static void add_cell(char **text, const char *cell)
{
    char piece[256];
    while (*cell) {
        size_t length = strcspn(cell, "|\n");
        snprintf(piece, sizeof piece, "%.*s", (int)length, cell);
        length = strlen(piece);
        add(text, piece);
        cell += length;
        if (*cell == '|' || *cell == '\n')
            add(text, *cell++ == '|' ? "\\|" : " ");
    }
}

/* "a, b, c" */
static void add_names(char **text, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        add(text, i ? ", `" : "`");
        add_cell(text, json_string_value(json_array_get(names, i)));
        add(text, "`");
    }
}

static void add_kind(char **text, const struct kr_field *field)
{
    const struct kr_registry *registry = field->aux;
    json_t *choices;
    switch (field->kind) {
    case KR_KIND_CHOICE:
    case KR_KIND_ROW:
        choices = wire_choices(field);
        add_names(text, choices);
        json_decref(choices);
        break;
    case KR_KIND_VARIANT:
        add_cell(text, registry->noun);
        add(text, field->flags & KR_INLINE ? ": its type, options beside it" : "");
        break;
    case KR_KIND_VARIANTS:
        add(text, "list of ");
        add_cell(text, registry->noun);
        break;
    default:
        add(text, wire_kind_name(field->kind));
    }
}

static void add_range(char **text, const struct kr_field *field)
{
    char low[WIRE_NUMBER_TEXT], high[WIRE_NUMBER_TEXT], range[2 * WIRE_NUMBER_TEXT + 8];
    if (!wire_has_range(field))
        return;
    wire_number_text(field->min, low);
    wire_number_text(field->max, high);
    snprintf(range, sizeof range, "%c%s, %s%c", field->flags & KR_OPEN_MIN ? '(' : '[', low, high,
             field->flags & KR_OPEN_MAX ? ')' : ']');
    add(text, range);
}

/* As the table spells it. */
static void add_default(char **text, const struct kr_field *field)
{
    const char *fallback = field->fallback;
    if (field->flags & KR_REQUIRED) {
        add(text, "required");
        return;
    }
    if (!fallback && field->kind == KR_KIND_BOOL)
        fallback = "false";
    if (!fallback && field->kind == KR_KIND_CHOICE)
        fallback = *(const char *const *)field->aux;
    if (!fallback)
        return;
    add(text, "`");
    add_cell(text, fallback);
    add(text, "`");
}

static void add_rows(const struct kr_schema *schema, const char *prefix, char **text)
{
    char path[256];
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        const bool nested =
            field->kind == KR_KIND_OBJECT || field->kind == KR_KIND_OPTIONAL || field->kind == KR_KIND_LIST;
        snprintf(path, sizeof path, "%s%s%s", prefix, field->name, field->kind == KR_KIND_LIST ? "[]" : "");
        add(text, "| `");
        add_cell(text, path);
        add(text, "` | ");
        add_kind(text, field);
        add(text, " | ");
        add_default(text, field);
        add(text, " | ");
        add_range(text, field);
        add(text, " | ");
        add_cell(text, field->doc ? field->doc : "");
        add(text, " |\n");
        if (nested) {
            snprintf(path + strlen(path), sizeof path - strlen(path), ".");
            add_rows(field->aux, path, text);
        }
    }
}

void kr_wire_manual_schema(const struct kr_schema *schema, char **text)
{
    add(text, "| Member | Kind | Default | Range | Meaning |\n|---|---|---|---|---|\n");
    add_rows(schema, "", text);
    add(text, "\n");
}

void kr_wire_manual_registry(const struct kr_registry *registry, char **text)
{
    for (const struct kr_type *const *row = registry->rows; *row; row++) {
        add(text, "### `");
        add(text, (*row)->name);
        add(text, "`\n\n");
        add(text, (*row)->doc);
        add(text, "\n\n");
        if ((*row)->options)
            kr_wire_manual_schema((*row)->options, text);
    }
}
