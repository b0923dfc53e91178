#include "kriged/data.h"

#include "suite.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct kr_ctx ctx;
static struct kr_dataset data;
static size_t dropped;

/* The text goes into a block of its exact size, so that a sanitizer sees any read beyond its end. */
static kr_status read_bytes(const char *text, size_t length, struct kr_csv_options options)
{
    kr_ctx_fini(&ctx);
    kr_ctx_init(&ctx, 0);
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    data = (struct kr_dataset){0};
    dropped = 12345;
    kr_status status = kr_dataset_from_csv(&ctx, copy, length, &options, &data, &dropped);
    free(copy);
    return status;
}

static kr_status read_text(const char *text, struct kr_csv_options options)
{
    return read_bytes(text, strlen(text), options);
}

#define READ(text, ...) read_text(text, (struct kr_csv_options){__VA_ARGS__})

static void assert_failure(const char *text, struct kr_csv_options options, kr_status status,
                           const char *part)
{
    ck_assert_msg(read_text(text, options) == status, "%s: status %d", text, ctx.error.status);
    ck_assert_str_eq(ctx.error.pointer, "");
    ck_assert_msg(strstr(ctx.error.detail, part) != NULL, "\"%s\" is not in: %s", part, ctx.error.detail);
}

#define FAILS(text, status, part, ...)                                                                       \
    assert_failure(text, (struct kr_csv_options){__VA_ARGS__}, status, part)

