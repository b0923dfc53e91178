#include "wire_fixture.h"

START_TEST(every_bit_comes_back)
{
    static const uint64_t bits[] = {0,
                                    0x8000000000000000, /* -0 */
                                    0x3ff0000000000000, /* 1 */
                                    0x7ff8dead00beef01, /* NaN with a payload */
                                    0xfff0000000000001, /* signalling NaN */
                                    0x7ff0000000000000, /* infinity */
                                    0x0000000000000001, /* smallest subnormal */
                                    0x000fffffffffffff, /* largest subnormal */
                                    0x0123456789abcdef,
                                    0xfedcba9876543210};
    enum { N = sizeof bits / sizeof bits[0] };
    struct kr_ctx ctx;
    double values[N], *back;
    size_t count;
    memcpy(values, bits, sizeof values);
    json_t *json = kr_json_blob(N, values);
    ck_assert_uint_eq(json_string_length(json), 16 * N);
    ck_assert_int_eq(strncmp(json_string_value(json), "000000000000000080000000000000003ff0000000000000", 48),
                     0);
    kr_ctx_init(&ctx, 0);
    OK(kr_json_unblob(&ctx, json, &count, &back));
    ck_assert_uint_eq(count, N);
    ck_assert_mem_eq(back, bits, sizeof bits);
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(random_bits_come_back_through_text)
{
    enum { N = 10000 };
    struct kr_ctx ctx;
    struct kr_rng rng;
    json_t *tree;
    double *values = calloc(N, sizeof *values), *back;
    size_t count;
    kr_ctx_init(&ctx, 0);
    kr_rng_init(&rng, 3, 1);
    for (size_t i = 0; i < N; i++) {
        uint64_t word = kr_rng_next(&rng);
        memcpy(&values[i], &word, sizeof word);
    }
    char *text = dump_and_free(json_pack("[o]", kr_json_blob(N, values)));
    OK(kr_json_parse(&ctx, text, strlen(text), &tree));
    OK(kr_json_unblob(&ctx, json_array_get(tree, 0), &count, &back));
    ck_assert_uint_eq(count, N);
    ck_assert_mem_eq(back, values, N * sizeof *values);
    json_decref(tree);
    free(text);
    free(values);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(nothing_is_a_blob_too)
{
    struct kr_ctx ctx;
    double *back = NULL;
    size_t count = 1;
    json_t *json = kr_json_blob(0, NULL);
    ck_assert_str_eq(json_string_value(json), "");
    kr_ctx_init(&ctx, 0);
    OK(kr_json_unblob(&ctx, json, &count, &back));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_nonnull(back);
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(capitals_are_digits)
{
    struct kr_ctx ctx;
    double *back;
    size_t count;
    json_t *json = json_string("C00921FB54442D18");
    kr_ctx_init(&ctx, 0);
    OK(kr_json_unblob(&ctx, json, &count, &back));
    ck_assert_double_eq(back[0], -M_PI);
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(what_is_no_blob_is_refused)
{
    json_t *bad[] = {json_string("3ff000000000000"),
                     json_string("3ff00000000000000"),
                     json_string("3ff000000000000g"),
                     json_string("3ff0000000000 00"),
                     json_string("0x3ff00000000000"),
                     json_string("3ff000000000000\u00e9"),
                     json_integer(1),
                     json_null(),
                     NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kr_ctx ctx;
        double *back;
        size_t count;
        kr_ctx_init(&ctx, 0);
        ck_assert_msg(kr_json_unblob(&ctx, bad[i], &count, &back) == KR_INVALID, "case %zu", i);
        ck_assert_str_ne(ctx.error.detail, "");
        json_decref(bad[i]);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

SUITE("blob", every_bit_comes_back, random_bits_come_back_through_text, nothing_is_a_blob_too,
      capitals_are_digits, what_is_no_blob_is_refused)
