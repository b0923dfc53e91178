/* Texts of columns as codes: sorted by their bytes, whatever the order of rows; and in CSV. */
#include "kriged/data.h"

#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct kr_ctx ctx;
static struct kr_dataset data;
static size_t dropped;

static void setup(void)
{
    kr_ctx_init(&ctx, 0);
}

static void teardown(void)
{
    kr_ctx_fini(&ctx);
}

static kr_status read_csv(const char *text, struct kr_csv_options options)
{
    kr_ctx_fini(&ctx);
    kr_ctx_init(&ctx, 0);
    return kr_dataset_from_csv(&ctx, text, strlen(text), &options, &data, &dropped);
}

#define READ(text, ...) read_csv(text, (struct kr_csv_options){__VA_ARGS__})
#define FAILS(text, status, part, ...)                                                                       \
    do {                                                                                                     \
        ck_assert_int_eq(READ(text, __VA_ARGS__), status);                                                   \
        ck_assert_msg(strstr(ctx.error.detail, part) != NULL, "\"%s\" is not in: %s", part,                  \
                      ctx.error.detail);                                                                     \
    } while (0)

static void code(struct kr_coder *coder, const char *text, double *out)
{
    const char *wrong;
    ck_assert_int_eq(kr_coder_code(&ctx, coder, text, strlen(text), &wrong, out), KR_OK);
    ck_assert_msg(wrong == NULL, "%s: %s", text, wrong);
}

START_TEST(codes_are_sorted)
{
    static const char *const cells[] = {"b", "a", "é", "b", "B", "a b", "a"};
    const double wanted[] = {3, 1, 4, 3, 0, 2, 1};
    struct kr_coder *coder;
    struct kr_texts texts;
    double codes[7], found;
    ck_assert_int_eq(kr_coder_new(&ctx, &coder), KR_OK);
    for (int i = 0; i < 7; i++)
        code(coder, cells[i], &codes[i]);
    ck_assert_int_eq(kr_coder_finish(&ctx, coder, 7, codes, &texts), KR_OK);
    ck_assert_mem_eq(codes, wanted, sizeof codes);
    ck_assert_uint_eq(texts.count, 5);
    for (int i = 0; i < 7; i++) {
        ck_assert_str_eq(texts.items[(size_t)codes[i]], cells[i]);
        ck_assert(kr_category_find(&texts, cells[i], &found) && found == codes[i]);
    }
    ck_assert(!kr_category_find(&texts, "A", &found) && !kr_category_find(&texts, "z", &found));
    ck_assert(!kr_category_find(&texts, "", &found));
}
END_TEST

/* The last of them was only in rows that were left out. */
START_TEST(unused_texts_drop_out)
{
    struct kr_coder *coder;
    struct kr_texts texts;
    double codes[3];
    ck_assert_int_eq(kr_coder_new(&ctx, &coder), KR_OK);
    code(coder, "c", &codes[0]);
    code(coder, "a", &codes[1]);
    code(coder, "b", &codes[1]);
    ck_assert_int_eq(kr_coder_finish(&ctx, coder, 2, codes, &texts), KR_OK);
    ck_assert_uint_eq(texts.count, 2);
    ck_assert(codes[0] == 1 && codes[1] == 0);
}
END_TEST

START_TEST(a_thousand_at_most)
{
    struct kr_coder *coder;
    const char *wrong;
    char text[300];
    double value;
    ck_assert_int_eq(kr_coder_new(&ctx, &coder), KR_OK);
    for (int i = 0; i < KR_MOST_CATEGORIES; i++) {
        snprintf(text, sizeof text, "text %d", i);
        code(coder, text, &value);
        ck_assert(value == i);
    }
    code(coder, "text 999", &value); /* known */
    ck_assert(value == 999);
    ck_assert_int_eq(kr_coder_code(&ctx, coder, "another", 7, &wrong, &value), KR_OK);
    ck_assert_ptr_nonnull(strstr(wrong, "at most 1000"));
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(kr_coder_code(&ctx, coder, text, KR_CATEGORY_BYTES + 1, &wrong, &value), KR_OK);
    ck_assert_ptr_nonnull(strstr(wrong, "256"));
    ck_assert_int_eq(kr_coder_code(&ctx, coder, "a\xff", 2, &wrong, &value), KR_OK);
    ck_assert_ptr_nonnull(strstr(wrong, "UTF-8"));
    ck_assert_int_eq(kr_coder_code(&ctx, coder, "a\tb", 3, &wrong, &value), KR_OK);
    ck_assert_ptr_nonnull(strstr(wrong, "control"));
}
END_TEST

