/*
 * Bytes to a jansson tree. jansson parses by recursion, and forgives duplicated members unless told; depth is
 * checked before it sees the text, so a deep body costs one pass and no stack.
 */
#include "wire/impl.h"

#include <stdio.h>
#include <string.h>

/* Where a byte is, in lines and characters from 1. */
static kr_status fail_at(struct kr_ctx *ctx, const char *text, size_t at, const char *detail)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return kr_fail(ctx, KR_MALFORMED, "", "line %zu, column %zu: %s", line, column, detail);
}

/* Brackets outside strings only; whether they match is the parser's question. */
static kr_status check_depth(struct kr_ctx *ctx, const char *text, size_t length)
{
    char detail[64];
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        else if ((c == '[' || c == '{') && ++depth > KR_JSON_DEPTH) {
            snprintf(detail, sizeof detail, "nested deeper than %d levels", KR_JSON_DEPTH);
            return fail_at(ctx, text, i, detail);
        }
    }
    return KR_OK;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(" \t\r\n", text[i], 4))
            return false;
    return true;
}

/* jansson's own words, except where they speak of its flags or are only a number. */
static const char *explain(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string contains a NUL character";
    case json_error_duplicate_key:
        return "a member is given a second time";
    case json_error_numeric_overflow:
        return "a number is too large for a double";
    case json_error_premature_end_of_input:
        return "the text ends too early";
    default:
        return error->text;
    }
}

kr_status kr_json_parse(struct kr_ctx *ctx, const char *text, size_t length, json_t **out)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_error_t error;
    *out = NULL;
    if (is_blank(text, length))
        return kr_fail(ctx, KR_MALFORMED, "", "the body is empty");
    KR_TRY(check_depth(ctx, text, length));
    *out = json_loadb(text, length, flags, &error);
    /* An integer beyond 64 bits is a fine double: JavaScript writes 1e20 with all its zeros. */
    if (!*out && json_error_code(&error) == json_error_numeric_overflow)
        *out = json_loadb(text, length, flags | JSON_DECODE_INT_AS_REAL, &error);
    if (*out)
        return KR_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return kr_fail(ctx, KR_MEMORY_LIMIT, "", "the machine has no memory left for the body");
    char pointer[sizeof ctx->error.pointer] = "";
    wire_locate(text, (size_t)error.position < length ? (size_t)error.position : length, pointer,
                sizeof pointer);
    return kr_fail(ctx, KR_MALFORMED, pointer, "line %d, column %d: %s", error.line, error.column,
                   explain(&error));
}