START_TEST(a_plain_table)
{
    ck_assert_int_eq(READ("a,b,c\n1,2,3\n4,5,6\n", NULL), KR_OK);
    ck_assert_uint_eq(data.n, 2);
    ck_assert_uint_eq(data.d, 2);
    const double x[] = {1, 4, 2, 5}, y[] = {3, 6};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
    ck_assert_ptr_null(data.noise_variance);
    ck_assert_str_eq(data.feature_names[0], "a");
    ck_assert_str_eq(data.feature_names[1], "b");
    ck_assert_str_eq(data.target_name, "c");
    ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(without_a_header)
{
    ck_assert_int_eq(READ("1,2,3\n4,5,6", .target = "0"), KR_OK);
    const double x[] = {2, 5, 3, 6}, y[] = {1, 4};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
    ck_assert_str_eq(data.feature_names[0], "x1");
    ck_assert_str_eq(data.feature_names[1], "x2");
    ck_assert_str_eq(data.target_name, "y");
}
END_TEST

START_TEST(line_ends_blank_lines_quotes_and_a_mark)
{
    ck_assert_int_eq(
        READ("\xef\xbb\xbf\"a, \"\"b\"\"\" , \"c\nd\"\r\n\r\n \"1.5\" ,\t-2e-3 \r\n\n+.5,7.\r8,9", NULL),
        KR_OK);
    ck_assert_str_eq(data.feature_names[0], "a, \"b\"");
    ck_assert_str_eq(data.target_name, "c\nd");
    ck_assert_uint_eq(data.n, 3);
    const double x[] = {1.5, .5, 8}, y[] = {-2e-3, 7, 9};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
}
END_TEST

START_TEST(numbers_are_read_to_the_last_bit)
{
    ck_assert_int_eq(READ("0.1000000000000000055511151231257827,1.7976931348623157e308\n"
                          "4.9e-324,-0\n1e-400,123456789012345678901234567890\n",
                          NULL),
                     KR_OK);
    const double x[] = {0.1, 4.9e-324, 0}, y[] = {DBL_MAX, -0.0, 123456789012345678901234567890.0};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
}
END_TEST

START_TEST(target_and_noise_by_name_or_index)
{
    /* A name that looks like an index is a name first. A header of digits only would be data. */
    ck_assert_int_eq(READ("y,n,a\n1,.5,2\n3,0,4\n", .target = "y", .noise_variance = "1"), KR_OK);
    const double x[] = {2, 4}, y[] = {1, 3}, noise[] = {.5, 0};
    ck_assert_uint_eq(data.d, 1);
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
    ck_assert_mem_eq(data.noise_variance, noise, sizeof noise);
    ck_assert_int_eq(READ("a,y,n\n1,2,3\n", .noise_variance = "n"), KR_OK);
    ck_assert_str_eq(data.target_name, "y");
    ck_assert_str_eq(data.feature_names[0], "a");
    ck_assert_int_eq(READ("a,n,y\n1,2,3\n", .noise_variance = "n"), KR_OK);
    ck_assert_str_eq(data.target_name, "y");
}
END_TEST

START_TEST(missing_cells)
{
    const char *text = "a,b\n1,2\n,3\n4,NA\n5,6\nnan,7\n\"\",8\n";
    ck_assert_int_eq(READ(text, .drop_missing = true), KR_OK);
    ck_assert_uint_eq(data.n, 2);
    ck_assert_uint_eq(dropped, 4);
    const double x[] = {1, 5}, y[] = {2, 6};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
    FAILS(text, KR_INVALID, "line 3, column 1 (\"a\"): the value is missing", NULL);
    FAILS("a,b\n1,NaN\n", KR_INVALID, "line 2, column 2 (\"b\")", NULL);
    FAILS("a,b\n1,\n,2\n", KR_INVALID, "every row has a missing value", .drop_missing = true);
    ck_assert_int_eq(READ("a,b,c\n1,2,3\n,,\n4,5,6\n7,8,9", .drop_missing = true), KR_OK);
    const double packed[] = {1, 4, 7, 2, 5, 8};
    ck_assert_mem_eq(data.x, packed, sizeof packed);
}
END_TEST

START_TEST(bad_cells_name_line_and_column)
{
    FAILS("a,b\n1,2\n3,x\n", KR_MALFORMED, "line 3, column 2 (\"b\"): \"x\" is not a number", NULL);
    FAILS("1,2\n\n0x10,2\n", KR_MALFORMED, "line 3, column 1: \"0x10\"", NULL);
    FAILS("1,2\n1e,2\n", KR_MALFORMED, "line 2, column 1", NULL);
    FAILS("1,2\n1 2,2\n", KR_MALFORMED, "line 2, column 1", NULL);
    FAILS("a,b\n1,-inf\n", KR_INVALID, "line 2, column 2 (\"b\"): \"-inf\" is not finite", NULL);
    FAILS("a,b\n1e999,1\n", KR_INVALID, "line 2, column 1 (\"a\"): \"1e999\" is not finite",
          .drop_missing = true);
    FAILS("a,b,n\n1,2,-1\n", KR_INVALID, "line 2, column 3 (\"n\"): the noise variance is -1",
          .noise_variance = "n");
    FAILS("name,2020,y\n1,2,3\n", KR_MALFORMED, "the first line is taken for data", NULL);
    FAILS("\"a\nb\",c\n1,z\n", KR_MALFORMED, "line 3, column 2", NULL);
}
END_TEST

START_TEST(bad_tables)
{
    FAILS("", KR_INVALID, "empty", NULL);
    FAILS("\xef\xbb\xbf \r\n\n", KR_INVALID, "empty", NULL);
    FAILS("a,b\n", KR_INVALID, "a header but no rows", NULL);
    FAILS("a,b\n1,2\n3\n", KR_MALFORMED, "line 3: got 1 cell, wanted 2 as in line 1", NULL);
    FAILS("\n1,2\n3,4,5\n", KR_MALFORMED, "line 3: got 3 cells, wanted 2 as in line 2", NULL);
    FAILS("a,b\n1,\"2\n3,4\n", KR_MALFORMED,
          "line 2, column 2: the quote that opens this cell is never closed", NULL);
    FAILS("a,b\n1,\"2\"\"", KR_MALFORMED, "never closed", NULL);
    FAILS("a,b\n1,\"", KR_MALFORMED, "never closed", NULL);
    FAILS("a,b\n\"1\"2,3\n", KR_MALFORMED, "line 2, column 1: text follows the closing quote", NULL);
    FAILS("a,b\n1\"2,3\n", KR_MALFORMED, "a quote inside a cell", NULL);
    FAILS("a\n1\n", KR_INVALID, "one column", NULL);
    FAILS("a;b\n1;2\n", KR_INVALID, "not by semicolons", NULL);
    FAILS("a\tb\n1\t2\n", KR_INVALID, "not by tabs", NULL);
}
END_TEST

/* Points of a model with one feature. */
START_TEST(one_column_of_points)
{
    const struct kr_csv_options options = {.features_only = true};
    struct kr_dataset read;
    ck_assert_int_eq(kr_dataset_from_csv(&ctx, "a\n1\n2.5\n", 8, &options, &read, NULL), KR_OK);
    ck_assert(read.n == 2 && read.d == 1 && read.x[1] == 2.5 && !read.y);
}
END_TEST

START_TEST(headers_are_told)
{
    static const char *const with[] = {"a,b\n1,2\n", "\xef\xbb\xbf\n\n\"1x\",b\n1,2", "a", "NA,\n1,2\n"},
                             *const without[] = {"1,2\n", "a,2\n", "\n\n1e3\n", "a,\"b\n"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_msg(kr_csv_has_header(with[i], strlen(with[i])), "%s", with[i]);
        ck_assert_msg(!kr_csv_has_header(without[i], strlen(without[i])), "%s", without[i]);
    }
}
END_TEST

START_TEST(bad_headers)
{
    FAILS("a,b,a\n1,2,3\n", KR_INVALID, "columns 1 and 3 are both called \"a\"", NULL);
    FAILS("a,,c\n1,2,3\n", KR_INVALID, "line 1, column 2: the column has no name", NULL);
    FAILS("a,\xff\n1,2\n", KR_INVALID, "not UTF-8", NULL);
    FAILS("a,\xed\xa0\x80\n1,2\n", KR_INVALID, "not UTF-8", NULL);
    FAILS("a,b\x01\n1,2\n", KR_INVALID, "control character", NULL);
    ck_assert_int_eq(READ("\xc3\xa4,\xf0\x9f\x8e\x89\n1,2\n", NULL), KR_OK);
    ck_assert_int_eq(read_bytes("a,b\0c\n1,2\n", 10, (struct kr_csv_options){0}), KR_INVALID);
    char text[600];
    memset(text, 'n', sizeof text);
    memcpy(text + 500, ",b\n1,2", 7);
    FAILS(text, KR_INVALID, "longer than 256 bytes", NULL);
}
END_TEST

START_TEST(several_targets)
{
    ck_assert_int_eq(READ("a,b,c,d\n1,2,3,4\n5,6,7,8\n", .target = "d,1"), KR_OK);
    const double x[] = {1, 5, 3, 7}, y[] = {4, 8, 2, 6};
    ck_assert_uint_eq(data.d, 2);
    ck_assert_uint_eq(data.targets, 2);
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_mem_eq(data.y, y, sizeof y);
    ck_assert_str_eq(data.target_name, "d");
    ck_assert_str_eq(data.target_names[0], "d");
    ck_assert_str_eq(data.target_names[1], "b");
    ck_assert_str_eq(data.feature_names[1], "c");
    /* rows that are dropped leave no gap between targets */
    ck_assert_int_eq(READ("1,2,3\n4,,6\n7,8,9\n", .target = "2,0", .drop_missing = true), KR_OK);
    const double left[] = {3, 9, 1, 7};
    ck_assert_uint_eq(data.n, 2);
    ck_assert_mem_eq(data.y, left, sizeof left);
    ck_assert_str_eq(data.target_names[1], "y2");
    /* a name with a comma is a name */
    ck_assert_int_eq(READ("\"a,b\",a,b\n1,2,3\n", .target = "a,b"), KR_OK);
    ck_assert_uint_eq(data.targets, 1);
    ck_assert_ptr_null(data.target_names);
    ck_assert_double_eq(data.y[0], 1);
}
END_TEST

START_TEST(bad_choices_of_columns)
{
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "column 1 is target 0 already", .target = "b,1");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "no column \"\"", .target = "b,");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "no column \" c\"", .target = "b, c");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "got no feature: every column", .target = "a,b,c");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "got no feature: every column", .target = "a,b",
          .noise_variance = "c");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "both the target and the noise variance", .target = "a,b",
          .noise_variance = "b");
    FAILS("a,b\n1,2\n", KR_INVALID, "target: the header has no column \"z\"", .target = "z");
    FAILS("a,b\n1,2\n", KR_INVALID, "target: got column 2, wanted an index from 0 to 1", .target = "2");
    FAILS("a,b\n1,2\n", KR_INVALID, "noise_variance: the header has no column \"-1\"",
          .noise_variance = "-1");
    FAILS("a,b\n1,2\n", KR_INVALID, "no column \"99999999999999999999999\"",
          .target = "99999999999999999999999");
    FAILS("1,2\n", KR_INVALID, "the text has no header", .target = "y");
    FAILS("a,b,c\n1,2,3\n", KR_INVALID, "both the target and the noise variance", .target = "b",
          .noise_variance = "1");
    FAILS("a,b\n1,2\n", KR_INVALID, "no feature", .noise_variance = "a");
    FAILS("a,b\n1,2\n", KR_INVALID, "no column \"\"", .target = "");
}
END_TEST