START_TEST(columns_of_csv)
{
    ck_assert_int_eq(READ("colour,a,kind,y\nred,1,\"x, \"\"y\"\"\",1\nblue,2,z,2\n\"red\",3,z,3\n", NULL),
                     KR_OK);
    const double x[] = {1, 0, 1, 1, 2, 3, 0, 1, 1};
    ck_assert_mem_eq(data.x, x, sizeof x);
    ck_assert_uint_eq(data.categories[0].count, 2);
    ck_assert_uint_eq(data.categories[1].count, 0);
    ck_assert_str_eq(data.categories[0].items[0], "blue");
    ck_assert_str_eq(data.categories[0].items[1], "red");
    ck_assert_str_eq(data.categories[2].items[0], "x, \"y\"");
    ck_assert(kr_dataset_categorical(&data, 0) && !kr_dataset_categorical(&data, 1));
    ck_assert_int_eq(READ("a,y\n1,2\n", NULL), KR_OK);
    ck_assert_ptr_null(data.categories);
    ck_assert(!kr_dataset_categorical(&data, 0));
    /* without a header, behind the target, at points */
    ck_assert_int_eq(READ("1,a\n2,b\n3,a\n", .target = "0"), KR_OK);
    ck_assert(data.x[0] == 0 && data.x[1] == 1 && data.x[2] == 0 && data.y[2] == 3);
    ck_assert_int_eq(READ("p,q\nb,1\na,2\n", .features_only = true), KR_OK);
    ck_assert(data.x[0] == 1 && data.x[3] == 2);
}
END_TEST

START_TEST(missing_texts)
{
    const char *text = "a,y\nq,1\n,2\nz,NA\nNA,3\nb,4\n";
    ck_assert_int_eq(READ(text, .drop_missing = true), KR_OK);
    ck_assert_uint_eq(data.n, 2);
    ck_assert_uint_eq(dropped, 3);
    ck_assert_uint_eq(data.categories[0].count, 2); /* z went with its row */
    ck_assert(data.x[0] == 1 && data.x[1] == 0);
    FAILS(text, KR_INVALID, "line 3, column 1 (\"a\"): the value is missing", NULL);
}
END_TEST

START_TEST(mixtures_are_refused_by_line_and_column)
{
    FAILS("a,y\nred,1\n7,2\n", KR_INVALID,
          "line 3, column 1 (\"a\"): \"7\" is a number, and line 2 has a text", NULL);
    FAILS("a,y\n7,1\nred,2\n", KR_MALFORMED, "line 3, column 1 (\"a\"): \"red\" is not a number", NULL);
    FAILS("a,b,2020\n1,2,3\n", KR_MALFORMED, "the first line is taken for data", NULL);
    FAILS("a,y\nred,1\nblue,high\n", KR_MALFORMED, "line 3, column 2 (\"y\"): \"high\" is not a number",
          NULL);
    FAILS("a,n,y\nred,few,1\n", KR_MALFORMED, "\"few\" is not a number", .noise_variance = "n");
    FAILS("a,y\nred,1\ninf,2\n", KR_INVALID, "line 3, column 1 (\"a\"): \"inf\" is not finite", NULL);
    FAILS("a,y\nr\xff,1\n", KR_INVALID, "line 2, column 1 (\"a\"): \"r?\" is not UTF-8", NULL);
}
END_TEST

START_TEST(summaries_list_them)
{
    struct kr_summary summary;
    ck_assert_int_eq(READ("colour,y\nred,1\nblue,2\nred,4\n", NULL), KR_OK);
    ck_assert_int_eq(kr_dataset_summary(&ctx, &data, &summary), KR_OK);
    const struct kr_column *columns = summary.columns.items;
    ck_assert_uint_eq(columns[0].categories.count, 2);
    ck_assert_str_eq(columns[0].categories.items[1], "red");
    ck_assert(columns[0].min == 0 && columns[0].max == 1);
    ck_assert_uint_eq(columns[1].categories.count, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("categories");
    TCase *tcase = tcase_create("categories");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, codes_are_sorted);
    tcase_add_test(tcase, unused_texts_drop_out);
    tcase_add_test(tcase, a_thousand_at_most);
    tcase_add_test(tcase, columns_of_csv);
    tcase_add_test(tcase, missing_texts);
    tcase_add_test(tcase, mixtures_are_refused_by_line_and_column);
    tcase_add_test(tcase, summaries_list_them);
    suite_add_tcase(made, tcase);
    return made;
}
