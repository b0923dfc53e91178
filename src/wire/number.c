/*
 * Doubles as the shortest decimal text that reads back as the same bits.
 *
 * printf gives 17 significant digits, always enough. A double lies within 2^-53 of its own size of any
 * decimal that reads back as it: at most 11.2 units of the 17th digit. So 15 digits are tried only where the
 * last two of the 17 are within 12 of a round hundred, which spares nearly every conversion of numbers that
 * need 16 or 17.
 */
#include "wire/impl.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* d.ddd... x 10^exponent, no sign. */
struct decimal {
    char digits[20];
    int count, exponent;
};

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* printf and back are free of the process's locale: the separator is skipped, and strtod gets its own. */
static double read_back(const char *text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    return c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
}

static void take_digits(double value, int count, struct decimal *out)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", count - 1, value);
    const char *e = strchr(text, 'e');
    out->count = 0;
    for (const char *c = text; c < e; c++)
        if (*c >= '0' && *c <= '9')
            out->digits[out->count++] = *c;
    out->exponent = atoi(e + 1);
}

static void trim(struct decimal *decimal)
{
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
}

/* Rounds half up in place; an exact tie is left to printf by the caller. */
static void round_to(struct decimal *decimal, int count)
{
    bool up = decimal->digits[count] >= '5';
    decimal->count = count;
    for (int i = count - 1; up && i >= 0; i--) {
        up = decimal->digits[i] == '9';
        decimal->digits[i] = up ? '0' : (char)(decimal->digits[i] + 1);
    }
    if (up) {
        decimal->digits[0] = '1';
        decimal->exponent++;
    }
}

/* Plain notation for exponents -5 to 16, but no run of zeros up to the point beyond 10^15; else d.ddde+x. */
static size_t spell(const struct decimal *decimal, char *out)
{
    const int n = decimal->count, e = decimal->exponent;
    char *at = out;
    if (e >= 17 || e < -5 || (e >= 15 && n <= e)) {
        *at++ = decimal->digits[0];
        if (n > 1)
            *at++ = '.';
        memcpy(at, decimal->digits + 1, (size_t)n - 1);
        at += n - 1;
        return (size_t)(at - out) + (size_t)sprintf(at, "e%c%d", e < 0 ? '-' : '+', abs(e));
    }
    if (e < 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = -1; i > e; i--)
            *at++ = '0';
    }
    for (int i = 0; i < n || i <= e; i++) {
        if (e >= 0 && i == e + 1)
            *at++ = '.';
        *at++ = i < n ? decimal->digits[i] : '0';
    }
    *at = 0;
    return (size_t)(at - out);
}

static bool same(double value, const struct decimal *decimal, char *out, size_t *length)
{
    *length = spell(decimal, out);
    return read_back(out) == value;
}

/* 15 or 16 digits of the 17 in `all`, if they do. */
static bool shorter(double value, const struct decimal *all, int count, char *out, size_t *length)
{
    const char *last = all->digits + count;
    const int units = count == 15 ? 10 * (last[0] - '0') + last[1] - '0' : 0;
    struct decimal decimal = *all;
    if (units > 12 && units < 88)
        return false;
    if (count == 16 && last[0] == '5')
        take_digits(value, count, &decimal);
    else
        round_to(&decimal, count);
    trim(&decimal);
    return same(value, &decimal, out, length);
}

static size_t shortest(double value, char *out)
{
    struct decimal decimal;
    size_t length;
    if (value < DBL_MIN) { /* fewer bits than 53: fewer digits may do */
        for (int count = 1; count < 17; count++) {
            take_digits(value, count, &decimal);
            trim(&decimal);
            if (same(value, &decimal, out, &length))
                return length;
        }
    }
    take_digits(value, 17, &decimal);
    if (value >= DBL_MIN &&
        (shorter(value, &decimal, 15, out, &length) || shorter(value, &decimal, 16, out, &length)))
        return length;
    trim(&decimal);
    return spell(&decimal, out);
}

static size_t integer(double value, char *out)
{
    char reversed[24];
    size_t length = 0;
    uint64_t rest = (uint64_t)value;
    do
        reversed[length++] = (char)('0' + rest % 10);
    while (rest /= 10);
    for (size_t i = 0; i < length; i++)
        out[i] = reversed[length - 1 - i];
    out[length] = 0;
    return length;
}

size_t wire_number_text(double value, char out[WIRE_NUMBER_TEXT])
{
    size_t sign = signbit(value) ? 1 : 0;
    double size = fabs(value);
    if (!isfinite(value))
        return (size_t)sprintf(out, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    out[0] = '-';
    return sign +
           (size < 1e15 && size == floor(size) ? integer(size, out + sign) : shortest(size, out + sign));
}
