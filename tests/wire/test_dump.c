#include "wire_fixture.h"

#include "wire/impl.h"

#include <locale.h>

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What the definition of "shortest" says, the slow way. */
static int digits_needed(double value)
{
    char text[64];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return digits;
    }
    return 17;
}

static int digits_of(const char *text)
{
    int digits = 0, zeros = 0, seen = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        seen |= *text != '0';
        zeros = *text == '0' ? zeros + 1 : 0;
        digits += seen;
    }
    return digits - (zeros < digits ? zeros : digits); /* zeros at the end only place the point */
}

static void check_double(double value)
{
    struct kr_ctx ctx;
    json_t *json = kr_json_real(value), *back;
    char *text = kr_json_dump(json, false);
    json_decref(json);
    kr_ctx_init(&ctx, 0);
    OK(kr_json_parse(&ctx, text, strlen(text), &back));
    ck_assert_msg(json_is_real(back), "%s is not a real", text);
    ck_assert_msg(bits_of(json_real_value(back)) == bits_of(value), "%s is not %a", text, value);
    ck_assert_msg(digits_of(text) <= digits_needed(value), "%s has more than %d digits", text,
                  digits_needed(value));
    json_decref(back);
    free(text);
    kr_ctx_fini(&ctx);
}

START_TEST(random_doubles_come_back_to_the_bit)
{
    struct kr_rng rng;
    kr_rng_init(&rng, 1, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = kr_rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
    }
}
END_TEST

/* Short decimals, their neighbours, ties, powers of two and ten, subnormals: where shortest printing goes
 * wrong. */
START_TEST(awkward_doubles_come_back_to_the_bit)
{
    struct kr_rng rng;
    kr_rng_init(&rng, 2, 1);
    for (int i = 0; i < 20000; i++) {
        double value = (double)kr_rng_below(&rng, 1000000) / pow(10, (double)kr_rng_below(&rng, 20));
        check_double(value);
        check_double(nextafter(value, INFINITY));
        check_double(-nextafter(value, -INFINITY));
        check_double(floor(kr_rng_uniform(&rng) * 0x1p60));
        check_double(kr_rng_normal(&rng));
        check_double((double)kr_rng_below(&rng, 1 << 20) * 0x1p-1074);
    }
    for (int e = -1074; e < 1024; e++)
        check_double(ldexp(1, e));
    for (int e = -323; e < 309; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        check_double(strtod(text, NULL));
        check_double(nextafter(strtod(text, NULL), 0));
    }
}
END_TEST

START_TEST(numbers_look_as_expected)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-25, "-25.0"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {123456.789, "123456.789"},
        {1e-5, "0.00001"},
        {1.5e-6, "1.5e-6"},
        {999999999999999.0, "999999999999999.0"},
        {1e15, "1e+15"},
        {9007199254740991.0, "9007199254740991.0"},
        {12345678901234567.0, "12345678901234568.0"},
        {1e30, "1e+30"},
        {-1e-30, "-1e-30"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9.5e-323, "9.4e-323"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = dump_and_free(kr_json_real(cases[i].value));
        ck_assert_str_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        json_t *json = kr_json_real(values[i]);
        ck_assert(json_is_null(json));
        json_decref(json);
    }
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};
    for (int i = 0; i < 3; i++)
        if (setlocale(LC_ALL, names[i]))
            break;
    random_doubles_come_back_to_the_bit_fn(0);
    char *text = dump_and_free(json_real(-0.25));
    ck_assert_str_eq(text, "-0.25");
    free(text);
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(strings_are_escaped)
{
    json_t *json =
        json_pack("{s:s#, s:s}", "a\"b", "\b\f\n\r\t\"\\/\x01\x1f\x7f\0x", 13, "k", "\u00e9\u20ac\U0001f600");
    char *text = dump_and_free(json);
    ck_assert_str_eq(text, "{\"a\\\"b\":\"\\b\\f\\n\\r\\t\\\"\\\\/"
                           "\\u0001\\u001f\x7f\\u0000x\",\"k\":\"\u00e9\u20ac\U0001f600\"}");
    free(text);
}
END_TEST

START_TEST(layout_is_compact_or_indented)
{
    json_t *json = json_pack("{s:[], s:{}, s:[i, f, n, b], s:[{s:I}, [s]]}", "e", "o", "flat", 1, 2.0, 1,
                             "deep", "x", (json_int_t)INT64_MIN, "y");
    char *compact = kr_json_dump(json, false), *pretty = kr_json_dump(json, true);
    ck_assert_str_eq(
        compact,
        "{\"e\":[],\"o\":{},\"flat\":[1,2.0,null,true],\"deep\":[{\"x\":-9223372036854775808},[\"y\"]]}");
    ck_assert_str_eq(pretty, "{\n  \"e\": [],\n  \"o\": {},\n  \"flat\": [1, 2.0, null, true],\n  \"deep\": "
                             "[\n    {\n      \"x\": "
                             "-9223372036854775808\n    },\n    [\"y\"]\n  ]\n}");
    free(compact);
    free(pretty);
    json_decref(json);
    ck_assert_ptr_null(kr_json_dump(NULL, false));
}
END_TEST

START_TEST(numbers_in_messages_have_no_point_to_spare)
{
    char text[WIRE_NUMBER_TEXT];
    ck_assert_uint_eq(wire_number_text(-5, text), 2);
    ck_assert_str_eq(text, "-5");
    ck_assert_uint_eq(wire_number_text(-1.7976931348623157e-300, text), strlen(text));
    wire_number_text(-INFINITY, text);
    ck_assert_str_eq(text, "-inf");
}
END_TEST

SUITE("dump", random_doubles_come_back_to_the_bit, awkward_doubles_come_back_to_the_bit,
      numbers_look_as_expected, what_is_not_finite_is_null, the_locale_does_not_matter, strings_are_escaped,
      layout_is_compact_or_indented, numbers_in_messages_have_no_point_to_spare)