START_TEST(messages_are_printable)
{
    FAILS("a,b\n1,\xff\x01z\n", KR_MALFORMED, "\"??z\" is not a number", NULL);
    FAILS("a,b\n1,wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\n", KR_MALFORMED,
          "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww...\"", NULL);
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        (void)setlocale(LC_ALL, "");
    ck_assert_int_eq(READ("1.5,2.5\n", NULL), KR_OK);
    ck_assert_double_eq(data.x[0], 1.5);
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(limits_are_kept)
{
    char *text = malloc(400001);
    for (int i = 0; i < 100000; i++)
        memcpy(text + 4 * i, "1,2\n", 5);
    struct kr_csv_options options = {0};
    kr_ctx_fini(&ctx);
    kr_ctx_init(&ctx, 1 << 20);
    ck_assert_int_eq(kr_dataset_from_csv(&ctx, text, 400000, &options, &data, NULL), KR_MEMORY_LIMIT);
    kr_ctx_clear_error(&ctx);
    ctx.budget = 0;
    ck_assert_int_eq(kr_dataset_from_csv(&ctx, text, 400000, &options, &data, NULL), KR_OK);
    ck_assert_uint_eq(data.n, 100000);
    kr_cancel(&ctx);
    ck_assert_int_eq(kr_dataset_from_csv(&ctx, text, 400000, &options, &data, NULL), KR_CANCELLED);
    free(text);
}
END_TEST

/* Every prefix and every damaged byte of a small table is either read or refused in words. */
START_TEST(damaged_text_is_survived)
{
    const char *text = "\"a\"\"\",b,n\r\n1,\"2\",3\n,5,6\n";
    const char bytes[] = "\",\n\r 9x\0\xff";
    size_t length = strlen(text);
    char copy[64];
    struct kr_csv_options options = {.noise_variance = "2", .drop_missing = true};
    for (size_t i = 0; i <= length; i++) {
        if (read_bytes(text, i, options) != KR_OK)
            ck_assert_uint_gt(strlen(ctx.error.detail), 0);
        for (size_t b = 0; b < sizeof bytes && i < length; b++) {
            memcpy(copy, text, length);
            copy[i] = bytes[b];
            if (read_bytes(copy, length, options) != KR_OK)
                ck_assert_uint_gt(strlen(ctx.error.detail), 0);
        }
    }
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("csv", a_plain_table, without_a_header, line_ends_blank_lines_quotes_and_a_mark,
      numbers_are_read_to_the_last_bit, target_and_noise_by_name_or_index, missing_cells,
      bad_cells_name_line_and_column, bad_tables, one_column_of_points, several_targets, headers_are_told,
      bad_headers, several_targets, bad_choices_of_columns, messages_are_printable,
      the_locale_does_not_matter, limits_are_kept, damaged_text_is_survived)
