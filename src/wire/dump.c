/* A jansson tree to text. jansson prints doubles with 17 digits at most and not the shortest, hence this. */
#include "wire/impl.h"

#include <stdlib.h>
#include <string.h>

struct text {
    char *data;
    size_t length, capacity;
    bool failed, pretty;
};

static void add(struct text *text, const char *data, size_t length)
{
    if (!text->failed && text->length + length + 1 > text->capacity) {
        size_t capacity = 2 * (text->length + length) + 256;
        char *grown = realloc(text->data, capacity);
        text->failed = !grown;
        text->data = grown ? grown : text->data;
        text->capacity = grown ? capacity : text->capacity;
    }
    if (text->failed)
        return;
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

static void add_line(struct text *text, size_t level)
{
    if (!text->pretty)
        return;
    add(text, "\n", 1);
    while (level-- > 0)
        add(text, "  ", 2);
}

static void add_string(struct text *text, const char *string, size_t length)
{
    static const char hex[] = "0123456789abcdef", plain[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    size_t start = 0;
    add(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)string[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        add(text, string + start, i - start);
        start = i + 1;
        const char *letter = c ? strchr(plain, c) : NULL;
        const char pair[] = {'\\',       letter ? letters[letter - plain] : 'u', '0', '0', hex[c >> 4],
                             hex[c & 15]};
        add(text, pair, letter ? 2 : 6);
    }
    add(text, string + start, length - start);
    add(text, "\"", 1);
}

/* A real stays a real: what looks like an integer gets a ".0". */
static void add_real(struct text *text, double value)
{
    char number[WIRE_NUMBER_TEXT];
    size_t length = wire_number_text(value, number);
    add(text, number, length);
    if (strcspn(number, ".e") == length)
        add(text, ".0", 2);
}

static void add_integer(struct text *text, json_int_t value)
{
    char reversed[24];
    size_t at = sizeof reversed;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        reversed[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        reversed[--at] = '-';
    add(text, reversed + at, sizeof reversed - at);
}

static void add_value(struct text *text, const json_t *json, size_t level);

/* Arrays of scalars stay on one line, so that a matrix has a line a row. */
static bool is_flat(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_array(item) || json_is_object(item))
            return false;
    }
    return true;
}

static void add_array(struct text *text, const json_t *json, size_t level)
{
    const bool lines = text->pretty && !is_flat(json);
    add(text, "[", 1);
    for (size_t i = 0; i < json_array_size(json); i++) {
        add(text, ", ", i == 0 ? 0 : text->pretty && !lines ? 2 : 1);
        if (lines)
            add_line(text, level + 1);
        add_value(text, json_array_get(json, i), level + 1);
    }
    if (lines)
        add_line(text, level);
    add(text, "]", 1);
}

static void add_object(struct text *text, const json_t *json, size_t level)
{
    json_t *object = (json_t *)json; /* jansson's iterators are not const */
    add(text, "{", 1);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        if (at != json_object_iter(object))
            add(text, ",", 1);
        add_line(text, level + 1);
        add_string(text, json_object_iter_key(at), json_object_iter_key_len(at));
        add(text, ": ", text->pretty ? 2 : 1);
        add_value(text, json_object_iter_value(at), level + 1);
    }
    if (json_object_size(json) > 0)
        add_line(text, level);
    add(text, "}", 1);
}

static void add_value(struct text *text, const json_t *json, size_t level)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        add_object(text, json, level);
        break;
    case JSON_ARRAY:
        add_array(text, json, level);
        break;
    case JSON_STRING:
        add_string(text, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        add_integer(text, json_integer_value(json));
        break;
    case JSON_REAL:
        add_real(text, json_real_value(json));
        break;
    case JSON_TRUE:
        add(text, "true", 4);
        break;
    case JSON_FALSE:
        add(text, "false", 5);
        break;
    case JSON_NULL:
        add(text, "null", 4);
        break;
    }
}

char *kr_json_dump(const json_t *json, bool pretty)
{
    struct text text = {.pretty = pretty};
    if (!json)
        return NULL;
    add_value(&text, json, 0);
    if (!text.failed)
        return text.data;
    free(text.data);
    return NULL;
}
