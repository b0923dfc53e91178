/* From a byte of JSON text to the JSON pointer of the member it belongs to: for refusals that come before
 * there is a tree. */
#include "wire/impl.h"

#include <stdio.h>
#include <string.h>

/* One container that is open at the byte. */
struct frame {
    bool object, keyed; /* keyed: its key is known */
    size_t index;
    const char *key;
    size_t length;
};

static void add(char *pointer, size_t room, const struct frame *frame)
{
    size_t used = strlen(pointer);
    if (!frame->object) {
        snprintf(pointer + used, room - used, "/%zu", frame->index);
        return;
    }
    if (!frame->keyed || used + 2 >= room)
        return;
    pointer[used++] = '/';
    for (size_t i = 0; i < frame->length && used + 3 < room; i++) {
        const char c = frame->key[i];
        pointer[used++] = c == '~' || c == '/' ? '~' : c;
        if (c == '~' || c == '/')
            pointer[used++] = c == '~' ? '0' : '1';
    }
    pointer[used] = '\0';
}

/* The end of the string that begins at `from`, its closing quote. */
static size_t end_of_string(const char *text, size_t from, size_t at)
{
    size_t i = from + 1;
    while (i < at && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i;
}

void wire_locate(const char *text, size_t at, char *pointer, size_t room)
{
    struct frame frames[KR_JSON_DEPTH + 1] = {{0}};
    size_t depth = 0;
    pointer[0] = '\0';
    for (size_t i = 0; i < at; i++) {
        struct frame *top = &frames[depth];
        const char c = text[i];
        if (c == '"') {
            const size_t end = end_of_string(text, i, at);
            if (depth && top->object && !top->keyed)
                *top = (struct frame){true, true, 0, text + i + 1, end - i - 1};
            i = end;
        } else if ((c == '{' || c == '[') && depth < KR_JSON_DEPTH) {
            frames[++depth] = (struct frame){.object = c == '{'};
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        } else if (c == ',') {
            top->keyed = false;
            top->index++;
        }
    }
    for (size_t f = 1; f <= depth; f++)
        add(pointer, room, &frames[f]);
}
