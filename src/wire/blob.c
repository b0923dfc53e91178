/* Doubles as hexadecimal text: every bit kept, NaN payloads and signs of zero included, whatever the
 * machine's byte order. */
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS = 16 };

json_t *kr_json_blob(size_t count, const double *values)
{
    static const char hex[] = "0123456789abcdef";
    char *text = count > SIZE_MAX / DIGITS - 1 ? NULL : malloc(count * DIGITS + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (size_t k = 0; k < DIGITS; k++)
            text[i * DIGITS + k] = hex[bits >> (60 - 4 * k) & 15];
    }
    json_t *json = json_stringn_nocheck(text, count * DIGITS);
    free(text);
    return json;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

kr_status kr_json_unblob(struct kr_ctx *ctx, const json_t *json, size_t *count, double **values)
{
    const char *text = json_string_value(json);
    const size_t length = json_string_length(json);
    if (!text || length % DIGITS != 0)
        return kr_fail(ctx, KR_INVALID, "",
                       "doubles must be a string of %d hexadecimal digits each, got %s of %zu", DIGITS,
                       text ? "one" : "no string", length);
    double *out;
    KR_ALLOC(ctx, out, length / DIGITS);
    for (size_t i = 0; i < length / DIGITS; i++) {
        uint64_t bits = 0;
        for (size_t k = 0; k < DIGITS; k++) {
            int value = digit(text[i * DIGITS + k]);
            if (value < 0)
                return kr_fail(ctx, KR_INVALID, "",
                               "doubles must be hexadecimal digits, got something else at %zu",
                               i * DIGITS + k);
            bits = bits << 4 | (uint64_t)value;
        }
        memcpy(&out[i], &bits, sizeof bits);
    }
    *count = length / DIGITS;
    *values = out;
    return KR_OK;
}
